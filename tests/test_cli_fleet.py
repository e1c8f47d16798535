"""How a fleet in an outage is told to people, what they order, and what a worker hears meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from remediate import waiting
from remediate.events import Mended, Wanted
from remediate.fleet import Order, Phase
from remediate.ledger import Ledger
from tests.commands import run
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import SYNCING, WELL
from tests.test_ledger_fleet import goes_down, keys, row

NOON_S = 1_795_435_200.0  # 2026-11-23 12:00 UTC
UNSPENT = "your attempts are not being used up"


@pytest.fixture
def clock() -> Clock:
    return Clock(now_s=NOON_S)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REMEDIATE_LEDGER", raising=False)


@pytest.fixture
def now() -> Iterator[Ledger]:
    """A ledger by the machine's clock, as the command has it."""
    with Ledger("remediate.db", clock=time.time, lease_s=4_000) as made:
        yield made


def held_now(ledger: Ledger) -> None:
    """The fleet is held by an operator, and led."""
    ledger.enroll(keys(3))
    ledger.fleet.order(Order.OPEN, by="ada\x1b[1m", why="a migration", until_s=time.time() + 1_800)
    assert ledger.fleet.leader().step() is not None


def test_a_connection_that_is_held_says_since_when_and_until_when(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    goes_down(ledger, leader, clock)
    clock.now_s += 20
    leader.step()
    waits = next(key for key in keys(30) if row(ledger, key).stage == 1)
    told = ledger.standing(waits).held_because
    assert told is not None
    pattern = rf"upstream has been failing for everyone since 12:00 UTC; next probe 12:0\d UTC; {UNSPENT}"
    assert re.fullmatch(pattern, told), told
    clock.now_s += 86_400
    leader.step()
    told = ledger.standing(waits).held_because
    assert told is not None
    assert "since 2026-11-23 12:00 UTC" in told
    assert "next probe 12:" in told


def test_who_waits_in_calm_times_waits_for_its_turn(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(40))
    leader = ledger.fleet.leader()
    leader.step()
    waits = next(key for key in keys(40) if row(ledger, key).stage == 1)
    granted = next(key for key in keys(40) if row(ledger, key).stage == 2)
    told = ledger.standing(waits).held_because
    assert told is not None
    assert told.startswith("waits for its turn: ")
    assert UNSPENT not in told
    assert ledger.standing(granted).held_because is None
    leader.resign()
    assert (
        ledger.standing(waits).held_because == "nobody leads the fleet, so nothing starts until a governed runner runs"
    )


def test_the_command_tells_of_a_fleet_that_is_held(now: Ledger) -> None:
    held_now(now)
    told = run("status", "c001").stdout
    assert "held back: `ada\\x1b[1m` has been holding everyone since" in told
    assert f"(a migration); next probe {time.strftime('%H', time.gmtime())}" in told or "next probe" in told
    assert UNSPENT in told
    assert "looked at again" not in told
    assert "held back: " in run("status").stdout
    standing = json.loads(run("status", "c001", "--json").stdout)
    assert standing["waits"]
    assert UNSPENT in standing["held_because"]
    fleet = run("fleet")
    assert fleet.returncode == 0
    assert fleet.stdout.startswith("open: 0 of ")
    assert "3 wait" in fleet.stdout
    assert "/incident/1: `ada" in fleet.stdout
    assert "led by " in fleet.stdout
    plain = json.loads(run("fleet", "--json").stdout)
    assert (plain["governed"]["phase"], plain["governed"]["waiting"], plain["orders"]) == ("open", 3, 0)
    assert [one["trouble"] for one in plain["governed"]["incidents"]] == ["operator"]


def test_an_order_may_be_for_one_tenant(now: Ledger) -> None:
    now.enroll(keys(3))
    leader = now.fleet.leader(tenant=lambda key: "acme" if key == keys(3)[0] else "other")
    leader.step()
    opened = run("fleet", "open", "--by", "ada", "--tenant", "acme")
    assert (opened.returncode, opened.stderr) == (0, "")
    leader.step()
    assert "`ada` has been holding all of tenant `acme` since " in run("fleet").stdout
    assert "; next probe " in run("fleet").stdout
    standing = now.fleet.standing()
    assert standing is not None
    assert [one.tenant for one in standing.governed.incidents] == ["acme"]
    assert "open for `acme`" in run("fleet", "--orders").stdout
    assert "the fleet is not held" in run("fleet", "close", "--by", "eve").stderr
    closed = run("fleet", "close", "--by", "bob", "--tenant", "acme")
    assert (closed.returncode, closed.stderr) == (0, "")
    leader.step()
    assert "`ada` was holding all of tenant `acme` from " in run("fleet").stdout
    assert ", until `bob` closed that at " in run("fleet").stdout
    assert "that tenant is not held" in run("fleet", "close", "--by", "bob", "--tenant", "acme").stderr
    standing = now.fleet.standing()
    assert standing is not None
    assert standing.governed.phase == Phase.CLOSED
    assert [one.order for one in now.fleet.orders()] == [
        *(Order.CLOSE, Order.CLOSE, Order.CLOSE, Order.OPEN),
    ], "what does nothing is recorded too"


def test_what_is_about_to_be_held_may_be_closed(now: Ledger) -> None:
    now.enroll(keys(1))
    leader = now.fleet.leader()
    leader.step()
    assert run("fleet", "open", "--by", "ada").stderr == ""
    assert run("fleet", "close", "--by", "bob").stderr == ""
    leader.step()
    assert "not held" in run("fleet", "close", "--by", "bob").stderr


def test_a_time_says_its_offset_from_utc(now: Ledger) -> None:
    at = datetime.fromtimestamp(time.time() + 7_200, UTC).replace(microsecond=0)
    for until in (at, at.astimezone(timezone(timedelta(hours=5))), at.replace(tzinfo=None)):
        assert run("fleet", "mute", "--by", "ada", "--until", until.isoformat()).returncode == 0
    assert [one.until_s for one in now.fleet.orders()] == [pytest.approx(at.timestamp(), abs=1)] * 3
    for never in ("0001-01-01T00:00+05:00", "9999-12-31T23:00-05:00"):
        assert run("fleet", "mute", "--by", "ada", "--until", never).returncode == 2


def test_where_nobody_leads_the_command_says_that_nothing_starts(now: Ledger) -> None:
    unled = "nobody leads the fleet, so nothing starts until a governed runner runs"
    now.enroll(keys(1))
    leader = now.fleet.leader()
    leader.step()
    assert unled not in run("status").stdout + run("status", "c000").stdout + run("fleet").stdout
    leader.resign()
    now.enroll(["new"])
    assert f"  held back: {unled}" in run("status", "new").stdout
    assert "looked at again" not in run("status", "new").stdout
    assert unled in run("status").stdout.splitlines()
    assert unled in run("fleet").stdout.splitlines()
    [claim] = now.claim(1, granted=True)
    saw(now, claim, WELL)
    told = run("status", "c000").stdout.splitlines()
    assert f"  {unled}" in told
    assert any(line.startswith("  looked at again: in ") for line in told)


def test_orders_are_recorded_with_who_and_why_and_taken_by_the_leader(now: Ledger) -> None:
    now.enroll(keys(3))
    leader = now.fleet.leader()
    leader.step()
    opened = run("fleet", "open", "--by", "ada", "--why", "a \x07drill", "--until", "90min")
    assert (opened.returncode, opened.stderr) == (0, "")
    assert run("fleet", "mute", "--by", "ada").returncode == 0
    assert "2 orders wait for the leader" in run("fleet").stdout
    leader.step()
    assert run("fleet").stdout.startswith("open, muted: ")
    assert run("fleet", "close", "--by", "bob").returncode == 0
    assert run("fleet", "unmute", "--by", "bob").returncode == 0
    leader.step()
    assert run("fleet").stdout.startswith("recovering: ")
    told = run("fleet", "--orders").stdout.splitlines()
    assert [line.split("  ")[1].partition(" (")[0] for line in told][:3] == [
        "unmute by bob",
        "close by bob",
        "mute by ada",
    ]
    assert re.search(r"open until .*UTC by ada: a \\x07drill \(taken \d\d:\d\d UTC\)$", told[3])
    given = json.loads(run("fleet", "--orders", "--json").stdout)
    assert [(one["order"], one["by"]) for one in given][::-1] == [
        *(("open", "ada"), ("mute", "ada")),
        *(("close", "bob"), ("unmute", "bob")),
    ]
    assert given[3]["until_s"] - given[3]["at_s"] == pytest.approx(5_400, abs=30)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("fleet",), 1, ""),
        (("fleet", "open", "--by", "ada", "--until", "yesterday"), 2, "--until: expected"),
        (("fleet", "open", "--by", "ada", "--until", "2001-01-01"), 2, "--until: expected"),
        (("fleet", "open", "--by", " "), 1, "expected who says so"),
        (("fleet", "open", "--by", "ada", "--tenant", " "), 1, "`tenant`: expected whose connections are meant"),
        (("fleet", "close", "--by", "ada"), 0, "nobody leads this fleet now, so it is taken as soon as"),
        (("fleet", "close", "--by", "ada"), 0, "recorded; the fleet is not held, so there is nothing to close"),
        (("fleet", "close", "--by", "ada", "--tenant", "acme"), 0, "that tenant is not held"),
        (
            ("fleet", "open", "--by", "ada", "--tenant", "ac\x07me"),
            0,
            r"known to be of tenant `ac\x07me`: Runner(tenant=",
        ),
        (("fleet", "close", "--ledger", "nowhere.db", "--by", "ada"), 2, "no such file"),
        (("fleet", "mute"), 2, "Missing option '--by'"),
    ],
)
def test_what_is_wrong_is_told(now: Ledger, arguments: tuple[str, ...], status: int, said: str) -> None:
    told = run(*arguments)
    assert told.returncode == status, told
    assert said in told.stderr


