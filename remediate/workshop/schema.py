"""The language of policies as a JSON Schema, for editors: what a policy file may have, and what each key means.

Walks the classes that a policy is made of; what their hooks take beyond a type stands beside the hooks. With an
upstream, the names that it knows are in it: sections, fields, published values, systems. Form is all that it says:
that every combination has an answer, and that bounds are the right way up, is for the loader.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import UnionType
from typing import Any, Final

import attrs

from remediate.decision import Action
from remediate.loading import DEMANDS, FORMS, KEYS, condition_form
from remediate.observation import ABSENT, PRESENT, Observation, shape_of
from remediate.policy import Anomaly, AsIf, Invariant, Policy, ReauthThen, Rule, Section
from remediate.regions import Axis
from remediate.upstreams import Upstream

__all__ = ["DIALECT", "policy_schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Form = dict[str, Any]
_Kind = str | None
"""The section that a class is met in; None: outside any."""
_Names = dict[tuple[type, str, _Kind], Form]
"""The forms of fields whose names an upstream knows: by class, field and section."""

_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_SCALARS: Final[Mapping[Any, str]] = {str: "text", int: "count", float: "number"}
_HERE: Final = "#/$defs/"
_TRUTH: Final[Mapping[str, bool]] = {"true": True, "false": False}


def policy_schema(upstream: Upstream | None = None) -> Form:
    """The schema, a JSON object. It refuses nothing that loads and proves.

    Args:
        upstream: whose names are known; None: any upstream's policy, with any names.

    Raises:
        TypeError: a class has a field of a type that no form is known of.
    """
    walk = _Walk()
    if upstream is not None:
        walk.names |= _names(upstream, walk.definitions)
    policy = walk.table(Policy, None)
    keys = {key: policy["properties"][key] for key in KEYS}
    required = [key for key in policy["required"] if key in KEYS]
    whose = "any upstream" if upstream is None else upstream.name
    others: Form | bool = False
    if upstream is None:
        others = walk.form(Section, None)
    else:
        for cls in upstream.observations:
            what = _summary(cls).partition(".")[0]
            words = f"The rules for `{cls.kind}`: {what[:1].lower()}{what[1:]}."
            keys[cls.kind] = walk.form(Section, cls.kind) | {"description": words}
            required.append(cls.kind)
    return {
        "$schema": DIALECT,
        "title": f"A policy of remediate for {whose}",
        "description": "Rules in order, schedules, limits, and what must hold.",
        "type": "object",
        "properties": keys,
        "required": required,
        "additionalProperties": others,
        "$defs": dict(sorted(_needed(walk.definitions, [keys, others]).items())),
    }


def _needed(definitions: Mapping[str, Form], forms: Iterable[Any]) -> dict[str, Form]:
    """The definitions that some forms lead to."""
    needed: dict[str, Form] = {}
    left = [*forms]
    while left:
        one = left.pop()
        name = one["$ref"].removeprefix(_HERE) if isinstance(one, dict) and "$ref" in one else None
        if name is not None and name not in needed:
            needed[name] = definitions[name]
            left.append(definitions[name])
        elif name is None and isinstance(one, dict | list):
            left += one.values() if isinstance(one, dict) else one
    return needed


class _Walk:
    """From types to forms. The tables of classes are kept once; by section where a name in them is the upstream's."""

    def __init__(self) -> None:
        self.names: _Names = {}
        self.definitions: dict[str, Form] = {}

    def form(self, hint: Any, kind: _Kind) -> Form:
        """The form of a type within a section."""
        if hint in FORMS:
            return self._shared(_SCALARS.get(hint, hint.__name__), FORMS[hint])
        if hint is bool:
            return {"type": "boolean"}
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return {"enum": [member.value for member in hint]}
        if attrs.has(hint):
            return _reference(self._defined(hint, kind))
        origin, parts = typing.get_origin(hint), _parts(hint)
        if origin in (UnionType, typing.Union):
            return self.form(parts[0], kind) if len(parts) == 1 else {"oneOf": [self.form(one, kind) for one in parts]}
        if origin is tuple and typing.get_args(hint)[1:] == (...,):
            return {"type": "array", "items": self.form(parts[0], kind)}
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.form(parts[1], kind)}
        raise TypeError(f"no form is known of {hint}")

    def table(self, cls: type[Any], kind: _Kind) -> Form:
        """The form of an attrs class: its fields, which of them are needed, and nothing else."""
        hints, said = typing.get_type_hints(cls), _attributes(cls)
        properties: dict[str, Form] = {}
        required = []
        for field in attrs.fields(cls):
            form = self.names.get((cls, field.name, kind)) or FORMS.get((cls, field.name))
            properties[field.name] = dict(form or self.form(hints[field.name], kind))
            words = said.get(field.name) or _summary(hints[field.name]) or _summary(cls)
            if words:
                properties[field.name]["description"] = words
            if field.default is attrs.NOTHING:
                required.append(field.name)
            elif isinstance(field.default, bool | int | float | str | tuple):
                properties[field.name]["default"] = _plain(field.default)
        table: Form = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        return {"description": _summary(cls), **table, **DEMANDS.get(cls, {})}

    def _shared(self, name: str, form: Mapping[str, Any]) -> Form:
        self.definitions[name] = dict(form)
        return _reference(name)

    def _defined(self, cls: type[Any], kind: _Kind) -> str:
        """The name of a class' definition, which is made if it is not there yet."""
        named = {(one, of) for one, _, of in self.names}
        within = kind if any((one, kind) in named for one in _classes(cls)) else None
        name = cls.__name__ if within is None else f"{within}.{cls.__name__}"
        if name not in self.definitions:
            self.definitions[name] = {}  # so that a class that holds itself ends
            self.definitions[name] = self.table(cls, within)
        return name


