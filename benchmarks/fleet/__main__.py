"""The command: runs every strategy in every scenario with fresh seeds, and writes the table.

Knows arguments and processes. Progress goes to stderr, the report to stdout or a file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from benchmarks.fleet.running import ORACLE, OURS, STRATEGIES, Outcome, run, seeds
from benchmarks.fleet.scenarios import ENTRIES, Entry
from benchmarks.fleet.table import lines

__all__ = ["main"]

Job = tuple[Entry, str, int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the report."""
    asked = _parser().parse_args(arguments)
    world = {"connections": asked.connections, "sync_s": asked.sync_s, "backlog_s": asked.backlog_s}
    chosen = [_placed(one, world) for one in ENTRIES if not asked.scenarios or one.name in asked.scenarios]
    drawn = seeds(asked.seeds, asked.drawn_from)
    jobs = [
        (entry, strategy, seed) for entry in chosen for strategy in _strategies(entry, asked.only) for seed in drawn
    ]
    outcomes: dict[str, dict[str, list[Outcome]]] = {one.name: {} for one in chosen}
    for (entry, strategy, _), outcome in zip(jobs, _ran(jobs, asked.jobs), strict=True):
        outcomes[entry.name].setdefault(strategy, []).append(outcome)
    command = f"--seeds {asked.seeds} --from {asked.drawn_from} --connections {asked.connections}"
    command += f" --sync-s {asked.sync_s:g} --backlog-s {asked.backlog_s:g}"
    said = f"Written by `python -m benchmarks.fleet {command}`: medians, and the worst in brackets."
    head = ["# Fleets", "", said, ""]
    report = "\n".join([*head, *lines(chosen, outcomes, asked.connections)]) + "\n"
    if asked.out is None:
        sys.stdout.write(report)
    else:
        asked.out.write_text(report, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__.partition("\n")[0])
    names = [one.name for one in ENTRIES]
    parser.add_argument("scenarios", nargs="*", type=_one_of(names), help=f"default: all of {', '.join(names)}")
    parser.add_argument("--seeds", type=_positive, default=7, help="how many (default 7)")
    parser.add_argument("--from", type=int, default=1, dest="drawn_from", help="what they are drawn from (default 1)")
    parser.add_argument("--connections", type=_positive, default=10_000, help="how many (default 10,000)")
    parser.add_argument("--sync-s", type=_positive, default=4, help="how long a sync takes on average (default 4)")
    parser.add_argument(
        "--backlog-s", type=_positive, default=90, help="upstream refuses what would wait longer (default 90)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        type=_one_of(STRATEGIES),
        default=STRATEGIES,
        help=f"default: all of {', '.join(STRATEGIES)}; {OURS} always runs",
    )
    parser.add_argument("--jobs", type=_positive, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, help="the file to write (default: stdout)")
    return parser


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def name(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return name


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _placed(entry: Entry, world: Mapping[str, Any]) -> Entry:
    return attrs.evolve(entry, scenario=attrs.evolve(entry.scenario, **world))


def _strategies(entry: Entry, only: Sequence[str]) -> list[str]:
    if not entry.is_contest:
        return [OURS]
    return [one for one in STRATEGIES if one == OURS or (one in only and (one != ORACLE or entry.has_oracle))]


def _ran(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    with ProcessPoolExecutor(processes) as pool:
        for number, (job, outcome) in enumerate(zip(jobs, pool.map(_run, jobs), strict=True), 1):
            sys.stderr.write(f"{number} of {len(jobs)}: {job[0].name}, {job[1]}, seed {job[2]}\n")
            yield outcome


def _run(job: Job) -> Outcome:
    return run(*job)


if __name__ == "__main__":
    main()
