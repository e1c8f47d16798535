"""`remediate audit`, as a team runs it on the log that it has."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, InputError
from remediate.workshop.audit.columns import Columns, Event, moment_s, typed
from remediate.workshop.audit.logs import Line, read_log
from remediate.workshop.journals import Fault
from tests import commands
from tests.lives import ENGINE

LOG = [
    {"at": "2026-11-01T10:00:00Z", "key": "acme", "last_sync_status": "SYNC_FAILURE", "is_retryable_failure": True},
    {"at": "2026-11-01T10:00:00Z", "key": "<b>&", "sync_failure_reason": "QUICKBOOKS_VALIDATION_ERROR"},
    {"at": "2026-11-01T10:00:05Z", "key": "<b>&", "event": "sync"},
    {"at": "2026-11-01T10:02:00Z", "key": "<b>&", "sync_failure_reason": "QUICKBOOKS_VALIDATION_ERROR"},
    {"at": "2026-11-01T10:02:00Z", "key": "acme", "event": "told", "to": "support"},
    {"at": "2026-11-01T10:02:01Z", "key": "acme", "event": "sync", "call": "sync", "http_status": 404},
    {"at": "2026-11-01T10:02:02Z", "key": "acme", "event": "deployed"},
]
NAMES = ("at", "key", "event", "to", "last_sync_status", "sync_failure_reason", "is_retryable_failure", "call")
NDJSON = "".join(json.dumps(line) + "\n" for line in LOG)


def run(*arguments: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    return commands.run("audit", *arguments, stdin=stdin)


def as_csv(delimiter: str = ",", **renamed: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    names = (*NAMES, "http_status")
    writer.writerow([renamed.get(name, name) for name in names])
    for line in LOG:
        cells = (line.get(name) for name in names)
        writer.writerow(["" if cell is None else "true" if cell is True else cell for cell in cells])
    return out.getvalue()


def test_a_log_is_the_same_in_every_form() -> None:
    found = json.loads(run("-", "--json", stdin=NDJSON).stdout)
    assert (found["syncs"], found["connections"], found["others"]) == (2, 2, {"deployed": 1})
    assert found["counts"] == {"futile": 1}
    assert (found["foreseen"], found["refused"], found["told"]) == (1, {"escalate engineering integration": 1}, 1)
    assert found["policy"]["name"] == "layer-quickbooks"
    for content in (as_csv(), as_csv(";"), as_csv("\t"), "\ufeff" + as_csv().replace("\r\n", "\n"), "\ufeff" + NDJSON):
        assert json.loads(run("-", "--json", stdin=content).stdout) == found
    renamed = as_csv(at="created_at", key="business", event="what").replace(",sync,,", ",retry job,,")
    mapping = ["at=created_at", "key=business", "event=what"]
    options = [part for one in mapping for part in ("--column", one)]
    assert json.loads(run("-", "--json", *options, "--event", "sync=retry job,again", stdin=renamed).stdout) == found


def test_the_page_is_one_file_and_shows_a_users_words_escaped(tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    log = tmp_path / "<i>log.ndjson"
    log.write_text(NDJSON)
    ran = run(str(log), "--html", str(page))
    assert ran.returncode == 0
    text = page.read_text()
    assert "<td>&lt;b&gt;&amp;</td>" in text
    assert "&lt;i&gt;log.ndjson" in text
    assert "<b>" not in text
    assert not re.search(r"(src|href)=|<script|<link|@import|url\(", text)
    assert "syncs that could not have succeeded" in text
    assert "syncs that could not have succeeded" in ran.stdout
    assert run(str(log), "--html", str(tmp_path / "nowhere" / "audit.html")).returncode == 2


def test_nothing_from_a_log_reaches_a_terminal_or_a_page_with_its_control_characters(tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    told = {"at": 1, "key": "\x1b[31m", "event": "told", "to": "\x1b]0;x\x07"}
    other = {"at": 1, "key": "a", "event": "\x1b[2J"}
    ran = run("-", "--html", str(page), stdin="\n".join(json.dumps(one) for one in (told, told | {"at": 2}, other)))
    assert ran.returncode == 0
    assert "people told again" in ran.stdout
    assert "no line tells of a sync: --event sync=WORD says what yours are called" in ran.stderr
    for text in (ran.stdout, page.read_text()):
        assert "\\x1b]0;x\\x07" in text
        assert not {"\x1b", "\x07"} & set(text)


def test_the_page_is_written_whole_or_not_at_all_and_never_over_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text(NDJSON)
    ran = run(str(log), "--html", str(log))
    assert (ran.returncode, ran.stdout, log.read_text()) == (2, "", NDJSON)
    assert "is the log itself" in ran.stderr
    page = tmp_path / "audit.html"
    command = f'ulimit -f 1; exec "{sys.executable}" -m remediate audit log.ndjson --html audit.html'
    limited = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert limited.returncode == 2
    assert "audit.html: can't be written: File too large" in limited.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log.ndjson"]
    assert not page.exists()


def test_what_can_not_be_read_is_told_with_its_line_and_nothing_is_half_done(tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    torn = NDJSON + '{"at": "yesterday", "key": "acme", "event": "sync"}\n\n{"at": 1, "key": ["\x1b[31m"]}\n{"at"'
    ran = run("-", "--html", str(page), stdin=torn)
    assert (ran.returncode, ran.stdout, page.exists()) == (2, "", False)
    assert "-: line 8: `at`: expected a time in ISO 8601, or seconds since 1970" in ran.stderr
    assert "-: line 10: " in ran.stderr
    assert "-: line 11: not a JSON object: " in ran.stderr
    assert "lines that can't be read: 3" in ran.stderr
    assert "\x1b" not in ran.stderr
    ran = run("-", "--json", "--skip-bad", stdin=torn)
    assert ran.returncode == 1
    assert (json.loads(ran.stdout)["bad"], json.loads(ran.stdout)["syncs"]) == (3, 2)


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("x,y\n1,2\n", (), "there is no column `at`; there are `x`, `y`; --column at=NAME names another"),
        ("time,key\n1,2\n", ("--column", "at=tim"), "there is no column `tim` (did you mean `time`?)"),
        ("", ("--column", "att=x"), "--column or --event: unknown field `att` (did you mean `at`?)"),
        ("", ("--column", "at"), "expected `field=name`, got `at`"),
        ("", ("--event", "snyc=x"), "unknown event `snyc` (did you mean `sync`?)"),
        ("", ("--column", "at=a", "--column", "at=b"), "--column or --event: `at` is mapped twice"),
        ("", ("--event", "sync=a,a"), "--column or --event: `a` is mapped twice"),
        ("at,key,at\n", (), "there are two columns `at`"),
        ("at,key,event\r1,a,sync\r", (), "line 1: no CSV: "),
        ("at,key," + "x" * 200_000, (), "line 1: no CSV: field larger than field limit"),
        (
            '{"at": 1, "key": "a", "event": "sync"}',
            ("--column", "to=x.y"),
            "no line has `x.y`, which --column to names",
        ),
        (
            '{"at": 1, "key": "a", "observation": {"x": 5}}',
            (),
            "line 1: `observation`: nothing of an observation is known",
        ),
        ("at,key\n1\n", (), "line 2: expected 2 cells, got 1"),
        ("at,key\n1,a\n", (), "line 2: expected what was observed, in fields of its own or under `observation`"),
        (b"at,key\n1,\xff\n", (), "line 2: not UTF-8"),
        ("at,key,is_connected\n1,a,maybe\n", (), "line 2: `is_connected`: expected true, false or null"),
        ('{"at": 1, "key": "a", "observation": 5}', (), "line 1: `observation`: expected an object, got a number"),
        ('{"at": 1, "event": "sync"}', (), "line 1: `key`: expected whose connection it is"),
        ('{"key": "a", "event": "sync"}', (), "line 1: `at`: expected when it was"),
        ('{"key": "a", "at": 1, "event": 7}', (), "line 1: `event`: expected a string, got a number"),
        ('{"key": "a", "at": 1, "event": "told", "to": 7}', (), "line 1: `to`: expected a string, got a number"),
    ],
)
def test_every_fault_has_its_words(content: str | bytes, options: tuple[str, ...], said: str) -> None:
    ran = run("-", *options, stdin=content)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr.replace("\n", " ")


def lines(content: bytes, columns: Columns | None = None) -> list[Any]:
    return list(read_log(io.BytesIO(content), ENGINE, columns or Columns(), lambda _: None))


def test_nested_names_and_values_are_found_by_their_path() -> None:
    columns = Columns.of(
        ["at=meta.time", "key=tenant.id", "observation=said", "event=kind"],
        ["status=polled", "sync=a,b"],
        ["observation"],
    )
    content = {"meta": {"time": 5}, "tenant": {"id": 7}, "kind": "polled", "said": {"is_syncing": True}}
    (line,) = lines(json.dumps(content).encode(), columns)
    assert (line.at_s, line.key, line.event) == (5.0, "7", Event.STATUS)
    assert line.observation.is_syncing is True
    assert columns.event("b") is Event.SYNC
    assert columns.event("polled") is Event.STATUS
    assert columns.event("told") is Event.TOLD
    assert columns.event("c") is None


def test_airbytes_documents_are_read_under_its_policy() -> None:
    engine = Engine.bundled("airbyte")
    job = {"job": {"id": 1, "status": "failed"}, "attempts": []}
    content = json.dumps({"at": 1, "key": "a", "observation": job}).encode() + b"\n"
    content += json.dumps({"at": 2, "key": "a", "job_status": "running", "job_id": "7"}).encode()
    nested, flat = read_log(io.BytesIO(content), engine, Columns(), lambda _: None)
    assert isinstance(nested, Line)
    assert nested.observation is not None
    assert engine.decide(nested.observation).rule
    assert isinstance(flat, Fault)
    csv_line = b"at,key,job_status,job_id,retryable\n1,a,failed,7,FALSE\n"
    (line,) = read_log(io.BytesIO(csv_line), engine, Columns(), lambda _: None)
    assert isinstance(line, Line)
    assert (getattr(line.observation, "job_id", None), getattr(line.observation, "retryable", None)) == (7, False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1793527200.5, 1793527200.5),
        (1793527200500, 1793527200.5),
        ("1793527200", 1793527200.0),
        ("2026-11-01T10:00:00Z", 1793527200.0),
        ("2026-11-01 10:00:00", 1793527200.0),
        ("2026-11-01T12:00:00+02:00", 1793527200.0),
        (" 2026-11-01T10:00:00.250Z ", 1793527200.25),
        ("9999-12-31", 253402214400.0),
    ],
)
def test_times_are_read_in_every_notation(value: object, seconds: float) -> None:
    assert moment_s(value) == seconds


@pytest.mark.parametrize(
    "value", [True, None, "", "soon", "nan", "inf", float("nan"), [], 10**400, 1e300, "2026-13-01"]
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="`at`: expected a time"):
        moment_s(value)


def test_cells_become_the_values_of_their_fields() -> None:
    cells = {
        "is_connected": "TRUE",
        "is_syncing": "",
        "http_status": "429",
        "retry_after_s": "1.5",
        "type": "x",
        "odd": "1",
    }
    assert typed(cells, ENGINE.upstream.observations) == {
        "is_connected": True,
        "http_status": 429,
        "retry_after_s": 1.5,
        "type": "x",
        "odd": "1",
    }
    assert typed({"http_status": "4x9"}, ENGINE.upstream.observations) == {"http_status": "4x9"}


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from(['{"at": 1', '"key"', ":", ",", "\n", '"a"', "}", '"'])).map("".join)
)
def test_any_bytes_are_lines_or_faults(content: bytes | str) -> None:
    try:
        read = lines(content.encode() if isinstance(content, str) else content)
    except InputError as error:
        assert "column" in error.message or "no CSV" in error.message
    else:
        assert all(isinstance(one, Fault | Line) or one.word for one in read)
