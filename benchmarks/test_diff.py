"""What differs between two policies over Airbyte's two million combinations, in proofs of the policy."""

from __future__ import annotations

from typing import Final

import pytest

from benchmarks.conftest import Measure
from benchmarks.measuring import Round
from remediate.comparing import compare
from remediate.loading import load_policy, parse_policy, policy_path
from remediate.proving import proven
from remediate.upstreams import find_upstream

_ROUNDS: Final = 15
_BASE_TIMES: Final = 4
_OTHERWISE: Final = {
    "words": ('because = "', 'because = "Otherwise: '),
    "limits": ("longest_s = 21600", "longest_s = 10800"),
}
"""Words: every answer to every combination changes."""


@pytest.mark.parametrize("what", _OTHERWISE)
def test_diff(what: str, measure: Measure) -> None:
    shapes = find_upstream("airbyte", "airbyte").shapes
    old = load_policy("airbyte")
    new = parse_policy(policy_path("airbyte").read_text().replace(*_OTHERWISE[what]).encode())
    assert not compare(proven(old, shapes), proven(new, shapes)).is_equal

    def base() -> None:
        for _ in range(_BASE_TIMES):
            proven(old, shapes)

    def fresh(_: int) -> Round:
        return Round(
            measured=lambda: compare(proven(old, shapes), proven(new, shapes)),
            times=1,
            base=base,
            base_times=_BASE_TIMES,
        )

    measure(f"diff.{what}", fresh, rounds=_ROUNDS)
