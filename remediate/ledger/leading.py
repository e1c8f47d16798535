"""One leader of a fleet: it tells the governor what happened, and grants what the governor asks for.

Knows rows and the governor's words. A step is one transaction: what was told is gone, what was granted and asked
for is written, and the governor is saved, all of it or nothing. So a leader that dies loses nothing and
starts nothing twice; and one that another has followed can't write, for each has a number of its own. Those who
wait are saved in their own rows, where that they wait stands anyway: what a step writes does not grow with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from remediate.decision import Evidence
from remediate.errors import InputError
from remediate.fleet import Directives, Ended, Fleet, Governor, Order, Ordered, Sized, Start, Wants
from remediate.fleet import Event as Told
from remediate.fleet.queue import Entry
from remediate.ledger import announcing, beginning, governing, posting, rows
from remediate.ledger.database import Database, Transaction
from remediate.ledger.schema import FREE, GRANTED, WAITING, connections, fleet_events, fleet_orders, governors

__all__ = ["Leader", "Led", "Tenant"]

Tenant = Callable[[str], str | None]
"""Whose neighbour a connection is, by its key; None: nobody's."""

_log: Final = logging.getLogger("remediate.ledger")
_ID: Final = 1
_MOST: Final = 500
_SIZED_S: Final = 600.0
_FENCES_A_SECOND: Final = 1e6
"""A governor that follows one that was dismissed begins above whatever number that one's leaders had."""
_ONE: Final = sa.select(governors).where(governors.c.id == _ID)
_MINE: Final = sa.update(governors).where(governors.c.id == _ID)
_WANTS: Final = sa.and_(connections.c.stage == FREE, connections.c.due_s <= sa.bindparam("now_s"))
_LAPSED: Final = sa.and_(
    connections.c.stage == GRANTED, connections.c.due_s <= sa.bindparam("now_s"), connections.c.leased_until_s > 0
)
_UNTAKEN: Final = fleet_orders.c.taken_s.is_(None)


@attrs.frozen(kw_only=True)
class Led:
    """A step of the leader's.

    Attributes:
        started: how many attempts were granted.
        is_behind: whether there is more to tell than was told.
        next_s: in how many seconds time alone changes something; None: not before something happens.
    """

    started: int = 0
    is_behind: bool = False
    next_s: float | None = None


