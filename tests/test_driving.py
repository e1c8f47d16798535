"""Driving a connection to rest: over real HTTP against the sandbox, and against scripted answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
import tenacity

from remediate import Engine, Escalate, InputError, NoOp, Owner, Reauth, Retry
from remediate.driving import Journal, Outcome, drive, drive_async
from remediate.events import Accepted, Held, Mended, Notify, Observed, OpenTicket, Refused, ResolveTicket
from remediate.observation import Observation
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.upstreams.layer.client import AsyncLayerClient, Authorization, LayerClient
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, Trouble, serving
from remediate.waiting import waiting_off
from tests.lives import BROKEN, CLOSED, DOWN, LAPSED, LIFE, SYNCING, WELL, failed

ACCEPTED = ConnectionStatus(is_syncing=True)
WHO = ("sandbox-id", "sandbox-secret")
LOST = ApiFailure(call="sync", transport="no_answer")


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Script:
    """An upstream that answers from a list; the calls that were made are noted."""

    def __init__(self, *answers: Any, triggered: Any = ACCEPTED) -> None:
        self.answers = iter(answers)
        self.triggered = triggered
        self.calls: list[str] = []

    def observe(self, key: str) -> Observation:
        return self._answer("observe", next(self.answers))

    def poll(self, key: str) -> Observation:
        return self._answer("poll", next(self.answers))

    def trigger(self, key: str) -> Observation:
        return self._answer("trigger", self.triggered)

    def _answer(self, call: str, answer: Any) -> Observation:
        self.calls.append(call)
        if isinstance(answer, BaseException):
            raise answer
        observation: Observation = answer
        return observation


Driven = Callable[..., Outcome]


def driven(script: Script, time: Time | None = None, **more: Any) -> Outcome:
    time = time or Time()
    return drive("acme", observe=script.observe, trigger=script.trigger, sleep=time.sleep, clock=time, **more)


def driven_async(script: Script, time: Time | None = None, **more: Any) -> Outcome:
    time = time or Time()

    def awaited(call: Callable[[str], Observation]) -> Callable[[str], Awaitable[Observation]]:
        async def called(key: str) -> Observation:
            await asyncio.sleep(0)
            return call(key)

        return called

    if "poll" in more:
        more["poll"] = awaited(more["poll"])
    asks: dict[str, Any] = {"observe": awaited(script.observe), "trigger": awaited(script.trigger)}
    return asyncio.run(drive_async("acme", **asks, sleep=time.sleep_async, clock=time, **more))


both = pytest.mark.parametrize("drives", [driven, driven_async], ids=["sync", "async"])


@both
def test_a_healthy_connection_is_looked_at_once(drives: Driven) -> None:
    script, time = Script(WELL), Time()
    outcome = drives(script, time)
    assert isinstance(outcome.decision, NoOp)
    assert outcome.decision.cause == "healthy"
    assert outcome.rests
    assert outcome.requests == ()
    assert outcome.due_s == time.now_s + 3600
    assert (script.calls, time.waits) == (["observe"], [])


@both
def test_an_outage_is_retried_with_the_policy_s_waits_until_it_passes(drives: Driven) -> None:
    again = failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="second")
    script, time = Script(DOWN, DOWN, SYNCING, again, again, SYNCING, WELL), Time()
    outcome = drives(script, time)
    assert script.calls == [
        *("observe", "observe", "trigger", "observe", "observe"),
        *("observe", "trigger", "observe", "observe"),
    ]
    first, second = (Engine.bundled().decide(DOWN, key="acme"), Engine.bundled().decide(again, None, "acme"))
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert time.waits[0] == pytest.approx(first.delay_s)
    assert time.waits[1:3] == [7, 7]
    assert 5 <= time.waits[3] <= 120
    assert outcome.decision.action == "no_op"
    assert outcome.state == LIFE.replay("acme", outcome.journal)


@both
def test_it_ends_where_somebody_has_to_act_and_asks_them(drives: Driven) -> None:
    outcome = drives(Script(LAPSED))
    assert isinstance(outcome.decision, Reauth)
    (notice,) = outcome.requests
    assert isinstance(notice, Notify)
    assert (notice.audience, notice.reminder) == (Owner.CUSTOMER, 0)
    assert drives(Script(LAPSED), journal=list(outcome.journal)).requests == ()
    (ticket,) = drives(Script(BROKEN)).requests
    assert isinstance(ticket, OpenTicket)
    assert isinstance(drives(Script(CLOSED)).decision, Escalate)


@both
def test_after_a_repair_one_sync_resumes_and_what_was_opened_is_resolved(drives: Driven) -> None:
    time = Time()
    trouble = failed("QUICKBOOKS_VALIDATION_ERROR")
    first = drives(Script(trouble), time)
    script = Script(trouble, trouble, SYNCING, WELL)
    second = drives(script, time, journal=first.journal, events=[Mended(by="support")])
    assert script.calls.count("trigger") == 1
    assert [type(one) for one in second.requests] == [ResolveTicket]
    assert not second.state.is_open


@both
def test_two_looks_at_the_same_moment_are_two(drives: Driven) -> None:
    time = Time()
    first = drives(Script(LAPSED), time)
    script = Script(WELL)
    assert drives(script, time, journal=first.journal, events=[Mended(by="x")]).decision.action == "no_op"
    assert (script.calls, time.waits) == (["observe"], [])


@both
def test_what_is_no_event_and_no_journal_is_refused(drives: Driven) -> None:
    with pytest.raises(InputError, match="events"):
        drives(Script(WELL), events=["mended"])
    with pytest.raises(InputError, match="journal"):
        drives(Script(WELL), journal=())


@both
def test_a_trigger_whose_answer_was_lost_is_looked_at_before_anything_else(drives: Driven) -> None:
    script = Script(DOWN, DOWN, SYNCING, WELL, triggered=LOST)
    outcome = drives(script)
    assert script.calls == ["observe", "observe", "trigger", "observe", "observe"]
    assert [type(event) for event, _ in outcome.journal].count(Refused) == 1
    assert outcome.rests


@both
def test_a_running_sync_is_polled_and_one_that_never_ends_is_escalated(drives: Driven) -> None:
    script, time = Script(*[SYNCING] * 100), Time()
    outcome = drives(script, time, poll=script.poll)
    assert script.calls[0] == "observe"
    assert set(script.calls[1:]) == {"poll"}
    assert isinstance(outcome.decision, Escalate)
    assert outcome.decision.owner == Owner.PROVIDER
    assert sum(time.waits) == 1800


@both
def test_asking_that_fails_is_asked_again_and_then_escalated(drives: Driven) -> None:
    script = Script(*[ApiFailure(call="status", http_status=503)] * 20)
    outcome = drives(script)
    assert script.calls == ["observe"] * 9
    assert isinstance(outcome.decision, Escalate)


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("theirs"), tenacity.TryAgain()])
@pytest.mark.parametrize("call", ["observe", "trigger"])
def test_whatever_a_call_raises_passes_at_once_and_the_journal_is_whole(
    drives: Driven, call: str, error: BaseException
) -> None:
    journal: Journal = []
    script = Script(error) if call == "observe" else Script(DOWN, DOWN, triggered=error)
    with pytest.raises(type(error)):
        drives(script, journal=journal)
    assert script.calls[-1] == call
    after = Script(SYNCING, WELL)
    outcome = drives(after, journal=journal)
    assert after.calls == ["observe", "observe"]
    assert outcome.state.triggers == (call == "trigger")
    assert outcome.state == LIFE.replay("acme", journal)


def test_an_interrupt_and_a_cancellation_end_a_wait_at_once() -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    script = Script(DOWN)
    with pytest.raises(KeyboardInterrupt):
        drive("acme", observe=script.observe, trigger=script.trigger, sleep=interrupted)

    async def down(key: str) -> Observation:
        return DOWN

    async def cancelled() -> None:
        task = asyncio.create_task(drive_async("acme", observe=down, trigger=down))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)

    asyncio.run(cancelled())


@both
def test_patience_ends_it_before_it_rests(drives: Driven) -> None:
    script, time = Script(DOWN), Time()
    outcome = drives(script, time, patience_s=1)
    assert isinstance(outcome.decision, Retry)
    assert not outcome.rests
    assert outcome.due_s is not None
    assert outcome.due_s > time.now_s + 1
    assert time.waits == []
    assert drives(Script(WELL), patience_s=0).rests
    with pytest.raises(InputError, match="patience_s"):
        drives(Script(WELL), patience_s=-1)


@both
def test_patience_that_just_reaches_the_next_step_is_enough(drives: Driven) -> None:
    wait_s = Engine.bundled().decide(DOWN, key="acme").look_again_s
    assert wait_s is not None
    time = Time()
    time.now_s = 0.0
    outcome = drives(Script(DOWN, DOWN), time, patience_s=wait_s)
    assert outcome.state.triggers == 1


@both
def test_an_operator_s_hold_triggers_nothing(drives: Driven) -> None:
    script = Script(DOWN)
    outcome = drives(script, events=[Held(by="on call")])
    assert script.calls == ["observe"]
    assert outcome.rests
    assert isinstance(outcome.decision, Retry)


@both
def test_a_clock_that_stands_still_or_steps_back_changes_no_wait(drives: Driven) -> None:
    class Odd(Time):
        def __call__(self) -> float:
            self.now_s -= 1000
            return self.now_s

    for time in (Odd(), Time()):
        again = failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="second")
        outcome = drives(Script(DOWN, DOWN, SYNCING, again, again, SYNCING, WELL), time)
        assert outcome.rests
        assert len(time.waits) == 6
        assert max(time.waits) <= 120


@both
def test_an_answer_that_is_no_observation_is_refused(drives: Driven) -> None:
    with pytest.raises(InputError, match="expected an observation, got `bytes`"):
        drives(Script(b"{}"))


def test_waiting_off_turns_every_wait_off() -> None:
    script = Script(DOWN, DOWN, SYNCING, WELL)
    with waiting_off() as waits:
        outcome = drive("acme", observe=script.observe, trigger=script.trigger)
    assert outcome.rests
    assert len(waits) == 3
    assert script.calls == ["observe", "observe", "trigger", "observe", "observe"]


# Over real HTTP.


class World:
    """A sandbox, and a client of either library to drive against it."""

    def __init__(self, client: ModuleType, is_async: bool) -> None:
        self.time = Time()
        self.sandbox = Sandbox(clock=self.time, calls_per_s=None, sync_s=20, patience_s=1)
        self.client, self.is_async = client, is_async
        self.timeout_s = 0.5
        self.journal: Journal = []

    def drive(self, *events: Any) -> Outcome:
        more: dict[str, Any] = {"events": events, "journal": self.journal, "clock": self.time}
        with serving(self.sandbox) as url:
            if self.is_async:
                return asyncio.run(self._drive_async(url, **more))
            with self.client.Client(trust_env=False) as http:
                layer = LayerClient(
                    *WHO, url, http=http, sleep=self.time.sleep, clock=self.time, timeout_s=self.timeout_s
                )
                return drive("acme", observe=layer.observe, trigger=layer.sync, sleep=self.time.sleep, **more)

    async def _drive_async(self, url: str, **more: Any) -> Outcome:
        sleep = self.time.sleep_async
        async with self.client.AsyncClient(trust_env=False) as http:
            layer = AsyncLayerClient(*WHO, url, http=http, sleep=sleep, clock=self.time, timeout_s=self.timeout_s)
            return await drive_async("acme", observe=layer.observe, trigger=layer.sync, sleep=sleep, **more)

    def authorise(self) -> None:
        with serving(self.sandbox) as url, self.client.Client(trust_env=False) as http:
            link = LayerClient(*WHO, url, http=http, clock=self.time).authorize("acme")
            assert isinstance(link, Authorization)
            assert http.get(link.redirect_url).status_code == 200

    @property
    def counts(self) -> Any:
        return self.sandbox.report().businesses["acme"]


@pytest.fixture
def world(way: tuple[ModuleType, bool]) -> World:
    return World(*way)


OUTAGE = Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", heals_after_s=200)
LAPSE = Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", is_retryable=True, mended_by="customer")


def test_an_outage_passes_over_http(world: World) -> None:
    world.sandbox.add("acme", OUTAGE)
    outcome = world.drive()
    assert isinstance(outcome.decision, NoOp)
    assert outcome.decision.cause == "healthy"
    triggers = sum(isinstance(event, Accepted) for event, _ in outcome.journal)
    assert (world.counts.triggers_received, world.counts.overlapping, world.counts.max_in_flight) == (triggers, 0, 1)
    assert triggers >= 2


def test_a_customer_who_comes_back_brings_a_connection_to_rest(world: World) -> None:
    world.sandbox.add("acme", LAPSE)
    assert isinstance(world.drive().decision, Reauth)
    world.authorise()
    outcome = world.drive(Mended(by="the OAuth callback"))
    assert isinstance(outcome.decision, NoOp)
    assert outcome.decision.cause == "healthy"
    assert (world.counts.triggers_received, world.counts.futile) == (1, 0)


def test_a_stuck_sync_is_escalated_over_http(world: World) -> None:
    world.sandbox.add("acme", Trouble(kind="stuck"))
    outcome = world.drive()
    assert isinstance(outcome.decision, Escalate)
    assert outcome.decision.owner == Owner.PROVIDER
    assert world.counts.triggers_received == 0


@pytest.mark.parametrize(
    "hostility", [one for one in Hostility if one not in ("forbidden", "not_found_page", "redirect")]
)
@pytest.mark.parametrize("call", ["status", "sync"])
def test_a_bad_answer_leads_to_rest_with_one_trigger_an_attempt(world: World, hostility: Hostility, call: str) -> None:
    world.sandbox.add("acme", Trouble(reason="QUICKBOOKS_INTERNAL_SERVER_ERROR", heals_after_s=1))
    world.sandbox.disturb("acme", hostility, call)
    if hostility in (Hostility.HANG, Hostility.SLOW):
        world.timeout_s = 0.2
    outcome = world.drive()
    if hostility == "errors_in_200":
        assert outcome.rests
        return
    assert isinstance(outcome.decision, NoOp), outcome.decision
    assert outcome.decision.cause == "healthy"
    attempts = outcome.state.triggers
    assert world.counts.triggers_received <= attempts
    assert attempts - world.counts.triggers_received <= 1
    assert world.counts.overlapping == 0
    assert isinstance(outcome.journal[0][0], Observed)
