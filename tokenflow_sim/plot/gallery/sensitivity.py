"""Sensitivity indices with their intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.plot import text
from tokenflow_sim.plot.intervals import whiskers
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns

_ROW = 0.3
_EDGE = 0.75
_SERIES = {
    "sobol": (("total", "total order", "#332288"), ("first_order", "first order", "#CC6677")),
    "morris": (("mu_star", "mean size of effects", "#332288"),),
}


@figure("parameter", "output")
def sensitivity(
    results: Results,
    *,
    output: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Sensitivity indices of outputs to each value that was varied, with their confidence intervals.

    One panel an output, the most important path on top.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of `tf.sensitivity`.
    output : str or list of str, optional
        The outputs to draw; all that varied by default.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one an output, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of a sensitivity study, an output is unknown, or none varied.
    """
    ds = results.ds
    kind = str(ds.attrs.get("kind"))
    if kind not in _SERIES:
        raise ResultError(unknown_name("kind of sensitivity study", kind, list(_SERIES)))
    first = ds[_SERIES[kind][0][0]]
    every = [str(name) for name in ds["output"].values]
    shown = [output] if isinstance(output, str) else output
    if shown is None:
        shown = [name for name in every if bool(first.sel(output=name).notnull().all())]
    for name in shown:
        if name not in every:
            raise ResultError(unknown_name("output", name, every))
    if not shown:
        raise ResultError("sensitivity finds nothing to draw: no output varied")
    paths = ds["parameter"].values
    drawn = panels(len(shown), ax, columns, figure="sensitivity", height=_EDGE + _ROW * len(paths))
    for place, (axes, name) in enumerate(zip(drawn.axes, shown, strict=True)):
        order = np.argsort(-np.nan_to_num(first.sel(output=name).values), kind="stable")
        series = []
        for variable, label, colour in _SERIES[kind]:
            mean = ds[variable].sel(output=name).values[order]
            half = ds[f"{variable}_conf"].sel(output=name).values[order]
            series.append((label, colour, mean, mean - half, mean + half))
        abscissa = "Share of the variance" if kind == "sobol" else "Mean size of the effects"
        handles = whiskers(
            axes, [str(paths[i]) for i in order], series, abscissa if drawn.is_lowest(place) else ""
        )
        head(axes, text.plain(name))
        if len(handles) > 1:
            drawn.entries = dict(handles)
    drawn.legend()
    return drawn.figure
