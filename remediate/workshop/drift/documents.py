"""The bytes of a document to tables and lists: YAML, JSON, or a Markdown page that has either in a fenced block.

Knows nothing of what is in a document, but for the key that tells it from other blocks of a page. Reads no file.
Every fault is an InputError with its line and column in what was handed in.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Final

from remediate.errors import InputError, kind_of, printable
from remediate.workshop.drift.composing import Scalar, compose
from remediate.workshop.drift.pages import Block, choose

__all__ = ["LONGEST", "read_document", "what_is"]

LONGEST: Final = 16 * 2**20
"""Bytes that a document may have."""


def read_document(content: bytes, key: str) -> object:
    """The tables and lists of a document: dicts, lists, strings, None, and :class:`Scalar` or JSON's own scalars.

    Args:
        content: UTF-8, at most `LONGEST` bytes.
        key: of the document's outermost table; of a page's blocks, the one that begins a line with it is read.

    Raises:
        InputError: it can't be read.
    """
    if len(content) > LONGEST:
        raise InputError(f"is longer than {LONGEST // 2**20} MiB")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}") from None
    block = choose(re.sub("\r\n?", "\n", text.removeprefix("\ufeff")), key)
    return _read_json(block) if block.text.lstrip().startswith("{") else compose(block)


def _read_json(block: Block) -> object:
    """JSON, or else YAML in its braces. Where it is neither, it is told as JSON."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        table = dict(pairs)
        if len(table) < len(pairs):
            twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise InputError(f"the key `{printable(twice)}` stands twice in one table")
        return table

    try:
        return json.loads(block.text, object_pairs_hook=unique, parse_int=float)
    except json.JSONDecodeError as error:
        try:
            return compose(block)
        except InputError:
            block.refuse(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.lineno, error.colno)
    except RecursionError:
        raise InputError("is nested too deep") from None


def what_is(value: object) -> str:
    """What a value of a document is, in words."""
    return value.what if isinstance(value, Scalar) else kind_of(value)
