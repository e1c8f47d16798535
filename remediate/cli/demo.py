"""`remediate demo`: the main job on this machine alone, with a report at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from remediate.cli import output

if TYPE_CHECKING:
    from remediate.demonstration import Findings

__all__ = ["demo"]

_WITHIN_S: Final = 55.0


def demo(
    connections: Annotated[int, typer.Option(min=1, max=500, help="How many connections.")] = 300,
    speed: Annotated[float, typer.Option(min=200, max=600, help="How many times faster time runs.")] = 300,
) -> None:
    """Drive a fleet in every kind of trouble against a Layer on loopback, and report what was done.

    The real client over real HTTP: decisions, retries, customers who come back, people who mend what
    is theirs. It takes less than a minute, and needs no key and no server.

    Exit status: 0 every figure is what it has to be, 1 one is not, 2 wrong usage or the extra is missing.

    Example: remediate demo --connections 100
    """
    output.need_web_server()
    from remediate.demonstration import demonstrate, fleet

    with output.progress("connections at rest", connections) as advance:
        known = 0

        def at_rest(many: int) -> None:
            nonlocal known
            advance(many - known)
            known = many

        findings = demonstrate(fleet(connections), speed=speed, within_s=_WITHIN_S, at_rest=at_rest)
    with output.whole_output():
        for line in _report(findings):
            output.console().print(line, soft_wrap=True)
    raise typer.Exit(0 if findings.holds else output.BAD_INPUT)


def _report(findings: Findings) -> Iterator[str]:
    hours = output.duration(findings.passed_s)
    yield f"{len(findings.connections)} connections, {hours} of their time in {findings.took_s:.0f} s"
    if findings.kills:
        yield "The process that looked after them was killed in the middle, and another went on from the ledger."
    yield ""
    yield "What was done first about each"
    for way, details in findings.handled().items():
        yield f"{details.total():>6}  {way}"
        yield from (f"{count:>12}  {detail}" for detail, count in details.most_common())
    yield ""
    yield "What Layer saw, and what people heard"
    for name, (figure, must) in findings.figures.items():
        remark = "" if must is None or figure == must else f"   it has to be {must}"
        yield f"{figure:>6}  {name}{remark}"
    if not findings.holds:
        yield ""
        yield "On a machine that is busy, calls take long for so fast a clock: try a lower --speed."
