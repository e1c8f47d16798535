"""The life of a connection: scenarios, a small world, and any events in any order."""

from __future__ import annotations

import heapq
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediate import Engine, InputError, Owner, PolicyError
from remediate.decision import Scope
from remediate.episode import UNANSWERED, Lifecycle
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Released,
    ResolveTicket,
    TimePassed,
    Trigger,
    WaitUntil,
)
from remediate.loading import parse_policy, policy_path
from remediate.state import State
from remediate.strict import strict_converter
from remediate.upstreams.layer import ApiFailure, ConnectionStatus

ENGINE = Engine.bundled()
LIFE = Lifecycle(decide=ENGINE.decide, cadence=ENGINE.policy.episode)
DAY = 86_400.0
WELL = ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status="SYNC_SUCCESS")
SYNCING = ConnectionStatus(is_connected=True, is_syncing=True, last_sync_status="SYNC_FAILURE")


def failed(reason: str, *, flag: bool | None = None, at: str = "first") -> ConnectionStatus:
    return ConnectionStatus(
        is_connected=True,
        is_syncing=False,
        last_sync_status="SYNC_FAILURE",
        sync_failure_reason=reason,
        is_retryable_failure=flag,
        last_synced_at=at,
    )


DOWN = failed("QUICKBOOKS_SERVICE_UNAVAILABLE")
LAPSED = failed("QUICKBOOKS_AUTHENTICATION_FAILURE")
CLOSED = failed("QUICKBOOKS_INVALID_REQUEST_STATE")
BROKEN = failed("QUICKBOOKS_BAD_REQUEST")


class Life:
    """One connection under the machine, with its journal."""

    def __init__(self) -> None:
        self.state = State(key="acme")
        self.journal: list[tuple[Event, float]] = []
        self.said: list[Command] = []

    def __call__(self, event: Event, now_s: float) -> tuple[Command, ...]:
        self.journal.append((event, now_s))
        self.state, commands = LIFE.step(self.state, event, now_s)
        self.said += commands
        return commands

    def sees(self, observation: Any, now_s: float) -> tuple[Command, ...]:
        return self(Observed(observation=observation, asked_s=now_s), now_s)

    def until_triggered(self, observation: Any, now_s: float) -> float:
        """See the same until a sync is triggered; when that was."""
        for _ in range(10):
            command = self.sees(observation, now_s)[-1]
            if isinstance(command, Trigger):
                return now_s
            assert isinstance(command, WaitUntil)
            assert command.at_s is not None
            now_s = command.at_s
            assert isinstance(self(TimePassed(), now_s)[-1], Observe)
        raise AssertionError("no sync was triggered")

    def told(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.said if isinstance(command, kind)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("settling_s = 0", "episode.settling_s: expected 1 s or more"),
        ("poll_s = 0.5", "episode.poll_s: expected 1 s or more"),
        ("reminders_s = [604800, 259200]", "episode.reminders_s: expected rising numbers above 0"),
        ("reminders_s = [0]", "episode.reminders_s: expected rising numbers above 0"),
        ("escalate_after_s = 604800", "episode.escalate_after_s: expected a number beyond the last reminder"),
        ("settle_s = 60", "episode: unknown key `settle_s` (did you mean `settling_s`?)"),
    ],
)
def test_a_cadence_that_can_not_be_kept_is_refused(change: str, said: str) -> None:
    shipped = policy_path("layer-quickbooks").read_text()
    name = re.escape(change.split()[0].replace("settle_s", "settling_s"))
    mutant = re.sub(rf"^{name} = .*$", change, shipped, count=1, flags=re.MULTILINE)
    assert mutant != shipped
    with pytest.raises(PolicyError) as refused:
        Engine(parse_policy(mutant.encode()))
    assert said in refused.value.problems


def test_a_state_is_plain_data() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life.sees(BROKEN, 1)
    life.until_triggered(DOWN, 2)
    assert life.state.flight is not None
    converter = strict_converter()
    written = json.dumps(converter.unstructure(life.state))
    assert converter.structure(json.loads(written), State) == life.state


def test_a_healthy_connection_opens_nothing() -> None:
    life = Life()
    assert life.sees(WELL, 0) == (WaitUntil(id="acme/wait/3600.0", at_s=3600.0),)
    assert not life.state.is_open
    assert isinstance(life(TimePassed(), 3599)[-1], WaitUntil)
    assert isinstance(life(TimePassed(), 3600)[-1], Observe)


