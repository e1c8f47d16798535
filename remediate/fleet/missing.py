"""Connections that upstream suddenly does not know: many at once are a mistake of ours.

Knows which were unknown and when, and nothing of what is done about it.
"""

from __future__ import annotations

from math import inf

import attrs

from remediate.fleet.parameters import Fleet
from remediate.fleet.saving import APART

__all__ = ["Missing"]

_DAY_S = 86_400.0
_FEWEST = 5


@attrs.define(kw_only=True)
class Missing:
    """Connections unknown to upstream within the last day.

    Attributes:
        fleet: the parameters.
        connections: how many there are; 0: not known.
        seen: when each was unknown last, the first first.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    connections: int = 0
    seen: dict[str, float] = attrs.field(factory=dict)

    def add(self, key: str, now_s: float) -> None:
        """Upstream does not know this one."""
        self.seen.pop(key, None)
        self.seen[key] = now_s

    def known(self, key: str) -> None:
        """Upstream knows this one after all."""
        self.seen.pop(key, None)

    def forget(self, now_s: float) -> None:
        """What is older than a day counts no more."""
        while now_s >= self.next_s():
            del self.seen[next(iter(self.seen))]

    def next_s(self) -> float:
        """When the next of them counts no more; inf: none is unknown."""
        return self.since_s + _DAY_S if self.seen else inf

    @property
    def are_many(self) -> bool:
        """Whether so many are unknown that it is not theirs."""
        return self.connections > 0 and len(self.seen) >= self._many

    @property
    def are_few(self) -> bool:
        """Whether no more than half as many are, as a few may be at any time."""
        return 2 * len(self.seen) <= self._many

    @property
    def _many(self) -> float:
        return max(_FEWEST, self.fleet.missing_share * self.connections)

    @property
    def since_s(self) -> float:
        """When the first of them was."""
        return next(iter(self.seen.values()))
