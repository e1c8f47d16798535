"""A governor saved and restored: nothing changes, other parameters hold at once, and what is no snapshot is refused.

What another version saved is restored: a field that it lacks has its default, and one that is unknown is passed over.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediate.decision import Evidence
from remediate.errors import InputError
from remediate.fleet import Ended, Fleet, Governor, Order, Ordered, Phase, Sized, Standing, Telling, Wants
from remediate.fleet.notices import Tried
from remediate.fleet.saving import APART, plain, restored
from tests.fleets import ALIVE, Driven, copied


def _life() -> Driven:
    """One that has something of everything."""
    driven = Driven.of(Fleet(), 1000.5)
    tenants = {f"c{number}": f"t{number % 5}" for number in range(20)}
    driven.say(Sized(connections=20), Ordered(order=Order.OPEN, by="ann", tenant="t4"))
    for evidence in (Evidence.ALIVE, Evidence.MISSING, Evidence.AUTHORISATION, Evidence.UPSTREAM):
        driven.want(tenants, tenants)
        driven.answer(evidence)
    driven.want(tenants, tenants)
    driven.say(Telling(key="c1"), Ordered(order=Order.MUTE, by="ann"))
    driven.at(2000.0)
    return driven


def _lived() -> Governor:
    governor = _life().governor
    governor._notices.tried["c2"] = Tried(1900.0, 3)
    governor._owed.ended("t3", 5, "fleet/incident/1")
    return governor


SAVED = _lived().snapshot()
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def _places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, *path, key))]


def test_a_snapshot_is_plain_and_restores_to_itself() -> None:
    governor = _lived()
    assert json.loads(json.dumps(SAVED, allow_nan=False)) == SAVED
    assert copied(governor).snapshot() == SAVED
    assert copied(governor).standing == governor.standing
    assert governor.standing.phase == Phase.OPEN


def test_those_who_wait_may_be_kept_beside_a_snapshot_that_does_not_grow_with_them() -> None:
    driven = _life()
    governor = driven.governor
    driven.is_muted = True
    small = len(json.dumps(governor.snapshot(waiting=False)))
    driven.want([f"more-{number}" for number in range(500)])
    assert len(governor.waiting) > 480
    saved = governor.snapshot(waiting=False)
    assert len(json.dumps(saved)) < small + 300
    again = Governor.restore(saved, waiting=governor.waiting)
    assert again.snapshot() == governor.snapshot()
    driven.twin = again
    driven.say(Ordered(order=Order.CLOSE, by="ann"), Ordered(order=Order.CLOSE, by="ann", tenant="t4"))
    driven.follow(6000.0, ALIVE)
    assert len(driven.starts) > 100
    assert again.snapshot() == governor.snapshot()


@settings(max_examples=300)
@given(st.sampled_from(_places(SAVED)), _anything)
def test_what_is_no_snapshot_is_refused_or_restored_and_never_breaks(place: tuple[Any, ...], instead: Any) -> None:
    broken: Any = {"whole": copy.deepcopy(SAVED)}
    at = broken
    for step in ("whole", *place)[:-1]:
        at = at[step]
    at[("whole", *place)[-1]] = instead
    try:
        governor = Governor.restore(broken["whole"])
    except InputError as error:
        assert error.message.startswith("expected what was saved of ")
    else:
        saved = json.loads(json.dumps(governor.snapshot()))
        assert saved.keys() == SAVED.keys()
        assert Governor.restore(saved).snapshot() == saved


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        ("_now_s", "soon"),
        ("_now_s", None),
        ("_now_s", True),
        ("_troubled", "abc"),
        ("_probed", {}),
        ("_queue", []),
        ("_circuits", {"everyone": {}}),
    ],
)
def test_a_wrong_value_is_refused(field: str, instead: Any) -> None:
    with pytest.raises(InputError, match="expected what was saved of Governor"):
        Governor.restore({**SAVED, field: instead})


def test_an_unknown_word_is_refused() -> None:
    broken = copy.deepcopy(SAVED)
    broken["_circuits"]["everyone"]["phase"] = "ajar"
    with pytest.raises(InputError):
        Governor.restore(broken)
    del broken["_circuits"]
    with pytest.raises(InputError):
        Governor.restore(broken)


def test_other_parameters_hold_as_soon_as_it_is_restored() -> None:
    driven = Driven.of(Fleet(suspicion=50.0))
    fleet = Fleet(suspicion=3.0, refused_suspicion=1.0, canaries=1)
    driven.governor = Governor.restore(driven.governor.snapshot(), fleet)
    driven.want(["a", "b", "c"])
    driven.end("a", Evidence.UPSTREAM)
    driven.end("b", Evidence.UPSTREAM)
    assert driven.governor.standing.phase != Phase.CLOSED


# -- other versions


@attrs.frozen
class Place:
    """An object within a governor, and where it stands in what is saved."""

    path: tuple[Any, ...]
    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)

    def of(self, saved: Any) -> dict[str, Any]:
        """What is saved of it."""
        for step in self.path:
            saved = saved[step]
        assert isinstance(saved, dict)
        return saved


def _objects(value: Any, *path: Any) -> Iterator[Place]:
    """The objects whose fields are saved, the outer before the inner."""
    if attrs.has(type(value)):
        yield Place(path, type(value))
        inner: Any = ((one.name, getattr(value, one.name)) for one in attrs.fields(type(value)) if one.init)
    else:
        inner = value.items() if isinstance(value, dict) else ()
    for name, one in inner:
        if not isinstance(one, Fleet):
            yield from _objects(one, *path, name)


CLASSES = {str(place): place for place in reversed(list(_objects(_lived())))}
"""Each class, at the first place where there is one."""
FIELDS = [(place, name) for place in CLASSES.values() for name in place.of(SAVED)]
NEEDED = {
    *("Governor._circuits", "Circuits.name", "Circuits.everyone", "Circuit.name", "Circuit.incident"),
    *("Incident.id", "Incident.trouble", "Incident.since_s", "Incident.opened_s"),
    *("Entry.due_s", "Entry.order", "Entry.tenant", "Failed.at_s", "Failed.tenant", "Failed.times"),
    *("Flight.number", "Flight.at_s", "Flight.purpose", "Flight.tenant", "Flight.due_s"),
    *("Streak.votes", "Streak.voter", "Streak.since_s", "Tried.at_s", "Tried.number"),
    *("Held.arrivals", "Held.incident"),
}
"""What the first version saved already. A field that is added later has a default, or no fleet can be upgraded."""


def _goes_on(governor: Governor) -> None:
    """For a day, in which all is well; whoever comes is served."""
    now_s, until_s = 2000.0, 2000.0 + 86_400
    events: list[Any] = [Ordered(order=Order.CLOSE, by="ann"), Wants(key="new", due_s=now_s, tenant="t9")]
    started = set()
    for _ in range(3_000):
        asked = governor.step(now_s, events)
        started |= {one.key for one in asked.starts}
        events = [Ended(key=one.key, number=one.number, evidence=Evidence.ALIVE) for one in asked.starts]
        if now_s >= until_s:
            break
        now_s = min(now_s + 2 if events else asked.wake_s or until_s, until_s)
    assert now_s == until_s
    assert "new" in started
    assert governor.standing.phase == Phase.CLOSED


def test_of_everything_that_is_saved_there_is_something() -> None:
    outer = {
        "Governor",
        "Queue",
        "Window",
        "Pacer",
        "Circuits",
        "Detector",
        "Hurt",
        "Notices",
        "Missing",
        "Circuit",
        "Owed",
    }
    assert set(CLASSES) == outer | {"Entry", "Flight", "Streak", "Incident", "Failed", "Tried", "Held"}


@pytest.mark.parametrize(("place", "field"), FIELDS, ids=lambda value: str(value))
def test_a_field_that_another_version_did_not_save_has_its_default(place: Place, field: str) -> None:
    saved = copy.deepcopy(SAVED)
    del place.of(saved)[field]
    if f"{place}.{field}" in NEEDED:
        with pytest.raises(InputError, match="expected what was saved of "):
            Governor.restore(saved)
        return
    governor = Governor.restore(saved)
    again = governor.snapshot()
    found = place.of(again).pop(field)
    assert again == saved, "all else is as it was saved"
    default = attrs.fields_dict(place.cls)[field].default
    if not isinstance(default, attrs.Factory) and field != "limit":  # type: ignore[arg-type]  # it is a class
        assert found == plain(default)
    _goes_on(governor)


@pytest.mark.parametrize("place", list(CLASSES.values()), ids=str)
def test_a_field_that_only_another_version_knows_is_passed_over(place: Place) -> None:
    saved = copy.deepcopy(SAVED)
    place.of(saved)["of_a_later_version"] = {"some": ["thing", 1]}
    governor = Governor.restore(saved)
    assert governor.snapshot() == SAVED
    _goes_on(governor)


@attrs.frozen
class _Older:
    name: str
    seen: dict[str, int]


@attrs.frozen
class _Later:
    name: str
    times: int = 7
    apart: float = attrs.field(default=1.0, metadata=APART)
    seen: dict[str, int] = attrs.field(factory=dict)


def test_an_upgrade_and_its_withdrawal_both_restore() -> None:
    older = _Older("a", {"x": 1})
    later = restored(_Later, plain(older), {"apart": 2.0})
    assert later == _Later("a", 7, 2.0, {"x": 1})
    assert restored(_Older, plain(attrs.evolve(later, times=9)), {}) == older
    assert restored(_Later, {"name": "a"}, {}) == _Later("a")
    for broken in ({}, {"times": 1}, {"name": 1}, {"name": "a", "times": "7"}, [], None):
        with pytest.raises(InputError, match="expected what was saved of _Later"):
            restored(_Later, broken, {})


def test_nothing_at_all_is_no_governor_and_no_standing() -> None:
    for cls in (Governor, Standing):
        for nothing in ({}, {"what": 1}, [], None):
            with pytest.raises(InputError):
                restored(cls, nothing, {})
