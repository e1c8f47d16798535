"""Lines of a log in the order of their connections and times, however many there are.

Knows lines, and nothing of what they are sorted for.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from remediate.workshop.audit.logs import Line
from remediate.workshop.spilling import Scratch

__all__ = ["Sorter"]


class Sorter(Scratch):
    """What is added, by connection and time; what is noted, by time."""

    tables = (
        "CREATE TABLE lines (key TEXT, at_s REAL, n INTEGER PRIMARY KEY, line BLOB)",
        "CREATE TABLE notes (at_s REAL, n INTEGER PRIMARY KEY, what INTEGER)",
    )

    def add(self, line: Line) -> None:
        """Keep a line. Lines of one moment stay in the order in which they came."""
        kept = pickle.dumps(line, protocol=pickle.HIGHEST_PROTOCOL)
        self.connection.execute("INSERT INTO lines (key, at_s, line) VALUES (?, ?, ?)", (line.key, line.at_s, kept))

    def note(self, at_s: float, what: int) -> None:
        """Keep a number with its moment."""
        self.connection.execute("INSERT INTO notes (at_s, what) VALUES (?, ?)", (at_s, what))

    def by_connection(self) -> Iterator[tuple[str, Iterator[Line]]]:
        """Each connection with its lines, earliest first."""
        found = self.connection.execute("SELECT key, line FROM lines ORDER BY key, at_s, n")
        for key, rows in groupby(found, key=itemgetter(0)):
            yield key, (pickle.loads(row[1]) for row in rows)  # noqa: S301  # what this process has pickled

    def notes(self) -> Iterator[tuple[float, int]]:
        """Every note, earliest first."""
        yield from self.connection.execute("SELECT at_s, what FROM notes ORDER BY at_s, n")
