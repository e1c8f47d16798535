"""How connections and the outbox stand, for people.

Reads, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import sqlalchemy as sa

from remediate.decision import Decision
from remediate.errors import InputError
from remediate.events import Event
from remediate.ledger.database import Transaction
from remediate.ledger.fleet import read_fleet
from remediate.ledger.records import read_event, read_state
from remediate.ledger.schema import GRANTED, UNREADABLE, WAITING, WITHHELD, connections, journal, links, outbox, tickets
from remediate.state import State
from remediate.upstreams import Upstream
from remediate.wire import from_json

__all__ = ["Failing", "Journaled", "OpenedTicket", "Overview", "Standing", "decisions", "history", "overview"]
__all__ += ["standing"]

_LISTED: Final = 100


@attrs.frozen(kw_only=True)
class OpenedTicket:
    """A ticket that is open.

    Attributes:
        connections: how many are behind it.
    """

    id: str
    owner: str
    scope: str
    cause: str
    opened_s: float
    connections: int


@attrs.frozen(kw_only=True)
class Standing:
    """How a connection stands.

    Attributes:
        state: what is remembered; None: it can't be read.
        decision: the latest; None: none yet.
        version: how many events there were.
        due_s: when it is looked at again, by the ledger's clock; None: when somebody acts.
        every_s: how often a sync is wanted where all is well, seconds; None: never.
        sync_at_s: when the next one is.
        holder: who holds it now; None: nobody.
        tickets: the ids of those that are open.
        waits: whether it waits until the fleet's leader lets it start, or is due and nobody is let start.
        held_because: why it does not start now, in words, where it waits; None: nothing but time keeps it.
        unled: whether it has to be let start when it is due, and nobody leads the fleet.
    """

    key: str
    state: State | None
    decision: Decision | None
    version: int
    due_s: float | None
    every_s: float | None
    sync_at_s: float | None
    holder: str | None
    tickets: tuple[str, ...]
    waits: bool = False
    held_because: str | None = None
    unled: bool = False


@attrs.frozen(kw_only=True)
class Failing:
    """A message whose delivery fails."""

    id: str
    key: str
    created_s: float
    tries: int
    fault: str


@attrs.frozen(kw_only=True)
class Overview:
    """How the fleet stands.

    Attributes:
        now_s: when, by the ledger's clock.
        connections: how many are known.
        due: how many of them are due, and held by nobody.
        held: how many somebody is at.
        answers: how many have which latest answer; `none yet` for those without one.
        unreadable: the keys of those whose state can't be read, a hundred at most.
        late: triggers, as far as the journal goes back, that may have run beside another's.
        waiting: messages that were not delivered yet, and may be.
        withheld: messages that wait until the fleet's governor says whether their customers are told.
        lag_s: how long the oldest of them waits, seconds; 0 where none does.
        failing: those whose delivery failed, a hundred at most.
        tickets: those that are open, a hundred at most.
    """

    now_s: float
    connections: int
    due: int
    held: int
    answers: Mapping[str, int]
    unreadable: tuple[str, ...]
    late: int
    waiting: int
    withheld: int
    lag_s: float
    failing: tuple[Failing, ...]
    tickets: tuple[OpenedTicket, ...]


@attrs.frozen(kw_only=True)
class Journaled:
    """A decision as the journal has it, not yet read.

    Attributes:
        number: of the entry, rising.
        event: JSON: what happened; its observation is as the upstream writes it.
        history: JSON: on what history it was decided; None: by a version that did not keep it.
        decision: JSON.
    """

    number: int
    key: str
    at_s: float
    event: str
    history: str | None
    decision: str


def history(tx: Transaction, key: str, after: int, limit: int, upstream: Upstream) -> list[tuple[int, Event, float]]:
    """Entries of one connection after a number, oldest first."""
    query = sa.select(journal.c.id, journal.c.kind, journal.c.event, journal.c.at_s)
    found = tx.execute(query.where(journal.c.key == key, journal.c.id > after).order_by(journal.c.id).limit(limit))
    return [(row.id, read_event(row.kind, row.event, upstream), row.at_s) for row in found]


def decisions(tx: Transaction, after: int, limit: int, key: str | None) -> list[Journaled]:
    """Entries of all connections, or of one, after a number in which something was decided, oldest first."""
    query = sa.select(journal).where(journal.c.decision.is_not(None), journal.c.id > after)
    query = query if key is None else query.where(journal.c.key == key)
    return [
        Journaled(
            number=row.id, key=row.key, at_s=row.at_s, event=row.event, history=row.history, decision=row.decision
        )
        for row in tx.execute(query.order_by(journal.c.id).limit(limit))
    ]


def standing(tx: Transaction, key: str) -> Standing | None:
    """How a connection stands; None: it is not known."""
    row = tx.row(sa.select(connections).where(connections.c.key == key))
    if row is None:
        return None
    mine = sa.select(tickets.c.id).join(links, links.c.ticket == tickets.c.id)
    open_ones = tx.execute(mine.where(links.c.key == key, tickets.c.is_open).order_by(tickets.c.id))
    try:
        state = read_state(row.state)
    except InputError:
        state = None
    fleet = read_fleet(tx) if row.due_s is not None and row.stage != GRANTED else None
    unled = fleet is not None and fleet.leader is None
    is_due = row.due_s is not None and max(row.due_s, row.leased_until_s) <= tx.now_s
    waits = fleet is not None and (row.stage == WAITING or (is_due and (unled or fleet.is_held)))
    return Standing(
        key=key,
        state=state,
        decision=_decision(row.decision),
        version=row.version,
        due_s=row.due_s,
        every_s=row.every_s,
        sync_at_s=row.sync_at_s,
        holder=row.holder if row.leased_until_s > tx.now_s else None,
        tickets=tuple(open_ones.scalars()),
        waits=waits,
        held_because=fleet.because(row.tenant) if fleet is not None and waits else None,
        unled=unled,
    )


def _decision(text: str | None) -> Decision | None:
    """The latest decision; None: there is none that can be read."""
    try:
        return None if text is None else from_json(text)
    except InputError:
        return None


def overview(tx: Transaction) -> Overview:
    """How the fleet stands."""
    is_held = connections.c.leased_until_s > tx.now_s
    is_due = sa.and_(connections.c.due_s <= tx.now_s, sa.not_(is_held))
    answer = sa.func.coalesce(connections.c.answer, "none yet").label("answer")
    answers = tx.execute(sa.select(answer, sa.func.count().label("many")).group_by(answer).order_by(answer)).all()
    waits = sa.and_(outbox.c.delivered_s.is_(None), outbox.c.due_s.is_not(None))
    oldest_s = tx.execute(sa.select(sa.func.min(outbox.c.created_s)).where(waits)).scalar_one()
    return Overview(
        now_s=tx.now_s,
        connections=sum(row.many for row in answers),
        due=_count(tx, connections, is_due),
        held=_count(tx, connections, is_held),
        answers={row.answer: row.many for row in answers},
        unreadable=_unreadable(tx),
        late=_count(tx, journal, journal.c.kind == "late"),
        waiting=_count(tx, outbox, waits),
        withheld=_count(tx, outbox, WITHHELD),
        lag_s=0.0 if oldest_s is None else max(0.0, tx.now_s - oldest_s),
        failing=_failing(tx),
        tickets=_open_tickets(tx),
    )


def _unreadable(tx: Transaction) -> tuple[str, ...]:
    query = sa.select(connections.c.key).where(connections.c.answer == UNREADABLE).order_by(connections.c.key)
    return tuple(tx.execute(query.limit(_LISTED)).scalars())


def _count(tx: Transaction, table: sa.Table, which: sa.ColumnElement[bool]) -> int:
    return int(tx.execute(sa.select(sa.func.count()).select_from(table).where(which)).scalar_one())


def _failing(tx: Transaction) -> tuple[Failing, ...]:
    query = sa.select(outbox).where(outbox.c.delivered_s.is_(None), outbox.c.fault.is_not(None))
    found = tx.execute(query.order_by(outbox.c.created_s, outbox.c.id).limit(_LISTED))
    return tuple(
        Failing(id=row.id, key=row.key, created_s=row.created_s, tries=row.tries, fault=row.fault) for row in found
    )


def _open_tickets(tx: Transaction) -> tuple[OpenedTicket, ...]:
    behind = sa.select(links.c.ticket, sa.func.count().label("many")).group_by(links.c.ticket).subquery()
    query = sa.select(tickets, sa.func.coalesce(behind.c.many, 0).label("many"))
    joined = query.outerjoin(behind, behind.c.ticket == tickets.c.id).where(tickets.c.is_open)
    return tuple(
        OpenedTicket(
            id=row.id, owner=row.owner, scope=row.scope, cause=row.cause, opened_s=row.opened_s, connections=row.many
        )
        for row in tx.execute(joined.order_by(tickets.c.opened_s, tickets.c.id).limit(_LISTED))
    )
