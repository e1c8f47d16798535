"""The life of Airbyte's connections: retried, cancelled, cleared, asked about in vain; driven and remembered."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from remediate import Engine, Owner, Retry
from remediate.driving import Outcome, drive
from remediate.episode import Lifecycle
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Late,
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
from remediate.ledger import Ledger
from remediate.observation import Observation
from remediate.upstreams.airbyte import ApiFailure, ConnectionStatus, FailureOrigin, JobStatus, Sync, parse
from tests.layer_calls import Clock
from tests.lives import Life

ENGINE = Engine.bundled("airbyte")
LIFE = Lifecycle(decide=ENGINE.decide, cadence=ENGINE.policy.episode)
DAY = 86_400.0


class AirbyteLife(Life):
    """A connection of Airbyte's under the machine."""

    def __call__(self, event: Event, now_s: float) -> tuple[Command, ...]:
        self.journal.append((event, now_s))
        self.state, commands = LIFE.step(self.state, event, now_s)
        self.said += commands
        return commands


def failed(job: int, kind: str = "transient_error", *, progress: bool | None = None, **more: Any) -> Sync:
    told = {"failure_type": kind, "failure_origin": "source", "partial_success": progress} | more
    return Sync(job_status="failed", attempt_status="failed", job_id=job, attempt=4, ended_at=f"at {job}", **told)


def jobs_until_told(life: AirbyteLife, *, progress: bool | None, kind: str = "transient_error") -> Iterator[float]:
    """When each job is triggered, if each fails after ten minutes, until a ticket is opened."""
    at, number = 0.0, 1
    while number < 200:
        for _ in range(10):
            command = life.sees(failed(number, kind, progress=progress), at)[-1]
            if life.told(OpenTicket):
                return
            if isinstance(command, Trigger):
                break
            at = command.at_s  # type: ignore[union-attr]  # it waits
            life(TimePassed(), at)
        yield at
        life(Accepted(number=life.state.triggers), at + 1)
        at, number = at + 600, number + 1


def test_progress_starts_the_count_anew_and_time_still_ends_it() -> None:
    life = AirbyteLife()
    triggered = []
    for at in jobs_until_told(life, progress=True):
        triggered.append(at)
        assert life.state.attempts == 1
    assert 8 < len(triggered) <= 16
    assert triggered[-1] < DAY <= life.state.now_s
    assert [ticket.cause for ticket in life.told(OpenTicket)] == ["it failed and yet got further"]
    waits = [later - sooner - 600 for sooner, later in zip(triggered, triggered[1:], strict=False)]
    assert all(5_399 <= wait <= 7_200 for wait in waits)


def test_without_progress_there_are_few_jobs_ever_further_apart() -> None:
    life = AirbyteLife()
    triggered = list(jobs_until_told(life, progress=False))
    assert len(triggered) == 8
    assert life.state.attempts == 8
    assert triggered[-1] - triggered[-2] > triggered[1] - triggered[0]
    assert life.told(OpenTicket)[0].decision.owner == Owner.SUPPORT


def test_an_opaque_failure_is_probed_twice() -> None:
    life = AirbyteLife()
    assert len(list(jobs_until_told(life, progress=None, kind="system_error"))) == 2
    assert life.told(OpenTicket)[0].decision.owner == Owner.PROVIDER


def test_the_old_jobs_answer_after_a_trigger_is_no_new_failure() -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    life(Accepted(number=1), at + 1)
    life.sees(failed(1), at + 10)
    assert life.state.flight is not None
    life.sees(failed(2), at + 20)
    assert life.state.flight is None
    assert life.state.attempts == 1


CANCELLED = Sync(job_status="cancelled", connection_status="active", job_id=2)


def test_a_retry_that_somebody_cancels_is_left_alone() -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    life(Accepted(number=1), at + 1)
    for later in range(5):
        assert life.sees(CANCELLED, at + 100 + later * DAY)[-1].rests
    assert len(life.told(Trigger)) == 1
    assert not life.told(OpenTicket)


def test_a_cancelled_job_is_no_wall_to_the_next_sync_that_is_wanted() -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    life(Accepted(number=1), at + 1)
    life.sees(CANCELLED, at + 100)
    assert isinstance(life(Wanted(by="the schedule"), at + DAY)[-1], Observe)
    assert isinstance(life.sees(CANCELLED, at + DAY + 1)[-1], Trigger)
    assert life.state.attempts == 0


def test_a_cancelled_job_of_a_connection_that_is_off_or_waits_for_a_user_starts_nothing() -> None:
    for told in (
        {"connection_status": "inactive"},
        {"connection_sync_status": "failed"},
        {"failure_type": "config_error"},
    ):
        life = AirbyteLife()
        seen = Sync(job_status="cancelled", failure_origin="source", **told)
        life.sees(seen, 0)
        life(Wanted(by="the schedule"), 100)
        life.sees(seen, 101)
        assert not life.told(Trigger), told


