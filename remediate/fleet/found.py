"""What the circuits of a fleet find, until it is fetched; and whose a vote is.

Knows keys, tenants and incidents, and nothing of how they are found.
"""

from __future__ import annotations

import attrs

from remediate.decision import Evidence
from remediate.fleet.events import Closed, Opened

__all__ = ["ANSWERS", "FAILS", "TENANT", "Found", "whose"]

ANSWERS = (Evidence.ALIVE, Evidence.CONNECTION)
"""Evidence that upstream answers, and grants are well."""
FAILS = (Evidence.UPSTREAM, Evidence.OPAQUE)
"""Evidence that it may be down: where it fails without saying why too, for so an outage may show."""

TENANT = "tenant "
"""How the names of tenants begin, where there are those of connections too."""


def whose(key: str, tenant: str | None) -> str:
    """Whose vote it is: a tenant's, or that of a connection without neighbours."""
    return f"key {key}" if tenant is None else f"{TENANT}{tenant}"


@attrs.define
class Found:
    """What was found since it was fetched last.

    Attributes:
        announced: incidents that began and ended.
        repairs: connections that failed in an incident that is over, with its id.
        resumed: tenants that are held no more.
        recovers: whether the fleet has begun to recover.
        again: whether it had in the same incident, and all was held again soon.
    """

    announced: list[Opened | Closed] = attrs.field(factory=list)
    repairs: dict[str, str] = attrs.field(factory=dict)
    resumed: list[str] = attrs.field(factory=list)
    recovers: bool = False
    again: bool = False

    def __bool__(self) -> bool:
        return bool(self.announced or self.repairs or self.resumed or self.recovers)
