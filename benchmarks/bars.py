"""Every row that is measured, and its bar: the one place where a bar stands.

Knows no clock and none of the measured code. A bar is written here once and moved nowhere else.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["GROUPS", "ROWS", "Bar", "Group", "row"]


@attrs.frozen
class Group:
    """Rows that share a unit.

    Attributes:
        name: the first part of its rows' names.
        title: what is measured.
        unit: what 1.0 means.
    """

    name: str
    title: str
    unit: str


@attrs.frozen
class Bar:
    """What is measured, and the ratio that it may not exceed.

    Attributes:
        name: the group, a full stop, and a word of its own.
        what: for people.
        most: the bar; None: there is none, the row is there to be known.
    """

    name: str
    what: str
    most: float | None = None

    @property
    def group(self) -> str:
        """The name of the group."""
        return self.name.partition(".")[0]


GROUPS: Final = (
    Group(
        "decide",
        "An observation to a decision",
        "B: a call of a function of the five raw values, which looks them up in a dict keyed by them",
    ),
    Group("wire", "JSON to a decision", "msgspec alone, decoding the same bytes into the same class"),
    Group("load", "A policy file to a proven engine", "B, as above"),
    Group("diff", "Two policies of Airbyte compared over 1,968,300 combinations", "one of them proven"),
    Group(
        "drive", "A connection, from trouble to rest", "tenacity alone around the same eleven calls, without waiting"
    ),
    Group("ledger", "A decision recorded in the ledger", "a bare commit of as many bytes, in one row, as durable"),
    Group("due", "32 of 100,000 connections picked that are due", "32 of 1,000"),
    Group("lead", "A step of the fleet's leader, while 100,000 connections wait", "one while 1,000 do"),
    Group(
        "fleet", "The fleet's governor, and its simulator", "a push to and a pop from a heap of as many; a bare event"
    ),
    Group("import", "A fresh interpreter to the first decision", "`import attrs`, less the bare interpreter's start"),
    Group(
        "peers",
        "The same status table in other engines, all 1,512 combinations",
        "`engine.decide(status)` for the same combinations; more means that the peer takes longer",
    ),
)

ROWS: Final = (
    Bar("decide.no_retry", "`decide(status)`, no retry", 4),
    Bar("decide.no_retry_history", "`decide(status, history, key)`, no retry"),
    Bar("decide.retry", "`decide(status, history, key)`, a retry", 15),
    Bar("decide.retry_fresh", "`decide(status, None, key)`, a retry", 15),
    Bar("decide.table", "`decide(status, None, key)`, the whole table", 5),
    Bar("decide.table_history", "`decide(status, history, key)`, the whole table", 5),
    Bar("decide.unseen", "`decide(status)`, each with a reason never seen before"),
    Bar("decide.ready", "the look-up itself, handed its key ready made"),
    Bar("wire.full", "a bare status, all fields, no retry", 3),
    Bar("wire.full_retry", "a bare status, all fields, a retry", 3),
    Bar("wire.full_retry_keyed", "a bare status, all fields, a retry, with a key", 3),
    Bar("wire.minimal", "a bare status, two fields", 3),
    Bar("wire.table", "a bare status, each of the 1,512 combinations", 3),
    Bar("wire.envelope", "a status in Layer's envelope; msgspec: the envelope as a Struct", 3),
    Bar("wire.failure", "a bare failure; msgspec: into `ApiFailure`", 3),
    Bar("load.engine", "`Engine.load`: the shipped policy read, checked and proven", 500_000),
    Bar("load.read", "of that, `load_policy`: the file to a checked `Policy`"),
    Bar("load.prove", "of that, `proven`: every region, every invariant"),
    Bar("diff.limits", "both proven and compared: a number is otherwise", 3),
    Bar("diff.words", "both proven and compared: every answer is otherwise in words", 3),
    Bar("drive.sync", "`drive`, without waiting", 3),
    Bar("drive.async", "`drive_async`, without waiting", 3),
    Bar("ledger.sqlite", "`Ledger.record` to SQLite; SQLAlchemy's commit", 3),
    Bar("ledger.sqlite_driver", "`Ledger.record` to SQLite; the driver's commit"),
    Bar("ledger.postgres", "`Ledger.record` to PostgreSQL; SQLAlchemy's commit", 3),
    Bar("ledger.postgres_driver", "`Ledger.record` to PostgreSQL; the driver's commit"),
    Bar("due.sqlite", "`Ledger.claim(32)` from SQLite", 2),
    Bar("due.postgres", "`Ledger.claim(32)` from PostgreSQL", 2),
    Bar("lead.sqlite", "on SQLite: an attempt is claimed and recorded, `Leader.step` starts another", 5),
    Bar("lead.postgres", "on PostgreSQL: an attempt is claimed and recorded, `Leader.step` starts another", 5),
    Bar("fleet.calm", "`Governor.step` with an event, nobody waits, 1,000 connections", 30),
    Bar("fleet.full_1000", "`Governor.step` with an event, all 1,000 connections wait", 30),
    Bar("fleet.full_100000", "`Governor.step` with an event, all 100,000 connections wait", 30),
    Bar("fleet.open", "`Governor.step` with an event, in an outage, 100,000 connections", 30),
    Bar("fleet.tenants", "`Governor.step` with an event, 100 tenants of 100,000 connections are held", 30),
    Bar("fleet.paused", "`Governor.step` with an event, 100 tenants of 100,000 connections pause", 30),
    Bar("fleet.day", "`simulate`, a day of 10,000 connections; as many bare events of its clock", 10),
    Bar("import.package", "`import remediate`", 1.5),
    Bar("import.names", "`from remediate import decide, History`"),
    Bar("import.first", "`from remediate import decide`, and a first decision from JSON"),
    Bar("peers.zen", "GoRules ZEN: a decision table, compiled, static loader"),
    Bar("peers.cel", "CEL in Rust: one compiled expression, the values in a `cel.Context` made before"),
    Bar("peers.cel_dict", "CEL in Rust: the same expression, the values in a dict"),
    Bar("peers.cedar", "Cedar: a policy an answer, parsed once"),
)


def row(name: str) -> Bar:
    """The row of this name."""
    return next(one for one in ROWS if one.name == name)
