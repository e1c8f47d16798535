"""Waits: their bounds, their jitter, Retry-After, and what remains."""

from __future__ import annotations

import math
import statistics
from hashlib import blake2b

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remediate import Engine, Escalate, History, NoOp, Retry
from remediate.decision import headline
from remediate.schedule import Backoff, draw
from remediate.upstreams.layer import ApiFailure, ConnectionStatus

ENGINE = Engine.bundled()
FAILED = {"is_connected": True, "is_syncing": False, "last_sync_status": "SYNC_FAILURE"}
DOWN = "QUICKBOOKS_SERVICE_UNAVAILABLE"
# The schedules as the policy promises them: first, factor, ceiling, floor, attempts, within.
PROMISED = {
    "transient": (60, 2, 1800, 5, 48, 86400),
    "cautious": (300, 2, 7200, 5, 6, 43200),
    "probe": (900, 4, 7200, 5, 2, 86400),
    "resume": (10, 1, 10, 1, 1, None),
    "transport": (2, 2, 60, 1, 8, 7200),
}
OBSERVED = {
    "transient": (ConnectionStatus(**FAILED, sync_failure_reason=DOWN), False),
    "cautious": (ConnectionStatus(**FAILED, is_retryable_failure=True), False),
    "probe": (ConnectionStatus(**FAILED, sync_failure_reason="NEW", is_retryable_failure=True), False),
    "resume": (ConnectionStatus(**FAILED, sync_failure_reason="QUICKBOOKS_BAD_REQUEST"), True),
    "transport": (ApiFailure(http_status=503), False),
}


def bound(schedule: str, attempt: int) -> float:
    first, factor, ceiling = PROMISED[schedule][:3]
    return min(ceiling, first * factor ** (attempt - 1))


@pytest.mark.parametrize("name", PROMISED)
def test_the_shipped_schedules_are_what_is_promised(name: str) -> None:
    schedule = ENGINE.policy.schedules[name]
    found = (schedule.first_s, schedule.factor, schedule.ceiling_s, schedule.floor_s, schedule.attempts)
    assert (*found, schedule.within_s) == PROMISED[name]


@pytest.mark.parametrize("name", PROMISED)
def test_every_attempt_of_a_schedule_keeps_its_bounds_and_then_it_ends(name: str) -> None:
    observation, repaired = OBSERVED[name]
    _, _, _, floor, attempts, within = PROMISED[name]
    for attempt in range(1, attempts + 1):
        decision = ENGINE.decide(observation, History(attempts=attempt - 1, repaired=repaired), "key")
        assert isinstance(decision, Retry)
        assert (decision.schedule, decision.attempt, decision.ceiling_s) == (name, attempt, bound(name, attempt))
        assert floor <= decision.delay_s <= decision.ceiling_s
        assert round(decision.delay_s, 1) == decision.delay_s
    assert not isinstance(ENGINE.decide(observation, History(attempts=attempts, repaired=repaired), "key"), Retry)
    if within is not None:
        assert isinstance(ENGINE.decide(observation, History(failing_for_s=within - 0.001), "key"), Retry)
        assert not isinstance(ENGINE.decide(observation, History(failing_for_s=within), "key"), Retry)


histories = st.builds(
    History,
    attempts=st.integers(0, 60),
    failing_for_s=st.floats(0, 200_000),
    syncing_for_s=st.floats(0, 4_000),
    since_attempt_s=st.floats(0, 10_000),
    repaired=st.booleans(),
)
asked = (
    st.none() | st.floats() | st.floats(0, 30_000) | st.sampled_from([0.0, -1.0, math.nan, math.inf, -math.inf, 1e300])
)
keys = st.none() | st.text()


