"""Scenarios as TOML: strict, and every message names the file, the fault and the key.

Reads files, and knows what each number may be. What a scenario does is the world's word.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs

from remediate.errors import PolicyError, did_you_mean, printable
from remediate.simulation.scenario import Fault, Place, Scenario, Wrong
from remediate.strict import Path as Steps
from remediate.strict import faults as conversion_faults
from remediate.strict import strict_converter

__all__ = ["LARGEST_FILE", "MOST_CONNECTIONS", "MOST_SYNCS", "load_scenario", "parse_scenario", "scenario_names"]
__all__ += ["scenario_path", "shipped_text", "with_connections"]

LARGEST_FILE: Final = 2**20
"""Bytes that a file may have."""
MOST_CONNECTIONS: Final = 1_000_000
"""So many may a fleet have."""
MOST_SYNCS: Final = 100_000_000
"""So many may come due in one run."""

_TOO_MUCH: Final = f"more than {MOST_SYNCS} syncs would come due"
_FOLDER: Final = Path(__file__).resolve().parent / "scenarios"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0

_RANGES: Final[Mapping[type, Mapping[str, tuple[float, float]]]] = {
    Scenario: {
        "lasts_s": (60, 366 * _DAY_S),
        "connections": (1, MOST_CONNECTIONS),
        "neighbours": (1, MOST_CONNECTIONS),
        "every_s": (60, 366 * _DAY_S),
        "own_every_s": (60, 366 * _DAY_S),
        "sync_s": (0.1, _DAY_S),
        "spread": (0, 3),
        "utilisation": (0.01, 1),
        "backlog_s": (0, _DAY_S),
        "hang_s": (0.1, _HOUR_S),
        "troubles_a_day": (0, 1),
    },
    Fault: {
        "begins_s": (0, 366 * _DAY_S),
        "lasts_s": (1, 366 * _DAY_S),
        "jitter_s": (0, _DAY_S),
        "share": (0.001, 1),
        "tenants": (0.001, 1),
        "factor": (0.01, 100),
        "per_minute": (0.001, 100),
        "pause_s": (1, _DAY_S),
        "up_s": (0, _DAY_S),
        "down_s": (0, _DAY_S),
    },
}
_FACTORS: Final = {Wrong.SLOWNESS: (1, 100), Wrong.CAPACITY: (0.01, 1)}
_EVERY: Final = ("wrong", "begins_s", "lasts_s", "jitter_s")
_SOME: Final = (*_EVERY, "tenants", "up_s", "down_s")
_KEYS: Final[Mapping[Wrong, tuple[str, ...]]] = {
    Wrong.FAILURE: (*_SOME, "at", "share"),
    Wrong.AUTHORISATION: (*_SOME, "share"),
    Wrong.SLOWNESS: (*_SOME, "factor", "ramps"),
    Wrong.CAPACITY: (*_EVERY, "factor"),
    Wrong.LIMIT: (*_EVERY, "per_minute", "per_tenant", "pause_s"),
}
"""The keys that mean something for each sort of fault."""


def scenario_names() -> tuple[str, ...]:
    """The names of the scenarios that are shipped, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def scenario_path(scenario: str | Path) -> Path:
    """The file of a scenario: a shipped name, or a path. A path ends in ``.toml`` or has a separator.

    Raises:
        PolicyError: no shipped scenario has that name.
    """
    text = str(scenario)
    if isinstance(scenario, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return Path(scenario)
    return _shipped(text)


def shipped_text(name: str) -> str:
    """The TOML of a shipped scenario, as it stands.

    Raises:
        PolicyError: no shipped scenario has that name.
    """
    return _shipped(name).read_text("utf-8")


def _shipped(name: str) -> Path:
    names = scenario_names()
    if name in names:
        return _FOLDER / f"{name}.toml"
    listed = ", ".join(f"`{one}`" for one in names)
    hint = did_you_mean(name, names)
    raise PolicyError(
        printable(name), [f"no shipped scenario has this name{hint}; there are {listed}; a file ends in `.toml`"]
    )


def load_scenario(scenario: str | Path) -> Scenario:
    """Read a shipped scenario by name, or any scenario by path.

    Raises:
        PolicyError: it can't be found or read, or its form is wrong; every fault is named.
    """
    path = scenario_path(scenario)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        why = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        raise PolicyError(printable(str(scenario), longest=None), [f"can't be read: {why}"]) from error
    is_file = path == Path(scenario)
    return parse_scenario(content, source=printable(str(scenario) if is_file else path.name, longest=None))


def parse_scenario(content: bytes, *, source: str = "scenario") -> Scenario:
    """Read a scenario from the bytes of its TOML.

    Args:
        content: UTF-8.
        source: what messages call it.

    Raises:
        PolicyError: it is no TOML, or its form is wrong; every fault is named.
    """
    raw = _toml(content, source)
    try:
        scenario: Scenario = _converter.structure(raw, Scenario)
    except cattrs.ClassValidationError as error:
        raise PolicyError(source, [_placed(path, what) for path, what in conversion_faults(error)]) from error
    problems = [*_problems(scenario, raw)]
    if problems:
        raise PolicyError(source, problems)
    return scenario


def with_connections(scenario: Scenario, connections: int, *, source: str = "scenario") -> Scenario:
    """The scenario of another fleet.

    Args:
        connections: from 1 to :data:`MOST_CONNECTIONS`.
        source: what messages call it.

    Raises:
        PolicyError: so many there can't be, or not for so long.
    """
    made = attrs.evolve(scenario, connections=connections)
    if not 1 <= connections <= MOST_CONNECTIONS:
        raise PolicyError(source, [f"expected 1 to {MOST_CONNECTIONS} connections"])
    if _is_too_much(made):
        raise PolicyError(source, [_TOO_MUCH])
    return made


def _is_too_much(scenario: Scenario) -> bool:
    return scenario.connections * scenario.lasts_s > MOST_SYNCS * scenario.every_s


def _toml(content: bytes, source: str) -> dict[str, Any]:
    if len(content) > LARGEST_FILE:
        raise PolicyError(source, [f"is larger than {LARGEST_FILE} bytes"])
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise PolicyError(source, [f"is not UTF-8 at byte {error.start}"]) from error
    except ValueError as error:  # beside TOML's own, a number of thousands of digits
        raise PolicyError(source, [f"is not TOML: {printable(str(error), longest=200)}"]) from error
    except RecursionError as error:
        raise PolicyError(source, ["is nested too deep"]) from error


def _problems(scenario: Scenario, raw: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the values of a scenario whose form is right."""
    if not _NAME.fullmatch(scenario.name):
        yield "name: expected up to 60 letters, digits, `.`, `_` and `-`, a letter or digit first: it names a picture"
    if not scenario.summary.isprintable():
        yield "summary: expected text on one line, without control characters"
    beyond = [*_out_of_range(scenario)]
    yield from beyond
    if not beyond and _is_too_much(scenario):
        yield f"lasts_s: {_TOO_MUCH}"
    for number, (fault, given) in enumerate(zip(scenario.faults, raw.get("faults", ()), strict=True)):
        for what in _fault_problems(fault, given, scenario):
            yield f"fault number {number + 1}: {what}"


def _fault_problems(fault: Fault, given: Mapping[str, Any], scenario: Scenario) -> Iterator[str]:
    known = _KEYS[fault.wrong]
    for key in given:
        if key not in known:
            listed = ", ".join(f"`{one}`" for one in known)
            yield f"{key}: means nothing where `{fault.wrong}` is wrong, which has {listed}"
    yield from _out_of_range(fault)
    least, most = _FACTORS.get(fault.wrong, (0, 100))
    if not least <= fault.factor <= most:
        yield f"factor: expected a number from {least:g} to {most:g} where `{fault.wrong}` is wrong"
    if fault.wrong in _FACTORS and "factor" not in given:
        yield "the key `factor` is missing"
    if (fault.up_s > 0) != (fault.down_s > 0):
        yield "up_s, down_s: what flaps has both, above 0"
    if fault.begins_s + fault.jitter_s + fault.lasts_s > scenario.lasts_s:
        yield f"lasts_s: begins_s, jitter_s and lasts_s together exceed the scenario's {scenario.lasts_s:g} s"


def _out_of_range(table: Scenario | Fault) -> Iterator[str]:
    for name, (least, most) in _RANGES[type(table)].items():
        if not least <= getattr(table, name) <= most:
            yield f"{name}: expected a number from {_plain(least)} to {_plain(most)}"


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def _placed(path: Steps, what: str) -> str:
    """One sentence: `fault number 2: share: expected …`."""
    steps = list(path)
    said = ""
    if len(steps) > 1 and isinstance(steps[1], int):
        said = f"fault number {steps[1] + 1}: "
        steps = steps[2:]
    keys = ".".join(printable(str(step)) for step in steps)
    return f"{said}{keys}: {what}" if keys else f"{said}{what}"


_converter: Final = strict_converter(Place, Wrong)
