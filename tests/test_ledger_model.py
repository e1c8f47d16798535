"""One rule machine drives every ledger against one model: any order of claims, events, deaths and deliveries."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from remediate.errors import LeaseLostError
from remediate.events import (
    Accepted,
    Event,
    Held,
    Late,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Released,
    ResolveTicket,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.ledger import Claim, Ledger
from remediate.state import BEFORE, State
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.ledgers import emptied
from tests.lives import BROKEN, DOWN, LAPSED, LIFE, SYNCING, WELL
from tests.thoroughness import WHOLE

LEASE_S = 100.0
KEYS = st.sampled_from(["a", "b", "c"])
OBSERVATIONS = st.sampled_from([WELL, DOWN, LAPSED, BROKEN, SYNCING, ApiFailure(call="status", http_status=503)])
ANSWERS = st.sampled_from(
    [
        *(SYNCING, ApiFailure(call="sync", transport="no_answer")),
        *(ApiFailure(call="sync", http_status=429, retry_after_s=90), ApiFailure(call="sync", type="ResourceNotFound")),
    ]
)
SAID = st.sampled_from([Mended(by="x"), Held(by="x"), Released(by="x", why="y"), Wanted(by="x")])


@attrs.define
class Connection:
    """What the model knows of one."""

    state: State
    due_s: float | None
    token: int = 0
    until_s: float = 0.0
    version: int = 0


@attrs.define
class Ticket:
    is_open: bool = False
    generation: int = 0
    behind: set[str] = attrs.field(factory=set)

    def named(self, identity: str) -> str:
        return identity if self.generation == 1 else f"{identity}/{self.generation}"


class Model(RuleBasedStateMachine):
    ledger: Ledger
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.clock.now_s = 1_750_000_000.0
        emptied(self.ledger)
        self.known: dict[str, Connection] = {}
        self.claims: list[Claim] = []
        self.sent: list[tuple[Claim, int]] = []
        self.waiting: dict[str, float] = {}
        self.delivered: set[str] = set()
        self.tickets: dict[str, Ticket] = {}
        self.late = 0

    @property
    def now_s(self) -> float:
        return self.clock.now_s

    @initialize()
    def begin(self) -> None:
        self.enroll("a")

    @rule(key=KEYS)
    def enroll(self, key: str) -> None:
        self.ledger.enroll([key])
        self.known.setdefault(key, Connection(state=State(key=key), due_s=self.now_s))

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0, 101.0, 2_000.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule()
    def wait_for_the_next(self) -> None:
        due = [one.due_s for one in self.known.values() if one.due_s is not None]
        ahead_s = self.ledger.next_due_s()
        assert ahead_s == (max(0.0, min(due) - self.now_s) if due else None)
        self.clock.now_s += min(ahead_s or 0.0, 1e6)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        due = {key for key, one in self.known.items() if one.due_s is not None and one.due_s <= self.now_s}
        claims = self.ledger.claim(limit)
        assert len(claims) == min(limit, len(due))
        for claim in claims:
            assert claim.key in due
            self._leased(claim)

    @rule(key=KEYS)
    def claim_one(self, key: str) -> None:
        claim = self.ledger.claim_one(key)
        one = self.known.setdefault(key, Connection(state=State(key=key), due_s=self.now_s))
        assert (claim is None) == (one.until_s > self.now_s)
        if claim is not None:
            self._leased(claim)

    def _leased(self, claim: Claim) -> None:
        one = self.known[claim.key]
        one.token += 1
        one.until_s = one.due_s = self.now_s + LEASE_S
        assert (claim.token, claim.state) == (one.token, one.state)
        self.claims.append(claim)

    @rule(data=st.data(), observation=OBSERVATIONS, wants=st.booleans())
    def look(self, data: st.DataObject, observation: Any, wants: bool) -> None:
        if not self.claims:
            return
        claim = data.draw(st.sampled_from(self.claims))
        asked_s = self.now_s - data.draw(st.sampled_from([0.0, 0.25, 70.0]))
        events: list[Event] = [Observed(observation=observation, asked_s=asked_s)]
        if wants:
            events.insert(0, Wanted(by="a schedule"))
        one = self.known[claim.key]
        if one.token != claim.token:
            with pytest.raises(LeaseLostError):
                self.ledger.record(claim, *events)
            return
        last = self._took(claim.key, events, self.ledger.record(claim, *events), is_held=True)
        if isinstance(last, Trigger):
            self.sent.append((claim, last.number))

    @rule(data=st.data(), answer=ANSWERS)
    def answer(self, data: st.DataObject, answer: Any) -> None:
        if not self.sent:
            return
        claim, number = self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
        accepted = Accepted(number=number)
        event = accepted if answer.describes else Refused(number=number, observation=answer)
        if self.known[claim.key].token != claim.token:
            with pytest.raises(LeaseLostError):
                self.ledger.answered(claim, number, answer)
            self.late += 1
            self._took(claim.key, [Late(number=number)], None, is_held=False)
        else:
            self._took(claim.key, [event], self.ledger.answered(claim, number, answer), is_held=True)

    @rule(key=KEYS, event=SAID)
    def say(self, key: str, event: Event) -> None:
        if key in self.known:
            self._took(key, [event], self.ledger.tell(key, event), is_held=False)

    def _took(self, key: str, events: list[Event], said: tuple[Any, ...] | None, *, is_held: bool) -> Any:
        one, was_open = self.known[key], self.known[key].state.is_open
        requests: list[Any] = []
        last: Any = None
        for event in events:
            one.state, (*asked, last) = LIFE.step(one.state, event, self.now_s)
            requests += asked
        one.version += len(events)
        assert said is None or said == (*requests, last)
        for request in requests:
            self._asked(key, request)
        if was_open and not one.state.is_open:
            for ticket in self.tickets.values():
                ticket.behind.discard(key)
        if is_held or one.until_s <= self.now_s:
            self._goes_on(one, last, is_held=is_held)
        return last

    def _goes_on(self, one: Connection, last: Any, *, is_held: bool) -> None:
        if isinstance(last, WaitUntil):
            one.due_s, one.until_s = self.now_s if one.state.asked_s == BEFORE else last.at_s, 0.0
        elif is_held:
            one.due_s = one.until_s = self.now_s + LEASE_S
        else:
            assert isinstance(last, Observe)
            one.due_s = self.now_s

    def _asked(self, key: str, request: Any) -> None:
        identity = request.id
        if isinstance(request, OpenTicket):
            ticket = self.tickets.setdefault(request.id, Ticket())
            ticket.behind.add(key)
            if ticket.is_open:
                return
            ticket.is_open = True
            ticket.generation += 1
            identity = ticket.named(request.id)
        elif isinstance(request, ResolveTicket):
            if not self._closes(request.ticket):
                return
            identity = f"{self.tickets[request.ticket].named(request.ticket)}/resolved"
        else:
            assert isinstance(request, Notify)
            assert request.id not in self.delivered, "told twice"
        assert identity not in self.waiting
        if identity not in self.delivered:
            self.waiting[identity] = self.now_s

    def _closes(self, identity: str) -> bool:
        ticket = self.tickets[identity]
        was_open, ticket.is_open = ticket.is_open, False
        return was_open

    @rule(data=st.data())
    def resolve(self, data: st.DataObject) -> None:
        if not self.tickets:
            return
        identity = data.draw(st.sampled_from(sorted(self.tickets)))
        ticket = self.tickets[identity]
        behind, ticket.behind = sorted(ticket.behind), set()
        if self._closes(identity):
            self.waiting[f"{ticket.named(identity)}/resolved"] = self.now_s
        assert self.ledger.resolve(identity, by="x", why="y") == len(behind)
        for key in behind:
            self._took(key, [Mended(by="x", why="y", ticket=identity)], None, is_held=False)

    @rule(works=st.booleans(), limit=st.integers(1, 3))
    def deliver(self, works: bool, limit: int) -> None:
        due = {identity for identity, due_s in self.waiting.items() if due_s <= self.now_s}
        messages = self.ledger.outbox.take(limit, again_s=60)
        assert len(messages) == min(limit, len(due))
        for message in messages:
            assert message.id in due
            if works:
                self.ledger.outbox.delivered(message)
                self.delivered.add(message.id)
                del self.waiting[message.id]
            else:
                self.ledger.outbox.failed(message, "refused", again_s=600)
                self.waiting[message.id] = self.now_s + 600

    @invariant()
    def the_ledger_is_as_the_model_has_it(self) -> None:
        for key, one in self.known.items():
            standing = self.ledger.standing(key)
            holder = self.ledger.holder if one.until_s > self.now_s else None
            assert (standing.state, standing.due_s, standing.version) == (one.state, one.due_s, one.version)
            assert standing.holder == holder
            behind = {name for name, ticket in self.tickets.items() if ticket.is_open and key in ticket.behind}
            assert set(standing.tickets) == behind
        overview = self.ledger.overview()
        assert (overview.connections, overview.late) == (len(self.known), self.late)
        assert overview.waiting == len(self.waiting)
        assert {one.id for one in overview.tickets} == {name for name, one in self.tickets.items() if one.is_open}

    def teardown(self) -> None:
        for key, one in self.known.items():
            journal = [(event, at_s) for _, event, at_s in self.ledger.history(key)]
            assert LIFE.replay(key, journal) == one.state


def test_a_ledger_is_as_its_model(address: str) -> None:
    clock = Clock()
    with Ledger(address, clock=clock, lease_s=LEASE_S) as ledger:
        machine = type("Driven", (Model,), {"ledger": ledger, "clock": clock})
        examples = settings().max_examples // 4 if WHOLE else 12
        few = settings(settings(), max_examples=examples, stateful_step_count=40)
        run_state_machine_as_test(machine, settings=few)
