"""Access tokens: fetched once for however many callers, renewed at half their life, and dropped when refused.

Knows no HTTP client: how a token is fetched, and how callers take turns, are handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import attrs

from remediate.secret import Secret
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, Transport

__all__ = ["Token", "Tokens", "Turns", "read_token"]

LIFE_S: Final = 3600.0
"""How long a token of Layer's is valid where the answer does not say."""
_LEAST_S: Final = 1.0
_LONGEST_S: Final = 1e9


@attrs.frozen(eq=False)
class Token:
    """An access token.

    Attributes:
        secret: the token.
        renew_s: when it is renewed, in the clock's seconds: at half its life.
        expires_s: when it is no longer valid.
    """

    secret: Secret
    renew_s: float
    expires_s: float


class Turns(Protocol):
    """A lock whose taking is awaited."""

    async def acquire(self) -> object:
        """Wait for the turn."""

    def release(self) -> None:
        """Give the turn to the next."""

    def locked(self) -> bool:
        """Whether somebody has it."""


@attrs.define(eq=False)
class Tokens:
    """The token that calls are made with.

    Attributes:
        fetch: makes the token call.
        turns: callers that need a new token take turns; what the first gets is everyone's.
        clock: seconds.
    """

    fetch: Callable[[], Awaitable[Token | ApiFailure]] = attrs.field(repr=False)
    turns: Turns = attrs.field(repr=False)
    clock: Callable[[], float] = attrs.field(repr=False)
    _held: Token | None = None
    _fetched: int = 0
    _latest: Token | ApiFailure | None = None

    async def current(self) -> Token | ApiFailure:
        """A token that is valid as far as is known, or why there is none."""
        held, now_s = self._held, self.clock()
        if held is not None and (now_s < held.renew_s or (now_s < held.expires_s and self.turns.locked())):
            return held
        fetched = self._fetched
        await self.turns.acquire()
        try:
            if self._fetched != fetched and self._latest is not None:  # by another, while this one waited
                return self._latest
            self._latest = await self._renewed()
            self._fetched += 1
            return self._latest
        finally:
            self.turns.release()

    def reject(self, token: Token) -> None:
        """Upstream does not take it: the next caller fetches another."""
        if self._held is token:
            self._held = None

    async def _renewed(self) -> Token | ApiFailure:
        """A new token; where none is had, the old one for as long as it is valid."""
        fetched = await self.fetch()
        held, now_s = self._held, self.clock()
        if isinstance(fetched, ApiFailure) and held is not None and now_s < held.expires_s:
            halfway_s = now_s + max(_LEAST_S, (held.expires_s - now_s) / 2)
            self._held = attrs.evolve(held, renew_s=halfway_s)
            return self._held
        self._held = None if isinstance(fetched, ApiFailure) else fetched
        return fetched


def read_token(answer: Any, http_status: int, now_s: float) -> Token | ApiFailure:
    """The token in the object that the token call answered, or that it can't be read."""
    text = answer.get("access_token")
    life_s = answer.get("expires_in", LIFE_S)
    kind = answer.get("token_type", "Bearer")
    is_text = isinstance(text, str) and text.isascii() and text.isprintable() and " " not in text and text
    is_life = isinstance(life_s, int | float) and not isinstance(life_s, bool) and 0 < life_s <= _LONGEST_S
    if not (is_text and is_life and isinstance(kind, str) and kind.lower() == "bearer"):
        return ApiFailure(call=Call.TOKEN, http_status=http_status, transport=Transport.UNREADABLE)
    return Token(Secret(text), now_s + life_s / 2, now_s + life_s)
