"""What a policy answers, in words: for a box of combinations, and for a row of a matrix.

Knows proven sections and nothing of files, formats or upstreams.
"""

from __future__ import annotations

from typing import Final

from remediate.deciding import Decider
from remediate.decision import headline
from remediate.history import NO_HISTORY, History
from remediate.observation import ABSENT, Matrix
from remediate.regions import Box

__all__ = ["answer", "columns", "first_and_last", "row"]

_LONG_AGO: Final = History(attempts=10**9, failing_for_s=1e9, syncing_for_s=1e9)


def first_and_last(decider: Decider, box: Box) -> tuple[str, str]:
    """What the first combination of a box answers without a history, and after a long one."""
    point = tuple(mask & -mask for mask in box)
    blank = decider.section.shape.cls()
    now, later = (headline(decider.decide_at(point, blank, history, None)) for history in (NO_HISTORY, _LONG_AGO))
    return now, later


def answer(decider: Decider, box: Box) -> str:
    """The same as one text: `retry probe, then escalate provider connection`."""
    now, later = first_and_last(decider, box)
    return now if now == later else f"{now}, then {later}"


def columns(decider: Decider, matrix: Matrix) -> tuple[str, ...]:
    """The names of a matrix' columns: `answer` where it has but one."""
    if matrix.columns is None:
        return ("answer",)
    space = decider.section.shape.space
    axis = space.axes[space.index(matrix.columns)]
    return tuple(f"{axis.name} {value}" for value in axis.values)


def row(decider: Decider, matrix: Matrix, value: str) -> tuple[str, ...]:
    """The answers in one row of a matrix, one a column.

    Args:
        value: of the axis that the rows are. What neither the row, the column nor the matrix says is absent.
    """
    space = decider.section.shape.space
    where = {axis.name: (ABSENT,) for axis in space.axes if ABSENT in axis.values}
    where |= {field: (given,) for field, given in matrix.given.items()}
    where[matrix.rows] = (value,)
    if matrix.columns is None:
        return (answer(decider, space.box(where)),)
    across = space.axes[space.index(matrix.columns)].values
    return tuple(answer(decider, space.box(where | {matrix.columns: (column,)})) for column in across)
