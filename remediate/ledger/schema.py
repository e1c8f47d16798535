"""The ledger's tables, and which version of them this is.

Knows SQL's words and none of their database's. Times are seconds since the epoch, by the database's clock.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, text

__all__ = ["SCHEMA_VERSION", "UNREADABLE", "UPGRADES", "connections", "journal", "links", "meta", "metadata", "outbox"]
__all__ += ["tickets"]

SCHEMA_VERSION: Final = 2

UPGRADES: Final = {1: "ALTER TABLE remediate_journal ADD COLUMN history TEXT"}
"""What makes of each version the next."""

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
    Index("remediate_connections_due", "due_s"),
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
    Column("due_s", Double),  # when to try; null: it was delivered
    Column("tries", Integer, nullable=False),
    Column("delivered_s", Double),
    Column("fault", Text),  # why the latest try failed
    Index("remediate_outbox_due", "due_s"),
    Index("remediate_outbox_delivered", "delivered_s"),
)
