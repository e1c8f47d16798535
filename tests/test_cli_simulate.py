"""`remediate simulate`, as a team runs it before a policy ships."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from remediate.cli import simulate
from remediate.loading import policy_path
from remediate.simulation import comparing
from remediate.simulation.reading import scenario_names, shipped_text
from tests.commands import run, run_inside

QUICK = """
name = "quick"
summary = "a short outage of a small fleet"
lasts_s = 5400
connections = 60
every_s = 900
[[faults]]
wrong = "failure"
begins_s = 1200
lasts_s = 600
jitter_s = 0
"""
CALM = 'name = "long"\nlasts_s = 31_000_000\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quick.toml").write_text(QUICK)
    (tmp_path / "calm.toml").write_text(CALM)
    (tmp_path / "mine.toml").write_text(policy_path("layer-quickbooks").read_text())
    return tmp_path


def objects(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_table_has_a_row_a_policy_and_fits(folder: Path) -> None:
    policies = ("--policy", "layer-quickbooks", "--policy", "mine.toml")
    ran = run("simulate", "quick.toml", *policies, "--seeds", "3", columns=80, folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "quick: a short outage of a small fleet"
    assert lines[1] == "60 connections, medians of 3 seeds, below them the least and the most; times in minutes"
    assert max(map(len, lines[2:])) <= 80
    assert "…" not in ran.stdout
    rows = [line for line in lines if line.startswith(("layer-quickbooks ", "mine.toml "))]
    assert [len(row.split()) for row in rows] == [11, 11]
    assert rows[0].split()[1:] == rows[1].split()[1:]


def test_figures_of_the_table_are_those_of_the_json(folder: Path) -> None:
    asked = ("simulate", "quick.toml", "--seed", "5", "--without-governor")
    (said,) = objects(run(*asked, "--json", folder=folder).stdout)
    assert [(one["policy"]["given"], one["governed"]) for one in said["policies"]] == [
        ("layer-quickbooks", True),
        ("no governor", False),
    ]
    (found,) = said["policies"][1]["runs"]
    shown = run(*asked, columns=140, folder=folder).stdout
    assert "60 connections, seed 5; times in minutes" in shown
    row = next(line for line in shown.splitlines() if line.startswith("no governor"))
    figures = row.removeprefix("no governor").split()
    assert figures[2] == str(found["failed"])
    assert figures[3] == f"{found['peak']:.2f}"
    assert figures[4] == f"{found['late_s'] / 60:.1f}"
    assert figures[5:9] == [
        str(found["told"]),
        f"({found['told_in_vain']})",
        str(found["tickets"]),
        f"({found['called_in_vain']})",
    ]
    assert figures[9] == str(found["overlaps"])
    assert found["failed"] > said["policies"][0]["runs"][0]["failed"]


def test_the_same_seeds_give_the_same_bytes_in_any_number_of_processes(folder: Path) -> None:
    asked = ("simulate", "quick.toml", "--seeds", "2", "--json")
    once, again = (run(*asked, "--jobs", jobs, folder=folder) for jobs in ("1", "2"))
    assert (once.returncode, once.stdout) == (0, again.stdout)
    (found,) = objects(once.stdout)
    assert [one["seed"] for one in found["oracle"]] == [1, 2]
    other = run("simulate", "quick.toml", "--seed", "3", "--json", folder=folder)
    (told,) = objects(other.stdout)
    assert told["policies"][0]["runs"][0] not in found["policies"][0]["runs"]


def test_what_is_shipped_is_listed_and_printed_to_start_from(folder: Path) -> None:
    listed = run("simulate", "--list", columns=80)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines() if line[0] != " "] == ["scenario", *scenario_names()]
    said = objects(run("simulate", "--list", "--json").stdout)
    assert [one["scenario"] for one in said] == list(scenario_names())
    printed = run("simulate", "--print", "flapping").stdout
    assert printed == shipped_text("flapping")
    (folder / "own.toml").write_text(printed)
    ran = run("simulate", "own.toml", "--connections", "20", "--seed", "1", "--json", folder=folder)
    (found,) = objects(ran.stdout)
    assert (found["scenario"], found["connections"]) == ("flapping", 20)


REFUSED = [
    ((), "name a scenario or a file of one; --list shows those that are shipped"),
    (("outagee",), "did you mean `outage`?"),
    (("nowhere.toml",), "nowhere.toml: can't be read: No such file or directory"),
    (("mine.toml",), "mine.toml: unknown key `upstream`"),
    (("quick.toml", "./quick.toml"), "./quick.toml: another scenario is called `quick` too"),
    (("quick.toml", "--policy", "airbyte"), "airbyte.toml: answers for the upstream `airbyte`"),
    (("quick.toml", "--policy", "quick.toml"), "quick.toml: unknown key `connections`"),
    (("quick.toml", "--policy", "mine.toml@nowhere"), "mine.toml@nowhere: can't be read: not a git repository"),
    (("quick.toml", "--seeds", "2", "--seed", "1"), "--seeds and --seed: one of them"),
    (("quick.toml", "--seeds", "0"), "Invalid value for '--seeds'"),
    (("quick.toml", "--connections", "0"), "Invalid value for '--connections'"),
    (("calm-week", "--connections", "1000000", "calm.toml"), "calm.toml: more than 100000000 syncs would come due"),
    (("quick.toml", "--list"), "--list stands alone or with --json, --print NAME alone"),
    (("--list", "--print", "outage"), "--list stands alone"),
    (("--print", "outage", "--json"), "--print NAME alone"),
    (("--list", "--without-governor"), "--list stands alone"),
    (("--print", "outagee"), "did you mean `outage`?"),
    (("--print", "quick.toml"), "no shipped scenario has this name"),
    (("a\x1b[31m.toml",), "a\\x1b[31m.toml: can't be read"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_can_not_be_simulated_is_told_and_nothing_is(arguments: tuple[str, ...], said: str, folder: Path) -> None:
    ran = run_inside("simulate", *arguments, columns=200, folder=folder)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert "\x1b" not in ran.stderr


def test_all_that_can_not_be_read_is_told_at_once(folder: Path) -> None:
    (folder / "bad.toml").write_text('name = "bad"\nlasts_s = true\nconections = 3\n')
    ran = run("simulate", "bad.toml", "outagee", columns=200, folder=folder)
    assert ran.returncode == 2
    assert [line.split(":")[:2] for line in ran.stderr.splitlines()] == [
        ["bad.toml", " lasts_s"],
        ["bad.toml", " unknown key `conections` (did you mean `connections`?)"],
        ["outagee", " no shipped scenario has this name (did you mean `outage`?); there are `authorisation-outage`, "
         + ", ".join(f"`{one}`" for one in scenario_names()[1:]) + "; a file ends in `.toml`"],
    ]  # fmt: skip


def test_a_name_from_outside_steers_no_terminal(folder: Path) -> None:
    odd = "a\x1b[31m[bold].toml"
    (folder / odd).write_text((folder / "mine.toml").read_text())
    for form in ((), ("--json",)):
        ran = run("simulate", "quick.toml", "--policy", odd, "--seed", "1", *form, columns=160, folder=folder)
        assert ran.returncode == 0
        assert "\x1b" not in ran.stdout
        assert "[bold].toml" in ran.stdout


def test_without_matplotlib_pictures_are_refused_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "find_spec", lambda name: None if name == "matplotlib" else 1)
    ran = run_inside("simulate", "quick.toml", "--pictures", "pictures", folder=folder)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "--pictures needs matplotlib: pip install 'remediate-engine[pictures]'\n"
    assert not (folder / "pictures").exists()


def test_a_process_that_was_killed_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*arguments: object, **more: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(comparing, "compare", killed)
    ran = run_inside("simulate", "quick.toml", folder=folder)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("a process that simulated was killed; fewer --jobs or --connections need less memory")


def test_progress_counts_every_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int | None]] = []
    steps: list[int] = []

    @contextmanager
    def progress(what: str, total: int | None = None) -> Iterator[Any]:
        told.append((what, total))
        yield steps.append

    monkeypatch.setattr(simulate.output, "progress", progress)
    run_inside("simulate", "quick.toml", "--seeds", "2", "--without-governor", "--jobs", "1", folder=folder)
    assert told == [("runs", 6)]
    assert steps == [1] * 6


ENDED_EARLY = """
import os, signal, sys
from contextlib import contextmanager
from remediate.cli import output
from remediate.cli.app import main

