"""Outcomes as a report in Markdown: a table a scenario, the bars, and who beats whom.

Knows numbers, and nothing of how they came about. A bar stands here once and is moved nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isfinite
from statistics import median
from typing import Final

import attrs

from benchmarks.fleet.running import ORACLE, OURS, STRATEGIES, Outcome
from benchmarks.fleet.scenarios import Entry, Judged

__all__ = ["Bar", "Outcomes", "beaten", "lines", "verdicts"]

Outcomes = Mapping[str, Mapping[str, Sequence[Outcome]]]
"""By scenario and strategy, an outcome a seed."""

_MANY: Final = 100_000
_OF: Final = 10_000
_LEAST_S: Final = 60.0
"""Where the oracle is sooner done there was hardly anything to recover from, and a ratio says nothing."""


@attrs.frozen(kw_only=True)
class Bar:
    """What may not be exceeded, by the median.

    Attributes:
        scenario: in which.
        what: for people.
        most: the bar.
        measured: the median, and the worst.
    """

    scenario: str
    what: str
    most: float
    measured: tuple[float, float]

    @property
    def is_reached(self) -> bool:
        """Whether it is not exceeded."""
        return self.measured[0] <= self.most


Column = Callable[[Outcome, Outcome | None], float | None]
"""What a column shows of an outcome and the oracle's with the same seed; None: nothing."""


def _ratio(one: Outcome, oracle: Outcome | None) -> float | None:
    if oracle is None or not _LEAST_S <= oracle.recovered_s < inf:
        return None
    return one.recovered_s / oracle.recovered_s


_COLUMNS: Final[dict[str, Column]] = {
    "95 % well after, min": lambda one, oracle: one.recovered_s / 60,
    "÷ oracle": _ratio,
    "failed calls": lambda one, oracle: one.failed,
    "peak ÷ capacity": lambda one, oracle: one.peak,
    "p95 late, min": lambda one, oracle: one.late_s / 60,
    "told in vain": lambda one, oracle: one.told_in_vain,
    "overlaps": lambda one, oracle: one.overlaps,
}
_RECOVERY: Final = {"outage-10m": (1.20, 20), "outage-1h": (1.10, 40), "outage-6h": (1.05, 75)}


def lines(entries: Sequence[Entry], outcomes: Outcomes, connections: int) -> Iterator[str]:
    """The report, after its title."""
    bars = list(verdicts(entries, outcomes, connections))
    if bars:
        yield from ("## Bars", "", "| scenario | what | bar | median | worst | |", "|---|---|--:|--:|--:|---|")
        yield from (_bar_line(bar) for bar in bars)
        yield ""
    yield from ("## Contest", "")
    yield from _contest(entries, outcomes)
    for one in entries:
        yield from ("", f"## {one.name}", "", f"{one.scenario.summary[:1].upper()}{one.scenario.summary[1:]}.", "")
        yield from _table(one, outcomes[one.name])


