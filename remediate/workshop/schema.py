"""The language of policies as a JSON Schema, for editors: what a policy file may have, and what each key means.

Walks the classes that a policy is made of; what their hooks take beyond a type stands beside the hooks. With an
upstream, the names that it knows are in it: sections, fields, published values, systems. Form is all that it says:
that every combination has an answer, and that bounds are the right way up, is for the loader.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
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
            keys[cls.kind] = walk.form(Section, cls.kind)
            required.append(cls.kind)
    return {
        "$schema": DIALECT,
        "title": f"A policy of remediate for {whose}",
        "description": "Rules in order, schedules, limits, and what must hold.",
        "type": "object",
        "properties": keys,
        "required": required,
        "additionalProperties": others,
        "$defs": dict(sorted(walk.definitions.items())),
    }


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
            words = said.get(field.name) or _summary(hints[field.name])
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
    return {"$ref": f"#/$defs/{name}"}


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
        for axis in shape_of(cls).space.axes:
            fields.setdefault(axis.name, []).append(condition_form(_reference(f"{cls.kind}.{axis.name}")))
            groups.setdefault(axis.name, {}).update(dict.fromkeys(axis.values))
    as_if = {name: forms[0] if len(forms) == 1 else {"anyOf": forms} for name, forms in fields.items()}
    names[AsIf, "as_if", None] = _only(as_if)
    names[Policy, "groups", None] = _only({name: _grouped(values) for name, values in groups.items()})
    names[ReauthThen, "system", None] = {"anyOf": [{"enum": [*systems]}, FORMS[str]]}
    return names


def _names_of(cls: type[Observation], definitions: dict[str, Form]) -> _Names:
    """What may be named in the section of a kind of observation."""
    kind, shape = cls.kind, shape_of(cls)
    definitions |= {f"{kind}.{axis.name}": _value(axis) for axis in shape.space.axes}
    asked = {axis.name: condition_form(_reference(f"{kind}.{axis.name}")) for axis in shape.space.axes}
    witnesses = {name: condition_form({"enum": [PRESENT, ABSENT]}) for name in shape.witnesses}
    actions = condition_form({"enum": [action.value for action in Action]})
    return {
        (Rule, "when", kind): _only(asked),
        (Invariant, "when", kind): _only(asked),
        (Anomaly, "when", kind): _only(asked | witnesses),
        (Invariant, "never", kind): actions,
        (Invariant, "only", kind): actions,
        (ReauthThen, "system", kind): {"enum": [*cls.systems]},
    }


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
