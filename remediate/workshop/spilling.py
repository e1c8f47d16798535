"""What is remembered in a private file on disk that ends with the process, so that memory stays bounded.

Knows tables, and not what stands in them.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import ClassVar, Final, Self

from remediate.errors import ScratchError

__all__ = ["Scratch", "Spilling"]

_CACHE_KIB: Final = 16_384


class Scratch:
    """Tables of its own, of which at most 16 MiB are in memory. It belongs to one thread, and is a context.

    Attributes:
        tables: what creates them.

    Raises:
        ScratchError: at its end, where the file could not be written.
    """

    tables: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.connection = sqlite3.connect("", isolation_level=None)  # "": a private file, gone when it is closed
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA temp_store = FILE",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            *self.tables,
            "BEGIN",
        ):
            self.connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()
        if isinstance(error, sqlite3.Error):
            raise ScratchError(f"a file for a while can't be written: {error}") from error


class Spilling(Scratch):
    """A mapping from text to text."""

    tables = ("CREATE TABLE kept (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",)

    def __len__(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM kept").fetchone()[0])

    def get(self, key: str) -> str | None:
        """What is remembered of a key; None: nothing."""
        row = self.connection.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, value: str) -> None:
        """Remember this of a key, in place of what was."""
        self.connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value))
