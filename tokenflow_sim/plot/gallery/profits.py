"""Profits of providers."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, cut_peaks, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import MOST_NAMED, Columns, colours, dashes

_OTHER = "#BFBFBF"


@figure("profit")
def profits(
    results: Results, *, cut: bool | None = None, columns: Columns = 2, ax: OneOrMore | None = None
) -> Figure:
    """Profits by provider, period by period and summed up over the run.

    Profit is revenue less true cost, so that offers above cost do not hide in it. Where there are more
    providers than colours, those with the largest profits or losses are named and the rest is drawn in grey.

    Parameters
    ----------
    ds : Dataset
        Results with `profit`, dims (period, provider).
    cut : bool, optional
        Whether the axis ends above the usual values, with the heights of the peaks written at its end; by default
        where the highest value is more than three times that which nine in ten steps keep to.
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
        If the results lack what is needed.
    """
    time, names = results.time, results.names("provider", "profit")
    unit = str(results.attrs("profit")["units"])
    profit = time.mean(results["profit"])
    sums = np.cumsum(time.sum(results["profit"]), axis=0)
    colour, dash = colours(results.providers, "provider"), dashes(results.providers)
    size = np.abs(profit).sum(axis=0)
    named = sorted(np.argsort(-size, kind="stable")[: MOST_NAMED["provider"]].tolist())
    looks = {place: (text.name(names[place]), colour[names[place]], dash[names[place]]) for place in named}
    others = f"{len(names) - len(named)} other providers", _OTHER, "-"

    drawn = panels(2, ax, columns, figure="profits", height=2.1 if columns == 2 else 1.6)
    factor, flow_unit = text.money(float(np.abs(profit).max(initial=0.0)), unit, results.hours)
    total, prefix = text.prefixed(float(np.abs(sums).max(initial=0.0)))
    # A sum starts from nothing: one more value than there are steps.
    when = np.append(time.starts[0], time.ends)
    from_zero = np.vstack([np.zeros(len(names)), sums])
    for place in sorted(range(len(names)), key=lambda place: place in looks):  # the named ones on top
        label, its_colour, its_dash = looks.get(place, others)
        look = {"color": its_colour, "linestyle": its_dash, "label": label}
        drawn.axes[0].plot(time.line, time.steps(profit[:, place] * factor), linewidth=0.9, **look)
        drawn.axes[1].plot(when, from_zero[:, place] * total, **look)
    for label, its_colour, its_dash in [*looks.values(), *([others] if len(looks) < len(names) else [])]:
        drawn.entries[label] = Line2D([], [], color=its_colour, linestyle=its_dash)
    for ax_, title, label in (
        (drawn.axes[0], "By period", text.labelled("Profit", flow_unit)),
        (drawn.axes[1], "Summed up", text.labelled("Profit since the start", f"{prefix}$")),
    ):
        head(ax_, title)
        if ax_.dataLim.y0 < 0:
            ax_.axhline(0.0, color="black", linewidth=0.6)
        dress_value(ax_, label, from_zero=True)
    cut_peaks(drawn.axes[0], time, profit.max(axis=1) * factor, cut=cut)
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
