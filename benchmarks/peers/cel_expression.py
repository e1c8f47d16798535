"""CEL, by its implementation in Rust: one expression, a chain of conditionals in the rules' order.

`cel.compile` parses it once, and `Program.execute` runs it with the five values, either in a
`cel.Context` that was made of them before, which is its fastest way, or in a dict. A field that is
absent is null, and a string that nobody published is none of the published ones. CEL has no table
and no variables of its own; what was tested once is tested again further down.
"""

from __future__ import annotations

from typing import Any

import cel

from benchmarks.peers.rules import Choice, Conditions, Table, Values

__all__ = ["CelExpression"]


class CelExpression:
    """The table in CEL.

    Args:
        table: the rules.
        ready: whether the values come in a context of CEL's own; else in a dict.
    """

    def __init__(self, table: Table, *, ready: bool) -> None:
        self._program = cel.compile(_chain(table))
        self._ready = ready

    def context(self, values: Values) -> Any:
        return cel.Context(variables=dict(values)) if self._ready else dict(values)

    def answer(self, context: Any) -> str:
        answer: str = self._program.execute(context)
        return answer


def _chain(table: Table) -> str:
    *rules, (_, otherwise) = table.ordered
    tests = "".join(f"{_all(conditions)} ? '{answer}' : " for conditions, answer in rules)
    return f"{tests}'{otherwise}'"


def _all(conditions: Conditions) -> str:
    return " && ".join(f"({_test(choice)})" for choice in conditions)


def _test(choice: Choice) -> str:
    """What the field is; or, where that can't be listed, what it is not."""
    if choice.unrecognised:
        refused = [_literal(choice, value) for value in choice.known if value not in choice.published]
        refused += [] if choice.absent else ["null"]
        return " && ".join(f"{choice.field} != {value}" for value in refused)
    taken = [_literal(choice, value) for value in choice.published] + ["null"] * choice.absent
    return " || ".join(f"{choice.field} == {value}" for value in taken)


def _literal(choice: Choice, value: str) -> str:
    return value if choice.boolean else f"'{value}'"
