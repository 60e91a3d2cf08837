"""A sweep: a measure over what was varied."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, log_scale, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns
from tokenflow_sim.variables import MEASURES

_MOST = 6
_HUES = ("#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499", "#999933")


@figure("status", "seed", "mean_price")
def sweep(
    results: Results,
    *,
    measure: str = "mean_price",
    x: str | None = None,
    log: bool = False,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Measure of each run over a value that was varied: mean over seeds, with the range of the seeds.

    One panel for each class or provider that the measure has. A second path that was varied gives a line each. Points
    that were drawn are shown as dots. Means and ranges are over the seeds that all points finished; a point
    that finished none is left out.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of `tf.sweep`.
    measure : str
        What to draw, of `variables.MEASURES`.
    x : str, optional
        The path along the abscissa; the first that was varied over numbers by default.
    log : bool
        Whether the ordinate is logarithmic; where a value is not positive, on both sides of zero.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one a panel, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of a sweep, the measure or the path is unknown, or too much was varied for a figure.
    """
    ds = results.ds
    paths = [str(path) for path in json.loads(ds.attrs.get("paths", "[]"))]
    numeric = [path for path in paths if ds[path].dtype.kind in "iuf"]
    if measure not in MEASURES or measure not in ds:
        raise ResultError(unknown_name("measure", measure, [name for name in MEASURES if name in ds]))
    if x is None and not numeric:
        raise ResultError(
            f"sweep needs a path that was varied over numbers; varied: {', '.join(paths) or 'nothing'}"
        )
    x = x or numeric[0]
    if x not in numeric:
        raise ResultError(unknown_name("path", x, numeric))
    from tokenflow_sim.study.common import comparable

    array = comparable(ds[[measure, "status"]])[0][measure].load()
    along = str(ds[x].dims[0])
    others = [path for path in paths if str(ds[path].dims[0]) != along and ds.sizes[ds[path].dims[0]] > 1]
    if len(others) > 1 or (others and ds.sizes[others[0]] > _MOST):
        choice = ", ".join(f"{path!r}: {ds[path].values[0]!r}" for path in others)
        raise ResultError(
            f"sweep draws one more path beside {x}, of {_MOST} values; choose: ds.sel({{{choice}}})"
        )
    own = [str(dim) for dim in array.dims if dim in ("workload", "provider")]
    labels = [str(label) for label in ds[own[0]].values] if own else [""]
    drawn = panels(len(labels), ax, columns, figure="sweep", height=1.75)
    short = {**array.attrs, "long_name": str(array.attrs.get("long_name", measure)).partition(",")[0]}
    for place, (axes, label) in enumerate(zip(drawn.axes, labels, strict=True)):
        panel = array.sel({own[0]: label}) if own else array
        _draw(axes, panel, x, along, others)
        head(axes, text.name(label) if label else "")
        if log:
            log_scale(axes, panel.values)
        dress_value(axes, text.quantity(short) if drawn.is_left(place) else "")
        axes.tick_params(labelbottom=drawn.is_lowest(place))
        if drawn.is_lowest(place):
            axes.set_xlabel(x)
    if others:
        values = ds[others[0]].values
        drawn.entries = {
            text.plain(f"{others[0]} {value}"): Line2D([], [], color=_HUES[number])
            for number, value in enumerate(values)
        }
        drawn.legend()
    return drawn.figure


def _draw(ax: Axes, panel: xr.DataArray, x: str, along: str, others: list[str]) -> None:
    """Draw one panel: a line for each value of the other path, or dots for points that were drawn."""
    lines = [panel.sel({others[0]: value}) for value in panel[others[0]].values] if others else [panel]
    across = panel[x].values
    order = np.argsort(across, kind="stable")
    for number, line in enumerate(lines):
        extra = [dim for dim in line.dims if dim not in (along, "seed")]
        values = line.isel(dict.fromkeys(extra, 0)).transpose(along, "seed").values[order]
        there = ~np.isnan(values)
        count = there.sum(axis=1)
        mean = np.full(len(values), np.nan)
        np.divide(np.where(there, values, 0.0).sum(axis=1), count, out=mean, where=count > 0)
        low = np.where(there, values, np.inf).min(axis=1)
        high = np.where(there, values, -np.inf).max(axis=1)
        colour = _HUES[number]
        if along == "point":
            ax.plot(across[order], mean, "o", color=colour, markersize=2.2, alpha=0.7, markeredgewidth=0)
            continue
        mark = "o" if len(across) <= 20 else ""
        ax.plot(across[order], mean, color=colour, marker=mark, markersize=2.6, linewidth=1.0)
        shown = count > 1
        ax.fill_between(across[order], low, high, where=shown, color=colour, alpha=0.25, linewidth=0)
    if not np.isfinite(panel.values).any():
        ax.text(0.5, 0.5, "no run was finished", transform=ax.transAxes, ha="center", color=INK)
    ax.set_xlim(*(_edges(across)))


def _edges(across: np.ndarray) -> tuple[float, float]:
    low, high = float(across.min()), float(across.max())
    room = 0.03 * (high - low) or 0.5
    return low - room, high + room
