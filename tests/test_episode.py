"""The life of a connection: scenarios."""

from __future__ import annotations

import json
import math
import re

import pytest

from remediate import Engine, InputError, Owner, PolicyError
from remediate.decision import Scope
from remediate.events import (
    Accepted,
    Held,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Released,
    ResolveTicket,
    TimePassed,
    Trigger,
    WaitUntil,
)
from remediate.loading import parse_policy, policy_path
from remediate.state import State
from remediate.strict import strict_converter
from remediate.telling import UNANSWERED
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.lives import BROKEN, CLOSED, DAY, DOWN, ENGINE, LAPSED, LIFE, SYNCING, WELL, Life, failed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("settling_s = 0", "episode.settling_s: expected 1 s or more"),
        ("poll_s = 0.5", "episode.poll_s: expected 1 s or more"),
        ("reminders_s = [604800, 259200]", "episode.reminders_s: expected rising numbers above 0"),
        ("reminders_s = [0]", "episode.reminders_s: expected rising numbers above 0"),
        ("escalate_after_s = 604800", "episode.escalate_after_s: expected a number beyond the last reminder"),
        ("settle_s = 60", "episode: unknown key `settle_s` (did you mean `settling_s`?)"),
    ],
)
def test_a_cadence_that_can_not_be_kept_is_refused(change: str, said: str) -> None:
    shipped = policy_path("layer-quickbooks").read_text()
    name = re.escape(change.split()[0].replace("settle_s", "settling_s"))
    mutant = re.sub(rf"^{name} = .*$", change, shipped, count=1, flags=re.MULTILINE)
    assert mutant != shipped
    with pytest.raises(PolicyError) as refused:
        Engine(parse_policy(mutant.encode()))
    assert said in refused.value.problems


def test_a_state_is_plain_data() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life.sees(BROKEN, 1)
    life.until_triggered(DOWN, 2)
    assert life.state.flight is not None
    converter = strict_converter()
    written = json.dumps(converter.unstructure(life.state))
    assert converter.structure(json.loads(written), State) == life.state


def test_a_healthy_connection_opens_nothing() -> None:
    life = Life()
    (wait,) = life.sees(WELL, 0)
    assert wait == WaitUntil(id="acme/wait/3600.0", at_s=3600.0, rests=True, decision=ENGINE.decide(WELL))
    assert not life.state.is_open
    assert isinstance(life(TimePassed(), 3599)[-1], WaitUntil)
    assert isinstance(life(TimePassed(), 3600)[-1], Observe)


def test_an_outage_is_retried_until_it_passes() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 100)
    assert 105 <= at <= 160
    assert life.state.attempts == 1
    assert life(Accepted(number=1), at + 1)[-1] == WaitUntil(id=f"acme/wait/{at + 8}", at_s=at + 8)
    life.sees(SYNCING, at + 11)
    assert life.state.syncing_since_s == at + 11
    life.sees(WELL, at + 50)
    assert not life.state.is_open
    assert (life.state.attempts, life.state.triggers, life.state.episode) == (0, 1, 1)
    assert life.told(Notify) == life.told(OpenTicket) == []


def test_attempts_end_in_one_ticket_for_the_fleet() -> None:
    life = Life()
    now = 0.0
    life.sees(DOWN, now)
    for _ in range(1000):
        if life.told(OpenTicket):
            break
        now = life.until_triggered(DOWN, now) + 70
        life.sees(DOWN, now)
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.scope, ticket.cause) == (Owner.PROVIDER, Scope.INTEGRATION, "QuickBooks is down")
    assert ticket.id == "layer-quickbooks/integration/ticket/provider/QuickBooks is down"
    assert life.state.attempts <= 48
    life.sees(DOWN, now + 30_000)
    assert len(life.told(OpenTicket)) == 1


