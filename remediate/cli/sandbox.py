"""`remediate sandbox`: a Layer on this machine, to point a client at."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from remediate.cli import output
from remediate.errors import InputError, printable
from remediate.reading import Entry, entries

if TYPE_CHECKING:
    from remediate.upstreams.layer.sandbox.counting import Report
    from remediate.upstreams.layer.sandbox.sandbox import Sandbox
    from remediate.upstreams.layer.sandbox.scripting import NamedScript

__all__ = ["sandbox"]

_COUNT: Final = 20
_OUTAGE: Final = '{"hostilities": [{"hostility": "unavailable", "times": null}]}'
_ALL_WELL: Final = '{"hostilities": []}'


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 picks one that is free.")] = 8027,
    businesses: Annotated[
        str | None, typer.Option(help="NDJSON or JSON: id, troubles, hostilities; - reads stdin.", metavar="FILE")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=0, help=f"So many businesses in a mix of troubles, without a file; {_COUNT} if not said."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Its clock runs so many times faster.")] = 1.0,
    accept_overlaps: Annotated[
        bool, typer.Option("--accept-overlaps", help="Run a sync that is triggered during another beside it.")
    ] = False,
) -> None:
    """Serve a Layer on loopback, whose businesses get into trouble, until Ctrl-C; then report.

    A line of FILE: {"id": "acme", "troubles": [{"reason": "QUICKBOOKS_SERVICE_UNAVAILABLE",
    "heals_after_s": 60}], "hostilities": [{"hostility": "hang", "call": "sync", "times": 2}]}.
    Without a file, of twenty businesses three are well, six have outages that pass, seven wait for
    somebody, and four are stuck, archived, disconnected or answered badly.

    While it runs, trouble is made over HTTP, with no token. PUT /_sandbox/hostilities disturbs every call:
    {"hostilities": [{"hostility": "unavailable", "times": null}]} is an outage, and {"hostilities": []}
    ends it. PUT /_sandbox/businesses/ID gives a business the troubles and hostilities of a line of FILE in
    place of its own; POST /_sandbox/businesses/ID/mend with {"by": "customer"} does the customer's part, or
    with "support", "engineering" or "provider" theirs. POST /_sandbox/revoke-tokens makes every token
    invalid; GET /_sandbox/report says what happened until now. At its start an outage is shown as a command.

    Exit status: 0 served and reported, 1 some line of the file was bad, 2 wrong usage.

    Example: remediate sandbox --port 0 --count 40 --speed 60
    """
    if businesses is not None and count is not None:
        output.refuse("--count is for a sandbox without a file of businesses")
    if not 0 < speed < inf:
        output.refuse("--speed: expected a finite number above 0")
    output.need_web_server()
    from remediate.upstreams.layer.sandbox.mix import mixed
    from remediate.upstreams.layer.sandbox.sandbox import Sandbox
    from remediate.upstreams.layer.sandbox.server import serve

    made = Sandbox(clock=_clock(speed), accepts_overlaps=accept_overlaps)
    if businesses is None:
        for script in mixed(_COUNT if count is None else count):
            made.play(script.id, script)
    else:
        _fill(made, businesses)
    with output.whole_output():
        try:
            serve(made, port, lambda url: _announce(made, url))
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            output.refuse(f"port {port}: can't be had: {error.strerror}")
        _show(made.report())


def _clock(speed: float) -> Callable[[], float]:
    began_s, start_s = time.time(), time.monotonic()
    return lambda: began_s + (time.monotonic() - start_s) * speed


def _fill(made: Sandbox, file: str) -> None:
    """Play every script of a file; where any is bad, all that are bad are told, and that is the end."""
    lines: dict[str, int] = {}
    bad = False
    with output.opened(file) as stream:
        try:
            for entry in entries(stream):
                try:
                    script = _script(entry, lines)
                    made.play(script.id, script)
                except InputError as error:
                    bad = True
                    output.complain(
                        f"{printable(file, longest=None)}: line {entry.line}: {printable(str(error), longest=None)}"
                    )
        except OSError as error:
            output.refuse(f"{printable(file, longest=None)}: can't be read: {error.strerror}")
    if bad:
        raise typer.Exit(output.BAD_INPUT)


def _script(entry: Entry, lines: dict[str, int]) -> NamedScript:
    from remediate.upstreams.layer.sandbox.scripting import NamedScript, read_script

    script = read_script(NamedScript, entry.content)
    if script.id in lines:
        raise InputError(f"the same as in line {lines[script.id]}", field="id")
    lines[script.id] = entry.line
    return script


def _announce(made: Sandbox, url: str) -> None:
    told = {"LAYER_ENVIRONMENT": url, "LAYER_CLIENT_ID": made.client_id, "LAYER_CLIENT_SECRET": made.client_secret}
    settings = " ".join(f"{name}={value}" for name, value in told.items())
    sys.stdout.write(f"{url}\n\nPoint a client at it:\n  {settings}\n")
    outage = f"curl -X PUT {url}/_sandbox/hostilities -d '{_OUTAGE}'"
    sys.stdout.write(f"\nMake an outage, until {_ALL_WELL} is put there; --help has more:\n  {outage}\n")
    sys.stdout.write("\nEnd it with Ctrl-C.\n")
    sys.stdout.flush()


def _show(report: Report) -> None:
    sys.stdout.write("\n")
    for name, value in attrs.asdict(report.total).items():
        sys.stdout.write(f"{name:<18}{value:>8}\n")
    for business_id, counts in report.businesses.items():
        if counts.futile or counts.overlapping:
            who = printable(business_id, longest=None)
            sys.stdout.write(f"{who}: {counts.futile} futile, {counts.overlapping} overlapping\n")
