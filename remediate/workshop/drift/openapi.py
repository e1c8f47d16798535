"""An OpenAPI document, 3.0 or 3.1: what its component schemas say that values may be.

Knows no upstream and reads no file. Only what is asked for is looked at, so a fault elsewhere does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final
from urllib.parse import unquote

import attrs

from remediate.errors import InputError, did_you_mean, printable
from remediate.workshop.drift.composing import Scalar
from remediate.workshop.drift.documents import read_document, what_is

__all__ = ["Document", "Schema", "read_openapi"]

_NULL: Final = "null"
_STRING: Final = "string"
_FARTHEST: Final = 64
"""How many references and combinations may lead from one to the next."""
_MOST: Final = 100_000
"""How many schemas, values and properties one question may lead to."""

_Path = tuple[str, ...]


@attrs.frozen(kw_only=True)
class Schema:
    """What a value may be.

    Attributes:
        types: JSON's names of types, perhaps with `null`; None: any.
        values: the strings that are enumerated, in their order; None: any string.
        properties: those of an object, by name.
    """

    types: frozenset[str] | None = None
    values: tuple[str, ...] | None = None
    properties: Mapping[str, Property] = attrs.field(factory=dict)

    @property
    def strings(self) -> tuple[str, ...] | None:
        """The strings that it may be; None: any."""
        return () if self.types is not None and _STRING not in self.types else self.values


Property = tuple[tuple[_Path, object], ...]
"""Every place of the document that speaks of a property."""


class Document:
    """A document that was read.

    Attributes:
        names: of its component schemas.
    """

    def __init__(self, root: object) -> None:
        """Take what :func:`remediate.workshop.drift.documents.read_document` gives.

        Raises:
            InputError: it has no component schemas.
        """
        self._root = root
        self._left = _MOST
        at = root
        for depth, step in enumerate(("components", "schemas")):
            if not isinstance(at, dict) or step not in at:
                place = _dotted(("components", "schemas")[:depth])
                raise InputError(f"has no `{step}`, as an OpenAPI document has", field=place or None)
            at = at[step]
        self._schemas = _table(at, ("components", "schemas"))
        self.names = tuple(self._schemas)

    def schema(self, name: str) -> Schema:
        """The component schema of this name.

        Raises:
            InputError: it is not there, or can't be followed to its end; with the place.
        """
        if name not in self._schemas:
            raise InputError(f"the document has no schema `{name}`{did_you_mean(name, self.names)}")
        self._left = _MOST
        return self._read(self._schemas[name], ("components", "schemas", name), ())

    def told(self, places: Property) -> Schema:
        """What a document says of a property, at every place that speaks of it.

        Raises:
            InputError: it can't be followed to its end; with the place.
        """
        self._left = _MOST
        return _all([self._read(node, path, ()) for path, node in places])

    def _read(self, node: object, path: _Path, trail: _Path) -> Schema:
        parts = node.values() if isinstance(node, dict) else ()
        self._left -= 1 + sum(len(part) for part in parts if isinstance(part, dict | list))
        if len(trail) > _FARTHEST or self._left < 0:
            raise InputError("leads on through too many references", field=_dotted(path))
        if node is True or (isinstance(node, Scalar) and node.text == "true"):
            return Schema()
        return _all([*self._parts(_table(node, path), path, trail)])

    def _parts(self, table: Mapping[str, object], path: _Path, trail: _Path) -> Iterator[Schema]:
        """What a schema says by itself, and all that it brings in."""
        yield _own(table, path)
        if "$ref" in table:
            reference, target = self._target(table["$ref"], (*path, "$ref"))
            if reference in trail:
                raise InputError(f"`{printable(reference)}` leads back to itself", field=_dotted((*path, "$ref")))
            yield self._read(target, path, (*trail, reference))
        for word, combine in (("allOf", _all), ("anyOf", _any), ("oneOf", _any)):
            if word in table:
                members = _list(table[word], (*path, word))
                if not members:
                    continue
                steps = [f"{word}[{number}]" for number in range(len(members))]
                yield combine(
                    [
                        self._read(member, (*path, step), (*trail, step))
                        for step, member in zip(steps, members, strict=True)
                    ]
                )

    def _target(self, reference: object, path: _Path) -> tuple[str, object]:
        if not isinstance(reference, str):
            raise InputError(f"expected a string, got {what_is(reference)}", field=_dotted(path))
        said = printable(reference)
        if not reference.startswith("#/"):
            raise InputError(f"only what is in the document is followed, not `{said}`", field=_dotted(path))
        at = self._root
        for step in reference[2:].split("/"):
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if not isinstance(at, dict) or name not in at:
                raise InputError(f"`{said}` is not there", field=_dotted(path))
            at = at[name]
        return reference, at


def read_openapi(content: bytes) -> Document:
    """Read a document: YAML, JSON, or a Markdown page that has either in a fenced block.

    Raises:
        InputError: it can't be read; with the line and column where the parser knows them.
    """
    return Document(read_document(content, "openapi"))


def _own(table: Mapping[str, object], path: _Path) -> Schema:
    """What a schema says without what it brings in."""
    types = _types(table["type"], (*path, "type")) if "type" in table else None
    properties = _table(table["properties"], (*path, "properties")) if "properties" in table else {}
    listed = [*_enumerated(table, path)] if "enum" in table or "const" in table else None
    if listed is None:
        values = None
    elif types is None or _STRING in types:
        values = tuple(dict.fromkeys(_text(one, place) for place, one in listed if one is not None))
        only_null = frozenset({_NULL}) if any(one is None for _, one in listed) else frozenset()
        types = (frozenset({_STRING}) if values else frozenset()) | only_null if types is None else types
    else:
        values = ()
    places = {name: (((*path, "properties", name), node),) for name, node in properties.items()}
    return Schema(types=types, values=values, properties=places)


def _enumerated(table: Mapping[str, object], path: _Path) -> Iterator[tuple[_Path, object]]:
    if "const" in table:
        yield (*path, "const"), table["const"]
        return
    for number, one in enumerate(_list(table["enum"], (*path, "enum"))):
        yield (*path, f"enum[{number}]"), one


def _types(value: object, path: _Path) -> frozenset[str]:
    if isinstance(value, list):
        return frozenset(_NULL if one is None else _text(one, path) for one in value)
    return frozenset({_text(value, path)})


def _all(schemas: Sequence[Schema]) -> Schema:
    """What has to be as every one of some schemas says."""
    properties: dict[str, list[tuple[_Path, object]]] = {}
    for schema in schemas:
        for name, places in schema.properties.items():
            properties.setdefault(name, []).extend(places)
    types = [schema.types for schema in schemas if schema.types is not None]
    values = [schema.values for schema in schemas if schema.values is not None]
    allowed = frozenset[str].intersection(*map(frozenset, values)) if values else frozenset()
    return Schema(
        types=frozenset[str].intersection(*types) if types else None,
        values=tuple(value for value in values[0] if value in allowed) if values else None,
        properties={name: tuple(places) for name, places in properties.items()},
    )


def _any(schemas: Sequence[Schema]) -> Schema:
    """What may be as any one of some schemas says."""
    types = [schema.types for schema in schemas if schema.types is not None]
    strings = [schema.strings for schema in schemas]
    listed = [one for one in strings if one is not None]
    return Schema(
        types=frozenset[str]().union(*types) if len(types) == len(schemas) else None,
        values=tuple(dict.fromkeys(chain.from_iterable(listed))) if len(listed) == len(strings) else None,
        properties={name: places for schema in schemas for name, places in schema.properties.items()},
    )


def _table(value: object, path: _Path) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InputError(f"expected an object, got {what_is(value)}", field=_dotted(path))
    return value


def _list(value: object, path: _Path) -> list[object]:
    if not isinstance(value, list):
        raise InputError(f"expected an array, got {what_is(value)}", field=_dotted(path))
    return value


def _text(value: object, path: _Path) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Scalar):
        written = f"line {value.line}: `{printable(value.text)}` is {value.what} in YAML"
        raise InputError(f"{written}, so as a string it needs quotes", field=_dotted(path))
    raise InputError(f"expected a string, got {what_is(value)}", field=_dotted(path))


def _dotted(path: _Path) -> str:
    return ".".join(printable(step) for step in path)
