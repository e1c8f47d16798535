"""`remediate simulate`: what policies would do to a whole fleet in an outage, before they ship."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import inf
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, NoReturn

import typer
from rich.table import Table

from remediate.cli import output
from remediate.engine import DEFAULT_POLICY
from remediate.errors import PolicyError, printable
from remediate.wire import dumps

if TYPE_CHECKING:
    from remediate.simulation.comparing import Comparison, Contestant, Row
    from remediate.simulation.scenario import Scenario

__all__ = ["simulate"]

_SEEDS: Final = 7
_MOST_SEEDS: Final = 1_000
_MOST_CONNECTIONS: Final = 1_000_000
_MINUTES: Final = 60.0


class _Column(NamedTuple):
    """A head, its figures, the second in brackets, what they are divided by, and their decimals."""

    head: str
    names: tuple[str, ...]
    unit: float = 1.0
    digits: int = 0


_COLUMNS: Final = (
    _Column("well\nagain", ("recovered_s",), _MINUTES, 1),
    _Column("÷ the\noracle's", ("to_oracle",), digits=2),
    _Column("failed\ncalls", ("failed",)),
    _Column("peak\nload", ("peak",), digits=2),
    _Column("late", ("late_s",), _MINUTES, 1),
    _Column("told\n(in vain)", ("told", "told_in_vain")),
    _Column("tickets\n(in vain)", ("tickets", "called_in_vain")),
    _Column("over-\nlaps", ("overlaps",)),
)


def simulate(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Scenarios by name, or files of one's own; --list shows the names.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A policy by name or file, or FILE.toml@REVISION as git has it; as often as wanted."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=_MOST_SEEDS, help=f"So many seeds, from 1; {_SEEDS} without it.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**53, help="This seed alone.")] = None,
    connections: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST_CONNECTIONS,
            help="So many, whatever the scenario says; below 3000 upstream runs one sync at a time.",
        ),
    ] = None,
    without_governor: Annotated[
        bool, typer.Option("--without-governor", help="Show each policy without the fleet's governor too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a scenario, a line each.")] = False,
    pictures: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a PNG of each scenario's first seed into this folder.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, help="So many processes; without it, one a processor.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the scenarios that are shipped, and nothing else.")
    ] = False,
    print_: Annotated[
        str | None, typer.Option("--print", metavar="NAME", help="Write a shipped scenario's TOML, to start from.")
    ] = None,
) -> None:
    """Simulate a fleet in trouble: how soon it is well again, what that costs upstream, and who is bothered.

    The policy, the life of a connection and the fleet's governor are the real ones; upstream and people
    are simulated, on virtual time. The same seed gives the same figures, with any number of processes.

    Shown are medians over the seeds, and the least and the most below them. Well again: minutes from the
    incident's end until 95 % of the connections overdue then were well; ÷ the oracle's: as a multiple of
    what one would need who knows when upstream is well. Failed calls: in the incident and two hours
    after, with those refused for too much work. Peak load: the busiest minute of these two hours, as a
    multiple of what upstream can run. Late: minutes; 95 % of the syncs due in the incident were no later,
    of the tenants that it was not about where there are such. Told: customers, in vain where it was not
    theirs to act; tickets: in vain where it heals by itself. Overlaps: syncs triggered while one ran.

    A scenario is a TOML file: --print writes one that is shipped. Pictures need matplotlib:
    pip install 'remediate-engine[pictures]'.

    JSON: {"scenario", "summary", "connections", "lasts_s", "capacity_per_minute", "oracle": [{"seed",
    "recovered_s"}], "policies": [{"policy": {"given", "name", "revision", "sha256"}, "governed", "median",
    "least", "most", "runs": [{"seed", and the figures}]}]}; a time that did not come is "never".

    Exit status: 0, and 2 for wrong usage or what can't be read; then nothing is simulated.

    Example: remediate simulate outage --connections 1000 --policy layer-quickbooks --policy mine.toml
    """
    given = (scenarios, policy, seeds, seed, connections, without_governor or None, pictures, jobs)
    if list_ or print_ is not None:
        _show_shipped(print_, json=json, is_alone=all(one is None for one in given) and not (list_ and print_))
        return
    if seeds is not None and seed is not None:
        output.refuse("--seeds and --seed: one of them")
    chosen = _scenarios(scenarios or [], connections)
    everyone = _contestants(policy or [DEFAULT_POLICY], without_governor=without_governor)
    folder = None if pictures is None else _folder(pictures)
    counted = [seed] if seed is not None else range(1, (seeds or _SEEDS) + 1)
    found = _compare(chosen, everyone, counted, jobs or _processors(), by_minute=folder is not None)
    with output.whole_output():
        for comparison in found:
            if comparison is not found[0] and not json:
                output.console().print()
            _tell(comparison, json=json)
    if folder is not None:
        _draw(found, folder)


# What is asked for.


def _show_shipped(name: str | None, *, json: bool, is_alone: bool) -> None:
    from remediate.simulation.reading import load_scenario, scenario_names, shipped_text

    if not is_alone or (name is not None and json):
        output.refuse("--list stands alone or with --json, --print NAME alone")
    if name is not None:
        try:
            text = shipped_text(name)
        except PolicyError as error:
            output.refuse(str(error))
        with output.whole_output():
            sys.stdout.write(text)
        return
    _list([load_scenario(one) for one in scenario_names()], json=json)


def _list(shipped: Sequence[Scenario], *, json: bool) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("hours", justify="right")
    table.add_column("what happens")
    for one in shipped:
        table.add_row(one.name, f"{one.lasts_s / 3600:g}", one.summary)
    with output.whole_output():
        if json:
            said = ({"scenario": one.name, "summary": one.summary, "lasts_s": one.lasts_s} for one in shipped)
            sys.stdout.write("".join(f"{dumps(one)}\n" for one in said))
        else:
            output.show_table(table)


def _scenarios(given: Sequence[str], connections: int | None) -> list[Scenario]:
    """The scenarios asked for; where one can't be read, all that is wrong with all of them is told."""
    from remediate.simulation.reading import load_scenario, with_connections

    if not given:
        output.refuse("name a scenario or a file of one; --list shows those that are shipped")
    found: dict[str, Scenario] = {}
    problems = []
    for operand in given:
        try:
            scenario = load_scenario(operand)
            if connections is not None:
                scenario = with_connections(scenario, connections, source=printable(operand, longest=None))
        except PolicyError as error:
            problems.append(str(error))
            continue
        if scenario.name in found:
            problems.append(f"{printable(operand, longest=None)}: another scenario is called `{scenario.name}` too")
        found[scenario.name] = scenario
    if problems:
        output.refuse("\n".join(problems))
    return list(found.values())


