"""What a ledger still tells a governor that may have missed it, or where all that was saved of one is lost.

Knows rows, messages and orders, and nothing of what a governor makes of them.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from remediate.fleet import Event as Told
from remediate.fleet import Order, Ordered, Telling, Wants
from remediate.ledger import announcing, posting
from remediate.ledger.database import Transaction
from remediate.ledger.schema import FREE, WAITING, WITHHELD, connections, fleet_orders, outbox

__all__ = ["ask_again", "close_incidents", "orders_in_force", "unheard", "withheld"]

_HELD_S: Final = 3600.0
"""How long an operator's hold lasts where they did not say."""


def ask_again(tx: Transaction) -> None:
    """Nobody knows any more who waits: they are asked for when they are due, and who is held by a worker at once."""
    waits = sa.update(connections).where(connections.c.stage == WAITING)
    is_known = sa.and_(connections.c.arrival.is_not(None), connections.c.leased_until_s <= tx.now_s)
    tx.execute(waits.where(is_known).values(stage=FREE))
    tx.execute(waits.values(arrival=None))


def unheard(tx: Transaction) -> list[Told]:
    """Those who wait, and of whom the governor has not heard; perhaps it is yet to be told."""
    waits = sa.and_(connections.c.stage == WAITING, connections.c.arrival.is_(None))
    found = tx.execute(sa.select(connections).where(waits).order_by(connections.c.overdue_s, connections.c.key))
    return [
        Wants(key=row.key, due_s=tx.now_s if row.overdue_s is None else row.overdue_s, tenant=row.tenant)
        for row in found
    ]


def close_incidents(tx: Transaction) -> None:
    """Whoever was told that an incident began, and not that it is over, is told so."""
    is_opening = sa.and_(outbox.c.kind == announcing.KIND, outbox.c.id.endswith("/opened"))
    opened = sa.select(outbox.c.message).where(is_opening).order_by(outbox.c.created_s)
    for row in tx.execute(opened).all():
        identity, content = announcing.closing(row.message, tx.now_s)
        posting.put(tx, identity, "", announcing.KIND, content, tx.now_s)  # once: what is over already stays as it is


def orders_in_force(tx: Transaction) -> list[Told]:
    """What operators said to a governor before that still holds, in order."""
    latest: dict[tuple[bool, str | None], Any] = {}
    taken = sa.select(fleet_orders).where(fleet_orders.c.taken_s.is_not(None)).order_by(fleet_orders.c.id)
    for row in tx.execute(taken):
        announces = row.order in (Order.MUTE, Order.UNMUTE)
        latest[announces, None if announces else row.tenant] = row
    found: list[Told] = []
    for row in sorted(latest.values(), key=lambda row: row.id):
        until_s = row.taken_s + _HELD_S if row.until_s is None and row.order == Order.OPEN else row.until_s
        if row.order in (Order.OPEN, Order.MUTE) and (until_s is None or until_s > tx.now_s):
            found.append(Ordered(order=Order(row.order), by=row.by, why=row.why, until_s=until_s, tenant=row.tenant))
    return found


def withheld(tx: Transaction) -> list[Told]:
    """Customers about to be told, the first first; whoever was told of them already passes them over."""
    query = sa.select(outbox.c.key).where(WITHHELD).group_by(outbox.c.key).order_by(sa.func.min(outbox.c.created_s))
    return [Telling(key=row.key) for row in tx.execute(query)]
