"""A database behind the ledger: SQLite or PostgreSQL, its clock, its transactions, and what its errors mean.

Knows nothing of connections and leases. No error repeats an address or a parameter.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

import sqlalchemy as sa
import tenacity
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Row, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.functions import FunctionElement

from remediate import waiting
from remediate.errors import ConfigurationError, LedgerError, LedgerUnavailableError, printable
from remediate.ledger.schema import SCHEMA_VERSION, UPGRADES, meta, metadata

__all__ = ["IN_MEMORY", "Database", "Transaction", "now"]

T = TypeVar("T")

IN_MEMORY: Final = ":memory:"
_NO_LEDGER: Final = "there is none in this database"
_BUSY_S: Final = 1.0
_POOL: Final = 8
_CONNECTS_S: Final = 10
_BOUNDS_MS: Final = {
    "lock_timeout": 10_000,
    "statement_timeout": 60_000,
    "idle_in_transaction_session_timeout": 10_000,
}
_READS: Final = "remediate_reads"
_CREATES: Final = 7365771
"""The lock under which tables are created: any number that no other program takes."""
_NOT_FOR_LONG: Final = ("locked", "busy")
"""What SQLite's errors say of a state that passes; each other asks for somebody to act."""


class now(FunctionElement[float]):  # noqa: N801  # as SQLAlchemy names what stands in SQL
    """The database's clock, in seconds since the epoch."""

    type = sa.Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: object, **__: object) -> str:
    return "(julianday('now') - 2440587.5) * 86400.0"


@compiles(now, "postgresql")
def _postgres_now(*_: object, **__: object) -> str:
    return "extract(epoch from clock_timestamp())::float8"


_NOW: Final = sa.select(now())


