"""Which customers may be told: none before an incident had time to show, and none of what was never theirs.

Knows who is about to be told and since when, and nothing of what about.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import attrs

from remediate.fleet.parameters import Fleet
from remediate.fleet.saving import APART

__all__ = ["Notices", "Tried"]

_DOUBTFUL_S = 86_400.0
"""So long after upstream refused everyone, an old answer may still tell of that."""
_UNTRIED_S = 21_600.0
"""Who was not tried within so long is told."""


@attrs.frozen
class Tried:
    """One that is tried once more before its customer is told.

    Attributes:
        at_s: since when.
        number: of the latest start then: only a later one is that try.
    """

    at_s: float
    number: int


@attrs.define(kw_only=True)
class Notices:
    """Customers about to be told.

    Attributes:
        fleet: the parameters.
        asked: since when, by key; the first first.
        tried: those who are tried once more first, the first first.
        doubtful_s: until then nobody is told without having been tried.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    asked: dict[str, float] = attrs.field(factory=dict)
    tried: dict[str, Tried] = attrs.field(factory=dict)
    doubtful_s: float = -inf

    def ask(self, key: str, number: int, now_s: float) -> bool:
        """A customer is about to be told; asked again, it changes nothing. Whether it is to be tried first."""
        if key in self.tried or key in self.asked:
            return False
        if now_s < self.doubtful_s:
            self.tried[key] = Tried(now_s, number)
            return True
        self.asked[key] = now_s
        return False

    def well(self, key: str) -> bool:
        """A connection is well: whether a customer need not be told after all."""
        was_tried = self.tried.pop(key, None) is not None
        return self.asked.pop(key, None) is not None or was_tried

    def failed(self, key: str, number: int) -> bool:
        """An attempt was refused: whether it was the last try, and the customer is to be told now."""
        tried = self.tried.get(key)
        if tried is None or number <= tried.number:
            return False
        del self.tried[key]
        return True

    def retry(self, number: int, now_s: float, *, refused: bool) -> list[str]:
        """An incident is over: all who wait are tried once more first; those of the next day too, if it was theirs."""
        again = list(self.asked)
        self.tried.update(dict.fromkeys(again, Tried(now_s, number)))
        self.asked.clear()
        if refused:
            self.doubtful_s = now_s + _DOUBTFUL_S
        return again

    def due(self, now_s: float) -> Iterator[str]:
        """Customers to be told now, where no incident is open."""
        while self.asked and now_s >= self._first_s:
            yield self._next(self.asked)
        while self.tried and now_s >= self._untried_s:
            yield self._next(self.tried)

    def next_s(self) -> float:
        """When the next may be told; inf: nobody waits."""
        return min(self._first_s if self.asked else inf, self._untried_s if self.tried else inf)

    @property
    def _first_s(self) -> float:
        return next(iter(self.asked.values())) + self.fleet.notice_wait_s

    @property
    def _untried_s(self) -> float:
        return next(iter(self.tried.values())).at_s + _UNTRIED_S

    def _next(self, waiting: dict[str, float] | dict[str, Tried]) -> str:
        key = next(iter(waiting))
        del waiting[key]
        return key
