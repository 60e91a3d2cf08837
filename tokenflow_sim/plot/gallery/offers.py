"""Offers and mark-ups over time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, cut_peaks, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, MOST_NAMED, Columns, colours, dashes
from tokenflow_sim.results.reading import grouped, weighted_mean

_READ = ("offer_price", "offer_quantity", "dispatch", "cost")


@figure(*_READ, "price", "demand", "asset_provider")
def offers(
    results: Results,
    *,
    workload: str | list[str] | None = None,
    cut: bool | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Offers and mark-ups over time by provider and class.

    Two panels a class. The first has each provider's offer price, the mean over its assets weighted by the quantity
    offered, and the market's price, the mean over nodes weighted by demand. The second has the mark-up of what was
    dispatched: what its offers ask for it above its true cost, sum (offer price - cost) x / sum cost x, in per cent.
    A provider that dispatches nothing has no mark-up. Where periods are taken together, they are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results with `offer_price`, `offer_quantity`, `dispatch` and `cost`, dims (period, asset, workload), and
        `price` and `demand`.
    workload : str or list of str, optional
        The classes to draw; all by default.
    cut : bool, optional
        Whether the axis ends above the usual values, with the heights of the peaks written at its end; by default
        where the highest value is more than three times that which nine in ten steps keep to.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of Axes, optional
        Draw here, two a class, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a class is unknown.
    """
    time, classes, firms = results.time, results.names("workload", "price"), results.along("asset_provider")
    names = results.providers
    seconds = SECONDS_PER_HOUR * (results.hours or 1.0)

    def steps(
        price: Floats, offered: Floats, output: Floats, cost: Floats, slope: Floats | None = None
    ) -> tuple[Floats, ...]:
        usable = np.isfinite(price) & (offered > 0)
        whole, taken = (np.where(usable, price, 0.0) * amount for amount in (offered, output))
        if slope is not None:  # the areas under lines
            whole, taken = whole + 0.5 * slope * offered**2, taken + 0.5 * slope * output**2
        money = (whole, np.where(usable, offered, 0.0), taken, cost / seconds)
        return tuple(grouped(each.sum(axis=1), firms, names, axis=1) for each in money)

    value, quantity, asked, cost = time.apply(
        steps,
        *(results[name] for name in (*_READ, *(["offer_slope"] if "offer_slope" in results.ds else []))),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        offer = np.where(quantity > 0, value / quantity, np.nan)
        markup = np.where(cost != 0, 100.0 * (asked - cost) / np.abs(cost), np.nan)

    def mean(price: Floats, demand: Floats) -> tuple[Floats, ...]:
        return (weighted_mean(price, demand, axis=(1, 2)),)

    (market,) = time.apply(mean, results["price"], results["demand"])
    shown = results.choose("workload", workload, "price")
    named = sorted(np.argsort(-quantity.sum(axis=(0, 2)), kind="stable")[: MOST_NAMED["provider"]].tolist())
    colour, dash = colours(names, "provider"), dashes(names)

    height = 1.15 if columns == 2 else max(0.65, 1.25 - 0.1 * len(shown))
    ticks = 4 if columns == 2 else 2
    drawn = panels(2 * len(shown), ax, columns, figure="offers", height=height)
    for place, name in enumerate(shown):
        k = classes.index(name)
        left, right = drawn.axes[2 * place : 2 * place + 2]
        left.plot(time.line, time.steps(market[:, k]), color=INK, linewidth=0.8, label="price")
        for i in named:
            look = {"color": colour[names[i]], "linestyle": dash[names[i]], "label": text.name(names[i])}
            left.plot(time.line, time.steps(offer[:, i, k]), linewidth=0.9, **look)
            right.plot(time.line, time.steps(markup[:, i, k]), linewidth=0.9, **look)
            drawn.entries[text.name(names[i])] = Line2D(
                [], [], color=look["color"], linestyle=look["linestyle"]
            )
        head(left, f"{text.name(name)}: offers")
        head(right, f"{text.name(name)}: mark-ups")
        dress_value(
            left,
            text.labelled("Offer price", str(results.attrs("offer_price")["units"]), wrap=16),
            ticks=ticks,
        )
        dress_value(right, text.labelled("Mark-up", "%"), ticks=ticks)
        tops = np.column_stack([market[:, k], offer[:, named, k]])
        if np.isfinite(tops).any():
            cut_peaks(left, time, np.nanmax(tops, axis=1, initial=0.0), cut=cut)
        if not np.isfinite(markup[:, named, k]).any():
            right.set_ylim(0.0, 1.0)
        elif (
            right.get_ylim()[1] - right.get_ylim()[0] < 1.0
        ):  # everyone at one and the same: no zoom into rounding
            middle = float(np.nanmean(markup[:, named, k]))
            right.set_ylim(middle - 1.0, middle + 1.0)
    if len(named) < len(names):
        head(
            drawn.axes[1],
            drawn.axes[1].get_title(loc="left"),
            f"the largest {len(named)} of {len(names)} providers",
        )
    drawn.entries = {
        "price, mean weighted by demand": Line2D([], [], color=INK, linewidth=0.8)
    } | drawn.entries
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
