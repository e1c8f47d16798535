"""`remediate status`: how a fleet stands, or one of its connections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remediate.cli import output
from remediate.cli.ledger import Address, Policy, opened_ledger
from remediate.errors import InputError, printable

if TYPE_CHECKING:
    from remediate.ledger import FleetStanding, Overview, Standing

__all__ = ["status"]


def status(
    key: Annotated[str | None, typer.Argument(help="Whose connection; without it, the whole fleet.")] = None,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How the fleet stands, what could not be delivered, which tickets are open; or one connection, and why.

    Exit status: 0 told, 1 no such connection is known, 2 wrong usage or a ledger that fails.

    Example: remediate status acme --ledger postgresql://localhost/remediate
    """
    from remediate.wire import dumps

    with opened_ledger(ledger, policy, exists=True) as made:
        try:
            found = made.overview() if key is None else made.standing(key)
            fleet = made.fleet.standing() if key is None else None
        except InputError as error:
            output.complain(str(error))
            raise typer.Exit(output.BAD_INPUT) from None
        now_s = made.moment()
    from remediate.ledger import Overview

    with output.whole_output():
        if as_json:
            typer.echo(dumps(_plain(found)))
            return
        for line in _fleet(found, fleet) if isinstance(found, Overview) else _one(found, now_s):
            output.console().print(line, soft_wrap=True)


def _plain(found: Overview | Standing) -> dict[str, Any]:
    import attrs

    from remediate.decision import as_dict
    from remediate.ledger import Standing

    if not isinstance(found, Standing):
        return attrs.asdict(found)
    decision = None if found.decision is None else as_dict(found.decision)
    return {**attrs.asdict(found, filter=lambda field, _: field.name != "decision"), "decision": decision}


def _fleet(found: Overview, fleet: FleetStanding | None) -> Iterator[str]:
    yield f"{found.connections} connections: {found.due} due, {found.held} being looked at"
    if fleet is not None:
        yield from fleet.words.summary()
    yield from (f"{count:>8}  {answer}" for answer, count in found.answers.items())
    yield f"{found.waiting} messages wait for delivery" + (
        f", the oldest since {output.duration(found.lag_s)}" if found.waiting else ""
    )
    if found.withheld:
        yield f"{found.withheld} notices wait until it is known whether their customers have to be told"
    for one in found.failing:
        yield f"  {printable(one.id, longest=None)}: tried {one.tries} times: {one.fault}"
    if found.late:
        yield f"{found.late} syncs were triggered late, and may have run beside others"
    for key in found.unreadable:
        yield f"{printable(key, longest=None)}: what is remembered can't be read"
    if found.tickets:
        yield "open tickets"
    for ticket in found.tickets:
        behind = f"{ticket.connections} behind it, since {_moment(ticket.opened_s)}"
        yield f"  {printable(ticket.id, longest=None)} ({ticket.owner}): {behind}"


def _one(found: Standing, now_s: float) -> Iterator[str]:
    from remediate.decision import acts_next, headline

    state, decision = found.state, found.decision
    yield printable(found.key, longest=None)
    if state is None:
        yield "  what is remembered of it can't be read"
        return
    if decision is not None:
        yield f"  {headline(decision)}: {decision.because}"
        yield f"  who acts next: {acts_next(decision) or 'nobody has to'}"
    if state.failing_since_s is not None:
        yield f"  failing since {_moment(state.failing_since_s)}, {state.attempts} attempts"
    if state.held:
        yield "  held: no sync is triggered until it is released"
    if found.holder is not None:
        yield f"  being looked at by {printable(found.holder)}"
    if found.held_because is not None:
        yield f"  held back: {found.held_because}"
    elif found.unled:
        from remediate.ledger.wording import UNLED

        yield f"  {UNLED}"
    due = "when somebody acts" if found.due_s is None else f"in {output.duration(found.due_s - now_s)}"
    if not found.waits:
        yield f"  looked at again: {due.replace('in now', 'now')}"
    if found.sync_at_s is not None:
        yield f"  next scheduled sync: {_moment(found.sync_at_s)}"
    for notice in state.notices:
        yield f"  told the {notice.audience} on {_moment(notice.first_s)}, reminded {notice.reminders} times"
    yield from (f"  open ticket: {printable(ticket, longest=None)}" for ticket in found.tickets)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
