"""`remediate policy diff`, as a reviewer runs it: on files, shipped names, and revisions of git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from remediate.errors import PolicyError
from remediate.loading import policy_path
from remediate.workshop.revisions import load_revision
from tests import commands

SHIPPED = policy_path("layer-quickbooks").read_text()
CHANGED = SHIPPED.replace("attempts = 6\n", "attempts = 8\n")


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return commands.run("policy", "diff", *arguments, columns=80, folder=folder)


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`rules/mine.toml`, first as it ships, then changed."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    (folder / "rules").mkdir()
    (folder / "a@b.toml@c.toml").write_text(SHIPPED)
    for text in (SHIPPED, CHANGED):
        (folder / "rules" / "mine.toml").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "a policy")
    return folder


def test_a_difference_is_shown_and_told_by_the_exit_status(repository: Path) -> None:
    ran = run("rules/mine.toml@main~1", "rules/mine.toml", folder=repository)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "status: other limits in 28 of 1512 combinations" in ran.stdout
    assert "attempts: 6 → 8" in ran.stdout
    assert "call any but sync; error_enum ManualRateLimit" in ran.stdout


def test_json_has_every_region(repository: Path) -> None:
    ran = run("layer-quickbooks", str(repository / "rules" / "mine.toml"), "--json")
    found = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert found["equal"] is False
    assert found["old"]["name"] == "layer-quickbooks"
    assert found["combinations"] == {"status": 1512, "failure": 456000}
    assert sum(one["combinations"] for one in found["changes"] if one["kind"] == "status") == 28
    first = found["changes"][0]
    assert first["details"] == [{"what": "attempts", "old": 6, "new": 8}]
    assert first["rules"] == {"old": ["a general failure"], "new": ["a general failure"]}
    assert (found["anomalies"], found["settings"]) == ([], [])


def test_equal_policies_are_told_so(repository: Path) -> None:
    absolute = str(repository / "rules" / "mine.toml")
    ran = run(f"{absolute}@HEAD", absolute)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "equal: alike in all 457512 combinations" in ran.stdout
    assert json.loads(run("layer-quickbooks", "layer-quickbooks", "--json").stdout)["equal"] is True


def test_anomalies_and_the_pace_are_shown(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    start = SHIPPED.index("[[status.anomalies]]")
    end = SHIPPED.index("[[status.anomalies]]", start + 1)
    mine.write_text((SHIPPED[:start] + SHIPPED[end:]).replace("poll_s = 7 ", "poll_s = 20 "))
    ran = run("layer-quickbooks", str(mine))
    assert "status: other anomalies" in ran.stdout
    assert "is no longer told" in ran.stdout
    assert "episode.poll_s: 7 → 20" in ran.stdout
    assert "is told" in run(str(mine), "layer-quickbooks").stdout


@pytest.mark.parametrize(
    ("operand", "said"),
    [
        ("rules/mine.toml@nowhere", "rules/mine.toml@nowhere: can't be read: invalid object name 'nowhere'"),
        (
            "rules/none.toml@main",
            "rules/none.toml@main: can't be read: path 'rules/none.toml' does not exist in 'main'",
        ),
        ("rules/mine.toml@--help", "`--help` is no revision"),
        ("rules/mine.toml@\x00", "can't be read: embedded null byte"),
        ("nowhere/none.toml", "nowhere/none.toml: can't be read: No such file or directory"),
        ("mine", "no shipped policy has this name"),
    ],
)
def test_an_operand_that_can_not_be_read_is_told_by_its_name(repository: Path, operand: str, said: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(repository)
        with pytest.raises(PolicyError) as refused:
            load_revision(operand)
    assert said in str(refused.value)


def test_every_problem_of_both_is_told_and_nothing_is_shown(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(SHIPPED.replace("first_s = 60", "first_s = 0"))
    ran = run("one.toml", "two.toml", folder=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "one.toml: schedules.transient: first_s" in ran.stderr
    assert "two.toml: schedules.transient: first_s" in ran.stderr


def test_a_name_may_look_like_a_revision(repository: Path) -> None:
    ran = run("a@b.toml@c.toml@HEAD@{0}", "layer-quickbooks", folder=repository)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_outside_a_repository_git_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SHIPPED)
    ran = run("mine.toml@main", "mine.toml", folder=tmp_path)
    assert ran.returncode == 2
    assert "mine.toml@main: can't be read: not a git repository" in ran.stderr


def test_a_file_that_is_called_so_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml@main").write_text(SHIPPED)
    monkeypatch.chdir(tmp_path)
    assert load_revision("mine.toml@main").name == "layer-quickbooks"


def test_policies_of_two_upstreams_have_nothing_to_compare() -> None:
    ran = run("layer-quickbooks", "airbyte")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "they answer for two upstreams, layer and airbyte" in ran.stderr