def test_an_outage_is_retried_until_it_passes() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 100)
    assert 105 <= at <= 160
    assert life.state.attempts == 1
    assert life(Accepted(number=1), at + 1)[-1] == WaitUntil(id=f"acme/wait/{at + 11}", at_s=at + 11)
    life.sees(SYNCING, at + 11)
    assert life.state.syncing_since_s == at + 11
    life.sees(WELL, at + 50)
    assert not life.state.is_open
    assert (life.state.attempts, life.state.triggers, life.state.episode) == (0, 1, 1)
    assert life.told(Notify) == life.told(OpenTicket) == []


def test_the_old_answer_after_a_trigger_is_no_new_failure() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    for later in (1, 20, 59.9):
        assert isinstance(life.sees(DOWN, at + later)[-1], WaitUntil)
        assert life.state.flight is not None
    life.sees(DOWN, at + 60)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 60
    assert life.state.attempts == 1


def test_a_new_answer_within_the_settling_time_counts_at_once() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="second"), at + 5)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 5


def test_a_sync_that_was_seen_running_ends_with_whatever_comes_then() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(SYNCING, at + 3)
    life.sees(DOWN, at + 9)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 9


def test_attempts_end_in_one_ticket_for_the_fleet() -> None:
    life = Life()
    now = 0.0
    life.sees(DOWN, now)
    for _ in range(1000):
        if life.told(OpenTicket):
            break
        now = life.until_triggered(DOWN, now) + 70
        life.sees(DOWN, now)
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.scope, ticket.cause) == (Owner.PROVIDER, Scope.INTEGRATION, "QuickBooks is down")
    assert ticket.id == "layer-quickbooks/integration/ticket/provider/QuickBooks is down"
    assert life.state.attempts <= 48
    life.sees(DOWN, now + 30_000)
    assert len(life.told(OpenTicket)) == 1


def test_a_lapsed_authorisation_waits_for_its_customer_and_then_resumes_once() -> None:
    life = Life()
    (notice, wait) = life.sees(LAPSED, 0)
    assert isinstance(notice, Notify)
    assert (notice.audience, notice.reminder, notice.id) == (Owner.CUSTOMER, 0, "acme/1/notice/customer/0")
    assert notice.decision.next_steps.customer
    assert isinstance(wait, WaitUntil)
    assert wait.at_s == 6 * 3600
    for hour in range(6, 60, 6):
        assert isinstance(life(TimePassed(), hour * 3600.0)[-1], Observe)
        assert [type(c) for c in life.sees(LAPSED, hour * 3600.0)] == [WaitUntil]
    assert isinstance(life(Mended(by="oauth callback"), 60 * 3600.0)[-1], Observe)
    at = life.until_triggered(LAPSED, 60 * 3600.0)
    assert at <= 60 * 3600.0 + 10
    life.sees(WELL, at + 30)
    assert not life.state.is_open
    assert len(life.told(Trigger)) == len(life.told(Notify)) == 1


def test_a_repair_that_did_not_help_is_no_second_first_notice() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="oauth callback"), 100)
    at = life.until_triggered(LAPSED, 100)
    life.sees(LAPSED, at + 60)
    assert not life.state.repaired
    assert len(life.told(Notify)) == 1
    assert len(life.told(Trigger)) == 1


def test_a_repair_while_a_sync_runs_still_lets_one_follow() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life(Mended(by="support"), at + 1)
    life.sees(SYNCING, at + 2)
    assert isinstance(life.sees(LAPSED, at + 30)[-1], Trigger)
    life.sees(SYNCING, at + 35)
    assert life.state.repaired
    assert isinstance(life.sees(LAPSED, at + 60)[0], Notify)
    assert not life.state.repaired


def test_reminders_keep_the_cadence_and_end_in_a_ticket() -> None:
    life = Life()
    now = 0.0
    while now < 16 * DAY:
        wait = life.sees(CLOSED, now)[-1]
        assert isinstance(wait, WaitUntil)
        assert wait.at_s is not None
        now = wait.at_s
        life(TimePassed(), now)
    assert [(one.reminder, one.id[-1]) for one in life.told(Notify)] == [(0, "0"), (1, "1"), (2, "2")]
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.cause) == (Owner.SUPPORT, UNANSWERED)
    asked = [at for event, at in life.journal if isinstance(event, TimePassed)]
    assert {3 * DAY, 7 * DAY, 14 * DAY} <= set(asked)


