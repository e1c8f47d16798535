"""What the governor is told: how attempts that it granted have ended, and what else happens to connections.

Knows rows and states, and not what the governor makes of it. All is written in the transaction of what it
comes from, and taken by whoever leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from remediate import attempts
from remediate.attempts import runs
from remediate.decision import Evidence, Owner
from remediate.errors import InputError
from remediate.events import Command, Event, Mended, Notify, Request, WaitUntil
from remediate.fleet import Ended, Repaired, Telling, Wants, Withdrawn
from remediate.fleet import Event as Told
from remediate.fleet.saving import restored
from remediate.ledger.database import Transaction
from remediate.ledger.schema import FREE, GRANTED, WAITING, fleet_events, governors
from remediate.state import State
from remediate.wire import dumps

__all__ = ["ENDED_BY", "forgotten", "freed", "is_governed", "outcome", "read_told", "resumed", "tell"]
__all__ += ["withholds"]

ENDED_BY: Final = "the end of an incident"
"""Who repairs the connections that were in it."""

_KINDS: Final[Mapping[str, type[Any]]] = {
    "ended": Ended,
    "wants": Wants,
    "withdrawn": Withdrawn,
    "repaired": Repaired,
    "telling": Telling,
}
_KIND_OF: Final = {cls: kind for kind, cls in _KINDS.items()}
_EXISTS: Final = sa.select(sa.literal(1)).select_from(governors).limit(1)


def is_governed(tx: Transaction) -> bool:
    """Whether a governor was ever asked in this ledger, and was not dismissed since."""
    return tx.row(_EXISTS) is not None


def tell(tx: Transaction, events: Iterable[Told]) -> None:
    """Tell the governor, in this order.

    What is told while nobody leads is kept until somebody does, or the governor is dismissed. Then nothing is granted,
    so that is how attempts end that were granted or waited for before, once each, and what people say: each time that
    they mend a connection or forget it. The machine alone does not make it grow.
    """
    told = [{"kind": _KIND_OF[type(one)], "event": dumps(attrs.asdict(one))} for one in events]
    if told:
        tx.execute(sa.insert(fleet_events), told)


def read_told(kind: str, text: str) -> Told | None:
    """What was told, by this version of this package or another; None: it is nothing that this one knows."""
    try:
        event: Told = restored(_KINDS[kind], msgspec.json.decode(text), {})
    except (InputError, msgspec.MsgspecError, KeyError):
        return None
    return event


def resumed(row: Row[Any], state: State, events: Sequence[Event], token: int | None) -> Sequence[Event]:
    """What happens to a connection under a lease: an incident that is over, or probes it, repairs it first.

    One that was repaired and has tried nothing since has nothing to be given back. Repaired again at each probe,
    its wait before a sync would begin anew each time, and no probe would ever sync.
    """
    if token is None or not row.repairs or _is_as_new(state):
        return events
    return [Mended(by=ENDED_BY, ticket=row.repairs, at_once=True), *events]


def _is_as_new(state: State) -> bool:
    """Whether it was repaired, and nothing was tried since, or is under way."""
    has_tried = state.attempts or state.unanswered or state.refused or runs(state)
    return state.repaired and not has_tried and not state.awaits_customer


def withholds(row: Row[Any], request: Request) -> bool:
    """Whether a request waits until the governor says so: the first notice of a customer does."""
    is_first = isinstance(request, Notify) and request.audience == Owner.CUSTOMER and request.reminder == 0
    return bool(is_first and row.stage == GRANTED)


def outcome(
    row: Row[Any], before: State, after: State, events: Sequence[Event], commands: Sequence[Command]
) -> tuple[dict[str, Any], list[Told]]:
    """What a record under a lease changes of a row, and what the governor is told of it.

    An attempt goes on while a sync runs whose outcome is not known.
    """
    values: dict[str, Any] = {"repairs": None} if row.repairs else {}
    last = commands[-1]
    if row.stage != GRANTED or not isinstance(last, WaitUntil):
        return values, []
    found = attempts.outcome(before, after, events, last)
    if found is None:
        return values, []
    ended = Ended(key=row.key, number=row.start, **attrs.asdict(found))
    told = [Telling(key=row.key) for one in commands if not isinstance(one, WaitUntil) and withholds(row, one)]  # type: ignore[arg-type]  # all but the last are requests
    freed = {"stage": FREE, "start": None, "overdue_s": None if last.rests else row.overdue_s}
    return values | freed, [ended, *told]


def freed(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """What changes of a row whose attempt is over, or that waits no more, with nothing to tell of upstream."""
    if row.stage == GRANTED:
        tell(tx, [Ended(key=row.key, number=row.start, evidence=Evidence.NONE, synced=False)])
    elif row.stage == WAITING:
        tell(tx, [Withdrawn(key=row.key)])
    return {"stage": FREE, "start": None}


def forgotten(tx: Transaction, row: Row[Any]) -> None:
    """A connection is forgotten: whatever the governor remembers of it, it is to forget too."""
    if is_governed(tx):
        freed(tx, row)
        tell(tx, [Withdrawn(key=row.key)] if row.stage != WAITING else [])
