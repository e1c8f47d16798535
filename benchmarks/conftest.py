from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import material
from benchmarks.bars import row
from benchmarks.material import Combination
from benchmarks.measuring import Fresh, Work, compare
from benchmarks.report import Report
from remediate import Decision, Engine

LookUps = Callable[[Sequence[Combination]], Work]
"""Makes B over some combinations, each time with values of its own."""

_REPORT: Final = pytest.StashKey[Report]()
_HERE: Final = Path(__file__).parent


class Measure(Protocol):
    """Time a row and put it into the report."""

    def __call__(self, name: str, fresh: Fresh, *, rounds: int, parts: int = 1) -> None: ...


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine.bundled()


@pytest.fixture
def measure(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Measure:
    report = request.config.stash[_REPORT]

    def timed(name: str, fresh: Fresh, *, rounds: int, parts: int = 1) -> None:
        bar = row(name)
        benchmark.group = bar.group
        ratio = compare(benchmark, fresh, rounds=rounds, parts=parts)
        if ratio is not None:
            benchmark.extra_info["ratio"] = ratio.median
            report.add(bar, ratio)

    return timed


@pytest.fixture(scope="session")
def look_ups(engine: Engine) -> LookUps:
    statuses = [material.observation(one) for one in material.COMBINATIONS]
    table: dict[material.Raw, Decision] = {material.values_of(one): engine.decide(one) for one in statuses}
    look_up = material.look_up_in(table)

    def fresh(combinations: Sequence[Combination]) -> Work:
        values = [material.values_of(material.observation(one)) for one in combinations]

        def work() -> None:
            for connected, syncing, status, reason, flag in values:
                look_up(connected, syncing, status, reason, flag)

        return work

    return fresh


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    report = session.config.stash[_REPORT]
    if exitstatus == pytest.ExitCode.OK and not report.missing:
        report.write(_HERE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    report = config.stash[_REPORT]
    for line in report.lines():
        terminalreporter.write_line(line)
    terminalreporter.write_line("")
    for miss in report.misses():
        terminalreporter.write_line(f"MISSED: {miss}", red=True)
    if report.missing:
        listed = ", ".join(report.missing)
        terminalreporter.write_line(f"results.md is not written: {listed} not measured", yellow=True)
