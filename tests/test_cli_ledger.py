"""The commands about a ledger as people meet them: the command, real files, a real Layer on loopback."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from remediate.ledger import Ledger
from remediate.upstreams.layer.sandbox import Sandbox, Trouble, serving
from tests.commands import COMMAND, run
from tests.layer_calls import LAPSED
from tests.ledgers import new_database


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `remediate.db` is nobody's, and no credentials are."""
    monkeypatch.chdir(tmp_path)
    for name in ("LAYER_CLIENT_ID", "LAYER_CLIENT_SECRET", "LAYER_ENVIRONMENT", "REMEDIATE_LEDGER"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def running(url: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    told = {"LAYER_ENVIRONMENT": url, "LAYER_CLIENT_ID": "sandbox-id", "LAYER_CLIENT_SECRET": "sandbox-secret"}
    command = [*COMMAND, "run", *map(str, arguments)]
    with subprocess.Popen(command, stderr=PIPE, stdout=PIPE, text=True, env={**os.environ, **told}) as process:
        try:
            yield process
        finally:
            process.kill()


def until(answers: dict[str, int], address: str = "remediate.db") -> None:
    """Wait until the fleet stands like that."""
    for _ in range(200):
        time.sleep(0.05)
        if address != "remediate.db" or Path(address).exists():
            with Ledger(address) as ledger:
                if dict(ledger.overview().answers) == answers:
                    return
    raise AssertionError("it never stood like that")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_fleet_is_looked_after_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("\ufeffacme\n\n  lapsed \nacme\n")
    sandbox = Sandbox()
    sandbox.add("acme")
    sandbox.add("lapsed", LAPSED)
    with serving(sandbox) as url, running(url, ids, "--every", "6h", "--ungoverned") as process:
        until({"no_op healthy": 1, "reauth reauthorize quickbooks": 1})
        told = run("status", "lapsed")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "remediate.sending notice" in err
    assert "looks: 2, syncs: 0" in err
    assert "secret" not in err
    assert told.returncode == 0
    assert "reauth reauthorize quickbooks: QuickBooks no longer accepts" in told.stdout
    assert "who acts next: customer" in told.stdout
    assert "next scheduled sync" in told.stdout


def test_people_say_what_happened_and_it_is_recorded(postgres: str) -> None:
    address = new_database(postgres)
    with Ledger(address) as ledger:
        ledger.enroll(["acme"])
    where = ("--ledger", address)
    assert run("hold", "acme", "--by", "ada", "--why", "an audit", *where).returncode == 0
    assert "held: no sync is triggered" in run("status", "acme", *where).stdout
    assert run("release", "acme", "--by", "ada", *where).returncode == 0
    assert run("repaired", "acme", "--by", "the OAuth callback", *where).returncode == 0
    with Ledger(address) as ledger:
        said = [(type(event).__name__, event.by, event.why) for _, event, _ in ledger.history("acme")]  # type: ignore[union-attr]  # people's events
    assert said == [("Held", "ada", "an audit"), ("Released", "ada", ""), ("Mended", "the OAuth callback", "")]
    standing = json.loads(run("status", "acme", "--json", *where).stdout)
    assert standing["state"]["repaired"] is True


def test_a_ticket_is_resolved_for_everyone_behind_it(tmp_path: Path) -> None:
    sandbox = Sandbox()
    for key in ("a", "b"):
        sandbox.add(key, Trouble(reason="QUICKBOOKS_BAD_REQUEST", mended_by="provider"))
    (tmp_path / "ids.txt").write_text("a\nb\n")
    with serving(sandbox) as url, running(url, "ids.txt") as process:
        until({"escalate provider integration": 2})
        process.terminate()
        process.communicate(timeout=20)
    overview = json.loads(run("status", "--json").stdout)
    [ticket] = overview["tickets"]
    assert ticket["connections"] == 2
    assert f"{ticket['id']} (provider): 2 behind it" in run("status").stdout
    assert run("repaired", ticket["id"], "--ticket", "--by", "ada").stdout == "repaired: 2\n"
    assert run("repaired", "none", "--ticket", "--by", "ada").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status",), "the ledger: no such file"),
        (("hold", "acme", "--by", "x"), "the ledger: no such file"),
        (("run", "nowhere.txt"), "nowhere.txt: can't be read"),
        (("run", "ids.txt"), "LAYER_ENVIRONMENT is not set"),
        (("run", "ids.txt", "--policy", "airbyte"), "there is no client of airbyte here"),
        (("run", "ids.txt", "--every", "6 hours"), "--every: expected"),
        (("run", "ids.txt", "--every", "10s"), "--every: expected"),
        (("run", "--every", "6h"), "--every is for the business ids of a file"),
        (("run", "--policy", "layer-quickboks"), "did you mean `layer-quickbooks`"),
        (("run", "--ledger", "mysql://x/y"), "SQLite or PostgreSQL"),
        (("run", "--ledger", "nowhere/x.db"), "the ledger: unable to open database file"),
        (("status", "--ledger", "ids.txt"), "the ledger: file is not a database"),
        (("status", "--ledger", "postgresql://me:s3cret@127.0.0.1:9/x"), "the ledger: connection"),
        (("run", "ids.txt", "--webhook", "https://example.com"), "webhook secret"),
        (("hold", "acme"), "Missing option '--by'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "ids.txt").write_text("some text that is neither a database nor empty, and quite long\n" * 20)
    told = run(*arguments)
    assert told.returncode == 2, told
    assert said in told.stderr
    assert "s3cret" not in told.stderr


def test_bad_ids_are_all_told_and_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes(b"fine\n" + b"x" * 513 + b"\n\xff\n")
    told = run("run", "ids.txt")
    assert told.returncode == 1
    assert "ids.txt: line 2: expected a key of 1 to 512 bytes" in told.stderr
    assert "ids.txt: line 3: not UTF-8" in told.stderr
    assert not (tmp_path / "remediate.db").exists()


def test_who_is_not_known_is_told() -> None:
    Ledger("remediate.db").close()
    for command in (("status", "nobody"), ("hold", "nobody", "--by", "x"), ("repaired", "nobody", "--by", "x")):
        told = run(*command)
        assert told.returncode == 1
        assert "no such connection is known" in told.stderr
    assert run("status").stdout.startswith("0 connections: 0 due")


def test_what_can_not_be_read_is_listed() -> None:
    with Ledger("remediate.db") as ledger:
        ledger.enroll(["good", "bad"])
    connection = sqlite3.connect("remediate.db")
    with connection:
        connection.execute("update remediate_connections set state = '{' where key = 'bad'")
    connection.close()
    with Ledger("remediate.db") as ledger:
        ledger.claim(9)
    told = run("status").stdout
    assert "bad: what is remembered can't be read" in told
    assert "can't be read" in run("status", "bad").stdout
