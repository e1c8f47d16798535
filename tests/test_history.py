from __future__ import annotations

import math
from typing import Any

import pytest

from remediate import History, InputError
from remediate.history import Bounds


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
