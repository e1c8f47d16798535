"""A fleet in every kind of trouble, on this machine alone: a sandbox, the real client, and people who act.

Knows no terminal. Time runs faster: what takes hours passes in seconds, for the fleet and for the
sandbox alike.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import attrs
import httpx

from remediate.decision import Action, Cause, Decision, NoOp, Owner, acts_next, headline
from remediate.driving import Journal, Outcome, drive_async
from remediate.engine import Engine, default_engine
from remediate.events import Accepted, Event, Mended, Notify, OpenTicket, Refused
from remediate.upstreams.layer.client import AsyncLayerClient, Authorization
from remediate.upstreams.layer.sandbox import Hostility, Report, Sandbox, Trouble, serving
from remediate.upstreams.layer.sandbox.world import TroubleKind
from remediate.upstreams.layer.vocabulary import Call

__all__ = ["Connection", "Findings", "Kind", "demonstrate", "fleet"]

_EPOCH_S: Final = 1_800_000_000.0
_SYNC_S: Final = 60.0
_LAG_S: Final = 3.0
_WITHIN_S: Final = 1800.0
"""The connections are looked at for the first time within half an hour."""
_ACTS_S: Final[dict[Owner, float]] = {
    Owner.CUSTOMER: 1500.0,
    Owner.SUPPORT: 1200.0,
    Owner.ENGINEERING: 900.0,
    Owner.PROVIDER: 600.0,
}
"""How soon each acts once they were told, seconds: fast people, for nobody wants to watch a day."""


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of connection.

    Attributes:
        name: in a few words.
        share: how many of a hundred connections are of this kind.
        troubles: what is wrong, to the sandbox.
        hostilities: how its calls are answered badly, and which.
        heals: what is wrong passes by itself, so nobody should be called.
    """

    name: str
    share: int
    troubles: tuple[Trouble, ...] = ()
    hostilities: tuple[tuple[Hostility, Call], ...] = ()
    heals: bool = True


def _passing(name: str, share: int, reason: str, after_s: float, *, flag: bool | None = None) -> Kind:
    return Kind(name=name, share=share, troubles=(Trouble(reason=reason, is_retryable=flag, heals_after_s=after_s),))


def _lasting(name: str, share: int, reason: str, by: Owner, *, flag: bool | None = None) -> Kind:
    trouble = Trouble(reason=reason, is_retryable=flag, mended_by=by)
    return Kind(name=name, share=share, troubles=(trouble,), heals=False)


def _badly(name: str, share: int, *answers: tuple[Hostility, Call]) -> Kind:
    passing = Trouble(reason="QUICKBOOKS_INTERNAL_SERVER_ERROR", heals_after_s=_WITHIN_S)
    return Kind(name=name, share=share, troubles=(passing,), hostilities=answers)


_OUTAGE_S: Final = _WITHIN_S + 900.0
_KINDS: Final = (
    Kind(name="well", share=31),
    _passing("QuickBooks is down for a while", 16, "QUICKBOOKS_SERVICE_UNAVAILABLE", _OUTAGE_S),
    _passing("QuickBooks throttles", 8, "QUICKBOOKS_GENERAL_SERVICE_FAILURE", _OUTAGE_S, flag=True),
    _passing("an unknown error that passes", 4, "QUICKBOOKS_UNKNOWN_EXCEPTION", 120.0, flag=True),
    _lasting("the authorisation has lapsed", 8, "QUICKBOOKS_AUTHENTICATION_FAILURE", Owner.CUSTOMER, flag=True),
    _lasting("the user lost access", 4, "QUICKBOOKS_AUTHORIZATION_FAILURE", Owner.CUSTOMER),
    _lasting("the credentials are invalid", 4, "QUICKBOOKS_INVALID_CREDENTIALS", Owner.CUSTOMER, flag=False),
    _lasting("the company can't be synced", 2, "QUICKBOOKS_INVALID_REQUEST_STATE", Owner.CUSTOMER, flag=False),
    _lasting("a record is refused", 4, "QUICKBOOKS_VALIDATION_ERROR", Owner.SUPPORT, flag=True),
    _lasting("our set-up is wrong", 2, "QUICKBOOKS_CONFIGURATION_ERROR", Owner.ENGINEERING),
    _lasting("Layer sends what QuickBooks refuses", 2, "QUICKBOOKS_BAD_REQUEST", Owner.PROVIDER),
    Kind(name="a sync that never ends", share=2, troubles=(Trouble(kind=TroubleKind.STUCK),), heals=False),
    Kind(name="disconnected", share=2, troubles=(Trouble(kind=TroubleKind.DISCONNECTED),)),
    Kind(name="archived", share=1, troubles=(Trouble(kind=TroubleKind.ARCHIVED),)),
    Kind(name="gone", share=1, troubles=(Trouble(kind=TroubleKind.UNKNOWN),)),
    _badly("the trigger's answer is lost", 3, (Hostility.RESET_AFTER, Call.SYNC)),
    _badly("the trigger is cut off", 2, (Hostility.TRUNCATED, Call.SYNC), (Hostility.HTML, Call.STATUS)),
    _badly("Layer limits the rate", 2, (Hostility.RATE_LIMITED_S, Call.SYNC), (Hostility.RATE_LIMITED, Call.STATUS)),
    _badly("Layer fails", 2, (Hostility.SERVER_ERROR, Call.STATUS), (Hostility.RESET_BEFORE, Call.STATUS)),
)


