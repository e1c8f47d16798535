"""`remediate run`: a fleet, remedied by this process until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from remediate.cli import output
from remediate.cli.ledger import Address, Policy, opened_ledger
from remediate.errors import ConfigurationError, LedgerError, printable

if TYPE_CHECKING:
    from remediate.ledger import Ledger
    from remediate.runner import Tally
    from remediate.sending import Send
    from remediate.upstreams import Connect

__all__ = ["duration_s", "run"]

_SECRET: Final = "REMEDIATE_WEBHOOK_SECRET"  # noqa: S105  # the name of one
_INTERRUPTED: Final = 128 + 2
"""Exit status: told to stop a second time, before what was under way had ended."""
_LONGEST_S: Final = 366 * 86_400.0
_NEVER: Final = "never"
_UNITS: Final = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|min|m|h|d)", re.ASCII)


def run(
    file: Annotated[
        str | None, typer.Argument(help="Business ids to remember, one a line; - reads stdin.", metavar="[FILE]")
    ] = None,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
    every: Annotated[
        str | None, typer.Option(help="Sync what is well this often too: 90min, 6h, 1d; never.", metavar="DURATION")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="How many connections at once.")] = 32,
    webhook: Annotated[
        str | None, typer.Option(help=f"Post notices and tickets there, signed with {_SECRET}.", metavar="URL")
    ] = None,
    governed: Annotated[
        bool, typer.Option("--governed/--ungoverned", help="Whether the fleet is held as one in an outage.")
    ] = True,
) -> None:
    """Look after every connection of a ledger until SIGINT or SIGTERM: look, decide, sync, tell, remember.

    Credentials come from the environment: LAYER_CLIENT_ID, LAYER_CLIENT_SECRET, LAYER_ENVIRONMENT.
    Several processes may share one PostgreSQL. What one left half done, the next one continues.
    Without --webhook, notices and tickets are lines of the log, on stderr. In an outage the whole fleet is
    held, probed and readmitted as one, and a customer hears of nothing in the first five minutes;
    --ungoverned is for all of the processes or for none.

    Exit status: 0 told to stop, 1 some line of the file was bad, 2 wrong usage or a ledger that fails,
    130 told to stop twice.

    Example: remediate run ids.txt --ledger postgresql://localhost/remediate --every 6h
    """
    every_s = None if every is None else _seconds(every)
    if file is None and every_s is not None:
        output.refuse("--every is for the business ids of a file")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    keys = [] if file is None else _keys(file)
    with opened_ledger(ledger, policy) as made:
        try:
            connect = _connecting(made)
            made.enroll(keys, every_s=every_s)
            tally = asyncio.run(_run(made, connect, concurrency, webhook, governed=governed))
        except (ConfigurationError, LedgerError) as error:
            output.refuse(str(error))
        except asyncio.CancelledError:
            raise typer.Exit(_INTERRUPTED) from None
    output.complain(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in attrs.asdict(tally).items()))


def _connecting(ledger: Ledger) -> Connect:
    upstream = ledger.engine.upstream
    if upstream.connect is None:
        raise ConfigurationError(f"there is no client of {upstream.name} here: make a Runner with calls of your own")
    return upstream.connect


async def _run(ledger: Ledger, connect: Connect, concurrency: int, webhook: str | None, *, governed: bool) -> Tally:
    from remediate import sending
    from remediate.runner import Runner

    stop, main = asyncio.Event(), asyncio.current_task()

    def told() -> None:
        """Gently at first; at the second time, at once."""
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told)
    send: Send = sending.log
    if webhook is not None:
        send = sending.Webhook(webhook, os.environ.get(_SECRET, ""))
    async with connect() as client:
        runner = Runner(
            ledger=ledger,
            observe=client.observe,
            trigger=client.sync,
            send=send,
            governed=governed,
            concurrency=concurrency,
        )
        try:
            return await runner.run(stop)
        finally:
            if isinstance(send, sending.Webhook):
                await send.aclose()


def duration_s(text: str) -> float | None:
    """The seconds of `90min`, `6h` or `1d`; None: it is no duration."""
    found = _DURATION.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None


def _seconds(text: str) -> float:
    seconds = duration_s(text) or 0.0
    if text != _NEVER and not 60 <= seconds <= _LONGEST_S:
        output.refuse("--every: expected `never`, or a duration of a minute to a year, for instance 90min, 6h or 1d")
    return seconds


def _keys(file: str) -> list[str]:
    """The ids of a file; where any is bad, all that are bad are told, and that is the end."""
    from remediate.errors import InputError
    from remediate.ledger import checked_key

    keys: list[str] = []
    bad = False
    with output.opened(file) as stream:
        try:
            for number, line in enumerate(stream, 1):
                try:
                    text = line.decode().strip().removeprefix("\ufeff")
                    keys += [checked_key(text)] if text else []
                except (InputError, UnicodeDecodeError) as error:
                    bad = True
                    why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.message
                    output.complain(f"{printable(file, longest=None)}: line {number}: {why}")
        except OSError as error:
            output.refuse(f"{printable(file, longest=None)}: can't be read: {error.strerror}")
    if bad:
        raise typer.Exit(output.BAD_INPUT)
    return keys
