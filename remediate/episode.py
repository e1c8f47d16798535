"""The life of one connection: events in, commands out; a pure machine that keeps no clock.

Knows decisions and histories, and neither upstreams nor how a command is carried out. An episode
opens at the first answer that asks for anything, and closes with a success, or with an answer
that is never looked at again.

Whoever drives a connection hands every event to :meth:`Lifecycle.step`, keeps the state, and
carries out the commands. The events are the journal: the same events give the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from math import inf
from typing import Any, Final, cast

import attrs

from remediate.attempts import counted_anew, ended, is_lost, is_silent, left_no_trace, replied
from remediate.decision import Cause, Decision, Escalate, NoOp, Owner, Reauth, Retry
from remediate.errors import InputError
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Late,
    Mended,
    Observe,
    Observed,
    Refused,
    Released,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.history import NO_HISTORY, History
from remediate.observation import Observation
from remediate.policy import Cadence
from remediate.state import BEFORE, Flight, State, evolve, well
from remediate.telling import ask, resolve, tell, unresolved

__all__ = ["Lifecycle"]

Decide = Callable[[Observation, History, str], Decision]
"""What decides: an observation, its history and its key to a decision."""


_YEAR_S: Final = 366 * 86_400.0
"""Longer than any wait."""

_DOUBLES: Final = 16
"""More often than this no wait is doubled."""

Step = tuple[State, tuple[Command, ...]]


@attrs.frozen(kw_only=True)
class Lifecycle:
    """The machine, for every connection under one policy.

    Attributes:
        decide: the engine's `decide`.
        cadence: how long an old answer may linger, and when somebody is reminded.
    """

    decide: Decide
    cadence: Cadence

    def step(self, state: State, event: Event, now_s: float) -> Step:
        """Take one event, and say what to do.

        The last command is always what comes next: an :class:`Observe`, a :class:`Trigger`, or a
        :class:`WaitUntil`. Any event is defined in any state; one that comes late or twice, or is
        about another trigger, changes nothing.

        Args:
            state: as the last step left it; ``State(key=...)`` at the beginning.
            event: what happened.
            now_s: when, in seconds of any clock; a time before the latest one seen counts as that.

        Raises:
            InputError: a time is not finite, or beyond any clock.
        """
        _check(now_s, "now_s")
        if now_s > state.now_s:
            state = evolve(state, now_s=now_s)
        match event:
            case Observed():
                return self._observed(state, event)
            case Accepted(number=number):
                return self._accepted(state, number)
            case Refused():
                return self._refused(state, event)
            case Late(number=number):
                return self._late(state, number)
            case Mended():
                return self._mended(state, event)
            case Wanted():
                return self._wanted(state, event)
            case Held():
                return _waiting(evolve(state, held=True, rests=True))
            case Released():
                return _observing(evolve(state, held=False), self.cadence)
            case _:
                return self._time_passed(state)

    def replay(self, key: str, journal: Iterable[tuple[Event, float]]) -> State:
        """The state that a journal of events and times leads to."""
        state = State(key=key)
        for event, now_s in journal:
            state, _ = self.step(state, event, now_s)
        return state

    def _observed(self, state: State, event: Observed) -> Step:
        _check(event.asked_s, "asked_s")
        flight, asked_s = state.flight, min(event.asked_s, state.now_s)
        is_overtaken = asked_s <= state.asked_s or (flight is not None and asked_s < flight.at_s)
        if is_overtaken:
            return _waiting(state)
        if not event.observation.describes:
            return self._unanswered(evolve(state, asked_s=asked_s), event.observation)
        seen_before = state.seen
        state = _described(state, _seen(event.observation), asked_s)
        is_new = seen_before != state.seen
        if state.wanted and ((state.is_open and is_new) or _has_come(state, event.observation)):
            state = evolve(state, wanted=False)
        if flight is not None and not flight.is_seen and self._is_old(state, flight):
            return _waiting(evolve(state, due_s=self._looked_at_s(state, flight), rests=False))
        if _is_running(self.decide(event.observation, NO_HISTORY, state.key)):
            since = state.now_s if state.syncing_since_s is None else state.syncing_since_s
            seen = None if flight is None else attrs.evolve(flight, is_seen=True)
            state = evolve(state, syncing_since_s=since, flight=seen, wanted=False)
        elif flight is not None and (state.repaired or not state.is_open) and is_lost(state, flight):
            state = left_no_trace(state, flight)
        else:
            state = ended(counted_anew(state, is_new=is_new) if event.observation.progressed else state)
        return self._answered(state, self.decide(event.observation, state.history, state.key))

    def _unanswered(self, state: State, observation: Observation) -> Step:
        """Asking failed, which says nothing of a sync that may be running: only the asking is repeated."""
        since = state.now_s if state.unanswered_since_s is None else state.unanswered_since_s
        history = History(attempts=state.unanswered, failing_for_s=state.now_s - since)
        decision = self.decide(observation, history, state.key)
        state = evolve(state, unanswered=state.unanswered + 1, unanswered_since_s=since)
        if isinstance(decision, Retry):
            return _later(state, decision.delay_s, decision)
        after, commands = self._answered(state, decision)
        return evolve(after, wanted=state.wanted, wanted_since_s=state.wanted_since_s), commands

    def _is_old(self, state: State, flight: Flight) -> bool:
        """Whether the latest answer is that from before the trigger, and may still be so."""
        return state.asked_s < self._settled_s(state, flight) and state.seen == flight.before

    def _looked_at_s(self, state: State, flight: Flight) -> float:
        """When to look again while the old answer lingers: often where a sync is known to begin."""
        settled_s = self._settled_s(state, flight)
        return settled_s if is_silent(flight) else min(settled_s, state.now_s + self._pause_s(state, flight))

    def _pause_s(self, state: State, flight: Flight) -> float:
        """How long until the next look at a sync: what has just begun may soon be over."""
        return max(self.cadence.poll_s, (state.now_s - flight.at_s) / 2)

    def _settled_s(self, state: State, flight: Flight) -> float:
        """Until when the answer from before a trigger may linger: upstream that refused it knows sooner."""
        return flight.at_s + (self._again_s(state) if flight.is_refused else self.cadence.settling_s)

    def _again_s(self, state: State) -> float:
        """How long until what upstream refused has settled, and may be tried again: twice as long each time."""
        return min(self.cadence.settling_s, self.cadence.poll_s * 2.0 ** min(max(0, state.refused - 1), _DOUBLES))

    def _accepted(self, state: State, number: int) -> Step:
        if state.flight is None or state.flight.number != number:
            return _waiting(state)
        state = evolve(replied(state, state.flight), refused=0, refused_since_s=None)
        return _later(state, self.cadence.poll_s)

    def _refused(self, state: State, event: Refused) -> Step:
        flight = state.flight
        if flight is None or flight.number != event.number:
            return _waiting(state)
        if state.syncing_since_s is not None:  # a sync runs, if not this one
            return _later(evolve(state, flight=None), self.cadence.poll_s)
        since = state.now_s if state.refused_since_s is None else state.refused_since_s
        history = History(attempts=state.refused, failing_for_s=state.now_s - since)
        decision = self.decide(event.observation, history, state.key)
        state = evolve(state, refused=state.refused + 1, refused_since_s=since)
        if isinstance(decision, NoOp) and decision.cause in (Cause.UNCONFIRMED, Cause.IN_PROGRESS):
            return self._unconfirmed(state, flight, decision, event.observation)
        if isinstance(decision, Retry):
            return self._nothing_ran(state, decision)
        return self._answered(ended(state), decision)

    def _unconfirmed(self, state: State, flight: Flight, decision: NoOp, observation: Observation) -> Step:
        """A sync may run: a look comes first. What upstream itself refused has settled by the first look."""
        if decision.cause == Cause.IN_PROGRESS or not observation.is_refusal:
            return _later(replied(state, flight, is_doubtful=True), decision.look_again_s, decision)
        wait_s = max(decision.look_again_s or 0.0, self._again_s(state))
        return _later(replied(state, flight, is_doubtful=True, is_refused=True), wait_s, decision)

    def _nothing_ran(self, state: State, decision: Retry) -> Step:
        """The attempt counts, but a repair is not used up by a trigger that never started anything."""
        ended = evolve(
            state,
            flight=None,
            wanted=not state.is_open,
            attempts=0 if state.repaired else state.attempts,
            attempt_ended_s=state.now_s if state.is_open else None,
            not_before_s=state.now_s + decision.delay_s,
        )
        return _later(ended, decision.delay_s, decision)

    def _late(self, state: State, number: int) -> Step:
        """What runs now is not known, so it is as after a trigger whose answer was lost: a look comes first."""
        flight = state.flight or Flight(number=number, at_s=state.now_s, before=state.seen)
        flight = attrs.evolve(flight, at_s=state.now_s, before=state.seen, is_seen=False, is_answered=True)
        return _observing(evolve(state, flight=flight, triggers=max(state.triggers, number)), self.cadence)

    def _wanted(self, state: State, event: Wanted) -> Step:
        """A sync is wanted: one that has just been triggered will do; else a fresh look says whether it may start."""
        if event.since_s is not None:
            _check(event.since_s, "since_s")
        flight = state.flight
        if state.held or (flight is not None and state.now_s < flight.at_s + self.cadence.settling_s):
            return _waiting(state)
        since = event.since_s
        if state.wanted:  # by somebody else too, and what pleases both will do
            since = None if since is None or state.wanted_since_s is None else max(since, state.wanted_since_s)
        return _observing(evolve(state, wanted=True, wanted_since_s=since), self.cadence)

    def _mended(self, state: State, event: Mended) -> Step:
        """A repair starts the counts anew; a sync that runs already tells nothing of it."""
        flight = None if state.flight is None else attrs.evolve(state.flight, is_stale=True)
        since = state.now_s if state.is_open else None
        state = evolve(
            state,
            repaired=True,
            awaits_customer=False,
            attempts=0,
            attempt_ended_s=state.now_s - _YEAR_S if event.at_once and state.is_open else None,
            failing_since_s=since,
            unanswered=0,
            unanswered_since_s=None,
            refused=0,
            refused_since_s=None,
            flight=flight,
            tickets=unresolved(state, event.ticket),
        )
        return _observing(state, self.cadence)

    def _time_passed(self, state: State) -> Step:
        is_new = state.due_s is None and state.observes == 0 and state.asked_s == BEFORE
        if not is_new and (state.due_s is None or state.now_s < state.due_s):
            return _waiting(state)
        return _observing(state, self.cadence)

    def _answered(self, state: State, decision: Decision) -> Step:
        """What a decision asks for."""
        match decision:
            case NoOp(may_sync=True) if state.wanted:
                return self._started(state, decision)
            case NoOp(cause=Cause.HEALTHY) | NoOp(look_again_s=None):
                return _closed(state, decision)
            case NoOp(cause=Cause.IN_PROGRESS, look_again_s=seconds) if state.flight is not None:
                return _later(state, min(seconds or inf, self._pause_s(state, state.flight)), decision)
            case NoOp(look_again_s=seconds):
                rests = decision.cause not in (Cause.IN_PROGRESS, Cause.UNCONFIRMED)
                return _later(state, seconds, decision, rests=rests)
            case Retry():
                return self._retried(_opened(state), decision)
            case Reauth():
                state = evolve(_opened(state), awaits_customer=True)
                return self._told(state, decision)
            case Escalate(owner=Owner.CUSTOMER):
                return self._told(_opened(state), decision)
            case _:
                state, asked = ask(_opened(state), decision, decision.owner, decision.scope, decision.rule)
                state, (wait,) = _later(state, decision.look_again_s, decision, rests=True)
                return state, (*asked, wait)

    def _retried(self, state: State, decision: Retry) -> Step:
        """Trigger, where nobody holds it back, the time has come, and the answer is fresh."""
        if state.held or state.awaits_customer:
            return _later(state, self.cadence.look_again_s, decision, rests=True)
        wait_s = max(decision.delay_s, state.not_before_s - state.now_s)
        if wait_s > 0 or not decision.may_sync:
            return _later(state, wait_s, decision)
        return self._triggered(state, decision)

    def _started(self, state: State, decision: NoOp) -> Step:
        """A sync that is wanted where all is well: no attempt of any episode, so one that is open is over."""
        resolved = resolve(state)
        if state.is_open:
            state = evolve(well(state), wanted=True, wanted_since_s=state.wanted_since_s)
        if state.held:
            state, commands = _later(state, decision.look_again_s, decision, rests=True)
        elif state.not_before_s > state.now_s:
            state, commands = _later(state, state.not_before_s - state.now_s, decision)
        else:
            state, commands = self._triggered(state, decision)
        return state, (*resolved, *commands)

    def _triggered(self, state: State, decision: Decision) -> Step:
        """A sync, if the answer that speaks for it is fresh."""
        if state.now_s - state.asked_s > self.cadence.settling_s:
            return _observing(state, self.cadence)
        number = state.triggers + 1
        state = evolve(
            state,
            triggers=number,
            attempts=state.attempts + state.is_open,
            wanted=False,
            flight=Flight(number=number, at_s=state.now_s, before=state.seen),
            due_s=state.now_s + self.cadence.settling_s,
            rests=False,
        )
        return state, (Trigger(id=f"{state.key}/trigger/{number}", number=number, decision=decision),)

    def _told(self, state: State, decision: Reauth | Escalate) -> Step:
        """The customer has to act: they are told, and it rests until they do or are to be reminded."""
        state, told, again_s = tell(state, decision, Owner.CUSTOMER, self.cadence)
        due_s = min(again_s, state.now_s + cast(float, decision.look_again_s))
        state, (wait,) = _waiting(evolve(state, due_s=due_s, rests=True), decision)
        return state, (*told, wait)


def _check(moment_s: float, field: str) -> None:
    if not abs(moment_s) < -BEFORE:
        raise InputError("expected a time in seconds", field=field)


def _seen(observation: Observation) -> str:
    """An observation as plain text: equal for equal answers, whatever wait came with them."""
    return "; ".join([f"{name}={getattr(observation, name)!s}" for name in _names(type(observation))])


@cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls) if field.name != "retry_after_s")


def _described(state: State, seen: str, asked_s: float) -> State:
    """An answer has come. Another than before says that something happened since a customer was asked."""
    awaits = state.awaits_customer and seen == (state.seen or seen)
    return evolve(state, asked_s=asked_s, seen=seen, awaits_customer=awaits, unanswered=0, unanswered_since_s=None)


def _has_come(state: State, observation: Observation) -> bool:
    """Whether upstream has by itself run the sync that is wanted. A time that is yet to come is no such word."""
    since, succeeded = state.wanted_since_s, observation.succeeded_s
    return since is not None and succeeded is not None and since <= succeeded <= state.now_s


def _is_running(decision: Decision) -> bool:
    return isinstance(decision, NoOp) and decision.cause == Cause.IN_PROGRESS


def _opened(state: State) -> State:
    if state.is_open:
        return state
    return evolve(state, episode=state.episode + 1, failing_since_s=state.now_s, wanted=False)


def _closed(state: State, decision: NoOp) -> Step:
    resolved = resolve(state)
    fresh, (wait,) = _later(well(state), decision.look_again_s, decision, rests=True)
    return fresh, (*resolved, wait)


def _later(state: State, seconds: float | None, decision: Decision | None = None, *, rests: bool = False) -> Step:
    due_s = None if seconds is None else state.now_s + seconds
    return _waiting(evolve(state, due_s=due_s, rests=rests), decision)


def _waiting(state: State, decision: Decision | None = None) -> Step:
    wait = WaitUntil(id=f"{state.key}/wait/{state.due_s}", at_s=state.due_s, rests=state.rests, decision=decision)
    return state, (wait,)


def _observing(state: State, cadence: Cadence) -> Step:
    """Observe now; should no answer come, it is due again after the settling time."""
    due_s = state.now_s + cadence.settling_s
    state = evolve(state, due_s=due_s, observes=state.observes + 1, rests=False)
    return state, (Observe(id=f"{state.key}/observe/{state.observes}"),)
