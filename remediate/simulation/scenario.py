"""What is to be simulated: a fleet, what upstream can take, and what goes wrong.

Knows numbers and names alone. Times are seconds from the beginning.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

__all__ = ["Fault", "Place", "Scenario", "Wrong"]


class Wrong(StrEnum):
    """What goes wrong.

    ``failure``: calls or syncs fail. ``authorisation``: grants are refused. ``slowness``: syncs take longer.
    ``capacity``: fewer syncs run at once. ``limit``: so many triggers a minute, the rest is answered 429.
    """

    FAILURE = "failure"
    AUTHORISATION = "authorisation"
    SLOWNESS = "slowness"
    CAPACITY = "capacity"
    LIMIT = "limit"


class Place(StrEnum):
    """Where a failure shows: in the answers to calls, or in how syncs end."""

    CALLS = "calls"
    SYNCS = "syncs"


@attrs.frozen(kw_only=True)
class Fault:
    """Something that goes wrong for a while.

    Attributes:
        wrong: what.
        begins_s: when; the seed makes it up to `jitter_s` later.
        lasts_s: for how long.
        jitter_s: default 600.
        at: where a failure shows; default ``calls``.
        share: how many calls, syncs or grants it takes, from 0 to 1; default all.
        tenants: the share of tenants that it is about; default all.
        factor: slowness: how many times as long syncs take in the end; capacity: the share that is left.
        ramps: whether slowness grows from 1 to `factor`; default False.
        per_minute: a limit, triggers a minute; as a multiple of what upstream can take; of a tenant's
            demand where it is `per_tenant`.
        per_tenant: whether each tenant has a limit of its own; default False.
        pause_s: the Retry-After that comes with 429, seconds; default 30.
        up_s: flapping: for so long it is well in between; 0: never. Default 0.
        down_s: flapping: for so long it is not.
    """

    wrong: Wrong
    begins_s: float
    lasts_s: float
    jitter_s: float = 600.0
    at: Place = Place.CALLS
    share: float = 1.0
    tenants: float = 1.0
    factor: float = 1.0
    ramps: bool = False
    per_minute: float = 1.0
    per_tenant: bool = False
    pause_s: float = 30.0
    up_s: float = 0.0
    down_s: float = 0.0


@attrs.frozen(kw_only=True)
class Scenario:
    """A fleet, its upstream, and what goes wrong.

    Attributes:
        name: for tables.
        summary: what it is, in one line.
        lasts_s: for how long it is simulated.
        faults: what goes wrong.
        connections: how many there are; default 10,000.
        neighbours: connections of one tenant; default 100.
        every_s: how often each is due, seconds; default 6 hours.
        own_every_s: how often upstream syncs each by itself, seconds; default a day.
        sync_s: how long a sync takes on average, seconds; default 4.
        spread: the sigma of its lognormal; default 0.8.
        utilisation: the share of what upstream can take that calm times need; default 0.6.
        backlog_s: upstream refuses with 503 what would wait longer than this, seconds; default 90.
        hang_s: a call that is not answered is given up after so long, seconds; default 30.
        troubles_a_day: the share of connections that get a trouble of their own in a day; default 0.0135.
    """

    name: str
    summary: str = ""
    lasts_s: float
    faults: tuple[Fault, ...] = ()
    connections: int = 10_000
    neighbours: int = 100
    every_s: float = 21_600.0
    own_every_s: float = 86_400.0
    sync_s: float = 4.0
    spread: float = 0.8
    utilisation: float = 0.6
    backlog_s: float = 90.0
    hang_s: float = 30.0
    troubles_a_day: float = 0.0135

    @property
    def capacity(self) -> float:
        """Syncs at once that upstream can run: the work of calm times over `utilisation`, at least one."""
        rate = self.connections * (1 / self.every_s + 1 / self.own_every_s)
        return max(1.0, rate * self.sync_s / self.utilisation)
