"""A fleet on virtual time, in every kind of trouble: what a policy would do, before it ships."""

from __future__ import annotations

__all__: list[str] = []
