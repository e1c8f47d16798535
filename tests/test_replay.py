"""A journal under another policy: nothing changes under its own, and what would under another is counted."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Decision, Engine, History, Retry
from remediate.decision import as_dict
from remediate.events import Held, Mended, Released
from remediate.ledger import Ledger
from remediate.upstreams import Record
from remediate.upstreams.layer import ConnectionStatus
from remediate.wire import dumps, from_json
from remediate.workshop.journals import file_entries, ledger_entries
from remediate.workshop.replaying import Replay, difference, replay
from remediate.workshop.spilling import Spilling
from tests.combos import status
from tests.commands import run
from tests.layer_calls import Clock
from tests.ledgers import new_database, saw
from tests.lives import BROKEN, CLOSED, DOWN, ENGINE, LAPSED, WELL
from tests.oracle import STATUS_COMBINATIONS

EAGER = Engine.bundled("layer-quickbooks-eager")
DEFINITE = ConnectionStatus(
    is_connected=True,
    last_sync_status="SYNC_FAILURE",
    sync_failure_reason="QUICKBOOKS_BAD_REQUEST",
    is_retryable_failure=True,
)


def line(record: Record, decision: Decision | None = None, at: str = "2026-11-01T10:00:00+00:00") -> str:
    """As `decide --journal` writes it."""
    decision = decision or ENGINE.decide(record)
    return dumps({"at": at, "record": ENGINE.upstream.write(record), "decision": as_dict(decision)}) + "\n"


def of(observation: Any, key: str | None = "acme", **history: Any) -> Record:
    return Record(observation=observation, history=History(**history) if history else None, key=key)


def replayed(lines: Iterable[str], engine: Engine = ENGINE, **options: Any) -> Replay:
    stream = io.BytesIO("".join(lines).encode())
    return replay(file_entries(stream, engine, lambda _: None), engine, **options)


histories = st.none() | st.builds(
    History,
    attempts=st.integers(0, 10**18),
    failing_for_s=st.floats(0, 1e300),
    syncing_for_s=st.floats(0, 1e300),
    since_attempt_s=st.floats(0, 1e9),
    repaired=st.booleans(),
)


@given(st.sampled_from(STATUS_COMBINATIONS), histories, st.none() | st.text(), st.none() | st.floats(0))
def test_under_the_policy_that_wrote_it_nothing_changes(
    combination: tuple[str, ...], history: History | None, key: str | None, asked_s: float | None
) -> None:
    if key is not None:
        key = key.encode(errors="replace").decode()
    record = Record(observation=status(combination, retry_after_s=asked_s), history=history, key=key)
    found = replayed([line(record)])
    assert (found.entries, found.bad, found.changed.total()) == (1, 0, 0)
    assert found.then == found.now


def test_every_combination_stays_and_the_eager_policy_changes_forty_eight() -> None:
    lines = [line(of(status(combination), key=str(number))) for number, combination in enumerate(STATUS_COMBINATIONS)]
    assert replayed(lines).changed.total() == 0
    found = replayed(lines, EAGER)
    assert (found.entries, found.connections) == (1512, 1512)
    assert found.changed == {"answer": 48}
    assert sum(found.changes.values()) == 48
    assert found.changes["escalate customer connection", "retry probe"] == 12
    assert found.now.retries == found.then.retries + 48
    assert [example.facet for example in found.examples] == ["answer"] * 4
    ((name, revision, sha256),) = found.policies
    assert (name, revision, sha256) == (ENGINE.policy.name, ENGINE.policy.revision, ENGINE.policy.sha256)


def test_what_decisions_come_to_is_counted_by_connection() -> None:
    """A retry that is looked at twice is one; who was asked is asked once until a success; fleet tickets are one."""
    lived = [
        of(DOWN, attempts=0, since_attempt_s=1),
        of(DOWN, attempts=0, since_attempt_s=2),
        of(DOWN, attempts=1, since_attempt_s=1),
        of(LAPSED),
        of(LAPSED, attempts=1),
        of(WELL),
        of(LAPSED),
        of(CLOSED),
        of(BROKEN),
        of(BROKEN, key="other"),
        of(DOWN, key=None),
    ]
    side = replayed(map(line, lived)).now
    first, third, last = (ENGINE.decide(lived[number]) for number in (0, 2, 10))
    assert isinstance(first, Retry)
    assert isinstance(third, Retry)
    assert isinstance(last, Retry)
    assert side.retries == 3
    assert side.waiting_s == pytest.approx(first.delay_s + third.delay_s + last.delay_s)
    assert side.notices == 2
    assert side.tickets == {"provider": 1}
    assert side.answers["reauth reauthorize quickbooks"] == 3
    assert replayed(map(line, lived)).connections == 3
    assert replayed(map(line, [of(DOWN), of(WELL), of(DOWN)])).now.retries == 2


def changed(**fields: Any) -> Decision:
    said = json.loads(dumps(as_dict(ENGINE.decide(of(DOWN)))))
    return from_json(json.dumps(said | fields))


@pytest.mark.parametrize(
    ("fields", "facet"),
    [
        ({}, None),
        ({"rule": "another", "policy": {"name": "x", "revision": "2", "sha256": ""}, "schedule": "renamed"}, None),
        ({"delay_s": 1.5}, "times"),
        ({"delay_s": 1.5, "schedule": "another"}, "answer"),
        ({"look_again_s": 1.5}, "times"),
        ({"evidence": "none"}, "evidence"),
        ({"anomalies": ["odd"]}, "anomalies"),
        ({"because": "so", "evidence": "none"}, "evidence"),
        ({"because": "so"}, "words"),
        ({"next_steps": {"customer": "wait"}}, "words"),
    ],
)
def test_the_weightiest_difference_is_told(fields: dict[str, Any], facet: str | None) -> None:
    assert difference(ENGINE.decide(of(DOWN)), changed(**fields)) == facet
    assert difference(ENGINE.decide(of(DOWN)), ENGINE.decide(of(LAPSED))) == "answer"


def test_a_ledger_is_a_journal_too(ledger: Ledger, clock: Clock) -> None:
    """A life with everything in it; what is decided depends on the history, which the ledger kept."""
    ledger.enroll(["acme", "other"])
    for observation in (DOWN, LAPSED, WELL, DEFINITE, WELL, CLOSED):
        for key in ("acme", "other"):
            claim = ledger.claim_one(key)
            assert claim is not None
            saw(ledger, claim, observation)
            clock.now_s += 400
            if observation is LAPSED:
                ledger.tell(key, Mended(by="ada"))
                ledger.tell(key, Held(by="ada"))
                ledger.tell(key, Released(by="ada"))
    found = replay(ledger_entries(ledger, lambda _: None), ENGINE)
    assert (found.entries, found.connections, found.bad) == (12, 2, 0)
    assert found.changed.total() == 0
    assert found.then == found.now
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("remediate.workshop.journals._PAGE", 3)
        assert replay(ledger_entries(ledger, lambda _: None), EAGER).changes == {
            ("escalate provider integration", "retry probe"): 2
        }


def test_what_can_not_be_read_is_told_with_its_line_and_the_rest_is_replayed() -> None:
    good = line(of(DOWN))
    torn = [good, "\n", good[:-20], '{"at": 5}', '{"at": "x", "record": {"key": 5}, "decision": {}}', "\n", good]
    found = replayed([f"{one.rstrip()}\n" for one in torn])
    assert (found.entries, found.bad) == (2, 3)
    assert [fault.place for fault in found.faults] == ["line 3", "line 4", "line 5"]
    assert found.faults[0].why.startswith("no entry of a journal: ")
    assert "`$.at`" in found.faults[1].why
    assert found.faults[2].why == "`key`: expected a string, got a number"
    many = replayed(["x\n"] * 5, most_faults=2)
    assert (many.bad, [fault.place for fault in many.faults]) == (5, ["line 1", "line 2"])


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by the command itself."""
    file = tmp_path_factory.mktemp("journals") / "journal.ndjson"
    records = [of(DOWN, attempts=3), of(DEFINITE, key="\x1b[31mred"), of(LAPSED, key=None)]
    stdin = "".join(dumps(ENGINE.upstream.write(record)) + "\n" for record in records)
    assert run("decide", "-", "--journal", str(file), stdin=stdin).returncode == 0
    return file


