"""Finite axes, boxes over them, and the algebra that proofs are made of.

Knows only names and bit masks: nothing of policies, upstreams or decisions.

A *space* is the product of its axes; a *box* is one bit mask an axis and stands for every
combination whose value lies in the mask on each axis. A *point* is a box of single bits.
Boxes are never empty: an operation that would make an empty box returns none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

import attrs

__all__ = ["Axis", "Box", "Space", "intersect", "merge", "overlaps", "partition", "size", "subtract"]

Box = tuple[int, ...]


@attrs.frozen
class Axis:
    """A name and its values, in order; value number i is bit i of a mask."""

    name: str
    values: tuple[str, ...]
    _bit: dict[str, int] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_bit", {value: 1 << i for i, value in enumerate(self.values)})

    @property
    def full(self) -> int:
        """The mask of all values."""
        return (1 << len(self.values)) - 1

    def mask(self, values: Iterable[str]) -> int:
        """The mask of these values; KeyError for one that the axis does not have."""
        found = 0
        for value in values:
            found |= self._bit[value]
        return found

    def named(self, mask: int) -> tuple[str, ...]:
        """The values in a mask, in the axis' order."""
        return tuple(value for value, bit in self._bit.items() if bit & mask)


@attrs.frozen
class Space:
    """The product of its axes."""

    axes: tuple[Axis, ...]

    @property
    def full(self) -> Box:
        """The box of every combination."""
        return tuple(axis.full for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of combinations."""
        return size(self.full)

    def index(self, name: str) -> int:
        """Where the axis of this name stands; KeyError where there is none."""
        for i, axis in enumerate(self.axes):
            if axis.name == name:
                return i
        raise KeyError(name)

    def box(self, where: Mapping[str, Iterable[str]]) -> Box:
        """The box in which each named axis takes one of the given values, and any other any."""
        masks = list(self.full)
        for name, values in where.items():
            i = self.index(name)
            masks[i] = self.axes[i].mask(values)
        return tuple(masks)

    def point(self, values: Sequence[str]) -> Box:
        """The box of one combination, from a value an axis in their order."""
        return tuple(axis.mask((value,)) for axis, value in zip(self.axes, values, strict=True))

    def sample(self, box: Box) -> dict[str, str]:
        """One combination of the box, by axis name: the first value of each mask."""
        return {axis.name: axis.named(mask & -mask)[0] for axis, mask in zip(self.axes, box, strict=True)}

    def where(self, box: Box) -> dict[str, tuple[str, ...]]:
        """The values of each axis that does not take all of its own, by its name."""
        return {axis.name: axis.named(mask) for axis, mask in zip(self.axes, box, strict=True) if mask != axis.full}

    def points(self, box: Box) -> Iterator[tuple[str, ...]]:
        """Every combination of the box, as a value an axis."""
        return product(*(axis.named(mask) for axis, mask in zip(self.axes, box, strict=True)))


def size(box: Box) -> int:
    """How many combinations a box holds."""
    return prod(mask.bit_count() for mask in box)


def intersect(a: Box, b: Box) -> Box | None:
    """What two boxes share, or None."""
    shared = tuple([x & y for x, y in zip(a, b, strict=True)])
    return shared if all(shared) else None


def overlaps(space: Space, left: Sequence[Box], right: Sequence[Box]) -> Iterator[tuple[int, int]]:
    """The places of every two boxes, one of each, that share a combination.

    A box is packed into one number, a spare bit above each mask. Adding a mask's full value to what
    two boxes share carries into the spare bit unless nothing is shared on that axis.
    """
    ones = spares = at = 0
    places = []
    for axis in space.axes:
        places.append(at)
        ones |= axis.full << at
        at += len(axis.values)
        spares |= 1 << at
        at += 1
    packed = [sum(mask << place for mask, place in zip(box, places, strict=True)) for box in right]
    for i, box in enumerate(left):
        one = sum(mask << place for mask, place in zip(box, places, strict=True))
        for j, other in enumerate(packed):
            if (one & other) + ones & spares == spares:
                yield i, j


def subtract(a: Box, b: Box) -> list[Box]:
    """What is left of ``a`` without ``b``: disjoint boxes, at most one an axis."""
    if intersect(a, b) is None:
        return [a]
    left: list[Box] = []
    core = list(a)
    for i, mask in enumerate(b):
        outside = core[i] & ~mask
        if outside:
            left.append((*core[:i], outside, *core[i + 1 :]))
            core[i] &= mask
    return left


def partition(full: Box, claims: Sequence[Box]) -> tuple[list[list[Box]], list[Box]]:
    """What each claim gets where the first that matches takes it, and what nobody claims."""
    taken: list[list[Box]] = []
    left = [full]
    for claim in claims:
        taken.append([shared for box in left if (shared := intersect(box, claim)) is not None])
        left = [piece for box in left for piece in subtract(box, claim)]
    return taken, left


def merge(boxes: Iterable[Box]) -> list[Box]:
    """The same combinations in fewer boxes: disjoint ones that differ on one axis become one."""
    left = list(boxes)
    for i in range(len(left[0]) if left else 0):
        grouped: dict[Box, int] = {}
        for box in left:
            rest = (*box[:i], *box[i + 1 :])
            grouped[rest] = grouped.get(rest, 0) | box[i]
        merged = [(*rest[:i], mask, *rest[i:]) for rest, mask in grouped.items()]
        if len(merged) < len(left):
            return merge(merged)
    return left
