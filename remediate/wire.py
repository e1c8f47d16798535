"""Decisions and explanations as JSON, and decisions back from it: the same bytes every time.

Knows plain data and no upstream. What is written is ASCII, so no control character of anyone's
key or policy reaches whoever prints it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any, Final

import attrs
import cattrs
import msgspec

from remediate.decision import Decision, Escalate, NoOp, Reauth, Retry, as_dict
from remediate.errors import InputError, did_you_mean, printable
from remediate.explaining import Change, Explanation
from remediate.strict import faults, strict_converter

__all__ = ["dumps", "explanation_dict", "from_json", "to_json"]

_converter: Final = strict_converter()
_CLASSES: Final[Mapping[str, type]] = {cls.action.value: cls for cls in (Retry, Reauth, Escalate, NoOp)}


def dumps(value: object) -> str:
    """A JSON value on one line of printable ASCII."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(", ", ": ")).replace("\x7f", "\\u007f")


def to_json(decision: Decision, *, key: str | None = None) -> bytes:
    """The JSON object of a decision, on one line without its end.

    Args:
        key: whose connection it is; put first where it is given.
    """
    return dumps(({} if key is None else {"key": key}) | as_dict(decision)).encode()


def from_json(content: bytes | str) -> Decision:
    """The decision that :func:`to_json` wrote. A `key` beside it is passed over.

    Raises:
        InputError: it is no decision: unknown or missing fields, wrong types, an unknown action.
    """
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {printable(str(error)).removeprefix('JSON is malformed: ')}") from None
    if not isinstance(value, dict):
        raise InputError("expected a JSON object")
    fields = {name: one for name, one in value.items() if name not in ("action", "key")}
    action = value.get("action")
    if not isinstance(action, str) or action not in _CLASSES:
        hint = did_you_mean(action, _CLASSES) if isinstance(action, str) else ""
        raise InputError(f"unknown action{hint}", field="action")
    try:
        decision: Decision = _converter.structure(fields, _CLASSES[action])
    except cattrs.ClassValidationError as error:
        path, what = next(faults(error))
        raise InputError(what, field=".".join(map(str, path)) or None) from None
    return decision


def explanation_dict(explanation: Explanation) -> dict[str, Any]:
    """The JSON object of an explanation."""
    return {
        "key": explanation.key,
        "kind": explanation.kind,
        "combination": dict(explanation.combination),
        "received": dict(explanation.received),
        "when": {name: list(values) for name, values in explanation.when.items()},
        "limit": explanation.limit,
        "limit_passed": explanation.limit_passed,
        "history": attrs.asdict(explanation.history),
        "retry_after_s": _finite(explanation.retry_after_s),
        "changes": [_change(change) for change in explanation.changes],
        "later": [_change(change) for change in explanation.later],
        "acts_next": explanation.acts_next,
        "decision": as_dict(explanation.decision),
    }


def _finite(seconds: float | None) -> float | None:
    """JSON has no other number; what is not finite counts as absent."""
    return seconds if seconds is not None and abs(seconds) < inf else None


def _change(change: Change) -> dict[str, Any]:
    return {"fields": {name: list(values) for name, values in change.fields.items()}, "answer": change.answer}
