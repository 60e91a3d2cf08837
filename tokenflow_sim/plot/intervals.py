"""Estimates with their intervals, a row each: dots and whiskers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.style import INK

MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X")
_SPREAD = 0.56  # of a row's height that the series of a row share


def whiskers(
    ax: Axes,
    rows: Sequence[str],
    series: Sequence[tuple[str, str, Floats, Floats, Floats]],
    label: str,
    *,
    named: bool = True,
) -> dict[str, Line2D]:
    """Draw means with their intervals, a row for each name and a dot for each series.

    Parameters
    ----------
    ax : Axes
        Where.
    rows : sequence of str
        Names of the rows, the first on top.
    series : sequence of tuple
        Label, colour, and mean, lower and upper end by row; NaN ends draw no whisker.
    label : str
        Label of the abscissa.
    named : bool
        Whether names are written at the rows.

    Returns
    -------
    dict
        A handle for the legend by label.
    """
    handles = {}
    for place, (name, colour, mean, lower, upper) in enumerate(series):
        shift = 0.0 if len(series) == 1 else _SPREAD * (place / (len(series) - 1) - 0.5)
        y = np.arange(len(rows)) + shift
        marker = MARKERS[place % len(MARKERS)]
        ends = np.nan_to_num(np.abs(np.array([mean - lower, upper - mean])))
        ax.errorbar(
            mean,
            y,
            xerr=ends,
            fmt=marker,
            color=colour,
            markersize=3.2,
            elinewidth=1.0,
            capsize=1.6,
            label=name,
        )
        handles[name] = Line2D([], [], color=colour, marker=marker, markersize=3.2, linewidth=1.0)
    ax.axvline(0.0, color=INK, linewidth=0.6, zorder=0)
    ax.margins(x=0.08)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [two_lines(row) for row in rows] if named else [""] * len(rows))
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=True, axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(text.TickNumbers())
    ax.set_xlabel(label)
    return handles


def two_lines(name: str) -> str:
    """Return a strategy's name with its parameters on a line of their own."""
    strategy, bracket, rest = name.partition("(")
    return text.name(strategy) + (f"\n{text.name(bracket + rest)}" if bracket else "")
