"""The runner over real HTTP, against a Layer on loopback whose time runs faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
import httpx
import pytest

from remediate.errors import LedgerError
from remediate.events import Held, Mended, Observed, Released, Wanted
from remediate.ledger import Ledger, Message
from remediate.ledger.schema import connections, outbox
from remediate.runner import Runner, Tally
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.upstreams.layer.client import AsyncLayerClient
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, Trouble, serving
from remediate.upstreams.layer.vocabulary import moment
from tests.layer_calls import LAPSED as LAPSED_AT_LAYER
from tests.lives import BROKEN, DOWN, LAPSED, WELL

SPEED = 300.0
PASSING = Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", heals_after_s=150)


class FastTime:
    """A clock that runs faster, and the sleep that belongs to it."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed, self._began_s = speed, time.monotonic()

    def __call__(self) -> float:
        return 1_800_000_000 + (time.monotonic() - self._began_s) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


async def runs(
    url: str, ledger: Ledger, clock: FastTime, until: Callable[[], bool], *, within_s: float = 20, **more: Any
) -> Tally:
    """Run against a sandbox until something holds."""
    stop = asyncio.Event()

    async def watch() -> None:
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(until):
                await asyncio.sleep(0.05)
        stop.set()

    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncLayerClient("sandbox-id", "sandbox-secret", url, http=http, sleep=clock.sleep, clock=clock) as layer,
    ):
        runner = Runner(ledger=ledger, observe=layer.observe, trigger=layer.sync, sleep=clock.sleep, idle_s=10, **more)
        tally, _ = await asyncio.gather(runner.run(stop), watch())
    return tally


def test_a_fleet_comes_to_rest(address: str) -> None:
    clock = FastTime()
    sandbox = Sandbox(clock=clock, calls_per_s=None, sync_s=30, start_lag_s=3)
    for number in range(10):
        sandbox.add(f"down-{number}", PASSING)
    for number in range(5):
        sandbox.add(f"lapsed-{number}", LAPSED_AT_LAYER)
    sandbox.disturb("down-0", Hostility.RESET_AFTER, call="sync")
    sandbox.disturb("down-1", Hostility.RATE_LIMITED_S, call="sync")
    told: dict[str, Message] = {}

    async def tell(message: Message) -> None:
        if message.id in told:  # it may come more than once
            return
        told[message.id] = message
        sandbox.mend(message.key, "customer")
        await asyncio.to_thread(ledger.tell, message.key, Mended(by="the customer"))

    with Ledger(address, clock=clock, lease_s=5 * SPEED) as ledger, serving(sandbox) as url:
        keys = [f"down-{number}" for number in range(10)] + [f"lapsed-{number}" for number in range(5)]

        def well() -> bool:
            return ledger.overview().answers.get("no_op healthy") == 15

        # Two in three fail at once, which to a governor is an outage: here each connection is alone.
        tally = asyncio.run(runs(url, ledger, clock, well, keys=lambda: keys, send=tell, governed=False))
        total = sandbox.report().total
        assert (total.futile, total.overlapping) == (0, 0)
        assert total.triggers_received == tally.syncs - 1, "one was limited"
        assert sorted(message.key for message in told.values()) == [f"lapsed-{number}" for number in range(5)]
        assert tally.delivered >= 5
        assert (tally.late, tally.faults) == (0, 0)
        assert all(ledger.standing(key).holder is None for key in keys)


def test_what_is_well_is_synced_on_its_schedule(address: str) -> None:
    clock = FastTime()
    sandbox = Sandbox(clock=clock, calls_per_s=None, sync_s=30, start_lag_s=3)
    sandbox.add("well")
    sandbox.add("held")
    with Ledger(address, clock=clock, lease_s=5 * SPEED) as ledger, serving(sandbox) as url:
        ledger.enroll(["held"])
        ledger.tell("held", Held(by="ops"))

        def synced() -> bool:
            return sandbox.report().businesses["well"].triggers_received >= 3

        asyncio.run(runs(url, ledger, clock, synced, keys=lambda: ["well", "held"], every_s=120))
        assert sandbox.report().businesses["held"].triggers_received == 0
        assert sandbox.report().total.overlapping == 0
        ledger.tell("held", Released(by="ops"))
        asyncio.run(runs(url, ledger, clock, lambda: sandbox.report().businesses["held"].triggers_received > 0))


