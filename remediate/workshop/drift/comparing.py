"""A published document against an upstream's vocabulary: what differs, and what a policy answers for it today.

Pure: is handed a document that was read and what decides, and knows no upstream by its name. A property that may be
null, is required or is described anew is no difference, for a field may always be absent.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import attrs

from remediate.deciding import Decider
from remediate.observation import Observation, OpenEnum
from remediate.upstreams import Published, Upstream
from remediate.workshop.drift.answering import Answered, answers_for_unrecognised
from remediate.workshop.drift.openapi import Document, Schema

__all__ = ["Change", "Drift", "Mention", "Subject", "find_drift"]

_NEAR: Final = 0.6
_MOST_NEAR: Final = 200
"""Among more newcomers nobody looks for what was renamed."""
_JSON: Final[Mapping[type, str]] = {bool: "boolean", str: "string", int: "integer", float: "number"}


class Change(StrEnum):
    """What became of something that is published."""

    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"


class Subject(StrEnum):
    """What it became of: a value of a field, a property, or a schema as a whole."""

    VALUE = "value"
    PROPERTY = "property"
    SCHEMA = "schema"


@attrs.frozen(kw_only=True)
class Mention:
    """A rule that names a value: by itself, or by a group that it is in."""

    rule: str
    group: str | None = None


@attrs.frozen(kw_only=True)
class Drift:
    """One difference.

    Attributes:
        kind: of observation.
        schema: where it is published.
        what: what it became of.
        change: what became of it.
        field: the property; None for a schema.
        value: the string that was added or removed; None for anything else.
        perhaps: what it may have been renamed from or to; None: nothing is near.
        was: for what was retyped, its type here.
        now: for what was retyped, its type in the document.
        answers: all that the policy answers today for a string that it does not know.
        rules: those that name what was removed.
    """

    kind: str
    schema: str
    what: Subject
    change: Change
    field: str | None = None
    value: str | None = None
    perhaps: str | None = None
    was: str | None = None
    now: str | None = None
    answers: tuple[Answered, ...] = ()
    rules: tuple[Mention, ...] = ()


def find_drift(document: Document, upstream: Upstream, deciders: Mapping[str, Decider]) -> tuple[Drift, ...]:
    """Every difference, by kind of observation and field.

    Args:
        deciders: those of a policy for this upstream, by kind.

    Raises:
        InputError: the document has none of the upstream's schemas, or one can't be followed to its end.
    """
    published = upstream.published
    schemas = {kind: one.schema for kind, one in published.items()}
    if not any(name in document.names for name in schemas.values()):
        document.schema(next(iter(schemas.values())))  # which says so
    found: list[Drift] = []
    for cls in upstream.observations:
        if cls.kind in published:
            found += _Comparing(decider=deciders[cls.kind], cls=cls, upstream=upstream).drift(document)
    return tuple(found)


@attrs.frozen(kw_only=True)
class _Expected:
    """What a field of ours takes: a type of JSON, and the strings of its vocabulary."""

    type: str
    values: tuple[str, ...] | None = None
    is_open: bool = False

    def takes(self, types: frozenset[str]) -> bool:
        """Whether a value of these types, `null` apart, is read."""
        return types == {self.type} or (self.type == "number" and types <= {"integer", "number"} and bool(types))

    @property
    def words(self) -> str:
        return self.type if self.values is None else f"{self.type} of {len(self.values)} values"


@attrs.frozen(kw_only=True)
class _Comparing:
    """One kind of observation, and its schema."""

    decider: Decider
    cls: type[Observation]
    upstream: Upstream

    @property
    def published(self) -> Published:
        """Where it is published."""
        return self.upstream.published[self.cls.kind]

    @property
    def _found(self) -> Callable[..., Drift]:
        return partial(Drift, kind=self.cls.kind, schema=self.published.schema)

    def drift(self, document: Document) -> Iterator[Drift]:
        if self.published.schema not in document.names:
            yield self._found(what=Subject.SCHEMA, change=Change.REMOVED)
            return
        schema = document.schema(self.published.schema)
        if schema.types is not None and "object" not in schema.types:
            yield self._found(what=Subject.SCHEMA, change=Change.RETYPED, was="object", now=_words(schema))
            return
        expected = _expected(self.cls, self.upstream)
        for field, ours in expected.items():
            if field in schema.properties:
                yield from self._field(field, ours, document.told(schema.properties[field]))
        known = (*expected, *self.published.ignored)
        removed = [field for field in expected if field not in schema.properties]
        added = [field for field in schema.properties if field not in known]
        renamed = _renamed(removed, added)
        for field in removed:
            rules = self._rules(field, None)
            yield self._found(
                what=Subject.PROPERTY, change=Change.REMOVED, field=field, perhaps=renamed.get(field), rules=rules
            )
        for field in added:
            yield self._found(what=Subject.PROPERTY, change=Change.ADDED, field=field, perhaps=renamed.get(field))

    def _field(self, field: str, ours: _Expected, told: Schema) -> Iterator[Drift]:
        same_type = told.types is not None and ours.takes(told.types - {"null"})
        if not same_type or (ours.values is not None and told.strings is None):
            unknown = answers_for_unrecognised(self.decider, field) if ours.is_open and same_type else ()
            now = _words(told)
            yield self._found(
                what=Subject.PROPERTY, change=Change.RETYPED, field=field, was=ours.words, now=now, answers=unknown
            )
            return
        if ours.values is None or told.strings is None:
            return
        here, there = set(ours.values), set(told.strings)
        removed = [value for value in ours.values if value not in there]
        added = [value for value in told.strings if value not in here]
        renamed = _renamed(removed, added)
        for value in removed:
            near, rules = renamed.get(value), self._rules(field, value)
            yield self._found(
                what=Subject.VALUE, change=Change.REMOVED, field=field, value=value, perhaps=near, rules=rules
            )
        unknown = answers_for_unrecognised(self.decider, field) if added and ours.is_open else ()
        for value in added:
            near = renamed.get(value)
            yield self._found(
                what=Subject.VALUE, change=Change.ADDED, field=field, value=value, perhaps=near, answers=unknown
            )

    def _rules(self, field: str, value: str | None) -> tuple[Mention, ...]:
        """The rules that name a value; or, without one, the field."""
        groups = self.decider.policy.groups.get(field, {})
        found = []
        for rule in self.decider.section.section.rules:
            named = rule.when[field].values if field in rule.when else ()
            if (value is None and named) or value in named:
                found.append(Mention(rule=rule.name))
            elif value is not None:
                within = [name for name in groups if name in named and value in groups[name]]
                found += [Mention(rule=rule.name, group=name) for name in within]
        return tuple(found)


def _expected(cls: type[Observation], upstream: Upstream) -> dict[str, _Expected]:
    """What each published field of an observation takes, in the order of the fields."""
    hints = typing.get_type_hints(cls)
    fields = [field.name for field in attrs.fields(typing.cast(typing.Any, cls))]
    return {name: _taken(hints[name]) for name in fields if name not in upstream.beside}


def _taken(hint: object) -> _Expected:
    kinds = [part for part in typing.get_args(hint) or (hint,) if part is not type(None)]
    (kind,) = kinds
    if issubclass(kind, StrEnum):
        values = tuple(member.value for member in kind)
        return _Expected(type="string", values=values, is_open=issubclass(kind, OpenEnum))
    return _Expected(type=_JSON[kind])


def _words(schema: Schema) -> str:
    """What a schema says, in words: `string of 3 values`, `string or integer`, `any type`."""
    if schema.types is None:
        return "any type"
    types = " or ".join(sorted(schema.types - {"null"})) or "null"
    return types if not schema.strings else f"{types} of {len(schema.strings)} values"


def _renamed(removed: Sequence[str], added: Sequence[str]) -> dict[str, str]:
    """Which of two lists may be the same under another name, both ways; each stands for one at most."""
    found: dict[str, str] = {}
    left = list(added) if len(added) <= _MOST_NEAR else []
    for name in removed:
        for near in difflib.get_close_matches(name, left, n=1, cutoff=_NEAR):
            found |= {name: near, near: name}
            left.remove(near)
    return found
