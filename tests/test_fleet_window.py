"""How many attempts may be under way: places taken and given back, lapsed, forgotten, and what calm times were like."""

from __future__ import annotations

from math import inf

import pytest

from remediate.fleet.events import Purpose
from remediate.fleet.parameters import Fleet
from remediate.fleet.queue import Entry
from remediate.fleet.saving import plain, restored
from remediate.fleet.window import Window

FLEET = Fleet(lapse_s=120.0, least=4, headroom=3.0)


def _entry(*, runs: bool = False) -> Entry:
    return Entry(0.0, 1, None, runs)


def _window() -> Window:
    return Window(fleet=FLEET)


def _calm(window: Window, seconds: float = 3600.0) -> None:
    window.rested(seconds)


def test_an_attempt_holds_a_place_until_it_ends() -> None:
    window = _window()
    assert window.start("a", Purpose.WORK, _entry(), 10.0) == 1
    assert (window.held, window.has_room) == (1, True)
    assert window.end("a", 2) is None
    assert window.end("b", 1) is None
    flight = window.end("a", 1)
    assert flight is not None
    assert (flight.at_s, window.held, window.next_s()) == (10.0, 0, inf)
    assert window.end("a", 1) is None


def test_places_are_bounded() -> None:
    window = _window()
    for number in range(4):
        window.start(f"c{number}", Purpose.WORK, _entry(), 0.0)
    assert not window.has_room


def test_one_that_runs_takes_no_place_unless_it_probes() -> None:
    window = _window()
    window.start("a", Purpose.WORK, _entry(runs=True), 0.0)
    assert window.held == 0
    window.start("b", Purpose.PROBE, _entry(runs=True), 0.0)
    assert window.held == 1
    window.end("a", 1)
    assert window.held == 1


@pytest.mark.parametrize("at_s", [0.0, 0.1, 0.3, 1_794_000_000.7])
def test_an_attempt_lapses_exactly_when_it_said_so(at_s: float) -> None:
    window = _window()
    window.start("a", Purpose.WORK, _entry(), at_s)
    next_s = window.next_s()
    assert window.lapse(next_s - 1.0) == []
    assert [key for key, _ in window.lapse(next_s)] == ["a"]
    assert (window.held, window.next_s()) == (0, inf)
    assert window.end("a", 1) is not None
    assert window.held == 0


def test_where_attempts_take_long_they_lapse_later() -> None:
    window = _window()
    window.went_well(50.0, 50.0, calm=True, is_full=False)
    assert window.lapses_after_s == 300.0
    window.went_well(70.0, 120.0, calm=True, is_full=False)
    assert window.hold_s == pytest.approx(51.0)
    window.went_well(1000.0, 120.0, calm=False, is_full=False)
    assert window.hold_s == pytest.approx(51.0)


def test_one_whose_end_never_comes_is_forgotten_after_an_hour() -> None:
    window = _window()
    window.start("a", Purpose.WORK, _entry(), 0.0)
    window.start("runs", Purpose.WORK, _entry(runs=True), 100.0)
    window.lapse(3599.9)
    assert set(window.flights) == {"a", "runs"}
    window.lapse(3600.0)
    assert set(window.flights) == {"runs"}
    window.lapse(3700.0)
    assert not window.flights


def test_restored_it_forgets_the_same_at_the_same_time() -> None:
    window = _window()
    window.start("a", Purpose.WORK, _entry(), 0.0)
    window.start("runs", Purpose.WORK, _entry(runs=True), 100.0)
    window.start("b", Purpose.WORK, _entry(), 110.0)
    window.lapse(200.0)
    other = restored(Window, plain(window), {"fleet": FLEET})
    for at_s in (229.0, 230.0, 3600.0, 3700.0, 3710.0):
        assert [key for key, _ in window.lapse(at_s)] == [key for key, _ in other.lapse(at_s)]
        assert plain(window) == plain(other)


def test_the_limit_follows_calm_times_up_and_never_below_the_least() -> None:
    window = _window()
    for number in range(10):
        window.start(f"c{number}", Purpose.PROBE, _entry(), 0.0)
    _calm(window, 60.0)
    assert (window.mean, window.limit) == (10.0, 30.0)
    _calm(window, 0.0)
    assert window.mean == 10.0
    for number in range(10):
        window.end(f"c{number}", number + 1)
    _calm(window, 60.0)
    assert (window.mean, window.target, window.limit) == (5.0, 15.0, 30.0)
    window.begin(again=False)
    assert window.limit == 30.0
    window.begin(again=True)
    assert (window.limit, window.pace) == (15.0, 0.5)
    for _ in range(9):
        window.begin(again=True)
    assert (window.limit, window.pace) == (4.0, 0.1)
    _calm(window, 1e9)
    window.begin(again=False)
    assert (window.mean, window.limit, window.pace) == (0.0, 8.0, 1.0)


