"""How fast attempts may start where upstream limits calls: not before it says so, then at a pace that got through.

Knows when attempts were turned away and by whose connection, and nothing of outages.
"""

from __future__ import annotations

from collections import deque
from math import inf

import attrs

from remediate.fleet.agenda import Agenda
from remediate.fleet.parameters import Fleet
from remediate.fleet.saving import APART

__all__ = ["Pacer"]

_MINUTE_S = 60.0
_RECENT = 20
_MANY = 3
_LARGE = 0.2
_UNUSED_S = 600.0
_AHEAD = 2.2
_GROWS = 1.15
_DRAINS = 1.12
_SMOOTH_S = 300.0
"""The pace at which a long queue is drained follows so much of what got through, so no minute is far above another."""
_SHORTEST_S = 1e-3
_SLOWEST = 1 / 60
"""Starts a second that are always let through, however little calm times showed."""
_LONGEST_S = 21_600.0
"""No pause is longer, whatever upstream asks for."""


@attrs.define(kw_only=True)
class Pacer:
    """Pauses and paces.

    Attributes:
        fleet: the parameters.
        until_s: the fleet pauses until then.
        gap_s: between two starts of the fleet; 0: no pace is kept.
        next_s: no start of the fleet before.
        grown_s: when the pace was raised or set last.
        waited_s: when a start last had to wait for the pace.
        is_trying: the pause is over, and nothing has got through since.
        tokens: how many may start at once.
        filled_s: when that was counted last.
        tenants: until when tenants pause.
        passed: when attempts got through, in the last minute or minutes.
        drains_s: since when the queue that an outage left is drained; None: there is none.
        recent: whose the latest attempts were, and whether they were turned away.
        agenda: when the pauses of tenants are over.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    until_s: float = -inf
    gap_s: float = 0.0
    next_s: float = -inf
    grown_s: float = -inf
    waited_s: float = -inf
    is_trying: bool = False
    tokens: float = 0.0
    filled_s: float = 0.0
    tenants: dict[str, float] = attrs.field(factory=dict)
    passed: deque[float] = attrs.field(factory=deque)
    drains_s: float | None = None
    recent: deque[tuple[str, bool]] = attrs.field(factory=deque)
    agenda: Agenda = attrs.field(init=False)

    @agenda.default
    def _new_agenda(self) -> Agenda:
        return Agenda(self.tenants)

    def got_through(self, name: str, now_s: float) -> None:
        """An attempt was not turned away."""
        self.is_trying = False
        self._seen(name, is_away=False)
        self.passed.append(now_s)
        self._goodput(now_s)

    def turned_away(self, name: str, tenant: str | None, pause_s: float, now_s: float) -> None:
        """An attempt was, by a limit of its tenant's or of everyone's: whoever else is turned away tells."""
        self._seen(name, is_away=True)
        pause_s = min(pause_s, _LONGEST_S)
        away = {one for one, is_away in self.recent if is_away}
        if len(away) < _MANY or len(away) < _LARGE * len({one for one, _ in self.recent}):
            if tenant is not None:
                self.tenants[tenant] = max(self.tenants.get(tenant, -inf), now_s + pause_s)
                self.agenda.put(tenant, self.tenants[tenant])
            return
        if now_s >= self.until_s:
            pace = max(self._goodput(now_s), 1) * self.fleet.pace_share
            self.gap_s = max(_MINUTE_S / pace, self.gap_s if self.is_trying else 0.0)
        self.until_s = max(self.until_s, now_s + pause_s)
        self.next_s = max(self.next_s, self.until_s)
        self.grown_s = self.waited_s = self.until_s
        self.is_trying = True

    def resumed(self, now_s: float) -> list[str]:
        """Tenants whose pause is over, from now on."""
        over = self.agenda.due(now_s)
        for tenant in over:
            del self.tenants[tenant]
        return over

    def ready_s(self, now_s: float, calm_rate: float, burst: float) -> float:
        """When the next start may be.

        A pace grows with time, and ends where nothing waits for it. Where many wait, starts follow what gets
        through, so that upstream takes them one after the other.

        Args:
            calm_rate: starts a second in calm times; 0: not known, so nothing is smoothed.
            burst: so many may start at once after a rest.
        """
        ready_s = max(self.until_s, self._paced_s(now_s)) if self.gap_s else self.until_s
        if calm_rate:
            ahead = _GROWS if self.drains_s is None else _DRAINS
            rate = max(_AHEAD * calm_rate, ahead * self._goodput(now_s) / _MINUTE_S, _SLOWEST)
            self.tokens = min(burst, self.tokens + (now_s - self.filled_s) * rate)
            self.filled_s = now_s
            if self.tokens < 1:
                ready_s = max(ready_s, now_s + max((1 - self.tokens) / rate, _SHORTEST_S))
        return ready_s

    def _paced_s(self, now_s: float) -> float:
        if not self.is_trying and now_s - self.waited_s > _UNUSED_S:
            self.gap_s = 0.0
            return -inf
        if not self.is_trying:
            minutes = int((now_s - self.grown_s) / _MINUTE_S)
            if minutes > 0:
                self.gap_s /= (1 + self.fleet.pace_growth) ** minutes
                self.grown_s += minutes * _MINUTE_S
        if self.next_s > now_s:
            self.waited_s = max(self.waited_s, now_s)
        return self.next_s

    def started(self, now_s: float) -> None:
        """An attempt of the fleet starts."""
        self.tokens = max(0.0, self.tokens - 1)
        if self.gap_s:
            self.next_s = max(self.next_s, now_s - self.gap_s) + self.gap_s

    def _goodput(self, now_s: float) -> float:
        """How many attempts got through in the last minute, or a minute since a queue is drained."""
        span_s = _MINUTE_S
        if self.drains_s is not None:
            span_s = min(max(now_s - self.drains_s, span_s), _SMOOTH_S)
        while self.passed and self.passed[0] <= now_s - span_s:
            self.passed.popleft()
        return len(self.passed) * _MINUTE_S / span_s

    def _seen(self, name: str, *, is_away: bool) -> None:
        self.recent.append((name, is_away))
        if len(self.recent) > _RECENT:
            self.recent.popleft()
