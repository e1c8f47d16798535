"""An OpenAPI document, 3.0 or 3.1: what its component schemas say that values may be.

Knows no upstream and reads no file. Only what is asked for is looked at, so a fault elsewhere does no harm.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Final
from urllib.parse import unquote

import attrs

from remediate.errors import InputError, did_you_mean, printable
from remediate.workshop.drift.composing import Scalar
from remediate.workshop.drift.documents import Parsed, read_document, what_is
from remediate.workshop.drift.pages import Path

__all__ = ["Document", "Property", "Schema", "read_openapi"]

_NULL: Final = "null"
_STRING: Final = "string"
_OBJECT: Final = "object"
_FARTHEST: Final = 64
"""How many references and combinations may lead from one to the next."""
_MOST: Final = 100_000
"""How many schemas, values and properties one question may lead to."""
_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
_TYPES: Final[Mapping[type, str]] = {dict: _OBJECT, list: "array", str: _STRING, bool: "boolean", type(None): _NULL}


@attrs.frozen
class Property:
    """Every place of a document that speaks of a property: what it says there holds, all of it.

    Attributes:
        places: each with the path to it.
        choices: of each combination that speaks of it, what it says.
    """

    places: tuple[tuple[Path, object], ...] = ()
    choices: tuple[_Choice, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether some of it holds in every variant."""
        return bool(self.places) or any(choice.is_certain for choice in self.choices)


@attrs.frozen
class _Choice:
    """What the variants of a combination say of a property, of which one holds.

    Attributes:
        variants: those that speak of it.
        is_certain: whether every variant does.
    """

    variants: tuple[Property, ...]
    is_certain: bool


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


class _UnfollowedError(Exception):
    """Something in a document that can't be followed, and the path to it."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.message, self.path = message, path


class Document:
    """A document that was read.

    Attributes:
        names: of its component schemas.
    """

    def __init__(self, parsed: Parsed) -> None:
        """Take what :func:`remediate.workshop.drift.documents.read_document` gives.

        Raises:
            InputError: it has no component schemas.
        """
        self._root, self._line_of = parsed.root, parsed.line_of
        self._left = _MOST
        with self._placed():
            at: object = self._root
            path: Path = ()
            for step in ("components", "schemas"):
                if not isinstance(at, dict) or step not in at:
                    raise _UnfollowedError(f"has no `{step}`, as an OpenAPI document has", path)
                at, path = at[step], (*path, step)
            self._schemas = _table(at, path)
        self.names = tuple(self._schemas)

    def schema(self, name: str) -> Schema:
        """The component schema of this name.

        Raises:
            InputError: it is not there, or can't be followed to its end; with the place.
        """
        if name not in self._schemas:
            raise InputError(f"the document has no schema `{name}`{did_you_mean(name, self.names)}")
        self._left = _MOST
        with self._placed():
            return self._read(self._schemas[name], ("components", "schemas", name), ())

    def told(self, spoken: Property) -> Schema:
        """What a document says of a property, at every place that speaks of it.

        Where a variant is silent about it, what the other variants say counts only if nothing else enumerates it.

        Raises:
            InputError: it can't be followed to its end; with the place.
        """
        self._left = _MOST
        with self._placed():
            return self._spoken(spoken)

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Tell a fault with its line and its path."""
        try:
            yield
        except _UnfollowedError as fault:
            line = self._line_of(fault.path)
            raise InputError(f"line {line}: {fault.message}", field=_dotted(fault.path) or None) from None

    def _spoken(self, spoken: Property) -> Schema:
        certain = [self._read(node, path, ()) for path, node in spoken.places]
        perhaps: list[Schema] = []
        for choice in spoken.choices:
            one = _any([self._spoken(variant) for variant in choice.variants])
            (certain if choice.is_certain else perhaps).append(one)
        said = _all(certain)
        return _all([said, *perhaps]) if said.values is None else said

    def _read(self, node: object, path: Path, trail: tuple[str, ...]) -> Schema:
        parts = node.values() if isinstance(node, dict) else ()
        self._left -= 1 + sum(len(part) for part in parts if isinstance(part, dict | list))
        if len(trail) > _FARTHEST or self._left < 0:
            raise _UnfollowedError("leads on through too many references", path)
        if node is True or (isinstance(node, Scalar) and node.text.lower() == "true"):
            return Schema()
        return _all([*self._parts(_table(node, path), path, trail)])

    def _parts(self, table: Mapping[str, object], path: Path, trail: tuple[str, ...]) -> Iterator[Schema]:
        """What a schema says by itself, and all that it brings in."""
        yield _own(table, path)
        if "$ref" in table:
            reference, there, target = self._target(table["$ref"], (*path, "$ref"))
            if reference in trail:
                raise _UnfollowedError(f"`{printable(reference)}` leads back to itself", (*path, "$ref"))
            yield self._read(target, there, (*trail, reference))
        for word, combine in (("allOf", _all), ("anyOf", _any), ("oneOf", _any)):
            members = _list(table[word], (*path, word)) if word in table else []
            if members:
                yield combine(
                    [self._read(member, (*path, word, number), (*trail, word)) for number, member in enumerate(members)]
                )

    def _target(self, value: object, path: Path) -> tuple[str, Path, object]:
        """A reference, and the path to what it stands for, and that."""
        reference = _string(value, path)
        said = printable(reference)
        if not reference.startswith("#/"):
            raise _UnfollowedError(f"only what is in the document is followed, not `{said}`", path)
        at = self._root
        there: list[str | int] = []
        for step in reference[2:].split("/"):
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(at, dict) and name in at:
                there.append(name)
                at = at[name]
            elif isinstance(at, list) and _INDEX.fullmatch(name) and int(name) < len(at):
                there.append(int(name))
                at = at[int(name)]
            else:
                raise _UnfollowedError(f"`{said}` is not there", path)
        return reference, tuple(there), at


