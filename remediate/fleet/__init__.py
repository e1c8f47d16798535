"""The fleet governor: when a whole fleet fails at once, it is held, probed and readmitted as one."""

from __future__ import annotations

from remediate.fleet.events import (
    Closed,
    Directives,
    Ended,
    Event,
    Incident,
    Opened,
    Order,
    Ordered,
    Phase,
    Purpose,
    Repaired,
    Sized,
    Standing,
    Start,
    Telling,
    Trouble,
    Wants,
    Withdrawn,
)
from remediate.fleet.governor import Governor
from remediate.fleet.parameters import Fleet

__all__ = ["Closed", "Directives", "Ended", "Event", "Fleet", "Governor", "Incident", "Opened", "Order", "Ordered"]
__all__ += ["Phase", "Purpose", "Repaired", "Sized", "Standing", "Start", "Telling", "Trouble", "Wants", "Withdrawn"]
