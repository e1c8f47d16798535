"""The ledger, over every database that it can be kept in."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from remediate import InputError, Owner
from remediate.errors import ConfigurationError, LeaseLostError, LedgerError
from remediate.events import (
    Accepted,
    Held,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Released,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.ledger import Claim, Ledger
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.ledgers import new_database
from tests.lives import BROKEN, DOWN, LAPSED, WELL, failed

WANTED = Wanted(by="a schedule")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(address: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(address, clock=clock, lease_s=100, holder="one") as made:
        yield made


@pytest.fixture
def other(ledger: Ledger, address: str, clock: Clock) -> Iterator[Ledger]:
    """Another process's, as far as the database can tell; in memory there is none."""
    if address == ":memory:":
        yield ledger
        return
    with Ledger(address, clock=clock, lease_s=100, holder="other") as made:
        yield made


def saw(ledger: Ledger, claim: Claim, observation: object) -> list[object]:
    return list(ledger.record(claim, Observed(observation=observation, asked_s=ledger.moment(claim))))


def until_triggered(ledger: Ledger, clock: Clock, key: str = "acme") -> tuple[Claim, Trigger]:
    for _ in range(5):
        claim = ledger.claim_one(key)
        assert claim is not None
        last = saw(ledger, claim, DOWN)[-1]
        if isinstance(last, Trigger):
            return claim, last
        assert isinstance(last, WaitUntil)
        clock.now_s = last.at_s or clock.now_s
    raise AssertionError("no sync was triggered")


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


def test_a_notice_is_delivered_until_it_is_said_to_have_been(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    claim = ledger.claim_one("acme")
    assert claim is not None
    asked = saw(ledger, claim, LAPSED)
    assert isinstance(asked[0], Notify)
    [message] = ledger.outbox.take(9, again_s=60)
    assert (message.id, message.kind, message.tries) == (asked[0].id, "notice", 0)
    assert '"audience": "customer"' in message.content
    assert other.outbox.take(9, again_s=60) == []
    clock.now_s += 61
    [again] = other.outbox.take(9, again_s=60)
    assert (again.id, again.tries) == (message.id, 1)
    other.outbox.failed(again, "refused", again_s=600)
    [failing] = ledger.overview().failing
    assert (failing.id, failing.fault, failing.tries) == (message.id, "refused", 2)
    assert ledger.overview().lag_s == 61
    clock.now_s += 601
    [last] = ledger.outbox.take(9, again_s=60)
    ledger.outbox.delivered(last)
    ledger.outbox.failed(last, "late news", again_s=1)
    assert (ledger.overview().waiting, ledger.overview().failing) == (0, ())
    clock.now_s += 9999
    assert ledger.outbox.take(9, again_s=60) == []


def test_a_ticket_for_the_fleet_is_opened_once_and_resolving_it_mends_everyone(ledger: Ledger, clock: Clock) -> None:
    for key in ("a", "b", "c"):
        claim = ledger.claim_one(key)
        assert claim is not None
        asked = saw(ledger, claim, BROKEN)
        assert isinstance(asked[0], OpenTicket)
    [message] = ledger.outbox.take(9, again_s=60)
    [ticket] = ledger.overview().tickets
    assert (ticket.connections, ticket.owner, ticket.id) == (3, Owner.PROVIDER, asked[0].id)
    assert ledger.standing("a").tickets == (ticket.id,)
    clock.now_s += 10
    healed = ledger.claim_one("c")
    assert healed is not None
    saw(ledger, healed, WELL)
    assert ledger.resolve(ticket.id, by="Layer", why="deployed") == 2
    assert ledger.settle() == 0
    assert ledger.history("a")[-1][1] == Mended(by="Layer", why="deployed", ticket=ticket.id)
    [resolved] = ledger.outbox.take(9, again_s=60)
    assert (resolved.id, resolved.kind) == (f"{message.id}/resolved", "ticket_resolved")
    assert {claim.key for claim in ledger.claim(9)} == {"a", "b"}
    assert ledger.overview().tickets == ()
    late = ledger.claim_one("d")
    assert late is not None
    saw(ledger, late, BROKEN)
    [again] = ledger.outbox.take(9, again_s=60)
    assert (again.id, again.kind) == (f"{message.id}/2", "ticket_opened")
    with pytest.raises(InputError, match="ticket"):
        ledger.resolve("none", by="Layer")


def test_a_success_resolves_what_was_opened(ledger: Ledger, clock: Clock) -> None:
    claim = ledger.claim_one("acme")
    assert claim is not None
    saw(ledger, claim, failed("QUICKBOOKS_VALIDATION_ERROR"))
    assert [ticket.scope for ticket in ledger.overview().tickets] == ["connection"]
    clock.now_s += 100
    claim = ledger.claim_one("acme")
    assert claim is not None
    saw(ledger, claim, WELL)
    assert ledger.overview().tickets == ()
    assert [message.kind for message in ledger.outbox.take(9, again_s=1)] == ["ticket_opened", "ticket_resolved"]
    assert ledger.settle() == 0


def test_a_schedule_wants_syncs_where_all_is_well(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"], every_s=3600)
    [claim] = ledger.claim()
    assert not claim.wants_sync
    saw(ledger, claim, WELL)
    standing = ledger.standing("acme")
    assert standing.due_s == standing.sync_at_s
    assert 0 <= (standing.sync_at_s or 0) - clock.now_s < 3600
    ledger.enroll(["acme"], every_s=3600)
    assert ledger.standing("acme").sync_at_s == standing.sync_at_s
    clock.now_s = (standing.sync_at_s or 0) + 1
    [claim] = ledger.claim()
    assert claim.wants_sync
    commands = ledger.record(claim, WANTED, Observed(observation=WELL, asked_s=ledger.moment(claim)))
    assert isinstance(commands[-1], Trigger)
    assert ledger.standing("acme").sync_at_s == (standing.sync_at_s or 0) + 3600
    ledger.enroll(["acme"], every_s=60)
    assert (ledger.standing("acme").sync_at_s or 0) < clock.now_s + 60
    ledger.enroll(["acme"])
    assert ledger.standing("acme").every_s == 60
    ledger.enroll(["acme"], every_s=0)
    assert (ledger.standing("acme").every_s, ledger.standing("acme").sync_at_s) == (None, None)


def test_a_claim_is_given_up(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    [claim] = ledger.claim()
    ledger.release(claim, again_s=30)
    assert ledger.claim() == []
    clock.now_s += 30
    [claim] = ledger.claim()
    saw(ledger, claim, DOWN)
    due_s = ledger.standing("acme").due_s
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


@pytest.mark.parametrize("every_s", [-1, float("nan"), float("inf")])
def test_a_period_that_is_none_is_refused(every_s: float) -> None:
    with Ledger() as ledger, pytest.raises(InputError, match="every_s"):
        ledger.enroll(["a"], every_s=every_s)


@pytest.mark.parametrize("where", ["mysql://x", "postgresql://host:port/x", "", None, "nonsense://x"])
def test_what_is_no_ledger_is_refused(where: str) -> None:
    with pytest.raises(ConfigurationError):
        Ledger(where)


def test_a_newer_schema_is_refused(address: str, ledger: Ledger) -> None:
    if address == ":memory:":
        return
    from remediate.ledger.schema import meta

    ledger._database.write(lambda tx: tx.execute(meta.update(), {"value": "2"}))
    with pytest.raises(LedgerError, match="schema version 2"):
        Ledger(address)


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
