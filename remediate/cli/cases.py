"""`remediate policy test`: cases against a policy, and what no case touches."""
# ruff: noqa: PT028  # the command is called test, and is none of pytest's

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from remediate.cli import output
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import PolicyError, printable
from remediate.regions import size
from remediate.wire import dumps

if TYPE_CHECKING:
    from remediate.workshop.cases.coverage import Coverage, Target
    from remediate.workshop.cases.reading import Trial
    from remediate.workshop.cases.trying import Failure, Report

__all__ = ["test"]

_MOST_REGIONS: Final = 10
_MOST_VALUES: Final = 4


class Cover(StrEnum):
    """What some case has to touch."""

    NONE = "none"
    RULES = "rules"
    REGIONS = "regions"


def test(
    policy: Annotated[str, typer.Argument(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    cases: Annotated[
        list[str] | None,
        typer.Argument(help="Files of cases, or - for stdin; without any, those that are shipped with the policy."),
    ] = None,
    cover: Annotated[
        Cover, typer.Option(help="Exit with 1 too where no case touches a rule, or a region in each of its answers.")
    ] = Cover.NONE,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, with every failure and region.")] = False,
) -> None:
    """Try cases against a policy: the expected answer, the expected rule, and what no case touches.

    A case is a TOML table: [[cases]] with name, given (what is observed, in any shape that is read
    elsewhere), answer (as `decide` shows it) and rule. It may have history and key, and expect may_sync,
    evidence, anomalies, look_again_s, attempt, delay_s, ceiling_s, repeats and because. Seconds may be
    [low, high]. In given and history a list stands for each of its values, "absent" for a field that is
    left out, and both may be lists of tables; a case stands for 10000 observations at most. With after,
    a list of tables of a history and what to expect, the same is tried after other histories.

    Covered are rules, and regions: combinations that one rule answers alike, each once within its
    limit, past it, once repaired, and after too long a Retry-After, as far as it has such answers.

    JSON: {"policy", "cases", "observations", "failures": [{"file", "case", "record", "differences":
    [{"field", "expected", "got", "hint"}], "because"}], "coverage": {KIND: {"rules": {"all", "untouched": [NAME]},
    "regions": {"all", "touched"}, "answers": {"all", "untouched": [{"rule", "when", "where", "combinations"}]}}}}.

    Exit status: 0 all hold, 1 some do not, 2 a policy or a case can't be read; then none is tried.

    Example: remediate policy test layer-quickbooks
    """
    from remediate.workshop.cases.trying import try_cases

    engine = output.load_engine(policy)
    report = try_cases(engine, _trials(engine, policy, cases or []))
    with output.whole_output():
        if json:
            sys.stdout.write(dumps(_as_dict(engine, report)) + "\n")
        else:
            _tell(engine, report)
    failed = bool(report.failures) or any(_lacks(coverage, cover) for coverage in report.coverage.values())
    raise typer.Exit(output.BAD_INPUT if failed else 0)


def _lacks(coverage: Coverage, cover: Cover) -> bool:
    if cover is Cover.NONE:
        return False
    return bool(coverage.untouched_rules if cover is Cover.RULES else coverage.untouched)


def _trials(engine: Engine, policy: str, files: Sequence[str]) -> list[Trial]:
    """The cases of all files; where one can't be read, all that is wrong is told."""
    from remediate.workshop.cases.reading import LARGEST_FILE, parse_cases, shipped_cases

    shipped = None if files else shipped_cases(policy)
    if not files and shipped is None:
        output.refuse(f"{printable(policy)}: no cases are shipped with it; name a file of cases")
    found: list[Trial] = []
    refused = False
    for file in [str(shipped)] if shipped is not None else files:
        with output.opened(file) as stream:
            try:
                content = stream.read(LARGEST_FILE + 1)
            except OSError as error:
                output.refuse(f"{printable(file, longest=None)}: can't be read: {error.strerror}")
        named = shipped.name if shipped is not None else printable(file, longest=None)
        try:
            found += parse_cases(content, engine, source=named)
        except PolicyError as error:
            refused = True
            output.complain(str(error))
    if refused:
        raise typer.Exit(output.REFUSED)
    return found


# As JSON.


def _as_dict(engine: Engine, report: Report) -> dict[str, object]:
    policy = engine.policy
    return {
        "policy": {"name": policy.name, "revision": policy.revision, "sha256": policy.sha256},
        "cases": report.cases,
        "observations": report.observations,
        "failures": [_failure(engine, failure) for failure in report.failures],
        "coverage": {kind: _covered(coverage) for kind, coverage in report.coverage.items()},
    }


def _failure(engine: Engine, failure: Failure) -> dict[str, object]:
    told = [
        {"field": one.field, "expected": one.expected, "got": one.got, "hint": one.hint.strip(" ()") or None}
        for one in failure.differences
    ]
    return {
        "file": failure.trial.source,
        "case": failure.trial.case.name,
        "record": engine.upstream.write(failure.record),
        "differences": told,
        "because": failure.decision.because,
    }


def _covered(coverage: Coverage) -> dict[str, object]:
    untouched = []
    for target in coverage.untouched:
        region = coverage.section.regions[target.region]
        where, combinations = _where(coverage, target), size(region.box)
        untouched.append({"rule": region.rule.name, "when": target.when, "where": where, "combinations": combinations})
    return {
        "rules": {"all": len(coverage.rules), "untouched": list(coverage.untouched_rules)},
        "regions": {"all": len(coverage.section.regions), "touched": coverage.regions},
        "answers": {"all": len(coverage.targets), "untouched": untouched},
    }


def _where(coverage: Coverage, target: Target) -> Mapping[str, tuple[str, ...]]:
    return coverage.section.shape.space.where(coverage.section.regions[target.region].box)


# For people.


def _tell(engine: Engine, report: Report) -> None:
    out = output.console()
    policy = engine.policy
    stamp = f"{policy.name} {policy.revision} ({policy.sha256[:12]})"
    failed = len(list(report.by_case))
    held = f"{report.cases} hold" if not failed else f"{failed} of {report.cases} do not hold"
    out.print(f"{stamp}: cases: {held}; observations: {report.observations}", soft_wrap=True)
    for trial, failures in report.by_case:
        out.print()
        out.print(f"{trial.source}: case {_quoted(trial.case.name)} does not hold", soft_wrap=True)
        output.show_table(_grid(engine, failures), output.READABLE_WIDTH)
    for kind, coverage in report.coverage.items():
        rules, answers = len(coverage.rules), len(coverage.targets)
        out.print()
        out.print(
            f"{kind}: {rules - len(coverage.untouched_rules)} of {rules} rules touched, "
            f"{coverage.regions} of {len(coverage.section.regions)} regions, "
            f"{answers - len(coverage.untouched)} of {answers} of their answers",
            soft_wrap=True,
        )
        for line in _untouched(coverage):
            out.print(f"  {line}", soft_wrap=True)


def _grid(engine: Engine, failures: Sequence[Failure]) -> Table:
    """The first observation for which a case does not hold, and how many there are."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    first = failures[0]
    for one in first.differences:
        grid.add_row(f"  {one.field}", Text(f"expected {_said(one.expected)}{one.hint}, got {_said(one.got)}"))
    grid.add_row("  because", Text(first.decision.because))
    grid.add_row("  given", Text(dumps(engine.upstream.write(first.record))))
    grid.add_row("", Text(f"{len(failures)} of {len(first.trial.records)} observations"))
    return grid


def _said(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value) if " " in value else printable(value, longest=None)
    return "nothing" if value is None else dumps(value)


def _quoted(text: str) -> str:
    return f'"{printable(text, longest=None)}"'


def _untouched(coverage: Coverage) -> Iterator[str]:
    """What no case touches: every rule, and a number of the regions of the others."""
    for name in coverage.untouched_rules:
        yield f"no case touches the rule {_quoted(name)}"
    left = [
        (name, target)
        for target in coverage.untouched
        if (name := coverage.section.regions[target.region].rule.name) not in coverage.untouched_rules
    ]
    for name, target in left[:_MOST_REGIONS]:
        where = ", ".join(f"{field} = {_values(values)}" for field, values in _where(coverage, target).items())
        yield f"no case touches {_quoted(name)} {target.when}{f' at {where}' if where else ''}"
    if len(left) > _MOST_REGIONS:
        yield f"and {len(left) - _MOST_REGIONS} more of such answers; --json has them all"


def _values(values: tuple[str, ...]) -> str:
    shown = " | ".join(values[:_MOST_VALUES])
    return shown if len(values) <= _MOST_VALUES else f"{shown} | … ({len(values)} in all)"
