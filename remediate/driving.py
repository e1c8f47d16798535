"""One connection, from trouble to rest: tenacity carries out what the life of a connection asks for.

Knows neither upstreams nor policies: what observes and what triggers are handed in.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from math import inf, nextafter
from typing import Any, cast

import attrs
import tenacity

from remediate import waiting
from remediate.decision import Decision
from remediate.engine import Engine, default_engine
from remediate.episode import Lifecycle
from remediate.errors import InputError
from remediate.events import (
    Accepted,
    Command,
    Event,
    Observed,
    Refused,
    Request,
    Trigger,
    WaitUntil,
)
from remediate.observation import Observation
from remediate.running import awaitable, run
from remediate.state import State

__all__ = ["Journal", "Outcome", "Request", "drive", "drive_async"]

Journal = list[tuple[Event, float]]
"""What happened to a connection, and when, in the clock's seconds: replayed, it gives the state."""

Ask = Callable[[str], Observation]
AskAsync = Callable[[str], Awaitable[Observation]]


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of it.

    Attributes:
        decision: the last: why nothing more is done now.
        rests: it is well, or somebody else has to act first; false where patience ran out before.
        requests: whom to tell and which tickets to open or resolve, in order, each with an id that
            is the same should it be asked for again.
        due_s: when to look again, in the clock's seconds; None: not before somebody acts.
        state: what is remembered.
        journal: all that happened, with what had happened before.
    """

    decision: Decision
    rests: bool
    requests: tuple[Request, ...]
    due_s: float | None
    state: State
    journal: Journal = attrs.field(repr=False)


def drive(
    key: str,
    *,
    observe: Ask,
    trigger: Ask,
    poll: Ask | None = None,
    engine: Engine | None = None,
    events: Iterable[Event] = (),
    journal: Journal | None = None,
    patience_s: float | None = None,
    sleep: Callable[[float], None] = waiting.sleep,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """Drive a connection until it rests: it is well, or somebody else has to act first.

    It observes first, whatever happened before; triggers a sync where the policy retries, once for
    each attempt; looks until that has ended; and waits as the policy says in between.

    Args:
        key: whose connection it is; handed to what follows.
        observe: asks the upstream for the status, once.
        trigger: triggers a sync, once; an answer that describes the connection says that it was
            accepted, any other that it was not, or perhaps not.
        poll: asks for the status while a sync runs; None: `observe` does.
        engine: whose policy decides; None: the default one's.
        events: what happened since, for instance ``[Mended(by="the OAuth callback")]``; default: nothing.
        journal: what happened before, as an :class:`Outcome` has it. What happens is added to it at
            once, so that it is whole after an interrupt. None: nothing is known.
        patience_s: stop where the next step is further away than this from the beginning, seconds;
            None: wait as long as it takes.
        sleep: waits so many seconds; default :func:`remediate.waiting.sleep`, which tests turn off
            with :func:`remediate.waiting.waiting_off`. What was slept counts as passed.
        clock: seconds since the epoch; may step backwards; default :func:`time.time`.

    Raises:
        InputError: a time is not finite, or an answer is no observation.
        BaseException: whatever `observe`, `trigger`, `poll` or `sleep` raise, at once; interrupts too.
    """
    asks = (awaitable(observe), awaitable(trigger), awaitable(poll or observe))
    driver = _Driver(key, asks, engine, events, journal, patience_s, clock)
    tenacity.Retrying(sleep=sleep, **driver.strategies)(lambda: run(driver.advance()))
    return driver.outcome


async def drive_async(
    key: str,
    *,
    observe: AskAsync,
    trigger: AskAsync,
    poll: AskAsync | None = None,
    engine: Engine | None = None,
    events: Iterable[Event] = (),
    journal: Journal | None = None,
    patience_s: float | None = None,
    sleep: Callable[[float], Awaitable[None]] = waiting.sleep_async,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """As :func:`drive`, with everything awaited; a cancellation passes through at once."""
    driver = _Driver(key, (observe, trigger, poll or observe), engine, events, journal, patience_s, clock)
    await tenacity.AsyncRetrying(sleep=sleep, **driver.strategies)(driver.advance)
    return driver.outcome


class _Driver:
    """The commands of one life, carried out. An attempt, to tenacity, is what happens between two waits."""

    def __init__(
        self,
        key: str,
        asks: tuple[AskAsync, AskAsync, AskAsync],
        engine: Engine | None,
        events: Iterable[Event],
        journal: Journal | None,
        patience_s: float | None,
        clock: Callable[[], float],
    ) -> None:
        if patience_s is not None and not patience_s >= 0:
            raise InputError("expected seconds from 0, or None", field="patience_s")
        if not isinstance(journal, list | None):
            raise InputError("expected a list, to which what happens is added", field="journal")
        self._life: Lifecycle = (engine or default_engine()).lifecycle
        self._observe, self._trigger, self._poll = asks
        self._journal: Journal = [] if journal is None else journal
        self._state = self._life.replay(key, self._journal)
        self._clock = clock
        self._now_s = max(clock(), self._state.now_s)
        self._latest_s = inf if patience_s is None else self._now_s + patience_s
        self._requests: list[Request] = []
        self._decision: Decision | None = None
        self._next: Command | None = None
        for event in events:
            self._happened(event)
        self._next = None  # whatever happened, a look comes first

    @property
    def strategies(self) -> dict[str, Any]:
        """For tenacity: go on until it rests, or until patience runs out."""
        return {
            "retry": self._retries,
            "wait": self._wait_s,
            "stop": self._stops,
            "retry_error_callback": _last,
        }

    async def advance(self) -> WaitUntil:
        """Carry out commands until there is one to wait."""
        if isinstance(self._next, WaitUntil):  # which is over, and whatever it was for, a look comes next
            self._now_s = self._due_s
        await self._look()
        while not isinstance(self._next, WaitUntil):
            await (self._pull(self._next.number) if isinstance(self._next, Trigger) else self._look())
        return self._next

    async def _look(self) -> None:
        state = self._state
        asked_s = self._now_s = max(self._now_s, self._clock(), nextafter(state.asked_s, inf))
        runs = state.flight is not None or state.syncing_since_s is not None
        answer = _checked(await (self._poll if runs else self._observe)(state.key))
        if self._decision is None:
            self._decision = self._life.decide(answer, state.history, state.key)
        self._happened(Observed(observation=answer, asked_s=asked_s))

    async def _pull(self, number: int) -> None:
        answer = _checked(await self._trigger(self._state.key))
        self._happened(Accepted(number=number) if answer.describes else Refused(number=number, observation=answer))

    def _happened(self, event: Event) -> None:
        if not isinstance(event, Event):
            raise InputError(f"expected events, got `{type(event).__name__}`", field="events")
        self._now_s = max(self._now_s, self._clock())
        self._state, commands = self._life.step(self._state, event, self._now_s)
        self._journal.append((event, self._now_s))
        *requests, self._next = commands
        self._requests += cast(list[Request], requests)
        if isinstance(self._next, WaitUntil | Trigger) and self._next.decision is not None:
            self._decision = self._next.decision

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        if self._decision is None:
            raise RuntimeError("a connection was driven without an answer")
        return Outcome(
            decision=self._decision,
            rests=self._state.rests,
            requests=tuple(self._requests),
            due_s=self._state.due_s,
            state=self._state,
            journal=self._journal,
        )

    def _retries(self, attempt: tenacity.RetryCallState) -> bool:
        outcome = attempt.outcome
        return outcome is not None and not outcome.failed and not outcome.result().rests

    def _wait_s(self, attempt: tenacity.RetryCallState) -> float:
        return max(0.0, self._due_s - self._now_s)

    def _stops(self, attempt: tenacity.RetryCallState) -> bool:
        return attempt.outcome is None or attempt.outcome.failed or self._due_s > self._latest_s

    @property
    def _due_s(self) -> float:
        """When the next step is; inf: when somebody acts."""
        at_s = self._next.at_s if isinstance(self._next, WaitUntil) else self._now_s
        return inf if at_s is None else at_s


def _checked(answer: object) -> Observation:
    if not isinstance(answer, Observation):
        raise InputError(f"expected an observation, got `{type(answer).__name__}`")
    return answer


def _last(attempt: tenacity.RetryCallState) -> Any:
    return None if attempt.outcome is None else attempt.outcome.result()
