"""Whose turn it is, of the tenants that have a circuit of their own: found without looking at all of them.

Knows when time alone changes a circuit, and nothing of what is done about it. It is made from the circuits,
and not saved.
"""

from __future__ import annotations

from math import inf

from remediate.fleet.agenda import Agenda
from remediate.fleet.circuit import Circuit
from remediate.fleet.events import Phase

__all__ = ["Turns"]

_COHORT_S = 900.0
"""Tenants whose trouble began within so long of each other's may have it in common."""
_SHARED = 6
"""So many tenants are probed at the usual pace; more share it."""


class Turns:
    """The turns of circuits.

    Args:
        circuits: by tenant. Whoever changes one says so, and whoever takes one out has been told that it is due.

    Attributes:
        agenda: when time alone changes each.
    """

    __slots__ = ("_asking", "_circuits", "_open", "agenda")

    def __init__(self, circuits: dict[str, Circuit]) -> None:
        self._circuits = circuits
        self.agenda = Agenda(dict.fromkeys(circuits, -inf))
        self._asking: set[str] = set()
        self._open: set[str] = set()

    @property
    def patience(self) -> float:
        """How many times the usual wait is between two probes of one tenant."""
        return max(1.0, len(self._open) / _SHARED)

    def changed(self, tenant: str, now_s: float) -> None:
        """The circuit of a tenant, if it has one, is new or other than it was."""
        circuit = self._circuits.get(tenant)
        if circuit is None:
            return
        self.agenda.put(tenant, circuit.next_s(now_s))
        if circuit.phase == Phase.OPEN:
            self._open.add(tenant)
            self._asking.add(tenant)
        else:
            self._open.discard(tenant)
            self._asking.discard(tenant)

    def hasten(self, well: Circuit, now_s: float) -> None:
        """A tenant is well again: others that fell ill with it may be so too, and are probed at once."""
        for tenant, other in self._circuits.items():
            is_alike = (other.phase, other.trouble) == (Phase.OPEN, well.trouble)
            if is_alike and abs(other.since_s - well.since_s) < _COHORT_S:
                other.probe_s = min(other.probe_s, now_s)
                self.changed(tenant, now_s)

    def wanted(self, tenant: str | None) -> None:
        """A connection of a tenant wants an attempt: if a probe is due, it has somebody now."""
        if tenant is not None and tenant in self._open:
            self._asking.add(tenant)

    def due(self, now_s: float) -> list[str]:
        """Tenants whose circuit time has changed; what it is now is to be said."""
        return self._ordered(self.agenda.due(now_s)) if self.agenda.next_s <= now_s else []

    def probed(self, now_s: float, most: int) -> list[str]:
        """Tenants of which a probe is due, where anything has happened since this was asked last; others ask again."""
        asking = [tenant for tenant in self._asking if self._circuits[tenant].wants_probe(now_s)]
        self._asking = set(asking)
        chosen = self._ordered(asking)[:most]
        self._asking.difference_update(chosen)
        return chosen

    def _ordered(self, tenants: list[str]) -> list[str]:
        """In the order of the circuits."""
        if len(tenants) < 2:
            return tenants
        chosen = set(tenants)
        return [one for one in self._circuits if one in chosen]
