"""One thing against its base: interleaved in one process, over fresh material, a ratio a round.

Knows nothing of what it times. pytest-benchmark times the measured thing; the base is timed
right before and right after it, and their mean is what the round is divided by. Rounds in which
either was slow are left out: the machine did something else as well.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from time import perf_counter
from typing import Final

import attrs
from pytest_benchmark.fixture import BenchmarkFixture

__all__ = ["Fresh", "Ratio", "Round", "Work", "compare"]

_NEAR: Final = 1.15
"""How much slower than in its fastest round either side may be."""

Work = Callable[[], object]


@attrs.frozen(kw_only=True)
class Round:
    """What one round does, or a part of it, with material that nothing earlier has seen.

    Attributes:
        measured: the thing.
        times: how often `measured` does it.
        base: what it is compared with.
        base_times: how often `base` does that.
        floor: what both of them do besides, to be taken off either; None: nothing.
        warm_up: runs right before, untimed: it brings code and memory near without doing the same
            thing to the same objects; None: nothing does.
    """

    measured: Work
    times: int
    base: Work
    base_times: int
    floor: Work | None = None
    warm_up: Work | None = None


Fresh = Callable[[int], Round]


@attrs.frozen(kw_only=True)
class Ratio:
    """The ratios of the rounds that are kept: their median, and the quartiles around it.

    Attributes:
        kept: how many rounds are kept.
        rounds: how many were timed.
        unit_s: the median of the base, seconds; it holds for this run only.
    """

    median: float
    low: float
    high: float
    kept: int
    rounds: int
    unit_s: float


@attrs.define(kw_only=True)
class _Sides:
    """A part of a round and what surrounds it, seconds."""

    times: int
    base_times: int
    floor_s: float
    before_s: float
    measured_s: float = 0.0
    after_s: float = 0.0

    @property
    def base_s(self) -> float:
        return (self.before_s + self.after_s) / 2 - self.floor_s

    @property
    def own_s(self) -> float:
        return self.measured_s - self.floor_s


def compare(benchmark: BenchmarkFixture, fresh: Fresh, *, rounds: int, parts: int = 1) -> Ratio | None:
    """Time rounds of a thing and its base in turn.

    Args:
        benchmark: pytest-benchmark's fixture.
        fresh: makes the next part of a round, whose number it is told; it is not timed.
        rounds: how many are counted, after one that is not.
        parts: how many make a round. Small ones stay in the processor's caches; a round's ratio is
            that of the sums over its parts.

    Returns:
        The ratios; None where benchmarks are switched off, and nothing was timed.
    """
    sides: list[_Sides] = []

    def before() -> tuple[tuple[Round], dict[str, object]]:
        one = fresh(len(sides) % parts)
        if one.warm_up is not None:
            one.warm_up()
        floor_s = 0.0 if one.floor is None else _seconds(one.floor)
        before_s = _seconds(one.base)
        sides.append(_Sides(times=one.times, base_times=one.base_times, floor_s=floor_s, before_s=before_s))
        return (one,), {}

    def after(one: Round) -> None:
        sides[-1].after_s = _seconds(one.base)

    pedantic: Callable[..., object] = benchmark.pedantic
    gc.collect()
    gc.disable()
    try:
        pedantic(_do, setup=before, teardown=after, rounds=rounds * parts, warmup_rounds=parts)
    finally:
        gc.enable()
    if benchmark.stats is None:
        return None
    for side, measured_s in zip(sides[parts:], benchmark.stats.stats.data, strict=True):
        side.measured_s = measured_s
    return _summary([sides[i : i + parts] for i in range(parts, len(sides), parts)])


def _do(one: Round) -> None:
    one.measured()


def _seconds(work: Work) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _summary(rounds: Sequence[Sequence[_Sides]]) -> Ratio:
    units_s = [sum(side.base_s for side in sides) / sum(side.base_times for side in sides) for sides in rounds]
    each_s = [sum(side.own_s for side in sides) / sum(side.times for side in sides) for sides in rounds]
    kept = _quiet(units_s, each_s)
    low, middle, high = quantiles((each_s[i] / units_s[i] for i in kept), n=4)
    unit_s = median(units_s[i] for i in kept)
    return Ratio(median=middle, low=low, high=high, kept=len(kept), rounds=len(rounds), unit_s=unit_s)


def _quiet(units_s: Sequence[float], each_s: Sequence[float]) -> list[int]:
    """The rounds in which neither side was much slower than it can be; at least the quietest quarter of them."""
    fastest = min(units_s), min(each_s)
    slow = [max(unit_s / fastest[0], one_s / fastest[1]) for unit_s, one_s in zip(units_s, each_s, strict=True)]
    ordered = sorted(range(len(slow)), key=slow.__getitem__)
    near = sum(one <= _NEAR for one in slow)
    return ordered[: max(near, len(ordered) // 4, 2)]
