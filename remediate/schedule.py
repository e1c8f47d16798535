"""The wait before attempt n for key k: exponential, jittered, and the same everywhere.

Knows no clock and no random source: the draw comes from the key and the attempt alone.
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf, log
from struct import Struct
from typing import Final

import attrs

__all__ = ["Backoff", "draw"]

_UNIT: Final = 2.0**-64
_KEPT: Final = 64
"""How many bounds of a schedule are worked out beforehand."""
_whole: Final = Struct(">Q").unpack
_unseeded: Final = blake2b(digest_size=8).copy  # a copy costs half of what a new one does


def draw(key: str | None, attempt: int) -> float:
    """A number from 0 to 1 for this key and attempt: the same in every process and version.

    The first eight bytes of BLAKE2b over ``key:attempt`` in UTF-8, as a fraction. Without a key
    the draw is that of the empty key, and everyone's.
    """
    seed = f"{key or ''}:{attempt}"
    hashed = _unseeded()
    try:
        hashed.update(seed.encode())
    except UnicodeEncodeError:
        hashed.update(seed.encode("utf-8", "surrogatepass"))
    drawn: int = _whole(hashed.digest())[0]
    return drawn * _UNIT


@attrs.frozen(kw_only=True)
class Backoff:
    """Exponential backoff with jitter.

    The bound of attempt n is ``min(ceiling_s, first_s * factor ** (n - 1))``; the wait is uniform
    between ``floor_s`` and the bound, to a tenth of a second.

    Attributes:
        first_s: bound of the first attempt, seconds.
        factor: growth of the bound from one attempt to the next, from 1.
        ceiling_s: no bound is above it, seconds.
        floor_s: no wait is below it, seconds; at most ``first_s``.
    """

    first_s: float
    factor: float
    ceiling_s: float
    floor_s: float
    _growing: float = attrs.field(init=False, eq=False, repr=False)
    _bounds: tuple[float, ...] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        growing = inf if self.factor == 1 else log(self.ceiling_s / self.first_s) / log(self.factor) + 1
        object.__setattr__(self, "_growing", growing)
        object.__setattr__(self, "_bounds", tuple(self.bound_s(attempt) for attempt in range(1, _KEPT + 1)))

    def bound_s(self, attempt: int) -> float:
        """The longest wait before this attempt, which counts from 1."""
        if attempt > self._growing:
            return self.ceiling_s
        bound = self.first_s * self.factor ** (attempt - 1)
        return bound if bound < self.ceiling_s else self.ceiling_s

    def wait_s(self, attempt: int, drawn: float, retry_after_s: float = 0.0) -> tuple[float, float]:
        """The wait before this attempt, and its ceiling.

        Args:
            attempt: counts from 1.
            drawn: a number from 0 to 1, see :func:`draw`.
            retry_after_s: what upstream asked for, finite and from 0. It raises the wait and the
                ceiling by a draw from the first step, and never lowers them.
        """
        floor = self.floor_s
        bound = self._bounds[attempt - 1] if attempt <= _KEPT else self.bound_s(attempt)
        tenths = int((floor + drawn * (bound - floor)) * 10 + 0.5) / 10
        wait = floor if tenths < floor else bound if tenths > bound else tenths
        if retry_after_s > 0:
            ceiling = retry_after_s + self.bound_s(1)
            asked = _between(retry_after_s + floor, ceiling, drawn)
            return max(wait, asked), max(bound, ceiling)
        return wait, bound


def _between(floor: float, bound: float, drawn: float) -> float:
    tenths = int((floor + drawn * (bound - floor)) * 10 + 0.5) / 10
    return floor if tenths < floor else bound if tenths > bound else tenths