@contextmanager
def progress(what, total=None):
    yield lambda _: {end}

output.progress = progress
sys.argv = ["remediate", "simulate", "quick.toml", "outage-6h", "--seed", "1", "--jobs", "2", "--json"]
main()
"""


def test_a_signal_to_end_ends_it_without_a_word(folder: Path) -> None:
    command = [sys.executable, "-c", ENDED_EARLY.format(end="os.kill(os.getpid(), signal.SIGTERM)")]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, start_new_session=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (128 + signal.SIGTERM, "", "")


def figures(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith("layer-quickbooks")]


@pytest.mark.parametrize("columns", [0, 1, 10, 40, 78, "", "²", "wide", "9" * 5_000, "-3"])
def test_no_width_loses_a_figure_or_breaks_a_name(folder: Path, columns: int | str) -> None:
    asked = ("simulate", "quick.toml", "--seed", "5", "--policy", "layer-quickbooks-eager", "--policy")
    wide = run(*asked, "layer-quickbooks", columns=300, folder=folder)
    narrow = run(*asked, "layer-quickbooks", columns=columns, folder=folder)
    assert (narrow.returncode, narrow.stderr) == (0, "")
    assert figures(narrow.stdout) == figures(wide.stdout)
    assert [len(row) for row in figures(wide.stdout)] == [11, 11]


@pytest.mark.parametrize("columns", [0, 10])
def test_a_narrow_terminal_loses_no_table(columns: int) -> None:
    listed = run("simulate", "--list", columns=columns).stdout
    assert [line.split()[0] for line in listed.splitlines() if line[:1].strip()] == ["scenario", *scenario_names()]
    told = run("explain", "QuickbooksConnectionMissing", columns=columns).stdout
    assert "no_op not_connected" in told
    for name in ("policy list", "policy table"):
        assert "layer" in run(*name.split(), columns=columns).stdout.replace("status", "layer")
    assert max(map(len, told.splitlines())) == (80 if columns == 0 else 60)


def test_a_scenario_is_named_as_it_was_given(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "x.toml").write_text(f'name = "{name}"\nlasts_s = {name == "a"}\n'.lower())
    ran = run("simulate", "a/x.toml", "./b/x.toml", columns=200, folder=folder)
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["a/x.toml", "./b/x.toml"]


def test_a_scenario_without_a_summary_has_none_to_show(folder: Path) -> None:
    (folder / "bare.toml").write_text(QUICK.replace('summary = "a short outage of a small fleet"\n', ""))
    ran = run("simulate", "bare.toml", "--seed", "1", folder=folder)
    assert ran.stdout.splitlines()[0] == "quick"


@pytest.mark.parametrize("end", ["os.killpg(0, signal.SIGINT)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_an_end_too_early_leaves_no_process_no_trace_and_no_half_answer(end: str, folder: Path) -> None:
    """Output is read to its end, so all who may write are gone; what was under way takes minutes."""
    command = [sys.executable, "-W", "error", "-c", ENDED_EARLY.format(end=end)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60, start_new_session=True)
    assert ran.returncode not in (0, 2)
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr


def test_it_has_help_with_an_example() -> None:
    ran = run("simulate", "--help")
    assert ran.returncode == 0
    assert "Example: remediate simulate outage" in " ".join(ran.stdout.split())
