"""A sync that is wanted since some time: one that upstream has run by itself since then is as good.

Knows the machine and Layer's status.
"""

from __future__ import annotations

from math import inf, nan

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import InputError
from remediate.events import Observe, Observed, Refused, Trigger, WaitUntil, Wanted
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.upstreams.layer.vocabulary import moment
from tests.lives import DOWN, LAPSED, SYNCING, WELL, Life

DUE_S = 1_750_000_000.0


def synced(at_s: float) -> ConnectionStatus:
    """Well, by a sync of that time."""
    return attrs.evolve(WELL, last_synced_at=moment(at_s))


def wished(*since_s: float | None) -> Life:
    """A connection of which a sync is wanted, ten seconds after it was due."""
    life = Life()
    for one in since_s:
        assert isinstance(life(Wanted(by="the schedule", since_s=one), DUE_S + 10)[-1], Observe)
    return life


@pytest.mark.parametrize("after_s", [0.0, 0.5, 10.0, 10.9])
def test_a_sync_that_upstream_ran_since_is_as_good(after_s: float) -> None:
    life = wished(DUE_S)
    [wait] = life.sees(synced(DUE_S + after_s), DUE_S + 11)
    assert isinstance(wait, WaitUntil)
    assert (wait.rests, life.state.wanted, life.state.wanted_since_s) == (True, False, None)


@pytest.mark.parametrize("after_s", [-0.5, -86_400.0, 11.5, 1e9])
def test_one_from_before_or_from_times_that_are_yet_to_come_is_not(after_s: float) -> None:
    assert isinstance(wished(DUE_S).sees(synced(DUE_S + after_s), DUE_S + 11)[-1], Trigger)


@pytest.mark.parametrize(
    "status", [WELL, attrs.evolve(WELL, last_synced_at="at noon"), attrs.evolve(WELL, last_synced_at="")]
)
def test_nor_is_one_of_which_the_time_is_not_known(status: ConnectionStatus) -> None:
    assert isinstance(wished(DUE_S).sees(status, DUE_S + 11)[-1], Trigger)


def test_nor_is_any_where_nobody_said_since_when() -> None:
    assert isinstance(wished(None).sees(synced(DUE_S + 5), DUE_S + 11)[-1], Trigger)


@pytest.mark.parametrize("wishes", [(DUE_S, None), (None, DUE_S), (DUE_S, DUE_S + 6), (DUE_S + 6, DUE_S)])
def test_what_is_wanted_twice_is_done_when_both_are_content(wishes: tuple[float | None, ...]) -> None:
    assert isinstance(wished(*wishes).sees(synced(DUE_S + 5), DUE_S + 11)[-1], Trigger)
    assert isinstance(wished(DUE_S, DUE_S + 4).sees(synced(DUE_S + 5), DUE_S + 11)[-1], WaitUntil)


def test_a_wish_that_was_met_leaves_nothing_to_the_next() -> None:
    life = wished(DUE_S)
    assert isinstance(life.sees(synced(DUE_S - 5), DUE_S + 11)[-1], Trigger)
    life.sees(SYNCING, DUE_S + 20)
    life.sees(synced(DUE_S + 30), DUE_S + 40)
    life(Wanted(by="a customer"), DUE_S + 100)
    assert isinstance(life.sees(synced(DUE_S + 30), DUE_S + 101)[-1], Trigger)


def test_a_wish_outlives_a_trigger_that_was_refused_and_is_met_by_what_ran_meanwhile() -> None:
    life = wished(DUE_S)
    assert isinstance(life.sees(synced(DUE_S - 5), DUE_S + 11)[-1], Trigger)
    limited = ApiFailure(call="sync", http_status=429, retry_after_s=60)
    life(Refused(number=1, observation=limited), DUE_S + 11)
    assert (life.state.wanted, life.state.wanted_since_s) == (True, DUE_S)
    [wait] = life.sees(synced(DUE_S + 20), DUE_S + 200)
    assert isinstance(wait, WaitUntil)
    assert wait.rests


def test_what_is_wrong_is_mended_all_the_same() -> None:
    life = wished(DUE_S)
    life.sees(LAPSED, DUE_S + 11)
    assert life.state.is_open
    life = wished(DUE_S)
    late = attrs.evolve(DOWN, last_synced_at=synced(DUE_S + 5).last_synced_at)
    assert isinstance(life.until_triggered(late, DUE_S + 11), float)


@pytest.mark.parametrize("since_s", [nan, inf, -inf, 1e12])
def test_a_wish_since_no_time_is_refused(since_s: float) -> None:
    with pytest.raises(InputError, match="since_s"):
        Life()(Wanted(by="x", since_s=since_s), DUE_S)


@given(st.text() | st.datetimes().map(lambda one: one.isoformat()))
def test_a_time_is_read_or_is_none(text: str) -> None:
    """Whatever stands where a time should: the wish stands, and nothing raises."""
    life = wished(DUE_S)
    said = attrs.evolve(WELL, last_synced_at=text)
    assert isinstance(life(Observed(observation=said, asked_s=DUE_S + 11), DUE_S + 11)[-1], Trigger)


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("2025-06-15T15:06:40Z", DUE_S),
        ("2025-06-15T15:06:40.250Z", DUE_S + 0.25),
        ("2025-06-15T17:06:40+02:00", DUE_S),
        ("2025-06-15T15:06:40", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_success_of_layer_has_the_time_of_its_sync(text: str | None, at_s: float | None) -> None:
    assert attrs.evolve(WELL, last_synced_at=text).succeeded_s == at_s
    assert at_s is None or attrs.evolve(WELL, last_synced_at=moment(at_s)).succeeded_s == at_s
    assert attrs.evolve(DOWN, last_synced_at=text).succeeded_s is None
    assert ConnectionStatus(last_synced_at=text).succeeded_s is None
    assert ApiFailure(call="status").succeeded_s is None
