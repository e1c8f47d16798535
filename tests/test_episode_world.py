"""The life of a connection: any events in any order, and a small world in which every trouble comes to rest."""

from __future__ import annotations

import heapq

from hypothesis import given, settings
from hypothesis import strategies as st

from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Late,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Released,
    TimePassed,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.state import State
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.lives import BROKEN, CLOSED, DAY, DOWN, LAPSED, LIFE, SYNCING, WELL, Life, failed

# Any events, in any order.

observations = st.sampled_from(
    [
        *(WELL, SYNCING, DOWN, LAPSED, CLOSED, BROKEN, failed("NEW", flag=True), failed("NEW"), ConnectionStatus()),
        *(ConnectionStatus(is_connected=False), ConnectionStatus(is_connected=True)),
        failed("QUICKBOOKS_AUTHENTICATION_FAILURE", at="second"),
        *(ApiFailure(http_status=code) for code in (302, 401, 404, 429, 503)),
        *(ApiFailure(type=kind) for kind in ("ResourceArchived", "ResourceNotFound")),
    ]
)
refusals = st.sampled_from(
    [
        *(ApiFailure(call="sync", transport=transport) for transport in ("no_answer", "not_sent")),
        *(ApiFailure(call="sync", http_status=code, retry_after_s=90) for code in (503, 429)),
        *(
            ApiFailure(call="sync", error_enum=f"Quickbooks{name}")
            for name in ("ConnectionAlreadySyncing", "TokenExpired")
        ),
        ApiFailure(call="sync", type="ResourceNotFound"),
    ]
)
numbers = st.integers(0, 4)
moments = st.floats(-1e5, 2e6)
events = (
    st.builds(Observed, observation=observations, asked_s=moments)
    | st.builds(Accepted, number=numbers)
    | st.builds(Refused, number=numbers, observation=refusals)
    | st.builds(Late, number=numbers)
    | st.sampled_from([Mended(by="x"), Held(by="x"), Released(by="x"), Wanted(by="x"), TimePassed()])
)


@given(st.lists(st.tuples(events, moments), max_size=40))
def test_any_events_in_any_order_keep_every_promise(journal: list[tuple[Event, float]]) -> None:
    state = State(key="acme")
    ids: dict[str, Command] = {}
    is_authorised = True
    for event, now_s in journal:
        before = state
        state, commands = LIFE.step(state, event, now_s)
        *others, last = commands
        assert isinstance(last, Observe | Trigger | WaitUntil)
        assert state.rests == (isinstance(last, WaitUntil) and last.rests)
        assert not any(isinstance(one, Observe | Trigger | WaitUntil) for one in others)
        assert state.now_s == max(before.now_s, now_s)
        if isinstance(event, Mended):
            is_authorised = True
        for command in others:
            is_fleets = isinstance(command, OpenTicket) and command.scope == "integration"
            assert is_fleets or command.id not in ids, "given twice"
            ids[command.id] = command
        if isinstance(last, Trigger):
            assert before.flight is None or isinstance(event, Observed | Refused)
            assert last.number == before.triggers + 1
            assert not state.held
            assert is_authorised, "a sync before re-authorisation"
            assert isinstance(event, Observed)
            assert event.observation != SYNCING
            if before.flight is not None:
                assert event.asked_s >= before.flight.at_s
        if isinstance(event, Observed) and event.observation.describes and state.asked_s == event.asked_s:
            reason = getattr(event.observation, "sync_failure_reason", None)
            if reason == LAPSED.sync_failure_reason and not state.repaired and state.flight is None:
                is_authorised = False
            elif state.flight is None:
                is_authorised = True
        if isinstance(last, WaitUntil) and last.at_s is None and not state.held:
            assert not state.is_open, "nobody is waited for, and nothing ever follows"
        again, repeated = LIFE.step(state, event, state.now_s)
        assert not [one for one in repeated if isinstance(one, Notify | OpenTicket) and one.id in ids]
        assert again.triggers - state.triggers <= 1
    assert LIFE.replay("acme", journal) == state
    first = [one for one in ids.values() if isinstance(one, Notify) and one.reminder == 0]
    assert len({one.id for one in first}) == len(first) <= state.episode


# A small world: Layer answers at once, shows the old answer for a while, and runs one sync at a time.


class World:
    """Layer with one connection in trouble, on a clock of its own."""

    def __init__(self, reason: str, mended_s: float, lag_s: float, lasts_s: float, lost: frozenset[int]) -> None:
        self.reason, self.mended_s, self.lag_s, self.lasts_s, self.lost = reason, mended_s, lag_s, lasts_s, lost
        self.syncs: list[float] = []
        self.overlaps = self.early = 0

    def trigger(self, now: float, number: int) -> Event:
        if self.syncs and now < self.syncs[-1] + self.lag_s + self.lasts_s:
            self.overlaps += 1
        if self.reason == "QUICKBOOKS_AUTHENTICATION_FAILURE" and now < self.mended_s:
            self.early += 1
        self.syncs.append(now)
        if number in self.lost:
            return Refused(number=number, observation=ApiFailure(call="sync", transport="no_answer"))
        return Accepted(number=number)

    def status(self, now: float) -> ConnectionStatus:
        done = [at for at in self.syncs if now >= at + self.lag_s + self.lasts_s]
        if any(at + self.lag_s <= now < at + self.lag_s + self.lasts_s for at in self.syncs):
            return SYNCING
        if done and done[-1] >= self.mended_s:
            return WELL
        return failed(self.reason, at=str(len(done)))


@settings(max_examples=60)
@given(
    st.sampled_from(["QUICKBOOKS_SERVICE_UNAVAILABLE", "QUICKBOOKS_AUTHENTICATION_FAILURE"])
    | st.sampled_from(["QUICKBOOKS_INVALID_REQUEST_STATE", "QUICKBOOKS_GENERAL_SERVICE_FAILURE"]),
    st.floats(0, 2 * DAY),
    st.floats(0, 50),
    st.floats(1, 1_500),
    st.frozensets(st.integers(1, 5)),
)
def test_every_trouble_that_is_mended_comes_to_rest(
    reason: str, mended_s: float, lag_s: float, lasts_s: float, lost: frozenset[int]
) -> None:
    world, life = World(reason, mended_s, lag_s, lasts_s, lost), Life()
    queue: list[tuple[float, int, Event]] = [(0.0, 0, TimePassed()), (mended_s + 1, 1, Mended(by="a human"))]
    life(Released(by="start"), 0.0)
    for count in range(2, 30_000):
        now, _, event = heapq.heappop(queue)
        if isinstance(event, TimePassed) and life.state.due_s is not None and now < life.state.due_s:
            now = life.state.due_s
        last = life(event, now)[-1]
        if now > mended_s and not life.state.is_open and life.state.triggers:
            break
        if isinstance(last, Observe):
            heapq.heappush(queue, (now, count, Observed(observation=world.status(now), asked_s=now)))
        elif isinstance(last, Trigger):
            heapq.heappush(queue, (now, count, world.trigger(now, last.number)))
        elif last.at_s is not None:
            heapq.heappush(queue, (last.at_s, count, TimePassed()))
    assert not life.state.is_open, life.state
    assert world.overlaps == 0
    assert world.early == 0
    assert len([one for one in life.told(Notify) if one.reminder == 0]) <= 1
    assert LIFE.replay("acme", life.journal) == life.state
