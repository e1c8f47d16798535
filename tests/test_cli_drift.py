"""`remediate policy drift` as a CI meets it: real files, exit statuses, and what is printed where."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from typer.testing import CliRunner

from remediate import Engine
from remediate.cli import output
from remediate.cli.app import app
from tests.specs import as_page, document
from tests.test_cli import lines, run


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "status.md"
    file.write_text(as_page(document()))
    return file


def test_nothing_is_said_where_nothing_differs(page: Path) -> None:
    for options in ((), ("--json",), ("--policy", "layer-quickbooks")):
        ran = run("policy", "drift", page, *options)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert run("policy", "drift", "-", stdin=page.read_text()).returncode == 0


def test_what_differs_is_told_for_people_and_for_programs(page: Path) -> None:
    text = page.read_text().replace(
        "- QUICKBOOKS_SERVICE_UNAVAILABLE", "- QUICKBOOKS_SERVICE_DOWN\n          - 'a\\u009bb'"
    )
    text = text.replace(
        "      properties:\n        is_connected:", '      properties:\n        "fo\\to": {}\n        is_connected:'
    )
    page.write_text(text.replace("'a\\u009bb'", '"a\\u009bb"'))
    ran = run("policy", "drift", page, columns=40)
    assert (ran.returncode, ran.stderr) == (1, "")
    place = "status: QuickbooksConnectionStatus"
    mended = "escalate engineering integration"
    answer = "  answered today as unrecognised: is_retryable_failure "
    answer += f"true: retry probe, then {mended}; false, absent: {mended}"
    named = '  named by "a service refused for good" (group outage), "QuickBooks is down" (group outage)'
    old, new = "`QUICKBOOKS_SERVICE_UNAVAILABLE`", "`QUICKBOOKS_SERVICE_DOWN`"
    assert ran.stdout.splitlines() == [
        f"{place}.sync_failure_reason: value {old} removed, perhaps renamed to {new}",
        named,
        f"{place}.sync_failure_reason: value {new} added, perhaps renamed from {old}",
        answer,
        f"{place}.sync_failure_reason: value `a\\x9bb` added",
        answer,
        f"{place}.fo\\to: property added",
        "  passed over today: it is no field that a rule may ask for",
    ]  # fmt: skip
    ran = run("policy", "drift", page, "--json")
    assert ran.returncode == 1
    assert [(one["change"], one["what"], one["field"], one["value"]) for one in lines(ran)] == [
        ("removed", "value", "sync_failure_reason", "QUICKBOOKS_SERVICE_UNAVAILABLE"),
        ("added", "value", "sync_failure_reason", "QUICKBOOKS_SERVICE_DOWN"),
        ("added", "value", "sync_failure_reason", "a\x9bb"),
        ("added", "property", "fo\to", None),
    ]
    assert lines(ran)[0]["rules"][0] == {"rule": "a service refused for good", "group": "outage"}


def test_one_answer_for_all_columns_is_said_once(tmp_path: Path) -> None:
    spec = document()
    spec["components"]["schemas"]["ErrorEnum"]["enum"].append("BrandNew")
    spec["components"]["schemas"]["ErrorType"]["type"] = "integer"
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(spec))
    ran = run("policy", "drift", file)
    assert ran.stdout.splitlines() == [
        "failure: ApiError.error_enum: value `BrandNew` added",
        "  answered today as unrecognised: escalate engineering integration",
        "failure: ApiError.type: property retyped: was string of 13 values, is integer",
    ]


def test_what_can_not_be_read_is_refused_with_the_file_and_the_line_of_the_page(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    page.write_text(text.replace("    QuickbooksConnectionStatus:", "    - QuickbooksConnectionStatus:"))
    line = page.read_text().split("\n").index("    - QuickbooksConnectionStatus:") + 1
    ran = run("policy", "drift", page)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{page}: line {line}, column 5: not YAML: ")
    ran = run("policy", "drift", tmp_path)
    assert (ran.returncode, ran.stderr) == (2, f"{tmp_path}: can't be read: Is a directory\n")
    ran = run("policy", "drift", page, "--policy", "layer-quickbook")
    assert ran.returncode == 2
    assert "did you mean `layer-quickbooks`" in ran.stderr


def test_an_upstream_that_is_published_nowhere_is_refused(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.bundled()
    engine.upstream = attrs.evolve(engine.upstream, published={})
    monkeypatch.setattr(output, "load_engine", lambda policy: engine)
    ran = CliRunner().invoke(app, ["policy", "drift", str(page)])
    assert ran.exit_code == 2
    assert ran.stderr == "upstream `layer` does not say where its vocabulary is published\n"


def test_the_help_has_an_example() -> None:
    assert "Example: remediate policy drift" in run("policy", "drift", "--help").stdout
