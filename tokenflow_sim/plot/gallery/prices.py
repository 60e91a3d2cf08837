"""Prices over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, Panels, dress_value, head, log_scale, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.spread import Spread, quartiles
from tokenflow_sim.plot.style import INK, Columns, colours
from tokenflow_sim.plot.time import TimeAxis
from tokenflow_sim.results.reading import weighted_mean


@figure("price", "demand")
def prices(
    results: Results,
    *,
    workload: str | Sequence[str] | None = None,
    log: bool | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Prices over time by class, with their spread across nodes.

    One panel a class. The line is the mean over nodes, weighted by demand; the dark band holds the middle half
    of the nodes and the pale one all of them. A triangle marks the period with the highest mean. Where periods
    are taken together, mean and bands are those of all nodes and periods of a step.

    Parameters
    ----------
    ds : Dataset
        Results with `price` and `demand`, dims (period, node, workload).
    workload : str or sequence of str, optional
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
    classes = results.names("workload", "price")
    shown = results.choose("workload", workload, "price")
    time = results.time
    peak, peak_at, *statistics = time.apply(_statistics, results["price"], results["demand"])
    spread, places = Spread(*statistics), [classes.index(name) for name in shown]
    colour = colours(classes, "workload")
    drawn = panels(len(shown), ax, columns, figure="prices", height=1.6)
    for place, (ax_, k) in enumerate(zip(drawn.axes, places, strict=True)):
        if log or (log is None and any(spread.is_spiky(other) for other in places)):
            log_scale(ax_, spread.low[:, k], spread.mean[:, k], spread.high[:, k])
        spread.draw(ax_, time.line, k, colour[classes[k]], text.name(classes[k]))
        head(ax_, text.name(classes[k]))
        if _moves(peak[:, k]):
            _mark_peak(drawn, ax_, time, peak[:, k], peak_at[:, k])
        dress_value(ax_, text.quantity(results.attrs("price")) if drawn.is_left(place) else "")
    drawn.dress_time(time)
    drawn.entries = spread.legend_entries()
    if any(_moves(peak[:, k]) for k in places):
        drawn.entries["highest mean"] = Line2D([], [], color=INK, marker="v", linestyle="none")
    drawn.legend()
    return drawn.figure


def _moves(peak: Floats) -> bool:
    """Return whether there is a highest step at all."""
    return len(peak) > 1 and bool(np.nanmax(peak) > np.nanmin(peak) * (1.0 + 1e-9))


def _mark_peak(drawn: Panels, ax: Axes, time: TimeAxis, peak: Floats, within: Floats) -> None:
    """Point at the period with the highest mean, and name it above the panel."""
    step = int(np.nan_to_num(peak, nan=-np.inf).argmax())
    position = step * time.size + int(within[step])
    above = ax.transData + ScaledTranslation(0.0, 4 / 72, drawn.figure.dpi_scale_trans)
    ax.plot(
        [time.middle(position)], [peak[step]], marker="v", color=INK, clip_on=False, transform=above, zorder=5
    )
    words = f"▼ {text.number(float(peak[step]))} at {time.name(position)}"
    head(ax, ax.get_title(loc="left"), words)


def _statistics(price: Floats, demand: Floats) -> tuple[Floats, ...]:
    """Return statistics of steps from arrays of dims (step, period, node, workload)."""
    by_period = weighted_mean(price, demand, axis=2)
    samples = price.reshape(price.shape[0], -1, price.shape[-1])
    mean = weighted_mean(price, demand, axis=(1, 2))
    return by_period.max(axis=1), by_period.argmax(axis=1).astype(float), mean, *quartiles(samples, axis=1)
