"""`remediate policy test` as a person meets it: exit codes, what is printed, and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from remediate import Engine
from remediate.loading import policy_path
from tests.commands import run
from tests.test_cases import OUTAGE
from tests.test_cli import HOSTILE

SHIPPED = policy_path("layer-quickbooks")
WRONG = OUTAGE.replace('answer = "retry transient"', 'answer = "retry cautious"\nattempt = 2')


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(OUTAGE)
    return file


def told(*arguments: str | Path, status: int = 0) -> dict[str, Any]:
    ran = run("policy", "test", *arguments, "--json")
    assert (ran.returncode, ran.stderr) == (status, "")
    assert ran.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_the_shipped_cases_hold_and_cover_all() -> None:
    ran = run("policy", "test", "layer-quickbooks", "--cover", "regions")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"^layer-quickbooks 1 \([0-9a-f]{12}\): cases: \d\d hold; observations: \d{4}$", ran.stdout, re.M)
    assert "status: 25 of 25 rules touched, 26 of 26 regions, 57 of 57 of their answers" in ran.stdout
    assert "failure: 46 of 46 rules touched, 85 of 85 regions, 109 of 109 of their answers" in ran.stdout
    assert "no case touches" not in ran.stdout
    assert run("policy", "test").stdout == ran.stdout


def test_a_case_that_does_not_hold_says_where_what_and_why(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WRONG.replace("UNAVAILABLE", "UNAVAILABLE").replace("attempts = 2", "attempts = [2, 3]"))
    ran = run("policy", "test", SHIPPED, file, columns=200)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "cases: 1 of 1 do not hold; observations: 2" in ran.stdout
    assert f'{file}: case "an outage" does not hold' in ran.stdout
    assert re.search(r'answer +expected "retry cautious", got "retry transient"', ran.stdout)
    assert re.search(r"attempt +expected 2, got 3", ran.stdout)
    assert re.search(r"because +QuickBooks was unavailable or failed inside, which passes by itself\.", ran.stdout)
    assert "2 of 2 observations" in ran.stdout
    assert "rule  " not in ran.stdout
    given = re.search(r"given +(\{.*?\}\})", ran.stdout.replace("\n" + " " * 13, " "), re.S)
    assert given is not None
    record = json.loads(re.sub(r"\s+", " ", given.group(1)))
    assert record["history"]["attempts"] == 2
    assert Engine.bundled().decide(record).rule == "QuickBooks is down"


def test_what_no_case_touches_is_listed_rules_all_and_regions_some(mine: Path) -> None:
    ran = run("policy", "test", "layer-quickbooks", mine, columns=100)
    assert ran.returncode == 0
    assert "status: 1 of 25 rules touched, 1 of 26 regions, 1 of 57 of their answers" in ran.stdout
    assert ran.stdout.count("no case touches the rule") == 24 + 46
    assert 'no case touches "QuickBooks is down" past its limit at is_connected = true | absent, ' in ran.stdout
    shipped = (SHIPPED.parent / "cases" / SHIPPED.name).read_text()
    mine.write_text(re.sub(r"^after = \[(\{.*|\n( .*\n)+)\]\n", "", shipped, flags=re.MULTILINE))
    ran = run("policy", "test", "layer-quickbooks", mine)
    assert ran.returncode == 0
    assert "no case touches the rule" not in ran.stdout
    for kind, said in zip(("status", "failure"), ran.stdout.split("\n\n")[1:], strict=True):
        left = len(told("layer-quickbooks", mine)["coverage"][kind]["answers"]["untouched"])
        shown = said.count("no case touches ")
        assert shown == min(left, 10)
        assert (f"and {left - 10} more of such answers; --json has them all" in said) == (left > 10)
    assert left < 10 < len(told("layer-quickbooks", mine)["coverage"]["status"]["answers"]["untouched"])


@pytest.mark.parametrize(("cover", "status"), [("none", 0), ("rules", 1), ("regions", 1)])
def test_what_is_not_covered_fails_only_where_it_is_asked_for(mine: Path, cover: str, status: int) -> None:
    assert run("policy", "test", "layer-quickbooks", mine, "--cover", cover).returncode == status


def test_rules_may_be_covered_where_regions_are_not(tmp_path: Path) -> None:
    """Without its cases of too long a Retry-After the shipped file still touches every rule."""
    shipped = (SHIPPED.parent / "cases" / SHIPPED.name).read_text()
    file = tmp_path / "less.toml"
    file.write_text(shipped.replace("retry_after_s = 21601, ", "").replace(", retry_after_s = 21601", ""))
    coverage = told("layer-quickbooks", file, status=1)["coverage"]
    assert all(not one["rules"]["untouched"] for one in coverage.values())
    untouched = [one for kind in coverage.values() for one in kind["answers"]["untouched"]]
    assert {one["when"] for one in untouched} == {"after too long a Retry-After"}
    less = [one for one in shipped.split("\n\n") if "retry_after_s = 21601" not in one]
    file.write_text("\n\n".join(less))
    assert run("policy", "test", "layer-quickbooks", file, "--cover", "rules").returncode == 0
    assert run("policy", "test", "layer-quickbooks", file, "--cover", "regions").returncode == 1


def test_json_is_one_object_with_everything(tmp_path: Path, mine: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(WRONG.replace("is down", "is dwn").replace('name = "an', 'name = "\\u001b[2J'))
    found = told("layer-quickbooks", mine, wrong, status=1)
    assert list(found) == ["policy", "cases", "observations", "failures", "coverage"]
    assert found["policy"] == {"name": "layer-quickbooks", "revision": "1", "sha256": Engine.bundled().policy.sha256}
    assert (found["cases"], found["observations"]) == (2, 2)
    (failure,) = found["failures"]
    assert failure["file"] == str(wrong)
    assert failure["case"] == "\x1b[2J outage"
    assert failure["record"]["key"] == "acme"
    assert failure["because"] == Engine.bundled().decide(failure["record"]).because
    assert failure["differences"] == [
        {"field": "answer", "expected": "retry cautious", "got": "retry transient", "hint": None},
        {
            "field": "rule",
            "expected": "QuickBooks is dwn",
            "got": "QuickBooks is down",
            "hint": "did you mean `QuickBooks is down`?",
        },
        {"field": "attempt", "expected": 2, "got": 3, "hint": None},
    ]
    status = found["coverage"]["status"]
    assert status["rules"]["all"] == 25
    assert len(status["rules"]["untouched"]) == 24
    assert status["regions"] == {"all": 26, "touched": 1}
    assert status["answers"]["all"] == len(status["answers"]["untouched"]) + 1 == 57
    within = [one for one in status["answers"]["untouched"] if one["when"] == "within its limit"]
    down = {"is_connected": ["true", "absent"], "is_syncing": ["false", "absent"]}
    (past,) = (
        one
        for one in status["answers"]["untouched"]
        if (one["rule"], one["when"][:4]) == ("QuickBooks is down", "past")
    )
    assert past["where"].items() >= down.items()
    assert sum(one["combinations"] for one in within) + past["combinations"] == 1512


def test_bad_cases_are_all_told_and_none_is_tried(tmp_path: Path, mine: Path) -> None:
    bad, worse = tmp_path / "bad.toml", tmp_path / "worse.toml"
    bad.write_text(OUTAGE.replace("is_connected = true", "is_connected = 1") + OUTAGE.replace("an outage", "good"))
    worse.write_bytes(b"\xff")
    ran = run("policy", "test", "layer-quickbooks", mine, bad, worse, columns=300)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        f'{bad}: case "an outage": given: `is_connected`: expected true, false or null',
        f"{worse}: is not UTF-8 at byte 0",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("layer-quickboks",), "did you mean `layer-quickbooks`?"),
        ((str(SHIPPED),), "no cases are shipped with it; name a file of cases"),
        (("layer-quickbooks", "nowhere.toml"), "nowhere.toml: can't be read: No such file or directory"),
        (("layer-quickbooks", "/"), "can't be read: Is a directory"),
        (("layer-quickbooks", "a\x01.toml"), "a\\x01.toml: can't be read"),
        (("layer-quickbooks", str(SHIPPED)), "unknown key"),
        (("layer-quickbooks", "--cover", "all"), "'all' is not one of"),
        (("layer-quickbooks", "/dev/zero"), "is larger than 1048576 bytes"),
    ],
)
def test_what_can_not_be_read_exits_2_and_says_nothing_else(arguments: tuple[str, ...], said: str) -> None:
    ran = run("policy", "test", *arguments, columns=300)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_cases_come_from_stdin_too() -> None:
    ran = run("policy", "test", "layer-quickbooks", "-", stdin=WRONG, columns=200)
    assert ran.returncode == 1
    assert '-: case "an outage" does not hold' in ran.stdout


def test_nothing_from_a_file_reaches_a_terminal_with_its_control_characters(tmp_path: Path) -> None:
    file = tmp_path / "hostile.toml"
    name = json.dumps(HOSTILE)
    hostile = WRONG.replace('"an outage"', name).replace('"acme"', name).replace('"QuickBooks is down"', name)
    for text, status in ((hostile, 1), (hostile.replace("rule =", f"{name} ="), 2), (hostile + hostile, 2)):
        file.write_text(text)
        for options in ((), ("--json",)):
            ran = run("policy", "test", "layer-quickbooks", file, *options, columns=300)
            assert ran.returncode == status
            for line in (ran.stdout + ran.stderr).split("\n"):
                assert line.isprintable(), line


def test_help_has_an_example() -> None:
    ran = run("policy", "test", "--help")
    assert ran.returncode == 0
    assert "Example: remediate policy test" in ran.stdout
