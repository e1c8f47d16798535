"""`remediate decide`: a decision for every entry of the input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final, Protocol

import attrs
import typer
from rich.table import Table

from remediate.cli import output
from remediate.decision import Decision, Retry, acts_next, as_dict, headline
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import printable
from remediate.upstreams import Record
from remediate.wire import dumps

__all__ = ["decide"]

_ROWS_AT_ONCE: Final = 200


def decide(
    file: Annotated[str, typer.Argument(help="NDJSON, or one JSON document; - reads stdin.")] = output.STDIN,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, in the order of the input.")] = False,
    policy: Annotated[str, typer.Option(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    journal: Annotated[
        str | None, typer.Option(help="Append each record with its decision to this file, as NDJSON.", metavar="FILE")
    ] = None,
) -> None:
    """Decide what to do now about each connection.

    Exit status: 0 all decided, 1 some input was bad, 2 wrong usage or a policy that does not load.

    Example: remediate decide responses.ndjson --json
    """
    engine = output.load_engine(policy)
    printer: _Printer = _Lines() if json else _Rows()
    bad = False
    with output.opened(file) as stream, _journal(engine, journal) as note, output.whole_output():
        for entry, read in output.records(engine, stream, file):
            if isinstance(read, output.BadEntry):
                bad = True
                printer.add(entry.line, read, None)
            else:
                decision = engine.decide(read)
                note(read, decision)
                printer.add(entry.line, decision, read.key)
        printer.close()
    raise typer.Exit(output.BAD_INPUT if bad else 0)


_Note = Callable[[Record, Decision], None]


@contextmanager
def _journal(engine: Engine, file: str | None) -> Iterator[_Note]:
    """What appends to the journal: one whole line a decision, before the decision is printed."""
    if file is None:
        yield lambda record, decision: None
        return
    try:
        with open(file, "a", encoding="ascii", newline="\n") as journal:

            def note(record: Record, decision: Decision) -> None:
                at = datetime.now(UTC).isoformat(timespec="milliseconds")
                line = {"at": at, "record": engine.upstream.write(record), "decision": as_dict(decision)}
                try:
                    journal.write(dumps(line) + "\n")
                    journal.flush()
                except OSError as error:
                    output.refuse(f"{printable(file)}: can't be written: {error.strerror}")

            yield note
    except OSError as error:
        output.refuse(f"{printable(file)}: can't be written: {error.strerror}")


class _Printer(Protocol):
    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """A JSON object a line."""

    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None:
        if isinstance(answer, output.BadEntry):
            said = answer.as_dict
        else:
            said = ({} if key is None else {"key": key}) | as_dict(answer)
        sys.stdout.write(dumps(said) + "\n")

    def close(self) -> None:
        """Nothing is held back."""


@attrs.define
class _Rows:
    """A table for people, a few hundred rows at a time, so that memory does not grow with the input."""

    rows: list[tuple[str, ...]] = attrs.field(factory=list)
    headed: bool = False

    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None:
        shown = "" if key is None else printable(key, longest=36)
        if isinstance(answer, output.BadEntry):
            self.rows.append((str(line), shown, "bad input", "", "", printable(str(answer.error), longest=None)))
        else:
            who = acts_next(answer)
            self.rows.append((str(line), shown, headline(answer), _when(answer), who or "", answer.because))
        if len(self.rows) >= _ROWS_AT_ONCE:
            self.close()

    def close(self) -> None:
        """Print the rows that are waiting."""
        table = Table(box=None, pad_edge=False, show_header=not self.headed, expand=True)
        table.add_column("line", width=6, justify="right")
        table.add_column("key", width=12, overflow="fold")
        table.add_column("answer", width=22)
        table.add_column("when", width=16)
        table.add_column("who acts", width=11)
        table.add_column("why", ratio=1, min_width=24)
        for row in self.rows:
            table.add_row(*row)
        output.console().print(table)
        self.headed = True
        self.rows.clear()


def _when(decision: Decision) -> str:
    if isinstance(decision, Retry):
        return "now" if decision.delay_s <= 0 else f"in {output.duration(decision.delay_s)}"
    if decision.look_again_s is None:
        return ""
    return f"look again {output.duration(decision.look_again_s)}"