def syncs(kind: str) -> st.SearchStrategy[Sync]:
    return st.builds(
        Sync,
        job_status=st.sampled_from(["failed"] * 6 + [None, "new", *(one for one in JobStatus if one != "succeeded")]),
        attempt_status=st.sampled_from([None, "new", "running", "failed"]),
        connection_status=st.sampled_from(["active"] * 6 + [None, "new", *ConnectionStatus]),
        connection_sync_status=st.sampled_from([None] * 6 + ["new", "failed", "incomplete", "running", "paused"]),
        failure_origin=st.sampled_from([None, "new", *FailureOrigin]),
        failure_type=st.just(kind),
        retryable=st.sampled_from([None, True, False]),
        partial_success=st.sampled_from([None, True, False]),
        job_id=st.integers(0, 9),
        retry_after_s=st.none() | st.floats(0, DAY),
    )


@st.composite
def stories(draw: st.DrawFn, kind: str) -> list[tuple[Any, float]]:
    """What may happen to a connection that is not mended, with the seconds before each."""
    seen = st.sampled_from(draw(st.lists(syncs(kind), min_size=1, max_size=3)))
    numbers = st.integers(0, 3)
    told = st.sampled_from([TimePassed(), Wanted(by="us"), Held(by="us"), Released(by="us")])
    late = st.builds(Accepted, number=numbers) | st.builds(Late, number=numbers)
    refused = st.builds(Refused, number=numbers, observation=seen)
    happens = st.one_of(seen, seen, seen, told, late, refused)
    later_s = st.sampled_from([0.0, 30.0, 700.0, 7_300.0, 7_300.0, DAY])
    return draw(st.lists(st.tuples(happens, later_s), min_size=3, max_size=20))


def starts_a_sync(story: list[tuple[Any, float]]) -> bool:
    life, now_s = AirbyteLife(), 0.0
    for happened, later_s in story:
        now_s += later_s
        event = Observed(observation=happened, asked_s=now_s) if isinstance(happened, Sync) else happened
        life(event, now_s)
    return bool(life.told(Trigger))


@given(st.sampled_from(["config_error", "refresh_schema"]).flatmap(stories))
def test_what_a_person_must_mend_never_starts_a_sync_in_any_sequence(story: list[tuple[Any, float]]) -> None:
    assert not starts_a_sync(story)


@given(stories("manual_cancellation"))
def test_what_was_cancelled_starts_a_sync_only_where_one_is_wanted(story: list[tuple[Any, float]]) -> None:
    assert not starts_a_sync([one for one in story if not isinstance(one[0], Wanted)])


@pytest.mark.parametrize("kind", ["config_error", "refresh_schema"])
def test_no_sync_starts_although_one_is_wanted_where_a_person_must_mend_it(kind: str) -> None:
    jobs = [None, "new", *(one for one in JobStatus if one != "succeeded")]
    states = (None, "failed", "incomplete", "paused", "pending")
    connections = (None, *ConnectionStatus)
    for job, attempt, state, connection in product(jobs, (None, "failed"), states, connections):
        seen = Sync(
            job_status=job,
            attempt_status=attempt,
            connection_status=connection,
            connection_sync_status=state,
            failure_type=kind,
            failure_origin="source",
        )
        assert not starts_a_sync([(seen, 0.0), (Wanted(by="us"), 100.0), (seen, 1.0)]), seen


def test_the_same_sequences_do_start_one_where_a_failure_may_pass() -> None:
    at_once = settings(max_examples=5_000, phases=[Phase.generate], database=None)
    assert find(stories("transient_error"), starts_a_sync, settings=at_once, random=random.Random(1))


class World:
    """An Airbyte whose jobs last ten minutes and fail until one of a number succeeds."""

    def __init__(self, succeeds: int) -> None:
        self.now_s, self.began_s, self.number, self.succeeds = 0.0, -600.0, 1, succeeds

    def job(self) -> dict[str, Any]:
        """The configuration API's answer about the latest job."""
        head: dict[str, Any] = {"id": self.number, "configType": "sync", "configId": "acme"}
        if self.now_s < self.began_s + 600:
            return {"job": {**head, "status": "running"}, "attempts": [{"attempt": {"id": 0, "status": "running"}}]}
        if self.number >= self.succeeds:
            return {"job": {**head, "status": "succeeded"}, "attempts": [{"attempt": {"id": 0, "status": "succeeded"}}]}
        why = {"failureOrigin": "source", "failureType": "transient_error", "retryable": True, "timestamp": 1}
        attempt = {"id": 4, "status": "failed", "failureSummary": {"failures": [why], "partialSuccess": False}}
        return {"job": {**head, "status": "failed"}, "attempts": [{"attempt": attempt}]}

    def observe(self, key: str) -> Observation:
        return parse(self.job())

    def trigger(self, key: str) -> Observation:
        self.number, self.began_s = self.number + 1, self.now_s
        return parse(self.job())

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def driven(world: World) -> Outcome:
    return drive(
        "acme",
        observe=world.observe,
        trigger=world.trigger,
        engine=ENGINE,
        sleep=world.sleep,
        clock=lambda: world.now_s,
    )


