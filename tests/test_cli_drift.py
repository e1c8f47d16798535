"""`remediate policy drift` as a CI meets it: real files, exit statuses, and what is printed where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import attrs
import pytest
from typer.testing import CliRunner

from remediate import Engine
from remediate.cli import output
from remediate.cli.app import app
from remediate.compiling import compile_policy
from remediate.deciding import Decider
from remediate.observation import Observation, OpenEnum, member
from tests.commands import run
from tests.specs import as_page, document
from tests.test_cli import lines


class _Status(OpenEnum):
    SYNC_SUCCESS = "SYNC_SUCCESS"


def _status(value: str | None) -> _Status | None:
    return member(_Status, value)


@attrs.frozen(kw_only=True)
class _Small(Observation):
    kind: ClassVar[str] = "status"
    last_sync_status: _Status | None = attrs.field(default=None, converter=_status)
    retry_after_s: float | None = None

    @property
    def repeats(self) -> str:
        return "sync"


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


def test_of_two_blocks_the_one_with_the_schemas_of_the_upstream_is_read(page: Path) -> None:
    page.write_text("```yaml\nopenapi: 3.0.1\ninfo: {}\n```\n" + page.read_text())
    assert (ran := run("policy", "drift", page)).returncode == 0, ran.stderr


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
    named = '  named by "a service refused for good" (group outage), "QuickBooks is down" (group outage)'
    old, new = "`QUICKBOOKS_SERVICE_UNAVAILABLE`", "`QUICKBOOKS_SERVICE_DOWN`"
    idle = "is_connected true | absent; is_syncing false | absent"
    here = f"{idle}; last_sync_status any but SYNC_SUCCESS"
    assert ran.stdout.splitlines() == [
        f"{place}.sync_failure_reason: value {old} removed, perhaps renamed to {new}",
        named,
        f"{place}.sync_failure_reason: value {new} added, perhaps renamed from {old}",
        "  answered today as unrecognised: depends on the other fields; shares are of their combinations",
        "    no_op in_progress, then escalate provider connection: 33 % where is_syncing true",
        "    no_op not_connected: 22 % where is_connected false; is_syncing false | absent",
        f"    escalate engineering integration: 22 % where {here}; is_retryable_failure false | absent",
        f"    no_op healthy: 11 % where {idle}; last_sync_status SYNC_SUCCESS",
        f"    retry probe, then escalate engineering integration: 11 % where {here}; is_retryable_failure true",
        f"{place}.sync_failure_reason: value `a\\x9bb` added",
        f"  answered today as unrecognised: like {new} above",
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
    assert lines(ran)[1]["answers"] == lines(ran)[2]["answers"]
    assert [list(one) for one in lines(ran)[1]["answers"]] == [["answer", "combinations", "share", "where"]] * 5
    assert lines(ran)[1]["answers"][0]["where"] == [{"is_syncing": ["true"]}]
    assert lines(ran)[0]["rules"][0] == {"rule": "a service refused for good", "group": "outage"}


def test_of_many_answers_the_most_frequent_are_told_and_of_each_the_largest_place(tmp_path: Path) -> None:
    spec = document()
    spec["components"]["schemas"]["ErrorEnum"]["enum"].append("BrandNew")
    spec["components"]["schemas"]["ErrorType"]["type"] = "integer"
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(spec))
    head, depends, *answers, more, retyped = run("policy", "drift", file).stdout.splitlines()
    assert head == "failure: ApiError.error_enum: value `BrandNew` added"
    assert depends.startswith("  answered today as unrecognised: depends on ")
    assert retyped == "failure: ApiError.type: property retyped: was string of 13 values, is integer"
    (found, _) = lines(run("policy", "drift", file, "--json"))
    assert len(answers) == 8 < len(found["answers"])
    assert more == f"    and {len(found['answers']) - 8} more answer, which --json tells"
    for line, one in zip(answers, found["answers"], strict=False):
        assert line.startswith(f"    {one['answer']}: {100 * one['share']:.0f} % where call ")
        places = len(one["where"]) - 1
        assert line.endswith(f"; and {places} more place{'s' * (places > 1)}") == bool(places)
        assert ("http_status one of " in line) == (len(one["where"][0].get("http_status", ())) > 4)


def test_the_one_answer_that_there_is_is_said_in_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = Engine.bundled().policy.sections["status"]
    rules = (attrs.evolve(section.rules[-1], when={}, name="all", repairable=False),)
    policy = attrs.evolve(
        Engine.bundled().policy,
        groups={},
        schedules={},
        limits={},
        sections={"status": attrs.evolve(section, rules=rules, anomalies=(), invariants=(), repair=None)},
    )
    engine = Engine.bundled()
    engine.upstream = attrs.evolve(
        engine.upstream, observations=(_Small,), published={"status": engine.upstream.published["status"]}
    )
    engine.deciders = {"status": Decider(compile_policy(policy, engine.upstream.shapes), "status")}
    monkeypatch.setattr(output, "load_engine", lambda policy: engine)
    schema = {"properties": {"last_sync_status": {"enum": ["SYNC_SUCCESS", "SYNC_PARTIAL"]}}}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"openapi": "3", "components": {"schemas": {"QuickbooksConnectionStatus": schema}}}))
    ran = CliRunner().invoke(app, ["policy", "drift", str(file)])
    assert ran.stdout.splitlines() == [
        "status: QuickbooksConnectionStatus.last_sync_status: value `SYNC_PARTIAL` added",
        "  answered today as unrecognised: escalate engineering integration",
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
