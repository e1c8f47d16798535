"""`remediate explain`: why, and what would change it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer
from rich.table import Table
from rich.text import Text

from remediate.cli import output
from remediate.decision import Owner, Retry, headline
from remediate.engine import DEFAULT_POLICY, Engine
from remediate.errors import InputError, did_you_mean, printable
from remediate.explaining import Change, Explanation
from remediate.history import History
from remediate.upstreams import Record
from remediate.wire import dumps, explanation_dict

if TYPE_CHECKING:
    from remediate.ledger import Ledger

__all__ = ["explain"]

_MOST_VALUES: Final = 4


def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="A failure reason or error of the upstream, a file, - for stdin, or a connection of the ledger."
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    policy: Annotated[str, typer.Option(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="WHAT is a connection of this ledger, whatever else it may be; without it, where it is nothing "
            "else, it is one of the ledger that $REMEDIATE_LEDGER names, or of remediate.db.",
            metavar="FILE or URL",
        ),
    ] = None,
) -> None:
    """Explain the decision about a reason, about each connection of a file, or about one that a ledger remembers.

    Shows the rule, the combination, the nearest changes of input that would change the answer, and
    who acts next and how; of a connection in a ledger also why it is held back. Exit status as for decide.

    Example: remediate explain QUICKBOOKS_SERVICE_UNAVAILABLE
    """
    engine = output.load_engine(policy)
    bad = False
    if ledger is not None or not _is_input(engine, what):
        address = _address_of(engine, what) if ledger is None else ledger
        with output.whole_output():
            _show_remembered(engine, address, what, json=json)
        return
    with output.whole_output():
        for explained in _explained(engine, what):
            if isinstance(explained, output.BadEntry):
                bad = True
            if json:
                said = explained.as_dict if isinstance(explained, output.BadEntry) else explanation_dict(explained)
                sys.stdout.write(dumps(said) + "\n")
            elif isinstance(explained, output.BadEntry):
                message = printable(str(explained.error), longest=None)
                output.console().print(f"line {explained.line}: {message}\n", soft_wrap=True)
            else:
                _show(explained)
    raise typer.Exit(output.BAD_INPUT if bad else 0)


def _explained(engine: Engine, what: str) -> Iterator[Explanation | output.BadEntry]:
    examples = engine.upstream.examples(what)
    if examples:
        yield from (engine.explain(example) for example in examples)
        return
    with output.opened(what) as stream:
        for _, read in output.records(engine, stream, what):
            yield read if isinstance(read, output.BadEntry) else engine.explain(read)


def _is_input(engine: Engine, what: str) -> bool:
    """Whether it is published, or something to read."""
    if what == output.STDIN or engine.upstream.examples(what):
        return True
    return os.path.exists(what)  # noqa: PTH110  # Path's raises for a name that is too long


def _address_of(engine: Engine, what: str) -> str:
    """Where the ledger is that knows a connection of that name; what nobody knows is refused."""
    from remediate.cli.ledger import is_missing, ledger_address, opened_ledger

    address, is_named = ledger_address()
    nor: str | None = "; a file of that name does not exist either"
    if not is_missing(address):
        with opened_ledger(address, engine=engine, exists=True) as made:
            nor = None if _knows(made, what) else "; no file has that name either, and no connection of the ledger"
    elif is_named:
        nor = "; no file has that name either, and there is no ledger where REMEDIATE_LEDGER says"
    if nor is not None:
        hint = did_you_mean(what, engine.upstream.words) or nor
        output.refuse(f"`{printable(what)}` is nothing that {engine.upstream.name} publishes{hint}")
    return address


def _knows(ledger: Ledger, key: str) -> bool:
    """Whether a connection is known; what no key can be is none."""
    try:
        ledger.standing(key)
    except InputError:
        return False
    return True


def _show_remembered(engine: Engine, address: str, key: str, *, json: bool) -> None:
    """The latest decision about a connection that a ledger remembers, and why it is held back."""
    from remediate.cli.ledger import opened_ledger

    with opened_ledger(address, engine=engine, exists=True) as ledger:
        try:
            explained, standing = _remembered(ledger, key), ledger.standing(key)
        except InputError as error:
            output.complain(str(error))
            raise typer.Exit(output.BAD_INPUT) from None
    if json:
        sys.stdout.write(dumps(explanation_dict(explained) | {"held_because": standing.held_because}) + "\n")
        return
    if standing.held_because is not None:
        output.console().print(f"held back: {standing.held_because}", soft_wrap=True)
    _show(explained, is_held=standing.held_because is not None or (standing.state is not None and standing.state.held))


def _remembered(ledger: Ledger, key: str) -> Explanation:
    """The latest decision about a connection.

    Raises:
        InputError: there is none, or no such connection.
    """
    import msgspec

    ledger.standing(key)
    latest, after = None, 0
    while found := ledger.decisions(after=after, key=key):
        latest, after = found[-1], found[-1].number
    if latest is None:
        raise InputError("nothing was decided about it yet", field="key")
    seen = ledger.engine.read(msgspec.json.decode(latest.event)["observation"])
    history = History(**msgspec.json.decode(latest.history or "{}"))
    return ledger.engine.explain(Record(observation=seen.observation, history=history, key=key))


def _show(explanation: Explanation, *, is_held: bool = False) -> None:
    decision = explanation.decision
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1)
    rows = {
        "connection": "" if explanation.key is None else printable(explanation.key, longest=None),
        "answer": _answer(explanation, is_held=is_held),
        "because": decision.because,
        "acts next": explanation.acts_next
        or f"nobody{'' if decision.look_again_s is None else ': it goes on by itself'}",
        **{f"  {owner}": decision.next_steps.of(owner) or "" for owner in Owner},
        "rule": decision.rule,
        "matches": _fields(explanation.when) or "everything that is left",
        "combination": ", ".join(f"{name}={value}" for name, value in explanation.combination.items()),
        "as it came": ", ".join(f"{name}={printable(value)}" for name, value in explanation.received.items()),
        "history": _history(explanation),
        "anomalies": ", ".join(decision.anomalies),
        "evidence": decision.evidence,
        "limit": _limit(explanation),
        "would change it": "\n".join(map(_change, explanation.changes)),
        "and in time": "\n".join(map(_change, explanation.later)),
        "policy": f"{decision.policy.name} {decision.policy.revision} {decision.policy.sha256[:12]}",
    }
    for name, text in rows.items():
        if text:
            grid.add_row(name, Text(text, style="bold" if name == "answer" else ""))
    output.show_table(grid, output.READABLE_WIDTH)
    output.console().print()


def _answer(explanation: Explanation, *, is_held: bool) -> str:
    decision = explanation.decision
    said = headline(decision)
    if isinstance(decision, Retry):
        said += f": attempt {decision.attempt}, {'in ' if decision.delay_s else ''}{output.duration(decision.delay_s)}"
        said += f" (at most {output.duration(decision.ceiling_s)}), repeats {decision.repeats}"
    elif decision.look_again_s is not None:
        said += f"; look again in {output.duration(decision.look_again_s)}"
    if not decision.may_sync:
        return f"{said}; no sync now"
    return f"{said}; {'a sync may start when it is held no longer' if is_held else 'a sync may start now'}"


def _limit(explanation: Explanation) -> str:
    if explanation.limit is None:
        return ""
    return f"{explanation.limit}, {'passed' if explanation.limit_passed else 'not passed yet'}"


def _history(explanation: Explanation) -> str:
    """What is not as it is at the beginning."""
    history, blank = explanation.history, History()
    names = [field.name for field in attrs.fields(History)]
    told = [f"{name}={getattr(history, name)}" for name in names if getattr(history, name) != getattr(blank, name)]
    asked = explanation.retry_after_s
    return ", ".join(told if asked is None else [*told, f"retry_after_s={asked:g}"])


def _change(change: Change) -> str:
    return f"{_fields(change.fields)}  →  {change.answer}"


def _fields(fields: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name} = {_values(values)}" for name, values in fields.items())


def _values(values: tuple[str, ...]) -> str:
    shown = " | ".join(values[:_MOST_VALUES])
    return shown if len(values) <= _MOST_VALUES else f"{shown} | … ({len(values)} in all)"
