"""The algebra of regions against brute force on random axes and boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate.regions import Axis, Box, Space, intersect, merge, overlaps, partition, size, subtract

spaces = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(
    lambda sizes: Space(tuple(Axis(f"a{i}", tuple(f"v{j}" for j in range(n))) for i, n in enumerate(sizes)))
)


def boxes_of(space: Space) -> st.SearchStrategy[Box]:
    return st.tuples(*(st.integers(1, axis.full) for axis in space.axes))


def points(space: Space, boxes: list[Box]) -> list[tuple[str, ...]]:
    return [point for box in boxes for point in space.points(box)]


@given(spaces.flatmap(lambda space: st.tuples(st.just(space), boxes_of(space), boxes_of(space))))
def test_intersection_and_subtraction_are_those_of_sets(drawn: tuple[Space, Box, Box]) -> None:
    space, a, b = drawn
    in_a, in_b = set(space.points(a)), set(space.points(b))
    shared = intersect(a, b)
    assert set(() if shared is None else space.points(shared)) == in_a & in_b
    left = points(space, subtract(a, b))
    assert len(left) == len(set(left)), "the pieces overlap"
    assert set(left) == in_a - in_b
    assert size(a) == len(in_a)


@given(spaces.flatmap(lambda space: st.tuples(st.just(space), *[st.lists(boxes_of(space), max_size=5)] * 2)))
def test_boxes_that_overlap_are_those_that_intersect(drawn: tuple[Space, list[Box], list[Box]]) -> None:
    space, left, right = drawn
    assert list(overlaps(space, left, right)) == [
        (i, j) for i, a in enumerate(left) for j, b in enumerate(right) if intersect(a, b) is not None
    ]


@given(spaces.flatmap(lambda space: st.tuples(st.just(space), st.lists(boxes_of(space), max_size=6))))
def test_a_partition_gives_each_point_to_the_first_that_claims_it(drawn: tuple[Space, list[Box]]) -> None:
    space, claims = drawn
    taken, left = partition(space.full, claims)
    assert len(points(space, left)) + sum(len(points(space, boxes)) for boxes in taken) == space.size
    owners = {point: owner for owner, boxes in enumerate(taken) for point in points(space, boxes)}
    for point in space.points(space.full):
        here = space.point(point)
        first = next((i for i, claim in enumerate(claims) if intersect(claim, here) is not None), None)
        assert owners.get(point) == first
    assert set(points(space, left)) == set(space.points(space.full)) - set(owners)


@given(spaces.flatmap(lambda space: st.tuples(st.just(space), boxes_of(space), st.lists(boxes_of(space), max_size=4))))
def test_merged_boxes_are_the_same_points_and_no_two_can_be_merged(drawn: tuple[Space, Box, list[Box]]) -> None:
    space, start, cuts = drawn
    pieces = [start]
    for cut in cuts:
        pieces = [piece for box in pieces for piece in subtract(box, cut)]
    merged = merge(pieces)
    assert sorted(points(space, merged)) == sorted(points(space, pieces))
    assert len(merged) <= len(pieces)
    for i, one in enumerate(merged):
        for other in merged[i + 1 :]:
            assert sum(x != y for x, y in zip(one, other, strict=True)) > 1


def test_a_space_names_its_boxes() -> None:
    space = Space((Axis("colour", ("red", "green")), Axis("size", ("s", "m", "l"))))
    box = space.box({"size": ["m", "l"]})
    assert box == (0b11, 0b110)
    assert space.sample(box) == {"colour": "red", "size": "m"}
    assert space.axes[1].named(box[1]) == ("m", "l")
    assert space.point(("green", "s")) == (0b10, 0b1)
    assert space.size == 6
    with pytest.raises(KeyError):
        space.box({"weight": ["heavy"]})
    with pytest.raises(KeyError):
        space.box({"size": ["xl"]})


def test_nothing_merges_to_nothing() -> None:
    assert merge([]) == []
