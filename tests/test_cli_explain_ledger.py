"""`remediate explain` of connections that a ledger remembers: found as the other commands find it, and while held."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediate.events import Held, Mended, Wanted
from remediate.ledger import Ledger
from tests.commands import run
from tests.ledgers import saw
from tests.lives import DOWN, WELL
from tests.test_cli_fleet import UNSPENT, held_now

MAY = "a sync may start now"
MAY_LATER = "a sync may start when it is held no longer"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REMEDIATE_LEDGER", raising=False)


@pytest.fixture
def now() -> Iterator[Ledger]:
    """A ledger by the machine's clock: of two connections one is in trouble that was mended, and one is well."""
    with Ledger("mine.db", clock=time.time, lease_s=4_000) as made:
        fill(made)
        yield made


def fill(ledger: Ledger) -> None:
    ledger.enroll(["c001", "c002", "well"])
    for key, observation, event in (("c001", DOWN, Mended(by="ada")), ("well", WELL, Wanted(by="ada"))):
        claim = ledger.claim_one(key)
        assert claim is not None
        saw(ledger, claim, observation)
        ledger.tell(key, event)


def explained(*arguments: str) -> str:
    told = run("explain", *arguments, columns=200)
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout


def test_a_connection_that_is_remembered_is_explained_and_why_it_is_held(now: Ledger) -> None:
    held_now(now)
    told = run("explain", "c001", "--ledger", "mine.db")
    assert told.returncode == 0
    assert "QuickBooks" in told.stdout
    assert "held back" in told.stdout
    assert UNSPENT in " ".join(told.stdout.split())
    plain = json.loads(run("explain", "c001", "--ledger", "mine.db", "--json").stdout)
    assert (plain["key"], plain["combination"]["sync_failure_reason"]) == ("c001", "QUICKBOOKS_SERVICE_UNAVAILABLE")
    assert UNSPENT in plain["held_because"]
    for nobody in ("nobody", "c002"):
        refused = run("explain", nobody, "--ledger", "mine.db")
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr


def test_what_is_held_is_not_said_to_start_now(now: Ledger) -> None:
    asked = ("well", "--ledger", "mine.db")
    assert MAY in explained(*asked)
    now.tell("well", Held(by="ada"))
    assert MAY not in explained(*asked)
    assert MAY_LATER in explained(*asked)


def test_while_the_fleet_is_held_no_sync_is_said_to_start_now(now: Ledger) -> None:
    held_now(now)
    told = explained("well", "--ledger", "mine.db")
    assert told.startswith("held back: ")
    assert MAY not in told
    assert MAY_LATER in told


def test_the_ledger_is_found_as_the_other_commands_find_it(now: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("explain", "c001")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "`c001` is nothing that layer publishes; a file of that name does not exist either" in refused.stderr
    monkeypatch.setenv("REMEDIATE_LEDGER", "mine.db")
    assert explained("c001") == explained("c001", "--ledger", "mine.db")
    assert run("explain", "c002").stderr == "`key`: nothing was decided about it yet\n"
    monkeypatch.setenv("REMEDIATE_LEDGER", "")
    with Ledger("remediate.db", clock=time.time) as default:
        fill(default)
    assert "c001" in explained("c001")


def test_what_is_published_or_a_file_is_no_connection(now: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATE_LEDGER", "mine.db")
    now.enroll(["QuickbooksConnectionMissing", "a file"])
    Path("a file").write_text('{"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}')
    assert "QuickbooksConnectionMissing" in explained("QuickbooksConnectionMissing")
    assert "SYNC_SUCCESS" in explained("a file")
    assert run("explain", "a file", "--ledger", "mine.db").returncode == 1, "as a connection it has no decision"


@pytest.mark.parametrize(
    ("address", "word", "said"),
    [
        ("mine.db", "nobody", "no file has that name either, and no connection of the ledger"),
        ("mine.db", "QUICKBOOKS_SERVICE_UNAVAILBLE", "did you mean `QUICKBOOKS_SERVICE_UNAVAILABLE`?"),
        ("mine.db", "x" * 5_000, "and no connection of the ledger"),
        ("nowhere.db", "nobody", "and there is no ledger where REMEDIATE_LEDGER says"),
    ],
)
def test_what_is_nothing_at_all_is_refused(
    now: Ledger, monkeypatch: pytest.MonkeyPatch, address: str, word: str, said: str
) -> None:
    monkeypatch.setenv("REMEDIATE_LEDGER", address)
    refused = run("explain", word)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert not Path("nowhere.db").exists()
