"""What a fleet tells its governor, and what the governor asks for: the words between them.

Knows what a decision says of upstream, and nothing of upstreams, ledgers or clocks. Times are seconds
of any one clock; keys and tenants are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from remediate.decision import Evidence

__all__ = ["Closed", "Directives", "Ended", "Event", "Incident", "Opened", "Order", "Ordered", "Phase", "Purpose"]
__all__ += ["Repaired", "Sized", "Standing", "Start", "Telling", "Trouble", "Wants", "Withdrawn"]


@attrs.frozen(kw_only=True)
class Wants:
    """A connection wants an attempt. Said again, it changes nothing while it waits or is under way.

    Attributes:
        due_s: since when it is overdue; those that wait longest start first.
        tenant: whose neighbour it is, if there are such: a tenant's own trouble is told from upstream's.
        runs: a sync of it may be running already, and it only looks: it needs no place. Default False.
    """

    key: str
    due_s: float
    tenant: str | None = None
    runs: bool = False


@attrs.frozen(kw_only=True)
class Ended:
    """An attempt is over.

    Attributes:
        number: the :class:`Start`'s; an end of any other start than the present one is passed over.
        evidence: what its last decision says of upstream.
        synced: whether a sync ran, or was tried; a look alone does not tell how syncs fare. Default True.
        refused: whether that one was not let begin, so that trying again at once is no way. Default False.
        retry_after_s: the pause that upstream asked for, seconds.
    """

    key: str
    number: int
    evidence: Evidence
    synced: bool = True
    refused: bool = False
    retry_after_s: float | None = None


@attrs.frozen(kw_only=True)
class Withdrawn:
    """A connection wants no attempt any more; one that is under way is not ended by it."""

    key: str


@attrs.frozen(kw_only=True)
class Repaired:
    """Somebody mended a connection: what it showed before says nothing any more."""

    key: str


@attrs.frozen(kw_only=True)
class Telling:
    """A customer is about to be told; the governor answers with `tell` or `drop`."""

    key: str


@attrs.frozen(kw_only=True)
class Sized:
    """So many connections there are."""

    connections: int


class Order(StrEnum):
    """What an operator may order.

    ``open``: hold the fleet as in an outage, with no probe before `until_s`. ``close``: let it go.
    ``mute``: announce no incident until `until_s`. ``unmute``: announce them again.
    """

    OPEN = "open"
    CLOSE = "close"
    MUTE = "mute"
    UNMUTE = "unmute"


@attrs.frozen(kw_only=True)
class Ordered:
    """An operator's word.

    Attributes:
        until_s: for how long, as a time; None: an hour for ``open``, until ``unmute`` for ``mute``.
        tenant: whose attempts are held or let go; None: the whole fleet's. It says nothing of announcing.
    """

    order: Order
    by: str
    why: str = ""
    until_s: float | None = None
    tenant: str | None = None


Event = Wants | Ended | Withdrawn | Repaired | Telling | Sized | Ordered


class Purpose(StrEnum):
    """Why a connection starts: its turn, a canary that confirms a suspicion, a probe while all is held."""

    WORK = "work"
    CANARY = "canary"
    PROBE = "probe"


@attrs.frozen(kw_only=True)
class Start:
    """Start an attempt of a connection; answer with :class:`Ended` of this number.

    Attributes:
        number: rises from start to start, over the whole fleet.
        repairs: the incident that held it and is over: its counts begin anew. Empty: none.
    """

    key: str
    number: int
    purpose: Purpose
    repairs: str = ""


class Trouble(StrEnum):
    """What an incident is.

    ``upstream``: it fails everyone. ``degraded``: it fails many, and all goes on. ``authorisation``: it refuses
    everyone's grants. ``missing``: it does not know our businesses. ``operator``: somebody said so.
    """

    UPSTREAM = "upstream"
    DEGRADED = "degraded"
    AUTHORISATION = "authorisation"
    MISSING = "missing"
    OPERATOR = "operator"


@attrs.frozen(kw_only=True)
class Incident:
    """One trouble of many connections.

    Attributes:
        id: the same for its opening and its end.
        trouble: what it is.
        tenant: whose, where it is one tenant's; None: the fleet's.
        since_s: since when there is trouble.
        opened_s: when it was known.
        by: the operator who opened it; empty: nobody did.
        why: what they said.
    """

    id: str
    trouble: Trouble
    since_s: float
    opened_s: float
    tenant: str | None = None
    by: str = ""
    why: str = ""


@attrs.frozen(kw_only=True)
class Opened:
    """An incident began."""

    incident: Incident


@attrs.frozen(kw_only=True)
class Closed:
    """An incident is over.

    Attributes:
        closed_s: when.
        failed: how many attempts failed because of it.
    """

    incident: Incident
    closed_s: float
    failed: int


@attrs.frozen(kw_only=True)
class Directives:
    """What to do.

    Attributes:
        starts: attempts to start now.
        wake_s: step again at this time even if nothing happens; None: when something does.
        tell: customers to be told now.
        drop: customers who need not be told: it was not theirs, or is over.
        repairs: connections that failed in an incident that is over, each with its id: their counts begin anew.
        announced: incidents that began and ended.
    """

    starts: tuple[Start, ...] = ()
    wake_s: float | None = None
    tell: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    repairs: tuple[tuple[str, str], ...] = ()
    announced: tuple[Opened | Closed, ...] = ()


class Phase(StrEnum):
    """Where a circuit is."""

    CLOSED = "closed"
    CONFIRMING = "confirming"
    OPEN = "open"
    RECOVERING = "recovering"


@attrs.frozen(kw_only=True)
class Standing:
    """How a fleet is.

    Attributes:
        phase: where the fleet's circuit is.
        incidents: those that are not over.
        next_probe_s: when upstream is probed next, while all is held; None: all is not held.
        waiting: how many connections wait for a start.
        under_way: how many attempts hold a place.
        places: how many may.
        muted: whether incidents are announced to nobody.
        next_probes: when each tenant that has an incident of its own is probed next; None: it is not held any more.
    """

    phase: Phase
    incidents: tuple[Incident, ...]
    next_probe_s: float | None
    waiting: int
    under_way: int
    places: int
    muted: bool
    next_probes: Mapping[str, float | None] = attrs.field(factory=dict)
