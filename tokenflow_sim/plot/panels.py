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
from tokenflow_sim.numeric import Floats
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
    cells : list of tuple of int
        Row and column of each panel.
    own : bool
        Whether the figure was made here; the user's own axes keep their place and size.
    """

    figure: Figure
    axes: list[Axes]
    cells: list[tuple[int, int]]
    own: bool
    entries: dict[str, Artist] = field(default_factory=dict)

    def is_left(self, place: int) -> bool:
        """Return whether a panel is the first of its row; any of the user's own counts."""
        return not self.own or self.cells[place][1] == 0

    def is_lowest(self, place: int) -> bool:
        """Return whether no panel stands below; any of the user's own counts."""
        row, column = self.cells[place]
        return not self.own or not any(other[1] == column and other[0] > row for other in self.cells)

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
    cells: Sequence[tuple[int, int]] | None = None,
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
    cells : sequence of tuple of int, optional
        Row and column of each panel; by default they fill row by row.
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
        return Panels(
            cast(Figure, axes[0].get_figure(root=True)), axes, [(row, 0) for row in range(count)], own=False
        )
    across = min(count, across or columns)
    where = (
        list(cells) if cells is not None else [(place // across, place % across) for place in range(count)]
    )
    rows = 1 + max(row for row, _ in where)
    heights = [float(height)] * rows if isinstance(height, int | float) else list(height)
    made = HouseFigure(figsize=(WIDTHS[columns], sum(heights) + _BELOW + more), layout="constrained")
    FigureCanvasAgg(made)
    grid = made.add_gridspec(rows, across, height_ratios=heights, width_ratios=widths)
    return Panels(made, [made.add_subplot(grid[cell]) for cell in where], where, own=True)


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
    scale = ax.get_yscale()
    if label:
        ax.set_ylabel(label + {"log": " (log)", "symlog": " (symmetric log)"}.get(scale, ""))
    if scale == "log":
        ax.yaxis.set_major_locator(LogLocator(subs=_log_ticks(ax.dataLim.y0, ax.dataLim.y1)))
        ax.yaxis.set_minor_locator(NullLocator())
    elif scale == "symlog":
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    ax.yaxis.set_major_formatter("{x:,g}" if scale in ("log", "symlog") else text.TickNumbers())
    if from_zero:
        low, top = ax.dataLim.y0, ax.dataLim.y1 if np.isfinite(ax.dataLim.y1) else 0.0
        ax.set_ylim(min(0.0, low * 1.05), top * 1.06 if top > 0 else (-0.06 * low if low < 0 else 1.0))


def log_scale(ax: Axes, *values: Floats) -> None:
    """Make an ordinate logarithmic; where a value is not positive, logarithmic on both sides of zero.

    Parameters
    ----------
    ax : Axes
        Before `dress_value`.
    *values : ndarray
        What will be drawn. Up to a tenth of their usual size, the axis of two sides is linear.
    """
    drawn = np.concatenate([np.ravel(each) for each in values])
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size and drawn.min() <= 0:
        sizes = np.abs(drawn[drawn != 0])
        usual = float(np.median(sizes)) if sizes.size else 1.0
        ax.set_yscale("symlog", linthresh=10.0 ** np.floor(np.log10(usual) - 1.0))
    else:
        ax.set_yscale("log")


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return where ticks stand in a decade, so that an axis of one decade or less has some near either end."""
    decades = float(np.log10(high / low)) if 0 < low < high else 1.0
    if decades > 2.2:
        return (1.0,)
    if decades > 1.3:
        return (1.0, 2.0, 5.0)
    return (
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        if decades > 0.5
        else (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    )


def cut_peaks(ax: Axes, time: TimeAxis, tops: Floats, *, cut: bool | None = None) -> bool:
    """Let an ordinate end above the usual values where a few dwarf them, and write the height of each peak cut off.

    Parameters
    ----------
    ax : Axes
        After `dress_value`.
    time : TimeAxis
        The abscissa.
    tops : ndarray
        The highest value drawn at each step, dims (step,).
    cut : bool, optional
        Whether to; by default where the highest value is more than three times that which nine in ten steps keep to.

    Returns
    -------
    bool
        Whether anything was cut off.
    """
    top = cut_at(tops, cut)
    if top is None:
        return False
    beyond = tops > top
    ax.set_ylim(ax.get_ylim()[0], top)
    starts = np.flatnonzero(beyond & ~np.append(False, beyond[:-1]))
    ends = np.flatnonzero(beyond & ~np.append(beyond[1:], False))
    peaks = [(float(np.nanmax(tops[a : b + 1])), a, b) for a, b in zip(starts, ends, strict=True)]
    room = 0.14 * float(time.ends[-1] - time.starts[0])
    written: list[float] = []
    for height, first, last in sorted(peaks, reverse=True):
        middle = 0.5 * float(time.starts[first] + time.ends[last])
        if any(abs(middle - other) < room for other in written):
            continue
        written.append(middle)
        edge = 0.5 * room + float(time.starts[0]), float(time.ends[-1]) - 0.5 * room
        ax.text(
            float(np.clip(middle, *edge)), top, f"\u25b2 {text.number(height)}", ha="center", va="top",
            fontsize=6.5, zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    return True


def cut_at(tops: Floats, cut: bool | None = None) -> float | None:
    """Return the value at which `cut_peaks` ends an ordinate; None where it cuts nothing."""
    usual = float(np.nanquantile(tops, 0.9))
    if cut is None:
        cut = usual > 0 and float(np.nanmax(tops)) > 3.0 * usual
    beyond = tops > 2.0 * usual
    if not cut or not beyond.any() or usual <= 0:
        return None
    top = 1.25 * float(np.nanmax(tops[~beyond]))
    return top if (tops > top).any() else None


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
