"""The ledger: what is remembered of every connection, who may act on it now, and what others are asked for.

Knows no upstream's calls and no clock but the database's. Every event is taken by the machine inside
the transaction that records it, on the state as it is then: so what is recorded is what happened, in
the order in which it was recorded, whoever was at it.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from math import inf, nextafter
from typing import Final, Self

import sqlalchemy as sa

from remediate.engine import Engine, default_engine
from remediate.errors import InputError, LeaseLostError, UnreadableStateError
from remediate.events import (
    Accepted,
    Command,
    Event,
    Held,
    Late,
    Mended,
    Observed,
    Refused,
    Released,
    Wanted,
)
from remediate.ledger import attempting, governing, posting, reading, rows
from remediate.ledger.attempting import TURN_S, Attempt
from remediate.ledger.database import IN_MEMORY, Database, Transaction
from remediate.ledger.fleet import FleetBook, parameters, taken_before
from remediate.ledger.reading import Journaled, Overview, Standing
from remediate.ledger.recording import Claim, Recorder, due_again_s, given_up
from remediate.ledger.schema import connections, journal
from remediate.ledger.turning import Later, Turns
from remediate.observation import Observation
from remediate.telemetry import Telemetry

__all__ = ["LEASE_S", "Claim", "Ledger"]

LEASE_S: Final = 120.0
"""How long a connection is held, seconds: longer than any call of Layer's client takes."""

_CHUNK: Final = 500


