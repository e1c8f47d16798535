"""Lines of a log in the order of their connections and times, however many there are.

Knows lines, and spills them to a private file on disk that ends with the process.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Final, Self

from remediate.workshop.audit.logs import Line

__all__ = ["Sorter"]

_CACHE_KIB: Final = 16_384


class Sorter:
    """What is added, by connection and time; what is noted, by time. It belongs to one thread."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)  # "": a private file, gone when it is closed
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA temp_store = FILE",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "CREATE TABLE lines (key TEXT, at_s REAL, n INTEGER PRIMARY KEY, line BLOB)",
            "CREATE TABLE notes (at_s REAL, n INTEGER PRIMARY KEY, what INTEGER)",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, line: Line) -> None:
        """Keep a line. Lines of one moment stay in the order in which they came."""
        kept = pickle.dumps(line, protocol=pickle.HIGHEST_PROTOCOL)
        self._connection.execute("INSERT INTO lines (key, at_s, line) VALUES (?, ?, ?)", (line.key, line.at_s, kept))

    def note(self, at_s: float, what: int) -> None:
        """Keep a number with its moment."""
        self._connection.execute("INSERT INTO notes (at_s, what) VALUES (?, ?)", (at_s, what))

    def by_connection(self) -> Iterator[tuple[str, Iterator[Line]]]:
        """Each connection with its lines, earliest first."""
        found = self._connection.execute("SELECT key, line FROM lines ORDER BY key, at_s, n")
        for key, rows in groupby(found, key=itemgetter(0)):
            yield key, (pickle.loads(row[1]) for row in rows)  # noqa: S301  # what this process has pickled

    def notes(self) -> Iterator[tuple[float, int]]:
        """Every note, earliest first."""
        yield from self._connection.execute("SELECT at_s, what FROM notes ORDER BY at_s, n")
