"""A fleet, remedied by one process: what is due is looked at, decided, carried out and recorded.

Knows neither upstreams nor how a ledger is kept: what observes and what triggers are handed in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, ParamSpec, TypeVar

import attrs
import tenacity

from remediate import sending
from remediate.errors import InputError, LeaseLostError, LedgerError, printable
from remediate.events import Command, Event, Observed, Trigger, WaitUntil, Wanted
from remediate.ledger import Claim, Ledger, Message, Tenant, checked_key
from remediate.observation import Observation
from remediate.sending import Send
from remediate.telemetry import Telemetry

__all__ = ["Runner", "Tally"]

P = ParamSpec("P")
T = TypeVar("T")

_log: Final = logging.getLogger("remediate.runner")

_AFTER_FAULT_S: Final = 60.0
_TRIES: Final = 3
_AGAIN_S: Final = 30.0
_LONGEST_AGAIN_S: Final = 3600.0
_DOUBLES: Final = 10
_BATCH: Final = 16
_HOUSE_S: Final = 60.0
_SHORTEST_REST_S: Final = 0.01
_SHORTEST_TURN: Final = 0.05
"""The leader rests between two steps, as a share of `idle_s`."""
_REST_SHARE: Final = 2.0
"""And at least so many times as long as a step took."""


@attrs.define
class Tally:
    """What a runner did.

    Attributes:
        looks: how often a status was asked for.
        syncs: how many syncs were triggered.
        late: how many of them may have run beside another's.
        leases_lost: how often another had taken a connection meanwhile.
        delivered: how many messages were.
        undelivered: how many tries of a delivery failed.
        faults: how often something was raised that no answer of an upstream is.
    """

    looks: int = 0
    syncs: int = 0
    late: int = 0
    leases_lost: int = 0
    delivered: int = 0
    undelivered: int = 0
    faults: int = 0


@attrs.define(kw_only=True)
class Runner:
    """Remedies what a ledger says is due. Several may share one ledger.

    Attributes:
        ledger: the ledger.
        observe: asks the upstream for a connection's status, once.
        trigger: triggers a sync, once; an answer that describes the connection says that it was accepted.
        keys: gives the connections to remember, again each minute; None: the ledger's are all.
        every_s: how often a sync of `keys` is wanted where all is well, seconds; 0: never any more;
            None: as the ledger has it, which is never unless somebody said otherwise.
        keep_s: how long the journal and delivered messages are kept, seconds; default 90 days.
        send: delivers messages; default: lines in the log; None: another process does.
        send_within_s: how long a try of a delivery may take, real seconds; default 30.
        governed: whether attempts start as a governor of the whole fleet grants them; default True. One of the
            runners that share a ledger leads it. False: each starts what is due, where all that share it do so.
        tenant: whose neighbour a connection is, by its key, so that a tenant's own trouble is told from
            upstream's; None: there are no tenants.
        concurrency: how many connections are looked at at once; default 32.
        idle_s: how often it is asked what is due where nothing was, seconds; default 1.
        grace_s: how long what is under way may take to end, once it is told to stop, seconds; default 30.
        sleep: waits so many seconds.
        tally: what was done so far.
    """

    ledger: Ledger
    observe: Callable[[str], Awaitable[Observation]]
    trigger: Callable[[str], Awaitable[Observation]]
    keys: Callable[[], Iterable[str]] | None = None
    every_s: float | None = None
    keep_s: float = 90 * 86_400.0
    send: Send | None = sending.log
    send_within_s: float = 30.0
    governed: bool = True
    tenant: Tenant | None = None
    concurrency: int = 32
    idle_s: float = 1.0
    grace_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    tally: Tally = attrs.field(factory=Tally)
    _threads: ThreadPoolExecutor = attrs.field(init=False, repr=False)
    _telemetry: Telemetry = attrs.field(init=False, factory=Telemetry)
    _granted: asyncio.Event = attrs.field(init=False, factory=asyncio.Event, repr=False)
    _news: asyncio.Event = attrs.field(init=False, factory=asyncio.Event, repr=False)

    async def run(self, stop: asyncio.Event) -> Tally:
        """Remedy until it is told to stop; then let what is under way end, and deliver what it asked for.

        Once it is told to stop, it takes no longer than twice `grace_s`.

        Raises:
            LedgerError: the ledger can't be read or written, and not because of one connection.
        """
        self._threads = ThreadPoolExecutor(self.ledger.writers, thread_name_prefix="ledger")
        tended = asyncio.Event()
        tending = asyncio.create_task(self._tend(stop), name="connections")
        tending.add_done_callback(lambda _: tended.set())
        house = asyncio.create_task(self._keep_house(stop), name="house")
        tasks = [tending, house]
        if self.governed:
            tasks.append(asyncio.create_task(self._lead(tended), name="fleet"))
        if self.send is not None:
            tasks.append(asyncio.create_task(self._deliver(self.send, tended), name="outbox"))
        try:
            pending = set(tasks)
            while not pending <= {house}:  # which nobody waits for at the end
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if any(task.cancelled() or task.exception() for task in done):
                    break
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault
        return self.tally

    async def _tend(self, stop: asyncio.Event) -> None:
        """Claim what is due, as much as may be under way at once."""

        async def claim(free: int) -> list[Claim]:
            self._granted.clear()
            return await self._do(self.ledger.claim, free, granted=self.governed)

        await self._keep_up(stop, self.concurrency, claim, self._remedy, self._rest)

    async def _deliver(self, send: Send, stop: asyncio.Event) -> None:
        """Deliver what is due; when it is told to stop, what is due by then as well, as far as there is time."""

        async def take(free: int) -> list[Message]:
            return await self._do(self.ledger.outbox.take, free, again_s=self.ledger.lease_s)

        async def rest(stopping: asyncio.Event) -> None:
            await self._either(stopping, self.idle_s)

        deliver = partial(self._deliver_one, send)
        await self._keep_up(stop, _BATCH, take, deliver, rest)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.grace_s):
                while messages := await take(_BATCH):
                    await asyncio.gather(*map(deliver, messages))

    async def _keep_up(
        self,
        stop: asyncio.Event,
        limit: int,
        take: Callable[[int], Awaitable[list[T]]],
        handle: Callable[[T], Coroutine[None, None, None]],
        rest: Callable[[asyncio.Event], Awaitable[None]],
    ) -> None:
        """Take things as they are due, and handle so many at once; what is under way at the end may end."""
        under_way: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                free = limit - len(under_way)
                taken = await take(free) if free else []
                under_way |= {asyncio.create_task(handle(one)) for one in taken}
                if not free:
                    await asyncio.wait({*under_way, stopping}, return_when=asyncio.FIRST_COMPLETED)
                elif not taken:
                    await rest(stop)
                under_way = {task for task in under_way if not task.done()}
            if under_way:
                await asyncio.wait(under_way, timeout=self.grace_s)
        finally:
            for task in (*under_way, stopping):
                task.cancel()

    async def _rest(self, stop: asyncio.Event) -> None:
        """Until more may be due."""
        ahead_s = await self._do(self.ledger.fleet.next_granted_s if self.governed else self.ledger.next_due_s)
        rest_s = self.idle_s if ahead_s is None else min(self.idle_s, max(ahead_s, _SHORTEST_REST_S))
        await self._either(stop, rest_s, self._granted)

    async def _lead(self, stop: asyncio.Event) -> None:
        """Lead the fleet while nobody else does; once told to stop, let another."""
        leader = self.ledger.fleet.leader(self.tenant)
        while not stop.is_set():
            self._news.clear()
            began_s = self.ledger.moment()
            led = await self._do(leader.step)
            if led is not None and led.started:
                self._granted.set()
            least_s = max(self.idle_s * _SHORTEST_TURN, _REST_SHARE * (self.ledger.moment() - began_s))
            if led is None or not led.is_behind:
                longest_s = self.idle_s if led is None or led.next_s is None else min(self.idle_s, led.next_s)
                await self._either(stop, max(0.0, longest_s - least_s), *([] if led is None else [self._news]))
            await self._either(stop, least_s)
        await self._do(leader.resign)

    async def _either(self, stop: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
        """Wait, unless it is told to stop, or something else happens."""
        waits = [asyncio.ensure_future(one) for one in (self.sleep(seconds), *(one.wait() for one in (stop, *others)))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _keep_house(self, stop: asyncio.Event) -> None:
        """Remember connections that are new, finish what was cut short, and forget what is old; again and again."""
        while not stop.is_set():
            if self.keys is not None:
                await self._enroll(self.keys)
            if not self.governed:
                await self._do(self.ledger.fleet.dismiss)
            await self._do(self.ledger.settle)
            await self._do(self.ledger.prune, self.keep_s)
            self._telemetry.lags(await self._do(self.ledger.outbox.lag_s))
            await self._either(stop, _HOUSE_S)

    async def _enroll(self, keys: Callable[[], Iterable[str]]) -> None:
        """Remember the connections that there are; a fault in finding them leaves those that are known."""
        try:
            found = list(await asyncio.to_thread(keys))
        except Exception:  # whatever it raises, those that are known are looked after
            self.tally.faults += 1
            _log.exception("which connections there are could not be found out")
            return
        good = [key for key in found if self._is_key(key)]
        await self._do(self.ledger.enroll, good, every_s=self.every_s)

    def _is_key(self, key: str) -> bool:
        try:
            checked_key(key)
        except InputError as error:
            self.tally.faults += 1
            _log.error("a connection that can't be remembered: %s", error)
            return False
        return True

    async def _remedy(self, claim: Claim) -> None:
        """Carry out what the life of a connection asks for, until it waits."""
        try:
            await self._advance(claim)
        except LeaseLostError:
            self.tally.leases_lost += 1
        except LedgerError as error:
            self.tally.faults += 1
            _log.error("the ledger, for `%s`: %s", printable(claim.key), error, extra={"remediate_key": claim.key})
        finally:
            self._news.set()

    async def _advance(self, claim: Claim) -> None:
        try:
            with self._telemetry.span("remedy", claim.key):
                last = await self._look(claim, due_since_s=claim.due_since_s)
                while not isinstance(last, WaitUntil):
                    last = await (self._pull(claim, last) if isinstance(last, Trigger) else self._look(claim))
        except LedgerError:
            raise
        except Exception:  # whatever a call raises is no answer, so nothing is recorded
            self.tally.faults += 1
            _log.exception("a call about `%s` raised", printable(claim.key), extra={"remediate_key": claim.key})
            await self._do(self.ledger.release, claim, again_s=_AFTER_FAULT_S)

    async def _look(self, claim: Claim, *, due_since_s: float | None = None) -> Command:
        asked_s = self.ledger.moment(claim)
        self.tally.looks += 1
        with self._telemetry.span("observe", claim.key):
            observation = await self.observe(claim.key)
        events: list[Event] = [Observed(observation=observation, asked_s=asked_s)]
        if due_since_s is not None:
            events.insert(0, Wanted(by="the schedule", since_s=due_since_s))
        return (await self._do(self.ledger.record, claim, *events))[-1]

    async def _pull(self, claim: Claim, trigger: Trigger) -> Command:
        self.tally.syncs += 1
        with self._telemetry.span("sync", claim.key):
            answer = await self.trigger(claim.key)
        try:
            return (await self._do(self.ledger.answered, claim, trigger.number, answer))[-1]
        except LeaseLostError:
            self.tally.late += 1
            raise

    async def _deliver_one(self, send: Send, message: Message) -> None:
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_random_exponential(0.5, max=5),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            await self._tried(retrying, send, message)
        except LedgerError as error:
            self.tally.faults += 1
            _log.error("the ledger: %s", error)

    async def _tried(self, retrying: tenacity.AsyncRetrying, send: Send, message: Message) -> None:
        try:
            await retrying(self._send_once, send, message)
        except (
            Exception,
            asyncio.CancelledError,
        ) as error:  # the message stays, and says why
            if _is_cancelled():
                raise
            self.tally.undelivered += 1
            again_s = min(_LONGEST_AGAIN_S, _AGAIN_S * 2.0 ** min(message.tries, _DOUBLES))
            await self._do(self.ledger.outbox.failed, message, sending.fault(error), again_s=again_s)
        else:
            self.tally.delivered += 1
            await self._do(self.ledger.outbox.delivered, message)

    async def _send_once(self, send: Send, message: Message) -> None:
        async with asyncio.timeout(self.send_within_s):
            await send(message)

    async def _do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Work of the ledger's, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


def _is_cancelled() -> bool:
    """Whether it is this task that somebody cancels, rather than something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
