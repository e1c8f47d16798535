"""YAML to tables and lists, from the parser's events.

The only file that imports a parser of YAML. Nothing is constructed from a tag; an alias is the value that its
anchor has, once and not a copy; keys are text as it was written.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import attrs
import yaml
from yaml.reader import Reader

from remediate.errors import InputError, printable
from remediate.workshop.drift.pages import Block

__all__ = ["DEEPEST", "Scalar", "compose"]

DEEPEST: Final = 200
"""How deep tables and lists may lie in one another."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_SCALARS: Final = {
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
}
_TEXTS: Final = ("str", "merge", "value")


@attrs.frozen
class Scalar:
    """What is neither text nor null nor a table nor a list: what it is, as it was written, and its line."""

    what: str
    text: str
    line: int


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
    loader = _LOADER(block.text)
    try:
        return _Composing(block=block, loader=loader).document()
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


@attrs.frozen
class _Composing:
    """A document that is being composed.

    Attributes:
        block: where it is.
        loader: the parser, at the next event.
        anchors: the values that have one, once they are whole.
    """

    block: Block
    loader: Any
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
            if event.anchor is not None:
                self.anchors[event.anchor] = event.value
            if self.tag(event) == "merge":
                self.refuse("a merge key, `<<`, which OpenAPI does not have", event)
            if event.value in made:
                self.refuse(f"the key `{printable(event.value)}` stands twice in one table", event)
            made[event.value] = self.value(depth + 1)
        self.loader.get_event()
        return made

    def scalar(self, event: Any) -> str | Scalar | None:
        tag = self.tag(event)
        if tag in _SCALARS:
            return Scalar(_SCALARS[tag], event.value, event.start_mark.line + 1 + self.block.above)
        return None if tag == "null" else str(event.value)

    def tag(self, event: Any) -> str:
        """What a scalar is: by its tag, else by how it looks."""
        tag = event.tag
        if tag == "!":
            return "str"
        if tag is None:
            tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        short = str(tag).removeprefix(_CORE)
        if short not in (*_SCALARS, *_TEXTS, "null"):
            self.refuse(f"the tag `{printable(str(tag))}`, which OpenAPI does not have", event)
        return short

    def untagged(self, event: Any, core: str) -> None:
        if event.tag not in (None, "!", f"{_CORE}{core}"):
            self.refuse(f"the tag `{printable(str(event.tag))}`, which OpenAPI does not have", event)

    def refuse(self, message: str, event: Any) -> NoReturn:
        mark = event.start_mark
        self.block.refuse(message, mark.line + 1, mark.column + 1)
