"""`remediate fleet`: how the fleet is governed, and what operators order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remediate.cli import output
from remediate.cli.ledger import Address, By, Policy, Why, opened_ledger
from remediate.cli.run import duration_s
from remediate.errors import InputError, printable

if TYPE_CHECKING:
    from remediate.fleet import Order
    from remediate.ledger import FleetStanding, Given
    from remediate.ledger.fleet import FleetBook

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None, help="How the fleet is governed as one, and orders to its governor.")

Until = Annotated[
    str | None,
    typer.Option(
        help="For how long: 90min, 6h; or until when, in UTC where no offset is said: 2026-11-23T18:00-08:00.",
        metavar="DURATION or TIME",
    ),
]

Tenant = Annotated[
    str | None,
    typer.Option(
        help="Only this tenant's connections. Whose each is, Runner(tenant=...) says from Python; "
        "`remediate run` knows of no tenants.",
        metavar="TENANT",
    ),
]


@app.callback(invoke_without_command=True, epilog="Example: remediate fleet --json")
def fleet(
    context: typer.Context,
    orders: Annotated[bool, typer.Option("--orders", help="What operators ordered, the latest first.")] = False,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; an array of orders.")] = False,
) -> None:
    """How the fleet stands: its incidents, when upstream is probed next, who waits, and who leads.

    Exit status: 0 told, 1 no governor was ever asked in this ledger, 2 wrong usage or a ledger that fails.

    Example: remediate fleet --orders
    """
    if context.invoked_subcommand is not None:
        return
    from remediate.wire import dumps

    with opened_ledger(ledger, policy, exists=True) as made:
        given = made.fleet.orders() if orders else None
        found = made.fleet.standing()
        now_s = made.moment()
    with output.whole_output():
        if as_json:
            typer.echo(dumps(_plain_orders(given) if given is not None else _plain(found)))
        else:
            for line in _ordered(given, now_s) if given is not None else _standing(found):
                output.console().print(line, soft_wrap=True)
    raise typer.Exit(output.BAD_INPUT if found is None and given is None else 0)


def _plain(found: FleetStanding | None) -> dict[str, Any] | None:
    import attrs

    return None if found is None else attrs.asdict(found)


def _plain_orders(given: list[Given]) -> list[dict[str, Any]]:
    import attrs

    return [attrs.asdict(one) for one in given]


def _standing(found: FleetStanding | None) -> Iterator[str]:
    if found is None:
        yield "no governor was ever asked: no governed runner has worked on this ledger"
        return
    from remediate.ledger.wording import UNLED

    governed, words = found.governed, found.words
    muted = ", muted" if governed.muted else ""
    yield f"{words.phase}{muted}: {governed.under_way} of {governed.places} places taken, {governed.waiting} wait"
    for one in governed.incidents:
        own = None if one.tenant is None else words.next_probe(one.tenant)
        yield f"  {printable(one.id, longest=None)}: {words.incident(one)}" + (f"; {own}" if own else "")
    probe = words.next_probe(waits=governed.waiting > 0)
    if probe is not None:
        yield f"  {probe}"
    yield UNLED if found.leader is None else f"led by {printable(found.leader)}"
    if found.orders:
        yield f"{found.orders} orders wait for the leader"


def _ordered(given: list[Given], now_s: float) -> Iterator[str]:
    from remediate.ledger.wording import clock_time

    if not given:
        yield "nothing was ordered"
    for one in given:
        whose = "" if one.tenant is None else f" for `{printable(one.tenant)}`"
        until = "" if one.until_s is None else f" until {clock_time(one.until_s, now_s)}"
        taken = "not taken yet" if one.taken_s is None else f"taken {clock_time(one.taken_s, now_s)}"
        why = f": {printable(one.why, longest=None)}" if one.why else ""
        yield f"{clock_time(one.at_s, now_s)}  {one.order}{whose}{until} by {printable(one.by)}{why} ({taken})"


@app.command("open")
def open_(
    by: By,
    why: Why = "",
    until: Until = None,
    tenant: Tenant = None,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
) -> None:
    """Hold the fleet as in an outage, with no probe before then; without --until for an hour.

    With --tenant, only connections that Runner(tenant=...) knows to be of that tenant; `remediate run`
    knows of none. That no connection is known to be of it is told, and the order is recorded all the same.

    Exit status: 0 recorded, 1 who says so can't be recorded, 2 wrong usage or a ledger that fails.

    Example: remediate fleet open --by ada --why "QuickBooks told us" --until 90min
    """
    _order("open", by, why, until, ledger, policy, tenant)


@app.command()
def close(
    by: By,
    why: Why = "",
    tenant: Tenant = None,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
) -> None:
    """Let a fleet that is held go, or with --tenant a tenant: what waits is readmitted.

    That nothing is held is told, and the order is recorded all the same.

    Exit status: 0 recorded, 1 who says so can't be recorded, 2 wrong usage or a ledger that fails.

    Example: remediate fleet close --by ada --why "it is back"
    """
    _order("close", by, why, None, ledger, policy, tenant)


@app.command()
def mute(
    by: By,
    why: Why = "",
    until: Until = None,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
) -> None:
    """Announce no incident until then; without --until until `unmute`. The fleet is held as before.

    Exit status: 0 recorded, 1 who says so can't be recorded, 2 wrong usage or a ledger that fails.

    Example: remediate fleet mute --by ada --why "a drill" --until 2h
    """
    _order("mute", by, why, until, ledger, policy)


@app.command()
def unmute(by: By, why: Why = "", ledger: Address = "remediate.db", policy: Policy = "layer-quickbooks") -> None:
    """Announce incidents again.

    Exit status: 0 recorded, 1 who says so can't be recorded, 2 wrong usage or a ledger that fails.

    Example: remediate fleet unmute --by ada
    """
    _order("unmute", by, why, None, ledger, policy)


def _order(
    order: str, by: str, why: str, until: str | None, ledger: str, policy: str, tenant: str | None = None
) -> None:
    from remediate.fleet import Order

    with opened_ledger(ledger, policy, exists=True) as made:
        doubts = [*_doubts(made.fleet, Order(order), tenant)]
        try:
            until_s = None if until is None else _until_s(until, made.moment())
            made.fleet.order(Order(order), by=by, why=why, until_s=until_s, tenant=tenant)
        except InputError as error:
            output.complain(str(error))
            raise typer.Exit(output.BAD_INPUT) from None
    for doubt in doubts:
        output.complain(f"recorded; {doubt}")


def _doubts(fleet: FleetBook, order: Order, tenant: str | None) -> Iterator[str]:
    """Why an order may do nothing, or not what is meant."""
    from remediate.fleet import Order

    found = fleet.standing()
    if tenant is not None and not fleet.knows_tenant(tenant):
        whose = f"no connection is known to be of tenant `{printable(tenant)}`"
        yield f"{whose}: Runner(tenant=...) says whose each is, and `remediate run` knows of no tenants"
    if order == Order.CLOSE and not _may_be_held(fleet, found, tenant):
        yield f"{'the fleet' if tenant is None else 'that tenant'} is not held, so there is nothing to close"
    if found is None or found.leader is None:
        yield "nobody leads this fleet now, so it is taken as soon as a governed runner runs"


def _may_be_held(fleet: FleetBook, found: FleetStanding | None, tenant: str | None) -> bool:
    """Whether a fleet or a tenant is held, or is about to be by an order."""
    if found is not None and found.holds(tenant):
        return True
    return any((one.order, one.tenant, one.taken_s) == ("open", tenant, None) for one in fleet.orders())


def _until_s(text: str, now_s: float) -> float:
    """A time to come, by the ledger's clock."""
    seconds = duration_s(text)
    if seconds is None:
        try:
            at = datetime.fromisoformat(text)
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s
        except ValueError:
            seconds = 0.0
    if not 0 < seconds <= timedelta(days=366).total_seconds():
        output.refuse("--until: expected a duration or a time to come within a year, for instance 90min, 6h or 1d")
    return now_s + seconds
