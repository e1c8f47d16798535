"""A team's own log of statuses and attempts, and what of it was wasted."""

from __future__ import annotations

__all__: list[str] = []