class Ledger:
    """The ledger of a fleet. Safe to share between threads, and its database between processes.

    Attributes:
        engine: whose policy decides.
        holder: who holds what this one claims.
        lease_s: for how long, seconds.
        writers: how many threads may write at once.
        outbox: what others are asked for.
        fleet: who leads the fleet, how it stands, and what operators order.

    Args:
        address: a file for SQLite, ``:memory:`` (the default), or a URL (``postgresql://…``).
        engine: whose policy decides; None: the default one's.
        lease_s: how long a connection is held without a sign of life, seconds; default 120.
        holder: who holds, for people; None: this host and process.
        clock: seconds since the epoch; None, and so for all of a fleet: the database's own clock.
        patience_s: how long a lock or a restart is waited for, seconds; default 30.
        creates: make the tables where there are none; False: refuse, and leave the database as it is.

    Raises:
        ConfigurationError: the address is none, or its driver is missing.
        LedgerError: it can't be opened, or a newer version of this package has written it.
    """

    def __init__(
        self,
        address: str = IN_MEMORY,
        *,
        engine: Engine | None = None,
        lease_s: float = LEASE_S,
        holder: str | None = None,
        clock: Callable[[], float] | None = None,
        patience_s: float = 30.0,
        creates: bool = True,
    ) -> None:
        if not 0 < lease_s < inf:
            raise InputError("expected seconds above 0", field="lease_s")
        self.engine = engine or default_engine()
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.lease_s = lease_s
        self._database = Database(address, clock=clock, patience_s=patience_s, creates=creates)
        self.writers = self._database.writers
        self._telemetry = Telemetry()
        self._recorder = Recorder(engine=self.engine, holder=self.holder, lease_s=lease_s)
        self._turns = Turns(recorder=self._recorder, fleet=parameters(self.engine))
        self.outbox = posting.Outbox(self._database)
        self.fleet = FleetBook(self._database, self.engine, self.holder, lease_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database's connections."""
        self._database.close()

    def moment(self, claim: Claim | None = None) -> float:
        """About now, by the ledger's clock; for a claim: later than its latest answer was asked for."""
        now_s = self._database.moment()
        return now_s if claim is None else max(now_s, nextafter(claim.state.asked_s, inf))

    def enroll(self, keys: Iterable[str], *, every_s: float | None = None) -> None:
        """Remember connections; those that are new are due at once.

        Args:
            keys: whose connections they are; those that are known stay as they are.
            every_s: how often a sync is wanted where all is well, seconds, for those known too; 0:
                never; None, the default: as before, which for new ones is never. The first falls on a
                moment of its own for each connection.
        """
        if every_s is not None and not 0 <= every_s < inf:
            raise InputError("expected seconds from 0, or None", field="every_s")
        listed = list(dict.fromkeys(map(rows.checked_key, keys)))
        for start in range(0, len(listed), _CHUNK):
            chunk = listed[start : start + _CHUNK]
            self._database.write(partial(rows.enroll, keys=chunk, every_s=every_s))

    def claim(self, limit: int = 1, *, granted: bool = False) -> list[Claim]:
        """Hold connections that are due, the most overdue first; as many as there are, at most `limit`.

        Args:
            granted: only those whose attempts the fleet's leader has granted; default False.
        """

        def work(tx: Transaction) -> list[Claim]:
            leased = rows.lease(tx, rows.due(tx, limit, granted=granted), self.holder, self.lease_s)
            claims = [self._recorder.claimed(tx, row) for row in leased]
            return [claim for claim in claims if claim is not None]

        return self._database.write(work)

    def claim_one(self, key: str) -> Claim | None:
        """Hold this connection, due or not; None: another holds it. One that is not known is remembered."""
        rows.checked_key(key)

        claim = self._database.write(lambda tx: self._turns.held(tx, key))
        if claim is None:
            self._telemetry.conflicted(key)
        return claim

    def record(self, claim: Claim, *events: Event) -> tuple[Command, ...]:
        """Record what happened to a connection that is held; what to do, as of :meth:`Lifecycle.step`.

        The last command is always what comes next. Where that is to wait, the connection is held no
        longer; else the lease begins anew. Notices and tickets are in the outbox already.

        Raises:
            LeaseLostError: another has held it since; nothing was recorded.
            InputError: there is no event.
        """
        if not events:
            raise InputError("expected an event at least", field="events")

        def work(tx: Transaction) -> tuple[Command, ...] | None:
            row = rows.locked(tx, claim.key)
            if row is None or row.token != claim.token:
                return None
            return self._recorder.take(tx, row, events, token=claim.token)

        commands = self._database.write(work)
        if commands is None:
            self._telemetry.conflicted(claim.key)
            raise LeaseLostError("another has held the connection since")
        self._telemetry.commanded(claim.key, commands)
        return commands

    def answered(self, claim: Claim, number: int, answer: Observation) -> tuple[Command, ...]:
        """Record the answer to a trigger, as :meth:`record` does; it is never lost.

        Raises:
            LeaseLostError: another has held the connection since the trigger was allowed, so it may have
                run beside another's. That is recorded, and whoever comes next looks first.
        """
        event: Event = Accepted(number=number) if answer.describes else Refused(number=number, observation=answer)

        def work(tx: Transaction) -> tuple[Command, ...] | None:
            row = rows.locked(tx, claim.key)
            if row is None or row.token != claim.token:
                if row is not None:
                    self._recorder.take(tx, row, [Late(number=number)], token=None)
                return None
            return self._recorder.take(tx, row, [event], token=claim.token)

        commands = self._database.write(work)
        if commands is None:
            self._telemetry.late(claim.key, number)
            raise LeaseLostError("another has held the connection since the trigger was allowed")
        self._telemetry.commanded(claim.key, commands)
        return commands

    def release(self, claim: Claim, *, again_s: float | None = None) -> None:
        """Hold a connection no longer, though nothing was recorded.

        Args:
            again_s: when it is due again, seconds from now; None: as what is remembered says.
        """

        def work(tx: Transaction) -> None:
            row = rows.locked(tx, claim.key)
            if row is not None and row.token == claim.token and row.leased_until_s > 0:
                due_s = due_again_s(row, tx.now_s) if again_s is None else tx.now_s + again_s
                freed = given_up(tx, row)
                rows.update(tx, claim.key, due_s=due_s, leased_until_s=0.0, holder=None, **freed)

        self._database.write(work)

    def attempt(
        self, key: str, *, observe: Callable[[str], Observation], by: str = "a job", turn_s: float = TURN_S
    ) -> AbstractContextManager[Attempt]:
        """For a worker: hold a connection, look at it, and say whether it may be synced now.

        Where it may, trigger a sync within the block, and set the attempt's `answer`. Where runners share the
        ledger and one of them leads the fleet, the attempt takes its turn among theirs. While the fleet is held,
        or where its turn does not come, it may not sync: that a sync is wanted is recorded, and a runner
        carries it out in its turn.

        Args:
            key: whose connection it is; one that is not known is remembered.
            observe: asks the upstream for the status, once; called where nobody else is at it, in its turn.
            by: who wants the sync, for the journal.
            turn_s: how long its turn is waited for, real seconds; default 5.

        Raises:
            LedgerError: the ledger can't be read or written.
            BaseException: whatever `observe` raises.
        """
        return attempting.blocking(self, key, observe, by, turn_s)

    def attempt_async(
        self, key: str, *, observe: Callable[[str], Awaitable[Observation]], by: str = "a job", turn_s: float = TURN_S
    ) -> AbstractAsyncContextManager[Attempt]:
        """As :meth:`attempt`, with `observe` awaited, and nothing that blocks the event loop."""
        return attempting.awaited(self, key, observe, by, turn_s)

    def ask(self, key: str, by: str) -> Claim | Later | None:
        """Hold a connection for a worker's attempt; None: another holds it.

        Returns:
            The claim, which :meth:`is_granted` has to allow; or when to come again, while the fleet is held.
        """
        rows.checked_key(key)
        return self._database.write(lambda tx: self._turns.ask(tx, key, by))

    def is_granted(self, claim: Claim) -> bool:
        """Whether it is the turn of a claim that was asked for."""
        return self._database.read(lambda tx: self._turns.is_granted(tx, claim))

    def put_off(self, claim: Claim, by: str) -> Later | None:
        """The turn of a claim was waited for in vain: it is held no longer, and that a sync is wanted is recorded.

        Returns:
            When to come again; None: its turn has come meanwhile, and it is held.
        """
        return self._database.write(lambda tx: self._turns.put_off(tx, claim, by))

    def tell(self, key: str, event: Event) -> tuple[Command, ...]:
        """Record what happened to a connection, whoever holds it: somebody mended, holds or releases it.

        Raises:
            InputError: it is not known, or the event may lead to a trigger, for which it has to be held.
        """
        if isinstance(event, Observed):
            raise InputError("an observation is recorded under a claim", field="event")
        rows.checked_key(key)
        _checked_said(event)

        def work(tx: Transaction) -> tuple[Command, ...]:
            row = rows.locked(tx, key)
            if row is None:
                raise InputError("no such connection is known", field="key")
            return self._recorder.take(tx, row, [event], token=None)

        return self._database.write(work)

    def resolve(self, ticket: str, *, by: str, why: str = "") -> int:
        """Somebody has resolved a ticket: every connection behind it is mended; how many those were.

        Raises:
            InputError: no such ticket is known.
        """
        rows.checked_text(ticket, "ticket")
        _checked_said(Mended(by=by, why=why))
        self._database.write(lambda tx: posting.resolve(tx, ticket, by, why))
        return self.settle()

    def settle(self) -> int:
        """Mend the connections behind tickets that were resolved, where that was cut short; how many."""
        behind = self._database.read(posting.behind_resolved)
        mended = 0
        for link in behind:
            try:
                mended += self._database.write(partial(self._mend, link=link))
            except UnreadableStateError:
                continue  # it stays behind the ticket, and is told by `status`
        return mended

    def _mend(self, tx: Transaction, link: posting.Link) -> bool:
        row = rows.locked(tx, link.key)
        if not posting.unlink(tx, link.key, link) or row is None:
            return False
        mended = Mended(by=link.by, why=link.why or f"resolved {link.ticket}", ticket=link.ticket)
        self._recorder.take(tx, row, [mended], token=None)
        return True

    def forget(self, key: str) -> None:
        """Forget a connection: its state, its journal, and what was to be said of it.

        Raises:
            InputError: it is not known.
        """

        def work(tx: Transaction) -> None:
            row = rows.locked(tx, rows.checked_key(key))
            if row is None:
                raise InputError("no such connection is known", field="key")
            governing.forgotten(tx, row)
            posting.forget(tx, key)
            for table in (journal, connections):
                tx.execute(sa.delete(table).where(table.c.key == key))

        self._database.write(work)

    def standing(self, key: str) -> Standing:
        """How a connection stands.

        Raises:
            InputError: it is not known.
        """
        found = self._database.read(partial(reading.standing, key=rows.checked_key(key)))
        if found is None:
            raise InputError("no such connection is known", field="key")
        return found

    def overview(self) -> Overview:
        """How the fleet stands."""
        return self._database.read(reading.overview)

    def history(self, key: str, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Event, float]]:
        """What happened to a connection, oldest first: the entry's number, the event, and when.

        Args:
            after: only entries of greater numbers.
            limit: so many at most.
        """
        return self._database.read(
            partial(reading.history, key=key, after=after, limit=limit, upstream=self.engine.upstream)
        )

    def decisions(self, *, after: int = 0, limit: int = 1000, key: str | None = None) -> list[Journaled]:
        """What was decided about any connection, or about one, in the order of the journal.

        Args:
            after: only entries of greater numbers.
            limit: so many at most.
        """
        return self._database.read(partial(reading.decisions, after=after, limit=limit, key=key))

    def prune(self, older_than_s: float) -> int:
        """Forget journal entries, delivered messages and old orders of that age, seconds; how many. All else stays."""
        before_s = self.moment() - older_than_s
        old = (posting.delivered_before(before_s), taken_before(before_s))
        gone = self._database.write(lambda tx: sum(tx.execute(one).rowcount for one in old))
        while entries := self._database.write(partial(rows.prune, before_s=before_s)):
            gone += entries
        return gone

    def next_due_s(self) -> float | None:
        """In how many seconds something is due, from 0; None: nothing is."""
        first = sa.select(sa.func.min(connections.c.due_s))

        def work(tx: Transaction) -> float | None:
            at_s = tx.execute(first).scalar_one()
            return None if at_s is None else max(0.0, at_s - tx.now_s)

        return self._database.read(work)


def _checked_said(event: Event) -> None:
    """What people say is text that every database can hold, and somebody says it."""
    if isinstance(event, Mended | Held | Released | Wanted):
        rows.checked_text(event.why, "why")
        if not rows.checked_text(event.by, "by").strip():
            raise InputError("expected who says so", field="by")
