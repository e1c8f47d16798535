"""What an upstream publishes, against the vocabulary that is known here."""

from __future__ import annotations

__all__: list[str] = []
