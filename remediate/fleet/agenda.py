"""Names and a moment for each: which come next is known without looking at all of them.

Knows neither what is named nor what happens then. It is made from what is saved, and not saved itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from math import inf

__all__ = ["Agenda"]


class Agenda:
    """A heap of moments; one that was moved stays in it until it would be the first.

    Args:
        moments: by name.

    Attributes:
        next_s: the first moment; inf: there is none.
    """

    __slots__ = ("_heap", "_moments", "next_s")

    def __init__(self, moments: Mapping[str, float]) -> None:
        self.next_s = inf
        self._moments: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        for name, at_s in moments.items():
            self.put(name, at_s)

    def put(self, name: str, at_s: float) -> None:
        """A name has this moment and no other; inf: none."""
        if at_s == inf:
            self._moments.pop(name, None)
        elif self._moments.get(name) != at_s:
            self._moments[name] = at_s
            heappush(self._heap, (at_s, name))
        self._tidy()

    def due(self, now_s: float) -> list[str]:
        """The names whose moment has come; they have none any more."""
        names = []
        while self.next_s <= now_s:
            _, name = heappop(self._heap)
            del self._moments[name]
            names.append(name)
            self._tidy()
        return names

    def _tidy(self) -> None:
        """What is first in the heap is first indeed."""
        heap = self._heap
        while heap and self._moments.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        self.next_s = heap[0][0] if heap else inf