class Leader:
    """Leads a fleet while nobody else does. Not to be shared between threads.

    Args:
        fleet: the governor's parameters.
        name: what a new governor is called, and with it its incidents; when it began is added.
        holder: who leads, for people.
        lease_s: how long it leads without a sign of life, seconds.
        tenant: whose neighbour a connection is; None: there are no tenants.
    """

    def __init__(
        self, database: Database, *, fleet: Fleet, name: str, holder: str, lease_s: float, tenant: Tenant | None
    ) -> None:
        self._database = database
        self._fleet, self._name, self._holder, self._lease_s = fleet, name, holder, lease_s
        self._tenant = tenant
        self._fence: int | None = None
        self._governor: Governor | None = None
        self._version = -1
        self._sized_s: float | None = None

    def step(self) -> Led | None:
        """Lead, as far as there is anything to do; None: another leads.

        Raises:
            LedgerError: the ledger can't be read or written.
        """
        has_to, led = self._database.read(self._glance)
        if not has_to:
            return led
        governor: Governor | None = None
        fence: int | None = None

        def work(tx: Transaction) -> Led | None:
            nonlocal governor, fence
            governor, self._governor = self._governor, None  # until it is saved, what is here may be ahead
            row, heard = self._locked(tx), list[Told]()
            fence = None if row is None else self._number(row)
            if row is None:
                return None
            if governor is None or row.version != self._version or row.snapshot is None:
                governor, heard = self._taken_over(tx, row)
            led = self._lead(tx, row, governor, heard)
            self._version = row.version + 1
            return led

        led = self._database.write(work)
        self._fence = fence
        self._governor = governor if led is not None else None
        return led

    def resign(self) -> None:
        """Let another lead at once."""
        values = {"leased_until_s": 0.0, "holder": None}
        mine = _MINE.where(governors.c.fence == self._fence, governors.c.holder == self._holder)
        if self._fence is not None:
            self._database.write(lambda tx: tx.execute(mine, values))
            self._fence = None

    # -- who leads

    def _glance(self, tx: Transaction) -> tuple[bool, Led | None]:
        """Whether there is anything to do, as far as can be seen without holding anybody up; and what, if not."""
        row = tx.row(_ONE)
        if row is None or row.leased_until_s <= tx.now_s:
            return True, None
        if row.fence != self._fence:
            return False, None
        ahead_s = None if row.wake_s is None else row.wake_s - tx.now_s
        if (ahead_s is not None and ahead_s <= 0) or row.leased_until_s < tx.now_s + self._lease_s / 2:
            return True, None
        has_to = any(tx.execute(query, {"now_s": tx.now_s}).first() is not None for query in _NEWS)
        return has_to, Led(next_s=ahead_s)

    def _locked(self, tx: Transaction) -> Row[Any] | None:
        """The row of the governor, which nobody else changes meanwhile; None: another leads."""
        name, fence = f"{self._name}/{int(tx.now_s)}", int(tx.now_s * _FENCES_A_SECOND)
        fresh = {"id": _ID, "name": name, "leased_until_s": 0.0, "fence": fence, "version": 0}
        tx.execute(tx.insert(governors), fresh)
        row = tx.row(_ONE.with_for_update())
        if row is None or row.fence == self._fence or row.leased_until_s <= tx.now_s:
            return row
        return None

    def _number(self, row: Row[Any]) -> int:
        """The number under which it leads: its own where it does already, else one that nobody had."""
        latest: int = row.fence
        return latest if latest == self._fence else latest + 1

    def _taken_over(self, tx: Transaction, row: Row[Any]) -> tuple[Governor, list[Told]]:
        """The governor as it was saved, and what it has to hear again.

        Where that can't be read, it is a new one of a name of its own, so that its incidents are taken for no
        others. It hears again of all who wait and of what operators said; what was announced is over.
        """
        self._sized_s = None
        governor, heard = self._restored(tx, row), list[Told]()
        if governor is None:
            is_first = row.snapshot is None
            name = row.name if is_first else f"{self._name}/{int(tx.now_s)}/{row.version}"
            governor = Governor(fleet=self._fleet, name=name)
            heard = [] if is_first else beginning.orders_in_force(tx)
            beginning.ask_again(tx)
            beginning.close_incidents(tx)
        governing.tell(tx, beginning.unheard(tx))
        return governor, [*heard, *beginning.withheld(tx)]

    def _restored(self, tx: Transaction, row: Row[Any]) -> Governor | None:
        """The governor as it was saved; None: it was not, or that can't be read."""
        if row.snapshot is None:
            return None
        try:
            return Governor.restore(msgspec.json.decode(row.snapshot), self._fleet, row.name, _waiting(tx))
        except (InputError, msgspec.MsgspecError, KeyError, TypeError, ValueError):
            _log.exception("what was saved of the governor can't be read: it begins anew")
            return None

    # -- a step

    def _lead(self, tx: Transaction, row: Row[Any], governor: Governor, heard: Sequence[Told]) -> Led:
        lapsed = self._lapsed(tx)
        told, is_behind = self._told(tx)
        wants = [] if is_behind else self._wants(tx)  # what is yet to be told may be of one of them
        is_behind = is_behind or len(wants) >= _MOST
        events: Sequence[Told] = [*heard, *self._sized(tx), *self._orders(tx), *told, *lapsed, *wants]
        started = 0
        while True:
            directives = governor.step(tx.now_s, events)
            _wait(tx, governor, wants, told, directives.starts)
            missed = [start for start in directives.starts if not _grant(tx, start)]
            started += len(directives.starts) - len(missed)
            _write(tx, directives)
            if not missed:
                break
            wants, told = [], []
            events = [Ended(key=one.key, number=one.number, evidence=Evidence.NONE, synced=False) for one in missed]
        self._save(tx, row, governor, directives.wake_s)
        wake_s = directives.wake_s
        return Led(started=started, is_behind=is_behind, next_s=None if wake_s is None else max(0.0, wake_s - tx.now_s))

    def _save(self, tx: Transaction, row: Row[Any], governor: Governor, wake_s: float | None) -> None:
        values = {
            "name": governor.name,
            "holder": self._holder,
            "leased_until_s": tx.now_s + self._lease_s,
            "fence": self._number(row),
            "version": row.version + 1,
            "wake_s": wake_s,
            "snapshot": msgspec.json.encode(governor.snapshot(waiting=False)).decode(),
            "standing": announcing.write_standing(governor.standing),
        }
        tx.execute(_MINE, values)

    def _sized(self, tx: Transaction) -> list[Told]:
        """How many connections there are, from time to time."""
        if self._sized_s is not None and 0 <= tx.now_s - self._sized_s < _SIZED_S:
            return []
        self._sized_s = tx.now_s
        many = tx.execute(sa.select(sa.func.count()).select_from(connections)).scalar_one()
        return [Sized(connections=int(many))]

    def _orders(self, tx: Transaction) -> list[Told]:
        """What operators said since."""
        found = tx.execute(sa.select(fleet_orders).where(_UNTAKEN).order_by(fleet_orders.c.id)).all()
        if found:
            taken = sa.update(fleet_orders).where(fleet_orders.c.id.in_([one.id for one in found]))
            tx.execute(taken, {"taken_s": tx.now_s})
        return [
            Ordered(order=Order(one.order), by=one.by, why=one.why, until_s=one.until_s, tenant=one.tenant)
            for one in found
        ]

    def _told(self, tx: Transaction) -> tuple[list[Told], bool]:
        """What was recorded since, in order, and whether there is more."""
        found = tx.execute(sa.select(fleet_events).order_by(fleet_events.c.id).limit(_MOST)).all()
        if found:
            tx.execute(sa.delete(fleet_events).where(fleet_events.c.id.in_([one.id for one in found])))
        events = [governing.read_told(one.kind, one.event) for one in found]
        known = [one for one in events if one is not None]
        if len(known) < len(found):  # what those said is to be seen in the rows, as far as it can be
            known += [*beginning.unheard(tx), *beginning.withheld(tx)]
        return known, len(found) >= _MOST

    def _lapsed(self, tx: Transaction) -> list[Told]:
        """Attempts whose holder has died, or stands still: they are over, and whoever was at them is so no more."""
        query = sa.select(connections).where(_LAPSED).limit(_MOST).with_for_update(skip_locked=True)
        events: list[Told] = []
        for row in tx.execute(query, {"now_s": tx.now_s}).all():
            events.append(Ended(key=row.key, number=row.start, evidence=Evidence.NONE, synced=False))
            gone = {"leased_until_s": 0.0, "holder": None, "token": row.token + 1}
            rows.update(tx, row.key, stage=FREE, start=None, due_s=tx.now_s, **gone)
        return events

    def _wants(self, tx: Transaction) -> list[Wants]:
        """Connections that are due and that the governor does not know of yet."""
        query = sa.select(connections.c.key, connections.c.due_s, connections.c.overdue_s).where(_WANTS)
        found = tx.execute(
            query.order_by(connections.c.due_s).limit(_MOST).with_for_update(skip_locked=True), {"now_s": tx.now_s}
        ).all()
        return [
            Wants(
                key=row.key,
                due_s=row.due_s if row.overdue_s is None else row.overdue_s,
                tenant=None if self._tenant is None else self._tenant(row.key),
            )
            for row in found
        ]


