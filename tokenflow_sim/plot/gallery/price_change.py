"""Prices before and after a change."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns

BEFORE, AFTER = "#A6A6A6", "#0072B2"


@figure("price", fits=lambda ds: False)
def price_change(
    results: Results,
    before: xr.Dataset,
    workload: str | None = None,
    *,
    names: tuple[str, str] = ("before", "after"),
    most: int = heat.MOST_ROWS,
    columns: Columns = 1,
    ax: OneOrMore | None = None,
) -> Figure:
    """Prices of a class at each node in two results, and the change between them.

    Bars are means over time. The number behind them is the change in per cent of the price before. Nodes with the
    largest change stand on top; nodes that only one of the results has are left out.

    Parameters
    ----------
    ds : Dataset or Clearing
        Results after the change.
    before : Dataset
        Results before it, with the same nodes and class.
    workload : str, optional
        The class; by default the first.
    names : tuple of two str
        What to call the two in the legend.
    most : int
        How many nodes to show at most.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If either lacks prices or the class, or they have no node in common.
    """
    former = Results(before, ("price",), "price_change")
    classes = results.names("workload", "price")
    chosen = results.choose("workload", workload, "price")[0] if workload else classes[0]
    means = []
    for each in (former, results):
        k = each.names("workload", "price").index(each.choose("workload", chosen, "price")[0])
        mean = each.time.mean(each["price"])[:, :, k].mean(axis=0)
        means.append(dict(zip(each.names("node", "price"), mean.tolist(), strict=True)))
    common = [node for node in means[1] if node in means[0]]
    if not common:
        raise ResultError(
            f"price_change needs nodes that both results have; found {', '.join(list(means[0])[:6])} before and "
            f"{', '.join(list(means[1])[:6])} after"
        )
    old, new = (np.array([mean[node] for node in common]) for mean in means)
    order = np.argsort(-np.abs(new - old), kind="stable")[:most]
    drawn = panels(
        1, ax, columns, figure="price_change", height=0.4 + max(0.6, 1.5 * heat.ROW * len(order)), across=1
    )
    ax_ = drawn.axes[0]
    pair_bars(ax_, [text.name(common[i], 16) for i in order], old[order], new[order])
    head(
        ax_,
        f"Price of {text.name(chosen)}",
        f"{len(order)} of {len(common)} nodes" if len(order) < len(common) else "",
    )
    ax_.set_xlabel(text.quantity(results.attrs("price"), wrap=60))
    drawn.entries = {
        text.name(names[0]): Patch(facecolor=BEFORE),
        text.name(names[1]): Patch(facecolor=AFTER),
    }
    drawn.legend()
    return drawn.figure


def pair_bars(ax: Axes, names: list[str], old: Floats, new: Floats) -> None:
    """Draw two bars a row, with the change in per cent behind them; the first row on top."""
    rows = np.arange(len(names))
    ax.barh(rows - 0.2, old, height=0.36, color=BEFORE, linewidth=0)
    ax.barh(rows + 0.2, new, height=0.36, color=AFTER, linewidth=0, hatch="////", edgecolor="white")
    for row, was, now in zip(rows.tolist(), old.tolist(), new.tolist(), strict=True):
        if was != 0:
            change = 100.0 * (now - was) / abs(was)
            words = "0 %" if abs(change) < 0.05 else f"{'+' if change > 0 else ''}{text.number(change, 3)} %"
            ax.annotate(
                words,
                (max(was, now, 0.0), row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
            )
    low, high = float(min(0.0, old.min(), new.min())), float(max(0.0, old.max(), new.max()))
    ax.set_xlim(1.05 * low, high + 0.22 * (high - low) or 1.0)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(rows, names)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.xaxis.set_major_formatter(text.TickNumbers())
