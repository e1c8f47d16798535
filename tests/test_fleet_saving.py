"""A governor saved and restored: nothing changes, other parameters hold at once, and what is no snapshot is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediate.decision import Evidence
from remediate.errors import InputError
from remediate.fleet import Fleet, Governor, Order, Ordered, Phase, Sized, Telling
from tests.fleets import ALIVE, Driven, copied


def _life() -> Driven:
    """One that has something of everything."""
    driven = Driven.of(Fleet(), 1000.5)
    tenants = {f"c{number}": f"t{number % 5}" for number in range(20)}
    driven.say(Sized(connections=20), Ordered(order=Order.OPEN, by="ann", tenant="t4"))
    for evidence in (Evidence.ALIVE, Evidence.MISSING, Evidence.AUTHORISATION, Evidence.UPSTREAM):
        driven.want(tenants, tenants)
        driven.answer(evidence)
    driven.want(tenants, tenants)
    driven.say(Telling(key="c1"), Ordered(order=Order.MUTE, by="ann"))
    driven.at(2000.0)
    return driven


def _lived() -> Governor:
    return _life().governor


SAVED = _lived().snapshot()
_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def _places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in _places(one, *path, key))]


def test_a_snapshot_is_plain_and_restores_to_itself() -> None:
    governor = _lived()
    assert json.loads(json.dumps(SAVED, allow_nan=False)) == SAVED
    assert copied(governor).snapshot() == SAVED
    assert copied(governor).standing == governor.standing
    assert governor.standing.phase == Phase.OPEN


def test_those_who_wait_may_be_kept_beside_a_snapshot_that_does_not_grow_with_them() -> None:
    driven = _life()
    governor = driven.governor
    driven.is_muted = True
    small = len(json.dumps(governor.snapshot(waiting=False)))
    driven.want([f"more-{number}" for number in range(500)])
    assert len(governor.waiting) > 480
    saved = governor.snapshot(waiting=False)
    assert len(json.dumps(saved)) < small + 300
    restored = Governor.restore(saved, waiting=governor.waiting)
    assert restored.snapshot() == governor.snapshot()
    driven.twin = restored
    driven.say(Ordered(order=Order.CLOSE, by="ann"), Ordered(order=Order.CLOSE, by="ann", tenant="t4"))
    driven.follow(6000.0, ALIVE)
    assert len(driven.starts) > 100
    assert restored.snapshot() == governor.snapshot()


@settings(max_examples=300)
@given(st.sampled_from(_places(SAVED)), _anything)
def test_what_is_no_snapshot_is_refused_or_restored_and_never_breaks(place: tuple[Any, ...], instead: Any) -> None:
    broken: Any = {"whole": copy.deepcopy(SAVED)}
    at = broken
    for step in ("whole", *place)[:-1]:
        at = at[step]
    at[("whole", *place)[-1]] = instead
    try:
        restored = Governor.restore(broken["whole"])
    except InputError as error:
        assert error.message.startswith("expected what was saved of ")
    else:
        assert json.loads(json.dumps(restored.snapshot())) == broken["whole"]


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        ("_now_s", "soon"),
        ("_now_s", None),
        ("_now_s", True),
        ("_troubled", "abc"),
        ("_probed", {}),
        ("_queue", []),
        ("_circuits", {"everyone": {}}),
    ],
)
def test_a_wrong_value_is_refused(field: str, instead: Any) -> None:
    with pytest.raises(InputError, match="expected what was saved of Governor"):
        Governor.restore({**SAVED, field: instead})


def test_an_unknown_word_is_refused() -> None:
    broken = copy.deepcopy(SAVED)
    broken["_circuits"]["everyone"]["phase"] = "ajar"
    with pytest.raises(InputError):
        Governor.restore(broken)
    del broken["_circuits"]
    with pytest.raises(InputError):
        Governor.restore(broken)


def test_other_parameters_hold_as_soon_as_it_is_restored() -> None:
    driven = Driven.of(Fleet(suspicion=50.0))
    fleet = Fleet(suspicion=3.0, refused_suspicion=1.0, canaries=1)
    driven.governor = Governor.restore(driven.governor.snapshot(), fleet)
    driven.want(["a", "b", "c"])
    driven.end("a", Evidence.UPSTREAM)
    driven.end("b", Evidence.UPSTREAM)
    assert driven.governor.standing.phase != Phase.CLOSED
