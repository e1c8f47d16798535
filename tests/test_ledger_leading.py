"""Whoever leads, and whenever that changes or dies: what is saved is what was led, and nothing starts twice or is lost.

Knows the ledger, and looks inside only for what is saved of a governor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediate.errors import InputError
from remediate.events import Mended, Trigger
from remediate.fleet import Governor, Order
from remediate.ledger import Claim, Leader, Ledger, leading
from remediate.ledger.schema import FREE, WAITING, fleet_events, governors
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import DOWN, LAPSED, SYNCING, WELL
from tests.test_ledger_fleet import keys, row, untold
from tests.test_ledger_leaders import dies
from tests.thoroughness import WHOLE

KEYS = keys(9)
AWAY = ApiFailure(call="status", http_status=503)
REFUSED = ApiFailure(call="sync", http_status=503)


@attrs.define
class Fleet:
    """A ledger, two who would lead it, and what was seen of starts; one that begins anew numbers them anew."""

    ledger: Ledger
    clock: Clock
    leaders: list[Leader] = attrs.field(factory=list)
    held: list[Claim] = attrs.field(factory=list)
    numbers: dict[int, str] = attrs.field(factory=dict)
    ended: set[int] = attrs.field(factory=set)
    is_anew: bool = False

    def __attrs_post_init__(self) -> None:
        self.ledger.enroll(KEYS)
        self.leaders = [self.ledger.fleet.leader(_tenant) for _ in range(2)]

    def step(self, who: int) -> None:
        """Lead, and check that what is saved is what is led."""
        leader = self.leaders[who]
        if leader.step() is not None and leader._governor is not None and not untold(self.ledger):
            saved = self.saved(leader)
            assert saved is not None or self.is_anew
            assert saved is None or saved.snapshot() == leader._governor.snapshot()

    def saved(self, leader: Leader) -> Governor | None:
        return self.ledger._database.read(lambda tx: leader._restored(tx, tx.row(governors.select())))

    def claim(self, limit: int) -> Iterator[Claim]:
        for claim in self.ledger.claim(limit, granted=True):
            start = row(self.ledger, claim.key).start
            assert self.is_anew or start not in self.ended, "an attempt that is over goes on"
            assert self.is_anew or self.numbers.setdefault(start, claim.key) == claim.key
            yield claim

    def work(self, claim: Claim, status: object, answer: object) -> None:
        """Look at a connection, and sync it where that is asked for."""
        start = row(self.ledger, claim.key).start
        last = saw(self.ledger, claim, status)[-1]
        if isinstance(last, Trigger):
            self.ledger.answered(claim, last.number, answer)
        if row(self.ledger, claim.key).stage == FREE and start is not None:
            self.ended.add(start)


def _tenant(key: str) -> str | None:
    return {"1": "one", "2": "two"}.get(key[-1])


Move = Callable[[Fleet], None]


@attrs.frozen
class Stepping:
    who: int
    at: int | None

    def __call__(self, fleet: Fleet) -> None:
        if self.at is None:
            fleet.step(self.who)
            return
        dies(fleet.ledger, fleet.leaders[self.who], self.at)
        fleet.step(self.who)


@attrs.frozen
class Beginning:
    """A process that led, or would, begins anew; perhaps it has resigned before."""

    who: int
    resigns: bool

    def __call__(self, fleet: Fleet) -> None:
        if self.resigns:
            fleet.leaders[self.who].resign()
        fleet.leaders[self.who] = fleet.ledger.fleet.leader(_tenant)


@attrs.frozen
class Passing:
    seconds: float

    def __call__(self, fleet: Fleet) -> None:
        fleet.clock.now_s += self.seconds


@attrs.frozen
class Working:
    """Runners do what is granted; or they take it and die."""

    limit: int
    status: object
    answer: object
    die: bool

    def __call__(self, fleet: Fleet) -> None:
        for claim in fleet.claim(self.limit):
            if not self.die:
                fleet.work(claim, self.status, self.answer)


@attrs.frozen
class Asking:
    """A worker asks for a turn, and begins, gives up or dies."""

    key: str
    then: str

    def __call__(self, fleet: Fleet) -> None:
        claim = fleet.ledger.ask(self.key, "a job")
        if isinstance(claim, Claim) and self.then == "waits":
            fleet.held.append(claim)
        elif isinstance(claim, Claim) and self.then == "gives up":
            fleet.ledger.put_off(claim, "a job")
            fleet.ledger.release(claim)


@attrs.frozen
class Saying:
    key: str
    what: str

    def __call__(self, fleet: Fleet) -> None:
        try:
            if self.what == "forgets":
                fleet.ledger.forget(self.key)
                fleet.ledger.enroll(KEYS)
            else:
                fleet.ledger.tell(self.key, Mended(by="ada"))
        except InputError:
            return  # it is not known


@attrs.frozen
class Ordering:
    order: Order

    def __call__(self, fleet: Fleet) -> None:
        fleet.ledger.fleet.order(self.order, by="ada", until_s=fleet.clock.now_s + 300)


def _damage(fleet: Fleet) -> None:
    """What is saved of the governor can be read by nobody."""
    fleet.is_anew = True
    fleet.ledger._database.write(lambda tx: tx.execute(governors.update(), {"snapshot": '{"what": 1}'}))


def _lose(fleet: Fleet) -> None:
    """What the governor was to be told can be read by nobody."""
    fleet.ledger._database.write(lambda tx: tx.execute(fleet_events.update(), {"kind": "of a later version"}))


def _workers_go_on(fleet: Fleet) -> None:
    """Those who wait for their turn, and have it."""
    for claim in fleet.held:
        if fleet.ledger.is_granted(claim):
            fleet.ledger.release(claim)
    fleet.held.clear()


_who, _key = st.integers(0, 1), st.sampled_from(KEYS)
_status = st.sampled_from([WELL, DOWN, LAPSED, AWAY, AWAY, AWAY])
_moves = st.one_of(
    st.builds(Stepping, _who, st.none()),
    st.builds(Stepping, _who, st.none() | st.integers(1, 25)),
    st.builds(Beginning, _who, st.booleans()),
    st.builds(Passing, st.sampled_from([0.5, 3.0, 26.0, 61.0, 101.0, 700.0])),
    st.builds(Working, st.integers(1, 9), _status, st.sampled_from([SYNCING, REFUSED]), st.booleans()),
    st.builds(Working, st.just(9), _status, st.sampled_from([SYNCING, REFUSED]), st.just(False)),
    st.builds(Asking, _key, st.sampled_from(["waits", "gives up", "dies"])),
    st.builds(Saying, _key, st.sampled_from(["forgets", "mends"])),
    st.builds(Ordering, st.sampled_from([Order.OPEN, Order.CLOSE])),
    st.just(_workers_go_on),
    st.sampled_from([_damage, _lose]),
)


def _comes_to_rest(fleet: Fleet) -> bool:
    """All is well from now on: whether everybody is within a day, and nobody waits for ever."""
    for pause_s in [20] * 300 + [300] * 288:
        fleet.clock.now_s += pause_s
        fleet.step(0)
        for claim in fleet.claim(9):
            fleet.work(claim, WELL, SYNCING)
        if fleet.ledger.overview().answers == {"no_op healthy": len(KEYS)}:
            waiting = [key for key in KEYS if row(fleet.ledger, key).stage == WAITING]
            if not waiting and not untold(fleet.ledger):
                return True
    return False


@settings(max_examples=150 if WHOLE else 15)
@given(st.sampled_from([500, 2]), st.lists(_moves, min_size=5, max_size=30))
def test_whoever_leads_and_dies_what_is_saved_is_what_was_led(most: int, moves: list[Move]) -> None:
    with pytest.MonkeyPatch.context() as patched, Ledger(clock=Clock(), lease_s=100) as ledger:
        patched.setattr(leading, "_MOST", most)
        fleet = Fleet(ledger, ledger._database._clock)
        for move in moves:
            move(fleet)
        fleet.leaders = fleet.leaders[:1]
        fleet.clock.now_s += 101
        assert _comes_to_rest(fleet)
