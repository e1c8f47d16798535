"""What the ledger keeps, as JSON: states, events and observations; and the messages of the outbox.

Knows no database. Observations are written and read as their upstream has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import msgspec

from remediate.decision import as_dict
from remediate.errors import InputError
from remediate.events import (
    Accepted,
    Event,
    Held,
    Late,
    Mended,
    Notify,
    Observed,
    OpenTicket,
    Refused,
    Released,
    Request,
    ResolveTicket,
    TimePassed,
    Wanted,
)
from remediate.state import State
from remediate.upstreams import Record, Upstream
from remediate.wire import dumps

__all__ = ["kind_of_event", "kind_of_request", "message", "read_event", "read_state", "write_event", "write_state"]

_EVENTS: Final[Mapping[str, type[Any]]] = {
    "observed": Observed,
    "accepted": Accepted,
    "refused": Refused,
    "late": Late,
    "mended": Mended,
    "held": Held,
    "released": Released,
    "wanted": Wanted,
    "time_passed": TimePassed,
}
_KINDS: Final[Mapping[type[Any], str]] = {cls: kind for kind, cls in _EVENTS.items()}
_REQUESTS: Final[Mapping[type[Any], str]] = {
    Notify: "notice",
    OpenTicket: "ticket_opened",
    ResolveTicket: "ticket_resolved",
}


def write_state(state: State) -> str:
    """A state as JSON."""
    return msgspec.json.encode(state).decode()


def read_state(text: str) -> State:
    """The state that was written.

    Raises:
        InputError: it is none.
    """
    try:
        return msgspec.json.decode(text, type=State)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InputError("no state of a connection", field="state") from None


def kind_of_request(request: Request) -> str:
    """What a request to others is called in the outbox."""
    return _REQUESTS[type(request)]


def kind_of_event(event: Event) -> str:
    """What an event is called in the journal."""
    return _KINDS[type(event)]


def write_event(event: Event, upstream: Upstream) -> str:
    """An event as JSON, without what kind it is."""
    fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
    if isinstance(event, Observed | Refused):
        fields["observation"] = upstream.write(Record(observation=event.observation))
    return dumps(fields)


def read_event(kind: str, text: str, upstream: Upstream) -> Event:
    """The event that was written.

    Raises:
        InputError: it is none.
    """
    try:
        cls, fields = _EVENTS[kind], msgspec.json.decode(text)
        if "observation" in fields:
            fields["observation"] = upstream.read(fields["observation"]).observation
        event: Event = cls(**fields)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError):
        raise InputError("no event of a connection", field="event") from None
    return event


def message(request: Request, key: str, at_s: float, identity: str) -> str:
    """A request to others as the JSON of an outbox message.

    Args:
        key: whose connection it is about.
        at_s: when it was asked for.
        identity: its id, by which receivers tell a repetition.
    """
    content: dict[str, Any] = {"key": key}
    for name in ("audience", "reminder", "ticket", "owner", "scope", "cause"):
        if hasattr(request, name):
            content[name] = getattr(request, name)
    if isinstance(request, OpenTicket):
        content["ticket"] = request.id
    if not isinstance(request, ResolveTicket):
        content["decision"] = as_dict(request.decision)
    moment = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return dumps({"id": identity, "type": kind_of_request(request), "timestamp": moment, "data": content})
