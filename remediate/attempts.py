"""What becomes of an attempt: how a connection's state changes when a trigger is answered, lost or over.

Knows the state alone, and neither what decides nor what comes next.
"""

from __future__ import annotations

from typing import Final

import attrs

from remediate.state import Flight, State, evolve

__all__ = ["counted_anew", "ended", "is_lost", "is_silent", "left_no_trace", "replied"]

_LOST: Final = 3
"""After so many triggers of which nothing was seen, a repair is used up: something else is wrong."""


def replied(state: State, flight: Flight, *, is_refused: bool = False) -> State:
    """The first answer to a trigger: it may have been received as late as now, so the old answer lingers from here."""
    if flight.is_answered:
        return state
    return evolve(state, flight=attrs.evolve(flight, at_s=state.now_s, is_answered=True, is_refused=is_refused))


def is_silent(state: State, flight: Flight) -> bool:
    """Whether nobody knows that a trigger was received."""
    return not flight.is_answered or state.refused > 0


def is_lost(state: State, flight: Flight) -> bool:
    """Whether nobody knows that a trigger was received, and nothing was seen of it in the settling time."""
    is_unseen = not flight.is_seen and state.syncing_since_s is None and state.seen == flight.before
    is_limited = state.is_open or not flight.is_answered  # what was answered has the limit of its schedule
    return is_silent(state, flight) and is_unseen and (state.refused < _LOST or not is_limited)


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