def test_what_upstream_has_synced_by_itself_since_it_was_due_is_left_alone() -> None:
    clock, triggered, looked = FastTime(), [], []

    async def looks(key: str) -> ConnectionStatus:
        looked.append(key)
        synced_s = clock() - (0 if key == "fresh" else 86_400)
        return attrs.evolve(WELL, last_synced_at=moment(synced_s))

    async def triggers(key: str) -> ConnectionStatus:
        triggered.append(key)
        return WELL

    async def run(ledger: Ledger) -> None:
        stop = asyncio.Event()
        runner = Runner(ledger=ledger, observe=looks, trigger=triggers, sleep=clock.sleep, idle_s=10, every_s=120)
        running = asyncio.create_task(runner.run(stop))
        async with asyncio.timeout(10):
            while triggered.count("stale") < 3 or looked.count("fresh") < 4:
                await asyncio.sleep(0.01)
        stop.set()
        await running

    with Ledger(clock=clock, lease_s=5 * SPEED) as ledger:
        ledger.enroll(["fresh", "stale"], every_s=120)
        asyncio.run(run(ledger))
    assert set(triggered) == {"stale"}


def test_it_stops_when_told_and_lets_what_is_under_way_end() -> None:
    began, ended = asyncio.Event(), []

    async def looks(key: str) -> Any:
        began.set()
        await asyncio.sleep(0.3)
        ended.append(key)
        return WELL

    async def stopped(ledger: Ledger) -> Tally:
        stop = asyncio.Event()
        runner = Runner(ledger=ledger, observe=looks, trigger=looks, concurrency=2)
        running = asyncio.create_task(runner.run(stop))
        await asyncio.wait_for(began.wait(), 5)
        stop.set()
        return await asyncio.wait_for(running, 5)

    with Ledger() as ledger:
        ledger.enroll(["a", "b", "c"])
        tally = asyncio.run(stopped(ledger))
        assert sorted(ended) == ["a", "b"]
        assert tally.looks == 2
        assert ledger.overview().held == 0
        assert ledger.overview().due == 1


def running(ledger: Ledger, until: Callable[[], bool], **more: Any) -> Tally:
    async def run() -> Tally:
        stop = asyncio.Event()

        async def watch() -> None:
            async with asyncio.timeout(10):
                while not until():
                    await asyncio.sleep(0.01)
            stop.set()

        runner = Runner(ledger=ledger, idle_s=0.02, sleep=lambda seconds: asyncio.sleep(min(seconds, 0.01)), **more)
        tally, _ = await asyncio.gather(runner.run(stop), watch())
        return tally

    return asyncio.run(run())


def asks(answer: Any) -> Callable[[str], Awaitable[Any]]:
    async def ask(key: str) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer(key) if callable(answer) else answer

    return ask


def test_a_call_that_raises_stops_no_other_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(key: str) -> Any:
        if key == "bad":
            raise RuntimeError("a bug")
        return WELL

    with Ledger() as ledger:
        ledger.enroll(["bad", "good"])
        tally = running(
            ledger,
            lambda: ledger.overview().answers.get("no_op healthy") == 1 and ledger.overview().held == 0,
            observe=asks(breaks),
            trigger=asks(WELL),
        )
        assert tally.faults == 1
        assert "a bug" in caplog.text
        assert ledger.standing("bad").due_s is not None


def test_a_ledger_that_fails_ends_it() -> None:
    with Ledger() as ledger:
        ledger.enroll(["a"])
        ledger.claim = lambda limit, granted: (_ for _ in ()).throw(LedgerError("it is gone"))  # type: ignore[method-assign, assignment]  # as after a fault
        with pytest.raises(LedgerError, match="gone"):
            running(ledger, lambda: False, observe=asks(WELL), trigger=asks(WELL))


def test_what_can_not_be_delivered_is_tried_again_and_said() -> None:
    tries: list[str] = []

    async def fails(message: Message) -> None:
        tries.append(message.id)
        raise ConnectionError("s3cret")

    lapsed = ApiFailure(call="sync", error_enum="QuickbooksTokenExpired")
    with Ledger() as ledger:
        ledger.enroll(["a"])
        more = {"observe": asks(lapsed), "trigger": asks(WELL), "send": fails, "governed": False}
        running(ledger, lambda: bool(ledger.overview().failing), **more)
        [failing] = ledger.overview().failing
        assert (failing.key, failing.fault, failing.tries) == ("a", "ConnectionError", 1)
        assert len(tries) == 3


def test_a_connection_that_another_took_is_left_to_them() -> None:
    with Ledger(lease_s=0.05) as ledger:
        ledger.enroll(["a"])

        async def slow(key: str) -> Any:
            await asyncio.sleep(0.2)
            if ledger.claim_one(key) is None:
                await asyncio.sleep(0.2)
                assert ledger.claim_one(key) is not None
            return DOWN

        tally = running(ledger, lambda: ledger.overview().held == 1, observe=slow, trigger=asks(WELL), concurrency=1)
        assert tally.leases_lost >= 1
        assert ledger.history("a") == []


