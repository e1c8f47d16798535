from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import History, InputError
from remediate.history import Bounds
from remediate.state import State


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempts", -1),
        ("attempts", 1.0),
        ("attempts", True),
        ("attempts", "1"),
        ("attempts", 10**400),
        ("failing_for_s", -0.1),
        ("failing_for_s", math.nan),
        ("failing_for_s", math.inf),
        ("failing_for_s", 10**400),
        ("failing_for_s", True),
        ("syncing_for_s", "3"),
        ("since_attempt_s", None),
        ("repaired", 1),
    ],
)
def test_a_history_refuses_what_it_can_not_mean(field: str, value: Any) -> None:
    with pytest.raises(InputError) as refused:
        History(**{field: value})
    assert refused.value.field == field


def test_a_bound_that_is_reached_is_passed() -> None:
    assert Bounds(attempts=2).passed(History(attempts=2))
    assert not Bounds(attempts=2).passed(History(attempts=1, failing_for_s=1e6, syncing_for_s=1e6))
    assert Bounds(failing_for_s=10).passed(History(failing_for_s=10))
    assert not Bounds(failing_for_s=10).passed(History(failing_for_s=9.9, attempts=99, syncing_for_s=99))
    assert Bounds(syncing_for_s=10).passed(History(syncing_for_s=10))
    assert not Bounds(syncing_for_s=10).passed(History(syncing_for_s=9.9, attempts=99, failing_for_s=99))
    assert not Bounds().passed(History(attempts=99, failing_for_s=1e6, syncing_for_s=1e6))


_since = st.none() | st.sampled_from([0.0, 40.0])


@given(_since, _since, _since, st.integers(0, 2), st.booleans())
def test_what_is_remembered_is_told_as_a_history(
    failing_s: float | None, ended_s: float | None, syncing_s: float | None, attempts: int, repaired: bool
) -> None:
    state = State(
        key="c",
        now_s=100.0,
        failing_since_s=failing_s,
        attempt_ended_s=ended_s,
        syncing_since_s=syncing_s,
        attempts=attempts,
        repaired=repaired,
    )
    latest_s = failing_s if ended_s is None else ended_s
    assert state.history == History(
        attempts=attempts,
        failing_for_s=0.0 if failing_s is None else 100.0 - failing_s,
        syncing_for_s=0.0 if syncing_s is None else 100.0 - syncing_s,
        since_attempt_s=0.0 if latest_s is None else 100.0 - latest_s,
        repaired=repaired,
    )