@attrs.define(kw_only=True)
class Connection:
    """A connection and what became of it.

    Attributes:
        id: its business.
        kind: what is wrong with it.
        first: the first decision about it, at its first rest; None: not yet.
        last: the latest.
        journal: what happened to it.
        told: how often each was told for the first time.
        tickets: the tickets that were asked for.
    """

    id: str
    kind: Kind
    first: Decision | None = None
    last: Decision | None = None
    journal: Journal = attrs.field(factory=list, repr=False)
    told: Counter[Owner] = attrs.field(factory=Counter)
    tickets: set[str] = attrs.field(factory=set)

    @property
    def triggers(self) -> int:
        """How many syncs were triggered."""
        return sum(isinstance(event, Accepted | Refused) for event, _ in self.journal)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to do, and nobody has to act."""
        return isinstance(self.last, NoOp) and self.last.cause is not Cause.IN_PROGRESS


@attrs.frozen(kw_only=True)
class Findings:
    """What came of it all.

    Attributes:
        connections: all of them.
        report: what the sandbox counted.
        took_s: how long it took, in seconds of real time.
        passed_s: how much time passed for the fleet.
    """

    connections: tuple[Connection, ...]
    report: Report
    took_s: float
    passed_s: float

    def handled(self) -> dict[str, Counter[str]]:
        """What was done first about each connection: how many, by action and by what that was in detail."""
        ways: dict[str, Counter[str]] = {way: Counter() for way in _WAYS.values()}
        for one in self.connections:
            ways[_way(one)][headline(one.first) if one.first else "no answer yet"] += 1
        return ways

    @property
    def figures(self) -> dict[str, tuple[int, int | None]]:
        """Each figure that matters, and what it has to be; None: it is there to be known."""
        told = [count for one in self.connections for count in one.told.values()]
        asked = sum(bool(one.told or one.tickets) for one in self.connections if one.kind.heals)
        total = self.report.total
        return {
            "syncs triggered": (total.triggers_received, None),
            "triggers sent more than once": (sum(self._repeats()), 0),
            "futile syncs": (total.futile, 0),
            "overlapping syncs": (total.overlapping, 0),
            "customers told": (len(told), None),
            "customers told twice": (sum(count > 1 for count in told), 0),
            "humans called for what heals by itself": (asked, 0),
            "connections not at rest": (sum(not one.is_at_rest for one in self.connections), 0),
        }

    def _repeats(self) -> Iterator[int]:
        """For each connection, how many triggers Layer received beyond those that were asked for."""
        for one in self.connections:
            counts = self.report.businesses.get(one.id)
            yield max(0, counts.triggers_received - one.triggers) if counts else 0

    @property
    def holds(self) -> bool:
        """Whether every figure is what it has to be."""
        return all(must is None or is_ == must for is_, must in self.figures.values())


_WAYS: Final = {
    Action.RETRY: "retried until it was well",
    Action.REAUTH: "re-authorised",
    Action.ESCALATE: "escalated",
    Action.NO_OP: "left alone",
}


def _way(connection: Connection) -> str:
    """By the first decision at rest; one that came after syncs were triggered was retried until then."""
    first = connection.first
    if first is None or (isinstance(first, NoOp) and connection.triggers):
        return _WAYS[Action.RETRY]
    return _WAYS[first.action]


def fleet(count: int) -> list[Connection]:
    """So many connections, their kinds mixed by their shares."""
    hundred = [kind for kind in _KINDS for _ in range(kind.share)]
    mixed = [hundred[number * 37 % len(hundred)] for number in range(len(hundred))]
    return [Connection(id=f"business-{number + 1:04}", kind=mixed[number % len(mixed)]) for number in range(count)]


class _Time:
    """A clock that runs so many times faster than the real one."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began_s = time.monotonic()

    def __call__(self) -> float:
        return _EPOCH_S + (time.monotonic() - self._began_s) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


