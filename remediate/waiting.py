"""How waiting is done, and how tests turn it off.

Knows nothing of what is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["is_off", "sleep", "sleep_async", "waiting_off"]

_lock: Final = threading.Lock()
_tests: Final[list[list[float]]] = []


@contextmanager
def waiting_off() -> Iterator[list[float]]:
    """For tests: within this context nothing of this package waits, in any thread.

    Code that hands in a `sleep` of its own still calls that.

    Yields:
        A list to which each wait is added instead, in seconds.
    """
    waits: list[float] = []
    with _lock:
        _tests.append(waits)
    try:
        yield waits
    finally:
        with _lock:
            _tests[:] = [one for one in _tests if one is not waits]


def is_off() -> bool:
    """Whether a test has turned waiting off."""
    return bool(_tests)


def sleep(seconds: float) -> None:
    """Wait so many seconds."""
    if not _noted(seconds):
        time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    """Let other tasks run for so many seconds."""
    import asyncio

    await asyncio.sleep(0 if _noted(seconds) else seconds)


def _noted(seconds: float) -> bool:
    with _lock:
        for waits in _tests:
            waits.append(seconds)
        return bool(_tests)
