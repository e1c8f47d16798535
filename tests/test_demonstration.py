"""The demonstration: its figures, and that a figure which is off is told."""

from __future__ import annotations

from subprocess import CompletedProcess
from typing import Any

import attrs
import pytest

from remediate import demonstration
from remediate.demonstration import Findings, demonstrate, fleet
from remediate.upstreams.layer.sandbox import Report
from tests.commands import run_inside, run_process
from tests.thoroughness import only_in_whole_runs


@pytest.fixture(scope="module")
def demo() -> tuple[CompletedProcess[str], Findings]:
    """The command, once for all of these tests, and what it has found."""
    found: list[Findings] = []

    def noted(*arguments: Any, **more: Any) -> Findings:
        found.append(demonstrate(*arguments, **more))
        return found[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(demonstration, "demonstrate", noted)
        ran = run_inside("demo", "--connections", "100", "--speed", "400")
    return ran, *found


@pytest.fixture
def findings(demo: tuple[CompletedProcess[str], Findings]) -> Findings:
    return demo[1]


def test_the_fleet_has_every_kind_of_trouble_by_its_share() -> None:
    hundred = fleet(100)
    kinds = {one.kind.name: one.kind.share for one in hundred}
    assert len(kinds) == 19
    assert sum(kinds.values()) == 100
    assert all(sum(one.kind.name == name for one in hundred) == share for name, share in kinds.items())


def test_every_figure_is_what_it_has_to_be(findings: Findings) -> None:
    assert {name: figure for name, (figure, must) in findings.figures.items() if must == 0} == {
        "triggers sent more than once": 0,
        "futile syncs": 0,
        "overlapping syncs": 0,
        "customers told twice": 0,
        "humans called for what heals by itself": 0,
        "connections not at rest": 0,
    }
    assert findings.holds
    assert findings.kills == 1
    assert sum(one.triggers > 0 for one in findings.connections) == 63 < findings.figures["syncs triggered"][0]
    assert findings.figures["customers told"][0] == sum("customer" in one.told for one in findings.connections) == 18


def test_what_was_done_is_told(findings: Findings) -> None:
    handled = {way: details.total() for way, details in findings.handled().items()}
    assert handled == {"retried until it was well": 37, "re-authorised": 16, "escalated": 12, "left alone": 35}


def test_every_kind_of_bad_answer_was_met(findings: Findings) -> None:
    met = {one.kind.name for one in findings.connections if one.kind.hostilities and one.triggers}
    assert len(met) == 4
    assert findings.report.total.answered_429 >= 3


@pytest.mark.parametrize("name", ["futile", "overlapping"])
def test_a_figure_that_is_off_is_told(findings: Findings, name: str) -> None:
    total = attrs.evolve(findings.report.total, **{name: 1})
    spoilt = attrs.evolve(findings, report=Report(total=total, businesses=findings.report.businesses))
    assert not spoilt.holds


def test_a_connection_that_is_not_at_rest_is_told() -> None:
    hurried = demonstrate(fleet(40), speed=400, within_s=0.5)
    assert hurried.figures["connections not at rest"][0] > 0
    assert not hurried.holds


def reports(ran: CompletedProcess[str], connections: int) -> None:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith(f"{connections} connections, ")
    assert "     0  futile syncs\n" in ran.stdout
    assert ran.stderr == ""


def test_the_command_reports_and_says_by_its_exit_status_whether_it_holds(
    demo: tuple[CompletedProcess[str], Findings],
) -> None:
    reports(demo[0], 100)


@only_in_whole_runs
def test_the_command_reports_as_a_process_too() -> None:
    reports(run_process("demo", "--connections", "20", "--speed", "600"), 20)