def demonstrate(
    connections: list[Connection], *, speed: float, within_s: float, at_rest: Callable[[], None] = lambda: None
) -> Findings:
    """Drive connections against a sandbox over HTTP until all are at rest, or the time is up.

    Args:
        connections: as :func:`fleet` makes them.
        speed: how many times faster time runs.
        within_s: the longest that it may take, seconds of real time.
        at_rest: called for each connection that is.
    """
    began_s, clock = time.monotonic(), _Time(speed)
    sandbox = Sandbox(clock=clock, sync_s=_SYNC_S, start_lag_s=_LAG_S, calls_per_s=None)
    for one in connections:
        sandbox.add(one.id, *one.kind.troubles)
        for hostility, call in one.kind.hostilities:
            sandbox.disturb(one.id, hostility, call)
    with serving(sandbox) as url:
        asyncio.run(_Demonstration(sandbox, clock, at_rest).run(url, connections, within_s))
    return Findings(
        connections=tuple(connections),
        report=sandbox.report(),
        took_s=time.monotonic() - began_s,
        passed_s=clock() - _EPOCH_S,
    )


class _Demonstration:
    """The fleet, and the people around it."""

    def __init__(self, sandbox: Sandbox, clock: _Time, at_rest: Callable[[], None]) -> None:
        self._sandbox = sandbox
        self._clock = clock
        self._at_rest = at_rest
        self._engine: Engine = default_engine()
        self._resolved: dict[str, asyncio.Task[None]] = {}

    async def run(self, url: str, connections: list[Connection], within_s: float) -> None:
        sandbox = self._sandbox
        async with (
            httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=64)) as http,
            AsyncLayerClient(
                sandbox.client_id, sandbox.client_secret, url, http=http, sleep=self._clock.sleep, clock=self._clock
            ) as layer,
        ):
            lives = [self._live(layer, http, one, number / len(connections)) for number, one in enumerate(connections)]
            try:
                async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                    for life in lives:
                        group.create_task(life)
            except TimeoutError:
                return  # whoever is not at rest is told of in the findings

    async def _live(self, layer: AsyncLayerClient, http: httpx.AsyncClient, one: Connection, phase: float) -> None:
        """Drive a connection; where somebody has to act, let them, and go on."""
        await self._clock.sleep(phase * _WITHIN_S)
        events: list[Event] = []
        while True:
            outcome = await drive_async(
                one.id,
                observe=layer.observe,
                trigger=layer.sync,
                engine=self._engine,
                events=events,
                journal=one.journal,
                sleep=self._clock.sleep,
                clock=self._clock,
            )
            _note(one, outcome)
            who = acts_next(outcome.decision)
            if who is None:
                self._at_rest()
                return
            await self._act(layer, http, one, outcome, who)
            events = [Mended(by=who)]

    async def _act(
        self, layer: AsyncLayerClient, http: httpx.AsyncClient, one: Connection, outcome: Outcome, who: Owner
    ) -> None:
        """Somebody does their part. A ticket for the whole fleet is worked on once, for everyone behind it."""
        tickets = [ticket.id for ticket in outcome.state.tickets if ticket.owner is who]
        if who is not Owner.CUSTOMER and tickets:
            await self._resolved_by(who, tickets[-1])
        else:
            await self._clock.sleep(_ACTS_S[who])
        link = await layer.authorize(one.id) if outcome.decision.action == "reauth" else None
        if isinstance(link, Authorization):
            await http.get(link.redirect_url)
        else:
            self._sandbox.mend(one.id, who)

    async def _resolved_by(self, who: Owner, ticket: str) -> None:
        if ticket not in self._resolved:
            self._resolved[ticket] = asyncio.ensure_future(self._clock.sleep(_ACTS_S[who]))
        await self._resolved[ticket]
        self._resolved.pop(ticket, None)


def _note(one: Connection, outcome: Outcome) -> None:
    one.first = outcome.decision if one.first is None else one.first
    one.last = outcome.decision
    for request in outcome.requests:
        if isinstance(request, Notify) and request.reminder == 0:
            one.told[request.audience] += 1
        if isinstance(request, OpenTicket):
            one.tickets.add(request.id)
