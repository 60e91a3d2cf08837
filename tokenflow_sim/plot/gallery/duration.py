"""Price duration curves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, log_scale, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.spread import Spread, quartiles
from tokenflow_sim.plot.style import Columns, colours
from tokenflow_sim.plot.time import MOST_STEPS
from tokenflow_sim.results.reading import weighted_mean

_NUMBERS_AT_ONCE = 4_000_000


@figure("price", "demand")
def duration(
    results: Results,
    *,
    workload: str | list[str] | None = None,
    log: bool | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Price duration curves by class: for which share of the time a price was exceeded.

    One panel a class. The line sorts the mean price of each period, weighted by demand. The bands hold the
    curves of the single nodes, each sorted on its own: the dark one the middle half of them, the pale one all.

    Parameters
    ----------
    ds : Dataset
        Results with `price` and `demand`, dims (period, node, workload).
    workload : str or list of str, optional
        The classes to draw; all by default.
    log : bool, optional
        Whether to draw prices on a logarithmic axis; by default where the highest price of a class is more
        than five times its median. Where a price is zero or below, the axis is logarithmic on both sides of zero.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one a class, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a class is unknown.
    """
    time, classes = results.time, results.names("workload", "price")
    periods = len(time.periods)
    (by_period,) = time.apply(_mean_by_period, results["price"], results["demand"])
    mean = -np.sort(-by_period.reshape(-1, len(classes))[:periods], axis=0)
    ranks = np.unique(np.linspace(0, periods - 1, min(periods, MOST_STEPS)).astype(int))
    edges = np.append(ranks, periods) / periods * 100.0
    across = np.column_stack([edges[:-1], edges[1:]]).ravel()
    curves = np.concatenate([-np.sort(-block, axis=0)[ranks] for block in _by_node(results["price"])], axis=1)
    spread = Spread(mean[ranks], *quartiles(curves, axis=1))

    shown = results.choose("workload", workload, "price")
    places, colour = [classes.index(name) for name in shown], colours(classes, "workload")
    drawn = panels(len(shown), ax, columns, figure="duration", height=1.6)
    for place, (ax_, k) in enumerate(zip(drawn.axes, places, strict=True)):
        if log or (log is None and any(spread.is_spiky(other) for other in places)):
            log_scale(ax_, spread.low[:, k], spread.mean[:, k], spread.high[:, k])
        spread.draw(ax_, across, k, colour[classes[k]], text.name(classes[k]))
        head(ax_, text.name(classes[k]))
        dress_value(ax_, text.quantity(results.attrs("price")) if drawn.is_left(place) else "")
        ax_.set_xlim(0.0, 100.0)
        ax_.xaxis.set_major_locator(MultipleLocator(25))
        ax_.tick_params(labelbottom=drawn.is_lowest(place))
        if drawn.is_lowest(place):
            ax_.set_xlabel("Share of the time [%]")
    drawn.entries = spread.legend_entries()
    drawn.legend()
    return drawn.figure


def _mean_by_period(price: Floats, demand: Floats) -> tuple[Floats, ...]:
    by_period = weighted_mean(price, demand, axis=2)
    return (by_period.reshape(-1, 1, by_period.shape[-1]),)


def _by_node(price: xr.DataArray) -> Iterator[Floats]:
    """Yield all periods of some nodes at a time."""
    a_node = max(1, price.sizes["period"] * price.sizes["workload"])
    stride = max(1, _NUMBERS_AT_ONCE // a_node)
    for start in range(0, price.sizes["node"], stride):
        yield price[:, start : start + stride].values
