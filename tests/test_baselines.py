"""The baselines that the governor is compared with: each waits as its documentation says. Knows no governor."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.fleet.baselines import (
    BASELINES,
    Airflow,
    Botocore,
    Celery,
    CeleryPlain,
    NoRetry,
    Temporal,
    TemporalBreaker,
)
from benchmarks.fleet.breaker import Breaker, Position
from benchmarks.fleet.retrying import POLL_S, Retrying, Task
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.oracle import Oracle
from remediate.simulation.people import People
from remediate.simulation.running import simulate
from remediate.simulation.scenario import Fault, Place, Scenario, Wrong
from remediate.simulation.world import World
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, ConnectionStatus, Transport

_DAY_S = 86_400.0
_DOWN = ApiFailure(call=Call.SYNC, http_status=503)
_SILENT = ApiFailure(call=Call.SYNC, transport=Transport.NO_ANSWER)


def _calm(connections: int = 1, **more: Any) -> Scenario:
    return Scenario(name="calm", lasts_s=_DAY_S, connections=connections, neighbours=1, troubles_a_day=0.0, **more)


def _made(kind: type[Retrying], scenario: Scenario | None = None) -> Any:
    scenario = scenario or _calm()
    loop = Loop()
    world = World(scenario, 1, loop)
    return kind(world, People(world, 1, loop), Meter(world, loop), loop, 1)


def _waits(tool: Any, times: int, seen: ApiFailure = _DOWN) -> list[float | None]:
    task = Task(tool.world.connections[0])
    waits = []
    for failures in range(1, times + 1):
        task.failures = failures
        waits.append(tool.wait_s(task, seen))
    return waits


def test_without_retries_a_failure_is_the_end() -> None:
    assert _waits(_made(NoRetry), 1) == [None]


def test_celery_waits_whole_seconds_from_nothing_to_twice_as_long_each_time_and_retries_thrice() -> None:
    drawn = [_waits(tool, 4) for tool in [_made(Celery)] for _ in range(200)]
    for retry, most in enumerate((1, 2, 4)):
        assert {waits[retry] for waits in drawn} == set(map(float, range(most + 1)))
    assert {waits[3] for waits in drawn} == {None}


def test_a_plain_celery_retry_comes_three_minutes_later_and_thrice() -> None:
    assert _waits(_made(CeleryPlain), 4) == [180.0, 180.0, 180.0, None]


def test_airflow_retries_every_five_minutes_and_thrice() -> None:
    assert _waits(_made(Airflow), 4) == [300.0, 300.0, 300.0, None]


@pytest.mark.parametrize("kind", [Temporal, TemporalBreaker])
def test_temporal_doubles_to_a_hundred_seconds_and_never_gives_up(kind: type[Retrying]) -> None:
    assert _waits(_made(kind), 9) == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert _waits(_made(kind), 5000)[-1] == 100


def test_botocore_tries_thrice_and_draws_below_one_and_two_seconds() -> None:
    tool = _made(Botocore)
    drawn = [_waits(tool, 3) for _ in range(40)]
    for retry, most in enumerate((1, 2)):
        waits = [one[retry] for one in drawn]
        assert 0 <= min(waits) < most / 4
        assert most / 2 < max(waits) < most
    assert {one[2] for one in drawn} == {None}


def test_botocores_quota_is_spent_by_retries_and_twice_as_fast_by_timeouts() -> None:
    for seen, retries in ((_DOWN, 100), (_SILENT, 50)):
        tool = _made(Botocore)
        waits = [_waits(tool, 1, seen)[0] for _ in range(retries + 1)]
        assert waits.index(None) == retries
        assert tool.quota == 0


def test_botocores_quota_gets_back_what_a_retry_cost_and_one_for_a_success_at_once() -> None:
    tool = _made(Botocore)
    task = tool.tasks[0]
    task.failures, tool.quota = 1, 100
    tool.wait_s(task, _SILENT)
    assert tool.quota == 90
    tool.attempted(task, failed=True)
    assert tool.quota == 90
    tool.attempted(task, failed=False)
    assert tool.quota == 100
    task.cost = 0
    tool.attempted(task, failed=False)
    assert tool.quota == 101
    tool.quota = 500
    tool.attempted(task, failed=False)
    assert tool.quota == 500


def test_the_breaker_opens_at_half_of_a_hundred_calls_and_lets_ten_try_after_a_minute() -> None:
    breaker = Breaker()
    for number in range(99):
        breaker.record(0.0, failed=number % 2 == 0)
    assert breaker.position == Position.CLOSED
    breaker.record(10.0, failed=False)
    assert breaker.position == Position.OPEN
    assert not breaker.permits(69.9)
    assert [breaker.permits(70.0) for _ in range(11)] == [True] * 10 + [False]
    for number in range(10):
        assert breaker.position == Position.HALF_OPEN
        breaker.record(71.0, failed=number < 4)
    assert breaker.position == Position.CLOSED


def test_the_breaker_opens_again_when_half_of_the_ten_fail_and_forgets_what_slid_out_of_its_window() -> None:
    breaker = Breaker()
    for number in range(300):
        breaker.record(0.0, failed=number >= 251)
    assert breaker.position == Position.CLOSED
    breaker.record(0.0, failed=True)
    assert breaker.position == Position.OPEN
    assert breaker.permits(60.0)
    for number in range(10):
        breaker.record(61.0, failed=number < 5)
    assert breaker.position == Position.OPEN
    assert not breaker.permits(120.9)
    assert breaker.permits(121.0)


def test_an_attempt_that_the_breaker_refuses_is_no_call_and_is_retried() -> None:
    tool = _made(TemporalBreaker)
    tool.breaker.position = Position.OPEN
    tool._begin(tool.tasks[0])
    assert not tool.world.connections[0].is_syncing
    tool.loop.run(_DAY_S / 24)
    assert tool.tasks[0].failures == 6  # after 1, 3, 7, 15 and 31 s; the one after 63 s was let through
    assert tool.world.connections[0].succeeded_s > 60


@pytest.mark.parametrize("kind", BASELINES)
def test_all_are_due_when_the_oracle_is(kind: type[Retrying]) -> None:
    runs = [simulate(_calm(30), 7, made) for made in (Oracle, kind)]
    dues = [[(one.connection.key, one.due_s) for one in run.meter.served] for run in runs]
    assert dues[0] == dues[1]
    assert len(dues[0]) > 100


@pytest.mark.parametrize("kind", BASELINES)
def test_in_calm_times_each_due_sync_is_triggered_once_and_succeeds(kind: type[Retrying]) -> None:
    run = simulate(_calm(30, own_every_s=1e9), 7, kind)
    assert len(run.world.triggered) == len(run.meter.served)
    assert run.meter.lateness_s(1.0, 0.0, _DAY_S - 600) < 120


def test_a_call_that_hangs_is_a_failure_when_it_is_given_up() -> None:
    tool = _made(CeleryPlain)
    task = tool.tasks[0]
    answers = [(_SILENT, 30.0)]
    real, times = tool.world.sync, []

    def sync(connection: Any) -> Any:
        times.append(tool.loop.now_s)
        return answers.pop() if answers else real(connection)

    tool.world.sync = sync
    tool._begin(task)
    tool.loop.run(300.0)
    assert times == [0.0, 210.0]


def test_already_syncing_is_waited_for_and_the_next_due_sync_starts_no_second() -> None:
    tool = _made(Airflow, _calm(sync_s=100.0, spread=0.0))
    connection = tool.world.connections[0]
    tool.world._run(connection, is_ours=False)
    tool._begin(tool.tasks[0])
    tool._begin(tool.tasks[0])
    assert tool.world.overlaps == 1
    tool.loop.run(99.0 + POLL_S)
    assert connection.succeeded_s == pytest.approx(100.0)
    assert tool.tasks[0].is_busy
    tool.loop.run(120.0)
    assert not tool.tasks[0].is_busy
    assert tool.tasks[0].failures == 0


def test_what_is_not_retryable_is_given_up_and_the_customer_told_once() -> None:
    fault = Fault(wrong=Wrong.AUTHORISATION, begins_s=0.0, lasts_s=_DAY_S, jitter_s=0.0)
    run = simulate(_calm(own_every_s=1e9, faults=(fault,)), 3, Temporal)
    assert len(run.world.triggered) == len(run.meter.served) > 2
    assert len(run.people.told) == run.people.told_in_vain == 1


def test_a_sync_that_fails_is_retried_by_the_rule_and_starts_anew_when_it_is_due_again() -> None:
    fault = Fault(wrong=Wrong.FAILURE, at=Place.SYNCS, begins_s=0.0, lasts_s=_DAY_S, jitter_s=0.0)
    run = simulate(_calm(own_every_s=1e9, faults=(fault,)), 3, Airflow)
    triggered = run.world.triggered
    assert len(triggered) == 4 * len(run.meter.served)
    assert all(300 <= after - before < 360 for before, after in zip(triggered[:4], triggered[1:4], strict=False))


def test_a_worker_of_the_tools_size_takes_no_more_at_once() -> None:
    scenario = _calm(100, sync_s=30.0, backlog_s=1e9)
    tool = _made(Airflow, scenario)
    for task in tool.tasks:
        tool._begin(task)
    assert sum(one.is_syncing for one in tool.world.connections) == Airflow.workers == 32
    tool.loop.run(_DAY_S / 4)
    assert all(one.succeeded_s for one in tool.world.connections)


def test_a_status_says_how_a_sync_went() -> None:
    tool = _made(NoRetry)
    task = tool.tasks[0]
    task.is_busy = True
    tool._polled((task, ConnectionStatus(is_syncing=True)))
    assert task.is_busy
    tool._polled((task, ConnectionStatus(is_syncing=False, sync_failure_reason="INTERNAL_SERVER_ERROR")))
    assert not task.is_busy
    assert task.failures == 1
