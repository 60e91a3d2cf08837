"""The price of power beside the price of tokens."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import ranked
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, log_scale, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours, dashes

MOST = 4
"""How many nodes are drawn where nobody says which."""


@figure("bus_price", "price", "asset_bus", "asset_node")
def power_prices(
    results: Results,
    *,
    workload: str | None = None,
    node: str | list[str] | None = None,
    log: bool | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Price of power at the buses of some nodes, above the price of tokens at these nodes.

    The upper panel has the price of power at each node's bus, the lower one the price of a class at the node, over the
    same time: where work may move between the nodes, prices of tokens keep together while those of power part.
    Where periods are taken together, prices are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results of a scenario with a grid, with `bus_price` and `price`.
    workload : str, optional
        The class to draw; the first by default.
    node : str or list of str, optional
        The nodes to draw; by default those four whose power prices part most over time from the mean of all nodes'.
    log : bool, optional
        Whether to draw on logarithmic axes; by default where the highest price of a panel is more than five times its
        median. Where a price is zero or below, the axis is logarithmic on both sides of zero.
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
        If the results lack what is needed, or a class or node is unknown.
    """
    classes, nodes = results.names("workload", "price"), results.names("node", "price")
    k = classes.index(results.choose("workload", workload or classes[0], "price")[0])
    at = dict(zip(results.along("asset_node"), results.along("asset_bus"), strict=True))
    buses, time = results.names("bus", "bus_price"), results.time
    power, tokens = time.mean(results["bus_price"]), time.mean(results["price"])[:, :, k]
    known = [name for name in nodes if name in at]
    here = np.array([buses.index(at[name]) for name in known], dtype=np.intp)
    if node is None:
        apart = np.abs(power[:, here] - power[:, here].mean(axis=1, keepdims=True)).sum(axis=0)
        shown = ranked(known, apart)[:MOST]
    else:
        shown = results.choose("node", node, "price")
        astray = [name for name in shown if name not in at]
        if astray:
            raise ResultError(f"power_prices: no assets, and so no bus, at {', '.join(astray)}")
    drawn = panels(2, ax, columns, figure="power_prices", height=1.6, across=1)
    colour, style = colours(shown, "rank"), dashes(shown)
    columns_of = {name: power[:, buses.index(at[name])] for name in shown}
    over = {name: tokens[:, nodes.index(name)] for name in shown}
    for ax_, values, title, label in (
        (drawn.axes[0], columns_of, "Power", text.labelled("Price", results.attrs("bus_price")["units"])),
        (
            drawn.axes[1], over, f"Tokens: {text.name(classes[k])}",
            text.labelled("Price", results.attrs("price")["units"]),
        ),
    ):  # fmt: skip
        lines = np.array(list(values.values()))
        if log or (log is None and _is_spiky(lines)):
            log_scale(ax_, *lines)
        for name, line in values.items():
            ax_.plot(time.line, time.steps(line), color=colour[name], linestyle=style[name], linewidth=1.1)
        head(
            ax_,
            title,
            f"mean {text.number(float(np.nanmean(lines)))}, highest {text.number(float(np.nanmax(lines)))}",
        )
        dress_value(ax_, label)
    drawn.dress_time(time)
    drawn.entries = {
        text.name(name): Line2D([], [], color=colour[name], linestyle=style[name], linewidth=1.1)
        for name in shown
    }
    drawn.legend()
    return drawn.figure


def _is_spiky(values: Floats) -> bool:
    median = float(np.nanmedian(values))
    return median > 0 and float(np.nanmax(values)) > 5 * median