_IS_OURS: Final = connections.c.key == sa.bindparam("of_key")
_WAITS: Final = (
    sa.update(connections)
    .where(_IS_OURS)
    .values(
        stage=WAITING,
        arrival=sa.bindparam("which"),
        overdue_s=sa.bindparam("overdue"),
        tenant=sa.bindparam("whose"),
    )
)
_STILL_WAITS: Final = _WAITS.where(connections.c.stage == WAITING)
_WAITING: Final = (
    sa.select(connections.c.key, connections.c.overdue_s, connections.c.arrival, connections.c.tenant)
    .where(connections.c.stage == WAITING, connections.c.arrival.is_not(None))
    .order_by(connections.c.arrival)
)
_NEWS: Final = (
    sa.select(fleet_events.c.id).limit(1),
    sa.select(connections.c.key).where(_WANTS).limit(1),
    sa.select(connections.c.key).where(_LAPSED).limit(1),
    sa.select(fleet_orders.c.id).where(_UNTAKEN).limit(1),
)


def _waiting(tx: Transaction) -> dict[str, Entry]:
    """Those who wait, as far as the governor has heard."""
    return {row.key: Entry(row.overdue_s, row.arrival, row.tenant) for row in tx.execute(_WAITING)}


def _wait(
    tx: Transaction, governor: Governor, wants: Sequence[Wants], told: Sequence[Told], starts: Sequence[Start]
) -> None:
    """Write who has come to wait, as the governor has it; one that it takes to be under way asks again."""
    entries = {one.key: Entry(one.due_s, 0, one.tenant) for one in wants}
    started = {one.key for one in starts}
    new = [
        _as_row(key, governor.waiting.get(key, entry))
        for key, entry in entries.items()
        if key in started or key in governor.waiting
    ]
    said = {one.key: one for one in told if isinstance(one, Wants)}
    asked = [key for key in said if key in governor.waiting]
    passed = [key for key in said if key not in governor.waiting and key not in started]
    governing.tell(tx, [said[key] for key in passed if _is_unheard(tx, key)])
    for statement, written in ((_WAITS, new), (_STILL_WAITS, [_as_row(key, governor.waiting[key]) for key in asked])):
        if written:
            tx.execute(statement, written)


