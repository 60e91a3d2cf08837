"""The way to an equilibrium, or round in circles."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours, dashes

_ACTIONS = {"price": ("Mark-up", 100.0, "%"), "quantity": ("Share of capacity offered", 100.0, "%")}


@figure("history_action", "history_profit", "history_gain")
def convergence(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Actions, profits and gains over the rounds of a search for an equilibrium.

    One panel a class with every provider's mark-up or share of capacity, then profits, then the largest gain that a
    mover saw in the round: at rest it is zero, which a logarithmic axis (where gains
    are wide apart) does not show.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of `tf.equilibrium`.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of Axes, optional
        Draw here instead of in a new figure: an Axes a class, and two more.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of a search for an equilibrium.
    """
    ds = results.ds
    providers, workloads = ([str(name) for name in ds[dim].values] for dim in ("provider", "workload"))
    rounds = ds["round"].values
    colour, dash = colours(providers, "provider"), dashes(providers)
    across = 3 if columns == 2 else 1
    drawn = panels(len(workloads) + 2, ax, columns, figure="convergence", height=1.55, across=across)
    what, factor, unit = _ACTIONS.get(str(ds.attrs.get("play")), ("Action", 1.0, "1"))
    profit = ds["history_profit"].transpose("round", "provider").values
    money, prefix = text.prefixed(float(np.nanmax(np.abs(profit), initial=0.0)))
    series = [
        (text.name(name), ds["history_action"].sel(workload=name).values * factor) for name in workloads
    ]
    labels = [text.labelled(what, unit, wrap=20)] * len(workloads) + [text.labelled("Profit", f"{prefix}$/h")]
    for place, (title, values) in enumerate([*series, ("Profit", profit * money)]):
        axes = drawn.axes[place]
        for column, name in enumerate(providers):
            axes.plot(
                rounds, values[:, column], color=colour[name], linestyle=dash[name], label=text.name(name)
            )
        head(axes, title)
        dress_value(
            axes, labels[place] if drawn.is_left(place) or place == len(workloads) else "", from_zero=True
        )
    gain, axes = ds["history_gain"].values, drawn.axes[-1]
    seen = np.where(gain > 0, gain, np.nan)
    wide = np.isfinite(seen).any() and np.nanmax(seen) > 50 * np.nanmin(seen)
    seen = seen if wide else gain
    axes.plot(rounds, seen, color="black", marker="o", markersize=2.0, linewidth=0.8)
    if wide:
        axes.set_yscale("log")
    head(axes, "Largest gain of a mover")
    dress_value(axes, text.labelled("Gain", "$/h"), from_zero=not wide)
    for place, axes in enumerate(drawn.axes):
        axes.set_xlim(float(rounds[0]), max(float(rounds[-1]), 1.0))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if drawn.is_lowest(place):
            axes.set_xlabel("Round")
    for name in providers:
        drawn.entries[text.name(name)] = Line2D([], [], color=colour[name], linestyle=dash[name])
    drawn.legend()
    return drawn.figure
