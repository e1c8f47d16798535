"""`remediate decide`: a decision for every entry of the input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Annotated, BinaryIO, Final, Protocol

import typer
from rich.padding import Padding

from remediate.cli import output
from remediate.decision import Decision, Retry, acts_next, as_dict, headline
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import printable
from remediate.upstreams import Record
from remediate.wire import dumps, to_json

__all__ = ["decide"]

_INDENT: Final = 8


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
    with output.opened(file) as stream, _journal(engine, journal, stream) as note, output.whole_output():
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
def _journal(engine: Engine, file: str | None, stream: BinaryIO) -> Iterator[_Note]:
    """What appends to the journal: one whole line a decision, before the decision is printed."""
    if file is None:
        yield lambda record, decision: None
        return
    try:
        with open(file, "a", encoding="ascii", newline="\n") as journal:
            if _is_same(journal, stream):
                output.refuse(f"{printable(file, longest=None)}: can't be both the input and the journal")

            def note(record: Record, decision: Decision) -> None:
                at = datetime.now(UTC).isoformat(timespec="milliseconds")
                line = {"at": at, "record": engine.upstream.write(record), "decision": as_dict(decision)}
                try:
                    journal.write(dumps(line) + "\n")
                    journal.flush()
                except OSError as error:
                    output.refuse(f"{printable(file, longest=None)}: can't be written: {error.strerror}")

            yield note
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        why = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        output.refuse(f"{printable(file, longest=None)}: can't be written: {why}")


def _is_same(journal: IO[str], stream: BinaryIO) -> bool:
    """Whether the journal is the file that is being read, which would never end."""
    here, there = os.fstat(journal.fileno()), os.fstat(stream.fileno())
    return stat.S_ISREG(here.st_mode) and os.path.samestat(here, there)


class _Printer(Protocol):
    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """A JSON object a line."""

    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None:
        if isinstance(answer, output.BadEntry):
            sys.stdout.write(dumps(answer.as_dict) + "\n")
        else:
            sys.stdout.write(to_json(answer, key=key).decode() + "\n")

    def close(self) -> None:
        """Nothing is held back."""


class _Rows:
    """Two lines an entry for people: what, when and who; and under it whose, and why."""

    def __init__(self) -> None:
        self._out = output.console()
        self._head = self._row("line", "answer", "when", "who acts")

    def add(self, line: int, answer: Decision | output.BadEntry, key: str | None) -> None:
        if self._head:
            self._out.print(self._head, soft_wrap=True)
            self._head = ""
        if isinstance(answer, output.BadEntry):
            row, why = self._row(str(line), "bad input"), printable(str(answer.error), longest=None)
        else:
            row = self._row(str(line), headline(answer), _when(answer), acts_next(answer) or "")
            why = answer.because
        whose = "" if key is None else f"{printable(key)}: "
        self._out.print(row, soft_wrap=True)
        self._out.print(Padding(f"{whose}{why}", (0, 0, 0, _INDENT)))

    def close(self) -> None:
        """Nothing is held back."""

    @staticmethod
    def _row(line: str, answer: str, when: str = "", who: str = "") -> str:
        return f"{line:>6}  {answer:<34}{when:<18}{who}".rstrip()


def _when(decision: Decision) -> str:
    if isinstance(decision, Retry):
        return "now" if decision.delay_s <= 0 else f"in {output.duration(decision.delay_s)}"
    if decision.look_again_s is None:
        return ""
    return f"look again {output.duration(decision.look_again_s)}"