@given(st.sampled_from(sorted(OBSERVED)), histories, asked, keys)
@example("transient", History(), 21_600.0, "k")
@example("transient", History(), math.nextafter(21_600.0, math.inf), "k")
def test_a_delay_is_always_inside_its_bounds(name: str, history: History, wait: float | None, key: str | None) -> None:
    base, _ = OBSERVED[name]
    fields = {a: getattr(base, a) for a in base.__slots__ if not a.startswith("_")}
    decision = ENGINE.decide(type(base)(**(fields | {"retry_after_s": wait})), history, key)
    if isinstance(decision, Retry):
        usable = wait if wait is not None and 0 < wait < math.inf else 0.0
        first = PROMISED[decision.schedule][0]
        assert usable <= 21_600
        ceiling = max(bound(decision.schedule, decision.attempt), usable + first if usable else 0)
        assert decision.ceiling_s == ceiling
        assert 0 <= decision.delay_s <= ceiling
        assert decision.delay_s + history.since_attempt_s >= usable - 0.001
        assert decision.look_again_s == decision.delay_s
        assert decision.may_sync is (decision.repeats == "sync" and decision.delay_s == 0)
        assert ("no_key" in decision.anomalies) is (key is None)


@given(histories, st.sampled_from(sorted(OBSERVED)), st.integers(0, 50), st.floats(0, 100_000))
def test_a_limit_once_passed_stays_passed(history: History, name: str, more: int, longer: float) -> None:
    observation, _ = OBSERVED[name]
    plain = History(attempts=history.attempts, failing_for_s=history.failing_for_s)
    if not isinstance(ENGINE.decide(observation, plain, "k"), Retry):
        later = History(attempts=plain.attempts + more, failing_for_s=plain.failing_for_s + longer)
        assert headline(ENGINE.decide(observation, later, "k")) == headline(ENGINE.decide(observation, plain, "k"))


@pytest.mark.parametrize("wait", [None, 0.0, -5.0, math.nan, math.inf, -math.inf])
def test_a_retry_after_that_says_nothing_counts_as_absent(wait: float | None) -> None:
    observation = ConnectionStatus(**FAILED, sync_failure_reason=DOWN, retry_after_s=wait)
    assert ENGINE.decide(observation, key="k") == ENGINE.decide(OBSERVED["transient"][0], key="k")


def test_a_retry_after_raises_a_wait_and_its_ceiling_and_never_lowers_them() -> None:
    def wait(seconds: float | None, attempts: int = 0) -> Retry:
        observation = ConnectionStatus(**FAILED, sync_failure_reason=DOWN, retry_after_s=seconds)
        decision = ENGINE.decide(observation, History(attempts=attempts), "k")
        assert isinstance(decision, Retry)
        return decision

    assert wait(600).ceiling_s == 660
    assert 605 <= wait(600).delay_s <= 660
    assert wait(1, attempts=10).delay_s == wait(None, attempts=10).delay_s
    assert wait(1, attempts=10).ceiling_s == 1800
    assert wait(21_600).ceiling_s == 21_660


def test_a_retry_after_is_heard_without_a_history_and_a_key() -> None:
    decision = ENGINE.decide({"http_status": 429, "retry_after_s": 100})
    assert isinstance(decision, Retry)
    assert 101 <= decision.delay_s <= decision.ceiling_s == 102
    short = ENGINE.decide({"http_status": 429, "retry_after_s": 0.1})
    assert isinstance(short, Retry)
    assert short.ceiling_s == 2.1


@pytest.mark.parametrize(("drawn", "wait"), [(0.0, 605.0), (0.5, 632.5), (0.999, 659.9)])
def test_a_retry_after_is_followed_by_a_draw_from_the_first_step(drawn: float, wait: float) -> None:
    backoff = Backoff(first_s=60, factor=2, ceiling_s=1800, floor_s=5)
    assert backoff.wait_s(1, drawn, 600) == (wait, 660)


def test_too_long_a_retry_after_is_somebodys_business() -> None:
    observation = ConnectionStatus(**FAILED, sync_failure_reason=DOWN, retry_after_s=21_600.5)
    decision = ENGINE.decide(observation, key="k")
    assert isinstance(decision, Escalate)
    assert headline(decision) == "escalate provider integration"
    assert (decision.rule, decision.evidence) == ("QuickBooks is down", "upstream")
    assert "six hours" in decision.because