def test_a_success_resolves_the_tickets_of_the_connection() -> None:
    life = Life()
    life.sees(failed("QUICKBOOKS_VALIDATION_ERROR"), 0)
    life.sees(BROKEN, 10)
    mine, fleet = life.told(OpenTicket)
    assert (mine.scope, fleet.scope) == (Scope.CONNECTION, Scope.INTEGRATION)
    resolved, _ = life.sees(WELL, 20)
    assert resolved == ResolveTicket(id=f"{mine.id}/resolved", ticket=mine.id)
    life.sees(failed("QUICKBOOKS_VALIDATION_ERROR"), 30)
    assert life.told(OpenTicket)[-1].id != mine.id


def test_a_trigger_without_an_answer_is_observed_before_anything_else() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    wait = life(Refused(number=1, observation=ApiFailure(call="sync", transport="no_answer")), at + 30)[-1]
    assert isinstance(wait, WaitUntil)
    assert wait.at_s is not None
    assert isinstance(life(TimePassed(), wait.at_s)[-1], Observe)
    assert life.state.attempts == 1
    assert life.state.flight is not None
    life.sees(SYNCING, wait.at_s)
    life.sees(WELL, wait.at_s + 40)
    assert len(life.told(Trigger)) == 1


def test_a_trigger_whose_answer_never_comes_is_observed_after_the_settling_time() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    assert isinstance(life(TimePassed(), at + 59)[-1], WaitUntil)
    assert isinstance(life(TimePassed(), at + 60)[-1], Observe)


def test_a_refused_trigger_is_an_attempt() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    refused = ApiFailure(call="sync", error_enum="QuickbooksTokenExpired")
    assert isinstance(life(Refused(number=1, observation=refused), at + 1)[0], Notify)
    assert (life.state.attempts, life.state.flight) == (1, None)


def test_a_status_call_that_fails_says_nothing_of_the_sync_that_runs() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    flight = life.state.flight
    busy = ApiFailure(call="status", http_status=503)
    waits = []
    for n in range(8):
        wait = life.sees(busy, at + 1 + n)[-1]
        assert isinstance(wait, WaitUntil)
        assert wait.at_s is not None
        waits.append(wait.at_s - (at + 1 + n))
    assert life.state.flight == flight
    assert all(1 <= one <= 60 for one in waits)
    assert max(waits) > 10
    life.sees(busy, at + 20)
    (ticket,) = life.told(OpenTicket)
    assert ticket.owner == Owner.PROVIDER
    life.sees(WELL, at + 30)
    assert (life.state.unanswered, life.state.unanswered_since_s) == (0, None)


def test_a_stuck_sync_is_escalated_once() -> None:
    life = Life()
    for minute in range(40):
        life.sees(SYNCING, minute * 60.0)
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.scope) == (Owner.PROVIDER, Scope.CONNECTION)


def test_an_operator_holds_and_releases() -> None:
    life = Life()
    life(Held(by="ops"), 0)
    wait = life.sees(DOWN, 1)[-1]
    assert isinstance(wait, WaitUntil)
    assert life.sees(DOWN, 5_000)[-1] == WaitUntil(id="acme/wait/None", at_s=None)
    assert isinstance(life(Released(by="ops"), 6_000)[-1], Observe)
    assert isinstance(life.sees(DOWN, 6_000)[-1], Trigger)


def test_an_archived_business_comes_to_rest() -> None:
    life = Life()
    assert life.sees(ApiFailure(call="status", type="ResourceArchived"), 0)[-1] == WaitUntil(
        id="acme/wait/None", at_s=None
    )


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_refused(time: float) -> None:
    with pytest.raises(InputError, match="now_s"):
        LIFE.step(State(key="acme"), TimePassed(), time)


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
    | st.sampled_from([Mended(by="x"), Held(by="x"), Released(by="x"), TimePassed()])
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
        assert not any(isinstance(one, Observe | Trigger | WaitUntil) for one in others)
        assert state.now_s == max(before.now_s, now_s)
        if isinstance(event, Mended):
            is_authorised = True
        for command in others:
            assert command.id not in ids, "given twice"
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
            assert not state.is_open or state.notices or state.tickets or not _asks(event)
        again, repeated = LIFE.step(state, event, state.now_s)
        assert not [one for one in repeated if isinstance(one, Notify | OpenTicket) and one.id in ids]
        assert again.triggers - state.triggers <= 1
    assert LIFE.replay("acme", journal) == state
    first = [one for one in ids.values() if isinstance(one, Notify) and one.reminder == 0]
    assert len({one.id for one in first}) == len(first) <= state.episode


def _asks(event: Event) -> bool:
    return isinstance(event, Observed) and event.observation in (LAPSED, CLOSED, BROKEN)


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
    life.state, _ = LIFE.step(life.state, Released(by="start"), 0.0)
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