class Transaction:
    """A transaction under way."""

    def __init__(self, connection: Connection, told: Callable[[float], None], now_s: float | None) -> None:
        self.connection = connection
        self._told = told
        self._now_s = now_s

    @property
    def now_s(self) -> float:
        """The time, by the ledger's clock: one for all of the transaction."""
        if self._now_s is None:
            self.read_clock(float(self.connection.execute(_NOW).scalar_one()))
        return cast(float, self._now_s)

    def read_clock(self, now_s: float) -> None:
        """The database's clock was read along with something else."""
        if self._now_s is None:
            self._now_s = now_s
            self._told(now_s)

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Execute a statement, with a parameter set or a list of them."""
        return self.connection.execute(statement, rows)

    def row(self, query: sa.Select[Any]) -> Row[Any] | None:
        """The first row; None: there is none."""
        return self.connection.execute(query).first()

    def insert(self, table: sa.Table) -> Any:
        """An insert that passes over rows whose primary key is there already."""
        if self.connection.dialect.name == "sqlite":
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table).on_conflict_do_nothing()
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(table).on_conflict_do_nothing()


class Database:
    """Transactions over SQLite or PostgreSQL; safe to share between threads.

    Attributes:
        writers: how many threads may write at once.

    Args:
        address: a file for SQLite, ``:memory:``, or a URL (``postgresql://…``, ``sqlite:///…``).
        clock: seconds since the epoch; None: the database's own clock.
        patience_s: how long what passes by itself (a lock, a restart) is waited for, seconds.

    Raises:
        ConfigurationError: the address is none, or its driver is missing.
        LedgerError: it can't be opened, or a newer version of this package has written it.
    """

    def __init__(
        self,
        address: str,
        *,
        clock: Callable[[], float] | None = None,
        patience_s: float = 30.0,
        creates: bool = True,
    ) -> None:
        self._clock = clock
        self._patience_s = patience_s
        self._engine = _engine(_url(address))
        self._alone = threading.RLock() if isinstance(self._engine.pool, StaticPool) else None
        sqlite = self._engine.dialect.name == "sqlite"
        self.writers = 1 if sqlite else _POOL
        self._offset_s = 0.0
        self._process = os.getpid()
        try:
            self._open(creates=creates)
        except BaseException:
            self.close()
            raise

    def _open(self, *, creates: bool) -> None:
        """Create the tables where there are none; a lock is waited for, and a server that is away is told at once."""
        is_sqlite, file = self._engine.dialect.name == "sqlite", self._engine.url.database or IN_MEMORY
        if is_sqlite and not creates and file != IN_MEMORY and not _is_ledger(file):
            raise LedgerError(_NO_LEDGER)
        do = self._patiently if is_sqlite else _at_once
        if not do(lambda: self._once(_is_prepared, reads=True)):
            do(lambda: self._once(partial(_prepare, creates=creates), reads=False))

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do work in a transaction, which is tried again where the database could not for a while.

        The work may be done more than once, and even after it was committed: it has to tell.
        """
        return self._patiently(lambda: self._once(work, reads=False))

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Do work that only reads, as :meth:`write` does."""
        return self._patiently(lambda: self._once(work, reads=True))

    def moment(self) -> float:
        """About now, by the clock of the transactions, without asking the database."""
        return self._clock() if self._clock else time.monotonic() + self._offset_s

    def close(self) -> None:
        """Close every connection, once nobody is at it."""
        with self._turn():
            self._engine.dispose()

    def _patiently(self, once: Callable[[], T]) -> T:
        try:
            return once()
        except LedgerUnavailableError:  # most often there is nothing to wait for
            if self._patience_s <= 0:
                raise
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(LedgerUnavailableError),
            stop=tenacity.stop_after_delay(self._patience_s),
            wait=tenacity.wait_random_exponential(0.05, max=2),
            sleep=waiting.sleep,
            reraise=True,
        )
        return retrying(once)

    def _once(self, work: Callable[[Transaction], T], *, reads: bool) -> T:
        self._after_fork()
        with _translated(), self._turn(), self._engine.connect() as connection:
            if reads:
                connection.execution_options(**{_READS: True})
            with connection.begin():
                return work(Transaction(connection, self._tell, self._clock() if self._clock else None))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """In memory there is one connection, which threads take in turns."""
        if self._alone is None:
            yield
            return
        with self._alone:
            yield

    def _after_fork(self) -> None:
        """Connections belong to the process that opened them; a child has its own."""
        if self._process != os.getpid():
            self._process = os.getpid()
            if self._alone is None:
                self._engine.dispose(close=False)

    def _tell(self, now_s: float) -> None:
        self._offset_s = now_s - time.monotonic()


def _at_once(once: Callable[[], T]) -> T:
    return once()


def _is_prepared(tx: Transaction) -> bool:
    """Whether the tables are there and of this version; the clock is read on the way."""
    tx.read_clock(tx.now_s)
    if not sa.inspect(tx.connection).has_table(meta.name):
        return False
    found = tx.execute(sa.select(meta.c.value).where(meta.c.name == "schema_version")).scalar()
    if found is not None and (not found.isdecimal() or int(found) > SCHEMA_VERSION):
        raise LedgerError(
            f"it has schema version {printable(found)}, and this version of remediate knows {SCHEMA_VERSION}"
        )
    return found == str(SCHEMA_VERSION)


def _is_ledger(file: str) -> bool:
    """Whether a SQLite file has a ledger in it; it is left as it is."""
    try:
        path = file.partition("?")[0].removeprefix("file:")
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (meta.name,))
            return found.fetchone() is not None
    except sqlite3.Error as error:
        raise LedgerError(printable(str(error))) from None


def _prepare(tx: Transaction, *, creates: bool) -> None:
    """Create the tables, or bring older ones up to this version."""
    if not creates and not sa.inspect(tx.connection).has_table(meta.name):
        raise LedgerError(_NO_LEDGER)
    if tx.connection.dialect.name == "postgresql":  # of many that start at once, one creates
        tx.execute(sa.text(f"select pg_advisory_xact_lock({_CREATES})"))
    metadata.create_all(tx.connection)
    is_version = meta.c.name == "schema_version"
    found = tx.execute(sa.select(meta.c.value).where(is_version)).scalar()
    for version in range(int(found or SCHEMA_VERSION), SCHEMA_VERSION):
        for statement in UPGRADES[version]:
            tx.execute(sa.text(statement))
    tx.execute(sa.delete(meta).where(is_version))
    tx.execute(sa.insert(meta), {"name": "schema_version", "value": str(SCHEMA_VERSION)})


def _url(address: str) -> URL:
    if not isinstance(address, str) or not address:
        raise ConfigurationError("the ledger is a file or a URL, for instance `postgresql://host/database`")
    if "://" not in address:
        return URL.create("sqlite", database=address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigurationError("the ledger's URL can't be read") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"the ledger is kept in SQLite or PostgreSQL, not in `{printable(url.drivername)}`")
    return url


def _engine(url: URL) -> sa.Engine:
    hidden: dict[str, Any] = {"hide_parameters": True}
    try:
        if url.get_backend_name() == "postgresql":
            options: dict[str, Any] = {"connect_timeout": _CONNECTS_S}
            made = sa.create_engine(url, pool_size=_POOL, max_overflow=_POOL, connect_args=options, **hidden)
            event.listen(made, "connect", _bounded)
            return made
        if url.database in (None, "", IN_MEMORY):
            hidden |= {"poolclass": StaticPool}
        made = sa.create_engine(url, connect_args={"timeout": _BUSY_S, "check_same_thread": False}, **hidden)
    except NoSuchModuleError:
        raise ConfigurationError(f"there is no driver `{printable(url.drivername)}`") from None
    except ImportError:
        driver = printable(url.drivername)
        raise ConfigurationError(f"`{driver}` needs its driver: pip install 'remediate-engine[postgres]'") from None
    except (ArgumentError, TypeError, ValueError):
        raise ConfigurationError("the ledger's URL can't be used") from None
    event.listen(made, "connect", _connected)
    event.listen(made, "begin", _begun)
    return made


def _bounded(connection: Any, _: object) -> None:
    """Nothing is waited for without end: neither a lock, nor a process that stands still inside a transaction."""
    with connection.cursor() as cursor:
        for name, bound_ms in _BOUNDS_MS.items():
            cursor.execute(f"set {name} = {bound_ms}")
    connection.commit()


def _connected(connection: sqlite3.Connection, _: object) -> None:
    """SQLite as the ledger needs it: transactions are ours to begin, and a commit is on the disk."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begun(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    """The database's errors as ours."""
    try:
        yield
    except DBAPIError as error:
        text = printable(str(error.orig).strip().partition("\n")[0])
        kind = LedgerUnavailableError if _passes(error) else LedgerError
        raise kind(text) from None
    except SQLAlchemyError as error:
        raise LedgerError(f"it can't be used: {type(error).__name__}") from None


def _passes(error: DBAPIError) -> bool:
    """Whether it may be over in a while."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return isinstance(cause, sqlite3.OperationalError) and any(word in str(cause) for word in _NOT_FOR_LONG)
    state = getattr(cause, "sqlstate", None) or ""
    return error.connection_invalidated or (isinstance(error, sa.exc.OperationalError) and not state.startswith("54"))