def read_openapi(content: bytes, names: Sequence[str] = ()) -> Document:
    """Read a document: YAML, JSON, or a Markdown page that has either in a fenced block.

    Args:
        names: of schemas; of several such blocks of a page, the only one that has any of them is read.

    Raises:
        InputError: it can't be read; with the line and column where the parser knows them.
    """
    return Document(read_document(content, "openapi", names))


def _own(table: Mapping[str, object], path: Path) -> Schema:
    """What a schema says without what it brings in."""
    types = _types(table["type"], (*path, "type")) if "type" in table else None
    properties = _table(table["properties"], (*path, "properties")) if "properties" in table else {}
    values: tuple[str, ...] | None = None
    if "enum" in table or "const" in table:
        listed = [*_enumerated(table, path)]
        taken = frozenset(_type(one) for _, one in listed) if types is None else types
        values = tuple(dict.fromkeys(_strings(listed, taken)))
        types = taken
    spoken = {name: Property(places=(((*path, "properties", name), node),)) for name, node in properties.items()}
    return Schema(types=types, values=values, properties=spoken)


def _enumerated(table: Mapping[str, object], path: Path) -> Iterator[tuple[Path, object]]:
    if "const" in table:
        yield (*path, "const"), table["const"]
        return
    for number, one in enumerate(_list(table["enum"], (*path, "enum"))):
        yield (*path, "enum", number), one


def _strings(listed: Sequence[tuple[Path, object]], types: frozenset[str]) -> Iterator[str]:
    """The strings among listed values. Where no number or boolean is taken, one is a string without its quotes."""
    for path, one in listed if _STRING in types else ():
        kind = _type(one)
        is_taken = kind in types or (kind == "integer" and "number" in types)
        if one is not None and (kind == _STRING or not is_taken):
            yield _text(one, path)


def _type(value: object) -> str:
    """JSON's name of a value's type."""
    return value.type if isinstance(value, Scalar) else _TYPES[type(value)]


def _types(value: object, path: Path) -> frozenset[str]:
    places = enumerate(value) if isinstance(value, list) else ((None, value),)
    return frozenset(
        _NULL if one is None else _string(one, path if number is None else (*path, number)) for number, one in places
    )


def _all(schemas: Sequence[Schema]) -> Schema:
    """What has to be as every one of some schemas says."""
    properties: dict[str, list[Property]] = {}
    for schema in schemas:
        for name, spoken in schema.properties.items():
            properties.setdefault(name, []).append(spoken)
    types = [schema.types for schema in schemas if schema.types is not None]
    values = [schema.values for schema in schemas if schema.values is not None]
    allowed = frozenset[str].intersection(*map(frozenset, values)) if values else frozenset()
    return Schema(
        types=frozenset[str].intersection(*types) if types else None,
        values=tuple(value for value in values[0] if value in allowed) if values else None,
        properties={name: _every(spoken) for name, spoken in properties.items()},
    )


def _any(schemas: Sequence[Schema]) -> Schema:
    """What may be as any one of some schemas says."""
    types = [schema.types for schema in schemas if schema.types is not None]
    strings = [schema.strings for schema in schemas]
    listed = [one for one in strings if one is not None]
    return Schema(
        types=frozenset[str]().union(*types) if len(types) == len(schemas) else None,
        values=tuple(dict.fromkeys(chain.from_iterable(listed))) if len(listed) == len(strings) else None,
        properties=_either([one.properties for one in schemas if one.types is None or _OBJECT in one.types]),
    )


def _every(spoken: Sequence[Property]) -> Property:
    """All that is said of a property."""
    places = chain.from_iterable(one.places for one in spoken)
    choices = chain.from_iterable(one.choices for one in spoken)
    return spoken[0] if len(spoken) == 1 else Property(places=tuple(places), choices=tuple(choices))


def _either(variants: Sequence[Mapping[str, Property]]) -> Mapping[str, Property]:
    """What each property may be as any one of some variants says."""
    if len(variants) == 1:
        return variants[0]
    said: dict[str, list[Property]] = {}
    certain: Counter[str] = Counter()
    for variant in variants:
        for name, spoken in variant.items():
            said.setdefault(name, []).append(spoken)
            certain[name] += spoken.is_certain
    every = len(variants)
    return {name: Property(choices=(_Choice(tuple(said[name]), certain[name] == every),)) for name in said}


def _table(value: object, path: Path) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _UnfollowedError(f"expected an object, got {what_is(value)}", path)
    return value


def _list(value: object, path: Path) -> list[object]:
    if not isinstance(value, list):
        raise _UnfollowedError(f"expected an array, got {what_is(value)}", path)
    return value


def _string(value: object, path: Path) -> str:
    if not isinstance(value, str):
        raise _UnfollowedError(f"expected a string, got {what_is(value)}", path)
    return value


def _text(value: object, path: Path) -> str:
    """A string, or what would be one in quotes."""
    if isinstance(value, Scalar):
        return value.text
    return str(value).lower() if isinstance(value, bool) else _string(value, path)


def _dotted(path: Path) -> str:
    """The path in words: `components.schemas.Status.enum[3]`."""
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in path)
    return said.removeprefix(".")
