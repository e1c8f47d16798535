"""`remediate policy diff`: what a change of a policy changes, over every combination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.padding import Padding

from remediate.cli import output
from remediate.errors import PolicyError, printable
from remediate.wire import dumps

if TYPE_CHECKING:
    from remediate.comparing import ChangedRegion, Comparison, Detail
    from remediate.compiling import CompiledPolicy
    from remediate.observation import Shape
    from remediate.policy import Policy

__all__ = ["diff"]

_OPERAND = "A shipped policy by its name, a policy file, or a file in a revision of git: FILE.toml@REVISION."


def diff(
    old: Annotated[str, typer.Argument(help=_OPERAND)],
    new: Annotated[str, typer.Argument(help="The same.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what another policy answers otherwise: answers, limits, evidence, words; where, and how.

    Every combination is compared, within and past its limits, once repaired, and after too long a
    Retry-After. Two policies that are written differently and answer alike are equal.

    Exit status: 0 equal, 1 they differ, 2 wrong usage or a policy that does not load.

    Example: remediate policy diff policies/layer-quickbooks.toml@main policies/layer-quickbooks.toml
    """
    from remediate.comparing import compare

    before, after = _proven_pair(old, new)
    found = compare(before, after)
    with output.whole_output():
        if json:
            typer.echo(dumps(_plain(before.policy, after.policy, found)))
        else:
            _show(before, after.policy, found)
    raise typer.Exit(0 if found.is_equal else output.BAD_INPUT)


def _proven_pair(old: str, new: str) -> tuple[CompiledPolicy, CompiledPolicy]:
    """Both policies, proven; where either does not load, every problem of both is told."""
    from remediate.proving import proven
    from remediate.upstreams import find_upstream
    from remediate.workshop.revisions import load_revision

    compiled = []
    problems: list[str] = []
    shapes: Mapping[str, Shape] = {}
    for operand in (old, new):
        try:
            policy = load_revision(operand)
            shapes = find_upstream(policy.upstream, policy.source).shapes
            compiled.append(proven(policy, shapes))
        except PolicyError as error:
            problems.append(str(error))
    if problems:
        output.refuse("\n".join(problems))
    before, after = compiled
    if before.policy.upstream != after.policy.upstream:
        upstreams = f"{before.policy.upstream} and {after.policy.upstream}"
        output.refuse(f"they answer for two upstreams, {upstreams}, which have no combination in common")
    return before, after


def _show(before: CompiledPolicy, new: Policy, found: Comparison) -> None:
    out, old = output.console(), before.policy
    out.print(f"{old.name} {old.revision} ({old.sha256[:12]}) → {new.name} {new.revision} ({new.sha256[:12]})")
    if found.is_equal:
        out.print(f"equal: alike in all {sum(found.combinations.values())} combinations", soft_wrap=True)
        return
    for title, regions in _titled(found):
        out.print(f"\n{title}", soft_wrap=True)
        for region in regions:
            every = {axis.name: axis.values for axis in before.sections[region.kind].shape.space.axes}
            where = output.conditions(region.where, every)
            out.print(Padding(f"{where} ({region.combinations})", (0, 0, 0, 2)))
            for detail in region.details:
                out.print(Padding(_detail(detail, region.facet), (0, 0, 0, 6)))
    for setting in found.settings:
        out.print(f"\n{setting.name}: {_number(setting.old)} → {_number(setting.new)}", soft_wrap=True)


def _titled(found: Comparison) -> Iterator[tuple[str, list[ChangedRegion]]]:
    """The regions of each kind and facet, under what they are and how many combinations they hold."""
    for kind, combinations in found.combinations.items():
        for facet in ("answer", "limits", "evidence", "words"):
            regions = [one for one in found.changes if (one.kind, one.facet) == (kind, facet)]
            if regions:
                many = sum(region.combinations for region in regions)
                what = f"other {'answers' if facet == 'answer' else facet}"
                yield f"{kind}: {what} in {many} of {combinations} combinations", regions
        told = [one for one in found.anomalies if one.kind == kind]
        if told:
            yield f"{kind}: other anomalies", told


def _detail(detail: Detail, facet: str) -> str:
    if facet == "anomaly":
        return f"{detail.what} is told" if detail.old is None else f"{detail.what} is no longer told"
    said = f"{_said(detail.old)} → {_said(detail.new)}"
    return said if detail.what == "answer" else f"{detail.what}: {said}"


def _said(value: str | float | None) -> str:
    if value is None:
        return "nothing"
    return printable(value, longest=None) if isinstance(value, str) else f"{value:g}"


def _number(value: float | tuple[float, ...]) -> str:
    return ", ".join(f"{one:g}" for one in (value if isinstance(value, tuple) else (value,))) or "none"


def _plain(old: Policy, new: Policy, found: Comparison) -> dict[str, Any]:
    return {
        "old": attrs.asdict(old.stamp),
        "new": attrs.asdict(new.stamp),
        "equal": found.is_equal,
        "combinations": dict(found.combinations),
        "changes": [_region(one) for one in found.changes],
        "anomalies": [_region(one) for one in found.anomalies],
        "settings": [attrs.asdict(one) for one in found.settings],
    }


def _region(region: ChangedRegion) -> dict[str, Any]:
    return {
        "kind": region.kind,
        "facet": region.facet,
        "where": {name: list(values) for name, values in region.where.items()},
        "combinations": region.combinations,
        "details": [attrs.asdict(one) for one in region.details],
        "rules": {"old": list(region.old_rules), "new": list(region.new_rules)},
    }
