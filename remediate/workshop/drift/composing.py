"""YAML 1.2 to tables and lists, from the parser's events.

The only file that imports a parser of YAML. Nothing is constructed from a tag; an alias is the value that its
anchor has, once and not a copy; keys are text as it was written. What is neither null, true, false nor a number by
the core schema of YAML 1.2, which OpenAPI asks for, is text: `NO`, `on` and `2024-01-01` are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import attrs
import yaml
from yaml.reader import Reader

from remediate.errors import InputError, printable
from remediate.workshop.drift.pages import Block, Path

__all__ = ["DEEPEST", "Scalar", "compose", "line_in_yaml"]

DEEPEST: Final = 200
"""How deep tables and lists may lie in one another."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN: Final[Mapping[str, re.Pattern[str]]] = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
"""The core schema: what text without quotes is, the first that it is whole."""
_SCALARS: Final = {"bool": "boolean", "int": "integer", "float": "number"}
_TEXTS: Final = ("str", "merge", "value", "timestamp")
_BREAKS: Final = "\x85\u2028\u2029"
"""Line breaks to the parser, which reads YAML 1.1, and to nobody else."""


@attrs.frozen
class Scalar:
    """A boolean or a number: JSON's name of its type, and the text as it was written."""

    type: str
    text: str


def compose(block: Block) -> object:
    """The one document of a block.

    Raises:
        InputError: it is no YAML, has no document or several, a key that stands twice, a tag, a merge key, a
            table as a key, or is nested too deep; with the line.
    """
    unreadable = Reader.NON_PRINTABLE.search(block.text)
    if unreadable is not None:
        at = unreadable.start()
        column = at - (block.text.rfind("\n", 0, at) + 1) + 1
        block.refuse("a character that YAML does not allow", block.text.count("\n", 0, at) + 1, column)
    text, marks = _without_breaks(block.text)
    loader = _LOADER(text)
    try:
        return _Composing(block=block, loader=loader, marks=marks).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"not YAML: {printable(str(error.problem or error.context), longest=200)}"
        if mark is None:
            raise InputError(said) from None
        block.refuse(said, mark.line + 1, mark.column + 1)
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {printable(str(error), longest=200)}") from None
    finally:
        loader.dispose()


def line_in_yaml(block: Block, path: Path) -> int:
    """The line of the page at which something begins: the key of a member, or the element of a list.

    Args:
        block: one that was composed.
        path: to what is there; where an alias leads on, the line is that of the alias.
    """
    text, marks = _without_breaks(block.text)
    loader = _LOADER(text)
    try:
        for _ in ("stream", "document"):
            loader.get_event()
        event = loader.peek_event()
        for step in path:
            found = _member(loader, step, marks)
            event = event if found is None else found
            if found is None:
                break
        return int(event.start_mark.line) + 1 + block.above
    finally:
        loader.dispose()


def _member(loader: Any, step: str | int, marks: Mapping[int, str]) -> Any:
    """The event that a member of the next value begins with; then the next value is the member's. None: it has none."""
    opening = loader.get_event()
    if not isinstance(opening, yaml.CollectionStartEvent):
        return None
    number = 0
    while not isinstance(begins := loader.peek_event(), yaml.CollectionEndEvent):
        here: str | int = number
        if isinstance(opening, yaml.MappingStartEvent):
            here = loader.get_event().value.translate(marks)
        if here == step:
            return begins
        _pass_over(loader)
        number += 1
    return None


def _pass_over(loader: Any) -> None:
    """Go behind the next value."""
    open_ones = 0
    while True:
        event = loader.get_event()
        open_ones += isinstance(event, yaml.CollectionStartEvent)
        open_ones -= isinstance(event, yaml.CollectionEndEvent)
        if not open_ones:
            return


def _without_breaks(text: str) -> tuple[str, dict[int, str]]:
    """The text with other characters for the breaks that are none, and what turns those back."""
    within = [mark for mark in _BREAKS if mark in text]
    if not within:
        return text, {}
    used = set(text)
    free = (chr(code) for code in range(0xE000, 0xF900) if chr(code) not in used)
    swapped = dict(zip(within, free, strict=False))
    return text.translate({ord(mark): other for mark, other in swapped.items()}), {
        ord(other): mark for mark, other in swapped.items()
    }


@attrs.frozen
class _Composing:
    """A document that is being composed.

    Attributes:
        block: where it is.
        loader: the parser, at the next event.
        marks: what to turn back in text.
        anchors: the values that have one, once they are whole.
    """

    block: Block
    loader: Any
    marks: Mapping[int, str]
    anchors: dict[str, object] = attrs.field(factory=dict)

    def document(self) -> object:
        self.loader.get_event()  # the beginning of the stream
        if self.loader.check_event(yaml.StreamEndEvent):
            raise InputError("has no document")
        self.loader.get_event()  # the beginning of the document
        made = self.value(0)
        self.loader.get_event()
        if not self.loader.check_event(yaml.StreamEndEvent):
            self.refuse("a second document, where one is expected", self.loader.get_event())
        return made

    def value(self, depth: int) -> object:
        event = self.loader.get_event()
        if isinstance(event, yaml.AliasEvent):
            name = str(event.anchor)
            if name not in self.anchors:
                self.refuse(f"`*{printable(name)}` stands for nothing, or for what it is in", event)
            return self.anchors[name]
        if depth > DEEPEST:
            self.refuse("is nested too deep", event)
        made: object
        if isinstance(event, yaml.ScalarEvent):
            made = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.untagged(event, "seq")
            made = self.sequence(depth)
        else:
            self.untagged(event, "map")
            made = self.mapping(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = made
        return made

    def sequence(self, depth: int) -> list[object]:
        made = []
        while not self.loader.check_event(yaml.SequenceEndEvent):
            made.append(self.value(depth + 1))
        self.loader.get_event()
        return made

    def mapping(self, depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        while not self.loader.check_event(yaml.MappingEndEvent):
            event = self.loader.get_event()
            if not isinstance(event, yaml.ScalarEvent):
                self.refuse("a key that is not text", event)
            name = event.value.translate(self.marks)
            if event.anchor is not None:
                self.anchors[event.anchor] = name
            if self.tag(event) == "merge" or (name == "<<" and event.implicit[0]):
                self.refuse("a merge key, `<<`, which OpenAPI does not have", event)
            if name in made:
                self.refuse(f"the key `{printable(name)}` stands twice in one table", event)
            made[name] = self.value(depth + 1)
        self.loader.get_event()
        return made

    def scalar(self, event: Any) -> str | Scalar | None:
        tag = self.tag(event)
        if tag in _SCALARS:
            return Scalar(_SCALARS[tag], event.value)
        return None if tag == "null" else str(event.value.translate(self.marks))

    def tag(self, event: Any) -> str:
        """What a scalar is: by its tag, else by how it looks."""
        if event.tag is None and event.implicit[0]:
            return next((name for name, looks in _PLAIN.items() if looks.fullmatch(event.value)), "str")
        short = str(event.tag or "!").removeprefix(_CORE)
        if short not in ("!", *_SCALARS, *_TEXTS, "null"):
            self.refuse(f"the tag `{printable(str(event.tag))}`, which OpenAPI does not have", event)
        return short

    def untagged(self, event: Any, core: str) -> None:
        if event.tag not in (None, "!", f"{_CORE}{core}"):
            self.refuse(f"the tag `{printable(str(event.tag))}`, which OpenAPI does not have", event)

    def refuse(self, message: str, event: Any) -> NoReturn:
        mark = event.start_mark
        self.block.refuse(message, mark.line + 1, mark.column + 1)
