"""What a change of a policy does before it ships, and what a team's present retries waste."""

from __future__ import annotations

__all__: list[str] = []
