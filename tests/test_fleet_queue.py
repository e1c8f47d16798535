"""Who waits for a start: order, tenants that wait aside, and that it is the same however it came about."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from remediate.fleet.queue import Entry, Queue

_tenants = st.sampled_from([None, "t", "u", "v"])
_adding = st.tuples(st.just("add"), st.integers(0, 9), st.integers(0, 5), _tenants, st.booleans())
_moves = st.lists(
    st.one_of(
        _adding,
        _adding,
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("hold"), _tenants),
        st.tuples(st.just("release"), _tenants),
        st.tuples(st.just("first")),
        st.tuples(st.just("best"), st.integers(0, 9)),
    ),
    max_size=40,
)


@attrs.define
class Model:
    """A list that is sorted anew each time."""

    held: set[str] = attrs.field(factory=set)
    entries: dict[str, Entry] = attrs.field(factory=dict)

    def waiting(self) -> list[str]:
        free = [(key, one) for key, one in self.entries.items() if one.tenant not in self.held]
        return [key for key, one in sorted(free, key=lambda item: (not item[1].runs, item[1].due_s, item[1].order))]

    def first_of(self, tenant: str) -> str | None:
        its = [(not one.runs, one.due_s, one.order, key) for key, one in self.entries.items() if one.tenant == tenant]
        return min(its)[3] if its else None


def _apply(move: tuple[object, ...], queue: Queue, model: Model) -> None:
    match move:
        case "add", number, int(due_s), tenant, runs:
            queue.add(f"c{number}", float(due_s), tenant, runs=runs)
            model.entries.setdefault(f"c{number}", Entry(float(due_s), queue.arrivals, tenant, runs))
        case "remove", number:
            assert queue.remove(f"c{number}") == model.entries.pop(f"c{number}", None)
        case "hold", str(tenant):
            model.held.add(tenant)
        case "release", str(tenant):
            model.held.discard(tenant)
            queue.release(tenant)
        case ("first",):
            assert queue.first() == (model.waiting() or [None])[0]
            assert [queue.first_of(tenant) for tenant in "tuv"] == [model.first_of(tenant) for tenant in "tuv"]
        case "best", number:
            waiting = model.waiting()
            wanted = f"c{number}"
            expected = wanted if wanted in waiting else waiting[0] if waiting else None
            assert queue.best(lambda key, _: key == wanted) == expected


@given(_moves)
def test_it_is_in_order_however_it_came_about(moves: list[tuple[object, ...]]) -> None:
    model = Model()
    queue = Queue(is_held=model.held.__contains__)
    for move in moves:
        _apply(move, queue, model)
        assert len(queue) == len(model.entries)
    restored = Queue(entries=dict(queue.entries), arrivals=queue.arrivals, is_held=queue.is_held)
    assert _emptied(restored) == _emptied(queue) == model.waiting()


def _emptied(queue: Queue) -> list[str]:
    order = []
    while (key := queue.first()) is not None:
        order.append(key)
        queue.remove(key)
    return order


def test_the_longest_overdue_is_first_and_those_that_run_before_all() -> None:
    queue = Queue()
    queue.add("young", 20.0, None)
    queue.add("old", 10.0, "t")
    queue.add("old too", 10.0, "u")
    queue.add("runs", 30.0, "t", runs=True)
    queue.add("young", 1.0, None)
    assert _emptied(queue) == ["runs", "old", "old too", "young"]


def test_who_waits_behind_others_is_found_when_its_tenant_is_held() -> None:
    queue = Queue(is_held="t".__eq__)
    queue.add("other", 1.0, None)
    queue.add("held", 2.0, "t")
    assert queue.first() == "other"
    assert queue.first_of("t") == "held"
    assert queue.first_of("u") is None


def test_one_that_comes_again_waits_at_its_new_place() -> None:
    queue = Queue()
    queue.add("a", 1.0, "t")
    queue.add("b", 2.0, "u")
    assert queue.first() == "a"
    queue.remove("a")
    queue.add("a", 3.0, "t")
    assert queue.first() == "b"


def test_of_many_that_are_not_wanted_the_first_will_do() -> None:
    queue = Queue()
    for number in range(200):
        queue.add(f"c{number}", float(number), f"t{number % 7}")
    assert queue.best(lambda key, _: key == "c63") == "c63"
    assert queue.best(lambda key, _: key == "c64") == "c0"
    assert queue.first() == "c0"
    assert Queue().best(lambda *_: True) is None


def test_one_that_came_while_its_tenant_was_held_does_not_stand_before_its_elders() -> None:
    held = {"t"}
    queue = Queue(is_held=held.__contains__)
    queue.add("old", 1.0, "t")
    assert queue.first() is None
    queue.add("young", 5.0, "t")
    queue.add("other", 3.0, "u")
    held.clear()
    queue.release("t")
    assert _emptied(queue) == ["old", "other", "young"]
