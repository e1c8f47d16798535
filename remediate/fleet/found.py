"""What the circuits of a fleet find, until it is fetched; what is asked for, until it is handed out; whose a vote is.

Knows keys, tenants and incidents, and nothing of how they are found.
"""

from __future__ import annotations

import attrs

from remediate.decision import Evidence
from remediate.fleet.events import Closed, Ended, Opened, Start

__all__ = ["ANSWERS", "FAILS", "TENANT", "Asked", "Found", "says_of", "whose"]

ANSWERS = (Evidence.ALIVE, Evidence.CONNECTION)
"""Evidence that upstream answers, and grants are well."""
FAILS = (Evidence.UPSTREAM, Evidence.OPAQUE)
"""Evidence that it may be down: where it fails without saying why too, for so an outage may show."""

TENANT = "tenant "
"""How the names of tenants begin, where there are those of connections too."""


def whose(key: str, tenant: str | None) -> str:
    """Whose vote it is: a tenant's, or that of a connection without neighbours."""
    return f"key {key}" if tenant is None else f"{TENANT}{tenant}"


def says_of(event: Ended, *, refuses: bool, by_syncs: bool) -> bool | None:
    """Whether an end says that the trouble there is, or may be, is over; None: it says nothing.

    Args:
        refuses: whether the trouble is that authorisation is refused.
        by_syncs: whether it showed in syncs, of which a look says nothing.
    """
    if event.evidence in FAILS or (refuses and event.evidence == Evidence.AUTHORISATION):
        return False
    if event.evidence in ANSWERS or event.evidence == Evidence.AUTHORISATION:
        return True if event.synced or not by_syncs else None
    return None


@attrs.define
class Found:
    """What was found since it was fetched last.

    Attributes:
        announced: incidents that began and ended.
        repairs: connections that failed in an incident that is over, with its id.
        resumed: tenants that are held no more, and None where everyone is not, with the id of what held them.
        again: whether everyone had been let go in the same incident before, and was held again soon.
    """

    announced: list[Opened | Closed] = attrs.field(factory=list)
    repairs: dict[str, str] = attrs.field(factory=dict)
    resumed: dict[str | None, str] = attrs.field(factory=dict)
    again: bool = False

    def __bool__(self) -> bool:
        return bool(self.announced or self.repairs or self.resumed)


@attrs.define
class Asked:
    """What a step asks for, as it grows."""

    starts: list[Start] = attrs.field(factory=list)
    tell: list[str] = attrs.field(factory=list)
    drop: list[str] = attrs.field(factory=list)
    repairs: list[tuple[str, str]] = attrs.field(factory=list)
    announced: list[Opened | Closed] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.starts or self.tell or self.drop or self.repairs or self.announced)
