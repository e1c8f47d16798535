"""What an attempt tells of upstream, and what a repair in the middle of one leaves of it.

Knows the machine and Layer's answers.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from remediate.attempts import Outcome, outcome, runs
from remediate.decision import Evidence
from remediate.events import Accepted, Event, Mended, Observed, Refused, Trigger, WaitUntil, Wanted
from remediate.state import Flight, State, evolve
from remediate.upstreams.layer import ApiFailure
from tests.lives import DOWN, LAPSED, SYNCING, WELL, Life

AWAY = ApiFailure(call="status", http_status=503)
FULL = ApiFailure(call="sync", http_status=503)
LIMITED = ApiFailure(call="status", http_status=429, retry_after_s=40.0)


def _told(life: Life, now_s: float, *events: Event) -> Outcome | None:
    """What one record tells."""
    before, last = life.state, None
    for event in events:
        last = life(event, now_s)[-1]
    assert isinstance(last, WaitUntil), "it goes on"
    return outcome(before, life.state, events, last)


def _seen(observation: Any, now_s: float) -> Observed:
    return Observed(observation=observation, asked_s=now_s)


@pytest.mark.parametrize("status", [WELL, DOWN, LAPSED])
def test_any_answer_tells_that_calls_are_answered_and_nothing_of_syncs(status: Any) -> None:
    told = _told(Life(), 0.0, _seen(status, 0.0))
    assert told == Outcome(evidence=Evidence.ALIVE, synced=False, refused=False, retry_after_s=None)


def test_a_call_that_fails_tells_that_upstream_does_and_how_long_to_wait() -> None:
    told = _told(Life(), 0.0, _seen(AWAY, 0.0))
    assert told == Outcome(evidence=Evidence.UPSTREAM, synced=False, refused=False, retry_after_s=None)
    told = _told(Life(), 0.0, _seen(LIMITED, 0.0))
    assert told is not None
    assert told.retry_after_s == 40.0


def test_a_sync_tells_when_it_has_ended_and_not_while_it_runs() -> None:
    life = Life()
    assert isinstance(life.until_triggered(DOWN, 0), float)
    now_s = life.state.now_s
    assert _told(life, now_s, Accepted(number=1)) is None
    assert _told(life, now_s + 10, _seen(SYNCING, now_s + 10)) is None
    told = _told(life, now_s + 20, _seen(attrs.evolve(DOWN, last_synced_at="second"), now_s + 20))
    assert told == Outcome(evidence=Evidence.UPSTREAM, synced=True, refused=False, retry_after_s=None)


def test_a_sync_that_is_not_let_begin_tells_of_syncs_too() -> None:
    life = Life()
    life(Wanted(by="x"), 0)
    assert isinstance(life.sees(WELL, 1)[-1], Trigger)
    told = _told(life, 1.0, Refused(number=1, observation=FULL))
    assert told == Outcome(evidence=Evidence.UPSTREAM, synced=True, refused=True, retry_after_s=None)


def test_a_trigger_that_left_no_trace_has_not_ended() -> None:
    flight = Flight(number=1, at_s=0.0, before="")
    before = evolve(State(key="a"), flight=flight)
    after, wait = evolve(before, flight=None, refused=1), WaitUntil(id="w", at_s=9.0)
    assert outcome(before, after, [_seen(DOWN, 1.0)], wait) == Outcome(
        evidence=Evidence.ALIVE, synced=False, refused=False, retry_after_s=None
    )
    ended = outcome(before, evolve(after, refused=0), [_seen(DOWN, 1.0)], wait)
    assert ended is not None
    assert ended.synced


def test_an_attempt_is_over_where_somebody_else_has_to_act_though_a_sync_runs() -> None:
    stuck = evolve(State(key="a"), syncing_since_s=0.0)
    assert outcome(stuck, stuck, [_seen(SYNCING, 9.0)], WaitUntil(id="w", at_s=99.0)) is None
    assert outcome(stuck, stuck, [_seen(SYNCING, 9.0)], WaitUntil(id="w", at_s=99.0, rests=True)) is not None


def test_what_nobody_knows_to_run_is_not_taken_to() -> None:
    state = State(key="a")
    flight = Flight(number=1, at_s=0.0, before="", is_answered=True)
    assert not runs(state)
    assert runs(evolve(state, syncing_since_s=1.0))
    assert runs(evolve(state, flight=flight))
    assert not runs(evolve(state, flight=attrs.evolve(flight, is_doubtful=True)))


def test_a_repair_makes_no_trigger_certain_so_what_is_wanted_is_tried_again() -> None:
    life = Life()
    life(Wanted(by="x"), 0)
    assert isinstance(life.sees(WELL, 1)[-1], Trigger)
    life(Refused(number=1, observation=FULL), 1)
    life(Mended(by="the end of an incident", at_once=True), 2)
    assert isinstance(life.sees(WELL, 3)[-1], WaitUntil), "the old answer may linger"
    assert isinstance(life.sees(WELL, 9)[-1], Trigger)


def test_an_accepted_trigger_is_certain() -> None:
    life = Life()
    life(Wanted(by="x"), 0)
    life.sees(WELL, 1)
    life(Refused(number=1, observation=FULL), 1)
    assert life.state.flight is not None
    assert life.state.flight.is_doubtful
    life = Life()
    life(Wanted(by="x"), 0)
    life.sees(WELL, 1)
    life(Accepted(number=1), 1)
    assert life.state.flight is not None
    assert not life.state.flight.is_doubtful


def test_what_is_refused_again_waits_twice_as_long_up_to_the_settling_time() -> None:
    life, now_s, waits = Life(), 1.0, []
    life(Wanted(by="x"), 0)
    for _ in range(6):
        last = life.sees(WELL, now_s)[-1]
        assert isinstance(last, Trigger)
        wait = life(Refused(number=last.number, observation=FULL), now_s)[-1]
        assert isinstance(wait, WaitUntil)
        waits.append((wait.at_s or 0.0) - now_s)
        early = life.sees(WELL, now_s + 0.9 * waits[-1])[-1]
        assert isinstance(early, WaitUntil)
        assert early.at_s == wait.at_s
        now_s = wait.at_s or 0.0
    assert waits == [7.0, 14.0, 28.0, 56.0, 60.0, 60.0]
