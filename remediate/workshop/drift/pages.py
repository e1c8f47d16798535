"""A document, or the one block of a Markdown page that has it; and where in the page a fault of it is.

Knows nothing of what is in a document, but for the key that tells it from other blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

import attrs

from remediate.errors import InputError

__all__ = ["Block", "Path", "choose"]

Path = tuple[str | int, ...]
"""The keys of tables and the places in lists, from 0, that lead to something in a document."""

_FENCE: Final = re.compile(r"^((?:[ \t]|>|[-*+](?=[ \t])|[0-9]{1,9}[.)](?=[ \t])){0,99})(`{3,}|~{3,})(.*)$")
"""A fence begins its line, or follows what makes an item of a list or a quotation of the line."""
_CLOSING: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*$")


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


def choose(text: str, key: str, names: Sequence[str] = ()) -> Block:
    """The whole text, or the one fenced block of a page that has the document.

    A block that has one is preferred, unless it stands to the right in a text that is a document itself.

    Args:
        key: of the document's outermost table.
        names: of several blocks, the only one with any of these keys is taken.

    Raises:
        InputError: it is a page, and none or several of its blocks have one.
    """
    begins = re.compile(rf"""^["']?{key}["']?[ \t]*:""", re.MULTILINE)
    in_json = re.compile(rf'\A\s*\{{.*"{key}"\s*:', re.DOTALL)
    blocks = list(_blocks(text))
    if not blocks:
        return Block(text)
    found = [block for block in blocks if begins.search(block.text) or in_json.search(block.text)]
    head = begins.search(text)
    is_headed = head is not None and text.count("\n", 0, head.start()) < blocks[0].above
    if is_headed and all(block.indent for block in found) and _is_whole(text):
        return Block(text)
    named = re.compile(rf"""(?<![\w/])({"|".join(map(re.escape, names))})["']?[ \t]*:""")
    if names and len(found) > 1:
        found = [block for block in found if named.search(block.text)] or found
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(block.above + 1) for block in found[:10])
        raise InputError(f"has {len(found)} documents in fenced blocks, at lines {listed}, where one is expected")
    raise InputError(f"is a page of which no fenced block begins a line with `{key}:`")


def _is_whole(text: str) -> bool:
    """Whether another key of a document begins a line, as in no page of which the blocks stand to the right."""
    return re.search(r"""^["']?(components|paths|info)["']?[ \t]*:""", text, re.MULTILINE) is not None


def _blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page. One that is not closed goes on to the end."""
    fence = ""
    above = indent = 0
    margin = re.compile("")
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not fence:
            found = _FENCE.match(line)
            if found and not (found[2][0] == "`" and "`" in found[3]):
                fence, above, lines = found[2], number, []
                indent, margin = len(found[1]), _margin(found[1])
            continue
        inner = margin.sub("", line, count=1)
        closing = _CLOSING.match(inner)
        if closing and closing[1].startswith(fence):
            yield Block("\n".join(lines), above, indent)
            fence = ""
        else:
            lines.append(inner)
    if fence:
        yield Block("\n".join(lines), above, indent)


def _margin(before: str) -> re.Pattern[str]:
    """What stands to the left of each line of a block, from what stands before its fence."""
    return re.compile("^" + "".join(">?" if mark == ">" else "[ \t]?" for mark in before))
