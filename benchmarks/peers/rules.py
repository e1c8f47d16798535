"""The rules that all peers are given, made from the regions and rules of the policy itself.

Knows no peer. What a peer makes of them is checked on every combination before it is timed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import attrs

from benchmarks.material import observation
from remediate import Engine
from remediate.checking import box_of
from remediate.decision import headline
from remediate.observation import ABSENT, UNRECOGNISED
from remediate.regions import Axis, Box, Space, merge, partition

__all__ = ["Choice", "Peer", "Table", "Values", "table_of"]

Values = Mapping[str, bool | str | None]
"""The five raw values, by field."""


class Peer(Protocol):
    """Another engine that holds the table."""

    def context(self, values: Values) -> Any:
        """The five raw values in the form that the engine takes fastest; making it is not timed."""

    def answer(self, context: Any) -> str:
        """The answer in a few words, as :func:`remediate.decision.headline` has it."""


@attrs.frozen(kw_only=True)
class Choice:
    """Some values of one field.

    Attributes:
        field: its name.
        published: the published values among them, or `true` and `false`.
        absent: whether it may be missing.
        unrecognised: whether a string that nobody published may stand there.
        known: every published value that the field has.
    """

    field: str
    published: tuple[str, ...]
    absent: bool
    unrecognised: bool
    known: tuple[str, ...]

    @property
    def boolean(self) -> bool:
        """Whether the field is true or false, and no text."""
        return "true" in self.known


Conditions = tuple[Choice, ...]
"""All of them have to hold."""


@attrs.frozen(kw_only=True)
class Table:
    """The status table, in two forms.

    Attributes:
        ordered: conditions and an answer each; the first that matches decides. A condition that
            everything which gets so far fulfils is left out.
        disjoint: alternatives an answer; exactly one of all matches.
    """

    ordered: tuple[tuple[Conditions, str], ...]
    disjoint: Mapping[str, tuple[Conditions, ...]]


def table_of(engine: Engine) -> Table:
    """The answers to a connection status within all limits and without a history."""
    section = engine.deciders["status"].section
    space = section.shape.space
    said = {}
    boxes: dict[str, list[Box]] = {}
    for region in section.regions:
        sample = tuple(space.sample(region.box).values())
        said[region.rule.name] = answer = headline(engine.decide(observation(sample)))
        boxes.setdefault(answer, []).append(region.box)
    claims = [box_of(space, rule.when, engine.policy.groups) for rule in section.section.rules]
    ordered = [
        (_conditions(space, claim, _reached(space, claims[:i])), said[rule.name])
        for i, (rule, claim) in enumerate(zip(section.section.rules, claims, strict=True))
    ]
    disjoint = {
        answer: tuple(_conditions(space, box, space.full) for box in merge(found)) for answer, found in boxes.items()
    }
    return Table(ordered=tuple(ordered), disjoint=disjoint)


def _reached(space: Space, earlier: list[Box]) -> Box:
    """On each axis the values of all combinations that no earlier claim took."""
    _, left = partition(space.full, earlier)
    return tuple(_union(masks) for masks in zip(*left, strict=True))


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _conditions(space: Space, box: Box, reached: Box) -> Conditions:
    axes = zip(space.axes, box, reached, strict=True)
    return tuple(_choice(axis, mask) for axis, mask, here in axes if here & ~mask)


def _choice(axis: Axis, mask: int) -> Choice:
    values = axis.named(mask)
    marks = (ABSENT, UNRECOGNISED)
    return Choice(
        field=axis.name,
        published=tuple(value for value in values if value not in marks),
        absent=ABSENT in values,
        unrecognised=UNRECOGNISED in values,
        known=tuple(value for value in axis.values if value not in marks),
    )
