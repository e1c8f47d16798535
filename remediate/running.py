"""One text for sync and async: a coroutine whose awaited parts never suspend is run to its end at once.

Knows no event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

__all__ = ["awaitable", "run"]

T = TypeVar("T")
P = ParamSpec("P")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that awaits nothing but what :func:`awaitable` made.

    Whatever it raises passes through.

    Raises:
        RuntimeError: it waits for an event loop.
    """
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine that needs an event loop was called without one")


def awaitable(function: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """A plain function as one that is awaited, without ever suspending."""

    async def called(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    return called