def _contestants(given: Sequence[str], *, without_governor: bool) -> list[Contestant]:
    """The policies asked for, proven, and of what is simulated; where one is not, all problems are told."""
    from remediate.engine import Engine
    from remediate.simulation.comparing import Contestant
    from remediate.simulation.running import need_upstream
    from remediate.workshop.revisions import load_revision

    found, problems = [], []
    for operand in dict.fromkeys(given):
        try:
            policy = load_revision(operand)
            need_upstream(Engine(policy))
        except PolicyError as error:
            problems.append(str(error))
            continue
        label = printable(operand, longest=None)
        found.append(Contestant(label=label, policy=policy))
        if without_governor:
            alone = "no governor" if len(set(given)) == 1 else f"{label}, no governor"
            found.append(Contestant(label=alone, policy=policy, is_governed=False))
    if problems:
        output.refuse("\n".join(problems))
    return found


def _folder(given: str) -> Path:
    """The folder for pictures, which can be drawn."""
    if not find_spec("matplotlib"):
        output.refuse("--pictures needs matplotlib: pip install 'remediate-engine[pictures]'")
    folder = Path(given)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        _refuse_file(folder, error)
    return folder


def _refuse_file(path: Path, error: OSError | ValueError) -> NoReturn:
    why = (error.strerror if isinstance(error, OSError) else None) or "no file can have such a name"
    output.refuse(f"{printable(str(path), longest=None)}: can't be written: {why}")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compare(
    scenarios: Sequence[Scenario],
    everyone: Sequence[Contestant],
    seeds: Sequence[int],
    jobs: int,
    *,
    by_minute: bool,
) -> tuple[Comparison, ...]:
    from concurrent.futures import BrokenExecutor

    from remediate.simulation.comparing import compare, runs_needed

    with output.progress("runs", runs_needed(scenarios, everyone, seeds)) as advance, _ended_by_sigterm():
        try:
            return compare(scenarios, everyone, seeds, by_minute=by_minute, jobs=jobs, advance=advance)
        except BrokenExecutor:
            output.refuse("a process that simulated was killed; fewer --jobs or --connections need less memory")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """A SIGTERM ends what is done here as Ctrl-C does: with the processes that were begun, and without a word."""

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# What came of it.


def _draw(found: Sequence[Comparison], folder: Path) -> None:
    from remediate.simulation.pictures import picture

    for comparison in found:
        path = folder / f"{comparison.scenario.name}.png"
        drawn = picture(comparison)
        try:
            path.write_bytes(drawn)
        except OSError as error:
            _refuse_file(path, error)
        output.complain(f"{printable(str(path), longest=None)}: written")


def _tell(comparison: Comparison, *, json: bool) -> None:
    from remediate.simulation.comparing import as_dict

    if json:
        sys.stdout.write(f"{dumps(as_dict(comparison))}\n")
        return
    scenario, seeds, out = comparison.scenario, comparison.seeds, output.console()
    said = (
        f"seed {seeds[0]}" if len(seeds) == 1 else f"medians of {len(seeds)} seeds, below them the least and the most"
    )
    out.print(f"{scenario.name}: {scenario.summary}" if scenario.summary else scenario.name, soft_wrap=True)
    out.print(f"{scenario.connections:,} connections, {said}; times in minutes\n", soft_wrap=True)
    table = Table(box=None, pad_edge=False, collapse_padding=True, leading=int(len(seeds) > 1))
    table.add_column("policy", overflow="fold", vertical="top")
    for column in _COLUMNS:
        table.add_column(column.head, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(row.contestant.label, *(_cell(row, column) for column in _COLUMNS))
    output.show_table(table)


def _cell(row: Row, column: _Column) -> str:
    """The median of a figure; where the seeds do not agree, the least and the most below it."""
    said = []
    for one in ("median", "least", "most"):
        first, *others = (_number(row.summary[one][name], column) for name in column.names)
        said.append(f"{first} ({others[0]})" if others else first)
    return said[0] if said[1] == said[2] else "\n".join(said)


def _number(value: float | None, column: _Column) -> str:
    if value is None:
        return "–"
    return "never" if value == inf else f"{value / column.unit:,.{column.digits}f}"