def test_a_lapsed_authorisation_waits_for_its_customer_and_then_resumes_once() -> None:
    life = Life()
    (notice, wait) = life.sees(LAPSED, 0)
    assert isinstance(notice, Notify)
    assert (notice.audience, notice.reminder, notice.id) == (Owner.CUSTOMER, 0, "acme/1/notice/customer/0")
    assert notice.decision.next_steps.customer
    assert isinstance(wait, WaitUntil)
    assert wait.at_s == 6 * 3600
    for hour in range(6, 60, 6):
        assert isinstance(life(TimePassed(), hour * 3600.0)[-1], Observe)
        assert [type(c) for c in life.sees(LAPSED, hour * 3600.0)] == [WaitUntil]
    assert isinstance(life(Mended(by="oauth callback"), 60 * 3600.0)[-1], Observe)
    at = life.until_triggered(LAPSED, 60 * 3600.0)
    assert at <= 60 * 3600.0 + 10
    life.sees(WELL, at + 30)
    assert not life.state.is_open
    assert len(life.told(Trigger)) == len(life.told(Notify)) == 1


def test_a_repair_that_did_not_help_is_no_second_first_notice() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="oauth callback"), 100)
    at = life.until_triggered(LAPSED, 100)
    life(Accepted(number=1), at)
    life.sees(LAPSED, at + 60)
    assert not life.state.repaired
    assert len(life.told(Notify)) == 1
    assert len(life.told(Trigger)) == 1


def test_a_repair_while_a_sync_runs_still_lets_one_follow() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life(Mended(by="support"), at + 1)
    life.sees(SYNCING, at + 2)
    assert isinstance(life.sees(LAPSED, at + 30)[-1], Trigger)
    life.sees(SYNCING, at + 35)
    assert life.state.repaired
    assert isinstance(life.sees(LAPSED, at + 60)[0], Notify)
    assert not life.state.repaired


def test_reminders_keep_the_cadence_and_end_in_a_ticket() -> None:
    life = Life()
    now = 0.0
    while now < 16 * DAY:
        wait = life.sees(CLOSED, now)[-1]
        assert isinstance(wait, WaitUntil)
        assert wait.at_s is not None
        now = wait.at_s
        life(TimePassed(), now)
    assert [(one.reminder, one.id[-1]) for one in life.told(Notify)] == [(0, "0"), (1, "1"), (2, "2")]
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.cause) == (Owner.SUPPORT, UNANSWERED)
    asked = [at for event, at in life.journal if isinstance(event, TimePassed)]
    assert {3 * DAY, 7 * DAY, 14 * DAY} <= set(asked)


def test_a_success_resolves_the_tickets_of_the_connection() -> None:
    life = Life()
    life.sees(failed("QUICKBOOKS_VALIDATION_ERROR"), 0)
    life.sees(BROKEN, 10)
    mine, fleet = life.told(OpenTicket)
    assert (mine.scope, fleet.scope) == (Scope.CONNECTION, Scope.INTEGRATION)
    resolved, _ = life.sees(WELL, 20)
    assert resolved == ResolveTicket(id=f"{mine.id}/resolved", ticket=mine.id)
    life.sees(failed("QUICKBOOKS_VALIDATION_ERROR"), 30)
    assert life.told(OpenTicket)[-1].id != mine.id


def test_a_status_call_that_fails_says_nothing_of_the_sync_that_runs() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    flight = life.state.flight
    busy = ApiFailure(call="status", http_status=503)
    waits = []
    for n in range(8):
        wait = life.sees(busy, at + 1 + n)[-1]
        assert isinstance(wait, WaitUntil)
        assert wait.at_s is not None
        waits.append(wait.at_s - (at + 1 + n))
    assert life.state.flight == flight
    assert all(1 <= one <= 60 for one in waits)
    assert max(waits) > 10
    life.sees(busy, at + 20)
    (ticket,) = life.told(OpenTicket)
    assert ticket.owner == Owner.PROVIDER
    life.sees(WELL, at + 30)
    assert (life.state.unanswered, life.state.unanswered_since_s) == (0, None)


def test_a_stuck_sync_is_escalated_once() -> None:
    life = Life()
    for minute in range(40):
        life.sees(SYNCING, minute * 60.0)
    (ticket,) = life.told(OpenTicket)
    assert (ticket.owner, ticket.scope) == (Owner.PROVIDER, Scope.CONNECTION)


