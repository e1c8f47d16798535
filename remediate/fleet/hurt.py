"""Connections that failed and have not been well since: in an incident it was not their own trouble.

Knows when each failed and how often in a row, and nothing of why.
"""

from __future__ import annotations

import attrs

__all__ = ["Failed", "Hurt"]


@attrs.frozen
class Failed:
    """A connection that failed.

    Attributes:
        at_s: when it did last.
        tenant: whose it is; empty: nobody's.
        times: how often in a row.
    """

    at_s: float
    tenant: str
    times: int


@attrs.define
class Hurt:
    """All of them, by their keys."""

    failed: dict[str, Failed] = attrs.field(factory=dict)

    def add(self, key: str, tenant: str | None, now_s: float) -> int:
        """This one has failed; how often in a row, then."""
        before = self.failed.get(key)
        times = 1 if before is None else before.times + 1
        self.failed[key] = Failed(now_s, tenant or "", times)
        return times

    def well(self, key: str) -> None:
        """This one is well, or repaired."""
        self.failed.pop(key, None)

    def released(self, since_s: float, tenant: str | None) -> list[str]:
        """Those that failed since then, of one tenant or of everyone: they count as hurt no more."""
        found = [key for key, one in self.failed.items() if one.at_s >= since_s and tenant in (None, one.tenant)]
        for key in found:
            del self.failed[key]
        return found
