"""For job workers with a queue of their own: whether a connection may be synced now, and what came of it.

Knows the ledger's claims, and waits for a turn; it calls nothing but what it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol

from remediate import waiting
from remediate.decision import Decision
from remediate.errors import InputError, LeaseLostError
from remediate.events import Command, Event, Observed, Trigger, WaitUntil, Wanted
from remediate.ledger.recording import Claim
from remediate.ledger.turning import Later
from remediate.observation import Observation

__all__ = ["TURN_S", "Attempt", "awaited", "blocking"]

TURN_S: Final = 5.0
"""How long a worker waits for its turn, real seconds."""
_ASKS_S: Final = 0.1


class _Book(Protocol):
    """What an attempt needs of a ledger."""

    def moment(self, claim: Claim | None = None) -> float:
        """About now."""

    def record(self, claim: Claim, *events: Event) -> tuple[Command, ...]:
        """Record events."""

    def answered(self, claim: Claim, number: int, answer: Observation) -> tuple[Command, ...]:
        """Record an answer."""

    def release(self, claim: Claim, *, again_s: float | None = None) -> None:
        """Hold it no longer."""

    def ask(self, key: str, by: str) -> Claim | Later | None:
        """Hold it, and ask for a turn."""

    def is_granted(self, claim: Claim) -> bool:
        """Whether its turn has come."""

    def put_off(self, claim: Claim, by: str) -> Later | None:
        """Wait for it no longer."""


class Attempt:
    """One attempt of a worker to sync a connection.

    Attributes:
        key: whose connection it is.
        may_sync: whether to trigger a sync now, once, and to put the answer into `answer`.
        answer: what the trigger was answered; yours to set. It is recorded where the block ends.
            Where it stays None though a sync was allowed, the answer counts as lost.
        is_ours: whether nobody else is at it, and it is its turn.
        decision: what was decided about it; None where nothing was.
        look_again_s: in how many seconds there may be more to do; None: when somebody acts.
        was_late: known after the block: the sync was triggered when another had taken the connection
            already, and may have run beside that one's. Whoever comes next looks first.
    """

    def __init__(self, ledger: _Book, key: str, claim: Claim | Later | None, by: str) -> None:
        later, claim = (claim, None) if isinstance(claim, Later) else (None, claim)
        self.key = key
        self.may_sync = False
        self.answer: Observation | None = None
        self.decision: Decision | None = None
        self.look_again_s: float | None = 0.0 if later is None else later.seconds
        self.was_late = False
        self._ledger = ledger
        self._claim = claim
        self._later = later
        self._by = by
        self._asked_s = ledger.moment(claim)
        self._number: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether nobody else is at it, and it is its turn."""
        return self._claim is not None

    @property
    def because(self) -> str:
        """Why it may sync, or may not."""
        if self._later is not None:
            return self._later.because
        if self._claim is None:
            return "another is at it"
        return "a sync has just been triggered" if self.decision is None else self.decision.because

    def saw(self, observation: Observation) -> None:
        """Record what was observed, and with it that a sync is wanted."""
        if self._claim is None:
            return
        seen = Observed(observation=observation, asked_s=self._asked_s)
        try:
            self._follows(self._ledger.record(self._claim, Wanted(by=self._by), seen)[-1])
        except LeaseLostError:
            self._claim = None

    def end(self) -> None:
        """Record the answer, and hold the connection no longer."""
        if self._claim is None:
            return
        answer: object = self.answer
        if self._number is None or not isinstance(answer, Observation):
            self._ledger.release(self._claim)
            if answer is not None:
                raise InputError("expected what a sync was answered, where one was allowed", field="answer")
            return
        try:
            self._follows(self._ledger.answered(self._claim, self._number, answer)[-1])
        except LeaseLostError:
            self.was_late = True

    def _follows(self, last: Command) -> None:
        self.may_sync = self.may_sync or isinstance(last, Trigger)
        if isinstance(last, Trigger):
            self._number, self.decision = last.number, last.decision
        if isinstance(last, WaitUntil):
            self.decision = last.decision or self.decision
            self.look_again_s = None if last.at_s is None else max(0.0, last.at_s - self._ledger.moment())


def _turn(ledger: _Book, key: str, by: str, turn_s: float) -> Claim | Later | None:
    """Ask for a turn, and wait for it; what came of it."""
    claim = ledger.ask(key, by)
    if not isinstance(claim, Claim):
        return claim
    for _ in range(int(turn_s / _ASKS_S)):
        if ledger.is_granted(claim):
            return claim
        waiting.sleep(_ASKS_S)
    return ledger.put_off(claim, by) or claim


@contextmanager
def blocking(
    ledger: _Book, key: str, observe: Callable[[str], Observation], by: str, turn_s: float
) -> Iterator[Attempt]:
    """An attempt, in which whatever waits blocks."""
    attempt = Attempt(ledger, key, _turn(ledger, key, by, turn_s), by)
    try:
        if attempt.is_ours:
            attempt.saw(observe(key))
        yield attempt
    finally:
        attempt.end()


@asynccontextmanager
async def awaited(
    ledger: _Book, key: str, observe: Callable[[str], Awaitable[Observation]], by: str, turn_s: float
) -> AsyncIterator[Attempt]:
    """An attempt, in which nothing blocks."""
    claim = await asyncio.to_thread(_turn, ledger, key, by, turn_s)
    attempt = Attempt(ledger, key, claim, by)
    try:
        if attempt.is_ours:
            seen = await observe(key)
            await asyncio.to_thread(attempt.saw, seen)
        yield attempt
    finally:
        await asyncio.shield(asyncio.to_thread(attempt.end))
