"""The life of one connection: events in, commands out; a pure machine that keeps no clock.

Knows decisions and histories, and neither upstreams nor how a command is carried out. An episode
opens at the first answer that asks for anything, and closes with a success, or with an answer
that is never looked at again.

Whoever drives a connection hands every event to :meth:`Lifecycle.step`, keeps the state, and
carries out the commands. The events are the journal: the same events give the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import attrs

from remediate.decision import Cause, Decision, Escalate, NoOp, Owner, Reauth, Retry, Scope
from remediate.errors import InputError
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Released,
    ResolveTicket,
    Trigger,
    WaitUntil,
)
from remediate.history import NO_HISTORY, History
from remediate.observation import Observation
from remediate.policy import Cadence
from remediate.state import Flight, Notice, State, Ticket

__all__ = ["UNANSWERED", "Lifecycle"]

Decide = Callable[[Observation, History, str], Decision]
"""What decides: an observation, its history and its key to a decision."""

UNANSWERED: Final = "reminders without an answer"
"""The cause of the ticket that follows the last reminder."""

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
            InputError: `now_s` is not finite.
        """
        if not abs(now_s) < float("inf"):
            raise InputError("expected a finite time", field="now_s")
        state = attrs.evolve(state, now_s=max(state.now_s, now_s))
        match event:
            case Observed():
                return self._observed(state, event)
            case Accepted(number=number):
                return self._accepted(state, number)
            case Refused():
                return self._refused(state, event)
            case Mended():
                return self._mended(state)
            case Held():
                return _waiting(attrs.evolve(state, held=True))
            case Released():
                return _observing(attrs.evolve(state, held=False), self.cadence)
            case _:
                return self._time_passed(state)

    def replay(self, key: str, journal: Iterable[tuple[Event, float]]) -> State:
        """The state that a journal of events and times leads to."""
        state = State(key=key)
        for event, now_s in journal:
            state, _ = self.step(state, event, now_s)
        return state

    def _observed(self, state: State, event: Observed) -> Step:
        flight = state.flight
        is_overtaken = event.asked_s < state.asked_s or (flight is not None and event.asked_s < flight.at_s)
        if is_overtaken:
            return _waiting(state)
        state = attrs.evolve(state, asked_s=event.asked_s)
        if not event.observation.describes:
            return self._unanswered(state, event.observation)
        state = attrs.evolve(state, unanswered=0, unanswered_since_s=None)
        if flight is not None and not flight.is_seen and self._is_old(state, flight, event.observation):
            settled_s = flight.at_s + self.cadence.settling_s
            return _waiting(attrs.evolve(state, due_s=min(settled_s, state.now_s + self.cadence.poll_s)))
        if _is_running(self.decide(event.observation, NO_HISTORY, state.key)):
            since = state.now_s if state.syncing_since_s is None else state.syncing_since_s
            seen = None if flight is None else attrs.evolve(flight, is_seen=True)
            state = attrs.evolve(state, syncing_since_s=since, flight=seen)
        else:
            state = _ended(state)
        decision = self.decide(event.observation, state.history, state.key)
        return self._answered(state, decision, event.observation)

    def _unanswered(self, state: State, observation: Observation) -> Step:
        """Asking failed, which says nothing of a sync that may be running: only the asking is repeated."""
        since = state.now_s if state.unanswered_since_s is None else state.unanswered_since_s
        history = History(attempts=state.unanswered, failing_for_s=state.now_s - since)
        decision = self.decide(observation, history, state.key)
        state = attrs.evolve(state, unanswered=state.unanswered + 1, unanswered_since_s=since)
        if isinstance(decision, Retry):
            return _later(state, decision.delay_s)
        return self._answered(state, decision, observation)

    def _is_old(self, state: State, flight: Flight, observation: Observation) -> bool:
        """Whether this is what was seen before the trigger, and may still be so."""
        return state.now_s < flight.at_s + self.cadence.settling_s and _seen(observation) == flight.before

    def _accepted(self, state: State, number: int) -> Step:
        if state.flight is None or state.flight.number != number:
            return _waiting(state)
        return _waiting(attrs.evolve(state, due_s=state.now_s + self.cadence.poll_s))

    def _refused(self, state: State, event: Refused) -> Step:
        if state.flight is None or state.flight.number != event.number:
            return _waiting(state)
        decision = self.decide(event.observation, state.history, state.key)
        if isinstance(decision, NoOp) and decision.cause in (Cause.UNCONFIRMED, Cause.IN_PROGRESS):
            return _later(state, decision.look_again_s)
        return self._answered(_ended(state), decision, event.observation)

    def _mended(self, state: State) -> Step:
        """A repair starts the counts anew; a sync that runs already tells nothing of it."""
        flight = None if state.flight is None else attrs.evolve(state.flight, is_stale=True)
        since = state.now_s if state.is_open else None
        state = attrs.evolve(
            state, repaired=True, attempts=0, attempt_ended_s=None, failing_since_s=since, flight=flight
        )
        return _observing(state, self.cadence)

    def _time_passed(self, state: State) -> Step:
        if state.due_s is None or state.now_s < state.due_s:
            return _waiting(state)
        return _observing(state, self.cadence)

    def _answered(self, state: State, decision: Decision, observation: Observation) -> Step:
        """What a decision asks for."""
        match decision:
            case NoOp(cause=Cause.HEALTHY) | NoOp(look_again_s=None):
                return _closed(state, decision)
            case NoOp(look_again_s=seconds):
                return _later(state, seconds)
            case Retry():
                return self._retried(_opened(state), decision, observation)
            case Reauth():
                return self._told(_opened(state), decision, Owner.CUSTOMER)
            case Escalate(owner=Owner.CUSTOMER):
                return self._told(_opened(state), decision, Owner.CUSTOMER)
            case Escalate(owner=owner, scope=scope, rule=cause):
                state, asked = _asked(_opened(state), decision, owner, scope, cause)
                state, (wait,) = _later(state, decision.look_again_s)
                return state, (*asked, wait)

    def _retried(self, state: State, decision: Retry, observation: Observation) -> Step:
        if not decision.may_sync:
            return _later(state, decision.delay_s)
        if state.held:
            return _later(state, None)
        number = state.triggers + 1
        state = attrs.evolve(
            state,
            triggers=number,
            attempts=state.attempts + 1,
            flight=Flight(number=number, at_s=state.now_s, before=_seen(observation)),
            due_s=state.now_s + self.cadence.settling_s,
        )
        return state, (Trigger(id=f"{state.key}/trigger/{number}", number=number),)

    def _told(self, state: State, decision: Reauth | Escalate, audience: Owner) -> Step:
        """One first notice an episode, reminders on the cadence, then a ticket."""
        notice = next((one for one in state.notices if one.audience == audience), None)
        commands: list[Command] = []
        if notice is None:
            notice = Notice(audience=audience, first_s=state.now_s)
            commands.append(_notify(state, notice, decision))
        elif self._reminds_at(notice) is not None and state.now_s >= cast(float, self._reminds_at(notice)):
            notice = attrs.evolve(notice, reminders=notice.reminders + 1)
            commands.append(_notify(state, notice, decision))
        others = tuple(one for one in state.notices if one.audience != audience)
        state = attrs.evolve(state, notices=(*others, notice))
        gives_up_s = notice.first_s + self.cadence.escalate_after_s
        if state.now_s >= gives_up_s:
            state, asked = _asked(state, decision, Owner.SUPPORT, Scope.CONNECTION, UNANSWERED)
            commands += asked
        moments = [state.now_s + cast(float, decision.look_again_s), self._reminds_at(notice), gives_up_s]
        due_s = min(moment for moment in moments if moment is not None and moment > state.now_s)
        state, (wait,) = _waiting(attrs.evolve(state, due_s=due_s))
        return state, (*commands, wait)

    def _reminds_at(self, notice: Notice) -> float | None:
        """When the next reminder is due; None after the last."""
        if notice.reminders >= len(self.cadence.reminders_s):
            return None
        return notice.first_s + self.cadence.reminders_s[notice.reminders]


def _seen(observation: Observation) -> str:
    """An observation as plain text: equal for equal answers, whatever wait came with them."""
    values: dict[str, Any] = attrs.asdict(cast(Any, observation))
    values.pop("retry_after_s", None)
    return "; ".join(f"{name}={value!s}" for name, value in values.items())


def _is_running(decision: Decision) -> bool:
    return isinstance(decision, NoOp) and decision.cause == Cause.IN_PROGRESS


def _opened(state: State) -> State:
    if state.is_open:
        return state
    return attrs.evolve(state, episode=state.episode + 1, failing_since_s=state.now_s)


def _ended(state: State) -> State:
    """No sync is running. If one was, that attempt has ended, and a repair before it is used up."""
    if state.flight is None and state.syncing_since_s is None:
        return state
    is_stale = state.flight is not None and state.flight.is_stale
    return attrs.evolve(
        state,
        flight=None,
        syncing_since_s=None,
        attempt_ended_s=state.now_s if state.is_open and not is_stale else state.attempt_ended_s,
        repaired=state.repaired and is_stale,
    )


def _closed(state: State, decision: NoOp) -> Step:
    ours = [ticket.id for ticket in state.tickets if ticket.scope == Scope.CONNECTION]
    resolved = [ResolveTicket(id=f"{ticket}/resolved", ticket=ticket) for ticket in ours]
    fresh = State(
        key=state.key,
        now_s=state.now_s,
        asked_s=state.asked_s,
        episode=state.episode,
        triggers=state.triggers,
        syncing_since_s=state.syncing_since_s,
        flight=state.flight,
        held=state.held,
    )
    fresh, (wait,) = _later(fresh, decision.look_again_s)
    return fresh, (*resolved, wait)


