"""The ledger's tables, and which version of them this is.

Knows SQL's words and none of their database's. Times are seconds since the epoch, by the database's clock.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, and_, text

__all__ = ["FREE", "GRANTED", "SCHEMA_VERSION", "UNREADABLE", "UPGRADES", "WAITING", "WITHHELD", "connections"]
__all__ += ["fleet_events", "fleet_orders", "governors", "journal", "links", "meta", "metadata", "outbox", "tickets"]

SCHEMA_VERSION: Final = 3

_WITHHELD: Final = "due_s IS NULL AND delivered_s IS NULL"

UPGRADES: Final = {
    1: ("ALTER TABLE remediate_journal ADD COLUMN history TEXT",),
    2: (
        "ALTER TABLE remediate_connections ADD COLUMN stage INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE remediate_connections ADD COLUMN start BIGINT",
        "ALTER TABLE remediate_connections ADD COLUMN arrival BIGINT",
        "ALTER TABLE remediate_connections ADD COLUMN overdue_s DOUBLE PRECISION",
        "ALTER TABLE remediate_connections ADD COLUMN repairs TEXT",
        "ALTER TABLE remediate_connections ADD COLUMN tenant TEXT",
        "CREATE INDEX remediate_connections_stage ON remediate_connections (stage, due_s)",
        f"CREATE INDEX remediate_outbox_withheld ON remediate_outbox (key) WHERE {_WITHHELD}",
    ),
}
"""What makes of each version the next. Tables that are new are created before."""

FREE: Final = 0
"""A connection that waits for no start, and has none."""
WAITING: Final = 1
"""One that waits for a start: the governor knows of it."""
GRANTED: Final = 2
"""One whose attempt may go on."""

UNREADABLE: Final = "unreadable"
"""The answer of a connection whose state can't be read."""

metadata: Final = MetaData()

meta: Final = Table(
    "remediate_meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

connections: Final = Table(
    "remediate_connections",
    metadata,
    Column("key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),  # how many events its state has taken
    Column("state", Text, nullable=False),  # JSON
    Column("decision", Text),  # JSON: the latest
    Column("answer", Text),  # the latest in a few words
    Column("due_s", Double),  # when to look at it; null: when somebody acts
    Column("every_s", Double),  # how often a sync is wanted where all is well; null: never
    Column("sync_at_s", Double),  # when the next one is
    Column("token", BigInteger, nullable=False),  # of the latest lease; grows with each
    Column("holder", Text),
    Column("leased_until_s", Double, nullable=False),  # 0: to nobody
    Column("stage", Integer, nullable=False, server_default="0"),
    Column("start", BigInteger),  # the number of the start that was granted
    Column("arrival", BigInteger),  # which it is of all who ever came to wait; null: the governor has not heard yet
    Column("overdue_s", Double),  # since when it waits, over all attempts until it rests
    Column("repairs", Text),  # the incident whose end repairs it as soon as it is looked at
    Column("tenant", Text),
    Index("remediate_connections_due", "due_s"),
    Index("remediate_connections_stage", "stage", "due_s"),
)

_LATE: Final = text("kind = 'late'")

journal: Final = Table(
    "remediate_journal",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", Text, nullable=False),
    Column("version", BigInteger, nullable=False),  # of the state that the event led to
    Column("at_s", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event", Text, nullable=False),  # JSON
    Column("decision", Text),  # JSON: what was decided then
    Column("history", Text),  # JSON: on what history
    Column("token", BigInteger),  # under which lease; null: under none
    Index("remediate_journal_key", "key", "id"),
    Index("remediate_journal_late", "kind", sqlite_where=_LATE, postgresql_where=_LATE),
)

tickets: Final = Table(
    "remediate_tickets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("generation", Integer, nullable=False),  # how often it was opened
    Column("is_open", Boolean, nullable=False),
    Column("owner", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("opened_s", Double, nullable=False),
    Column("resolved_s", Double),
    Column("resolved_by", Text),
    Column("resolved_why", Text),
)

links: Final = Table(
    "remediate_links",  # which connections are behind a ticket
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Index("remediate_links_key", "key"),
)

outbox: Final = Table(
    "remediate_outbox",
    metadata,
    Column("id", Text, primary_key=True),  # the command's, by which receivers tell a repetition
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),  # JSON
    Column("created_s", Double, nullable=False),
    Column("due_s", Double),  # when to try; null: it was delivered, or is withheld until the governor says
    Column("tries", Integer, nullable=False),
    Column("delivered_s", Double),
    Column("fault", Text),  # why the latest try failed
    Index("remediate_outbox_due", "due_s"),
    Index("remediate_outbox_delivered", "delivered_s"),
    Index("remediate_outbox_withheld", "key", sqlite_where=text(_WITHHELD), postgresql_where=text(_WITHHELD)),
)

WITHHELD: Final = and_(outbox.c.due_s.is_(None), outbox.c.delivered_s.is_(None))
"""Which messages wait for the governor's word."""

governors: Final = Table(
    "remediate_governors",
    metadata,
    Column("id", Integer, primary_key=True),  # there is one
    Column("name", Text, nullable=False),
    Column("holder", Text),  # who leads
    Column("leased_until_s", Double, nullable=False),  # 0: nobody leads
    Column("fence", BigInteger, nullable=False),  # grows with every leader
    Column("version", BigInteger, nullable=False),  # how many steps there were
    Column("wake_s", Double),  # when to step though nothing happens
    Column("snapshot", Text),  # JSON; null: none yet
    Column("standing", Text),  # JSON, for people
)

fleet_events: Final = Table(
    "remediate_fleet_events",  # what the governor is still to be told
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("event", Text, nullable=False),  # JSON
)

fleet_orders: Final = Table(
    "remediate_fleet_orders",  # what operators said
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("order", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("until_s", Double),
    Column("tenant", Text),
    Column("taken_s", Double),  # when the governor was told; null: it is yet to be
    Index("remediate_fleet_orders_taken", "taken_s"),
)
