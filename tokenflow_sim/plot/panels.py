"""Panels, stacks and legends: what the figures of the gallery are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tokenflow_sim.errors import ResultError
from tokenflow_sim.plot import text
from tokenflow_sim.plot.style import WIDTHS, HouseFigure
from tokenflow_sim.plot.time import TimeAxis

_BESIDE_LABEL = 0.42  # inches of a legend entry that are not its label
_LEGEND_ROW = 0.14
_BELOW = 0.5  # inches for the words under the lowest panels and one row of legend

OneOrMore = Axes | Sequence[Axes] | np.ndarray[Any, Any]


@dataclass
class Panels:
    """The axes of a figure and where they stand in its grid.

    Parameters
    ----------
    figure : Figure
        The figure.
    axes : list of Axes
        One a panel, row by row.
    across : int
        Panels a row.
    own : bool
        Whether the figure was made here; the user's own axes keep their place and size.
    """

    figure: Figure
    axes: list[Axes]
    across: int
    own: bool
    entries: dict[str, Artist] = field(default_factory=dict)

    def is_left(self, place: int) -> bool:
        """Return whether a panel is the first of its row; any of the user's own counts."""
        return not self.own or place % self.across == 0

    def is_lowest(self, place: int) -> bool:
        """Return whether no panel stands below; any of the user's own counts."""
        return not self.own or place + self.across >= len(self.axes)

    def dress_time(self, time: TimeAxis) -> None:
        """Set the abscissae of all panels to time, with words under the lowest only."""
        for place, ax in enumerate(self.axes):
            lowest = self.is_lowest(place)
            time.dress(ax, label=lowest)
            ax.tick_params(labelbottom=lowest)

    def legend(self) -> None:
        """Write the legend of `entries` under the panels, or beside the last of the user's own axes."""
        if self.own:
            self.figure.align_ylabels([ax for place, ax in enumerate(self.axes) if self.is_left(place)])
        if not self.entries:
            return
        labels, handles = list(self.entries), list(self.entries.values())
        if not self.own:
            self.axes[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1.0))
            return
        columns = _fitting_columns(self.figure, labels)
        # A legend fills column by column; readers go row by row.
        order = [place for column in range(columns) for place in range(column, len(labels), columns)]
        labels, handles = [labels[i] for i in order], [handles[i] for i in order]
        self.figure.legend(handles, labels, loc="outside lower center", ncols=columns)
        more = -(-len(labels) // columns) - 1
        self.figure.set_figheight(self.figure.get_figheight() + _LEGEND_ROW * more)


def panels(
    count: int,
    ax: OneOrMore | None,
    columns: int,
    *,
    figure: str,
    height: float | Sequence[float],
    across: int | None = None,
    widths: Sequence[float] | None = None,
    more: float = 0.0,
) -> Panels:
    """Make the panels of a figure, or take the user's axes.

    Parameters
    ----------
    count : int
        How many panels.
    ax : Axes, sequence of Axes or None
        The user's axes, as many as there are panels.
    columns : {1, 2}
        Columns of the page that the figure spans.
    figure : str
        Name of the figure, for messages.
    height : float or sequence of float
        Height of a row, or of each row, in inches.
    across : int, optional
        Panels a row; by default as many as `columns`.
    widths : sequence of float, optional
        Relative widths of the panels of a row.
    more : float
        Height in inches of what else the figure has, e.g. a colour bar.

    Raises
    ------
    ResultError
        If `columns` is neither 1 nor 2, or `ax` has another number of axes.
    """
    if columns not in WIDTHS:
        raise ResultError(
            f"{figure}: columns must be 1 or 2, the width in columns of a page; found {columns!r}"
        )
    if ax is not None:
        axes = list(np.atleast_1d(np.asarray(ax, dtype=object)).ravel())
        if len(axes) != count or not all(isinstance(one, Axes) for one in axes):
            what = f"{len(axes)} of {', '.join(sorted({type(one).__name__ for one in axes}))}"
            raise ResultError(
                f"{figure} draws {count} panel{'s' * (count != 1)} of these results and needs as many Axes in "
                f"`ax`; found {what}"
            )
        return Panels(cast(Figure, axes[0].get_figure(root=True)), axes, across=1, own=False)
    across = min(count, across or columns)
    rows = -(-count // across)
    heights = [float(height)] * rows if isinstance(height, int | float) else list(height)
    made = HouseFigure(figsize=(WIDTHS[columns], sum(heights) + _BELOW + more), layout="constrained")
    FigureCanvasAgg(made)
    grid = made.add_gridspec(rows, across, height_ratios=heights, width_ratios=widths)
    return Panels(
        made, [made.add_subplot(grid[i // across, i % across]) for i in range(count)], across, own=True
    )


def _fitting_columns(figure: Figure, labels: Sequence[str]) -> int:
    """Return how many columns of a legend fit the width of a figure, in as few and as full rows as can be."""
    measure = [figure.text(0, 0, label, fontsize=mpl.rcParams["legend.fontsize"]) for label in labels]
    widths = [one.get_window_extent().width / figure.dpi + _BESIDE_LABEL for one in measure]
    for one in measure:
        one.remove()
    for columns in range(len(labels), 1, -1):
        if sum(max(widths[column::columns]) for column in range(columns)) <= 0.97 * figure.get_figwidth():
            return -(-len(labels) // -(-len(labels) // columns))
    return 1


def dress_value(ax: Axes, label: str = "", *, ticks: int = 5, from_zero: bool = False) -> None:
    """Set label, ticks and limits of an ordinate."""
    if label:
        ax.set_ylabel(f"{label} (log)" if ax.get_yscale() == "log" else label)
    if ax.get_yscale() == "log":
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    ax.yaxis.set_major_formatter(text.TickNumbers())
    if from_zero:
        top = ax.dataLim.y1 if np.isfinite(ax.dataLim.y1) else 0.0
        ax.set_ylim(min(0.0, ax.dataLim.y0 * 1.05), top * 1.06 if top > 0 else 1.0)


def head(ax: Axes, left: str, right: str = "") -> None:
    """Write what a panel shows above its left end, and a remark in small type above its right end.

    Names in them come from `text.name`, which escapes what matplotlib would not print as it is.
    """
    ax.set_title(left)
    if right:
        ax.set_title(right, loc="right", fontsize="small", fontweight="normal")


def say_nothing_happened(ax: Axes, what: str) -> None:
    """Write across an empty panel why it is empty."""
    ax.text(
        0.5,
        0.5,
        text.plain(what),
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize="small",
        backgroundcolor="white",
    )
