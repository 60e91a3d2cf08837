"""Heat maps and tables of shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.style import INK, SEQUENTIAL
from tokenflow_sim.plot.time import TimeAxis

ROW = 0.145
"""Height of a row in inches: a line of small type."""
MOST_ROWS = 20
_SMALL = 6.0
_MOST_ANNOTATED = 8  # columns whose cells are wide enough for a number


def over_time(ax: Axes, time: TimeAxis, values: Floats, rows: Sequence[str]) -> QuadMesh:
    """Draw shares over time, a row each, the first on top.

    Parameters
    ----------
    values : ndarray
        Shares from 0 to 1, dims (row, step).
    """
    edges, shares = time.mesh(values)
    mesh = ax.pcolormesh(
        edges, np.arange(len(rows) + 1) - 0.5, np.ma.masked_invalid(shares * 100.0),
        cmap=SEQUENTIAL, vmin=0.0, vmax=100.0, rasterized=True,
    )  # fmt: skip
    if len(time.starts) <= _MOST_ANNOTATED:
        _annotate(ax, values, 0.5 * (time.starts + time.ends), 1.0)
    _name_rows(ax, rows)
    return mesh


def table(
    ax: Axes,
    values: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    most: float = 1.0,
    words: NDArray[np.str_] | None = None,
    longest: int = 22,
) -> QuadMesh:
    """Draw shares as a table of coloured cells, with the per cent written in each where there is room.

    Parameters
    ----------
    values : ndarray
        Shares from 0 to 1, dims (row, column); NaN where there is nothing to have a share of.
    most : float
        The share that has the darkest colour.
    words : ndarray of str, optional
        What to write in the cells instead of per cents.
    longest : int
        Letters of all columns' names from which on they are turned upright.
    """
    mesh = ax.pcolormesh(
        np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5, np.ma.masked_invalid(values * 100.0),
        cmap=SEQUENTIAL, vmin=0.0, vmax=100.0 * most, edgecolors="white", linewidth=0.5,
    )  # fmt: skip
    if len(columns) <= _MOST_ANNOTATED:
        _annotate(ax, values, np.arange(len(columns)), most, words)
    _name_rows(ax, rows)
    ax.set_xticks(range(len(columns)), [text.name(column, 12) for column in columns])
    ax.tick_params(axis="x", length=0)
    if sum(len(column) for column in columns) > longest or len(columns) > _MOST_ANNOTATED:
        ax.tick_params(axis="x", rotation=90)
    return mesh


def mark(ax: Axes, time: TimeAxis, marks: NDArray[np.bool_], colour: str) -> None:
    """Underline the marked cells of a map over time; dims (row, step)."""
    for row, marked in enumerate(marks):
        if marked.any():
            height = np.where(marked, row + 0.36, np.nan)
            ax.plot(time.line, time.steps(height), color=colour, linewidth=2.0, solid_capstyle="butt")


def _annotate(
    ax: Axes, values: Floats, where: NDArray[Any], most: float, labels: NDArray[np.str_] | None = None
) -> None:
    for row, column in np.ndindex(values.shape):
        share = float(values[row, column])
        words = text.percent(share) if labels is None else str(labels[row, column])
        if np.isnan(share):
            words = ""
        ax.text(
            float(where[column]),
            row,
            words,
            ha="center",
            va="center",
            fontsize=_SMALL,
            color=_on(share / most),
        )


def _name_rows(ax: Axes, rows: Sequence[str]) -> None:
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), rows, fontsize=_SMALL + 0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _on(share: float) -> str:
    """Return the colour of type that reads on the colour of a share."""
    if np.isnan(share):
        return INK
    red, green, blue, _ = mpl.colormaps[SEQUENTIAL](Normalize(0.0, 1.0, clip=True)(share))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK
