"""What becomes of an attempt: how a connection's state changes when a trigger is answered, lost or over, and what
that tells of upstream.

Knows states and events, and neither what decides nor what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from remediate.decision import Evidence
from remediate.events import Event, Observed, Refused, WaitUntil
from remediate.observation import Observation
from remediate.state import Flight, State, evolve

__all__ = ["Outcome", "counted_anew", "ended", "is_lost", "is_silent", "left_no_trace", "outcome", "replied", "runs"]

_LOST: Final = 3
"""After so many triggers of which nothing was seen, a repair is used up: something else is wrong."""


def replied(state: State, flight: Flight, *, is_doubtful: bool = False, is_refused: bool = False) -> State:
    """The first answer to a trigger: it may have been received as late as now, so the old answer lingers from here."""
    if flight.is_answered:
        return state
    answered = attrs.evolve(flight, at_s=state.now_s, is_answered=True, is_doubtful=is_doubtful, is_refused=is_refused)
    return evolve(state, flight=answered)


def is_silent(flight: Flight) -> bool:
    """Whether nobody knows that a trigger was received."""
    return not flight.is_answered or flight.is_doubtful


def is_lost(state: State, flight: Flight) -> bool:
    """Whether nobody knows that a trigger was received, and nothing was seen of it in the settling time."""
    is_unseen = not flight.is_seen and state.syncing_since_s is None and state.seen == flight.before
    is_limited = state.is_open or not flight.is_answered  # what was answered has the limit of its schedule
    return is_silent(flight) and is_unseen and (state.refused < _LOST or not is_limited)


def left_no_trace(state: State, flight: Flight) -> State:
    """As no sync has followed, one still may: whoever gave the trigger died before it was sent."""
    return evolve(
        state,
        flight=None,
        wanted=not state.is_open,
        attempts=0,
        attempt_ended_s=state.now_s if state.is_open else None,
        refused=state.refused + (not flight.is_answered),
        refused_since_s=state.now_s if state.refused_since_s is None else state.refused_since_s,
    )


def ended(state: State) -> State:
    """No sync is running. If one was, that attempt has ended, and a repair before it is used up."""
    if state.flight is None and state.syncing_since_s is None:
        return state
    is_stale = state.flight is not None and state.flight.is_stale
    return evolve(
        state,
        flight=None,
        syncing_since_s=None,
        attempt_ended_s=state.now_s if state.is_open and not is_stale else state.attempt_ended_s,
        repaired=state.repaired and is_stale,
    )


def counted_anew(state: State, *, is_new: bool) -> State:
    """Progress that is news starts the count of attempts anew. How long it fails counts on, so there is an end."""
    was_running = state.syncing_since_s is not None or (state.flight is not None and state.flight.is_seen)
    return evolve(state, attempts=0) if is_new or was_running else state


@attrs.frozen(kw_only=True)
class Outcome:
    """What an attempt told of upstream.

    Attributes:
        evidence: what it says.
        synced: whether it says so of syncs, and not only of calls.
        refused: whether it is that a sync was not let begin.
        retry_after_s: the wait that upstream asked for, seconds; None: it asked for none.
    """

    evidence: Evidence
    synced: bool
    refused: bool
    retry_after_s: float | None


def outcome(before: State, after: State, events: Sequence[Event], wait: WaitUntil) -> Outcome | None:
    """What an attempt tells that waits after these events; None: it goes on, as a sync runs whose outcome is not known.

    Calls that fail and syncs that ended tell of upstream. So does any answer, though not of syncs: an old trouble that
    a look shows is none of now.
    """
    failure = _failure(events)
    if runs(after) and failure is None and not wait.rests:
        return None
    has_ended = _flies(before) and not _flies(after) and after.refused <= before.refused
    if has_ended or failure is not None:
        evidence = Evidence.NONE if wait.decision is None else wait.decision.evidence
    else:
        evidence = Evidence.ALIVE if any(isinstance(one, Observed) for one in events) else Evidence.NONE
    is_refused = isinstance(events[-1], Refused)
    return Outcome(
        evidence=evidence,
        synced=has_ended or is_refused,
        refused=is_refused,
        retry_after_s=None if failure is None else failure.retry_after_s,
    )


def runs(state: State) -> bool:
    """Whether a sync runs whose outcome is not known."""
    return state.syncing_since_s is not None or (state.flight is not None and not state.flight.is_doubtful)


def _flies(state: State) -> bool:
    return state.flight is not None or state.syncing_since_s is not None


def _failure(events: Sequence[Event]) -> Observation | None:
    """A call that failed; None: none did."""
    answers = [one.observation for one in events if isinstance(one, Observed | Refused)]
    return next((one for one in answers if not one.describes), None)
