"""What teams use instead, each with the defaults that its documentation gives.

Knows how each tool waits and when it gives up; :mod:`benchmarks.fleet.retrying` has what they share.
"""

from __future__ import annotations

from typing import ClassVar, Final

from benchmarks.fleet.breaker import Breaker
from benchmarks.fleet.retrying import Retrying, Seen, Task
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.people import People
from remediate.simulation.world import World
from remediate.upstreams.layer.vocabulary import ApiFailure

__all__ = ["BASELINES", "Airflow", "Botocore", "Celery", "CeleryPlain", "NoRetry", "Temporal", "TemporalBreaker"]

# Celery 5.5, «Tasks: Automatic retry for known exceptions» and «Tasks: List of options»
CELERY_MAX_RETRIES: Final = 3  # Task.max_retries
CELERY_RETRY_DELAY_S: Final = 180.0  # Task.default_retry_delay
CELERY_BACKOFF_FACTOR: Final = 1  # retry_backoff=True
CELERY_BACKOFF_MAX: Final = 600  # Task.retry_backoff_max, seconds

# Airflow 3, «Configuration Reference», [core]
AIRFLOW_RETRIES: Final = 3  # default_task_retries is 0, which is «no retry»: three, as most examples have it
AIRFLOW_RETRY_DELAY_S: Final = 300.0  # default_task_retry_delay; retry_exponential_backoff is off
AIRFLOW_PARALLELISM: Final = 32  # parallelism, for each scheduler

# Temporal, «What is a Temporal Retry Policy?», defaults of activities
TEMPORAL_INITIAL_S: Final = 1.0  # Initial Interval
TEMPORAL_COEFFICIENT: Final = 2.0  # Backoff Coefficient
TEMPORAL_MAXIMUM_S: Final = 100 * TEMPORAL_INITIAL_S  # Maximum Interval; Maximum Attempts: unlimited; no jitter
TEMPORAL_ACTIVITIES: Final = 100  # «Worker tuning quick reference», Python: max_concurrent_activities
TEMPORAL_JAVA_ACTIVITIES: Final = 200  # the same, Java: maxConcurrentActivityExecutionSize; resilience4j is Java's

# botocore 1.3x, «Retries: Standard retry mode», botocore/retries/standard.py and quota.py
BOTOCORE_MAX_ATTEMPTS: Final = 3  # DEFAULT_MAX_ATTEMPTS, the first included
BOTOCORE_BASE: Final = 2  # ExponentialBackoff._BASE
BOTOCORE_MAX_S: Final = 20.0  # ExponentialBackoff._MAX_BACKOFF
BOTOCORE_QUOTA: Final = 500  # RetryQuota.INITIAL_CAPACITY, of one client
BOTOCORE_COST: Final = 5  # RetryQuotaChecker._RETRY_COST
BOTOCORE_TIMEOUT_COST: Final = 10  # RetryQuotaChecker._TIMEOUT_RETRY_REQUEST
BOTOCORE_REFUND: Final = 1  # RetryQuotaChecker._NO_RETRY_INCREMENT


class NoRetry(Retrying):
    """What failed waits until it is due again."""

    name = "no retry"

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        return None


class Celery(Retrying):
    """``@app.task(autoretry_for=(Exception,), retry_backoff=True)``; its concurrency is the machine's cores."""

    name = "Celery, backoff"

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        retries = task.failures - 1
        if retries >= CELERY_MAX_RETRIES:
            return None
        return float(self.luck.randrange(min(CELERY_BACKOFF_MAX, CELERY_BACKOFF_FACTOR * 2**retries) + 1))


class CeleryPlain(Retrying):
    """``raise self.retry()``."""

    name = "Celery, plain"

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        return CELERY_RETRY_DELAY_S if task.failures <= CELERY_MAX_RETRIES else None


class Airflow(Retrying):
    """A task with ``retries=3``, which waits for its sync in its slot."""

    name = "Airflow"
    workers: ClassVar[int | None] = AIRFLOW_PARALLELISM

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        return AIRFLOW_RETRY_DELAY_S if task.failures <= AIRFLOW_RETRIES else None


class Temporal(Retrying):
    """An activity that triggers a sync and waits for it, retried for ever."""

    name = "Temporal"
    workers: ClassVar[int | None] = TEMPORAL_ACTIVITIES

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        return min(TEMPORAL_MAXIMUM_S, TEMPORAL_INITIAL_S * TEMPORAL_COEFFICIENT ** min(task.failures - 1, 32))


class TemporalBreaker(Temporal):
    """The same behind one circuit breaker, which sees how whole attempts end."""

    name = "Temporal + breaker"
    workers: ClassVar[int | None] = TEMPORAL_JAVA_ACTIVITIES

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, seed: int) -> None:
        super().__init__(world, people, meter, loop, seed)
        self.breaker = Breaker()

    def permits(self) -> bool:
        return self.breaker.permits(self.loop.now_s)

    def attempted(self, task: Task, *, failed: bool) -> None:
        self.breaker.record(self.loop.now_s, failed=failed)


class Botocore(Retrying):
    """botocore's standard mode, of one client for the whole fleet, with a due sync for a call."""

    name = "botocore standard"

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, seed: int) -> None:
        super().__init__(world, people, meter, loop, seed)
        self.quota = BOTOCORE_QUOTA

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        if task.failures >= BOTOCORE_MAX_ATTEMPTS:
            return None
        is_timeout = isinstance(seen, ApiFailure) and seen.http_status is None
        cost = BOTOCORE_TIMEOUT_COST if is_timeout else BOTOCORE_COST
        if cost > self.quota:
            return None
        self.quota -= cost
        task.cost = cost
        return self.luck.random() * min(float(BOTOCORE_BASE ** (task.failures - 1)), BOTOCORE_MAX_S)

    def attempted(self, task: Task, *, failed: bool) -> None:
        if not failed:
            self.quota = min(BOTOCORE_QUOTA, self.quota + (task.cost or BOTOCORE_REFUND))


BASELINES: Final[tuple[type[Retrying], ...]] = (
    NoRetry,
    Celery,
    CeleryPlain,
    Airflow,
    Temporal,
    TemporalBreaker,
    Botocore,
)
