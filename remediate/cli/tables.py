"""A policy as tables: the rules in their order, matrices of answers, regions; in every format."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html import escape
from typing import Final

import attrs

from remediate.deciding import Decider
from remediate.engine import Engine
from remediate.observation import Matrix
from remediate.policy import Condition
from remediate.regions import size
from remediate.workshop import matrices

__all__ = ["Grid", "as_csv", "as_html", "as_markdown", "grids", "regions"]

_STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin:0 0 2rem}th,td{border:1px solid #8886;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}thead th{background:#8882}:root{color-scheme:light dark}"
)


@attrs.frozen(kw_only=True)
class Grid:
    """A table of text.

    Attributes:
        kind: the kind of observation.
        title: what it shows, and what is given.
        head: the names of the columns.
        rows: as many cells each.
    """

    kind: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grids(engine: Engine, kind: str | None = None) -> Iterator[Grid]:
    """The rules of each section in their order, then its matrices; of one kind, or of all."""
    for name, decider in _chosen(engine, kind):
        yield _rules(name, decider)
        for matrix in decider.section.shape.cls.matrices:
            yield _matrix(name, decider, matrix)


def regions(engine: Engine, kind: str | None = None) -> Iterator[dict[str, object]]:
    """Every region as a JSON object: disjoint, and together everything."""
    for name, decider in _chosen(engine, kind):
        space = decider.section.shape.space
        for region in decider.section.regions:
            within, spent = matrices.first_and_last(decider, region.box)
            yield {
                "kind": name,
                "rule": region.rule.name,
                "where": space.where(region.box),
                "combinations": size(region.box),
                "answer": within,
                "limit": region.limit,
                "then": None if region.spent is None else spent,
                "evidence": region.rule.evidence,
                "repairable": region.rule.repairable,
            }


def _chosen(engine: Engine, kind: str | None) -> Iterator[tuple[str, Decider]]:
    for name, decider in engine.deciders.items():
        if kind is None or kind == name:
            yield name, decider


def _rules(kind: str, decider: Decider) -> Grid:
    rows = []
    given: dict[str, dict[str, None]] = {rule.name: {} for rule in decider.section.section.rules}
    for region in decider.section.regions:
        given[region.rule.name][matrices.answer(decider, region.box)] = None
    for number, rule in enumerate(decider.section.section.rules, 1):
        asked = "; ".join(f"{field} = {_words(condition)}" for field, condition in rule.when.items())
        combinations = decider.section.combinations[rule.name]
        rows.append((str(number), rule.name, asked or "all else", " or ".join(given[rule.name]), str(combinations)))
    head = ("#", "rule", "when", "answer", "combinations")
    return Grid(kind=kind, title=f"{kind}: the first rule that matches decides", head=head, rows=tuple(rows))


def _words(condition: Condition) -> str:
    return " | ".join(str(value).lower() if isinstance(value, bool) else value for value in condition.values)


def _matrix(kind: str, decider: Decider, matrix: Matrix) -> Grid:
    space = decider.section.shape.space
    values = space.axes[space.index(matrix.rows)].values
    given = ", ".join(f"{field} {value}" for field, value in matrix.given.items())
    return Grid(
        kind=kind,
        title=f"{kind}: {matrix.title}" + (f" ({given})" if given else ""),
        head=(matrix.rows, *matrices.columns(decider, matrix)),
        rows=tuple((value, *matrices.row(decider, matrix, value)) for value in values),
    )


def as_markdown(tables: Iterator[Grid]) -> str:
    """The tables in Markdown."""
    return "\n\n".join(f"**{_flat(table.title)}**\n\n{_markdown(table)}" for table in tables) + "\n"


def _markdown(table: Grid) -> str:
    lines = [table.head, ("---",) * len(table.head), *table.rows]
    return "\n".join("| " + " | ".join(map(_flat, line)) + " |" for line in lines)


def _flat(text: str) -> str:
    return escape(text, quote=False).replace("|", "\\|")


def as_csv(tables: Iterator[Grid]) -> str:
    """The tables in CSV, one row a cell: table, row, column, text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("table", "row", "column", "answer"))
    for table in tables:
        for row in table.rows:
            writer.writerows(
                (table.title, row[0], column, cell) for column, cell in zip(table.head[1:], row[1:], strict=True)
            )
    return out.getvalue()


def as_html(tables: Iterator[Grid], title: str) -> str:
    """The tables in one self-contained page."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>{escape(title)}</h1>")
    for table in tables:
        head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.head)
        rows = "".join(
            f"<tr><th scope=row>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>"
            for row in table.rows
        )
        parts.append(
            f"<h2>{escape(table.title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )
    return "\n".join(parts) + "\n</html>\n"
