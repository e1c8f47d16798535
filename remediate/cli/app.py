"""The `remediate` command: its parts, and what they share."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import remediate
from remediate.cli import (
    audit,
    cases,
    decide,
    demo,
    diff,
    drift,
    explain,
    fleet,
    ledger,
    policy,
    replay,
    run,
    sandbox,
    schema,
    simulate,
    status,
)

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="What to do now about a sync connection that fails: retry, re-authorise, escalate, or leave it alone.",
    epilog="Example: remediate decide responses.ndjson --json",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(remediate.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("decide")(decide.decide)
app.command("explain")(explain.explain)
policy.app.command("diff")(diff.diff)
policy.app.command("test")(cases.test)
policy.app.command("drift")(drift.drift)
policy.app.command("schema")(schema.schema)
app.add_typer(policy.app, name="policy")
app.command("audit")(audit.audit)
app.command("replay")(replay.replay)
app.command("simulate")(simulate.simulate)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("repaired")(ledger.repaired)
app.command("hold")(ledger.hold)
app.command("release")(ledger.release)
app.command("forget")(ledger.forget)
app.add_typer(fleet.app, name="fleet")
app.command("sandbox")(sandbox.sandbox)
app.command("demo")(demo.demo)


def main() -> None:
    """The console script. What the terminal's encoding can't show is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
