"""Where in JSON's text something is: the line of a member, a key that stands twice, what is nested too deep.

Asked only where a document is refused. Is handed text that was read as JSON, or up to the fault that it is asked
about, and checks nothing itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import attrs

from remediate.workshop.drift.pages import Path

__all__ = ["line_in_json", "line_too_deep", "repeated"]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


@attrs.frozen
class _Member:
    """What begins somewhere: the key of a member, or the element of a list.

    Attributes:
        steps: the path to it, for now: it changes as the walk goes on.
        at: where it begins, in characters.
        again: whether its table has the key already.
    """

    steps: list[str | int]
    at: int
    again: bool = False


def line_in_json(text: str, path: Path) -> int:
    """The line at which something begins: the key of a member, or the element of a list."""
    wanted = [*path]
    at = next((member.at for member in _members(text) if member.steps == wanted), 0)
    return _line(text, at)


def repeated(text: str) -> tuple[str, int, int]:
    """The first key that stands twice in one table, with its line and column. There has to be one."""
    twice = next(member for member in _members(text) if member.again)
    return str(twice.steps[-1]), _line(text, twice.at), twice.at - text.rfind("\n", 0, twice.at)


def line_too_deep(text: str, deepest: int) -> int:
    """The line at which more tables and lists than so many lie in one another."""
    return _line(text, next((member.at for member in _members(text) if len(member.steps) > deepest), 0))


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _members(text: str) -> Iterator[_Member]:
    """Every key of a table and every element of a list, in their order."""
    steps: list[str | int] = []
    tables: list[set[str] | None] = []
    is_key = False
    for token in _TOKEN.finditer(text):
        word, within = token[0], tables[-1] if tables else None
        if word == ":":
            is_key = False
        elif word == ",":
            is_key = within is not None
            if isinstance(steps[-1], int):
                steps[-1] += 1
        elif word in ("}", "]"):
            steps.pop()
            tables.pop()
            is_key = False
        elif is_key and within is not None:
            name = json.loads(word, strict=False)
            steps[-1] = name
            yield _Member(steps, token.start(), name in within)
            within.add(name)
        else:
            if steps and within is None:
                yield _Member(steps, token.start())
            if word in ("{", "["):
                is_key = word == "{"
                steps.append("" if is_key else 0)
                tables.append(set() if is_key else None)
