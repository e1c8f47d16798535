"""What is remembered of each key, in a private file on disk that ends with the process: memory stays bounded.

Knows text, and not what it means.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import TracebackType
from typing import Final, Self

__all__ = ["Spilling"]

_CACHE_KIB: Final = 16_384


class Spilling:
    """A mapping from text to text that keeps at most 16 MiB in memory. It belongs to one thread."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)  # "": a private file, gone when it is closed
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def __len__(self) -> int:
        with closing(self._connection.execute("SELECT count(*) FROM kept")) as found:
            return int(found.fetchone()[0])

    def get(self, key: str) -> str | None:
        """What is remembered of a key; None: nothing."""
        row = self._connection.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, value: str) -> None:
        """Remember this of a key, in place of what was."""
        self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))
