"""What happened to a connection before now, and the bounds that a history can pass.

Knows nothing of clocks: times come in as durations.
"""

from __future__ import annotations

import sys
from typing import Final

import attrs

from remediate.errors import InputError

__all__ = ["NO_HISTORY", "Bounds", "History"]


_MOST: Final = 10**18
_LARGEST: Final = sys.float_info.max


def _whole(_: object, attribute: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError("expected a whole number", field=attribute.name)
    if not 0 <= value <= _MOST:
        raise InputError(f"expected a number from 0 to {_MOST}", field=attribute.name)


def _duration(_: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError("expected a number of seconds", field=attribute.name)
    if not 0 <= value <= _LARGEST:  # which NaN is not either
        raise InputError("expected a finite number of seconds, from 0", field=attribute.name)


def _flag(_: object, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise InputError("expected true or false", field=attribute.name)


@attrs.frozen(kw_only=True)
class History:
    """What happened in this episode, from the first failure until now.

    Attributes:
        attempts: attempts made since the episode began, the last repair or the last that made progress,
            from 0; default 0.
        failing_for_s: seconds since the first failure of the episode; default 0.
        syncing_for_s: seconds since the running sync was first seen; default 0.
        since_attempt_s: seconds since the last attempt ended; default 0, which leaves the whole wait.
        repaired: someone has mended the connection and no attempt has ended since; default False.

    Raises:
        InputError: an attribute is negative, not finite or of another type.
    """

    attempts: int = attrs.field(default=0, validator=_whole)
    failing_for_s: float = attrs.field(default=0.0, validator=_duration)
    syncing_for_s: float = attrs.field(default=0.0, validator=_duration)
    since_attempt_s: float = attrs.field(default=0.0, validator=_duration)
    repaired: bool = attrs.field(default=False, validator=_flag)


NO_HISTORY: Final = History()


@attrs.frozen(kw_only=True)
class Bounds:
    """What a history may not reach. None: not bounded that way. Reached is passed.

    Attributes:
        attempts: attempts in the episode.
        failing_for_s: seconds since the episode's first failure.
        syncing_for_s: seconds since the running sync was first seen.
    """

    attempts: int | None = None
    failing_for_s: float | None = None
    syncing_for_s: float | None = None

    def passed(self, history: History) -> bool:
        """Whether any bound is reached. Once true it stays true as counts and times grow."""
        return (
            (self.attempts is not None and history.attempts >= self.attempts)
            or (self.failing_for_s is not None and history.failing_for_s >= self.failing_for_s)
            or (self.syncing_for_s is not None and history.syncing_for_s >= self.syncing_for_s)
        )