def test_a_spent_limit_comes_before_a_retry_after() -> None:
    observation = ConnectionStatus(**FAILED, is_retryable_failure=True, retry_after_s=30_000)
    assert headline(ENGINE.decide(observation, History(attempts=6), "k")) == "escalate support connection"


def test_a_retry_after_raises_the_wait_before_an_unconfirmed_sync_is_looked_at() -> None:
    decision = ENGINE.decide(ApiFailure(call="sync", http_status=503, retry_after_s=120), None, "k")
    assert isinstance(decision, NoOp)
    assert decision.look_again_s is not None
    assert 121 <= decision.look_again_s <= 122


def test_a_delay_is_what_remains() -> None:
    observation = OBSERVED["transient"][0]
    whole = ENGINE.decide(observation, History(attempts=2), "k")
    assert isinstance(whole, Retry)
    part = ENGINE.decide(observation, History(attempts=2, since_attempt_s=20), "k")
    assert isinstance(part, Retry)
    assert part.delay_s == pytest.approx(whole.delay_s - 20)
    assert not part.may_sync
    nearly = ENGINE.decide(observation, History(attempts=2, since_attempt_s=whole.delay_s - 0.25), "k")
    assert isinstance(nearly, Retry)
    assert nearly.delay_s == pytest.approx(0.25)
    assert not nearly.may_sync
    done = ENGINE.decide(observation, History(attempts=2, since_attempt_s=whole.delay_s), "k")
    assert isinstance(done, Retry)
    assert (done.delay_s, done.may_sync, done.look_again_s) == (0.0, True, 0.0)


def test_a_repair_past_its_one_attempt_leaves_the_rules_own_answer() -> None:
    observation, _ = OBSERVED["resume"]
    assert headline(ENGINE.decide(observation, History(repaired=True), "k")) == "retry resume"
    assert (
        headline(ENGINE.decide(observation, History(repaired=True, attempts=1), "k")) == "escalate provider integration"
    )


def test_the_draw_is_pinned() -> None:
    """A change of these numbers changes every customer's waits: it has to be meant."""
    assert draw("acme", 1) == 0.965307628109576
    assert draw("acme", 2) == 0.41891919355591734
    assert draw("\ud800", 1) == int(blake2b(b"\xed\xa0\x80:1", digest_size=8).hexdigest(), 16) / 2**64
    assert draw(None, 1) == draw("", 1) == 0.33466046336093713


@given(st.text(), st.integers(1, 10**6))
def test_a_draw_is_a_fraction(key: str, attempt: int) -> None:
    assert 0 <= draw(key, attempt) < 1


def test_draws_spread_over_keys_and_attempts() -> None:
    for attempt in (1, 2, 7):
        drawn = sorted(draw(f"business-{i}", attempt) for i in range(2_000))
        assert statistics.mean(drawn) == pytest.approx(0.5, abs=0.03)
        assert max(b - a for a, b in zip(drawn, drawn[1:], strict=False)) < 0.01
    pairs = [(draw(f"{i}", 1), draw(f"{i}", 2)) for i in range(2_000)]
    assert abs(statistics.correlation(*zip(*pairs, strict=True))) < 0.1


@given(
    st.floats(0.001, 1e4),
    st.floats(1, 10) | st.just(1.0) | st.floats(1, 1.0001),
    st.floats(1, 1e4),
    st.floats(0, 1),
    st.integers(1, 10**6),
    st.floats(0, 1, exclude_max=True),
)
def test_a_backoff_keeps_its_bounds_for_any_parameters(
    first: float, factor: float, above: float, share: float, attempt: int, drawn: float
) -> None:
    backoff = Backoff(first_s=first, factor=factor, ceiling_s=first * above, floor_s=first * share)
    wait, ceiling = backoff.wait_s(attempt, drawn)
    assert backoff.floor_s <= wait <= ceiling <= backoff.ceiling_s
    grown = math.log(first) + (attempt - 1) * math.log(factor)
    assert math.log(ceiling) == pytest.approx(min(grown, math.log(backoff.ceiling_s)), abs=1e-6)
    assert backoff.bound_s(attempt) <= backoff.bound_s(attempt + 1)