def _reference(name: str) -> Form:
    return {"$ref": f"{_HERE}{name}"}


def _classes(hint: Any, seen: frozenset[Any] = frozenset()) -> Iterator[type[Any]]:
    """Every attrs class that a type is made of."""
    if hint in seen:
        return
    if attrs.has(hint):
        yield hint
        for inner in typing.get_type_hints(hint).values():
            yield from _classes(inner, seen | {hint})
    for part in _parts(hint):
        yield from _classes(part, seen)


def _parts(hint: Any) -> list[Any]:
    return [part for part in typing.get_args(hint) if part not in (type(None), ...)]


def _plain(value: Any) -> Any:
    """A default as JSON has it: whole numbers without a point."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _attributes(cls: type[Any]) -> dict[str, str]:
    """What a class' docstring says of each attribute, each on one line."""
    _, _, said = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    return {name: _sentence(text) for name, text in _ATTRIBUTE.findall(said)}


def _summary(hint: Any) -> str:
    """The first paragraph about a class of ours, or about the one that may be absent."""
    parts = [hint] if isinstance(hint, type) else _parts(hint)
    if len(parts) != 1 or not (attrs.has(parts[0]) or (isinstance(parts[0], type) and issubclass(parts[0], StrEnum))):
        return ""
    return _sentence(inspect.cleandoc(parts[0].__doc__ or "").partition("\n\n")[0])


def _sentence(text: str) -> str:
    joined = " ".join(text.split())
    return joined[:1].upper() + joined[1:]


# What an upstream's names are.


def _names(upstream: Upstream, definitions: dict[str, Form]) -> _Names:
    """The forms of what an upstream names; those of values are kept as definitions."""
    names: _Names = {(Policy, "upstream", None): {"const": upstream.name}}
    systems: dict[str, None] = {}
    fields: dict[str, list[Form]] = {}
    groups: dict[str, dict[str, None]] = {}
    for cls in upstream.observations:
        names |= _names_of(cls, definitions)
        systems |= dict.fromkeys(cls.systems)
        for name, form in _asked(cls).items():
            fields.setdefault(name, []).append(form)
        for axis in shape_of(cls).space.axes:
            groups.setdefault(axis.name, {}).update(dict.fromkeys(axis.values))
    names[AsIf, "as_if", None] = _only({name: _any_of(forms) for name, forms in fields.items()})
    names[Policy, "groups", None] = _only(
        {name: _meaning(_grouped(groups[name]), forms) for name, forms in fields.items()}
    )
    names[ReauthThen, "system", None] = {"enum": [*systems]}
    return names


def _names_of(cls: type[Observation], definitions: dict[str, Form]) -> _Names:
    """What may be named in the section of a kind of observation."""
    kind, shape, said = cls.kind, shape_of(cls), _attributes(cls)
    definitions |= {f"{kind}.{axis.name}": _value(axis) for axis in shape.space.axes}
    asked = _asked(cls)
    witnesses = {name: _told(condition_form({"enum": [PRESENT, ABSENT]}), said.get(name)) for name in shape.witnesses}
    actions = condition_form({"enum": [action.value for action in Action]})
    return {
        (Rule, "when", kind): _only(asked),
        (Invariant, "when", kind): _only(asked),
        (Anomaly, "when", kind): _only(asked | witnesses),
        (Invariant, "never", kind): actions,
        (Invariant, "only", kind): actions,
        (ReauthThen, "system", kind): {"enum": [*cls.systems]},
    }


def _asked(cls: type[Observation]) -> dict[str, Form]:
    """The form of a condition on each axis of a kind of observation, with what its field means."""
    said = _attributes(cls)
    return {
        axis.name: _told(condition_form(_reference(f"{cls.kind}.{axis.name}")), said.get(axis.name))
        for axis in shape_of(cls).space.axes
    }


def _told(form: Form, words: str | None) -> Form:
    """A form with what a field means: the words about it up to a semicolon, beyond which they are for programs."""
    return form if words is None else form | {"description": f"{words.partition(';')[0].removesuffix('.')}."}


def _any_of(forms: Sequence[Form]) -> Form:
    """What may have any of some forms, with all that they mean."""
    return forms[0] if len(forms) == 1 else _meaning({"anyOf": [*forms]}, forms)


def _meaning(form: Form, like: Sequence[Form]) -> Form:
    """A form with what others mean."""
    said = dict.fromkeys(one["description"] for one in like if "description" in one)
    return form | {"description": " ".join(said)} if said else form


def _value(axis: Axis) -> Form:
    """A value of a condition on an axis. A string beside the axis' own may be a group's name; a boolean has none."""
    if "true" in axis.values:
        return {"enum": [*(_TRUTH.get(value, value) for value in axis.values), PRESENT]}
    return {"anyOf": [{"enum": [*axis.values, PRESENT]}, {"type": "string"}]}


def _grouped(values: Iterable[str]) -> Form:
    members = {"type": "array", "items": {"enum": [*values]}, "minItems": 1, "uniqueItems": True}
    return {"type": "object", "additionalProperties": members}


def _only(properties: Mapping[str, Form]) -> Form:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}
