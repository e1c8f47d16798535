"""resilience4j's CircuitBreaker with its defaults, as its documentation and source say that it counts.

Knows calls that went well and calls that failed, on any clock.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

__all__ = ["Breaker", "Position"]

# resilience4j 2.2, «CircuitBreaker: Create and configure a CircuitBreaker» and CircuitBreakerConfig.
FAILURE_RATE_THRESHOLD: Final = 50.0  # failureRateThreshold, per cent; «equal or greater» opens
SLIDING_WINDOW_SIZE: Final = 100  # slidingWindowSize, of slidingWindowType COUNT_BASED
MINIMUM_NUMBER_OF_CALLS: Final = 100  # minimumNumberOfCalls
WAIT_IN_OPEN_S: Final = 60.0  # waitDurationInOpenState; a call after it moves to half open, nothing does so by itself
CALLS_IN_HALF_OPEN: Final = 10  # permittedNumberOfCallsInHalfOpenState; more are refused until all are over
# slowCallDurationThreshold is 60 s: no call of the simulated upstream takes so long.


class Position(Enum):
    """Where the breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """Lets calls through, or not.

    Attributes:
        position: where it is.
    """

    def __init__(self) -> None:
        self.position = Position.CLOSED
        self._failed: deque[bool] = deque(maxlen=SLIDING_WINDOW_SIZE)
        self._opened_s = 0.0
        self._permits = 0

    def permits(self, now_s: float) -> bool:
        """Whether a call may go out."""
        if self.position == Position.OPEN and now_s >= self._opened_s + WAIT_IN_OPEN_S:
            self._move(Position.HALF_OPEN, now_s)
        if self.position == Position.HALF_OPEN and self._permits > 0:
            self._permits -= 1
            return True
        return self.position == Position.CLOSED

    def record(self, now_s: float, *, failed: bool) -> None:
        """A call is over; one that began before the last move counts where the breaker is now."""
        if self.position == Position.OPEN:
            return
        self._failed.append(failed)
        fewest = CALLS_IN_HALF_OPEN if self.position == Position.HALF_OPEN else MINIMUM_NUMBER_OF_CALLS
        if len(self._failed) < fewest:
            return
        if 100.0 * sum(self._failed) / len(self._failed) >= FAILURE_RATE_THRESHOLD:
            self._move(Position.OPEN, now_s)
        elif self.position == Position.HALF_OPEN:
            self._move(Position.CLOSED, now_s)

    def _move(self, position: Position, now_s: float) -> None:
        self.position = position
        self._failed.clear()
        self._opened_s = now_s
        self._permits = CALLS_IN_HALF_OPEN
