"""Who is told of an episode, and when again: notices, reminders and tickets; pure, as the machine that it serves.

Knows decisions and what is remembered, and nothing of when a connection is looked at.
"""

from __future__ import annotations

from math import inf
from typing import Final

import attrs

from remediate.decision import Decision, Owner, Scope
from remediate.events import Notify, OpenTicket, ResolveTicket
from remediate.policy import Cadence
from remediate.state import Notice, State, Ticket, evolve

__all__ = ["UNANSWERED", "ask", "resolve", "tell", "unresolved"]

UNANSWERED: Final = "reminders without an answer"
"""The cause of the ticket that follows the last reminder."""

Told = tuple[Notify | OpenTicket, ...]


def tell(state: State, decision: Decision, audience: Owner, cadence: Cadence) -> tuple[State, Told, float]:
    """One first notice an episode, reminders on the cadence, then a ticket; and when the next of them is due."""
    notice = next((one for one in state.notices if one.audience == audience), None)
    told: Told = ()
    if notice is None:
        notice = Notice(audience=audience, first_s=state.now_s)
        told = (_notify(state, notice, decision),)
    elif state.now_s >= _reminds_at(notice, cadence):
        notice = attrs.evolve(notice, reminders=notice.reminders + 1)
        told = (_notify(state, notice, decision),)
    others = tuple(one for one in state.notices if one.audience != audience)
    state = evolve(state, notices=(*others, notice))
    gives_up_s = notice.first_s + cadence.escalate_after_s
    if state.now_s >= gives_up_s:
        state, asked = ask(state, decision, Owner.SUPPORT, Scope.CONNECTION, UNANSWERED)
        told += asked
    again_s = min((at_s for at_s in (_reminds_at(notice, cadence), gives_up_s) if at_s > state.now_s), default=inf)
    return state, told, again_s


def _reminds_at(notice: Notice, cadence: Cadence) -> float:
    """When the next reminder is due; inf after the last."""
    if notice.reminders >= len(cadence.reminders_s):
        return inf
    return notice.first_s + cadence.reminders_s[notice.reminders]


def ask(
    state: State, decision: Decision, owner: Owner, scope: Scope, cause: str
) -> tuple[State, tuple[OpenTicket, ...]]:
    """A ticket per cause and scope, opened once an episode; one for the whole fleet has the same id for all."""
    if any((one.owner, one.scope, one.cause) == (owner, scope, cause) for one in state.tickets):
        return state, ()
    fleet = f"{decision.policy.name}/integration"
    whose = fleet if scope == Scope.INTEGRATION else f"{state.key}/{state.episode}"
    name = f"{whose}/ticket/{owner}/{cause}"
    ticket = Ticket(id=name, owner=owner, scope=scope, cause=cause)
    opened = OpenTicket(id=name, owner=owner, scope=scope, cause=cause, decision=decision)
    return evolve(state, tickets=(*state.tickets, ticket)), (opened,)


def _notify(state: State, notice: Notice, decision: Decision) -> Notify:
    name = f"{state.key}/{state.episode}/notice/{notice.audience}/{notice.reminders}"
    return Notify(id=name, audience=notice.audience, reminder=notice.reminders, decision=decision)


def unresolved(state: State, resolved: str) -> tuple[Ticket, ...]:
    """The tickets that a repair leaves open: those of the connection, but for the one that was resolved."""
    return tuple(one for one in state.tickets if one.scope == Scope.CONNECTION and one.id != resolved)


def resolve(state: State) -> tuple[ResolveTicket, ...]:
    """The tickets of the connection itself end with its episode."""
    ours = [ticket.id for ticket in state.tickets if ticket.scope == Scope.CONNECTION]
    return tuple(ResolveTicket(id=f"{ticket}/resolved", ticket=ticket) for ticket in ours)
