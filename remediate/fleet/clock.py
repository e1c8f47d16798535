"""When a clock that steps back shows that so much time has passed.

Knows times, and nothing of what happens at them.
"""

from __future__ import annotations

from math import inf, ulp

__all__ = ["shown_s"]


def shown_s(at_s: float, now_s: float, clock_s: float, behind_s: float) -> float | None:
    """What the clock will show when a moment has come, however that is rounded; None: it never comes.

    Args:
        at_s: the moment, in time that never goes back.
        now_s: the same time, now.
        clock_s: what the clock shows now.
        behind_s: by how much it is behind.
    """
    if at_s == inf:
        return None
    shown = max(at_s, now_s) - behind_s
    while now_s + (shown - clock_s) < at_s:
        shown += ulp(max(abs(at_s), abs(shown)))
    return shown
