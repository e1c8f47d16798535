"""Cedar: one `permit` an answer, which the id of the deciding policy names.

Cedar answers allow or deny, and which policies decided. It has no order among policies, so each
answer's policy speaks of exactly its own combinations: the policy's regions, merged, joined by `||`.
Principal, action and resource are always the same; the five values are the request's context, and
an absent one is left out, for Cedar has no null. It returns no values, so a delay, an attempt or a
reason in words would have to come from somewhere else; and it evaluates every policy, each time.
Policies and (no) entities are parsed once. A request is handed over as its binding takes it
fastest: principal, action and resource as dicts, the context as JSON text.
"""

from __future__ import annotations

import json
from typing import Any, Final

import cedarpy

from benchmarks.peers.rules import Choice, Conditions, Table, Values

__all__ = ["CedarPolicies"]

_WHO: Final = {
    "principal": {"type": "Engine", "id": "sync"},
    "action": {"type": "Action", "id": "decide"},
    "resource": {"type": "Connection", "id": "one"},
}


class CedarPolicies:
    """The table in Cedar."""

    def __init__(self, table: Table) -> None:
        permits = [_permit(answer, boxes) for answer, boxes in table.disjoint.items()]
        self._policies = cedarpy.PolicySet.from_str("\n".join(permits))
        self._entities = cedarpy.Entities.from_json_str("[]")

    def context(self, values: Values) -> Any:
        present = {field: value for field, value in values.items() if value is not None}
        return {**_WHO, "context": json.dumps(present)}

    def answer(self, context: Any) -> str:
        result = cedarpy.is_authorized(context, self._policies, self._entities)
        (answer,) = result.diagnostics.id_annotations_by_reason.values()
        return str(answer)


def _permit(answer: str, boxes: tuple[Conditions, ...]) -> str:
    alternatives = " || ".join(f"({_all(conditions)})" for conditions in boxes)
    return f'@id("{answer}") permit (principal, action, resource) when {{ {alternatives} }};'


def _all(conditions: Conditions) -> str:
    return " && ".join(f"({_test(choice)})" for choice in conditions)


def _test(choice: Choice) -> str:
    here, found = f"context has {choice.field}", _truth(choice) if choice.boolean else _text(choice)
    if choice.absent:
        return f"!({here}) || {found}" if found else f"!({here})"
    return f"{here} && ({found})" if found else here


def _truth(choice: Choice) -> str:
    """What holds of a boolean that is there; empty where either will do, or neither."""
    if len(choice.published) != 1:
        return ""
    return f"context.{choice.field}" if choice.published == ("true",) else f"!context.{choice.field}"


def _text(choice: Choice) -> str:
    """What holds of a string that is there; empty where every string will do, or none."""
    values = [value for value in choice.known if (value in choice.published) is not choice.unrecognised]
    if not values:
        return ""
    found = f"{json.dumps(values)}.contains(context.{choice.field})"
    if len(values) == 1:
        found = f"context.{choice.field} == {json.dumps(values[0])}"
    return f"!({found})" if choice.unrecognised else found