def _asked(
    state: State, decision: Decision, owner: Owner, scope: Scope, cause: str
) -> tuple[State, tuple[OpenTicket, ...]]:
    """A ticket per cause and scope, opened once an episode; one for the whole fleet has the same id for all."""
    if any((one.owner, one.scope, one.cause) == (owner, scope, cause) for one in state.tickets):
        return state, ()
    fleet = f"{decision.policy.name}/integration"
    whose = fleet if scope == Scope.INTEGRATION else f"{state.key}/{state.episode}"
    name = f"{whose}/ticket/{owner}/{cause}"
    ticket = Ticket(id=name, owner=owner, scope=scope, cause=cause)
    opened = OpenTicket(id=name, owner=owner, scope=scope, cause=cause, decision=decision)
    return attrs.evolve(state, tickets=(*state.tickets, ticket)), (opened,)


def _notify(state: State, notice: Notice, decision: Decision) -> Notify:
    name = f"{state.key}/{state.episode}/notice/{notice.audience}/{notice.reminders}"
    return Notify(id=name, audience=notice.audience, reminder=notice.reminders, decision=decision)


def _later(state: State, seconds: float | None) -> Step:
    return _waiting(attrs.evolve(state, due_s=None if seconds is None else state.now_s + seconds))


def _waiting(state: State) -> Step:
    return state, (WaitUntil(id=f"{state.key}/wait/{state.due_s}", at_s=state.due_s),)


def _observing(state: State, cadence: Cadence) -> Step:
    """Observe now; should no answer come, it is due again after the settling time."""
    state = attrs.evolve(state, due_s=state.now_s + cadence.settling_s)
    return state, (Observe(id=f"{state.key}/observe/{state.now_s}"),)
