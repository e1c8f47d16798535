"""Virtual time: what happens, in order; what happens at once, in the order in which it was planned."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["Loop"]

Happening = tuple[float, int, Callable[[Any], None], Any]


class Loop:
    """A heap of what is to happen.

    Attributes:
        now_s: the time, seconds from the beginning.
        happened: how much did.
    """

    __slots__ = ("_heap", "_planned", "happened", "now_s")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.happened = 0
        self._heap: list[Happening] = []
        self._planned = 0

    def at(self, when_s: float, do: Callable[[Any], None], what: Any = None) -> None:
        """Plan something; what should have been before now is now."""
        self._planned += 1
        heappush(self._heap, (when_s if when_s > self.now_s else self.now_s, self._planned, do, what))

    def run(self, until_s: float) -> None:
        """Let time pass until then."""
        heap = self._heap
        happened = 0
        while heap and heap[0][0] <= until_s:
            self.now_s, _, do, what = heappop(heap)
            do(what)
            happened += 1
        self.happened += happened
        self.now_s = until_s
