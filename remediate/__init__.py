"""What to do now about a sync connection that fails: retry, re-authorise, escalate, or leave it alone.

>>> from remediate import decide
>>> decide(b'{"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}').action
<Action.NO_OP: 'no_op'>

Everything here is imported when it is first used: embedding the engine pays for what it touches.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remediate.decision import (
        Action,
        Cause,
        Decision,
        Escalate,
        Evidence,
        Flow,
        NextSteps,
        NoOp,
        Owner,
        PolicyStamp,
        Reauth,
        Retry,
        Scope,
    )
    from remediate.engine import Engine
    from remediate.errors import ConfigurationError, InputError, PolicyError, RemediateError
    from remediate.explaining import Change, Explanation
    from remediate.history import History
    from remediate.observation import Observation
    from remediate.upstreams import Payload, Record
    from remediate.wire import from_json, to_json

__all__ = [
    "Action",
    "Cause",
    "Change",
    "ConfigurationError",
    "Decision",
    "Engine",
    "Escalate",
    "Evidence",
    "Explanation",
    "Flow",
    "History",
    "InputError",
    "NextSteps",
    "NoOp",
    "Observation",
    "Owner",
    "Payload",
    "PolicyError",
    "PolicyStamp",
    "Reauth",
    "Record",
    "RemediateError",
    "Retry",
    "Scope",
    "__version__",
    "decide",
    "explain",
    "from_json",
    "to_json",
]

__version__ = "0.1.0"

_ROOMS = {
    "decision": ("Action Cause Decision Escalate Evidence Flow NextSteps NoOp Owner PolicyStamp Reauth Retry Scope"),
    "engine": "Engine",
    "errors": "ConfigurationError InputError PolicyError RemediateError",
    "explaining": "Change Explanation",
    "history": "History",
    "observation": "Observation",
    "upstreams": "Payload Record",
    "wire": "from_json to_json",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module `remediate` has no attribute `{name}`")
    value: object = getattr(import_module(f"remediate.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


@cache
def _default() -> Engine:
    from remediate.engine import default_engine

    return default_engine()


def decide(payload: Payload | Observation | Record, history: History | None = None, key: str | None = None) -> Decision:
    """What to do now, by the default policy, which is loaded and proven at the first call.

    Args:
        payload: JSON as bytes or text, the object it stands for, a typed observation, or a record.
        history: what happened before; None: what a record says, else nothing.
        key: whose connection it is, so that its waits are its own; None: what a record says.

    Raises:
        InputError: the payload can't be read.
    """
    return _default().decide(payload, history, key)


def explain(
    payload: Payload | Observation | Record, history: History | None = None, key: str | None = None
) -> Explanation:
    """Why, and what would change it, by the default policy; arguments and errors as for :func:`decide`."""
    return _default().explain(payload, history, key)
