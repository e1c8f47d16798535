"""What stands before every call: tokens that expire, and a rate.

Knows no HTTP and no clock: the time comes in. Tokens alone are random, for they are secrets.
"""

from __future__ import annotations

import secrets
from math import floor

import attrs

__all__ = ["Bucket", "Room", "Tokens"]


class Tokens:
    """The access tokens that were issued.

    Args:
        life_s: seconds for which one is valid.
    """

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self._expires_s: dict[str, float] = {}

    def issue(self, now_s: float) -> str:
        """A new token."""
        self._expires_s = {token: until_s for token, until_s in self._expires_s.items() if until_s > now_s}
        token = secrets.token_urlsafe(24)
        self._expires_s[token] = now_s + self.life_s
        return token

    def is_valid(self, token: str, now_s: float) -> bool:
        """Whether it was issued, and has neither expired nor been revoked."""
        return self._expires_s.get(token, now_s) > now_s

    def revoke_all(self) -> None:
        """Make every token invalid."""
        self._expires_s.clear()


@attrs.frozen
class Room:
    """How much of the rate is left.

    Attributes:
        is_free: whether this call may come in.
        limit: calls a second.
        remaining: calls that may still come in before the bucket is filled again.
        reset_s: when it is, in whole seconds of the clock.
    """

    is_free: bool
    limit: int
    remaining: int
    reset_s: int


class Bucket:
    """A bucket that is filled at every whole second; each call takes one.

    Args:
        calls_per_s: how many it holds.
    """

    def __init__(self, calls_per_s: int) -> None:
        self._limit = calls_per_s
        self._second = -1
        self._taken = 0

    def take(self, now_s: float) -> Room:
        """Take one, where one is left."""
        if floor(now_s) != self._second:
            self._second, self._taken = floor(now_s), 0
        is_free = self._taken < self._limit
        self._taken += is_free
        return Room(is_free, self._limit, self._limit - self._taken, self._second + 1)