def _is_unheard(tx: Transaction, key: str) -> bool:
    row = rows.locked(tx, key)
    return row is not None and row.stage == WAITING and row.arrival is None


def _as_row(key: str, entry: Entry) -> dict[str, Any]:
    return {"of_key": key, "which": entry.order, "overdue": entry.due_s, "whose": entry.tenant}


def _grant(tx: Transaction, start: Start) -> bool:
    """Grant a start; whether the connection still waits for it, and is due or held by who asked for it."""
    row = rows.locked(tx, start.key)
    if row is None or row.stage != WAITING:
        return False
    is_held = row.leased_until_s > tx.now_s
    if not is_held and (row.due_s is None or row.due_s > tx.now_s):
        rows.update(tx, start.key, stage=FREE)
        return False
    free = {} if is_held else {"leased_until_s": 0.0, "holder": None}
    repairs = {"repairs": start.repairs} if start.repairs else {}
    rows.update(tx, start.key, stage=GRANTED, start=start.number, **free, **repairs)
    return True


_REPAIRED: Final = (
    sa.update(connections)
    .where(_IS_OURS)
    .values(
        repairs=sa.bindparam("incident"),
        due_s=sa.case(
            (connections.c.leased_until_s > sa.bindparam("now_s"), connections.c.due_s), else_=sa.bindparam("now_s")
        ),
    )
)


def _write(tx: Transaction, directives: Directives) -> None:
    """What the governor asks for beside starts."""
    posting.let_go(tx, directives.tell)
    posting.withdraw(tx, directives.drop)
    if directives.repairs:
        repairs = [{"of_key": key, "incident": one, "now_s": tx.now_s} for key, one in directives.repairs]
        tx.execute(_REPAIRED, repairs)
    for what in directives.announced:
        identity, content = announcing.message(what, tx.now_s)
        posting.put(tx, identity, "", announcing.KIND, content, tx.now_s)
