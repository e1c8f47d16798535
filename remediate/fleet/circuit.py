"""One circuit: closed, confirming a suspicion, open, or recovering; and when it probes.

Knows how attempts have ended, and nothing of who waits or what else is under way.
"""

from __future__ import annotations

from math import inf

import attrs

from remediate.fleet.events import Incident, Phase, Trouble
from remediate.fleet.parameters import Fleet
from remediate.fleet.saving import APART
from remediate.schedule import draw

__all__ = ["Circuit"]

_JITTER = 0.25
"""No outage ends at the same moment of every round."""
_SOONER = 0.2
"""So much of the first pause follows a probe that told nothing."""
_STALE_S = 3600.0
"""A suspicion that nobody confirms for so long, and that nobody is left to confirm, is dropped."""
_PATIENCE_S = 30.0
"""So long those confirm a suspicion that were under way when it arose; then only those that could also refute it."""
_SHARED_JITTER = 0.5
"""Tenants that share their probes: whichever is probed first tells of the others, so they go apart."""


@attrs.define(kw_only=True)
class Circuit:
    """A circuit.

    Attributes:
        fleet: the parameters.
        name: from which the jitter of its probes is drawn.
        phase: where it is.
        trouble: what is suspected or known.
        since_s: since when there is trouble.
        by_syncs: whether it showed in syncs: then a look alone does not end it.
        incident: the incident that is not over.
        announced: whether somebody was told of it.
        failed: how many attempts failed since the trouble was suspected.
        voted: how many have confirmed the suspicion.
        voted_s: when the latest did; before that, when it arose.
        refused: whether an operator's word holds those whom upstream refuses, or may refuse, anyway.
        out: probes under way, by number, and when they count as hung.
        probed: how many probes were sent.
        probe_s: when the next probe is due.
        well_s: since when nothing has failed, while it recovers.
        recovered_s: when it last began to recover.
        was_soon: whether it was opened again soon after that.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    name: str
    phase: Phase = Phase.CLOSED
    trouble: Trouble = Trouble.UPSTREAM
    since_s: float = 0.0
    by_syncs: bool = False
    incident: Incident | None = None
    announced: bool = False
    failed: int = 0
    voted: int = 0
    voted_s: float = 0.0
    refused: bool = False
    out: dict[int, float] = attrs.field(factory=dict)
    probed: int = 0
    probe_s: float = inf
    well_s: float = 0.0
    recovered_s: float = -inf
    was_soon: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing starts but canaries and probes."""
        return self.phase in (Phase.CONFIRMING, Phase.OPEN)

    def suspect(self, trouble: Trouble, since_s: float, now_s: float) -> None:
        """Trouble is suspected: so many more attempts are to confirm it."""
        self.phase, self.trouble, self.since_s = Phase.CONFIRMING, trouble, since_s
        self.voted, self.voted_s, self.refused = 0, now_s, False

    def is_stale(self, now_s: float) -> bool:
        """Whether nobody has confirmed a suspicion for long."""
        return self.phase == Phase.CONFIRMING and now_s >= self.voted_s + _STALE_S

    def waits_long(self, now_s: float) -> bool:
        """Whether nobody has confirmed a suspicion for a while, though many were under way when it arose."""
        return self.phase == Phase.CONFIRMING and now_s >= self.voted_s + _PATIENCE_S

    def stands(self) -> None:
        """The suspicion was wrong: it is as before."""
        if self.incident is None:
            self.phase = Phase.CLOSED
        else:
            self.phase, self.trouble = Phase.RECOVERING, self.incident.trouble

    def open(self, now_s: float, probe_s: float | None = None) -> None:
        """All is held from now on."""
        self.phase = Phase.OPEN
        self.out.clear()
        self.probe_s = now_s + self._wait_s(now_s, 1.0) if probe_s is None else probe_s

    def sends_probe(self, number: int, now_s: float, patience: float) -> None:
        """A probe starts; the next is due after so many times the usual wait."""
        self.out[number] = now_s + self.fleet.probe_first_s
        self.probed += 1
        self.probe_s = now_s + self._wait_s(now_s, patience)

    def told_nothing(self, now_s: float) -> None:
        """A probe has ended, and tells neither that upstream answers nor that it does not: the next one goes sooner."""
        self.probe_s = min(self.probe_s, now_s + _SOONER * self.fleet.probe_first_s)

    def wants_probe(self, now_s: float) -> bool:
        """Whether a probe is due. One that hangs delays none."""
        if self.phase != Phase.OPEN or now_s < self.probe_s:
            return False
        return sum(1 for hangs_s in self.out.values() if hangs_s > now_s) < self.fleet.probes

    def recover(self, now_s: float) -> None:
        """Upstream answers: what waits is readmitted."""
        self.phase = Phase.RECOVERING
        self.well_s = self.recovered_s = now_s
        self.out.clear()
        self.probe_s = inf

    def is_well(self, now_s: float) -> bool:
        """Whether it has been well for long enough while it recovers."""
        return self.phase == Phase.RECOVERING and now_s >= self.well_s + self.fleet.settle_s

    def close(self) -> None:
        """All is well."""
        self.phase, self.incident, self.announced = Phase.CLOSED, None, False
        self.failed = 0

    def next_s(self, now_s: float) -> float:
        """When time alone changes something; inf: never."""
        if self.phase == Phase.OPEN:
            hangs_s = min((at_s for at_s in self.out.values() if at_s > now_s), default=inf)
            return self.probe_s if self.probe_s > now_s else hangs_s
        if self.phase == Phase.CONFIRMING:
            moments = (self.voted_s + _PATIENCE_S, self.voted_s + _STALE_S)
            return min((one for one in moments if one > now_s), default=inf)
        return self.well_s + self.fleet.settle_s if self.phase == Phase.RECOVERING else inf

    def _wait_s(self, now_s: float, patience: float) -> float:
        fleet = self.fleet
        grown_s = min(fleet.probe_longest_s, fleet.probe_growth * (now_s - self.since_s))
        spread = _JITTER if patience == 1 else _SHARED_JITTER
        jitter = 1 + spread * (2 * draw(self.name, self.probed) - 1)
        return max(fleet.probe_first_s, grown_s) * patience * jitter
