"""A comparison as a picture: what upstream was asked for against what it can, and who was overdue.

The only room that imports matplotlib. Knows series, and nothing of how they came about.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from remediate.errors import printable
from remediate.simulation.comparing import Comparison
from remediate.simulation.series import MINUTE_S, Series

__all__ = ["DPI", "WIDTH_IN", "picture"]

WIDTH_IN: Final = 9.0
"""How wide a picture is, inches."""
DPI: Final = 120
"""Pixels an inch."""

_PANEL_IN: Final = 1.9
_MARGINS_IN: Final = 1.3
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_INK: Final = "#444444"
_INCIDENT: Final = "#f3dcdc"
_STYLE: Final[Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.parse_math": False,
}


def picture(comparison: Comparison) -> bytes:
    """A PNG of the first seed's runs: load against capacity a policy, and below them all connections overdue.

    Raises:
        ValueError: the comparison was made without series.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        return _png(_drawn(comparison))


def _png(drawn: Figure) -> bytes:
    FigureCanvasAgg(drawn)
    written = BytesIO()
    drawn.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _drawn(comparison: Comparison) -> Figure:
    rows, scenario = comparison.rows, comparison.scenario
    panels = len(rows) + 1
    drawn = Figure(figsize=(WIDTH_IN, _MARGINS_IN + _PANEL_IN * panels), dpi=DPI, layout="constrained")
    axes = drawn.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    drawn.suptitle(
        f"{scenario.name}: {scenario.connections:,} connections, seed {comparison.seeds[0]}", color=_INK, fontsize=11
    )
    everyone = [(row.contestant.label, _given(row.series)) for row in rows]
    most = max(max(one.load) for _, one in everyone)
    for place, (label, one) in enumerate(everyone):
        _load(axes[place], label, one, most, _COLOURS[place % len(_COLOURS)])
    _overdue(axes[-1], everyone, comparison.oracle)
    axes[-1].set_xlabel("hours")
    axes[-1].set_xlim(0, scenario.lasts_s / 3600)
    return drawn


def _given(one: Series | None) -> Series:
    if one is None:
        raise ValueError("a picture wants runs minute by minute")
    return one


def _load(axes: Axes, label: str, one: Series, most: int, colour: str) -> None:
    hours = _hours(one)
    _incidents(axes, one)
    axes.fill_between(hours, one.load, step="mid", color=colour, alpha=0.75, linewidth=0)
    axes.step(hours, one.capacity, where="mid", color=_INK, linewidth=1.2)
    axes.set_ylim(0, 1.15 * max(most, *one.capacity))
    axes.set_ylabel("syncs a minute")
    axes.set_title(f"{printable(label)}: triggered, and what upstream can run (line)", loc="left", fontsize=9)


def _overdue(axes: Axes, everyone: list[tuple[str, Series]], oracle: Series | None) -> None:
    _incidents(axes, everyone[0][1])
    for place, (label, one) in enumerate(everyone):
        colour = _COLOURS[place % len(_COLOURS)]
        axes.plot(_hours(one), one.overdue, color=colour, linewidth=1.4, label=printable(label))
    if oracle is not None:
        axes.plot(_hours(oracle), oracle.overdue, color=_INK, linewidth=1, linestyle="--", label="the oracle")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("connections")
    axes.set_title("overdue", loc="left", fontsize=9)
    axes.legend(frameon=False, loc="upper left")


def _incidents(axes: Axes, one: Series) -> None:
    for begins_s, ends_s in one.incidents:
        axes.axvspan(begins_s / 3600, ends_s / 3600, color=_INCIDENT, linewidth=0, zorder=0)


def _hours(one: Series) -> list[float]:
    return [(minute + 0.5) * MINUTE_S / 3600 for minute in range(len(one.load))]
