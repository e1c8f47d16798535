"""The bytes of a document to tables and lists: YAML, JSON, or a Markdown page that has either in a fenced block.

Knows nothing of what is in a document, but for the key that tells it from other blocks of a page. Reads no file.
Every fault is an InputError with its line and column in what was handed in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import attrs

from remediate.errors import InputError, kind_of, printable
from remediate.workshop.drift.composing import DEEPEST, Scalar, compose, line_in_yaml
from remediate.workshop.drift.pages import Block, Path, choose
from remediate.workshop.drift.placing import line_in_json, line_too_deep, repeated

__all__ = ["LONGEST", "Parsed", "read_document", "what_is"]

LONGEST: Final = 16 * 2**20
"""Bytes that a document may have."""


@attrs.frozen
class Parsed:
    """A document that was read.

    Attributes:
        root: dicts, lists, strings, None, booleans, and a :class:`Scalar` for any other.
        line_of: the line at which something begins, from the path to it. It reads the document anew.
    """

    root: object
    line_of: Callable[[Path], int]


def read_document(content: bytes, key: str, names: Sequence[str] = ()) -> Parsed:
    """The tables and lists of a document.

    Args:
        content: UTF-8, at most `LONGEST` bytes.
        key: of the document's outermost table; of a page's blocks, the one that begins a line with it is read.
        names: keys somewhere in it; of several such blocks, the only one that has any of them is read.

    Raises:
        InputError: it can't be read.
    """
    if len(content) > LONGEST:
        raise InputError(f"is longer than {LONGEST // 2**20} MiB")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = _lines(content[: error.start].decode()).count("\n") + 1
        raise InputError(f"line {line}: is not UTF-8 at byte {error.start}") from None
    block = choose(_lines(text.removeprefix("\ufeff")), key, names)
    return _read_json(block) if block.text.lstrip().startswith("{") else _read_yaml(block)


def _lines(text: str) -> str:
    """The text with the one line break that is counted."""
    return re.sub("\r\n?", "\n", text)


def _read_yaml(block: Block) -> Parsed:
    return Parsed(compose(block), partial(line_in_yaml, block))


def _read_json(block: Block) -> Parsed:
    """JSON, or else YAML in its braces. Where it is neither, it is told as JSON."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        table = dict(pairs)
        if len(table) < len(pairs):
            name, line, column = repeated(block.text)
            block.refuse(f"the key `{printable(name)}` stands twice in one table", line, column)
        return table

    integer, number = partial(Scalar, "integer"), partial(Scalar, "number")
    try:
        root = json.loads(
            block.text, object_pairs_hook=unique, parse_int=integer, parse_float=number, parse_constant=number
        )
    except json.JSONDecodeError as error:
        try:
            return _read_yaml(block)
        except InputError:
            block.refuse(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.lineno, error.colno)
    except RecursionError:
        line = line_too_deep(block.text, DEEPEST) + block.above
        raise InputError(f"line {line}: is nested too deep") from None
    return Parsed(root, lambda path: line_in_json(block.text, path) + block.above)


_WORDS: Final = {"boolean": "a boolean", "integer": "a number", "number": "a number"}


def what_is(value: object) -> str:
    """What a value of a document is, in words."""
    return _WORDS[value.type] if isinstance(value, Scalar) else kind_of(value)
