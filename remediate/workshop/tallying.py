"""What decisions come to: retries, waits, notices and tickets, those of one connection together.

Knows decisions, and neither where they come from nor why they are counted.
"""

from __future__ import annotations

from collections import Counter

import attrs
import msgspec

from remediate.decision import Cause, Decision, Escalate, NoOp, Owner, Retry, Scope, acts_next, headline

__all__ = ["Asked", "Side", "count"]


@attrs.define(kw_only=True)
class Side:
    """What decisions come to, those of one connection together.

    A retry that is decided again while it is waited for is one, and somebody who was asked is asked
    once until a success. A ticket for the whole fleet is one for each rule.

    Attributes:
        answers: how often each answer was given, in a few words.
        retries: attempts that were planned.
        waiting_s: the waits before them, seconds together.
        notices: how often a customer was asked to act.
        tickets: how often each of the others was, by owner.
    """

    answers: Counter[str] = attrs.field(factory=Counter)
    retries: int = 0
    waiting_s: float = 0.0
    notices: int = 0
    tickets: Counter[str] = attrs.field(factory=Counter)


class Asked(msgspec.Struct):
    """Of one connection on one side: who was asked since the last success, and the latest attempt planned."""

    of: list[str] = []
    attempt: int = 0


def count(side: Side, asked: Asked, fleet: set[str], decision: Decision) -> None:
    """Add what a decision comes to, beside what this connection has been through since its last success."""
    side.answers[headline(decision)] += 1
    if isinstance(decision, NoOp) and decision.cause == Cause.HEALTHY:
        asked.of, asked.attempt = [], 0
    if isinstance(decision, Retry) and decision.attempt != asked.attempt:
        asked.attempt = decision.attempt
        side.retries += 1
        side.waiting_s += decision.delay_s
    owner = acts_next(decision)
    if owner is None:
        return
    if isinstance(decision, Escalate) and decision.scope == Scope.INTEGRATION:
        if decision.rule not in fleet:
            fleet.add(decision.rule)
            side.tickets[owner] += 1
        return
    what = owner if owner == Owner.CUSTOMER else f"{owner} {decision.rule}"
    if what in asked.of:
        return
    asked.of.append(what)
    if owner == Owner.CUSTOMER:
        side.notices += 1
    else:
        side.tickets[owner] += 1
