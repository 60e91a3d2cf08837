"""What learners do after one of them has deviated."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.spread import quartiles
from tokenflow_sim.plot.style import INK, Columns, colours, dashes


@figure("place", "undisturbed", "provider")
def impulse_response(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Actions and payoffs after a forced deviation, all players going on by what they have learnt.

    Means over sessions, with the middle half of them; the deviation is in period 1. Where actions have names, their
    position in the list is drawn. Dotted: payoffs without the deviation.

    Parameters
    ----------
    ds : Dataset
        What `impulse_response` of repeated play returns.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of two Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset is not that of an impulse response.
    """
    ds = results.ds
    names = [str(name) for name in ds["provider"].values]
    colour, dash = colours(names, "provider"), dashes(names)
    periods = ds["period"].values
    numeric = "action" in ds
    actions = _values(ds["action" if numeric else "place"].values)
    payoff, usual = (_values(ds[name].values) for name in ("payoff", "undisturbed"))
    factor, prefix = text.prefixed(float(np.abs(payoff).max(initial=0.0)))
    drawn = panels(2, ax, columns, figure="impulse_response", height=1.9, across=columns)
    for axes, values in zip(drawn.axes, (actions, payoff * factor), strict=True):
        for column, name in enumerate(names):
            own = values[..., column]
            _, low, high, _ = quartiles(own, 0)
            axes.fill_between(periods, low, high, color=colour[name], alpha=0.2, linewidth=0)
            style = {"color": colour[name], "linestyle": dash[name]}
            axes.plot(periods, own.mean(axis=0), marker="o", markersize=2.5, **style)
        axes.axvline(1.0, color=INK, linewidth=0.5, alpha=0.5)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlim(float(periods[0]), float(periods[-1]))
        axes.set_xlabel("Period")
    for column, name in enumerate(names):
        drawn.axes[1].plot(
            periods,
            usual[..., column].mean(axis=0) * factor,
            color=colour[name],
            linestyle=":",
            linewidth=0.8,
        )
        drawn.entries[text.name(name)] = Line2D([], [], color=colour[name], linestyle=dash[name])
    drawn.entries["middle half of sessions"] = Patch(color=INK, alpha=0.2, linewidth=0)
    drawn.entries["without the deviation"] = Line2D([], [], color=INK, linestyle=":", linewidth=0.8)
    dress_value(drawn.axes[0], "Action" if numeric else "Position of the action")
    dress_value(drawn.axes[1], text.labelled("Payoff", f"{prefix}$/h"))
    who = text.name(str(ds.attrs.get("player", "")))
    head(drawn.axes[0], f"Deviation of {who} in period 1", f"{ds.sizes['session']:,} sessions")
    head(drawn.axes[1], "Payoffs")
    drawn.legend()
    return drawn.figure


def _values(values: Floats) -> Floats:
    """Return values as numbers, dims (session, period, provider)."""
    return np.asarray(values, dtype=np.float64)
