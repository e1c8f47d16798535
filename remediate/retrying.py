"""Strategies for tenacity that follow a policy, for a job whose answer is an observation.

Knows neither clients nor the life of a connection: a job that is run again counts as an attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import tenacity

from remediate import waiting
from remediate.decision import Decision, Retry
from remediate.history import History

__all__ = ["Strategies"]


def _says_nothing(_: BaseException) -> None:
    """An exception of a job passes through, unless its user reads an answer in it."""


@attrs.frozen
class Strategies:
    """What to hand to tenacity, so that a job is run again as a policy says.

    The job returns what upstream said: JSON, or an observation. While the policy would retry that,
    it is run again after the policy's wait; once the schedule is used up, tenacity raises its
    RetryError. Any other answer is returned at once, for the caller to decide about. An exception
    passes through at once, interrupts and cancellation too.

    Attributes:
        decide: :func:`remediate.decide`, or an engine's.
        key: whose connection it is, so that its waits are its own; default: everyone's.
        read: what an exception of the job says of upstream; None: nothing. Default: always None.
    """

    decide: Callable[[Any, History, str | None], Decision]
    key: str | None = None
    read: Callable[[BaseException], object | None] = attrs.field(default=_says_nothing, kw_only=True)

    def retry(self, state: tenacity.RetryCallState) -> bool:
        """Whether the policy ever retries this answer."""
        return isinstance(self._decision(state, History()), Retry)

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt; 0 where a test has turned waiting off."""
        decision = self._decision(state, _history(state))
        return decision.delay_s if isinstance(decision, Retry) and not waiting.is_off() else 0.0

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Whether the schedule is used up, in attempts or in time."""
        return not isinstance(self._decision(state, _history(state)), Retry)

    def _decision(self, state: tenacity.RetryCallState, history: History) -> Decision | None:
        outcome = state.outcome
        if outcome is None:
            return None
        error = outcome.exception() if outcome.failed else None
        if error is not None and not isinstance(error, Exception):
            return None
        said = outcome.result() if error is None else self.read(error)
        return None if error is not None and said is None else self.decide(said, history, self.key)


def _history(state: tenacity.RetryCallState) -> History:
    """Attempts are the runs after the first. The first may have failed at once, so time counts from its start."""
    passed_s = max(state.seconds_since_start or 0.0, state.idle_for)
    return History(attempts=state.attempt_number - 1, failing_for_s=passed_s)
