"""What a newcomer is answered today: everything that the policy may answer it, and where."""

from __future__ import annotations

import random

import pytest

from remediate import Engine
from remediate.decision import headline
from remediate.history import History
from remediate.regions import intersect, size
from tests.test_drift import ENUMS, drift, edited, enum_of


def test_a_newcomer_is_answered_by_everything_that_it_may_be(engine: Engine) -> None:
    (found,) = drift(
        edited(lambda schemas: enum_of(schemas, "sync_failure_reason").append("QUICKBOOKS_THROTTLED")), engine
    )
    told = {one.answer: one for one in found.answers}
    probe = told["retry probe, then escalate engineering integration"]
    assert probe.where == (
        {
            "is_connected": ("true", "absent"),
            "is_syncing": ("false", "absent"),
            "last_sync_status": ("SYNC_FAILURE", "absent", "unrecognised"),
            "is_retryable_failure": ("true",),
        },
    )
    assert probe.combinations == 2 * 2 * 3
    assert probe.share == 12 / (3 * 3 * 4 * 3)
    assert told["no_op healthy"].where[0]["last_sync_status"] == ("SYNC_SUCCESS",)
    counts = [one.combinations for one in found.answers]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("field", ENUMS)
def test_the_answers_for_a_newcomer_are_those_of_decide(field: str, engine: Engine) -> None:
    """Every combination with a string that nobody published: its answer is told, in the place that it is in."""
    (found,) = drift(edited(lambda schemas: enum_of(schemas, field).append("BrandNew")), engine)
    decider = engine.deciders[found.kind]
    space = decider.section.shape.space
    newcomer = space.box({field: ("unrecognised",)})
    places = {
        one.answer: [space.box({**where, field: ("unrecognised",)}) for where in one.where] for one in found.answers
    }
    assert sum(one.share for one in found.answers) == pytest.approx(1)
    for one in found.answers:
        assert one.combinations == sum(map(size, places[one.answer]))
        assert all(field not in where for where in one.where)
        sizes = [size(box) for box in places[one.answer]]
        assert sizes == sorted(sizes, reverse=True)
    assert sum(size(box) for boxes in places.values() for box in boxes) == size(newcomer)
    rng = random.Random(field)
    for _ in range(300):
        point = tuple(rng.choice([1 << n for n in range(mask.bit_length()) if mask >> n & 1]) for mask in newcomer)
        (answer,) = (name for name, boxes in places.items() if any(intersect(box, point) for box in boxes))
        said = headline(decider.decide_at(point, decider.section.shape.cls(), History(), None))
        assert answer.partition(", then ")[0] == said


def test_a_newcomer_beside_other_fields_is_told_as_decide_answers_it(engine: Engine) -> None:
    (found,) = drift(edited(lambda schemas: enum_of(schemas, "error_enum").append("BrandNew")), engine)
    answers = {one.answer.partition(",")[0]: one.where for one in found.answers}
    for beside in ({"type": "Plaid"}, {"type": "ResourceNotFound"}, {"type": "ResourceArchived"}):
        decision = engine.decide({"call": "status", "observation": {"error_enum": "BrandNew", **beside}}, key="k")
        values = {name: str(value) for name, value in beside.items()}
        assert any(
            all(value in where.get(name, (value,)) for name, value in values.items())
            for where in answers[headline(decision)]
        )
    assert answers["no_op archived"][0]["type"] == ("ResourceArchived",)
