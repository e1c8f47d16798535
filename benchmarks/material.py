"""The 1,512 combinations of a connection status: as observations, as JSON, and as the base's keys.

Everything is made anew each time it is asked for: equal objects that are not the same ones, and
equal strings that share no memory, so that nothing can be known by its identity.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from remediate import Decision, History
from remediate.observation import ABSENT, UNRECOGNISED, shape_of
from remediate.upstreams.layer import ConnectionStatus

__all__ = [
    "COMBINATIONS",
    "PARTS",
    "SPACE",
    "Combination",
    "Raw",
    "histories",
    "keys",
    "look_up_in",
    "observation",
    "payload",
]
__all__ += ["raw", "values_of"]

Combination = tuple[str, ...]
"""A value for each of the five axes, as policies name it."""
Raw = tuple[bool | str | None, ...]

SPACE: Final = shape_of(ConnectionStatus).space
COMBINATIONS: Final[tuple[Combination, ...]] = tuple(SPACE.points(SPACE.full))
PARTS: Final = tuple(COMBINATIONS[i::6] for i in range(6))
"""The same, in parts so small that what is made of them stays in a processor's caches."""

_TRUTH: Final = {"true": True, "false": False, ABSENT: None}
_UNPUBLISHED: Final = "SOMETHING_NOBODY_KNOWS_YET"
_serial: Final = count()


def raw(combination: Combination) -> dict[str, bool | str | None]:
    """The values of a combination as they come over the wire, every string a new one."""
    return {axis.name: _raw(value) for axis, value in zip(SPACE.axes, combination, strict=True)}


def observation(combination: Combination) -> ConnectionStatus:
    """A new observation of a combination; every other one says when it was last synced."""
    said: dict[str, Any] = raw(combination)
    return ConnectionStatus(**said, last_synced_at=_moment() if next(_serial) % 2 else None)


def payload(combination: Combination, *, present: bool = True) -> bytes:
    """The JSON of a combination, unlike any that was made before.

    Args:
        present: whether absent fields are written as null; else they are left out.
    """
    said = {name: value for name, value in raw(combination).items() if present or value is not None}
    return json.dumps({**said, "last_synced_at": _moment()}).encode()


def values_of(status: ConnectionStatus) -> Raw:
    """The five raw values that decide."""
    return (
        status.is_connected,
        status.is_syncing,
        status.last_sync_status,
        status.sync_failure_reason,
        status.is_retryable_failure,
    )


def look_up_in(table: dict[Raw, Decision]) -> Callable[..., Decision]:
    """B: a function of the five raw values that looks them up in a dict keyed by them."""

    def look_up(
        is_connected: bool | None,
        is_syncing: bool | None,
        last_sync_status: str | None,
        sync_failure_reason: str | None,
        is_retryable_failure: bool | None,
    ) -> Decision:
        return table[is_connected, is_syncing, last_sync_status, sync_failure_reason, is_retryable_failure]

    return look_up


def histories(number: int) -> list[History]:
    """New histories in which no schedule is spent yet."""
    return [History(attempts=1, failing_for_s=600.0 + i, since_attempt_s=float(i % 7)) for i in range(number)]


def keys(number: int) -> list[str]:
    """New business ids, of the length of a UUID."""
    return [f"3f2a91c4-77de-4b1e-9d15-{next(_serial):012d}" for _ in range(number)]


def _raw(value: str) -> bool | str | None:
    if value in _TRUTH:
        return _TRUTH[value]
    return "".join(list(_UNPUBLISHED if value == UNRECOGNISED else value))


def _moment() -> str:
    serial = next(_serial)
    return (
        f"2025-07-{serial // 86400 % 28 + 1:02d}T{serial // 3600 % 24:02d}:{serial // 60 % 60:02d}:{serial % 60:02d}Z"
    )
