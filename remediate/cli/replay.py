"""`remediate replay`: a journal under another policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer
from rich.padding import Padding
from rich.table import Table

from remediate.cli import output
from remediate.decision import Decision, Owner, Retry, as_dict, headline
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import ScratchError, printable
from remediate.wire import dumps

if TYPE_CHECKING:
    from remediate.policy import Policy
    from remediate.workshop.journals import Entry, Fault
    from remediate.workshop.replaying import Example, Replay
    from remediate.workshop.tallying import Side

__all__ = ["replay"]

_SQLITE: Final = b"SQLite format 3\x00"
_MOST_CHANGES: Final = 20


def replay(
    journal: Annotated[
        str, typer.Argument(help="What `decide --journal` wrote, a ledger's file or URL, or - for stdin.")
    ],
    policy: Annotated[str, typer.Option(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Pass over entries that can't be read.")] = False,
) -> None:
    """Show what another policy would have decided, on the journal of what was.

    Every decision is made anew, on the same observation, history and key: how many would be otherwise,
    the retries planned and the waits before them, who would have been asked how often, and examples.

    Exit status: 0 replayed, 1 with --skip-bad where entries were passed over, 2 wrong usage, a policy
    that does not load, or a journal that can't be read.

    Example: remediate replay journal.ndjson --policy my-policy.toml
    """
    from remediate.workshop.replaying import replay as replayed

    engine = output.load_engine(policy)
    try:
        with _entries(journal, engine) as entries:
            found = replayed(entries, engine)
    except ScratchError as error:
        output.refuse(str(error))
    source = "the ledger" if "://" in journal else printable(journal, longest=None)
    for fault in found.faults:
        output.complain(f"{source}: {fault.place}: {printable(fault.why, longest=None)}")
    if found.bad and not skip_bad:
        output.refuse(f"{source}: entries that can't be read: {found.bad}; --skip-bad passes over them")
    with output.whole_output():
        if json:
            typer.echo(dumps(_plain(found, engine.policy)))
        else:
            _show(found, engine.policy)
    raise typer.Exit(output.BAD_INPUT if found.bad else 0)


@contextmanager
def _entries(journal: str, engine: Engine) -> Iterator[Iterator[Entry | Fault]]:
    from remediate.workshop.journals import file_entries, ledger_entries

    if "://" in journal or _is_ledger(journal):
        from remediate.cli.ledger import opened_ledger

        with opened_ledger(journal, engine=engine, exists=True) as ledger, output.progress("entries") as advance:
            yield ledger_entries(ledger, advance)
        return
    with output.opened(journal) as stream, output.progress("bytes", output.length(stream)) as advance:
        yield output.read_whole(file_entries(stream, engine, advance), journal)


def _is_ledger(journal: str) -> bool:
    try:
        with open(journal, "rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except (OSError, ValueError):  # what is wrong with it is told when it is opened as a journal
        return False


def _show(found: Replay, policy: Policy) -> None:
    out = output.console()
    by = ", ".join(f"{printable(name)} {printable(revision)} ({sha[:12]})" for name, revision, sha in found.policies)
    many = found.changed.total()
    out.print(f"{found.entries} decisions about {found.connections} connections, by {by or 'nobody'}", soft_wrap=True)
    out.print(
        f"under {policy.name} {policy.revision} ({policy.sha256[:12]}), {many} would be otherwise\n", soft_wrap=True
    )
    table = Table(box=None, pad_edge=False)
    for name in ("", "then", "now"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for title, then, now in _rows(found.then, found.now):
        table.add_row(title, then, now)
    output.show_table(table)
    if not many:
        return
    out.print()
    for (then, now), count in found.changes.most_common(_MOST_CHANGES):
        out.print(f"{count:>8}  {printable(then)} → {now}", soft_wrap=True)
    for facet, count in found.changed.items():
        if facet != "answer":
            out.print(f"{count:>8}  the same answer, other {facet}", soft_wrap=True)
    for example in found.examples:
        out.print(f"\n{example.place}, {_moment(example.at)}: {printable(example.key or 'no key')}", soft_wrap=True)
        for when, decision in (("then", example.then), ("now", example.now)):
            out.print(Padding(f"{when}: {_told(decision)}", (0, 0, 0, 4)))


def _rows(then: Side, now: Side) -> Iterator[tuple[str, str, str]]:
    yield "retries planned", str(then.retries), str(now.retries)
    before, after = (output.duration(one.waiting_s) if one.waiting_s else "none" for one in (then, now))
    yield "waits before them", before, after
    yield "customers asked", str(then.notices), str(now.notices)
    for owner in Owner:
        if then.tickets[owner] or now.tickets[owner]:
            yield f"tickets for {owner}", str(then.tickets[owner]), str(now.tickets[owner])


def _told(decision: Decision) -> str:
    wait = f" after {decision.delay_s:g} s" if isinstance(decision, Retry) else ""
    return f"{printable(headline(decision))}{wait}: {printable(decision.because, longest=None)}"


def _moment(at: str | float) -> str:
    return printable(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _plain(found: Replay, policy: Policy) -> dict[str, Any]:
    names = ("name", "revision", "sha256")
    return {
        "entries": found.entries,
        "connections": found.connections,
        "bad": found.bad,
        "policies": [{**dict(zip(names, stamp, strict=True)), "decisions": n} for stamp, n in found.policies.items()],
        "policy": attrs.asdict(policy.stamp),
        "then": attrs.asdict(found.then),
        "now": attrs.asdict(found.now),
        "changed": dict(found.changed),
        "changes": [{"then": a, "now": b, "decisions": count} for (a, b), count in found.changes.most_common()],
        "examples": [_example(one) for one in found.examples],
    }


def _example(example: Example) -> dict[str, Any]:
    return {
        "place": example.place,
        "at": example.at,
        "key": example.key,
        "facet": example.facet,
        "then": as_dict(example.then),
        "now": as_dict(example.now),
    }