def test_the_command_reads_what_decide_wrote(journal: Path) -> None:
    found = json.loads(run("replay", str(journal), "--json").stdout)
    assert (found["entries"], found["changed"], found["bad"]) == (3, {}, 0)
    assert found["then"] == found["now"]
    ran = run("replay", str(journal), "--policy", "layer-quickbooks-eager")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "3 decisions about 3 connections, by layer-quickbooks 1" in ran.stdout
    assert "1 would be otherwise" in ran.stdout
    assert "1  escalate provider integration → retry probe" in ran.stdout
    assert "\\x1b[31mred" in ran.stdout
    assert "\x1b" not in ran.stdout
    (example,) = json.loads(
        run("replay", "-", "--json", "--policy", EAGER.policy.name, stdin=journal.read_text()).stdout
    )["examples"]
    assert (example["place"], example["facet"], example["now"]["action"]) == ("line 2", "answer", "retry")


def test_the_command_refuses_what_it_can_not_read_unless_it_may_pass_over_it(journal: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.ndjson"
    torn.write_text(journal.read_text() + journal.read_text()[:40])
    ran = run("replay", str(torn))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "torn.ndjson: line 4: no entry of a journal: " in ran.stderr
    ran = run("replay", str(torn), "--skip-bad", "--json")
    assert ran.returncode == 1
    assert (json.loads(ran.stdout)["entries"], json.loads(ran.stdout)["bad"]) == (3, 1)
    for missing in ("nowhere.ndjson", str(tmp_path)):
        assert run("replay", missing).returncode == 2


def test_the_command_reads_a_ledger_and_never_shows_its_address(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with Ledger(str(file)) as made:
        made.enroll(["acme"])
        saw(made, made.claim_one("acme"), DEFINITE)
    found = json.loads(run("replay", str(file), "--policy", EAGER.policy.name, "--json").stdout)
    assert found["changes"] == [{"then": "escalate provider integration", "now": "retry probe", "decisions": 1}]
    with Ledger(str(file)) as made:
        made._database.write(lambda tx: tx.connection.exec_driver_sql("UPDATE remediate_journal SET history = NULL"))
    ran = run("replay", str(file))
    assert ran.returncode == 2
    assert "entry 1: `history`: it was decided by a version that did not keep on what history" in ran.stderr
    file.write_bytes(file.read_bytes()[:5000])
    ran = run("replay", str(file))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr
    ran = run("replay", "postgresql://user:s3cret@127.0.0.1:9/none")
    assert ran.returncode == 2
    assert "s3cret" not in ran.stderr + ran.stdout


def test_what_is_remembered_is_spilled() -> None:
    """Sixty megabytes of it: the peak of the process grows by less than half."""
    script = (
        "import resource\n"
        "from remediate.workshop.spilling import Spilling\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "with Spilling() as kept:\n"
        "    for number in range(60_000):\n"
        "        kept.put(str(number), str(number) * 200)\n"
        "    assert kept.get('59999') == '59999' * 200\n"
        "    print(len(kept), peak() - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    many, grown_kib = map(int, ran.stdout.split())
    assert many == 60_000
    assert grown_kib < 30_000


def test_what_is_remembered_is_the_latest() -> None:
    with Spilling() as kept:
        assert kept.get("acme") is None
        kept.put("acme", "one")
        kept.put("acme", "two")
        assert (kept.get("acme"), len(kept)) == ("two", 1)


def test_a_journal_of_another_upstream_is_refused() -> None:
    airbyte = Engine.bundled("airbyte")
    record = airbyte.read({"key": "a", "observation": {"job_status": "failed", "failure_type": "transient_error"}})
    decision = airbyte.decide(record)
    plain = {"at": "x", "record": airbyte.upstream.write(record), "decision": as_dict(decision)}
    found = replayed([dumps(plain) + "\n"])
    assert [fault.why for fault in found.faults] == ["it was decided for airbyte, and the policy answers for layer"]


def test_text_that_is_no_unicode_and_decides_nothing_is_no_fault() -> None:
    emoji = "\U0001f600"
    torn = of(ConnectionStatus(is_syncing=True, last_synced_at="\ud800 \udc00\ud83d " + emoji), key=emoji)
    found = replayed([line(torn), line(of(DOWN, key=emoji))])
    assert (found.bad, found.changed.total(), found.connections) == (0, 0, 1)


def test_a_database_without_a_ledger_is_left_as_it_is(tmp_path: Path, postgres: str) -> None:
    file = tmp_path / "invoices.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE invoices (number)")
        connection.commit()
    before = file.read_bytes()
    where = new_database(postgres)
    for address in (str(file), where):
        ran = run("replay", address)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "the ledger: there is none in this database" in ran.stderr
        assert run("status", "--ledger", address).returncode == 2
    assert file.read_bytes() == before
    with psycopg.connect(where) as other:
        assert other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_full_disk_is_told(journal: Path, tmp_path: Path) -> None:
    lines = "".join(line(of(DOWN, key=f"{number} {'x' * 2000}")) for number in range(9000))
    (tmp_path / "long.ndjson").write_text(lines)
    command = f'ulimit -f 8000; exec "{sys.executable}" -m remediate replay long.ndjson'
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "SQLITE_TMPDIR": str(tmp_path)},
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "a file for a while can't be written: " in ran.stderr
    assert "Traceback" not in ran.stderr
