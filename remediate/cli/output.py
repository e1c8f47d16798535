"""What every command shares: consoles, exit codes, engines, and input that may be bad."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, TypeVar

import attrs
import typer
from rich.console import Console

from remediate.engine import Engine
from remediate.errors import InputError, PolicyError, printable
from remediate.reading import Entry, entries
from remediate.upstreams import Record

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["BAD_INPUT", "REFUSED", "BadEntry", "complain", "conditions", "console", "duration", "load_engine", "opened"]
__all__ += ["READABLE_WIDTH", "length", "need_web_server", "progress", "read_whole", "records", "refuse", "show_table"]
__all__ += ["whole_output"]

T = TypeVar("T")

BAD_INPUT: Final = 1
"""Exit status: some input was bad, or a check found something."""
REFUSED: Final = 2
"""Exit status: wrong usage, a missing file, a policy that does not load."""

READER_GONE: Final = 128 + 13
"""Exit status: whoever reads stdout has gone away; what a shell says of SIGPIPE."""

STDIN: Final = "-"

READABLE_WIDTH: Final = 60
"""Columns below which text in a table is no longer wrapped to fit."""

_USUAL_WIDTH: Final = 80
_USUAL_HEIGHT: Final = 25
_WIDEST: Final = 100_000
_WIDTH: Final = re.compile(r"0{0,9}[1-9][0-9]{0,3}")


@attrs.frozen
class BadEntry:
    """An entry that can't be read."""

    line: int
    error: InputError

    @property
    def as_dict(self) -> dict[str, object]:
        """What stands in its place."""
        return {"error": {"line": self.line, "field": self.error.field, "message": self.error.message}}


def console(*, stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no highlighting, no emoji codes.

    Where `COLUMNS` is set and is no width, it is 80 columns wide.
    """
    return _console(None if _is_width(os.environ.get("COLUMNS")) else _USUAL_WIDTH, stderr=stderr)


def show_table(table: Table, least: int | None = None) -> None:
    """Print a table, as wide as the console; on one that is too narrow, too wide rather than with figures lost.

    Args:
        least: it is at least so many columns wide; None: so wide that no word of it is broken.
    """
    out = console()
    if least is None:
        least = _unbroken_width(table, out)
    if out.width < least:
        out = _console(least)
    out.print(table)


def _unbroken_width(table: Table, out: Console) -> int:
    """How wide a table is that breaks no word, which its columns are to heed."""
    from rich.measure import Measurement

    options = out.options.update(width=_WIDEST)
    for column in table.columns:
        sizes = [Measurement.get(out, options, cell) for cell in (column.header, *column.cells)]
        column.min_width = max(size.maximum if column.no_wrap else size.minimum for size in sizes)
    return Measurement.get(out, options, table).minimum


def _console(width: int | None, *, stderr: bool = False) -> Console:
    height = None if width is None else _USUAL_HEIGHT  # on a dumb terminal a width alone counts for nothing
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width, height=height)


def _is_width(text: str | None) -> bool:
    """Whether `COLUMNS` says how wide it is, or says nothing."""
    return text is None or _WIDTH.fullmatch(text) is not None


def complain(message: str) -> None:
    """One message to stderr."""
    console(stderr=True).print(message, soft_wrap=True)


def refuse(message: str) -> NoReturn:
    """A message to stderr, and the end."""
    complain(message)
    raise typer.Exit(REFUSED)


def load_engine(policy: str) -> Engine:
    """The engine of a policy; where it does not load, every problem is told."""
    try:
        return Engine.load(policy)
    except PolicyError as error:
        refuse(str(error))


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; what advances it. None: nobody knows how many there are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield partial(shown.advance, task)


def length(stream: BinaryIO) -> int | None:
    """How many bytes a file has; None: it is none."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def read_whole(items: Iterable[T], file: str) -> Iterator[T]:
    """What is read from a file; that it can't be read on is told."""
    try:
        yield from items
    except OSError as error:
        refuse(f"{printable(file, longest=None)}: can't be read: {error.strerror}")


def need_web_server() -> None:
    """Refuse where the sandbox can't be served."""
    if not all(find_spec(name) for name in ("starlette", "uvicorn")):
        refuse("the sandbox needs starlette and uvicorn: pip install 'remediate-engine[demo]'")


@contextmanager
def opened(file: str) -> Iterator[BinaryIO]:
    """A file to read, or stdin for `-`."""
    if file == STDIN:
        if sys.stdin is None:
            refuse("stdin is closed")
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115  # it is closed below, and only its opening is tried here
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        why = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        refuse(f"{printable(file, longest=None)}: can't be read: {why}")
    with stream:
        yield stream


def records(engine: Engine, stream: BinaryIO, file: str) -> Iterator[tuple[Entry, Record | BadEntry]]:
    """Every entry of a stream with its record, or with what is wrong with it."""
    for entry in read_whole(entries(stream), file):
        try:
            yield entry, engine.read(entry.content)
        except InputError as error:
            yield entry, BadEntry(entry.line, error)


@contextmanager
def whole_output() -> Iterator[None]:
    """Write stdout to its end. A reader that has gone away ends it as the shell expects; a full disk is told."""
    if sys.stdout is None:
        refuse("stdout is closed")
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(READER_GONE) from None
        refuse(f"stdout: can't be written: {error.strerror}")


def conditions(where: Mapping[str, Sequence[str]], every: Mapping[str, Sequence[str]], most: int | None = None) -> str:
    """The conditions of a place, each in whichever words are fewer.

    Args:
        where: the values of each field that does not take all of its own.
        every: all that each field takes; one that is not here takes no others.
        most: where more would have to be named, only how many they are; None: however many.
    """
    said = []
    for name, values in where.items():
        others = [value for value in every.get(name, values) if value not in values]
        is_shorter = 0 < len(others) < len(values) - 1
        named = others if is_shorter else values
        if most is not None and len(named) > most:
            said.append(f"{name} one of {len(values)} values")
        else:
            said.append(f"{name} {'any but ' if is_shorter else ''}{' | '.join(named)}")
    return "; ".join(said) or "everywhere"


def duration(seconds: float) -> str:
    """A duration for people: `now`, `45 s`, `2 min 30 s`, `6 h`."""
    if seconds <= 0:
        return "now"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    whole = round(seconds)
    for size, name, smaller, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"
