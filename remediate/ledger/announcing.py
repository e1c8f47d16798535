"""How a fleet stands and what its incidents are, as JSON: in the governor's row, and as messages of the outbox.

Knows the governor's words, and no database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import attrs
import msgspec

from remediate.errors import InputError
from remediate.fleet import Closed, Opened, Standing
from remediate.fleet.saving import restored
from remediate.wire import dumps

__all__ = ["KIND", "closing", "message", "plain", "read_standing", "write_standing"]

KIND: Final = "incident"
"""What a message about an incident is called in the outbox."""


def plain(standing: Standing) -> dict[str, Any]:
    """How a fleet stands, as JSON has it."""
    return attrs.asdict(standing)


def write_standing(standing: Standing) -> str:
    """How a fleet stands, as JSON."""
    return dumps(plain(standing))


def read_standing(text: str) -> Standing:
    """What was written, by this version of this package or another.

    Raises:
        InputError: it is no such thing.
    """
    try:
        return restored(Standing, msgspec.json.decode(text), {})
    except (InputError, msgspec.MsgspecError):
        raise InputError("no standing of a fleet", field="standing") from None


def message(what: Opened | Closed, at_s: float) -> tuple[str, str]:
    """The id and the JSON of the message that an incident began or is over."""
    incident, closed = what.incident, what if isinstance(what, Closed) else None
    identity = f"{incident.id}/{'opened' if closed is None else 'closed'}"
    content = {
        "incident": incident.id,
        "state": "opened" if closed is None else "closed",
        "trouble": incident.trouble,
        "tenant": incident.tenant,
        "since": _moment(incident.since_s),
        "opened": _moment(incident.opened_s),
        "closed": None if closed is None else _moment(closed.closed_s),
        "failed": None if closed is None else closed.failed,
        "by": incident.by or None,
        "why": incident.why or None,
    }
    return identity, dumps({"id": identity, "type": KIND, "timestamp": _moment(at_s), "data": content})


def closing(opened: str, at_s: float) -> tuple[str, str]:
    """The id and the JSON of the message that an incident is over of which only the opening is known.

    Args:
        opened: the message of that, as JSON.
    """
    content = msgspec.json.decode(opened)
    data = content["data"] | {"state": "closed", "closed": _moment(at_s)}
    identity = f"{data['incident']}/closed"
    return identity, dumps({"id": identity, "type": KIND, "timestamp": _moment(at_s), "data": data})


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
