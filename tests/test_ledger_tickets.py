"""Notices and tickets: once, until they are delivered, and again where a repair was in vain."""

from __future__ import annotations

import pytest

from remediate import Escalate, InputError, Owner
from remediate.events import (
    Mended,
    Notify,
    OpenTicket,
    Trigger,
)
from remediate.ledger import Ledger, posting
from remediate.ledger.database import Transaction
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import BROKEN, LAPSED, WELL, failed


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
    began_s = clock.now_s
    for key in ("a", "b", "c"):
        clock.now_s += 1
        claim = ledger.claim_one(key)
        assert claim is not None
        asked = saw(ledger, claim, BROKEN)
        assert isinstance(asked[0], OpenTicket)
    [message] = ledger.outbox.take(9, again_s=60)
    [ticket] = ledger.overview().tickets
    assert (ticket.connections, ticket.owner, ticket.id) == (3, Owner.PROVIDER, asked[0].id)
    assert ticket.opened_s == began_s + 1
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


def test_a_repair_that_did_not_help_reopens_the_ticket(ledger: Ledger, clock: Clock) -> None:
    claim = ledger.claim_one("acme")
    assert claim is not None
    saw(ledger, claim, BROKEN)
    [ticket] = ledger.overview().tickets
    ledger.resolve(ticket.id, by="Layer")
    assert ledger.overview().tickets == ()
    for _ in range(4):
        clock.now_s += 100
        claim = ledger.claim_one("acme")
        assert claim is not None
        last = saw(ledger, claim, BROKEN)[-1]
        if isinstance(last, Trigger):
            ledger.answered(claim, last.number, WELL)
    assert [one.id for one in ledger.overview().tickets] == [ticket.id]
    assert ledger.standing("acme").tickets == (ticket.id,)
    kinds = [message.kind for message in ledger.outbox.take(9, again_s=1)]
    assert kinds == ["ticket_opened", "ticket_resolved", "ticket_opened"]


def test_a_resolution_that_was_cut_short_is_finished_though_the_ticket_is_open_again(ledger: Ledger) -> None:
    for key in ("a", "b"):
        claim = ledger.claim_one(key)
        assert claim is not None
        saw(ledger, claim, BROKEN)
    [ticket] = ledger.overview().tickets
    ledger._database.write(lambda tx: posting.resolve(tx, ticket.id, "Layer", ""))
    claim = ledger.claim_one("c")
    assert claim is not None
    saw(ledger, claim, BROKEN)
    assert ledger.settle() == 2
    assert [ledger.standing(key).version for key in ("a", "b", "c")] == [2, 2, 1]
    assert ledger.standing("c").tickets == (ticket.id,)


def test_a_resolution_that_is_overtaken_mends_nobody_behind_the_reopened_ticket(ledger: Ledger) -> None:
    claim = ledger.claim_one("a")
    assert claim is not None
    saw(ledger, claim, BROKEN)
    [ticket] = ledger.overview().tickets

    def overtaken(tx: Transaction) -> bool:
        posting.resolve(tx, ticket.id, "Layer", "")
        [stale] = posting.behind_resolved(tx)
        posting.unlink(tx, "a", stale)
        posting.post(tx, "a", [again])
        return posting.unlink(tx, "a", stale)

    decision = ledger.engine.decide(BROKEN)
    assert isinstance(decision, Escalate)
    again = OpenTicket(id=ticket.id, owner=decision.owner, scope=decision.scope, cause=decision.rule, decision=decision)
    assert not ledger._database.write(overtaken)
    assert ledger.standing("a").tickets == (ticket.id,)
