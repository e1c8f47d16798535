"""A document, or the one block of a Markdown page that has it; and where in the page a fault of it is.

Knows nothing of what is in a document, but for the key that tells it from other blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NoReturn

import attrs

from remediate.errors import InputError

__all__ = ["Block", "choose"]

_FENCE: Final = re.compile(r"^([ \t]*)(`{3,}|~{3,})(.*)$")


@attrs.frozen
class Block:
    """A document, or a fenced block of a page.

    Attributes:
        text: what is in it.
        above: how many lines of the page are above it.
        indent: how many columns of the page are to the left of it.
    """

    text: str
    above: int = 0
    indent: int = 0

    def refuse(self, message: str, line: int, column: int) -> NoReturn:
        """Raise the fault at a line and a column of the block, both from 1."""
        raise InputError(f"line {line + self.above}, column {column + self.indent}: {message}")


def choose(text: str, key: str) -> Block:
    """The whole text, or the one fenced block of a page that has the document.

    Args:
        key: of the document's outermost table.

    Raises:
        InputError: it is a page, and none or several of its blocks have one.
    """
    begins = re.compile(rf"""^["']?{key}["']?[ \t]*:""", re.MULTILINE)
    in_json = re.compile(rf'\A\s*\{{.*"{key}"\s*:', re.DOTALL)
    blocks = list(_blocks(text))
    head = begins.search(text)
    if not blocks or (head is not None and text.count("\n", 0, head.start()) < blocks[0].above):
        return Block(text)
    found = [block for block in blocks if begins.search(block.text) or in_json.search(block.text)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(block.above + 1) for block in found[:10])
        raise InputError(f"has {len(found)} documents in fenced blocks, at lines {listed}, where one is expected")
    raise InputError(f"is a page of which no fenced block begins a line with `{key}:`")


def _blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page. One that is not closed goes on to the end."""
    fence = indent = ""
    above = 0
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        found = _FENCE.match(line)
        if not fence and found and not (found[2][0] == "`" and "`" in found[3]):
            indent, fence, above, lines = found[1], found[2], number, []
        elif fence and found and found[2].startswith(fence) and not found[3].strip():
            yield Block("\n".join(lines), above, len(indent))
            fence = ""
        elif fence:
            lines.append(line.removeprefix(indent))
    if fence:
        yield Block("\n".join(lines), above, len(indent))
