"""Pauses and paces: who is turned away and for how long, how a pace grows and ends, and what starts follow."""

from __future__ import annotations

from math import inf

import pytest

from remediate.fleet.pacer import Pacer
from remediate.fleet.parameters import Fleet


def _pacer(**parameters: float) -> Pacer:
    return Pacer(fleet=Fleet(**parameters))


def _limited(pacer: Pacer, now_s: float = 60.0, pause_s: float = 30.0, passed: int = 20) -> Pacer:
    """Three are turned away, and many got through in the minute before."""
    for number in range(passed):
        pacer.got_through(f"tenant t{number % 2}", now_s - 50.0)
    for number in range(3):
        pacer.turned_away(f"tenant a{number}", f"a{number}", pause_s, now_s)
    return pacer


def test_before_upstream_says_so_there_is_no_pace() -> None:
    pacer = _pacer()
    pacer.got_through("a", 1.0)
    pacer.started(1.0)
    assert pacer.ready_s(1.0, 0.0, 3.0) == -inf


def test_one_tenants_limit_pauses_that_tenant() -> None:
    pacer = _pacer()
    for _ in range(5):
        pacer.turned_away("tenant t", "t", 30.0, 10.0)
    pacer.turned_away("tenant t", "t", 5.0, 11.0)
    pacer.turned_away("key a", None, 99.0, 11.0)
    assert pacer.ready_s(11.0, 0.0, 3.0) == -inf
    assert pacer.tenants == {"t": 40.0}
    assert pacer.resumed(39.9) == []
    assert pacer.resumed(40.0) == ["t"]
    assert pacer.tenants == {}


def test_a_limit_of_many_pauses_all_and_then_one_tries() -> None:
    pacer = _limited(_pacer(pace_share=0.5))
    assert (pacer.until_s, pacer.is_trying) == (90.0, True)
    assert pacer.ready_s(60.0, 0.0, 3.0) == 90.0
    assert pacer.gap_s == 60.0 / (20 * 0.5)
    pacer.got_through("tenant a0", 91.0)
    assert not pacer.is_trying


def test_a_few_among_very_many_are_their_own() -> None:
    pacer = _pacer()
    for number in range(20):
        pacer.got_through(f"tenant t{number}", 1.0)
    for number in range(3):
        pacer.turned_away(f"tenant a{number}", f"a{number}", 30.0, 2.0)
    assert pacer.until_s == -inf
    assert set(pacer.tenants) == {"a0", "a1", "a2"}


def test_turned_away_again_while_it_pauses_lengthens_the_pause_and_not_the_gap() -> None:
    pacer = _limited(_pacer())
    gap_s = pacer.gap_s
    pacer.turned_away("tenant a0", "a0", 60.0, 80.0)
    assert (pacer.until_s, pacer.gap_s) == (140.0, gap_s)
    pacer.turned_away("tenant a0", "a0", 30.0, 140.0)
    assert pacer.gap_s == 60.0 / 0.9, "nothing got through in the last minute"


def test_no_pause_is_longer_than_six_hours() -> None:
    pacer = _limited(_pacer(), pause_s=1e12)
    assert pacer.until_s == 60.0 + 21_600.0
    pacer = _pacer()
    pacer.turned_away("tenant t", "t", inf, 0.0)
    assert pacer.tenants == {"t": 21_600.0}


def test_starts_keep_the_gap() -> None:
    pacer = _limited(_pacer(pace_share=1.0))
    pacer.got_through("tenant a0", 90.0)
    pacer.started(90.0)
    assert pacer.ready_s(90.0, 0.0, 3.0) == 93.0
    pacer.started(94.0)
    assert pacer.ready_s(94.0, 0.0, 3.0) == 96.0
    pacer.started(120.0)
    assert pacer.ready_s(120.0, 0.0, 3.0) == 120.0, "one that came late may be followed at once"
    pacer.started(120.0)
    assert pacer.ready_s(120.0, 0.0, 3.0) == 123.0


def test_a_pace_grows_with_each_clean_minute() -> None:
    pacer = _limited(_pacer(pace_share=1.0, pace_growth=0.5))
    pacer.ready_s(200.0, 0.0, 3.0)
    assert pacer.gap_s == 3.0, "while it tries it does not grow"
    pacer.got_through("tenant a0", 200.0)
    pacer.started(269.9)
    pacer.ready_s(269.9, 0.0, 3.0)
    assert pacer.gap_s == pytest.approx(3.0 / 1.5**2)
    pacer.ready_s(270.0, 0.0, 3.0)
    assert pacer.gap_s == pytest.approx(3.0 / 1.5**3)


