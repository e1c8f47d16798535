"""`remediate policy`: list what is shipped, show one as tables, check any."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from remediate.cli import output, tables
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import PolicyError, did_you_mean, printable
from remediate.loading import bundled_names
from remediate.regions import size
from remediate.wire import dumps

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look at policies, and at what a change of one does."
)


class Format(StrEnum):
    """How a table is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


@app.command("list")
def list_policies() -> None:
    """List the policies that are shipped.

    Example: remediate policy list
    """
    table = Table(box=None, pad_edge=False)
    for name in ("policy", "revision", "upstream"):
        table.add_column(name, no_wrap=True)
    table.add_column("what it answers")
    for name in bundled_names():
        policy = output.load_engine(name).policy
        table.add_row(policy.name, policy.revision, policy.upstream, policy.summary)
    with output.whole_output():
        output.show_table(table)


@app.command("table")
def show_table(
    policy: Annotated[str, typer.Argument(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    format: Annotated[Format, typer.Option(help="How it is written; json gives the regions.")] = Format.TEXT,
    kind: Annotated[str | None, typer.Option(help="Only this kind of observation, for instance status.")] = None,
) -> None:
    """Show every answer of a policy as a matrix.

    Example: remediate policy table --kind status --format markdown
    """
    engine = output.load_engine(policy)
    if kind is not None and kind not in engine.deciders:
        listed = ", ".join(f"`{name}`" for name in engine.deciders)
        output.refuse(
            f"--kind: unknown kind `{printable(kind)}`{did_you_mean(kind, engine.deciders)}; there are {listed}"
        )
    found = tables.grids(engine, kind)
    with output.whole_output():
        match format:
            case Format.TEXT:
                for grid in found:
                    _print(grid)
            case Format.JSON:
                sys.stdout.write("[" + ",\n ".join(map(dumps, tables.regions(engine, kind))) + "]\n")
            case Format.CSV:
                sys.stdout.write(tables.as_csv(found))
            case Format.MARKDOWN:
                sys.stdout.write(tables.as_markdown(found))
            case Format.HTML:
                sys.stdout.write(tables.as_html(found, f"{engine.policy.name} {engine.policy.revision}"))


@app.command("check")
def check(
    policies: Annotated[
        list[str] | None, typer.Argument(help="Policies by name or file; without any, all that are shipped.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a policy, a line each.")] = False,
) -> None:
    """Load policies and prove them: combinations per rule, and each invariant with its count.

    Exit status: 0 all hold, 2 one does not load or does not hold; the others are still checked.

    Example: remediate policy check my-policy.toml
    """
    refused = False
    with output.whole_output():
        for name in policies or bundled_names():
            try:
                engine = Engine.load(name)
            except PolicyError as error:
                refused = True
                output.complain(str(error))
                if json:
                    sys.stdout.write(dumps({"policy": name, "proven": False, "problems": error.problems}) + "\n")
                continue
            found = _proof(engine)
            if json:
                sys.stdout.write(dumps(found) + "\n")
            else:
                _tell(engine)
    raise typer.Exit(output.REFUSED if refused else 0)


def _proof(engine: Engine) -> dict[str, object]:
    sections = {}
    for kind, decider in engine.deciders.items():
        section = decider.section
        counted = zip(section.section.invariants, section.invariants, strict=True)
        sections[kind] = {
            "combinations": section.shape.space.size,
            "regions": len(section.regions),
            "rules": section.combinations,
            "invariants": {invariant.name: size(box) for invariant, box in counted},
        }
    policy = engine.policy
    stamp = {"policy": policy.name, "revision": policy.revision, "sha256": policy.sha256}
    return {**stamp, "proven": True, "sections": sections}


def _tell(engine: Engine) -> None:
    out = output.console()
    policy = engine.policy
    out.print(f"{policy.name} {policy.revision} ({policy.sha256[:12]}): proven", soft_wrap=True)
    for kind, decider in engine.deciders.items():
        section = decider.section
        out.print(f"\n{kind}: {section.shape.space.size} combinations in {len(section.regions)} regions")
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(justify="right", no_wrap=True)
        table.add_column()
        for name, count in section.combinations.items():
            table.add_row(str(count), name)
        for invariant, box in zip(section.section.invariants, section.invariants, strict=True):
            table.add_row(str(size(box)), f"holds: {invariant.name}")
        output.show_table(table)
    out.print()


def _print(grid: tables.Grid) -> None:
    table = Table(title=grid.title, title_justify="left", title_style="bold", show_lines=False)
    for name in grid.head:
        table.add_column(name, overflow="fold")
    for row in grid.rows:
        table.add_row(*row)
    output.show_table(table, output.READABLE_WIDTH)
