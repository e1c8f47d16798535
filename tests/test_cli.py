"""The command line as a person meets it: real files, and the real command over real pipes where those matter.

Elsewhere plain runs call it inside the tests' process; whole runs never do.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from remediate import Engine, from_json, to_json
from remediate.loading import bundled_names, policy_path
from tests.commands import COMMAND, run, run_process

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "layer.ndjson"
HEALTHY = '{"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}'


def lines(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_decide_prints_one_decision_a_line_in_the_order_of_the_input() -> None:
    engine = Engine.bundled()
    ran = run("decide", SAMPLE, "--json")
    assert ran.returncode == 0
    assert ran.stderr == ""
    inputs = SAMPLE.read_text().splitlines()
    assert len(inputs) == len(lines(ran)) >= 10
    for line, printed in zip(inputs, ran.stdout.splitlines(), strict=True):
        record = engine.read(line)
        assert printed == to_json(engine.decide(record), key=record.key).decode()
        assert from_json(printed) == engine.decide(record)
        assert json.loads(printed).get("key") == json.loads(line).get("key")


def test_decide_reads_stdin_and_a_document() -> None:
    piped = run_process("decide", "--json", stdin=HEALTHY)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout == run("decide", "-", "--json", stdin=HEALTHY).stdout
    pretty = json.dumps([json.loads(HEALTHY)] * 3, indent=2)
    assert [one["cause"] for one in lines(run("decide", "--json", stdin=pretty))] == ["healthy"] * 3


def test_a_bad_line_is_told_in_its_place_and_the_rest_is_decided() -> None:
    ran = run_process("decide", "--json", stdin=f'{HEALTHY}\n\n{{"is_connected": 1}}\nnope\n[]\n{HEALTHY}\n')
    assert ran.returncode == 1
    first, typed, broken, array, last = lines(ran)
    assert first == last
    assert typed == {"error": {"line": 3, "field": "is_connected", "message": "expected true, false or null"}}
    assert broken["error"]["line"] == 4
    assert broken["error"]["field"] is None
    assert array == {"error": {"line": 5, "field": None, "message": "expected a JSON object, got an array"}}


def test_a_bad_history_is_told_dotted() -> None:
    ran = run("decide", "--json", stdin='{"http_status": 503, "history": {"attempts": -1}}')
    assert ran.returncode == 1
    (told,) = lines(ran)
    assert told["error"]["field"] == "history.attempts"


def test_a_bad_element_of_an_array_is_told_by_its_number() -> None:
    ran = run("decide", "--json", stdin=f'[{HEALTHY}, {{"is_syncing": 0}}, 7]')
    assert [one.get("error", {}).get("line") for one in lines(ran)] == [None, 2, 3]


def test_the_table_for_people_says_what_when_who_and_why() -> None:
    ran = run("decide", SAMPLE, columns=80)
    assert ran.returncode == 0
    head, *rows = ran.stdout.splitlines()
    assert max(map(len, rows)) <= 80
    assert head.split() == ["line", "answer", "when", "who", "acts"]
    assert any(re.search(r"2  retry transient +in \d+ (s|min)", row) for row in rows)
    assert any("reauth reauthorize" in row and "customer" in row for row in rows)
    assert any("birch: QuickBooks was unavailable or failed inside" in row for row in rows)


def test_a_bad_line_shows_in_the_table() -> None:
    ran = run("decide", stdin=f'{{"is_connected": 1}}\n{HEALTHY}', columns=200)
    assert ran.returncode == 1
    assert re.search(r"1  bad input\n +`is_connected`: expected true, false or null", ran.stdout)
    assert "no_op healthy" in ran.stdout


HOSTILE = "\x1b[31m\x07\x9b2J\u202e\u2028<script>[bold]:smile:"


def test_nothing_from_outside_reaches_a_terminal_with_its_control_characters() -> None:
    record = json.dumps({"key": HOSTILE, "observation": {"sync_failure_reason": HOSTILE, "is_retryable_failure": True}})
    bad = json.dumps({"http_status": 500, "history": {HOSTILE: 1}})
    for arguments in (("decide",), ("decide", "--json"), ("explain", "-"), ("explain", "-", "--json")):
        ran = run(*arguments, stdin=f"{record}\n{bad}\n{HOSTILE}\n", columns=300)
        assert ran.returncode == 1
        for line in (ran.stdout + ran.stderr).split("\n"):
            assert line.isprintable(), line
    ran = run("explain", HOSTILE)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.rstrip("\n").isprintable()


def test_the_journal_takes_each_record_with_its_decision_and_appends(tmp_path: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    secret = '{"errors": [{"type": "AuthFailure", "description": "s3cr3t", "meta": {"token": "s3cr3t"}}], "key": "b"}'
    for _ in range(2):
        ran = run("decide", "--json", "--journal", journal, stdin=f"{HEALTHY}\nnope\n{secret}\n")
        assert ran.returncode == 1
    written = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(written) == 4
    assert "s3cr3t" not in journal.read_text()
    engine = Engine.bundled()
    for line in written:
        assert list(line) == ["at", "record", "decision"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["at"])
        assert json.loads(to_json(engine.decide(line["record"]))) == line["decision"]
    assert written[1]["record"]["key"] == "b"


def test_a_journal_that_can_not_be_written_stops_before_anything_is_decided(tmp_path: Path) -> None:
    ran = run("decide", "--json", "--journal", tmp_path / "no" / "journal", stdin=HEALTHY)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "can't be written: No such file or directory" in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told() -> None:
    ran = run("decide", "--json", "--journal", "/dev/full", stdin=HEALTHY)
    assert ran.returncode == 2
    assert "can't be written: No space left" in ran.stderr
    command = f"{' '.join(COMMAND)} decide --json > /dev/full"
    whole = subprocess.run(command, shell=True, input=HEALTHY.encode(), capture_output=True)
    assert whole.returncode == 2
    assert b"Traceback" not in whole.stderr
    assert b"No space left" in whole.stderr


def test_a_journal_is_never_the_input(tmp_path: Path) -> None:
    file = tmp_path / "both.ndjson"
    file.write_text(HEALTHY + "\n")
    ran = run("decide", file, "--json", "--journal", file)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "can't be both the input and the journal" in ran.stderr
    assert file.read_text() == HEALTHY + "\n"


@pytest.mark.parametrize("redirect", ["<&-", ">&-"])
def test_a_closed_stream_is_told(redirect: str) -> None:
    command = f"{' '.join(COMMAND)} decide --json {redirect}"
    ran = subprocess.run(["bash", "-c", command], stdin=DEVNULL, capture_output=True)
    assert ran.returncode == 2
    assert b"is closed" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_what_a_terminal_can_not_show_is_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run([*COMMAND, "explain", "ManualRateLimit"], env=environment, capture_output=True)
    assert ran.returncode == 0
    assert b"\\u2192" in ran.stdout


def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    command = f"yes '{HEALTHY}' | head -20000 | {' '.join(COMMAND)} decide --json | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True)
    assert ran.stdout.startswith(b'{"action": "no_op"')
    assert ran.stderr == b""
    piped = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True)
    assert piped.returncode == 141


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("decide", "nowhere.ndjson"), "nowhere.ndjson: can't be read: No such file or directory"),
        (("decide", str(HERE)), "can't be read: Is a directory"),
        (("decide", "--policy", "layer-quickboks"), "did you mean `layer-quickbooks`?"),
        (("decide", "--policy", "nowhere.toml"), "nowhere.toml: can't be read: No such file or directory"),
        (("explain", "QUICKBOOKS_SERVICE_UNAVAILBLE"), "did you mean `QUICKBOOKS_SERVICE_UNAVAILABLE`?"),
        (("explain", "quickbooksTokenexpired"), "did you mean `QuickbooksTokenExpired`?"),
        (("explain", "x" * 300), "is nothing that layer publishes"),
        (("decide", "--policy", "a\x01.toml"), "a\\x01.toml: can't be read"),
        (("explain", "xyzzy"), "a file of that name does not exist either"),
        (("policy", "table", "nope"), "no shipped policy has this name"),
        (("policy", "table", "--kind", "statuss"), "did you mean `status`?"),
        (("policy", "check", "nope", "layer-quickbooks"), "no shipped policy has this name"),
        (("decide", "--jsn"), "No such option"),
        (("frobnicate",), "No such command"),
        (("policy", "table", "--format", "pdf"), "'pdf' is not one of"),
    ],
)
def test_wrong_usage_exits_2_with_a_message_on_stderr(arguments: tuple[str, ...], said: str) -> None:
    ran = run(*arguments, columns=200)
    assert ran.returncode == 2
    assert said in ran.stderr
    if "check" not in arguments:
        assert ran.stdout == ""


def test_explain_tells_the_grounds_of_every_word_that_is_published() -> None:
    ran = run("explain", "QUICKBOOKS_SERVICE_UNAVAILABLE", columns=160)
    assert ran.returncode == 0
    for said in (
        "retry transient",
        "escalate provider integration",
        "QuickBooks is down",
        "is_syncing = true",
        "combination",
    ):
        assert said in ran.stdout
    both = run("explain", "ResourceArchived", "--json")
    assert [one["combination"]["type"] for one in lines(both)] == ["absent", "ResourceArchived"]


def test_explain_reads_files_and_tells_bad_lines(tmp_path: Path) -> None:
    file = tmp_path / "one.ndjson"
    file.write_text(f'{HEALTHY}\n{{"is_syncing": 3}}\n')
    ran = run("explain", file)
    assert ran.returncode == 1
    assert "no_op healthy" in ran.stdout
    assert "line 2: `is_syncing`: expected true, false or null" in ran.stdout
    assert [next(iter(one)) for one in lines(run("explain", file, "--json"))] == ["key", "error"]
    spent = '{"http_status": 503, "history": {"attempts": 8}, "key": "acme"}'
    ran = run("explain", "-", stdin=spent, columns=160)
    assert "transport, passed" in ran.stdout
    assert "acme" in ran.stdout


def test_policy_list_names_what_is_shipped() -> None:
    ran = run("policy", "list")
    assert ran.returncode == 0
    assert "layer-quickbooks" in ran.stdout


@pytest.mark.parametrize("form", ["text", "json", "csv", "markdown", "html"])
def test_policy_table_writes_every_format(form: str) -> None:
    ran = run("policy", "table", "--format", form, columns=200)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "QUICKBOOKS_SERVICE_UNAVAILABLE" in ran.stdout
    assert "QuickbooksTokenExpired" in ran.stdout
    if form == "json":
        regions = json.loads(ran.stdout)
        assert sum(one["combinations"] for one in regions if one["kind"] == "status") == 1512
        assert sum(one["combinations"] for one in regions if one["kind"] == "failure") == 456_000
    if form == "html":
        assert ran.stdout.startswith("<!doctype html>")
        assert "<script" not in ran.stdout


def test_policy_table_shows_one_kind() -> None:
    ran = run("policy", "table", "--kind", "status", "--format", "csv")
    assert "QuickbooksTokenExpired" not in ran.stdout
    row = "status: Sync failed (is_connected true, is_syncing false, last_sync_status SYNC_FAILURE)"
    answer = "retry probe, then escalate provider connection"
    assert f'"{row}",QUICKBOOKS_UNKNOWN_EXCEPTION,is_retryable_failure true,"{answer}"\n' in ran.stdout


def test_a_page_shows_a_users_words_escaped(tmp_path: Path) -> None:
    shipped = policy_path("layer-quickbooks").read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped.replace('name = "never synced"', "name = '<script>alert(1)</script> & |'"))
    page = run("policy", "table", mine, "--format", "html").stdout
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page
    assert "<script" not in run("policy", "table", mine, "--format", "markdown").stdout


def test_policy_check_counts_combinations_and_invariants(tmp_path: Path) -> None:
    ran = run("policy", "check", columns=160)
    assert ran.returncode == 0
    assert re.search(r"504 +a sync is running", ran.stdout)
    assert re.search(r"504 +holds: a false flag never retries", ran.stdout)
    every = lines(run("policy", "check", "--json"))
    assert [one["policy"] for one in every] == list(bundled_names())
    (told,) = (one for one in every if one["policy"] == "layer-quickbooks")
    assert told["proven"] is True
    assert sum(told["sections"]["status"]["rules"].values()) == 1512
    broken = tmp_path / "broken.toml"
    broken.write_text(policy_path("layer-quickbooks").read_text().replace("first_s = 60", "first_s = 0"))
    ran = run("policy", "check", broken, "layer-quickbooks", "--json")
    assert ran.returncode == 2
    assert [one["proven"] for one in lines(ran)] == [False, True]
    assert "broken.toml: schedules.transient: first_s: expected 0.1 s or more" in ran.stderr


@pytest.mark.parametrize(
    "command",
    [(), ("decide",), ("explain",), ("policy",), ("policy", "list"), ("policy", "table"), ("policy", "check")],
)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    ran = run(*command, "--help")
    assert ran.returncode == 0
    if command != ("policy",):
        assert re.search(rf"Example: remediate {' '.join(command)}", ran.stdout)


def test_completion_is_there_and_so_is_the_version() -> None:
    assert "--show-completion" in run("--help").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run_process("--version").stdout)


def test_a_long_input_does_not_grow_the_memory() -> None:
    """Fifty times the lines, and a bad one first: the peak of the process stays where it was."""

    def peak(count: int, *options: str) -> int:
        script = (
            "import resource, sys\n"
            "from remediate.cli.app import app\n"
            f"sys.argv = ['remediate', 'decide', *{options!r}]\n"
            "try:\n    app()\nexcept SystemExit as end:\n    assert end.code == 1\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
        )
        feeder = f"import sys; sys.stdout.write('{{\"a\":\\n' + '{HEALTHY}\\n' * {count})"
        fed = subprocess.Popen([sys.executable, "-c", feeder], stdout=PIPE)
        ran = subprocess.run([sys.executable, "-c", script], stdin=fed.stdout, stdout=DEVNULL, stderr=PIPE)
        assert fed.stdout is not None
        fed.stdout.close()
        assert fed.wait() == 0
        return int(ran.stderr.split()[-1])

    assert peak(50_000, "--json") < peak(1_000, "--json") + 2_000
    assert peak(4_000) < peak(800) + 2_000
