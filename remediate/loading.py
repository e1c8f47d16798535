"""TOML to :class:`Policy`: strict, and every message names the file, the rule and the key.

The only room that reads policy files. It checks form; what the words mean is checked by
:mod:`remediate.compiling`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs

from remediate.errors import PolicyError, did_you_mean, kind_of, printable
from remediate.history import Bounds
from remediate.policy import (
    AsIf,
    Condition,
    EscalateThen,
    Invariant,
    Limit,
    NoOpThen,
    Policy,
    ReauthThen,
    RetryThen,
    Then,
)
from remediate.strict import Path as Steps
from remediate.strict import faults, strict_converter

__all__ = ["DEMANDS", "FORMS", "KEYS", "bundled_names", "condition_form", "load_policy", "parse_policy", "policy_path"]

_THENS: Mapping[str, type] = {
    "retry": RetryThen,
    "reauth": ReauthThen,
    "escalate": EscalateThen,
    "no_op": NoOpThen,
}
_SPENT_THENS: Mapping[str, type] = {**_THENS, "as_if": AsIf}
KEYS: Final = tuple(field.name for field in attrs.fields(Policy) if field.name not in ("sections", "sha256", "source"))
"""The keys of a policy file; any other table with rules is a section."""
_NEVER = "never"
_LONGEST_S = 366 * 86400
_MOST = 1_000_000


def _folder() -> Path:
    here = Path(__file__).resolve().parent
    beside = here.parent
    return beside / "policies" if (beside / "pyproject.toml").is_file() else here / "_policies"


def bundled_names() -> tuple[str, ...]:
    """The names of the policies that are shipped, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def policy_path(policy: str | Path) -> Path:
    """The file of a policy: a shipped name, or a path. A path ends in ``.toml`` or has a separator.

    Raises:
        PolicyError: no shipped policy has that name.
    """
    text = str(policy)
    if isinstance(policy, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return Path(policy)
    if text in bundled_names():
        return _folder() / f"{text}.toml"
    listed = ", ".join(f"`{name}`" for name in bundled_names())
    hint = did_you_mean(text, bundled_names())
    raise PolicyError(
        printable(text), [f"no shipped policy has this name{hint}; there are {listed}; a file ends in `.toml`"]
    )


def load_policy(policy: str | Path) -> Policy:
    """Read a shipped policy by name, or any policy by path.

    Raises:
        PolicyError: it can't be found or read, or its form is wrong; every fault is named.
    """
    path = policy_path(policy)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        why = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        raise PolicyError(printable(str(policy)), [f"can't be read: {why}"]) from error
    return parse_policy(content, source=printable(path.name, longest=None))


def parse_policy(content: bytes, *, source: str = "policy") -> Policy:
    """Read a policy from the bytes of its TOML.

    Args:
        content: UTF-8.
        source: what messages call it.

    Raises:
        PolicyError: it is no TOML, or its form is wrong; every fault is named.
    """
    try:
        raw = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise PolicyError(source, [f"is not UTF-8 at byte {error.start}"]) from error
    except ValueError as error:  # beside TOML's own, a number of thousands of digits
        raise PolicyError(source, [f"is not TOML: {printable(str(error), longest=200)}"]) from error
    except RecursionError as error:
        raise PolicyError(source, ["is nested too deep"]) from error
    sections = {key: value for key, value in raw.items() if key not in KEYS and _has_rules(value)}
    words = [*KEYS, *sections]
    problems = [f"unknown key `{printable(key)}`{did_you_mean(key, words)}" for key in raw if key not in words]
    data = {key: value for key, value in raw.items() if key in KEYS} | {"sections": sections}
    try:
        policy: Policy = _converter.structure(data, Policy)
    except cattrs.ClassValidationError as error:
        problems += [_placed(path, what, raw) for path, what in faults(error)]
    if problems:
        raise PolicyError(source, problems)
    return attrs.evolve(policy, sha256=hashlib.sha256(content).hexdigest(), source=source)


def _has_rules(value: object) -> bool:
    """Whether a table is a section, its `rules` perhaps misspelt."""
    return isinstance(value, dict) and any(did_you_mean(key, ["rules"], cutoff=0.8) for key in value)


# Hooks beside the strict ones: ranges, conditions, answers.


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {kind_of(value)}")
    if not value.strip() or not value.isprintable():
        raise ValueError("expected text on one line, without control characters")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, got {kind_of(value)}")
    if not 0 <= value <= _LONGEST_S or not isfinite(value):
        raise ValueError(f"expected a number from 0 to {_LONGEST_S}")
    return float(value)


def _whole(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected a whole number, got {kind_of(value)}")
    if not 1 <= value <= _MOST:
        raise ValueError(f"expected a whole number from 1 to {_MOST}")
    return value


def _condition(value: Any, _: Any) -> Condition:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("an empty list matches nothing")
    for one in values:
        if not isinstance(one, str | bool):
            raise TypeError(f"expected a string, true, false, or a list of them, got {kind_of(one)}")
    if len(set(values)) < len(values):
        raise ValueError("a value is listed twice")
    return Condition(tuple(values))


def _then(value: Any, _: Any) -> Any:
    return _answer(value, _THENS)


def _spent_then(value: Any, _: Any) -> Any:
    return _answer(value, _SPENT_THENS)


def _answer(value: Any, thens: Mapping[str, type]) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {kind_of(value)}")
    named = [name for name in thens if name in value]
    if len(named) != 1:
        listed = ", ".join(f"`{name}`" for name in thens)
        hint = "" if named else next(filter(None, (did_you_mean(key, thens) for key in value)), "")
        raise ValueError(f"expected exactly one of {listed}{hint}")
    if named == ["no_op"]:
        value = _timed(value)
    return _converter.structure(value, thens[named[0]])


def _timed(value: dict[str, Any]) -> dict[str, Any]:
    """A `no_op` says when to look again, in one way: `"never"` is said, not implied."""
    if ("look_again_s" in value) == ("look_again" in value):
        raise ValueError('a `no_op` has one of `look_again_s` (seconds, or "never") and `look_again` (a schedule)')
    seconds = value.get("look_again_s")
    if seconds == _NEVER:
        return {key: given for key, given in value.items() if key != "look_again_s"}
    if isinstance(seconds, str):
        raise TypeError(f'look_again_s: expected a number of seconds, or "{_NEVER}"')
    return value


def condition_form(one: Mapping[str, Any]) -> dict[str, Any]:
    """The form of a condition of which each value has the form `one`."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}


_SECONDS: Final = {"type": "number", "minimum": 0, "maximum": _LONGEST_S}
FORMS: Final[Mapping[Any, Mapping[str, Any]]] = {
    str: {"type": "string", "pattern": r"\S", "not": {"pattern": r"[\x00-\x1f\x7f-\x9f]"}},
    float: _SECONDS,
    int: {"type": "integer", "minimum": 1, "maximum": _MOST},
    Condition: condition_form({"type": ["string", "boolean"]}),
    (NoOpThen, "look_again_s"): {"anyOf": [{"const": _NEVER}, _SECONDS]},
}
"""What the hooks above take, as JSON Schema: by type, or by class and field. It is never narrower than they are."""
DEMANDS: Final[Mapping[type, Mapping[str, Any]]] = {
    NoOpThen: {"oneOf": [{"required": ["look_again_s"]}, {"required": ["look_again"]}]},
    Invariant: {"oneOf": [{"required": ["never"]}, {"required": ["only"]}]},
    Limit: {"anyOf": [{"required": [field.name]} for field in attrs.fields(Bounds)]},
}
"""What they, and the proof of what was loaded, ask of a table beside the forms of its keys."""


def _make_converter() -> cattrs.Converter:
    made = strict_converter()
    made.register_structure_hook(str, _text)
    made.register_structure_hook(float, _number)
    made.register_structure_hook(int, _whole)
    made.register_structure_hook(Condition, _condition)
    made.register_structure_hook(Then, _then)
    made.register_structure_hook(Then | AsIf, _spent_then)
    return made


_converter = _make_converter()


def _placed(path: Steps, what: str, raw: Mapping[str, Any]) -> str:
    """One sentence: `status rule "a success": when.is_syncing: expected …`."""
    said = ""
    at: Any = raw
    for step in path[1:] if path[:1] == ("sections",) else path:
        at = at[step] if isinstance(step, int) else at.get(step) if isinstance(at, dict) else None
        if isinstance(step, int):
            table, _, entries = said.rpartition(".")
            name = at.get("name") if isinstance(at, dict) else None
            label = f'"{printable(name)}"' if isinstance(name, str) else f"number {step + 1}"
            said = f"{table} {entries.removesuffix('s')} {label}: ".lstrip()
        else:
            said += ("." if said and not said.endswith(": ") else "") + printable(step)
    return f"{said.removesuffix(': ')}: {what}" if said else what
