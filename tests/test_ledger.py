"""The ledger, over every database that it can be kept in."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import attrs
import pytest
from sqlalchemy import text

from remediate import History, InputError, from_json
from remediate.errors import ConfigurationError, LeaseLostError, LedgerError
from remediate.events import (
    Accepted,
    Held,
    Mended,
    Observe,
    Observed,
    Released,
    Trigger,
    WaitUntil,
)
from remediate.ledger import Ledger
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.ledgers import new_database, saw, until_triggered
from tests.lives import DOWN, LAPSED, WELL


def test_what_is_enrolled_is_due_once_and_held_by_one(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    ledger.enroll(["a", "b", "a", "c"])
    clock.now_s += 1
    assert [claim.key for claim in ledger.claim(2)] == ["a", "b"]
    ledger.enroll(["a", "d"])
    assert {claim.key for claim in other.claim(9)} == {"c", "d"}
    assert other.claim(9) == []
    assert other.claim_one("a") is None
    assert ledger.next_due_s() == 100
    clock.now_s += 99.9
    assert other.claim(9) == []
    clock.now_s += 0.2
    again = other.claim(9)
    assert {claim.key for claim in again} == {"a", "b", "c", "d"}
    assert {claim.token for claim in again} == {2}


def test_a_wait_ends_the_lease_and_nothing_else_does(ledger: Ledger, clock: Clock) -> None:
    claim, trigger = until_triggered(ledger, clock)
    assert ledger.standing("acme").holder == "one"
    assert ledger.claim_one("acme") is None
    [wait] = ledger.answered(claim, trigger.number, WELL)
    assert isinstance(wait, WaitUntil)
    assert ledger.standing("acme").holder is None
    assert ledger.standing("acme").due_s == wait.at_s
    assert ledger.claim_one("acme") is not None


def test_what_is_recorded_is_the_state_and_its_journal(ledger: Ledger, clock: Clock) -> None:
    claim, trigger = until_triggered(ledger, clock)
    refused = ApiFailure(call="sync", http_status=429, retry_after_s=60)
    ledger.answered(claim, trigger.number, refused)
    ledger.tell("acme", Held(by="ops", why="an audit"))
    standing = ledger.standing("acme")
    events = [(event, at_s) for _, event, at_s in ledger.history("acme")]
    assert standing.version == len(events)
    assert events[-1][0] == Held(by="ops", why="an audit")
    assert standing.state == ledger.engine.lifecycle.replay("acme", events)
    assert standing.decision is not None
    assert standing.decision.action == "retry"


def test_a_trigger_is_given_only_to_who_holds(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    [mine] = ledger.claim()
    clock.now_s += 101
    [theirs] = other.claim()
    before = ledger.standing("acme")
    with pytest.raises(LeaseLostError):
        saw(ledger, mine, DOWN)
    assert ledger.standing("acme") == before
    assert isinstance(saw(other, theirs, DOWN)[-1], WaitUntil)
    with pytest.raises(LeaseLostError):
        saw(ledger, mine, DOWN)
    with pytest.raises(InputError, match="event"):
        ledger.tell("acme", Observed(observation=DOWN, asked_s=clock.now_s))


def test_a_lease_that_ran_out_and_nobody_took_is_still_ours(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    [claim] = ledger.claim()
    clock.now_s += 500
    assert isinstance(saw(ledger, claim, WELL)[-1], WaitUntil)


def test_a_trigger_that_may_have_been_late_is_counted_and_looked_at(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    claim, trigger = until_triggered(ledger, clock)
    clock.now_s += 101
    [theirs] = other.claim()
    assert isinstance(saw(other, theirs, DOWN)[-1], WaitUntil)
    with pytest.raises(LeaseLostError):
        ledger.answered(claim, trigger.number, WELL)
    assert ledger.overview().late == 1
    [again] = other.claim()
    assert again.state.flight is not None
    assert isinstance(saw(other, again, DOWN)[-1], WaitUntil)
    assert other.standing("acme").state.flight is not None  # type: ignore[union-attr]  # it can be read


def test_a_late_answer_beside_another_s_lease_leaves_it_to_them(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    claim, trigger = until_triggered(ledger, clock)
    clock.now_s += 101
    [theirs] = other.claim()
    with pytest.raises(LeaseLostError):
        ledger.answered(claim, trigger.number, WELL)
    assert ledger.standing("acme").holder == theirs_holder(other)
    assert not isinstance(saw(other, theirs, DOWN)[-1], Trigger)


def theirs_holder(other: Ledger) -> str:
    return other.holder


def test_people_are_heard_whoever_holds(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    [claim] = ledger.claim()
    assert isinstance(other.tell("acme", Mended(by="Ada", why="signed in"))[-1], Observe)
    assert ledger.standing("acme").holder == "one"
    assert isinstance(saw(ledger, claim, LAPSED)[-1], WaitUntil)
    assert not ledger.overview().waiting, "it was mended"
    ledger.tell("acme", Held(by="Ada"))
    ledger.tell("acme", Released(by="Ada"))
    assert [claim.key for claim in ledger.claim()] == ["acme"], "a look is due at once"
    with pytest.raises(InputError, match="key"):
        ledger.tell("nobody", Mended(by="Ada"))


def test_a_claim_is_given_up(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    [claim] = ledger.claim()
    ledger.release(claim, again_s=30)
    assert ledger.claim() == []
    clock.now_s += 30
    [claim] = ledger.claim()
    saw(ledger, claim, DOWN)
    due_s = ledger.standing("acme").due_s
    ledger.release(claim, again_s=0)
    assert ledger.standing("acme").due_s == due_s, "it was held no longer"
    again = ledger.claim_one("acme")
    assert again is not None
    ledger.release(again)
    ledger.release(claim, again_s=0)
    assert ledger.standing("acme").due_s == due_s


def test_old_entries_are_forgotten_and_the_state_is_not(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    ledger.tell("acme", Mended(by="x"))
    clock.now_s += 100
    ledger.tell("acme", Mended(by="y"))
    state = ledger.standing("acme").state
    assert ledger.prune(50) == 1
    assert [event for _, event, _ in ledger.history("acme")] == [Mended(by="y")]
    assert ledger.standing("acme").state == state
    [(number, _, _)] = ledger.history("acme")
    assert ledger.history("acme", after=number) == []


def test_a_state_that_can_not_be_read_stops_no_other(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["bad", "good"])
    spoil(ledger, "bad")
    assert [claim.key for claim in ledger.claim(9)] == ["good"]
    assert ledger.overview().unreadable == ("bad",)
    assert ledger.standing("bad").state is None
    with pytest.raises(LedgerError, match="can't be read"):
        ledger.tell("bad", Mended(by="x"))
    clock.now_s += 7200
    with pytest.raises(LedgerError, match="can't be read"):
        ledger.claim_one("bad")


def spoil(ledger: Ledger, key: str) -> None:
    from remediate.ledger.schema import connections

    spoilt = connections.update().where(connections.c.key == key)
    ledger._database.write(lambda tx: tx.execute(spoilt, {"state": '{"key": "bad", "attempts": '}))


@pytest.mark.parametrize("key", ["", "x" * 513, "a\0b", "\ud800", 7, None])
def test_a_key_that_can_not_be_one_is_refused(ledger: Ledger, key: object) -> None:
    with pytest.raises(InputError, match="key"):
        ledger.enroll(["fine", key])  # type: ignore[list-item]  # that is the point
    assert ledger.overview().connections == 0


@pytest.mark.parametrize("where", ["mysql://x", "postgresql://host:port/x", "", None, "nonsense://x"])
def test_what_is_no_ledger_is_refused(where: str) -> None:
    with pytest.raises(ConfigurationError):
        Ledger(where)


def test_a_newer_schema_is_refused(address: str, ledger: Ledger) -> None:
    if address == ":memory:":
        return
    from remediate.ledger.schema import meta

    ledger._database.write(lambda tx: tx.execute(meta.update(), {"value": "99"}))
    with pytest.raises(LedgerError, match="schema version 99"):
        Ledger(address)


OF_VERSION_1 = ("UPDATE remediate_meta SET value = '1'",)
OF_GOVERNORS = ("stage", "start", "arrival", "overdue_s", "repairs", "tenant")
WITHOUT_GOVERNORS = (
    "DROP TABLE remediate_governors",
    "DROP TABLE remediate_fleet_events",
    "DROP TABLE remediate_fleet_orders",
    "DROP INDEX remediate_connections_stage",
    "DROP INDEX remediate_outbox_withheld",
    *(f"ALTER TABLE remediate_connections DROP COLUMN {one}" for one in OF_GOVERNORS),
)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_older_schema_is_brought_up(kind: str, postgres: str, tmp_path: Path) -> None:
    where = new_database(postgres) if kind == "postgres" else str(tmp_path / "ledger.db")
    with Ledger(where) as made:
        made.enroll(["old"])
        for statement in (*WITHOUT_GOVERNORS, "ALTER TABLE remediate_journal DROP COLUMN history", *OF_VERSION_1):
            made._database.write(lambda tx, said=statement: tx.execute(text(said)))
    for _ in range(2):
        with Ledger(where) as made:
            made.enroll(["acme"])
            saw(made, made.claim_one("acme"), DOWN)
            assert json.loads(made.decisions()[-1].history or "") == attrs.asdict(History())
            made.forget("acme")
    with Ledger(where) as made:
        assert made.fleet.leader().step() is not None
        assert [claim.key for claim in made.claim(9, granted=True)] == ["old"]


def test_the_journal_tells_what_was_decided_and_on_what_history(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme", "other"])
    for key in ("acme", "other"):
        saw(ledger, ledger.claim_one(key), DOWN)
    clock.now_s += 20
    saw(ledger, ledger.claim_one("acme"), LAPSED)
    found = ledger.decisions()
    assert [one.key for one in found] == ["acme", "other", "acme"]
    assert ledger.decisions(after=found[0].number, limit=1) == found[1:2]
    engine = ledger.engine
    for one in found:
        history = History(**json.loads(one.history or "{}"))
        record = engine.upstream.read(json.loads(one.event)["observation"])
        assert engine.decide(record, history, one.key) == from_json(one.decision)
    assert json.loads(found[2].history or "")["failing_for_s"] == 20


def test_many_at_once_hold_each_connection_once(postgres: str) -> None:
    where = new_database(postgres)
    keys = [f"c{number}" for number in range(200)]
    claimed: list[str] = []

    def worker() -> None:
        with Ledger(where) as mine:
            mine.enroll(keys)
            while found := mine.claim(7):
                claimed.extend(claim.key for claim in found)

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(claimed) == sorted(keys)


def test_the_database_s_clock_tells_the_time(address: str) -> None:
    import time

    with Ledger(address) as ledger:
        assert abs(ledger.moment() - time.time()) < 5
        ledger.enroll(["acme"])
        [claim] = ledger.claim()
        saw(ledger, claim, WELL)
        assert ledger.next_due_s() is None or (ledger.next_due_s() or 0) > 100


def test_accepted_beside_nothing_is_no_news(ledger: Ledger) -> None:
    claim = ledger.claim_one("acme")
    assert claim is not None
    assert isinstance(ledger.record(claim, Accepted(number=4))[-1], WaitUntil)


def test_a_hold_before_the_first_look_keeps_nobody_from_looking(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    ledger.tell("acme", Held(by="ops"))
    [claim] = ledger.claim()
    ledger.release(claim)
    assert [claim.key for claim in ledger.claim()] == ["acme"], "as nobody has looked yet"


def test_a_connection_is_forgotten(ledger: Ledger, clock: Clock) -> None:
    for key in ("acme", "other"):
        claim = ledger.claim_one(key)
        assert claim is not None
        saw(ledger, claim, LAPSED)
    ledger.forget("acme")
    with pytest.raises(InputError, match="no such connection"):
        ledger.standing("acme")
    assert ledger.history("acme") == []
    assert [message.key for message in ledger.outbox.take(9, again_s=1)] == ["other"]
    with pytest.raises(InputError, match="no such connection"):
        ledger.forget("acme")


@pytest.mark.parametrize(
    ("by", "why", "field"), [("", "", "by"), (" ", "", "by"), ("a\0", "", "by"), ("a", "\ud800", "why")]
)
def test_who_says_what_is_text(ledger: Ledger, by: str, why: str, field: str) -> None:
    ledger.enroll(["acme"])
    with pytest.raises(InputError, match=field):
        ledger.tell("acme", Mended(by=by, why=why))
    with pytest.raises(InputError, match=field):
        ledger.resolve("ticket", by=by, why=why)
    assert ledger.history("acme") == []


def test_recording_nothing_is_refused(ledger: Ledger) -> None:
    claim = ledger.claim_one("acme")
    assert claim is not None
    with pytest.raises(InputError, match="events"):
        ledger.record(claim)


def test_a_forked_process_has_connections_of_its_own(postgres: str) -> None:
    import os

    with Ledger(new_database(postgres)) as ledger:
        ledger.enroll(["a", "b", "c"])
        children = []
        for key in ("a", "b", "c"):
            child = os.fork()
            if child == 0:
                for _ in range(20):
                    ledger.tell(key, Mended(by=key))
                os._exit(0)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [0, 0, 0]
        assert [ledger.standing(key).version for key in ("a", "b", "c")] == [20, 20, 20]