def test_a_pace_that_nothing_waits_for_ends() -> None:
    pacer = _limited(_pacer())
    pacer.got_through("tenant a0", 90.0)
    pacer.ready_s(690.0, 0.0, 3.0)
    assert pacer.gap_s > 0
    assert pacer.ready_s(690.1, 0.0, 3.0) == 90.0
    assert pacer.gap_s == 0.0


@pytest.mark.parametrize("growth", [0.0, 0.02, 1.0])
def test_a_pace_outlives_any_silence(growth: float) -> None:
    pacer = _limited(_pacer(pace_growth=growth))
    pacer.got_through("tenant a0", 90.0)
    assert pacer.ready_s(1e9, 0.0, 3.0) <= 1e9
    assert pacer.gap_s == 0.0


def test_in_calm_times_so_many_may_start_at_once_and_then_at_their_rate() -> None:
    pacer = _pacer()
    rate = 2.2 * 2.0
    assert pacer.ready_s(100.0, 2.0, 3.0) == -inf
    for _ in range(3):
        assert pacer.ready_s(100.0, 2.0, 3.0) == -inf
        pacer.started(100.0)
    assert pacer.ready_s(100.0, 2.0, 3.0) == pytest.approx(100.0 + 1 / rate)
    assert pacer.ready_s(100.1, 2.0, 3.0) == pytest.approx(100.0 + 1 / rate)
    assert pacer.ready_s(100.3, 2.0, 3.0) == -inf


def test_where_more_gets_through_more_may_start() -> None:
    pacer = _pacer()
    for _ in range(600):
        pacer.got_through("a", 100.0)
    pacer.ready_s(100.0, 0.001, 1.0)
    pacer.started(100.0)
    assert pacer.ready_s(100.0, 0.001, 1.0) == pytest.approx(100.0 + 60 / (1.15 * 600))


@pytest.mark.parametrize("calm_rate", [1e-12, 1e-300, 1e-4])
def test_however_calm_it_was_one_a_minute_may_start(calm_rate: float) -> None:
    pacer = _pacer()
    ready_s = pacer.ready_s(0.0, calm_rate, 3.0)
    assert ready_s <= 60.0
    assert pacer.ready_s(60.1, calm_rate, 3.0) == -inf


def test_what_got_through_counts_for_a_minute() -> None:
    pacer = _pacer(pace_share=1.0)
    for at_s in (0.0, 10.0, 20.0):
        pacer.got_through("tenant t", at_s)
    _limited(pacer, 70.0, passed=0)
    assert pacer.gap_s == 60.0, "one of them is not a minute old"


def test_while_a_queue_is_drained_minutes_are_smoothed() -> None:
    """A minute of luck raises the pace little, and one without lowers it little."""
    pacer = _pacer()
    pacer.drains_s = 1000.0
    for minute, passed in enumerate([60, 60, 60, 60, 160]):
        for number in range(passed):
            pacer.got_through("a", 1000.5 + 60 * minute + 59 * number / passed)
    mean = 400 / 5

    def gap_s(now_s: float) -> float:
        pacer.tokens, pacer.filled_s = 0.0, now_s
        return pacer.ready_s(now_s, 0.001, 1.0) - now_s

    assert gap_s(1300.0) == pytest.approx(60 / (1.12 * mean))
    assert gap_s(1360.0) == pytest.approx(60 / (1.12 * 340 / 5)), "the first minute is too long ago"
    pacer.drains_s = None
    assert gap_s(1360.0) == pytest.approx(60.0), "nothing got through in the latest"


def test_what_is_drained_for_less_than_minutes_counts_for_as_long_as_it_was() -> None:
    pacer = _pacer(pace_share=1.0)
    pacer.drains_s = 100.0
    for number in range(30):
        pacer.got_through("tenant t", 101.0 + 4 * number)
    _limited(pacer, 220.0, passed=0)
    assert pacer.gap_s == pytest.approx(60.0 / 15)
    pacer = _pacer(pace_share=1.0)
    pacer.drains_s = 210.0
    pacer.got_through("tenant t", 215.0)
    _limited(pacer, 220.0, passed=0)
    assert pacer.gap_s == 60.0, "never for less than a minute"
