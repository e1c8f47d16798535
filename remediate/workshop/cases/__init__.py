"""Cases of a policy as data: what is given, what has to be answered, and by which rule."""

from __future__ import annotations

__all__: list[str] = []
