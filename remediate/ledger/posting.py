"""What others are asked for: messages in the outbox, the tickets behind them, and how they are delivered.

Knows no sender. A message is delivered at least once; its id is how a receiver tells a repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs
import sqlalchemy as sa

from remediate.errors import InputError
from remediate.events import OpenTicket, Request, ResolveTicket
from remediate.ledger.database import Database, Transaction
from remediate.ledger.records import kind_of_request, message
from remediate.ledger.schema import WITHHELD, links, outbox, tickets

__all__ = ["Link", "Message", "Outbox", "behind_resolved", "delivered_before", "forget", "let_all_go", "let_go", "post"]
__all__ += ["put", "resolve", "unlink", "withdraw"]

_WITHDRAWN: Final = "withdrawn: it was over before anybody was told"


@attrs.frozen(kw_only=True)
class Message:
    """A message that is to be delivered.

    Attributes:
        id: the same however often it is delivered.
        kind: `notice`, `ticket_opened`, `ticket_resolved` or `incident`.
        key: whose connection it is about; empty where it is about no single one.
        content: JSON.
        tries: how often its delivery was tried before.
    """

    id: str
    kind: str
    key: str
    content: str
    tries: int


@attrs.frozen
class Link:
    """A connection behind a ticket that somebody has resolved, and what they said."""

    ticket: str
    key: str
    generation: int
    by: str
    why: str


def post(
    tx: Transaction, key: str, requests: Iterable[Request], withholds: Callable[[Request], bool] = lambda _: False
) -> None:
    """Put requests into the outbox; a ticket that is open already is opened by nobody else.

    Args:
        withholds: whether a request is delivered only when the governor says so.
    """
    for request in requests:
        identity: str | None = request.id
        if isinstance(request, OpenTicket):
            identity = _opened(tx, key, request)
        elif isinstance(request, ResolveTicket):
            identity = _closed(tx, request.ticket)
        if identity is not None:
            due_s = None if withholds(request) else tx.now_s
            put(tx, identity, key, kind_of_request(request), message(request, key, tx.now_s, identity), due_s)


def put(tx: Transaction, identity: str, key: str, kind: str, content: str, due_s: float | None) -> None:
    """Put a message into the outbox, once; None: it is withheld."""
    row = {"id": identity, "key": key, "kind": kind, "message": content, "tries": 0}
    tx.execute(tx.insert(outbox), row | {"created_s": tx.now_s, "due_s": due_s})


def let_go(tx: Transaction, keys: Sequence[str]) -> None:
    """What is withheld about connections is delivered now."""
    _decide(tx, keys, {"due_s": tx.now_s})


def withdraw(tx: Transaction, keys: Sequence[str]) -> None:
    """What is withheld about connections is delivered to nobody."""
    _decide(tx, keys, {"delivered_s": tx.now_s, "fault": _WITHDRAWN})


def _decide(tx: Transaction, keys: Sequence[str], values: dict[str, Any]) -> None:
    if keys:
        mine = sa.update(outbox).where(WITHHELD, outbox.c.key == sa.bindparam("of_key"))
        tx.execute(mine.values(values), [{"of_key": key} for key in keys])


def let_all_go(tx: Transaction) -> None:
    """All that is withheld is delivered now."""
    tx.execute(sa.update(outbox).where(WITHHELD), {"due_s": tx.now_s})


def _opened(tx: Transaction, key: str, request: OpenTicket) -> str | None:
    """Open a ticket, or join the one that is open. The id of the message that says so; None: it was said."""
    fresh = {"generation": 0, "is_open": False, "owner": request.owner, "scope": request.scope}
    tx.execute(tx.insert(tickets), {**fresh, "id": request.id, "cause": request.cause, "opened_s": tx.now_s})
    row = tx.row(sa.select(tickets).where(tickets.c.id == request.id).with_for_update())
    generation = 1 if row is None else row.generation + (not row.is_open)
    link = {"ticket": request.id, "key": key, "generation": generation}
    tx.execute(sa.delete(links).where(links.c.ticket == request.id, links.c.key == key))
    tx.execute(tx.insert(links), link)
    if row is None or row.is_open:
        return None
    opened = {"generation": generation, "is_open": True, "opened_s": tx.now_s}
    tx.execute(sa.update(tickets).where(tickets.c.id == request.id), opened | {"resolved_s": None})
    return _of(request.id, generation)


def _of(ticket: str, generation: int) -> str:
    return ticket if generation == 1 else f"{ticket}/{generation}"


def _closed(tx: Transaction, ticket: str, by: str | None = None, why: str | None = None) -> str | None:
    """Close a ticket. The id of the message that says so; None: it was closed."""
    row = tx.row(sa.select(tickets).where(tickets.c.id == ticket).with_for_update())
    if row is None or not row.is_open:
        return None
    values = {"is_open": False, "resolved_s": tx.now_s, "resolved_by": by, "resolved_why": why}
    tx.execute(sa.update(tickets).where(tickets.c.id == ticket), values)
    return f"{_of(ticket, row.generation)}/resolved"


def resolve(tx: Transaction, ticket: str, by: str, why: str) -> None:
    """Somebody has resolved a ticket.

    Raises:
        InputError: no such ticket is known.
    """
    if tx.row(sa.select(tickets.c.id).where(tickets.c.id == ticket).with_for_update()) is None:
        raise InputError("no such ticket is known", field="ticket")
    identity = _closed(tx, ticket, by, why)
    if identity is not None:
        resolved = ResolveTicket(id=identity, ticket=ticket)
        content = message(resolved, "", tx.now_s, identity)
        put(tx, identity, "", kind_of_request(resolved), content, tx.now_s)


def behind_resolved(tx: Transaction) -> list[Link]:
    """The connections behind tickets that somebody has resolved."""
    query = (
        sa.select(links, tickets.c.resolved_by, tickets.c.resolved_why)
        .join(tickets, tickets.c.id == links.c.ticket)
        .where(sa.or_(sa.not_(tickets.c.is_open), links.c.generation < tickets.c.generation))
        .order_by(links.c.ticket, links.c.key)
    )
    found = tx.execute(query)
    return [Link(row.ticket, row.key, row.generation, row.resolved_by or "", row.resolved_why or "") for row in found]


def unlink(tx: Transaction, key: str, link: Link | None = None) -> bool:
    """A connection is behind a ticket no longer, or behind any; whether it was."""
    mine = sa.delete(links).where(links.c.key == key)
    if link is not None:
        mine = mine.where(links.c.ticket == link.ticket, links.c.generation == link.generation)
    return tx.execute(mine).rowcount > 0


def forget(tx: Transaction, key: str) -> None:
    """Forget what was to be said of a connection."""
    unlink(tx, key)
    tx.execute(sa.delete(outbox).where(outbox.c.key == key))


def delivered_before(moment_s: float) -> sa.Delete:
    """Deletes the messages that were delivered before a moment."""
    return sa.delete(outbox).where(outbox.c.delivered_s < moment_s)


_OLDEST: Final = sa.select(sa.func.min(outbox.c.created_s)).where(outbox.c.due_s.is_not(None))


class Outbox:
    """The messages that wait for delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, limit: int, *, again_s: float) -> list[Message]:
        """Messages that are due, the longest overdue first, at most `limit`.

        Args:
            again_s: after so many seconds each is due again, unless it is said what came of it.
        """

        def work(tx: Transaction) -> list[Message]:
            query = sa.select(outbox).where(outbox.c.due_s <= tx.now_s).order_by(outbox.c.due_s, outbox.c.created_s)
            found = tx.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
            if found:
                taken = sa.update(outbox).where(outbox.c.id.in_([row.id for row in found]))
                tx.execute(taken.values(due_s=tx.now_s + again_s, tries=outbox.c.tries + 1))
            return [
                Message(id=row.id, kind=row.kind, key=row.key, content=row.message, tries=row.tries) for row in found
            ]

        return self._database.write(work)

    def lag_s(self) -> float:
        """How long the oldest message that was not delivered waits, seconds; 0 where none does."""

        def work(tx: Transaction) -> float:
            oldest_s = tx.execute(_OLDEST).scalar_one()
            return 0.0 if oldest_s is None else max(0.0, tx.now_s - oldest_s)

        return self._database.read(work)

    def delivered(self, message: Message) -> None:
        """A message was delivered."""
        mine = sa.update(outbox).where(outbox.c.id == message.id)
        self._database.write(lambda tx: tx.execute(mine, {"due_s": None, "delivered_s": tx.now_s, "fault": None}))

    def failed(self, message: Message, fault: str, *, again_s: float) -> None:
        """A message was not delivered, and why; it is due again after so many seconds."""
        mine = sa.update(outbox).where(outbox.c.id == message.id, outbox.c.delivered_s.is_(None))
        self._database.write(lambda tx: tx.execute(mine, {"due_s": tx.now_s + again_s, "fault": fault}))
