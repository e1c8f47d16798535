"""Repairs that are given with the next start: to those who were hurt in an incident, or held by it until its end.

Knows keys and the order of arrivals, and nothing of how an incident begins or ends.
"""

from __future__ import annotations

import attrs

from remediate.fleet.found import TENANT
from remediate.fleet.queue import Entry

__all__ = ["Held", "Owed"]

_EVERYONE = ""


@attrs.frozen
class Held:
    """Those whom an incident held until its end.

    Attributes:
        arrivals: all who had arrived by then.
        incident: its id.
    """

    arrivals: int
    incident: str


@attrs.define
class Owed:
    """Who is owed a repair.

    Attributes:
        hurt: those that failed in an incident that is over, with its id.
        held: those who waited at the end of the latest incident of everyone's, and of each tenant's.
    """

    hurt: dict[str, str] = attrs.field(factory=dict)
    held: dict[str, Held] = attrs.field(factory=dict)

    def ended(self, tenant: str | None, arrivals: int, incident: str) -> None:
        """An incident of a tenant's, or of everyone's, has ended: whoever came before waited for that."""
        self.held[_whose(tenant)] = Held(arrivals, incident)

    def given(self, key: str, entry: Entry) -> str:
        """The incident whose repair one is given as it starts; empty: it is owed none."""
        hurt = self.hurt.pop(key, "")
        if hurt:
            return hurt
        for whose in (_EVERYONE, _whose(entry.tenant)):
            held = self.held.get(whose)
            if held is not None and entry.order <= held.arrivals:
                return held.incident
        return ""

    def settled(self) -> None:
        """Nobody waits any more."""
        self.held.clear()


def _whose(tenant: str | None) -> str:
    return _EVERYONE if tenant is None else TENANT + tenant