@pytest.fixture
def notified() -> Iterator[Ledger]:
    """A ledger with messages that wait for delivery."""
    with Ledger() as ledger:
        for key in ("a", "b"):
            claim = ledger.claim_one(key)
            assert claim is not None
            ledger.record(claim, Observed(observation=LAPSED, asked_s=ledger.moment(claim)))
        yield ledger


def stops_within(seconds: float, ledger: Ledger, **more: Any) -> Tally:
    async def run() -> Tally:
        stop = asyncio.Event()
        runner = Runner(ledger=ledger, trigger=asks(WELL), idle_s=0.02, grace_s=0.2, **more)
        task = asyncio.create_task(runner.run(stop))
        await asyncio.sleep(0.3)
        stop.set()
        return await asyncio.wait_for(task, seconds)

    return asyncio.run(run())


async def hangs(_: object) -> Any:
    await asyncio.sleep(60)


def test_nothing_that_hangs_keeps_it(notified: Ledger) -> None:
    notified.enroll(["c"])
    stops_within(2, notified, observe=hangs, concurrency=1, send=None)
    stops_within(2, notified, observe=asks(WELL), send=hangs)
    tally = stops_within(2, notified, observe=asks(WELL), keys=lambda: time.sleep(0.8) or ["d"])
    assert tally.faults == 0


def test_a_receiver_that_hangs_keeps_no_other(notified: Ledger) -> None:
    sent: list[str] = []

    async def send(message: Message) -> None:
        if message.key == "a":
            await hangs(message)
        sent.append(message.key)

    for key in ("c", "d"):
        claim = notified.claim_one(key)
        assert claim is not None
        notified.record(claim, Observed(observation=LAPSED, asked_s=notified.moment(claim)))
    more = {"observe": asks(WELL), "trigger": asks(WELL), "send": send, "grace_s": 0.1}
    running(notified, lambda: sorted(sent) == ["b", "c", "d"], **more)


def test_a_receiver_that_takes_too_long_or_cancels_is_a_fault(notified: Ledger) -> None:
    async def cancels(message: Message) -> None:
        if message.key == "a":
            raise asyncio.CancelledError
        await asyncio.sleep(1)

    more = {"observe": asks(WELL), "trigger": asks(WELL), "send": cancels, "send_within_s": 0.05}
    running(notified, lambda: len(notified.overview().failing) == 2, **more)
    assert sorted(one.fault for one in notified.overview().failing) == ["CancelledError", "TimeoutError"]


def test_a_message_that_failed_for_ever_stops_nothing(notified: Ledger) -> None:
    notified._database.write(lambda tx: tx.execute(outbox.update(), {"tries": 5_000}))

    async def fails(message: Message) -> None:
        raise ConnectionError

    running(notified, lambda: len(notified.overview().failing) == 2, observe=asks(WELL), trigger=asks(WELL), send=fails)


def test_what_finding_connections_raises_is_told_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def breaks() -> list[str]:
        raise ConnectionError("no table")

    with Ledger() as ledger:
        ledger.enroll(["a"])
        looks = {"observe": asks(WELL), "trigger": asks(WELL)}
        tally = running(ledger, lambda: ledger.overview().answers == {"no_op healthy": 1}, keys=breaks, **looks)
        assert tally.faults == 1
        assert "no table" in caplog.text
        running(ledger, lambda: ledger.overview().answers == {"no_op healthy": 2}, keys=lambda: ["", "b"], **looks)
        assert ledger.overview().connections == 2


def test_one_damaged_connection_behind_a_ticket_stops_no_other(notified: Ledger) -> None:
    for key in ("x", "y"):
        claim = notified.claim_one(key)
        assert claim is not None
        notified.record(claim, Observed(observation=BROKEN, asked_s=notified.moment(claim)))
    [ticket] = notified.overview().tickets
    damaged = connections.update().where(connections.c.key == "x")
    notified._database.write(lambda tx: tx.execute(damaged, {"state": "{"}))
    assert notified.resolve(ticket.id, by="Layer") == 1
    running(notified, lambda: notified.standing("y").version > 2, observe=asks(WELL), trigger=asks(WELL), send=None)


def test_a_sync_that_came_late_is_counted() -> None:
    with Ledger(lease_s=0.05) as ledger:
        ledger.enroll(["a"])

        async def slow(key: str) -> Any:
            await asyncio.sleep(0.2)
            assert ledger.claim_one(key) is not None
            return WELL

        ledger.tell("a", Wanted(by="a job"))
        tally = running(ledger, lambda: ledger.overview().late == 1, observe=asks(WELL), trigger=slow, send=None)
        assert (tally.late, tally.leases_lost, tally.syncs) == (1, 1, 1)
