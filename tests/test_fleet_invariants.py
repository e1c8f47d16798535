"""What must hold of a governor, whatever happens, in any order, at any time, once, twice or never."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from remediate.decision import Evidence
from remediate.fleet import (
    Ended,
    Fleet,
    Governor,
    Order,
    Ordered,
    Phase,
    Purpose,
    Repaired,
    Sized,
    Telling,
    Wants,
    Withdrawn,
)
from remediate.fleet.parameters import problems
from tests.fleets import ALIVE, Driven, copied

KEYS = [f"c{number}" for number in range(12)]
TENANTS = ["t0", "t1", "t2", "t3"]
DAY_S = 86_400.0

Move = Callable[[Driven], None]
"""Something that happens."""
History = tuple[int, list[Move]]
"""Into how many groups of neighbours the fleet falls, and what happens."""

_key = st.sampled_from(KEYS)
_some = st.lists(_key, min_size=1, max_size=6)
_evidence = st.sampled_from([Evidence.UPSTREAM, Evidence.UPSTREAM, Evidence.AUTHORISATION, *Evidence])
_seconds = st.sampled_from([0.0, 0.001, 0.1, 1.3, 7.7, 60.0, 61.1, 119.9, 120.0, 300.0, 901.7, 3600.0, 40_000.0])
_back = st.sampled_from([-0.1, -3.3, -500.0, -90_000.0])
_pause = st.sampled_from([None, None, None, 0.0, 0.5, 45.0, 700.0])


def _tenant(key: str, groups: int) -> str | None:
    """Whose neighbour a connection is; with no groups, nobody's; the last ones never are."""
    number = int(key[1:])
    return TENANTS[number % groups] if groups and number < 10 else None


@attrs.frozen
class Wanting:
    keys: list[str]
    age_s: float
    groups: int
    runs: bool

    def __call__(self, driven: Driven) -> None:
        due_s = driven.clock_s - self.age_s
        said = [Wants(key=key, due_s=due_s, tenant=_tenant(key, self.groups), runs=self.runs) for key in self.keys]
        driven.say(*said)


@attrs.frozen
class Ending:
    """The attempts of some end, as far as there are such; perhaps it is said twice, or of another number."""

    keys: list[str]
    evidence: Evidence
    synced: bool
    pause_s: float | None
    times: int
    off: int

    def __call__(self, driven: Driven) -> None:
        driven.say(
            *(
                Ended(
                    key=key,
                    number=driven.running[key].start.number + self.off,
                    evidence=self.evidence,
                    synced=self.synced,
                    retry_after_s=self.pause_s,
                )
                for key in self.keys
                if key in driven.running
            )
        ) if self.times == 1 else [attrs.evolve(self, times=1)(driven) for _ in range(self.times)]


@attrs.frozen
class Passing:
    seconds: float

    def __call__(self, driven: Driven) -> None:
        driven.at(driven.clock_s + self.seconds)


@attrs.frozen
class Following:
    """Time goes on, with each wake-up in its turn; attempts end alike, or hang."""

    seconds: float
    evidence: Evidence | None

    def __call__(self, driven: Driven) -> None:
        end_s = driven.clock_s + self.seconds
        for _ in range(12):
            if driven.clock_s >= end_s:
                break
            driven.follow(min(end_s, driven.wake_s or end_s), self.evidence)


@attrs.frozen
class Failing:
    """All want, and all that starts ends alike, so many times."""

    groups: int
    evidence: Evidence
    times: int

    def __call__(self, driven: Driven) -> None:
        for _ in range(self.times):
            Wanting(KEYS, 10.0, self.groups, False)(driven)
            driven.answer(self.evidence)


@attrs.frozen
class Ordering:
    order: Order
    after_s: float | None
    tenant: str | None

    def __call__(self, driven: Driven) -> None:
        driven.is_muted = driven.is_muted or self.order == Order.MUTE
        until_s = None if self.after_s is None else driven.clock_s + self.after_s
        driven.say(Ordered(order=self.order, by="ann", why="a call", until_s=until_s, tenant=self.tenant))


@attrs.frozen
class Saying:
    kind: type
    keys: list[str]

    def __call__(self, driven: Driven) -> None:
        driven.say(*(self.kind(key=key) for key in self.keys))


@attrs.frozen
class Sizing:
    connections: int

    def __call__(self, driven: Driven) -> None:
        driven.say(Sized(connections=self.connections))


@attrs.frozen
class Copying:
    """From here on a copy is stepped alike."""

    def __call__(self, driven: Driven) -> None:
        driven.twin = copied(driven.governor)


