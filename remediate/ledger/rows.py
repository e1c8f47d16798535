"""The rows of connections: enrolled, locked, leased, changed.

Knows SQL, and nothing of what a state means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import floor
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Row

from remediate.errors import InputError
from remediate.ledger.database import Transaction, now
from remediate.ledger.records import write_state
from remediate.ledger.schema import GRANTED, connections, journal
from remediate.state import State

__all__ = ["IS_GRANTED", "checked_key", "checked_text", "due", "earliest", "enroll", "lease", "locked", "prune", "slot"]
__all__ += ["update"]


_LONGEST_KEY: Final = 512
_PRUNED: Final = 5000
_MINE: Final = connections.c.key == sa.bindparam("of_key")
_LOCKED: Final = sa.select(connections, now().label("read_at_s")).where(_MINE).with_for_update()
_CHANGED: Final = sa.update(connections).where(_MINE)
IS_GRANTED: Final = sa.and_(connections.c.stage == GRANTED, connections.c.leased_until_s == 0)
"""Connections whose attempts may go on, and that nobody holds."""


def enroll(tx: Transaction, keys: Sequence[str], every_s: float | None) -> None:
    """Insert those that are new, due now; where a period is given, it holds for all of them."""
    fresh = {"version": 0, "due_s": tx.now_s, "token": 0, "leased_until_s": 0.0}
    tx.execute(tx.insert(connections), [{**fresh, "key": key, "state": _unknown(key)} for key in keys])
    if every_s is None:
        return
    period = every_s or None
    others = sa.and_(connections.c.key.in_(keys), connections.c.every_s.is_distinct_from(period))
    for row in tx.execute(sa.select(connections).where(others).with_for_update()).all():
        sync_at_s = None if period is None else slot(row.key, period, tx.now_s)
        due_s = earliest(row.due_s, sync_at_s)
        held_until_s = row.leased_until_s or due_s
        due_s = None if due_s is None or held_until_s is None else max(due_s, held_until_s)
        update(tx, row.key, every_s=period, sync_at_s=sync_at_s, due_s=due_s)


def checked_key(key: str) -> str:
    """A key that every database can hold.

    Raises:
        InputError: it is none.
    """
    if not isinstance(key, str) or not key or len(checked_text(key, "key").encode()) > _LONGEST_KEY:
        raise InputError(f"expected a key of 1 to {_LONGEST_KEY} bytes", field="key")
    return key


def checked_text(text: str, field: str) -> str:
    """A text that every database can hold.

    Raises:
        InputError: it is none.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("expected text without lone surrogates", field=field) from None
    if "\0" in text:
        raise InputError("expected text without NUL", field=field)
    return text


def _unknown(key: str) -> str:
    return write_state(State(key=key))


def slot(key: str, every_s: float, now_s: float) -> float:
    """When a connection's next turn is: each has its own place in the period, whatever happened before."""
    place_s = every_s * int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32
    return place_s + every_s * (floor((now_s - place_s) / every_s) + 1)


def locked(tx: Transaction, key: str) -> Row[Any] | None:
    """The row of a connection, which nobody else changes until the transaction ends."""
    row = tx.execute(_LOCKED, {"of_key": key}).first()
    if row is not None:
        tx.read_clock(row.read_at_s)
    return row


def due(tx: Transaction, limit: int, *, granted: bool) -> list[str]:
    """Connections that are due, the most overdue first, locked. What is held is due when its lease ends.

    Args:
        granted: only those whose attempts the governor has granted, and that nobody holds.
    """
    which = IS_GRANTED if granted else sa.true()
    query = (
        sa.select(connections.c.key)
        .where(which, connections.c.due_s <= tx.now_s)
        .order_by(connections.c.due_s)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [row.key for row in tx.execute(query)]


def lease(tx: Transaction, keys: Sequence[str], holder: str, lease_s: float) -> list[Row[Any]]:
    """Lease connections that are locked, in the order of the keys, each with a new token."""
    until_s = tx.now_s + lease_s
    statement = (
        sa.update(connections)
        .where(connections.c.key.in_(keys))
        .values(token=connections.c.token + 1, holder=holder, leased_until_s=until_s, due_s=until_s)
        .returning(connections)
    )
    return sorted(tx.execute(statement), key=lambda row: keys.index(row.key))


def update(tx: Transaction, key: str, **values: object) -> None:
    """Change a row that is locked."""
    tx.execute(_CHANGED, {**values, "of_key": key})


def earliest(*moments: float | None) -> float | None:
    """The first of them; None: there is none."""
    return min((moment for moment in moments if moment is not None), default=None)


def prune(tx: Transaction, before_s: float) -> int:
    """Forget the oldest journal entries that are old enough, so many at a time that nobody waits for it; how many."""
    oldest = sa.select(journal.c.id, journal.c.at_s).order_by(journal.c.id).limit(_PRUNED)
    old = [row.id for row in tx.execute(oldest) if row.at_s < before_s]
    if old:
        tx.execute(sa.delete(journal).where(journal.c.id <= max(old), journal.c.at_s < before_s))
    return len(old)