def test_a_connection_is_driven_until_it_syncs() -> None:
    world = World(succeeds=4)
    outcome = driven(world)
    assert outcome.rests
    assert (outcome.decision.rule, world.number) == ("the last job succeeded", 4)
    assert outcome.requests == ()


def test_the_ledger_remembers_a_connection_of_airbytes() -> None:
    clock = Clock()
    with Ledger(engine=ENGINE, clock=clock) as ledger:
        ledger.enroll(["acme"])
        told: list[object] = []
        for _ in range(3):
            claim = ledger.claim_one("acme")
            assert claim is not None
            told += ledger.record(claim, Observed(observation=failed(1), asked_s=ledger.moment(claim)))
            if isinstance(told[-1], Trigger):
                break
            assert isinstance(told[-1], WaitUntil)
            clock.now_s = told[-1].at_s or clock.now_s
        assert isinstance(told[-1], Trigger)
        assert told[-1].decision.rule == "a failure that passes"


# Calls that fail.


def test_a_status_that_can_not_be_had_is_asked_for_again_and_then_told() -> None:
    life, at, asked = AirbyteLife(), 0.0, 0
    down = ApiFailure(call="status", http_status=503)
    while not life.told(OpenTicket):
        wait = life.sees(down, at)[-1]
        asked += 1
        assert isinstance(wait, WaitUntil)
        at = wait.at_s or at
        life(TimePassed(), at)
    assert asked == 1 + ENGINE.policy.schedules["transport"].attempts
    assert not life.told(Trigger)
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.scope) == ("engineering", "integration")


@pytest.mark.parametrize("told", [{"http_status": 500}, {"http_status": 408}, {"transport": "no_answer"}])
def test_a_sync_that_may_have_been_received_is_looked_for_before_another(told: dict[str, Any]) -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    wait = life(Refused(number=1, observation=ApiFailure(call="sync", **told)), at + 1)[-1]
    assert isinstance(wait, WaitUntil)
    assert wait.at_s is not None
    assert isinstance(life(TimePassed(), wait.at_s)[-1], Observe)
    life.sees(Sync(job_status="running", job_id=2), wait.at_s + 1)
    life.sees(Sync(job_status="succeeded", job_id=2), wait.at_s + 600)
    assert len(life.told(Trigger)) == 1


def test_a_sync_that_was_refused_for_calling_too_often_is_asked_for_again() -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    wait = life(Refused(number=1, observation=ApiFailure(call="sync", http_status=429, retry_after_s=900)), at + 1)[-1]
    assert isinstance(wait, WaitUntil)
    assert (wait.at_s or 0) >= at + 901
    assert life.until_triggered(failed(1), wait.at_s or 0) > at
    assert len(life.told(Trigger)) == 2


class Flaky(World):
    """One of which every other call is lost: the answer to a trigger after the job has begun."""

    def __init__(self, succeeds: int) -> None:
        super().__init__(succeeds)
        self.calls = 0

    def observe(self, key: str) -> Observation:
        self.calls += 1
        return ApiFailure(call="status", transport="not_sent") if self.calls % 2 else super().observe(key)

    def trigger(self, key: str) -> Observation:
        super().trigger(key)
        return ApiFailure(call="sync", transport="no_answer")


def test_a_connection_is_driven_through_lost_calls_with_no_sync_too_many() -> None:
    world = Flaky(succeeds=4)
    outcome = driven(world)
    assert (outcome.decision.rule, world.number) == ("the last job succeeded", 4)
    assert outcome.requests == ()


def test_a_clearing_job_is_waited_for_and_only_then_a_sync_is_started() -> None:
    life = AirbyteLife()
    active = {"id": 2, "configType": "clear", "status": "running"}
    clearing = parse({"connectionSyncStatus": "running", "activeJob": active})
    life(Wanted(by="us"), 0)
    life.sees(clearing, 1)
    assert not life.told(Trigger)
    assert life.state.syncing_since_s == 1
    life.sees(failed(1), 100)
    assert life.state.syncing_since_s is None


def test_the_ledger_remembers_a_call_that_failed() -> None:
    clock = Clock()
    with Ledger(engine=ENGINE, clock=clock) as ledger:
        ledger.enroll(["acme"])
        for number in range(2):
            claim = ledger.claim_one("acme")
            assert claim is not None
            down = ApiFailure(call="status", http_status=502)
            (wait,) = ledger.record(claim, Observed(observation=down, asked_s=ledger.moment(claim)))
            assert isinstance(wait, WaitUntil)
            assert isinstance(wait.decision, Retry)
            assert (wait.decision.rule, wait.decision.attempt) == ("Airbyte's API is busy or failing", number + 1)
            clock.now_s = wait.at_s or clock.now_s
