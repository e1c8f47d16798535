"""A stream of bytes to its entries: NDJSON, or one JSON document.

Memory stays that of the longest line, unless the input really is one document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs
import msgspec

__all__ = ["Entry", "entries"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_TRUNCATED: Final = "Input data was truncated"
_LONE_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_value: Final = msgspec.json.Decoder(msgspec.Raw).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@attrs.frozen
class Entry:
    """One thing to decide about.

    Attributes:
        line: its line in NDJSON, or its number in an array, from 1.
        content: its JSON, not yet read.
    """

    line: int
    content: bytes


def entries(stream: BinaryIO) -> Iterator[Entry]:
    """Every entry of a stream, in order, as soon as it can be told.

    Where the first line is a whole JSON value this is NDJSON, or an array on one line. Otherwise
    the whole input may be one document; where it is not, it is NDJSON with a bad first line.
    """
    lines = _numbered(stream)
    first = next(lines, None)
    if first is None:
        return
    if _state(first.content) != "whole":
        seen = [first]
        document = _document(seen, lines)
        if document is None:
            yield from seen
            yield from lines
        else:
            yield from _elements(document)
        return
    second = next(lines, None)
    if second is None:
        yield from _elements(first.content, line=first.line)
        return
    yield first
    yield second
    yield from lines


def _numbered(stream: BinaryIO) -> Iterator[Entry]:
    """The lines that are not blank, each with its number."""
    for number, line in enumerate(stream, 1):
        content = (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).strip()
        if content:
            yield Entry(number, content)


def _state(content: bytes) -> str:
    """Whether some bytes are a `whole` JSON value, the `start` of one, or `neither`."""
    try:
        _value(_LONE_SURROGATE.sub(b"\\\\u0041", content))
    except RecursionError:
        return "whole"  # too deep to be anything but refused, as what it is
    except (msgspec.DecodeError, ValueError) as error:
        return "start" if str(error) == _TRUNCATED else "neither"
    return "whole"


def _document(seen: list[Entry], lines: Iterator[Entry]) -> bytes | None:
    """The document that the whole input is, or None; what was read meanwhile is added to `seen`.

    It is looked at again whenever it has doubled, so a line that can't go on is found at once, and
    only what may still be a document is kept.
    """
    look_at = 2
    while (state := _state(b"\n".join(entry.content for entry in seen))) == "start":
        more = [entry for _, entry in zip(range(look_at - len(seen)), lines, strict=False)]
        if not more:
            return None
        seen.extend(more)
        look_at = 2 * len(seen)
    if state == "neither":
        return None
    after = next(lines, None)
    if after is not None:
        seen.append(after)
        return None
    return b"\n".join(entry.content for entry in seen)


def _elements(document: bytes, line: int = 1) -> Iterator[Entry]:
    """The elements of an array, or the document itself."""
    if not document.startswith(b"["):
        yield Entry(line, document)
        return
    try:
        elements = _array(document)
    except (msgspec.DecodeError, ValueError, RecursionError):
        yield Entry(line, document)
        return
    for number, element in enumerate(elements, 1):
        yield Entry(number, bytes(element))
