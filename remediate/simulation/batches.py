"""Many runs at once, on as many processors as there are; what comes of them does not depend on how many.

Knows what a run is made of. Processes are begun anew, so that nothing is theirs but what they are handed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread, current_thread, main_thread

import attrs

from remediate.engine import Engine
from remediate.policy import Policy
from remediate.simulation.figures import Figures, figures
from remediate.simulation.oracle import Oracle
from remediate.simulation.orchestrating import Governed
from remediate.simulation.running import Orchestrator, need_upstream, simulate
from remediate.simulation.scenario import Scenario
from remediate.simulation.series import Series, series
from remediate.simulation.ungoverned import Ungoverned

__all__ = ["Outcome", "Trial", "run_all", "run_one"]


@attrs.frozen(kw_only=True)
class Trial:
    """A run to be made.

    Attributes:
        scenario: what is simulated.
        seed: from which all that is drawn is drawn.
        policy: whose answers are followed; None: the oracle knows what to do.
        is_governed: whether the fleet has a governor; default True.
        by_minute: whether the run is wanted minute by minute too; default False.
    """

    scenario: Scenario
    seed: int
    policy: Policy | None
    is_governed: bool = True
    by_minute: bool = False


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of it; the series where it was wanted."""

    figures: Figures
    series: Series | None = None


def run_one(trial: Trial) -> Outcome:
    """Make one run.

    Raises:
        PolicyError: the policy does not hold, or answers for another upstream.
    """
    run = simulate(trial.scenario, trial.seed, _orchestrator(trial))
    return Outcome(figures=figures(run), series=series(run) if trial.by_minute else None)


def _orchestrator(trial: Trial) -> Orchestrator:
    if trial.policy is None:
        return Oracle
    engine = Engine(trial.policy)
    need_upstream(engine)
    made = Governed if trial.is_governed else Ungoverned
    return lambda world, people, meter, loop, seed: made(world, people, meter, loop, engine, seed)


def run_all(
    trials: Sequence[Trial], *, jobs: int = 1, advance: Callable[[int], None] = lambda _: None
) -> tuple[Outcome, ...]:
    """Make runs, and give what came of them in the order of the trials.

    Args:
        trials: any number.
        jobs: so many processes; 1: all runs are made here. Default 1.
        advance: called with 1 after each run.

    Raises:
        PolicyError: a policy does not hold, or answers for another upstream.
        concurrent.futures.BrokenExecutor: a process was killed.
    """
    jobs = min(jobs, len(trials))
    if jobs <= 1:
        outcomes = []
        for trial in trials:
            outcomes.append(run_one(trial))
            advance(1)
        return tuple(outcomes)
    with _processes(jobs) as pool:
        with _deaf():
            planned = [pool.submit(run_one, trial) for trial in trials]
        for done in as_completed(planned):
            done.result()
            advance(1)
        return tuple(one.result() for one in planned)


@contextmanager
def _processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that ends at once where what is done with it ends early."""
    before = set(active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - before:
            child.terminate()
        raise
    pool.shutdown()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are begun here leave an interrupt to this one: who ignores it passes that on."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin() -> None:
    """A process of the pool ends with the one that began it."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