def _moves(groups: int) -> st.SearchStrategy[Move]:
    tenants = st.sampled_from([None, *TENANTS[:groups]])
    return st.one_of(
        st.builds(Wanting, _some, _seconds, st.just(groups), st.booleans()),
        st.builds(Wanting, st.just(KEYS), _seconds, st.just(groups), st.just(False)),
        st.builds(Ending, _some, _evidence, st.booleans(), _pause, st.integers(1, 2), st.sampled_from([0, 0, 0, 1])),
        st.builds(Ending, st.just(KEYS), _evidence, st.just(True), _pause, st.just(1), st.just(0)),
        st.builds(Failing, st.just(groups), _evidence, st.integers(1, 4)),
        st.builds(Passing, _seconds | _back),
        st.builds(Following, _seconds, _evidence | st.none()),
        st.builds(Ordering, st.sampled_from(Order), st.none() | _seconds | _back, tenants),
        st.builds(Saying, st.sampled_from([Withdrawn, Repaired, Telling, Telling]), _some),
        st.builds(Sizing, st.sampled_from([0, 1, 12, 1000])),
        st.builds(Copying),
    )


def _histories(groups: int) -> st.SearchStrategy[History]:
    return st.tuples(st.just(groups), st.lists(_moves(groups), min_size=5, max_size=40))


_lives = st.sampled_from([0, 2, 4]).flatmap(_histories)
_clocks = st.sampled_from([0.0, 0.1, 1_794_000_000.3])


@st.composite
def _fleets(drawn: st.DrawFn) -> Fleet:
    """Parameters, usual and odd, small enough that much happens."""
    fleet = Fleet(
        fails_calm=drawn(st.sampled_from([0.03, 0.001, 0.49])),
        suspicion=drawn(st.sampled_from([9.0, 1.0, 3.0])),
        refused_suspicion=drawn(st.sampled_from([15.0, 1.0])),
        canaries=drawn(st.integers(1, 5)),
        probe_first_s=drawn(st.sampled_from([75.0, 1.0, 7.3])),
        probe_growth=drawn(st.sampled_from([0.08, 0.0, 1.0])),
        probes=drawn(st.integers(1, 3)),
        lapse_s=drawn(st.sampled_from([120.0, 1.0, 33.3, 5000.0])),
        headroom=drawn(st.sampled_from([3.0, 1.0])),
        least=drawn(st.integers(1, 5)),
        settle_s=drawn(st.sampled_from([300.0, 1.0, 3.1])),
        pace_growth=drawn(st.sampled_from([0.02, 0.0, 1.0])),
        notice_wait_s=drawn(st.sampled_from([300.0, 0.0, 1.1])),
        missing_share=drawn(st.sampled_from([0.05, 0.5])),
    )
    assume(not list(problems(fleet)))
    return fleet


def _lived(fleet: Fleet, clock_s: float, history: History) -> Driven:
    driven = Driven.of(fleet, clock_s)
    for move in history[1]:
        move(driven)
    return driven


def _is_at_rest(driven: Driven) -> bool:
    standing = driven.governor.standing
    knows_no_trouble = standing.phase == Phase.CLOSED and not standing.incidents
    return knows_no_trouble and not standing.waiting and not driven.pending


@settings(max_examples=150)
@given(st.just(Fleet()) | _fleets(), _clocks, _lives)
def test_at_every_step_all_holds_and_afterwards_all_is_released(fleet: Fleet, clock_s: float, history: History) -> None:
    driven = _lived(fleet, clock_s, history)
    end_s = driven.clock_s + 4 * DAY_S
    while not _is_at_rest(driven) and driven.clock_s < end_s:
        Wanting(KEYS, 0.0, history[0], False)(driven)
        driven.follow(driven.clock_s + 3600.0, ALIVE)
    assert _is_at_rest(driven)
    assert all(driven.opened.values())
    if driven.twin is not None:
        assert driven.twin.snapshot() == driven.governor.snapshot()


@settings(max_examples=60)
@given(_lives)
def test_while_attempts_hang_it_is_woken_now_and_then(history: History) -> None:
    driven = _lived(Fleet(), 0.1, history)
    assert driven.follow(driven.clock_s + 3600.0, None) <= 600


@settings(max_examples=20)
@given(_fleets(), st.integers(1, 3))
def test_probes_never_stop_though_each_hangs(fleet: Fleet, times: int) -> None:
    driven = Driven.of(fleet)
    keys = [f"c{number}" for number in range(2000)]
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=0.0))
    driven.want(keys)
    longest_s = fleet.probe_longest_s * 1.25 + fleet.probes * fleet.probe_first_s
    for _ in range(times):
        before = len(driven.starts)
        driven.follow(driven.clock_s + longest_s, None)
        assert len(driven.starts) > before
        assert {one.purpose for one in driven.starts} == {Purpose.PROBE}
        assert driven.governor.standing.phase == Phase.OPEN


@given(_clocks, _lives)
def test_a_copy_is_the_same(clock_s: float, history: History) -> None:
    driven = _lived(Fleet(), clock_s, history)
    saved = driven.governor.snapshot()
    assert copied(driven.governor).snapshot() == saved
    assert Governor.restore(saved).standing == driven.governor.standing
