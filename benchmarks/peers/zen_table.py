"""GoRules ZEN: a decision table, one row a rule, hit policy `first`.

The graph is an input, the table and an output. A static loader hands it to the engine, which
compiles it once; `engine.evaluate(key, context)` is its fastest call (a `ZenDecision` from
`create_decision` or `get_decision` takes twenty times as long). A cell is a unary test: a list of
values, `null` for an absent field, `not in [...]` for a string that nobody published.
"""

from __future__ import annotations

from typing import Any, Final

import zen

from benchmarks.peers.rules import Choice, Table, Values

__all__ = ["ZenTable"]

_KEY: Final = "status"
_ANSWER: Final = "answer"


class ZenTable:
    """The table in ZEN."""

    def __init__(self, table: Table) -> None:
        self._engine = zen.ZenEngine({"loader": {"type": "static", "content": {_KEY: _graph(table)}}})

    def context(self, values: Values) -> Any:
        return dict(values)

    def answer(self, context: Any) -> str:
        answer: str = self._engine.evaluate(_KEY, context)["result"][_ANSWER]
        return answer


def _graph(table: Table) -> dict[str, Any]:
    nodes = [
        _node("in", "inputNode"),
        _node("table", "decisionTableNode", content=_content(table)),
        _node("out", "outputNode"),
    ]
    edges = [
        {"id": f"{source}-{target}", "sourceId": source, "targetId": target, "type": "edge"}
        for source, target in (("in", "table"), ("table", "out"))
    ]
    return {"nodes": nodes, "edges": edges}


def _node(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "type": kind, "position": {"x": 0, "y": 0}, **more}


def _content(table: Table) -> dict[str, Any]:
    fields = sorted({choice.field for conditions, _ in table.ordered for choice in conditions})
    rows = []
    for i, (conditions, answer) in enumerate(table.ordered):
        cells = dict.fromkeys(fields, "") | {choice.field: _cell(choice) for choice in conditions}
        rows.append({"_id": f"rule-{i}", **cells, _ANSWER: f"'{answer}'"})
    return {
        "hitPolicy": "first",
        "inputs": [{"id": field, "name": field, "field": field} for field in fields],
        "outputs": [{"id": _ANSWER, "name": _ANSWER, "field": _ANSWER}],
        "rules": rows,
    }


def _cell(choice: Choice) -> str:
    published = [value if choice.boolean else f"'{value}'" for value in choice.published]
    if choice.unrecognised:
        refused = [f"'{value}'" for value in choice.known if value not in choice.published]
        refused += [] if choice.absent else ["null"]
        return f"not in [{', '.join(refused)}]"
    return ", ".join(published + ["null"] * choice.absent)
