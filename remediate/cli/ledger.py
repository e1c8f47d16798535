"""What the commands about a ledger share: where it is, whose policy it follows, and how it is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from remediate.cli import output
from remediate.errors import ConfigurationError, InputError, LedgerError

if TYPE_CHECKING:
    from remediate.engine import Engine
    from remediate.ledger import Ledger

__all__ = ["Address", "By", "Key", "Policy", "Why", "forget", "hold", "is_missing", "ledger_address"]
__all__ += ["opened_ledger", "release", "repaired"]

_VARIABLE: Final = "REMEDIATE_LEDGER"
_DEFAULT: Final = "remediate.db"

Address = Annotated[
    str,
    typer.Option(
        envvar=_VARIABLE, show_envvar=True, help="A SQLite file, or postgresql://host/database.", metavar="FILE or URL"
    ),
]
Policy = Annotated[str, typer.Option(help="A shipped policy's name, or a policy file.", metavar="NAME or PATH")]
Key = Annotated[str, typer.Argument(help="Whose connection: the business id.")]
By = Annotated[str, typer.Option(help="Who says so; it is recorded.")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]


@contextmanager
def opened_ledger(
    address: str, policy: str = "layer-quickbooks", *, engine: Engine | None = None, exists: bool = False
) -> Iterator[Ledger]:
    """A ledger; whatever is wrong with it is told.

    Args:
        engine: one that is there already, instead of a policy's.
        exists: refuse a file that is not there, rather than make it.
    """
    engine = engine or output.load_engine(policy)
    from remediate.ledger import Ledger

    if exists and is_missing(address):
        output.refuse("the ledger: no such file")
    try:
        with Ledger(address, engine=engine, creates=not exists) as ledger:
            yield ledger
    except (ConfigurationError, LedgerError) as error:
        output.refuse(f"the ledger: {error}")


def is_missing(address: str) -> bool:
    """Whether a ledger is to be a file, which is not there."""
    file = address.removeprefix("sqlite:///").partition("?")[0]
    is_file = "://" not in file and not file.startswith("file:")
    return is_file and not os.path.exists(file)  # noqa: PTH110  # what a person typed


def ledger_address() -> tuple[str, bool]:
    """Where the ledger is of which nothing was said, and whether the environment names it."""
    named = os.environ.get(_VARIABLE)
    return (named, True) if named else (_DEFAULT, False)


def repaired(
    key: Annotated[str, typer.Argument(help="Whose connection, or with --ticket which ticket.", metavar="KEY")],
    by: By,
    why: Why = "",
    ticket: Annotated[bool, typer.Option("--ticket", help="It is a ticket: everyone behind it is repaired.")] = False,
    ledger: Address = "remediate.db",
    policy: Policy = "layer-quickbooks",
) -> None:
    """Say that something was mended: a customer came back, or a human did their part. One sync follows.

    Exit status: 0 recorded, 1 nothing of that name is known, 2 wrong usage or a ledger that fails.

    Example: remediate repaired acme --by "the OAuth callback"
    """
    from remediate.events import Mended

    with opened_ledger(ledger, policy, exists=True) as made, _known():
        if ticket:
            typer.echo(f"repaired: {made.resolve(key, by=by, why=why)}")
        else:
            made.tell(key, Mended(by=by, why=why))


def hold(
    key: Key, by: By, why: Why = "", ledger: Address = "remediate.db", policy: Policy = "layer-quickbooks"
) -> None:
    """Let no sync of a connection be triggered until it is released. It is looked at as before.

    Exit status: 0 recorded, 1 nothing of that name is known, 2 wrong usage or a ledger that fails.

    Example: remediate hold acme --by ada --why "books are being audited"
    """
    from remediate.events import Held

    with opened_ledger(ledger, policy, exists=True) as made, _known():
        made.tell(key, Held(by=by, why=why))


def release(
    key: Key, by: By, why: Why = "", ledger: Address = "remediate.db", policy: Policy = "layer-quickbooks"
) -> None:
    """Let syncs of a connection be triggered again.

    Exit status: 0 recorded, 1 nothing of that name is known, 2 wrong usage or a ledger that fails.

    Example: remediate release acme --by ada
    """
    from remediate.events import Released

    with opened_ledger(ledger, policy, exists=True) as made, _known():
        made.tell(key, Released(by=by, why=why))


def forget(key: Key, ledger: Address = "remediate.db", policy: Policy = "layer-quickbooks") -> None:
    """Forget a connection: what is remembered of it, its journal, and what was to be said of it.

    Exit status: 0 forgotten, 1 nothing of that name is known, 2 wrong usage or a ledger that fails.

    Example: remediate forget acme
    """
    with opened_ledger(ledger, policy, exists=True) as made, _known():
        made.forget(key)


@contextmanager
def _known() -> Iterator[None]:
    """Whatever is not known is told."""
    try:
        yield
    except InputError as error:
        output.complain(str(error))
        raise typer.Exit(output.BAD_INPUT) from None