def test_once_calm_times_are_known_a_crowd_does_not_pass_for_them() -> None:
    window = _window()
    window.mean, window.calm_s = 2.0, 3600.0
    for number in range(100):
        window.start(f"c{number}", Purpose.PROBE, _entry(), 0.0)
    window.rested(3600.0)
    assert window.mean == 5.0


def test_a_rate_is_known_only_after_enough_of_calm_times() -> None:
    window = Window(fleet=FLEET, mean=8.0, hold_s=4.0, calm_s=599.0)
    assert window.rate == 0.0
    window.calm_s = 600.0
    assert (window.rate, window.burst) == (2.0, 4.0)
    assert Window(fleet=FLEET, mean=8.0, calm_s=600.0).rate == 0.0


def test_a_full_window_makes_room_where_it_goes_well() -> None:
    window = Window(fleet=FLEET, mean=10.0, hold_s=4.0, calm_s=3600.0, limit=29.5)
    window.went_well(4.0, 0.0, calm=False, is_full=True)
    assert window.limit == 30.5
    window.went_well(4.0, 0.0, calm=False, is_full=True)
    assert window.limit == 30.75
    window.limit = 59.9
    window.went_well(4.0, 0.0, calm=False, is_full=True)
    window.went_well(4.0, 0.0, calm=False, is_full=False)
    assert window.limit == 60.0


def test_it_is_cut_where_upstream_is_slow_but_once_in_a_while_and_not_below_calm_times() -> None:
    window = Window(fleet=FLEET, mean=10.0, hold_s=4.0, calm_s=3600.0, limit=60.0)
    window.went_well(16.1, 100.0, calm=False, is_full=True)
    assert window.limit == pytest.approx(42.0)
    window.cut(115.9)
    assert window.limit == pytest.approx(42.0)
    window.cut(116.0)
    window.cut(200.0)
    window.cut(300.0)
    assert window.limit == 15.0


def test_it_is_not_cut_before_calm_times_are_known() -> None:
    window = Window(fleet=FLEET, mean=1.0, hold_s=4.0, calm_s=10.0, limit=60.0)
    window.cut(100.0)
    assert window.limit == 60.0


def _busy(held: int, hold_s: float) -> Window:
    """A window that has seen an hour of calm, in which each of so many attempts took so long."""
    window = _window()
    for number in range(held):
        window.start(f"c{number}", Purpose.WORK, _entry(), float(number))
    window.went_well(hold_s, hold_s, calm=True, is_full=False)
    _calm(window, 60.0)
    _calm(window)
    return window


def test_where_attempts_take_long_fewer_of_them_wait_at_upstream() -> None:
    short, long = _busy(40, 5.0), _busy(40, 200.0)
    assert (short.target, short.most) == (120.0, 240.0)
    assert long.target == pytest.approx(40 * (2 + 13 / 200))
    assert long.most == pytest.approx(40 * (2 + 35 / 200))
    long.begin(again=False)
    assert long.limit == long.most
    long.went_well(200.0, 4000.0, calm=False, is_full=True)
    assert long.limit == long.most, "as far as a queue lets it grow"
    long.limit = 100.0
    long.went_well(200.0, 4000.0, calm=False, is_full=True)
    assert long.limit == 100.0, "what is more already stays"


def test_a_refused_sync_says_that_upstream_is_full_where_looks_are_answered() -> None:
    window = _busy(40, 20.0)
    assert window.limit == 40 * (2 + 13 / 20)
    window.failed(5000.0, synced=True, refused=False)
    window.failed(5000.0, synced=False, refused=False)
    window.failed(5059.9, synced=True, refused=True)
    assert window.limit == 40 * (2 + 13 / 20), "a look failed within a minute"
    window.failed(5060.0, synced=True, refused=True)
    assert window.limit == 34.0
    window.failed(5079.9, synced=True, refused=True)
    assert window.limit == 34.0, "one that was under way before says no more"
    window.failed(5080.0, synced=True, refused=True)
    assert window.limit == 0.85 * 34
    for at_s in range(6000, 16_000, 100):
        window.failed(float(at_s), synced=True, refused=True)
    assert (window.limit, window.pace) == (4.0, 1.0), "the pace stays"


def test_nothing_is_full_before_calm_times_are_known() -> None:
    window = _window()
    window.start("a", Purpose.WORK, _entry(), 0.0)
    _calm(window, 599.0)
    window.limit = 9.0
    window.failed(700.0, synced=True, refused=True)
    assert window.limit == 9.0
    _calm(window, 1.0)
    window.failed(700.0, synced=True, refused=True)
    assert window.limit == 4.0


def test_those_that_began_since_a_moment_are_counted() -> None:
    window = _busy(5, 5.0)
    assert [window.begun(since_s) for since_s in (-inf, 0.0, 2.0, 4.0, 4.1)] == [5, 5, 3, 1, 0]
    window.end("c3", 4)
    window.start("runs", Purpose.WORK, _entry(runs=True), 9.0)
    assert [window.begun(since_s) for since_s in (-inf, 2.0, 3.0, 9.0)] == [4, 2, 1, 0]
