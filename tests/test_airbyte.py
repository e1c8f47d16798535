"""Airbyte as the second upstream: its axes, its policy, the life of its connections."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from remediate import Engine, InputError, Owner
from remediate.cli.app import app
from remediate.driving import drive
from remediate.episode import Lifecycle
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Late,
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
from remediate.loading import load_policy
from remediate.observation import Observation, shape_of
from remediate.policy import ReauthThen, Schedule
from remediate.proving import proven
from remediate.upstreams import find_upstream
from remediate.upstreams.airbyte import (
    UPSTREAM,
    AttemptStatus,
    ConnectionStatus,
    ConnectionSyncStatus,
    FailureOrigin,
    FailureType,
    JobStatus,
    Sync,
    parse,
)
from tests.layer_calls import Clock
from tests.lives import Life

ENGINE = Engine.bundled("airbyte")
LIFE = Lifecycle(decide=ENGINE.decide, cadence=ENGINE.policy.episode)
DAY = 86_400.0


def test_the_axes_are_those_of_the_class() -> None:
    space = shape_of(Sync).space
    assert [(axis.name, len(axis.values)) for axis in space.axes] == [
        *(("job_status", 9), ("attempt_status", 5), ("connection_status", 6), ("connection_sync_status", 9)),
        *(("failure_origin", 10), ("failure_type", 9), ("retryable", 3), ("partial_success", 3)),
    ]
    assert space.size == 1_968_300
    assert shape_of(Sync).witnesses == ()


def test_what_is_carried_along_decides_nothing() -> None:
    failed = Sync(job_status="failed", failure_type="transient_error")
    told = attrs.evolve(failed, job_id=1, attempt=2, ended_at="3")
    assert ENGINE.decide(failed, key="k") == ENGINE.decide(told, key="k")
    assert failed != told


@pytest.mark.parametrize(
    ("field", "value"),
    [("job_id", -1), ("job_id", True), ("attempt", "1"), ("attempt", 2**63), ("ended_at", 5), ("retryable", 1)]
    + [("job_status", 1), ("failure_type", "\udc00"), ("ended_at", "\udc00"), ("retry_after_s", "1")],
)
def test_a_value_of_another_type_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError) as refused:
        Sync(**{field: value})
    assert refused.value.field == field


def test_only_committed_records_are_progress() -> None:
    assert [Sync(partial_success=flag).progressed for flag in (True, False, None)] == [True, False, False]


def test_every_published_word_has_an_example_in_which_it_stands() -> None:
    enums = (FailureType, FailureOrigin, JobStatus, AttemptStatus, ConnectionStatus, ConnectionSyncStatus)
    assert set(UPSTREAM.words) == {word.value for enum in enums for word in enum}
    assert len(UPSTREAM.words) == len(set(UPSTREAM.words))
    for word in UPSTREAM.words:
        examples = UPSTREAM.examples(word)
        wanted = sum(word in list(enum) for enum in (JobStatus, AttemptStatus, ConnectionStatus, ConnectionSyncStatus))
        assert len(examples) >= max(wanted, 1)
        assert all(word in attrs.astuple(example) for example in examples)
    assert UPSTREAM.examples("brand_new") == ()


def test_there_is_no_client_and_no_short_way() -> None:
    assert UPSTREAM.connect is None
    assert UPSTREAM.plain(b'{"job_status": "failed"}') is None
    assert ENGINE.decide(b'{"job_status": "succeeded"}').rule == "the last job succeeded"


# The policy.


def test_the_policy_is_proven_quickly() -> None:
    policy, shapes = load_policy("airbyte"), find_upstream("airbyte", "p").shapes
    began = time.process_time()
    compiled = proven(policy, shapes)
    assert time.process_time() - began < 0.5
    section = compiled.sections["sync"]
    assert 30 <= len(section.section.rules) <= 80
    assert len(section.regions) < 300
    assert sum(section.combinations.values()) == 1_968_300


def most_jobs(schedule: Schedule) -> float:
    """The most jobs that a schedule can make: by number, or by its shortest waits in its time."""
    starts_anew = schedule.factor == 1
    if starts_anew:
        return (schedule.within_s or 0) // schedule.floor_s
    return schedule.attempts


def test_no_schedule_comes_near_the_failures_after_which_airbyte_warns() -> None:
    retried = {name: one for name, one in ENGINE.policy.schedules.items() if one.within_s is not None}
    assert set(ENGINE.policy.schedules) - set(retried) == {"resume"}
    for name, schedule in retried.items():
        assert schedule.within_s is not None
        assert schedule.within_s <= DAY < 4 * DAY, name
        assert 1 + most_jobs(schedule) < 20, name
        assert schedule.floor_s < schedule.first_s, f"{name} has jitter from the first wait on"


def test_no_sign_in_is_assumed() -> None:
    """A configuration error may be a password or a path: Airbyte does not say. A policy of one's own may know."""
    rules = ENGINE.policy.sections["sync"].rules
    assert not [rule for rule in rules if isinstance(rule.then, ReauthThen)]
    assert Sync.systems == ("source", "destination")


# The life of a connection.


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


def test_a_retry_that_somebody_cancels_is_left_alone() -> None:
    life = AirbyteLife()
    at = life.until_triggered(failed(1), 0)
    life(Accepted(number=1), at + 1)
    for later in range(5):
        life.sees(Sync(job_status="cancelled", job_id=2), at + 100 + later * DAY)
    assert len(life.told(Trigger)) == 1
    assert not life.told(OpenTicket)


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


@given(st.sampled_from(["config_error", "refresh_schema", "manual_cancellation"]).flatmap(stories))
def test_what_a_person_must_mend_never_starts_a_sync_in_any_sequence(story: list[tuple[Any, float]]) -> None:
    assert not starts_a_sync(story)


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


def test_a_connection_is_driven_until_it_syncs() -> None:
    world = World(succeeds=4)
    outcome = drive(
        "acme",
        observe=world.observe,
        trigger=world.trigger,
        engine=ENGINE,
        sleep=world.sleep,
        clock=lambda: world.now_s,
    )
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


# The command line.


def run(*arguments: str) -> str:
    ran = CliRunner().invoke(app, arguments, terminal_width=120)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_command_line_knows_airbyte() -> None:
    assert "sync: 1968300 combinations in" in run("policy", "check", "airbyte")
    assert "escalate customer connection" in run("explain", "config_error", "--policy", "airbyte")
    table = run("policy", "table", "--format", "markdown", "airbyte")
    assert "| refresh_schema | escalate customer connection |" in table


def test_a_stream_of_airbytes_answers_is_decided() -> None:
    public = {"jobId": 9, "status": "failed", "jobType": "sync", "connectionId": "c"}
    command = [sys.executable, "-m", "remediate", "decide", "--policy", "airbyte", "--json"]
    ran = subprocess.run(command, input=json.dumps(public) + '\n{"jobId": "9"}\n', capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, "")
    first, second = map(json.loads, ran.stdout.splitlines())
    assert (first["key"], first["action"], first["schedule"], first["anomalies"]) == ("c", "retry", "probe", [])
    assert second["error"]["field"] == "jobId"
