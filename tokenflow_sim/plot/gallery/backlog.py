"""Work that waits, and demand that is lost."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import Layer, stack
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels, say_nothing_happened
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours, hatches
from tokenflow_sim.results.reading import NOISE


@figure("backlog", "shed", "unserved", "demand")
def backlog(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Backlog, work shed at its deadline, and unserved demand over time, by class.

    The first panel has the work that waits at the end of each period. The second has waiting work that is lost at its
    deadline, the third demand that was bid for and not served; what a region bids for out of its backlog and does not
    get waits on, and is then in the first panel too. The stacks are sums over nodes. Where periods are taken together,
    they are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results with `backlog` and `shed`, which a run has where a region's strategy lets work wait, `unserved` and
        `demand`.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of three Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed.
    """
    time, classes = results.time, results.names("workload", "backlog")

    def sums(waiting: Floats, shed: Floats, lost: Floats, demand: Floats) -> tuple[Floats, ...]:
        return tuple(values.sum(axis=2).mean(axis=1) for values in (waiting, shed, lost, demand))

    waiting, shed, lost, demand = time.apply(
        sums, *(results[name] for name in ("backlog", "shed", "unserved", "demand"))
    )
    lost = np.where(lost > NOISE * demand, lost, 0.0)
    shed = shed / (SECONDS_PER_HOUR * results.hours) if results.hours else shed
    shed_unit = "Mtok/s" if results.hours else "Mtok/period"
    drawn = panels(3, ax, columns, figure="backlog", height=1.35 if columns == 2 else 1.2, across=1)
    colour, hatch = colours(classes, "workload"), hatches(classes, "workload")
    for ax_, values, title, unit, none in (
        (drawn.axes[0], waiting, "Waiting", str(results.attrs("backlog")["units"]), "no work waits"),
        (drawn.axes[1], shed, "Shed at its deadline", shed_unit, "no work was shed"),
        (
            drawn.axes[2],
            lost,
            "Bid for and unserved",
            str(results.attrs("unserved")["units"]),
            "all bids were served",
        ),
    ):
        factor, prefix = (
            text.prefixed(float(values.sum(axis=1).max(initial=0.0))) if unit == "Mtok" else (1.0, "")
        )
        unit = {"k": "Gtok", "M": "Ttok", "G": "Ptok"}.get(
            prefix, unit
        )  # a thousand million tokens is a Gtok
        layers = [
            Layer(text.name(name), values[:, k] * factor, colour[name], hatch[name])
            for k, name in enumerate(classes)
        ]
        stack(ax_, time, layers)
        drawn.entries |= {layer.label: layer.patch() for layer in layers if layer.values.any()}
        head(ax_, title)
        dress_value(
            ax_, text.labelled("Work" if ax_ is drawn.axes[0] else "Rate", unit), ticks=3, from_zero=True
        )
        if not values.any():
            say_nothing_happened(ax_, none)
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
