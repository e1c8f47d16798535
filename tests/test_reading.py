"""A stream of bytes to its entries: NDJSON or one document, in bounded memory, as soon as it can be told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate.reading import entries


def read(content: bytes) -> list[tuple[int, bytes]]:
    return [(entry.line, entry.content) for entry in entries(io.BytesIO(content))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \n\t\r\n", []),
        (b"{}", [(1, b"{}")]),
        (b"\n\n{}\n", [(3, b"{}")]),
        (b'{"a":1}\n{"b":2}\n', [(1, b'{"a":1}'), (2, b'{"b":2}')]),
        (b'{"a":1}\r\n\r\n{"b":2}', [(1, b'{"a":1}'), (3, b'{"b":2}')]),
        (b'\xef\xbb\xbf{"a":1}\n{}', [(1, b'{"a":1}'), (2, b"{}")]),
        # A bad line stands alone.
        (b'{"a":1}\nnope\n{}', [(1, b'{"a":1}'), (2, b"nope"), (3, b"{}")]),
        (b"nope\n{}\n{}", [(1, b"nope"), (2, b"{}"), (3, b"{}")]),
        (b'{"a":\n{}\n', [(1, b'{"a":'), (2, b"{}")]),
        (b"{\n", [(1, b"{")]),
        (b"5\n{}", [(1, b"5"), (2, b"{}")]),
        # Arrays and objects that are the whole input.
        (b"[]", []),
        (b"[{}, 5,\t{}]\n\n", [(1, b"{}"), (2, b"5"), (3, b"{}")]),
        (b"[\n{},\n{}\n]\n", [(1, b"{}"), (2, b"{}")]),
        (b'{\n "a": 1\n}\n', [(1, b'{\n"a": 1\n}')]),
        (b'\n{\n"a": [1,\n2]}', [(1, b'{\n"a": [1,\n2]}')]),
        # An array on the first line with more behind it is a bad line.
        (b"[{}]\n{}", [(1, b"[{}]"), (2, b"{}")]),
        # Two documents are none.
        (b'{\n"a":1}\n{\n"b":2}', [(1, b"{"), (2, b'"a":1}'), (3, b"{"), (4, b'"b":2}')]),
        (b"[\n{}\n{}\n]", [(1, b"["), (2, b"{}"), (3, b"{}"), (4, b"]")]),
    ],
)
def test_entries(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert read(content) == expected


def test_a_document_that_is_too_deep_is_one_entry() -> None:
    """The whole of it, or the one element it has: how deep the decoder reads depends on the interpreter."""
    deep = b"[" * 5_000 + b"]" * 5_000
    assert [line for line, _ in read(deep)] == [1]
    assert read(deep + b"\n{}") == [(1, deep), (2, b"{}")]


class Endless(io.RawIOBase):
    """A pipe that goes on: it counts the lines that were asked for."""

    def __init__(self, first: bytes, then: bytes) -> None:
        self.first, self.then, self.asked = first, then, 0

    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]  # lines are all that is asked of it
        yield self.first
        while True:
            self.asked += 1
            assert self.asked < 100, "it is read to its end before it answers"
            yield self.then


@pytest.mark.parametrize("first", [b"nope\n", b'{"a": \n', b"{\n", b'["a",\n', b'{"a": "\\ud800", \n', b'"\n', b"[\n"])
def test_a_stream_with_a_bad_first_line_is_answered_at_once(first: bytes) -> None:
    """The first line may begin a document; as soon as it can't, everything that was read is answered."""
    stream = Endless(first, b'{"is_connected": true}\n')
    found = entries(stream)
    assert next(found).line == 1
    assert stream.asked <= 4
    assert [next(found).line for _ in range(50)] == list(range(2, 52))


def test_a_stream_of_good_lines_is_answered_as_it_comes() -> None:
    stream = Endless(b"{}\n", b"{}\n")
    found = entries(stream)
    next(found)
    assert stream.asked == 1
    next(found)
    next(found)
    assert stream.asked == 2


json_objects = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=5), max_size=3)


@given(st.lists(json_objects, min_size=2), st.sampled_from([None, 0, 2]))
def test_the_same_values_are_read_from_every_form(values: list[dict[str, object]], indent: int | None) -> None:
    lines = "\n".join(map(json.dumps, values)).encode()
    array = json.dumps(values, indent=indent).encode()
    for form in (lines, array):
        found = read(form)
        assert [number for number, _ in found] == list(range(1, len(values) + 1))
        assert [json.loads(content) for _, content in found] == values


@given(st.binary())
def test_any_bytes_are_entries_and_nothing_is_lost(content: bytes) -> None:
    found = read(content)
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        assert b"".join(b"".join(one for _, one in found).split()) in b"".join(content.split()) or found
    numbers = [number for number, _ in found]
    assert numbers == sorted(numbers)
