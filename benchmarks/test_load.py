"""A policy file to a proven engine, in look-ups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from benchmarks.conftest import LookUps, Measure
from benchmarks.material import COMBINATIONS
from benchmarks.measuring import Round, Work
from remediate import Engine
from remediate.engine import DEFAULT_POLICY
from remediate.loading import load_policy
from remediate.proving import proven

_ROUNDS: Final = 30
_LOOK_UPS: Final = 20


def _prove(engine: Engine) -> Work:
    shapes = engine.upstream.shapes
    policy = load_policy(DEFAULT_POLICY)
    return lambda: proven(policy, shapes)


_STEPS: Final[dict[str, Callable[[Engine], Work]]] = {
    "load.engine": lambda _: lambda: Engine.load(DEFAULT_POLICY),
    "load.read": lambda _: lambda: load_policy(DEFAULT_POLICY),
    "load.prove": _prove,
}


@pytest.mark.parametrize("name", _STEPS)
def test_loading(name: str, engine: Engine, look_ups: LookUps, measure: Measure) -> None:
    def fresh(_: int) -> Round:
        look_up = look_ups(COMBINATIONS)

        def base() -> None:
            for _ in range(_LOOK_UPS):
                look_up()

        base_times = _LOOK_UPS * len(COMBINATIONS)
        return Round(measured=_STEPS[name](engine), times=1, base=base, base_times=base_times)

    measure(name, fresh, rounds=_ROUNDS)
