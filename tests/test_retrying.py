"""Strategies for tenacity, waiting and how tests turn it off, running without a loop, and secrets."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import tenacity

import remediate
from remediate import waiting
from remediate.decision import Retry
from remediate.history import History
from remediate.retrying import Strategies
from remediate.running import awaitable, run
from remediate.secret import Secret
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.waiting import waiting_off

DOWN = ApiFailure(call="status", http_status=503)
DENIED = ApiFailure(call="status", http_status=403)
WELL = ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status="SYNC_SUCCESS")
ATTEMPTS = 8


class Job:
    """A job that answers or raises one thing after another, and the last for ever."""

    def __init__(self, *said: Any) -> None:
        self.said = said
        self.runs = 0

    def __call__(self) -> Any:
        said = self.said[min(self.runs, len(self.said) - 1)]
        self.runs += 1
        if isinstance(said, BaseException):
            raise said
        return said


def settings(follow: Strategies) -> dict[str, Any]:
    return {"retry": follow.retry, "wait": follow.wait, "stop": follow.stop}


def run_sync(job: Job, follow: Strategies, waits: list[float]) -> Any:
    return tenacity.retry(sleep=waits.append, **settings(follow))(job.__call__)()


def run_async(job: Job, follow: Strategies, waits: list[float]) -> Any:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    @tenacity.retry(sleep=sleep, **settings(follow))
    async def once() -> Any:
        return job()

    return asyncio.run(once())


Runner = Callable[[Job, Strategies, list[float]], Any]
either_way = pytest.mark.parametrize("running", [run_sync, run_async])


def due_s(attempts: int, key: str | None = "k") -> float:
    decision = remediate.decide(DOWN, History(attempts=attempts), key)
    assert isinstance(decision, Retry)
    return decision.delay_s


@either_way
def test_a_job_is_run_again_until_its_answer_is_none_to_retry(running: Runner) -> None:
    job, waits = Job(DOWN, DOWN, WELL), list[float]()
    assert running(job, Strategies(remediate.decide, "k"), waits) == WELL
    assert job.runs == 3
    assert waits == [due_s(0), due_s(1)]


@either_way
def test_json_is_read_as_an_observation(running: Runner) -> None:
    down = {"call": "status", "http_status": 503, "observation": {}}
    job, waits = Job(down, b'{"is_connected": false}'), list[float]()
    assert running(job, Strategies(remediate.decide), waits) == b'{"is_connected": false}'
    assert waits == [due_s(0, None)]


@either_way
def test_a_spent_schedule_is_a_retry_error_with_the_last_answer(running: Runner) -> None:
    job, waits = Job(DOWN), list[float]()
    with pytest.raises(tenacity.RetryError) as caught:
        running(job, Strategies(remediate.decide, "k"), waits)
    assert caught.value.last_attempt.result() == DOWN
    assert job.runs == 1 + ATTEMPTS
    assert waits == [due_s(attempts) for attempts in range(ATTEMPTS)]


@either_way
def test_an_answer_that_is_not_retried_is_returned_at_once(running: Runner) -> None:
    job, waits = Job(DENIED), list[float]()
    assert running(job, Strategies(remediate.decide), waits) == DENIED
    assert (job.runs, waits) == (1, [])


@either_way
@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception_passes_at_once(running: Runner, error: BaseException) -> None:
    job = Job(error)
    with pytest.raises(type(error)) as caught:
        running(job, Strategies(remediate.decide), [])
    assert caught.value is error
    assert job.runs == 1


@either_way
def test_an_exception_that_is_read_is_an_answer(running: Runner) -> None:
    job, waits = Job(OSError("refused"), OSError("refused"), WELL), list[float]()
    follow = Strategies(remediate.decide, "k", read=lambda error: DOWN if isinstance(error, OSError) else None)
    assert running(job, follow, waits) == WELL
    assert waits == [due_s(0), due_s(1)]


@either_way
def test_an_exception_that_reads_as_none_to_retry_passes(running: Runner) -> None:
    job = Job(OSError("refused"))
    with pytest.raises(OSError, match="refused"):
        running(job, Strategies(remediate.decide, read=lambda error: DENIED), [])
    assert job.runs == 1


@either_way
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()])
def test_no_reading_holds_an_interrupt_or_a_cancellation(running: Runner, error: BaseException) -> None:
    job = Job(error, WELL)
    with pytest.raises(type(error)):
        running(job, Strategies(remediate.decide, read=lambda error: DOWN), [])
    assert job.runs == 1


def test_a_job_that_is_cancelled_while_it_waits_is_not_run_again() -> None:
    job = Job(DOWN)

    @tenacity.retry(sleep=waiting.sleep_async, **settings(Strategies(remediate.decide)))
    async def once() -> Any:
        return job()

    async def cancelled() -> None:
        task = asyncio.create_task(once())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert job.runs == 1


@either_way
def test_waiting_off_makes_every_wait_nothing(running: Runner) -> None:
    job, waits = Job(DOWN), list[float]()
    with waiting_off(), pytest.raises(tenacity.RetryError):
        running(job, Strategies(remediate.decide, "k"), waits)
    assert waits == [0.0] * ATTEMPTS


def test_the_schedule_ends_by_time_too() -> None:
    class State:
        """What tenacity tells after three hours."""

        attempt_number = 2
        idle_for = 0.0
        seconds_since_start = 3 * 3600.0
        outcome = tenacity.Future(2)

    State.outcome.set_result(DOWN)
    follow: Any = Strategies(remediate.decide)
    assert follow.stop(State) is True
    State.seconds_since_start = 3.0
    assert follow.stop(State) is False


def test_waits_are_noted_in_every_context_that_is_open() -> None:
    with waiting_off() as outer:
        waiting.sleep(100)
        with waiting_off() as inner:
            asyncio.run(waiting.sleep_async(200))
        assert waiting.is_off()
        waiting.sleep(300)
    assert (outer, inner) == ([100, 200, 300], [200])
    assert not waiting.is_off()


def test_equal_lists_of_two_contexts_are_told_apart() -> None:
    with waiting_off() as outer:
        with waiting_off():
            pass
        waiting.sleep(1)
    assert outer == [1]


def test_waiting_is_on_again_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), waiting_off():
        raise ZeroDivisionError
    assert not waiting.is_off()


def test_waiting_is_off_in_other_threads() -> None:
    with waiting_off() as waits:
        thread = threading.Thread(target=waiting.sleep, args=(1000,))
        thread.start()
        thread.join(5)
    assert waits == [1000]


def test_waiting_takes_its_time() -> None:
    began = time.monotonic()
    waiting.sleep(0.02)
    asyncio.run(waiting.sleep_async(0.02))
    assert time.monotonic() - began >= 0.04


def test_run_gives_what_a_coroutine_gives() -> None:
    async def whole() -> int:
        return await awaitable(int)("7")

    assert run(whole()) == 7


def test_run_lets_exceptions_pass() -> None:
    async def failing() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(failing())


def test_run_refuses_a_coroutine_that_suspends_and_closes_it() -> None:
    closed = []

    async def suspending() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="event loop"):
        run(suspending())
    assert closed == [True]


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda one: f"{[one]} {vars_of(one)}"])
def test_no_text_of_a_secret_has_it(show: Callable[[Secret], str]) -> None:
    assert "hidden" not in show(Secret("hidden"))


def vars_of(secret: Secret) -> str:
    return repr([getattr(secret, name) for name in secret.__slots__])


def test_a_secret_reveals_itself_when_asked() -> None:
    assert Secret("hidden").reveal() == "hidden"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="secret") as caught:
        pickle.dumps(Secret("hidden"), protocol)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_secret_is_not_copied(duplicate: Callable[[Secret], Secret]) -> None:
    with pytest.raises(TypeError, match="secret"):
        duplicate(Secret("hidden"))