def test_an_operator_holds_and_releases() -> None:
    life = Life()
    life(Held(by="ops"), 0)
    wait = life.sees(DOWN, 1)[-1]
    assert isinstance(wait, WaitUntil)
    wait = life.sees(DOWN, 5_000)[-1]
    assert isinstance(wait, WaitUntil)
    assert (wait.id, wait.at_s, wait.rests) == ("acme/wait/8600.0", 8600.0, True)
    assert isinstance(life(Released(by="ops"), 6_000)[-1], Observe)
    assert isinstance(life.sees(DOWN, 6_001)[-1], Trigger)


def test_an_archived_business_comes_to_rest() -> None:
    life = Life()
    life.sees(DOWN, 0)
    assert life.state.is_open
    last = life.sees(ApiFailure(call="status", type="ResourceArchived"), 1)[-1]
    assert isinstance(last, WaitUntil)
    assert (last.id, last.at_s, last.rests) == ("acme/wait/None", None, True)
    assert not life.state.is_open


def test_an_answer_that_comes_late_or_twice_is_no_news() -> None:
    life = Life()
    life.sees(DOWN, 0)
    assert not isinstance(life(Observed(observation=DOWN, asked_s=0), 70)[-1], Trigger)
    assert isinstance(life(Observed(observation=DOWN, asked_s=5), 80)[-1], Observe)
    at = life.until_triggered(DOWN, 80)
    flight = life.state.flight
    life(Observed(observation=DOWN, asked_s=at + 1), at + 61)
    assert life.state.flight == flight
    busy = Observed(observation=ApiFailure(call="status", http_status=503), asked_s=at + 2)
    for _ in range(5):
        life(busy, at + 62)
    assert life.state.unanswered == 1


def test_no_sync_follows_a_demand_to_authorise_until_something_changed() -> None:
    life = Life()
    life.sees(DOWN, 0)
    life.sees(ApiFailure(call="status", http_status=400, error_enum="QuickbooksTokenExpired"), 10)
    for later in (100, 1_000, 5_000):
        assert not isinstance(life.sees(DOWN, later)[-1], Trigger)
    life(Mended(by="oauth callback"), 6_000)
    assert life.until_triggered(DOWN, 6_001) <= 6_062
    other = Life()
    other.sees(DOWN, 0)
    other.sees(ApiFailure(call="status", http_status=400, error_enum="QuickbooksTokenExpired"), 10)
    assert isinstance(other.sees(failed("QUICKBOOKS_INTERNAL_SERVER_ERROR"), 5_000)[-1], Trigger)


def test_an_answer_from_the_future_counts_as_now() -> None:
    life = Life()
    life(Observed(observation=DOWN, asked_s=1e9), 0)
    life.sees(WELL, 10)
    assert not life.state.is_open


def test_a_life_begins_with_a_look() -> None:
    assert isinstance(Life()(TimePassed(), 0)[-1], Observe)


def test_commands_never_share_an_id() -> None:
    life = Life()
    for _ in range(3):
        life(Mended(by="x"), 100)
    assert len({one.id for one in life.told(Observe)}) == 3


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e300])
def test_a_time_that_is_none_is_refused(time: float) -> None:
    with pytest.raises(InputError, match="asked_s"):
        LIFE.step(State(key="acme"), Observed(observation=WELL, asked_s=time), 0)
    with pytest.raises(InputError, match="now_s"):
        LIFE.step(State(key="acme"), TimePassed(), time)


def test_it_rests_where_nothing_is_under_way_and_says_what_it_waits_on() -> None:
    def rests(observation: object, at_s: float = 0) -> bool:
        wait = Life().sees(observation, at_s)[-1]
        assert isinstance(wait, WaitUntil)
        assert wait.decision == ENGINE.decide(observation, key="acme")
        return wait.rests

    assert all(rests(one) for one in (WELL, LAPSED, CLOSED, BROKEN, ConnectionStatus(is_connected=False)))
    lost = ApiFailure(call="sync", transport="no_answer")
    assert not any(rests(one) for one in (DOWN, SYNCING, ApiFailure(http_status=503), lost))
