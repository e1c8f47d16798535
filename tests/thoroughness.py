"""How much the tests do: plain runs do a part of what is long, `HYPOTHESIS_PROFILE=ci` and `thorough` all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

import pytest

T = TypeVar("T")

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
WHOLE = PROFILE != "quick"
only_in_whole_runs = pytest.mark.skipif(not WHOLE, reason="plain runs leave it out; HYPOTHESIS_PROFILE=ci does it")


def part(items: Iterable[T], step: int) -> list[T]:
    """All of them; in plain runs the first, and then each so-many-th."""
    return list(islice(items, 0, None, 1 if WHOLE else step))