def beaten(entries: Sequence[Entry], outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    """The scenarios in which a baseline is better both in time and in failed calls, and which."""
    for entry in entries:
        found = outcomes[entry.name]
        ours = _judged(entry, found[OURS])
        for strategy in found:
            if strategy not in (OURS, ORACLE):
                theirs = _judged(entry, found[strategy])
                if theirs[0] < ours[0] and theirs[1] < ours[1]:
                    yield entry.name, strategy


def verdicts(entries: Sequence[Entry], outcomes: Outcomes, connections: int) -> Iterator[Bar]:
    """The bars of the scenarios that were run, for the governor."""
    for entry in entries:
        found = outcomes[entry.name]
        ours = found[OURS]
        name = entry.name
        short = name.removesuffix("-syncs")
        if short in _RECOVERY:
            slowest, failed = _RECOVERY[short]
            ratios = _values(_ratio, ours, found.get(ORACLE))
            if ratios:
                yield _bar(name, "time until 95 % are well ÷ the oracle's", slowest, ratios)
            yield _bar(name, "failed calls", failed, [one.failed for one in ours])
            peak = 1.5 if connections >= _MANY else 1.25
            yield _bar(name, "peak load ÷ capacity", peak, [one.peak for one in ours])
        elif name == "authorisation":
            yield _bar(name, "customers told in vain", 3, [one.told_in_vain for one in ours])
        elif name == "broken-tenants":
            yield _bar(name, "p95 lateness of the others, min", 0.5, [one.late_s / 60 for one in ours])
        elif short == "brown-out":
            yield from _against_best(entry, found)
        elif name == "calm-week":
            yield _bar(name, "syncs before re-authorisation", 0, [one.premature for one in ours])
            yield _bar(name, "duplicate notices", 0, [one.duplicates for one in ours])
            called = [one.asked_in_vain * _OF / connections for one in ours]
            yield _bar(name, "people called for what heals by itself, per 10,000 connections", 5, called)


def _against_best(entry: Entry, found: Mapping[str, Sequence[Outcome]]) -> Iterator[Bar]:
    others = {name: _judged(entry, found[name]) for name in found if name not in (OURS, ORACLE)}
    if not others:
        return
    best = min(others, key=others.__getitem__)
    late_s, failed = others[best]
    yield _bar(entry.name, f"p95 lateness, min; {best}'s", late_s / 60, [one.late_s / 60 for one in found[OURS]])
    yield _bar(entry.name, f"failed calls; {best}'s", failed, [one.failed for one in found[OURS]])


def _judged(entry: Entry, outcomes: Sequence[Outcome]) -> tuple[float, float]:
    by_time = entry.judged == Judged.RECOVERY
    return (
        median(one.recovered_s if by_time else one.late_s for one in outcomes),
        median(one.failed for one in outcomes),
    )


def _bar(scenario: str, what: str, most: float, values: Sequence[float]) -> Bar:
    return Bar(scenario=scenario, what=what, most=most, measured=(median(values), max(values)))


def _bar_line(bar: Bar) -> str:
    said = "reached" if bar.is_reached else "**missed**"
    middle, worst = (_number(one) for one in bar.measured)
    return f"| {bar.scenario} | {bar.what} | {_number(bar.most)} | {middle} | {worst} | {said} |"


def _contest(entries: Sequence[Entry], outcomes: Outcomes) -> Iterator[str]:
    lost = list(beaten(entries, outcomes))
    if not lost:
        yield "- No baseline is better both in time and in failed calls, in any scenario."
    for scenario, strategy in lost:
        yield f"- {scenario}: **{strategy}** is better both in time and in failed calls."
    for entry in entries:
        ours = outcomes[entry.name][OURS]
        if _collapsed(ours):
            yield f"- {entry.name}: the governor **collapsed** with {_collapsed(ours)} of {len(ours)} seeds."


def _table(entry: Entry, found: Mapping[str, Sequence[Outcome]]) -> Iterator[str]:
    yield f"| strategy | {' | '.join(_COLUMNS)} | collapsed |"
    yield f"|---|{'--:|' * (len(_COLUMNS) + 1)}"
    oracle = found.get(ORACLE) if entry.has_oracle else None
    for strategy in STRATEGIES:
        if strategy in found:
            ran = found[strategy]
            cells = [_cell(_values(column, ran, oracle)) for column in _COLUMNS.values()]
            yield f"| {strategy} | {' | '.join(cells)} | {_collapsed(ran)} of {len(ran)} |"


def _values(column: Column, ran: Sequence[Outcome], oracle: Sequence[Outcome] | None) -> list[float]:
    beside: Sequence[Outcome | None] = oracle or [None] * len(ran)
    shown = [column(one, best) for one, best in zip(ran, beside, strict=True)]
    return [one for one in shown if one is not None]


def _collapsed(ran: Sequence[Outcome]) -> int:
    return sum(one.has_collapsed for one in ran)


def _cell(values: Sequence[float]) -> str:
    return f"{_number(median(values))} ({_number(max(values))})" if values else ""


def _number(value: float) -> str:
    if not isfinite(value):
        return "never"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
