"""A ledger's fleet: who leads it, how it stands, and what operators order.

Knows no connection's life.
"""

from __future__ import annotations

from math import inf
from typing import Final

import attrs
import sqlalchemy as sa

from remediate.engine import Engine
from remediate.errors import InputError
from remediate.fleet import Fleet, Order, Phase
from remediate.fleet import Standing as Governed
from remediate.ledger import announcing, beginning, governing, posting
from remediate.ledger.database import Database, Transaction
from remediate.ledger.leading import Leader, Tenant
from remediate.ledger.rows import checked_text
from remediate.ledger.schema import FREE, GRANTED, connections, fleet_events, fleet_orders, governors
from remediate.ledger.wording import Closing, Words

__all__ = ["FleetBook", "FleetStanding", "Given", "parameters", "read_fleet", "taken_before"]

_LISTED: Final = 100


def parameters(engine: Engine) -> Fleet:
    """What an engine's policy says of the fleet."""
    return engine.policy.fleet


@attrs.frozen(kw_only=True)
class FleetStanding:
    """How a fleet stands, as its leader left it.

    Attributes:
        now_s: when this was read, by the ledger's clock.
        leader: who leads; None: nobody does now, and nothing is granted until somebody does.
        governed: what the governor says.
        orders: how many of the operators' orders it was not told yet.
        closings: the orders that let go what an incident that is not over held, the latest first.
    """

    now_s: float
    leader: str | None
    governed: Governed
    orders: int
    closings: tuple[Closing, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether nothing starts but canaries and probes."""
        return self.leader is not None and self.holds()

    def because(self, tenant: str | None = None) -> str:
        """Why a connection that is due does not start now, in words.

        Args:
            tenant: whose it is; None: nobody's.
        """
        return self.words.because(tenant)

    def holds(self, tenant: str | None = None) -> bool:
        """Whether everyone is held, or a tenant alone; None: everyone."""
        if tenant is None:
            return self.governed.phase in (Phase.CONFIRMING, Phase.OPEN)
        return self.governed.next_probes.get(tenant) is not None

    @property
    def words(self) -> Words:
        """What there is to say of it."""
        return Words(governed=self.governed, closings=self.closings, is_led=self.leader is not None, now_s=self.now_s)


@attrs.frozen(kw_only=True)
class Given:
    """An order that was given.

    Attributes:
        taken_s: when the governor was told; None: it is yet to be.
    """

    number: int
    at_s: float
    order: Order
    by: str
    why: str
    until_s: float | None
    tenant: str | None
    taken_s: float | None


class FleetBook:
    """What a ledger keeps of its fleet. Safe to share between threads."""

    def __init__(self, database: Database, engine: Engine, holder: str, lease_s: float) -> None:
        self._database, self._engine, self._holder, self._lease_s = database, engine, holder, lease_s

    def leader(self, tenant: Tenant | None = None) -> Leader:
        """One who would lead the fleet, a quarter of the ledger's lease at a time.

        Args:
            tenant: whose neighbour a connection is; None: there are no tenants.
        """
        return Leader(
            self._database,
            fleet=parameters(self._engine),
            name=f"{self._engine.policy.name}/fleet",
            holder=self._holder,
            lease_s=self._lease_s / 4,
            tenant=tenant,
        )

    def standing(self) -> FleetStanding | None:
        """How the fleet stands; None: no governor was ever asked."""
        return self._database.read(read_fleet)

    def order(
        self, order: Order, *, by: str, why: str = "", until_s: float | None = None, tenant: str | None = None
    ) -> None:
        """Record an operator's order, for whoever leads.

        Args:
            until_s: as of :class:`~remediate.fleet.Ordered`, by the ledger's clock.
            tenant: as there.

        Raises:
            InputError: nobody says so, the time is none, or the tenant.
        """
        checked_text(why, "why")
        if not checked_text(by, "by").strip():
            raise InputError("expected who says so", field="by")
        if tenant is not None and not checked_text(tenant, "tenant").strip():
            raise InputError("expected whose connections are meant", field="tenant")
        if until_s is not None and not abs(until_s) < inf:
            raise InputError("expected a time in seconds", field="until_s")
        said = {"order": Order(order).value, "by": by, "why": why, "until_s": until_s, "tenant": tenant}
        self._database.write(lambda tx: tx.execute(sa.insert(fleet_orders), said | {"at_s": tx.now_s}))

    def knows_tenant(self, tenant: str) -> bool:
        """Whether any connection is known to be of a tenant: a runner that knows whose each is has seen it due."""
        query = sa.select(sa.literal(1)).select_from(connections).where(connections.c.tenant == tenant).limit(1)
        return self._database.read(lambda tx: tx.row(query)) is not None

    def orders(self, limit: int = _LISTED) -> list[Given]:
        """What was ordered, the latest first; so many at most."""
        query = sa.select(fleet_orders).order_by(fleet_orders.c.id.desc()).limit(limit)

        def work(tx: Transaction) -> list[Given]:
            found = tx.execute(query).mappings()
            return [Given(number=one["id"], **{n: one[n] for n in _GIVEN}) for one in found]

        return [attrs.evolve(one, order=Order(one.order)) for one in self._database.read(work)]

    def dismiss(self) -> bool:
        """Do without a governor, where nobody leads; whether there was one.

        What it withheld is delivered, and incidents that were announced are over.

        Everybody who remedies this ledger has to do without one, or the next who does not asks for a new one.
        """

        def work(tx: Transaction) -> bool:
            row = tx.row(sa.select(governors).with_for_update())
            if row is None or row.leased_until_s > tx.now_s:
                return False
            for table in (governors, fleet_events):
                tx.execute(sa.delete(table))
            tx.execute(sa.update(connections).where(connections.c.stage != FREE), {"stage": FREE, "start": None})
            posting.let_all_go(tx)
            beginning.close_incidents(tx)
            return True

        return self._database.read(governing.is_governed) and self._database.write(work)

    def next_granted_s(self) -> float | None:
        """In how many seconds an attempt that was granted goes on, from 0; None: there is none that nobody is at."""
        first = sa.select(sa.func.min(connections.c.due_s))
        query = first.where(connections.c.stage == GRANTED, connections.c.leased_until_s == 0)

        def work(tx: Transaction) -> float | None:
            at_s = tx.execute(query).scalar_one()
            return None if at_s is None else max(0.0, at_s - tx.now_s)

        return self._database.read(work)


_GIVEN: Final = ("at_s", "order", "by", "why", "until_s", "tenant", "taken_s")


def taken_before(moment_s: float) -> sa.Delete:
    """Deletes the orders that the governor was told before a moment, and that are neither listed nor hold still."""
    listed = sa.select(fleet_orders.c.id).order_by(fleet_orders.c.id.desc()).limit(_LISTED)
    is_old = sa.and_(fleet_orders.c.taken_s < moment_s, sa.func.coalesce(fleet_orders.c.until_s, 0.0) < moment_s)
    return sa.delete(fleet_orders).where(is_old, fleet_orders.c.id.not_in(listed))


def read_fleet(tx: Transaction) -> FleetStanding | None:
    """How the fleet stands; None: no governor was ever asked, or it has not begun."""
    row = tx.row(sa.select(governors))
    if row is None or row.standing is None:
        return None
    untaken = sa.select(sa.func.count()).select_from(fleet_orders).where(fleet_orders.c.taken_s.is_(None))
    governed = announcing.read_standing(row.standing)
    return FleetStanding(
        now_s=tx.now_s,
        leader=row.holder if row.leased_until_s > tx.now_s else None,
        governed=governed,
        orders=int(tx.execute(untaken).scalar_one()),
        closings=_closings(tx, governed),
    )


def _closings(tx: Transaction, governed: Governed) -> tuple[Closing, ...]:
    """The orders to close that were taken since the first of the incidents that are not over."""
    if not governed.incidents:
        return ()
    opened_s = min(one.opened_s for one in governed.incidents)
    closes = sa.and_(fleet_orders.c.order == Order.CLOSE.value, fleet_orders.c.taken_s >= opened_s)
    found = tx.execute(sa.select(fleet_orders).where(closes).order_by(fleet_orders.c.id.desc()).limit(_LISTED))
    return tuple(Closing(by=one.by, tenant=one.tenant, at_s=one.taken_s) for one in found)
