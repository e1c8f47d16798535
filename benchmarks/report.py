"""What was measured, as a table for people and as JSON.

Knows the bars and the ratios. Of the machine it says in general words what it is, and never
where anything lies, what it is called or where its packages came from.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.bars import GROUPS, ROWS, Bar
from benchmarks.measuring import Ratio

__all__ = ["COMMAND", "Report", "verdict"]

COMMAND: Final = "pytest -o addopts= benchmarks"
_LIBRARIES: Final = (
    "attrs",
    "cattrs",
    "msgspec",
    "pytest-benchmark",
    "zen-engine",
    "common-expression-language",
    "cedarpy",
)


class Report:
    """The ratios of one run, by row."""

    def __init__(self) -> None:
        self.ratios: dict[str, Ratio] = {}

    def add(self, bar: Bar, ratio: Ratio) -> None:
        self.ratios[bar.name] = ratio

    @property
    def missing(self) -> list[str]:
        """The rows that this run did not measure."""
        return [bar.name for bar in ROWS if bar.name not in self.ratios]

    def lines(self) -> Iterator[str]:
        """The tables, in Markdown."""
        for group in GROUPS:
            bars = [bar for bar in ROWS if bar.group == group.name and bar.name in self.ratios]
            if bars:
                yield from ("", f"## {group.title}", "", f"1.0 is {group.unit}.", "")
                yield from ("| what | ratio | middle half | rounds kept | bar | |", "|---|--:|--:|--:|--:|---|")
                yield from (_line(bar, self.ratios[bar.name]) for bar in bars)

    def misses(self) -> list[str]:
        """A sentence a missed bar."""
        titles = {group.name: group.title for group in GROUPS}
        found = [(bar, self.ratios[bar.name]) for bar in ROWS if bar.name in self.ratios]
        return [
            f"{titles[bar.group]}, {bar.what}: {_number(ratio.median)} against a bar of {_number(bar.most)}, "
            f"{verdict(bar, ratio)}"
            for bar, ratio in found
            if bar.most is not None and ratio.median > bar.most
        ]

    def write(self, folder: Path) -> None:
        """Write `results.md` and `results.json`."""
        look_up_s = min(ratio.unit_s for name, ratio in self.ratios.items() if name.startswith("decide."))
        machine = _machine() | {"look_up_ns": round(look_up_s * 1e9)}
        head = ["# Results", "", f"Written by `{COMMAND}`; [README.md](README.md) says how to read it.", ""]
        head += [f"- {name}: {said}" for name, said in _said(machine).items()]
        head += ["", *_summary(self.misses())]
        (folder / "results.md").write_text("\n".join([*head, *self.lines()]) + "\n", encoding="utf-8")
        rows = [_entry(bar, self.ratios[bar.name]) for bar in ROWS]
        content = json.dumps({"machine": machine, "rows": rows}, indent=2)
        (folder / "results.json").write_text(content + "\n", encoding="utf-8")


def verdict(bar: Bar, ratio: Ratio) -> str:
    """Whether a bar is met, and if not, by how much it is missed."""
    if bar.most is None:
        return ""
    return "met" if ratio.median <= bar.most else f"missed by {ratio.median / bar.most - 1:.1%}"


def _summary(misses: list[str]) -> list[str]:
    bars = sum(bar.most is not None for bar in ROWS)
    return [f"{bars - len(misses)} of {bars} bars are met.", *(f"- {miss}" for miss in misses)]


def _line(bar: Bar, ratio: Ratio) -> str:
    middle = f"{_number(ratio.low)} to {_number(ratio.high)}"
    kept = f"{ratio.kept} of {ratio.rounds}"
    said = verdict(bar, ratio).replace("missed", "**missed**")
    return f"| {bar.what} | {_number(ratio.median)} | {middle} | {kept} | {_number(bar.most)} | {said} |"


def _entry(bar: Bar, ratio: Ratio) -> dict[str, Any]:
    return {
        "name": bar.name,
        "what": bar.what,
        "ratio": round(ratio.median, 3),
        "quartiles": [round(ratio.low, 3), round(ratio.high, 3)],
        "rounds": ratio.rounds,
        "kept": ratio.kept,
        "bar": bar.most,
        "met": None if bar.most is None else ratio.median <= bar.most,
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{_system()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _said(machine: Mapping[str, Any]) -> dict[str, str]:
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    return {
        "Machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        "Interpreter": machine["python"],
        "Libraries": libraries,
        "B in this run": f"about {machine['look_up_ns']} ns; it says nothing about another run or machine",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
