"""How events become rows: taken by the machine on the state as it is in the transaction, with all that comes of it.

Knows rows and the machine, and not why an event is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Row

from remediate.attempts import runs
from remediate.decision import Decision, headline
from remediate.engine import Engine
from remediate.errors import InputError, UnreadableStateError
from remediate.events import Command, Event, Mended, Request, Trigger, WaitUntil, Wanted
from remediate.fleet import Repaired
from remediate.history import History
from remediate.ledger import governing, posting, rows
from remediate.ledger.database import Transaction
from remediate.ledger.records import kind_of_event, read_state, write_event, write_state
from remediate.ledger.schema import GRANTED, UNREADABLE, journal
from remediate.observation import Observation
from remediate.state import BEFORE, State
from remediate.wire import dumps, to_json

__all__ = ["Claim", "Recorder", "due_again_s", "given_up"]

_INTO_JOURNAL: Final = sa.insert(journal)
_UNREADABLE_AGAIN_S: Final = 3600.0


@attrs.frozen(kw_only=True)
class Claim:
    """A connection that is held, so that nobody else acts on it.

    Attributes:
        key: whose connection it is.
        token: of the lease; greater than that of any lease before.
        state: what was remembered when it was claimed.
        due_since_s: since when the schedule wants a sync, seconds since the epoch; None: it wants none now.
    """

    key: str
    token: int
    state: State
    due_since_s: float | None = None

    @property
    def wants_sync(self) -> bool:
        """Whether the schedule wants a sync now."""
        return self.due_since_s is not None


def due_again_s(row: Row[Any], now_s: float) -> float | None:
    """When a connection is due, as its state says; one that nobody has looked at, or can, is due at once."""
    try:
        state = read_state(row.state)
    except InputError:
        return now_s
    return _due_s(state, state.due_s, row.sync_at_s, now_s)


def given_up(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """What changes of a row that is held no longer though nothing was recorded: its attempt goes on if a sync runs."""
    try:
        goes_on = row.stage == GRANTED and runs(read_state(row.state))
    except InputError:
        goes_on = False
    return {} if goes_on else governing.freed(tx, row)


def _due_s(state: State, at_s: float | None, sync_at_s: float | None, now_s: float) -> float | None:
    return rows.earliest(now_s if state.asked_s == BEFORE else at_s, sync_at_s)


@attrs.frozen(kw_only=True)
class Recorder:
    """Records events, for a holder.

    Attributes:
        engine: whose machine takes them.
        holder: who holds what is claimed.
        lease_s: for how long, seconds.
    """

    engine: Engine
    holder: str
    lease_s: float

    def claimed(self, tx: Transaction, row: Row[Any]) -> Claim | None:
        """A leased row as a claim; one that can't be read is put aside, so that it stops no other."""
        try:
            state = read_state(row.state)
        except InputError:
            again_s = tx.now_s + _UNREADABLE_AGAIN_S
            freed = governing.freed(tx, row)
            rows.update(tx, row.key, due_s=again_s, leased_until_s=0.0, holder=None, answer=UNREADABLE, **freed)
            return None
        wants = row.sync_at_s is not None and row.sync_at_s <= tx.now_s
        since = row.sync_at_s if wants else None
        return Claim(key=row.key, token=row.token, state=state, due_since_s=since)

    def take(
        self, tx: Transaction, row: Row[Any], events: Sequence[Event], *, token: int | None
    ) -> tuple[Command, ...]:
        """Let the machine take events, and record all that comes of it."""
        try:
            state = read_state(row.state)
        except InputError:
            raise UnreadableStateError("what is remembered of the connection can't be read") from None
        before, version = state, row.version
        events = governing.resumed(row, state, events, token)
        latest = {"decision": row.decision, "answer": row.answer}
        requests: list[Request] = []
        entries: list[dict[str, Any]] = []
        last: Command = WaitUntil(id="", at_s=None)
        histories: list[History] = []

        def decide(observation: Observation, history: History, key: str) -> Decision:
            histories.append(history)
            return self.engine.decide(observation, history, key)

        lifecycle = attrs.evolve(self.engine.lifecycle, decide=decide)
        for event in events:
            state, (*asked, last) = lifecycle.step(state, event, tx.now_s)
            requests += asked  # type: ignore[arg-type]  # only the last one is a command to the holder
            version += 1
            decision = _decision(last)
            text = None if decision is None else to_json(decision).decode()
            if decision is not None:
                latest = {"decision": text, "answer": headline(decision)}
            entry = self._entry(state, event, version, tx.now_s, token)
            entries.append(entry | {"decision": text, "history": text and dumps(attrs.asdict(histories[-1]))})
        tx.execute(_INTO_JOURNAL, entries)
        posting.post(tx, row.key, requests, lambda request: governing.withholds(row, request))
        if before.is_open and not state.is_open:
            posting.unlink(tx, row.key)
            posting.withdraw(tx, [row.key])
        commands = (*requests, last)
        changed = {"version": version, "state": write_state(state), **latest}
        changed |= self._governed(tx, row, before, state, events, commands, token)
        rows.update(tx, row.key, **changed, **self._next(tx, row, last, state, events, token))
        return commands

    def _governed(
        self,
        tx: Transaction,
        row: Row[Any],
        before: State,
        after: State,
        events: Sequence[Event],
        commands: Sequence[Command],
        token: int | None,
    ) -> dict[str, Any]:
        """Tell the governor what it is to know, and nobody where there is none."""
        if token is None:
            if any(isinstance(one, Mended) for one in events) and governing.is_governed(tx):
                governing.tell(tx, [Repaired(key=row.key)])
            return {}
        values, told = governing.outcome(row, before, after, events, commands)
        governing.tell(tx, told)
        return values

    def _entry(self, state: State, event: Event, version: int, now_s: float, token: int | None) -> dict[str, Any]:
        return {
            "key": state.key,
            "version": version,
            "at_s": now_s,
            "kind": kind_of_event(event),
            "event": write_event(event, self.engine.upstream),
            "token": token,
        }

    def _next(
        self, tx: Transaction, row: Row[Any], last: Command, state: State, events: Sequence[Event], token: int | None
    ) -> dict[str, Any]:
        """When the connection is due, and whether it is still held."""
        values: dict[str, Any] = {}
        if row.every_s is not None and any(isinstance(event, Wanted) for event in events):
            values["sync_at_s"] = rows.slot(row.key, row.every_s, tx.now_s)
        sync_at_s = values.get("sync_at_s", row.sync_at_s)
        if token is None and row.leased_until_s > tx.now_s:
            return values  # whoever holds it goes on from here
        if isinstance(last, WaitUntil):
            due_s = _due_s(state, last.at_s, sync_at_s, tx.now_s)
            return values | {"due_s": due_s, "leased_until_s": 0.0, "holder": None}
        if token is None:
            return values | {"due_s": tx.now_s}
        until_s = tx.now_s + self.lease_s
        return values | {"due_s": until_s, "leased_until_s": until_s, "holder": self.holder}


def _decision(command: Command) -> Decision | None:
    return command.decision if isinstance(command, WaitUntil | Trigger) else None
