"""`remediate policy drift`: an upstream's published document against its vocabulary, for a CI."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from remediate.cli import output
from remediate.engine import DEFAULT_POLICY
from remediate.errors import InputError, printable

if TYPE_CHECKING:
    from remediate.engine import Engine
    from remediate.regions import Space
    from remediate.workshop.drift.comparing import Drift

__all__ = ["drift"]

_MOST_ANSWERS: Final = 8
"""How many answers are told for people; --json has them all."""
_MOST_VALUES: Final = 4
"""How many values of a field are told for people."""


def drift(
    spec: Annotated[
        str,
        typer.Argument(help="An OpenAPI document in YAML or JSON, a Markdown page that has one, or - for stdin."),
    ],
    policy: Annotated[str, typer.Option(help="A shipped policy by its name, or a policy file.")] = DEFAULT_POLICY,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a difference, a line each.")] = False,
) -> None:
    """Compare what an upstream publishes with the vocabulary that is known here.

    Tells every value and property that was added, removed or retyped. For a value that is new it says what
    the policy answers today, as `unrecognised`: every answer, its share of the combinations of the other
    fields, and where it is given. For one that is gone it says which rules name it.

    Exit status: 0 nothing differs, and nothing is printed; 1 something does; 2 wrong usage, a document that
    can't be read, or a policy that does not load.

    Example: remediate policy drift get-connection-status.md
    """
    engine = output.load_engine(policy)
    if not engine.upstream.published:
        output.refuse(f"upstream `{engine.upstream.name}` does not say where its vocabulary is published")
    found = _found(engine, spec)
    with output.whole_output():
        if json:
            for one in found:
                _write(one)
        else:
            for line in _lines(found, engine):
                output.console().print(printable(line, longest=None), soft_wrap=True)
    raise typer.Exit(output.BAD_INPUT if found else 0)


def _found(engine: Engine, spec: str) -> tuple[Drift, ...]:
    from remediate.workshop.drift.comparing import find_drift
    from remediate.workshop.drift.documents import LONGEST  # which brings a parser of YAML
    from remediate.workshop.drift.openapi import read_openapi

    with output.opened(spec) as stream:
        try:
            content = stream.read(LONGEST + 1)
        except OSError as error:
            output.refuse(f"{printable(spec, longest=None)}: can't be read: {error.strerror}")
    names = [one.schema for one in engine.upstream.published.values()]
    try:
        return find_drift(read_openapi(content, names), engine.upstream, engine.deciders)
    except InputError as error:
        output.refuse(f"{printable(spec, longest=None)}: {printable(str(error), longest=None)}")


def _write(one: Drift) -> None:
    import attrs

    from remediate.wire import dumps

    sys.stdout.write(dumps(attrs.asdict(one)) + "\n")


def _lines(found: tuple[Drift, ...], engine: Engine) -> Iterator[str]:
    """Each difference in a line, and below it what follows from it."""
    told: dict[tuple[str, str | None], str | None] = {}
    for one in found:
        yield _difference(one)
        newcomer = (one.kind, one.field)
        if one.answers and newcomer in told:
            yield f"  answered today as unrecognised: like `{printable(told[newcomer] or '')}` above"
        elif one.answers:
            told[newcomer] = one.value
            yield from _answers(one, engine.deciders[one.kind].section.shape.space)
        elif one.change == "added" and one.what == "property":
            yield "  passed over today: it is no field that a rule may ask for"
        if one.rules:
            named = (f'"{rule.rule}"' + (f" (group {rule.group})" if rule.group else "") for rule in one.rules)
            yield f"  named by {', '.join(named)}"


def _difference(one: Drift) -> str:
    place = f"{one.kind}: {one.schema}" + (f".{printable(one.field)}" if one.field is not None else "")
    what = f"value `{printable(one.value)}`" if one.value is not None else one.what
    said = f"{place}: {what} {one.change}"
    if one.now is not None:
        said += f": was {one.was}, is {printable(one.now)}"
    if one.perhaps is not None:
        said += f", perhaps renamed {'to' if one.change == 'removed' else 'from'} `{printable(one.perhaps)}`"
    return said


def _answers(one: Drift, space: Space) -> Iterator[str]:
    """The one answer that there is; else the most frequent, each with its share and the largest place that has it."""
    head = "  answered today as unrecognised:"
    if len(one.answers) == 1:
        yield f"{head} {one.answers[0].answer}"
        return
    yield f"{head} depends on the other fields; shares are of their combinations"
    every = {axis.name: axis.values for axis in space.axes}
    for answered in one.answers[:_MOST_ANSWERS]:
        share = round(100 * answered.share)
        largest, *others = answered.where
        places = [
            output.conditions(largest, every, _MOST_VALUES),
            *([f"and {_more(len(others), 'place')}"] if others else []),
        ]
        yield f"    {answered.answer}: {f'{share} %' if share else 'under 1 %'} where {'; '.join(places)}"
    more = len(one.answers) - _MOST_ANSWERS
    if more > 0:
        yield f"    and {_more(more, 'answer')}, which --json tells"


def _more(number: int, noun: str) -> str:
    return f"{number} more {noun}{'' if number == 1 else 's'}"