def may_not(key: str) -> Any:
    raise AssertionError("it is held")


def test_a_worker_is_told_to_come_again_and_a_runner_does_what_it_wanted(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    goes_down(ledger, leader, clock)
    with waiting.waiting_off() as waits, ledger.attempt("new", observe=may_not, by="a queue") as attempt:
        assert not attempt.may_sync
        assert not attempt.is_ours
        assert attempt.because.startswith("upstream has been failing for everyone since ")
        assert attempt.look_again_s is not None
        assert 0 < attempt.look_again_s <= 70
    assert waits == [], "it is told at once"
    assert [event for _, event, _ in ledger.history("new")] == [Wanted(by="a queue")]
    assert ledger.standing("new").holder is None
    leader.step()
    assert row(ledger, "new").stage == 1, "it waits with the others"


def test_a_worker_s_attempt_takes_a_turn_and_its_end_is_told(ledger: Ledger, address: str, clock: Clock) -> None:
    ledger.enroll(["other"])
    leader = ledger.fleet.leader()
    leader.step()
    under_way = ledger.fleet.standing().governed.under_way  # type: ignore[union-attr]  # somebody leads
    done = threading.Event()

    def leads() -> None:
        while not done.wait(0.02):
            leader.step()

    thread = threading.Thread(target=leads)
    thread.start()
    try:
        with ledger.attempt("acme", observe=lambda key: WELL) as attempt:
            assert attempt.may_sync
            assert row(ledger, "acme").stage == 2
            attempt.answer = SYNCING
    finally:
        done.set()
        thread.join()
    assert row(ledger, "acme").stage == 2, "its sync runs"
    assert ledger.claim(9, granted=True)[0].key == "other"
    clock.now_s += 20
    [poll] = ledger.claim(9, granted=True)
    assert poll.key == "acme"
    leader.step()
    assert ledger.fleet.standing().governed.under_way == under_way + 1  # type: ignore[union-attr]  # somebody leads


def test_a_worker_whose_turn_does_not_come_wants_a_sync(ledger: Ledger, clock: Clock) -> None:
    ledger.fleet.leader().step()

    async def attempted() -> Any:
        async def looks(key: str) -> Any:
            may_not(key)

        async with ledger.attempt_async("acme", observe=looks, by="a queue", turn_s=0.2) as attempt:
            return attempt

    attempt = asyncio.run(attempted())
    assert not attempt.may_sync
    assert attempt.because.startswith("waits for its turn")
    assert [event for _, event, _ in ledger.history("acme")] == [Wanted(by="a queue")]
    assert ledger.standing("acme").due_s == clock.now_s


def test_where_nobody_leads_any_more_a_worker_goes_on(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    goes_down(ledger, leader, clock)
    clock.now_s += 26
    with ledger.attempt("acme", observe=lambda key: WELL) as attempt:
        assert attempt.may_sync
        attempt.answer = SYNCING


def test_a_repair_by_people_is_told_where_there_is_a_governor(ledger: Ledger, clock: Clock) -> None:
    from tests.test_ledger_fleet import untold

    ledger.enroll(["acme"])
    ledger.tell("acme", Mended(by="ada"))
    assert untold(ledger) == 0
    ledger.fleet.leader().step()
    ledger.tell("acme", Mended(by="ada"))
    assert untold(ledger) == 1
