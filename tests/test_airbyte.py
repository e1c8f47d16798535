"""Airbyte as the second upstream: its axes, its policy, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import attrs
import pytest
from typer.testing import CliRunner

from remediate import Engine, InputError
from remediate.cli.app import app
from remediate.episode import Lifecycle
from remediate.loading import load_policy
from remediate.observation import shape_of
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
)

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
