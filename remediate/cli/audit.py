"""`remediate audit`: a team's own log of statuses and attempts, and what of it was wasted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import attrs
import typer
from rich.table import Table

from remediate.cli import output, tables
from remediate.decision import Owner
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import InputError, ScratchError, printable
from remediate.wire import dumps
from remediate.workshop.audit.findings import Finding

if TYPE_CHECKING:
    from remediate.workshop.audit.findings import Audit
    from remediate.workshop.journals import Fault

__all__ = ["audit"]

_WORDS: Final[Mapping[Finding, str]] = {
    Finding.FUTILE: "syncs that could not have succeeded",
    Finding.OVERLAPPING: "syncs that ran into another",
    Finding.HAMMERING: "syncs retried too soon while upstream was down",
    Finding.WAITED: "attempts that were made late, or never",
    Finding.TOLD_AGAIN: "people told again before a reminder was due",
    Finding.NEEDLESS: "customers told of what is not theirs",
    Finding.NEVER_TOLD: "customers never told, though only they could act",
}
Rows = Sequence[tuple[str, ...]]

_MOST_WORDS: Final = 5
_OF_SYNCS: Final = (Finding.FUTILE, Finding.OVERLAPPING, Finding.HAMMERING)
_OF_PEOPLE: Final = (Finding.TOLD_AGAIN, Finding.NEEDLESS, Finding.NEVER_TOLD)


def audit(
    log: Annotated[str, typer.Argument(help="NDJSON, or CSV with a line of names; - reads stdin.")],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=NAME", help="What the log calls a field, for instance at=created_at; repeatable."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT=WORD,…", help="What it calls an event, for instance sync=retry_job; repeatable."),
    ] = None,
    policy: Annotated[str, typer.Option(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Also write a page to pass around.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Pass over lines that can't be read.")] = False,
) -> None:
    """Find what a log of statuses and syncs wasted, and what a policy would have done instead.

    A line has `at` (ISO 8601, UTC where it says no zone, or seconds or milliseconds since 1970), `key`
    (whose connection), `event` and what upstream said, in the fields of an observation, or whole under
    `observation`; a name may be a dotted path. Events are `status`
    (where none is said), `sync` (one was triggered; with what it was answered, or how it ended), `told`
    (somebody was told; `to` says who, else the customer) and `mended` (a customer came back, or somebody
    mended it). Other events are passed over and counted; lines may come in any order.

    Exit status: 0 audited, 1 with --skip-bad where lines were passed over, 2 wrong usage, a policy that
    does not load, or a log that can't be read.

    Example: remediate audit sync-log.csv --column at=created_at --column key=business_id --html audit.html
    """
    engine = output.load_engine(policy)
    found, faults = _audited(log, engine, column or [], event or [])
    source = printable(log, longest=None)
    for fault in faults:
        output.complain(f"{source}: {fault.place}: {printable(fault.why, longest=None)}")
    if found.bad and not skip_bad:
        output.refuse(f"{source}: lines that can't be read: {found.bad}; --skip-bad passes over them")
    title = f"Audit of {printable(Path(log).name, longest=None)} by {engine.policy.name} {engine.policy.revision}"
    if not found.syncs:
        output.complain("no line tells of a sync: --event sync=WORD says what yours are called")
    if html is not None:
        _write(html, log, tables.as_html(_grids(found, engine), title))
    with output.whole_output():
        if json:
            typer.echo(dumps(_plain(found, engine)))
        else:
            output.console().print(title, soft_wrap=True)
            for grid in _grids(found, engine):
                _print(grid)
    raise typer.Exit(output.BAD_INPUT if found.bad else 0)


def _audited(log: str, engine: Engine, columns: list[str], events: list[str]) -> tuple[Audit, list[Fault]]:
    from remediate.workshop.audit.auditing import audit as audited
    from remediate.workshop.audit.columns import Columns
    from remediate.workshop.audit.logs import read_log

    known = {field.name for cls in engine.upstream.observations for field in attrs.fields(cast(Any, cls))} | {
        "observation"
    }
    faults: list[Fault] = []
    try:
        mapped = Columns.of(columns, events, sorted(known))
    except InputError as error:
        output.refuse(f"--column or --event: {error.message}")
    with output.opened(log) as stream, output.progress("bytes", output.length(stream)) as advance:
        try:
            lines = output.read_whole(read_log(stream, engine, mapped, advance), log)
            return audited(lines, engine, faults), faults
        except InputError as error:
            output.refuse(f"{printable(log, longest=None)}: {error.message}")
        except ScratchError as error:
            output.refuse(str(error))


def _write(file: str, log: str, page: str) -> None:
    """The page, whole or not at all, and never in place of the log."""
    made = Path(f"{file}.part")
    try:
        if Path(file).exists() and Path(log).exists() and Path(file).samefile(log):
            output.refuse(f"{printable(file, longest=None)}: is the log itself")
        made.write_text(page, encoding="utf-8", newline="\n")
        made.replace(file)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        with suppress(OSError, ValueError):
            made.unlink(missing_ok=True)
        why = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        output.refuse(f"{printable(file, longest=None)}: can't be written: {why}")


def _grids(found: Audit, engine: Engine) -> Iterator[tables.Grid]:
    """Every table of the report, for a terminal and for a page."""
    yield _grid("What the log tells", ("", ""), _told(found))
    yield _grid("What was wasted", ("", "how often", "of all syncs"), _wasted(found))
    if found.reasons:
        rows = [(printable(said), str(many)) for said, many in found.reasons.most_common()]
        yield _grid("What the syncs that could not succeed needed instead", ("the policy's answer", "syncs"), rows)
    if found.outages:
        outages = [
            (_moment(one.from_s), "" if one.until_s is None else _moment(one.until_s), str(one.most), str(one.syncs))
            for one in found.outages
        ]
        head = ("from", "until", "connections at most", "syncs meanwhile")
        yield _grid("Times in which upstream failed for many", head, outages)
    yield _grid(f"What {engine.policy.name} would have done at those syncs", ("", "syncs"), _instead(found))
    yield _grid("And on what was seen, by itself", ("", ""), _planned(found))
    examples = [
        (_WORDS[finding], _moment(one.at_s), printable(one.key, longest=None), printable(one.why, longest=None))
        for finding, instances in found.instances.items()
        for one in instances
    ]
    if examples:
        yield _grid("Examples", ("what", "when", "connection", "why"), examples)
        worst = [(printable(key, longest=None), str(waste)) for waste, key in found.worst]
        yield _grid("Where most was wasted", ("connection", "findings"), worst)


def _grid(title: str, head: tuple[str, ...], rows: Rows) -> tables.Grid:
    return tables.Grid(kind="audit", title=title, head=head, rows=tuple(rows))


def _told(found: Audit) -> Rows:
    span = (
        "" if found.from_s is None or found.until_s is None else f"{_moment(found.from_s)} to {_moment(found.until_s)}"
    )
    rows = [
        ("lines", str(found.lines)),
        ("of other events", _others(found)),
        ("told twice by the log", str(found.repeated)),
        ("connections", str(found.connections)),
        ("time", span),
        ("syncs triggered", str(found.syncs)),
        ("  followed by a success", str(found.succeeded)),
        ("  failed in a way that passes", str(found.passing)),
        ("  refused at once", str(found.refused.total())),
        ("  without a known outcome", str(found.unknown)),
        ("people told", "not in the log" if found.told is None else str(found.told)),
    ]
    return [row for row in rows if row[1] not in ("", "0") or row[0] in ("lines", "syncs triggered")]


def _others(found: Audit) -> str:
    """How many lines tell of other events, and of which."""
    words = ", ".join(printable(word) for word, _ in found.others.most_common(_MOST_WORDS))
    return f"{found.others.total()}: {words}" if words else "0"


def _wasted(found: Audit) -> Rows:
    rows: list[tuple[str, ...]] = []
    for finding, words in _WORDS.items():
        many = found.counts[finding]
        if finding in _OF_PEOPLE and found.told is None:
            continue
        share = f"{many / found.syncs:.0%}" if finding in _OF_SYNCS and found.syncs else ""
        rows.append((words, str(many), share))
        if finding is Finding.FUTILE and many:
            rows.append(("  of them, the status before already told so", str(found.foreseen), ""))
        if finding is Finding.WAITED and many:
            rows.append(("  how long together", output.duration(found.waited_s), ""))
    if found.untold_s:
        rows.append(("how long customers who had to act were not told, together", output.duration(found.untold_s), ""))
    return rows


def _instead(found: Audit) -> Rows:
    others = [(f"no sync: {printable(said)}", str(many)) for said, many in found.instead.most_common()]
    return [("let the sync start", str(found.allowed)), *others]


def _planned(found: Audit) -> Rows:
    side = found.planned
    tickets = [(f"tickets for {owner}", str(side.tickets[owner])) for owner in Owner if side.tickets[owner]]
    return [("retries planned", str(side.retries)), ("customers asked", str(side.notices)), *tickets]


def _print(grid: tables.Grid) -> None:
    table = Table(box=None, pad_edge=False, show_header=any(grid.head))
    for number, name in enumerate(grid.head):
        is_figure = number > 0 and all(row[number].rstrip("%").isdigit() for row in grid.rows if row[number])
        table.add_column(name, overflow="fold", justify="right" if is_figure else "left")
    for row in grid.rows:
        table.add_row(*row)
    output.console().print(f"\n{grid.title}", style="bold", soft_wrap=True)
    output.show_table(table, output.READABLE_WIDTH)


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def _plain(found: Audit, engine: Engine) -> dict[str, Any]:
    return {
        "policy": attrs.asdict(engine.policy.stamp),
        **attrs.asdict(found),
        "worst": [{"key": key, "findings": many} for many, key in found.worst],
    }
