"""A text that no log, repr, traceback or pickle shows.

Knows nothing of what it hides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """A secret.

    Attributes:
        reveal: gives the text.
    """

    __slots__ = ("reveal",)

    def __init__(self, text: str) -> None:
        self.reveal: Callable[[], str] = lambda: text

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
