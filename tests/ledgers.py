"""Databases for the tests of the ledger."""

from __future__ import annotations

from itertools import count

import psycopg

from remediate.ledger import Ledger
from remediate.ledger.database import Transaction
from remediate.ledger.schema import meta, metadata

_numbers = count(1)


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
