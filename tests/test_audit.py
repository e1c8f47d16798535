"""What a log wasted, worked out by hand for each finding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import History, Retry
from remediate.observation import Observation
from remediate.upstreams.layer import ApiFailure
from remediate.workshop.audit.auditing import audit
from remediate.workshop.audit.columns import Event
from remediate.workshop.audit.findings import Audit, Finding
from remediate.workshop.audit.logs import Line, Other
from remediate.workshop.journals import Fault
from tests.lives import BROKEN, DAY, DOWN, ENGINE, LAPSED, SYNCING, WELL, failed

DOWN_STILL = failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="second")
LAPSED_STILL = failed("QUICKBOOKS_AUTHENTICATION_FAILURE", at="second")
RUNNING = ApiFailure(call="sync", error_enum="QuickbooksConnectionAlreadySyncing", http_status=409)
UNANSWERED = ApiFailure(call="sync", transport="no_answer")
FIRST_CEILING_S = 60.0
"""Of the schedule that an outage is retried on."""


def saw(at_s: float, observation: Observation, key: str = "acme") -> Line:
    return Line(at_s=at_s, key=key, event=Event.STATUS, observation=observation)


def sync(at_s: float, answer: Observation | None = None, key: str = "acme") -> Line:
    return Line(at_s=at_s, key=key, event=Event.SYNC, observation=answer)


def told(at_s: float, to: str = "customer", key: str = "acme") -> Line:
    return Line(at_s=at_s, key=key, event=Event.TOLD, to=to)


def mended(at_s: float) -> Line:
    return Line(at_s=at_s, key="acme", event=Event.MENDED)


def audited(*lines: Line | Other | Fault) -> Audit:
    return audit(lines, ENGINE, [])


def outcomes(*lines: Line) -> dict[str, int]:
    """What became of the syncs, without what there was none of."""
    found = audited(*lines)
    counted = {name: getattr(found, name) for name in ("succeeded", "passing", "unknown", "foreseen")}
    counted |= {str(finding): many for finding, many in found.counts.items()} | {"refused": found.refused.total()}
    return {name: many for name, many in counted.items() if many}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((saw(0, WELL), sync(10), saw(60, WELL)), {"succeeded": 1}),
        ((saw(0, LAPSED), sync(10), saw(60, LAPSED_STILL)), {"futile": 1, "foreseen": 1}),
        ((saw(0, WELL), sync(10), saw(60, LAPSED)), {"futile": 1}),
        ((saw(0, LAPSED), mended(5), sync(10), saw(60, WELL)), {"succeeded": 1}),
        ((saw(0, LAPSED), mended(5), sync(10), saw(60, LAPSED_STILL)), {"futile": 1}),
        ((saw(0, LAPSED), sync(10), saw(69.9, LAPSED), saw(90, WELL)), {"succeeded": 1}),
        ((saw(0, LAPSED), sync(10), saw(70, LAPSED), saw(90, WELL)), {"futile": 1, "foreseen": 1}),
        ((saw(0, LAPSED), sync(10), saw(12, SYNCING), saw(15, LAPSED)), {"futile": 1, "foreseen": 1}),
        ((saw(0, LAPSED), sync(10), saw(20, LAPSED), sync(30)), {"futile": 1, "foreseen": 1, "unknown": 1}),
        ((saw(0, WELL), sync(10), sync(20), saw(60, WELL)), {"succeeded": 1, "unknown": 1}),
        ((saw(0, WELL), sync(10), sync(11, RUNNING), saw(60, WELL)), {"succeeded": 1, "overlapping": 1}),
        (
            (saw(0, WELL), sync(10), saw(12, SYNCING), sync(13), saw(60, WELL)),
            {"succeeded": 1, "overlapping": 1, "unknown": 1},
        ),
        ((saw(0, WELL), sync(10, LAPSED)), {"futile": 1}),
        ((saw(0, WELL), sync(10, SYNCING), saw(60, LAPSED)), {"futile": 1}),
        ((saw(0, WELL), sync(10, ApiFailure(call="sync", http_status=404)),), {"refused": 1}),
        ((saw(0, WELL), sync(10, UNANSWERED), saw(20, WELL), saw(90, WELL)), {"succeeded": 1}),
        ((saw(0, WELL), sync(10), saw(60, DOWN)), {"passing": 1}),
        ((saw(0, DOWN), sync(10), saw(50, DOWN_STILL)), {"passing": 1, "hammering": 1}),
        ((saw(0, DOWN), sync(10), saw(50, WELL)), {"succeeded": 1}),
        ((saw(0, LAPSED), sync(10), saw(50, DOWN)), {"passing": 1}),
        ((saw(0, WELL), sync(10), saw(12, SYNCING), saw(1811, SYNCING)), {"unknown": 1}),
        ((saw(0, WELL), sync(10), saw(12, SYNCING), saw(1812, SYNCING), saw(1900, SYNCING)), {"futile": 1}),
        ((sync(10), saw(60, BROKEN)), {"futile": 1}),
        ((saw(0, WELL), sync(10)), {"unknown": 1}),
        (
            (saw(0, LAPSED), sync(10), saw(12, SYNCING), saw(15, LAPSED), saw(20, WELL)),
            {"futile": 1, "foreseen": 1},
        ),
        ((saw(0, LAPSED), sync(10), saw(12, SYNCING), mended(20)), {"unknown": 1}),
        (tuple(sync(at, LAPSED) for at in (0, 3600, 7200)), {"futile": 3, "foreseen": 2}),
        (tuple(sync(at, WELL) for at in (0, 3600, 7200)), {"succeeded": 3}),
        (tuple(sync(at, DOWN) for at in (0, 10, 20)), {"passing": 3, "hammering": 2}),
        ((saw(0, DOWN), sync(FIRST_CEILING_S), saw(180, DOWN_STILL)), {"passing": 1}),
        ((saw(0, WELL), sync(10), saw(20, SYNCING), saw(1900, SYNCING), saw(2000, WELL)), {"succeeded": 1}),
        (
            (saw(0, WELL), sync(10, SYNCING), sync(11, SYNCING), saw(90, WELL)),
            {"succeeded": 1, "unknown": 1, "overlapping": 1},
        ),
        ((saw(0, WELL), sync(10, SYNCING), sync(70, SYNCING), saw(190, WELL)), {"succeeded": 1, "unknown": 1}),
        ((saw(0, SYNCING), sync(1799), saw(1900, WELL)), {"succeeded": 1, "overlapping": 1}),
        ((saw(0, SYNCING), sync(1800), saw(1900, WELL)), {"succeeded": 1}),
    ],
)  # fmt: skip
def test_what_became_of_a_sync(lines: tuple[Line, ...], found: dict[str, int]) -> None:
    assert outcomes(*lines) == found
    assert audited(*lines).syncs == sum(line.event is Event.SYNC for line in lines)


def test_what_the_futile_ones_needed_is_told_with_examples() -> None:
    found = audited(saw(0, LAPSED), sync(10), saw(60, LAPSED_STILL), sync(70), saw(200, BROKEN))
    assert found.reasons == {"reauth reauthorize quickbooks": 1, "escalate provider integration": 1}
    first, second = found.instances[Finding.FUTILE]
    assert (first.key, first.at_s, first.why) == ("acme", 10, ENGINE.decide(LAPSED).because)
    assert second.at_s == 70
    assert found.worst == [(2, "acme")]


@pytest.mark.parametrize(
    ("lines", "waited_s"),
    [
        ((saw(0, DOWN), sync(FIRST_CEILING_S)), 0),
        ((saw(0, DOWN), sync(1000)), 1000 - FIRST_CEILING_S),
        ((saw(0, DOWN), saw(500, DOWN), sync(1000)), 1000 - FIRST_CEILING_S),
        ((saw(0, DOWN), saw(1000, WELL)), 1000 - FIRST_CEILING_S),
        ((saw(0, DOWN), saw(1000, LAPSED)), 1000 - FIRST_CEILING_S),
        ((saw(0, DOWN), saw(1000, WELL, "other")), 1000 - FIRST_CEILING_S),
        ((saw(0, LAPSED), saw(1000, LAPSED)), 0),
        ((saw(0, DOWN), sync(200_000), saw(200_100, DOWN_STILL)), DAY - FIRST_CEILING_S),
        ((saw(0, DOWN), saw(365 * DAY, WELL, "other")), DAY - FIRST_CEILING_S),
    ],
)
def test_what_was_due_and_not_made_is_counted_from_the_longest_wait(lines: tuple[Line, ...], waited_s: float) -> None:
    found = audited(*lines)
    assert found.waited_s == waited_s
    assert found.counts[Finding.WAITED] == (waited_s > 0)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((saw(0, LAPSED), told(60)), {}),
        ((saw(0, LAPSED), told(60), told(120)), {Finding.TOLD_AGAIN: 1}),
        ((saw(0, LAPSED), told(60), told(60 + 3 * DAY)), {}),
        ((saw(0, LAPSED), told(60), told(60 + 3 * DAY), told(60 + 4 * DAY)), {Finding.TOLD_AGAIN: 1}),
        (
            (saw(0, LAPSED), told(60), told(60 + 3 * DAY), told(60 + 7 * DAY), told(60 + 30 * DAY)),
            {Finding.TOLD_AGAIN: 1},
        ),
        ((saw(0, LAPSED), told(60), saw(100, WELL), saw(200, LAPSED), told(260)), {}),
        ((saw(0, LAPSED), told(60), told(70, "support")), {}),
        ((saw(0, DOWN), told(60), saw(61, WELL)), {Finding.NEEDLESS: 1, Finding.WAITED: 1}),
        ((saw(0, DOWN), told(60, "support"), saw(60, WELL)), {}),
        ((saw(0, LAPSED), saw(60, WELL), saw(0, LAPSED, "other"), told(5, key="other")), {Finding.NEVER_TOLD: 1}),
        ((saw(0, LAPSED), saw(0, LAPSED, "other"), told(5, key="other")), {Finding.NEVER_TOLD: 1}),
    ],
)  # fmt: skip
def test_who_was_told_and_when(lines: tuple[Line, ...], found: dict[Finding, int]) -> None:
    result = audited(*lines)
    assert {finding: many for finding, many in result.counts.items() if many} == found
    assert result.told == sum(line.event is Event.TOLD for line in lines)


def test_how_long_customers_were_not_told_is_counted_where_the_log_tells_of_any() -> None:
    assert audited(saw(0, LAPSED), saw(10, LAPSED), told(60)).untold_s == 60
    assert audited(saw(0, LAPSED), mended(30), told(60)).untold_s == 30
    silent = audited(saw(0, LAPSED), saw(60, WELL))
    assert (silent.untold_s, silent.told, silent.counts[Finding.NEVER_TOLD]) == (0, None, 0)


def test_what_the_policy_would_have_done_at_each_sync() -> None:
    """Of the syncs only those count as attempts that it would have let start."""
    found = audited(
        sync(0),
        saw(1, WELL),
        sync(10),
        saw(20, DOWN),
        sync(21),
        saw(30, DOWN_STILL),
        sync(200),
        saw(210, DOWN),
        sync(211),
        saw(300, LAPSED),
        sync(310),
    )
    assert found.allowed == 2
    assert found.instead == {"look first: nothing is known": 1, "not yet due": 2, "reauth reauthorize quickbooks": 1}
    assert (found.planned.retries, found.planned.notices) == (2, 1)


def test_the_policys_wait_begins_when_an_attempt_has_ended() -> None:
    second = ENGINE.decide(DOWN, History(attempts=1), "acme")
    assert isinstance(second, Retry)
    due_s = 200 + second.delay_s
    lines = [saw(0, DOWN), sync(FIRST_CEILING_S), saw(200, DOWN_STILL)]
    assert audited(*lines, sync(due_s - 1)).instead == {"not yet due": 1}
    assert audited(*lines, sync(due_s)).allowed == 2


def test_times_in_which_upstream_failed_for_many() -> None:
    keys = ["a", "b", "c", "d"]
    lines = [saw(number * 10, DOWN, key) for number, key in enumerate(keys)]
    lines += [sync(25, key="a"), sync(50, key="b"), sync(95, key="a")]
    lines += [saw(40, SYNCING, "a"), saw(60, WELL, "d"), saw(90, WELL, "a"), saw(99, LAPSED, "b"), saw(99, WELL, "c")]
    (outage,) = audited(*lines).outages
    assert (outage.from_s, outage.until_s, outage.most, outage.syncs) == (20, 90, 4, 2)
    (lasting,) = audited(*(saw(number, DOWN, key) for number, key in enumerate(keys))).outages
    assert (lasting.from_s, lasting.until_s) == (2, None)
    assert audited(*(saw(number, DOWN, key) for number, key in enumerate("ab"))).outages == []
    (told_by_syncs,) = audited(*(sync(number, DOWN, key) for number, key in enumerate("abc"))).outages
    assert (told_by_syncs.from_s, told_by_syncs.most) == (2, 3)
    many = [saw(number, WELL, f"well {number}") for number in range(40)]
    assert audited(*many, *(saw(number, DOWN, key) for number, key in enumerate(keys))).outages == []


def test_what_a_log_tells_twice_counts_once() -> None:
    twice = audited(*[saw(0, LAPSED), sync(10), saw(60, LAPSED_STILL), told(70), saw(60, LAPSED_STILL, "other")] * 2)
    once = audited(saw(0, LAPSED), sync(10), saw(60, LAPSED_STILL), told(70), saw(60, LAPSED_STILL, "other"))
    assert twice.repeated == 5
    assert attrs.evolve(twice, repeated=0, lines=5) == once


def test_what_is_passed_over_is_counted() -> None:
    faults: list[Fault] = []
    lines: Iterable[Any] = [
        Other("deploy"),
        Other("deploy"),
        Other("x"),
        *[Fault(place=f"line {n}", why="?") for n in range(9)],
    ]
    found = audit(lines, ENGINE, faults, most_faults=3)
    assert (found.lines, found.bad, found.others, found.connections) == (3, 9, {"deploy": 2, "x": 1}, 0)
    assert [fault.place for fault in faults] == ["line 0", "line 1", "line 2"]
    assert (found.from_s, found.until_s) == (None, None)


EVENTS = st.one_of(
    st.sampled_from([WELL, LAPSED, LAPSED_STILL, DOWN, DOWN_STILL, SYNCING, BROKEN]).map(lambda one: saw(0, one)),
    st.sampled_from([None, RUNNING, UNANSWERED, SYNCING]).map(lambda one: sync(0, one)),
    st.sampled_from([told(0), told(0, "support"), mended(0)]),
)


@given(st.lists(st.tuples(EVENTS, st.sampled_from(["a", "b", "c", "d"])), max_size=25), st.randoms())
def test_lines_may_come_in_any_order_and_every_sync_has_one_outcome(
    events: list[tuple[Line, str]], random: Any
) -> None:
    lines = [attrs.evolve(line, at_s=number * 37.0, key=key) for number, (line, key) in enumerate(events)]
    found = audited(*lines)
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert audited(*shuffled) == found
    refused = sum(line.event is Event.SYNC and line.observation is RUNNING for line in lines)
    begun = found.succeeded + found.passing + found.unknown + found.counts[Finding.FUTILE]
    assert begun + found.refused.total() + refused == found.syncs
    assert found.allowed + sum(found.instead.values()) == found.syncs
    assert found.foreseen <= found.counts[Finding.FUTILE]
    assert found.counts[Finding.HAMMERING] <= found.passing
