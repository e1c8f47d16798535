"""What a policy answers today for a string that it does not know: everything that it may, and where.

Knows proven sections and nothing of documents or upstreams.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from remediate.deciding import Decider
from remediate.observation import UNRECOGNISED
from remediate.regions import Box, intersect, merge, size
from remediate.workshop import matrices

__all__ = ["Answered", "answers_for_unrecognised"]


@attrs.frozen(kw_only=True)
class Answered:
    """One answer, and where it is given.

    Attributes:
        answer: in words: `retry probe, then escalate provider connection`.
        combinations: how many combinations of the other fields have it.
        share: of all such combinations, above 0 and at most 1. They are not equally frequent.
        where: disjoint places, the largest first: the values of each other field that does not take all of its own.
    """

    answer: str
    combinations: int
    share: float
    where: tuple[Mapping[str, tuple[str, ...]], ...]


def answers_for_unrecognised(decider: Decider, field: str) -> tuple[Answered, ...]:
    """Every answer where a field has a string that nobody published, the most frequent first.

    Args:
        field: of an open vocabulary.
    """
    space = decider.section.shape.space
    newcomer = space.box({field: (UNRECOGNISED,)})
    boxes: dict[str, list[Box]] = {}
    for region in decider.section.regions:
        there = intersect(region.box, newcomer)
        if there is not None:
            boxes.setdefault(matrices.answer(decider, there), []).append(there)
    found = []
    for answer, given in boxes.items():
        places = sorted(merge(given), key=size, reverse=True)
        where = [{name: values for name, values in space.where(box).items() if name != field} for box in places]
        many = sum(map(size, places))
        found.append(Answered(answer=answer, combinations=many, share=many / size(newcomer), where=tuple(where)))
    return tuple(sorted(found, key=lambda one: -one.combinations))
