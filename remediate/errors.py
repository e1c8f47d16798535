"""The errors of this package, and how a misspelt word is answered.

Knows nothing of policies, observations or upstreams, and imports nothing of ours.

The tree::

    RemediateError
    ├── InputError            what was handed in can't be read: the caller's data
    ├── PolicyError           a policy that does not load or does not prove: the caller's rules
    ├── ConfigurationError    credentials or an address that can't be used: the caller's set-up
    ├── DeliveryError         a message did not reach its receiver: the world's
    ├── ScratchError          a file for a while can't be written: the world's
    └── LedgerError           the ledger can't be read or written: the world's
        ├── LedgerUnavailableError     for a while: it is locked, or its server is away
        ├── UnreadableStateError       of one connection: what is remembered of it is damaged
        └── LeaseLostError             another holds the connection now, so this one may not act on it
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConfigurationError", "DeliveryError", "InputError", "LeaseLostError", "LedgerError"]
__all__ += ["LedgerUnavailableError", "PolicyError", "RemediateError", "ScratchError", "UnreadableStateError"]
__all__ += ["did_you_mean", "kind_of", "printable"]

_LONGEST_WORD = 80


class RemediateError(Exception):
    """The root of every error that this package raises on purpose."""


class InputError(RemediateError, ValueError):
    """An observation, a history or a key that can't be read.

    Attributes:
        message: what is wrong, lowercase, without the offending value (it may be a secret).
        field: the field it is about, dotted inside ``history``; None where no field is to blame.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message, field)
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return self.message if self.field is None else f"`{self.field}`: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _input_error, (self.message, self.field)


class PolicyError(RemediateError):
    """A policy that can't be found, read or proven. It names every problem that was found.

    Attributes:
        source: the file, or the name that was asked for.
        problems: one sentence each, with the rule and the key.
    """

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(printable(problem, longest=None) for problem in problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        return "\n".join(f"{self.source}: {problem}" for problem in self.problems)


class ConfigurationError(RemediateError):
    """Credentials or an address that are missing or can't be used. No message repeats one."""


class DeliveryError(RemediateError):
    """A message did not reach its receiver. No message repeats an address or a secret."""


class ScratchError(RemediateError):
    """What does not fit into memory can't be written to a file for a while: the disk is full, or not ours."""


class LedgerError(RemediateError):
    """The ledger can't be read or written. No message repeats its address."""


class LedgerUnavailableError(LedgerError):
    """It can't be for a while: it is locked, or its server is away."""


class UnreadableStateError(LedgerError):
    """What is remembered of one connection can't be read. Others are as they were."""


class LeaseLostError(LedgerError):
    """Another holds the connection now. Nothing was recorded, and nothing may be triggered."""


def _input_error(message: str, field: str | None) -> InputError:
    return InputError(message, field=field)


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`` (did you mean `x`?)`` for the nearest of the known words, or nothing.

    Args:
        cutoff: how alike they have to be, from 0 to 1, as :func:`difflib.get_close_matches` counts.
    """
    import difflib

    by_case = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word[:_LONGEST_WORD].casefold(), list(by_case), n=1, cutoff=cutoff)
    return f" (did you mean `{by_case[near[0]]}`?)" if near else ""


_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """What a value of JSON or TOML is, in words."""
    return _KINDS.get(type(value), "another type")


def printable(text: str, *, longest: int | None = _LONGEST_WORD) -> str:
    """The text with everything that could steer a terminal written as an escape.

    Args:
        text: any string, from anywhere.
        longest: characters kept before an ellipsis; None keeps all.
    """
    shown = text if longest is None or len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in shown)
