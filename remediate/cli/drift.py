"""`remediate policy drift`: an upstream's published document against its vocabulary, for a CI."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from remediate.cli import output
from remediate.engine import DEFAULT_POLICY
from remediate.errors import InputError, printable

if TYPE_CHECKING:
    from remediate.engine import Engine
    from remediate.workshop.drift.comparing import Drift

__all__ = ["drift"]


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
    the policy answers today, as `unrecognised`; for one that is gone, which rules name it.

    Exit status: 0 nothing differs, and nothing is printed; 1 something does; 2 wrong usage, a document that
    can't be read, or a policy that does not load.

    Example: remediate policy drift get-connection-status.md
    """
    engine = output.load_engine(policy)
    if not engine.upstream.published:
        output.refuse(f"upstream `{engine.upstream.name}` does not say where its vocabulary is published")
    found = _found(engine, spec)
    with output.whole_output():
        for one in found:
            if json:
                _write(one)
            else:
                for line in _lines(one):
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
    try:
        return find_drift(read_openapi(content), engine.upstream, engine.deciders)
    except InputError as error:
        output.refuse(f"{printable(spec, longest=None)}: {printable(str(error), longest=None)}")


def _write(one: Drift) -> None:
    import attrs

    from remediate.wire import dumps

    sys.stdout.write(dumps(attrs.asdict(one)) + "\n")


def _lines(one: Drift) -> Iterator[str]:
    place = f"{one.kind}: {one.schema}" + (f".{printable(one.field)}" if one.field is not None else "")
    what = f"value `{printable(one.value)}`" if one.value is not None else one.what
    said = f"{place}: {what} {one.change}"
    if one.now is not None:
        said += f": was {one.was}, is {printable(one.now)}"
    if one.perhaps is not None:
        said += f", perhaps renamed {'to' if one.change == 'removed' else 'from'} `{printable(one.perhaps)}`"
    yield said
    if one.answers:
        yield f"  answered today as unrecognised: {_answers(one.answers)}"
    elif one.change == "added":
        yield "  passed over today: it is no field that a rule may ask for"
    if one.rules:
        named = (f'"{one.rule}"' + (f" (group {one.group})" if one.group else "") for one in one.rules)
        yield f"  named by {', '.join(named)}"


def _answers(answers: Mapping[str, str]) -> str:
    """`is_connected true: retry probe; false, absent: no_op gone`, or the one answer that all columns have."""
    columns: dict[str, list[str]] = {}
    for column, answer in answers.items():
        columns.setdefault(answer, []).append(column)
    if len(columns) == 1:
        return next(iter(columns))
    axis = next(iter(answers)).rpartition(" ")[0]
    said = (
        f"{', '.join(name.removeprefix(f'{axis} ') for name in names)}: {answer}" for answer, names in columns.items()
    )
    return f"{axis} {'; '.join(said)}"
