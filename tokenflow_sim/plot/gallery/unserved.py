"""Demand that was not served: when, where, which class."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.panels import OneOrMore, Panels, dress_value, head, panels, say_nothing_happened
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours, dashes
from tokenflow_sim.results.reading import NOISE

_NAMED = 4
_PALE = 0.05  # below this the table does not look dark, however evenly little is spread


@figure("unserved", "demand")
def unserved(
    results: Results, *, most: int = heat.MOST_ROWS, columns: Columns = 2, ax: OneOrMore | None = None
) -> Figure:
    """Unserved demand: its share over time by class, and where it falls.

    The lines are shares of the demand of all nodes; a class that was served throughout has none. The
    table has the shares of each node's demand over the whole run, for the nodes that lose most.

    Parameters
    ----------
    ds : Dataset
        Results with `unserved` and `demand`, dims (period, node, workload).
    most : int
        How many nodes to show at most.
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
    time, classes, nodes = (
        results.time,
        results.names("workload", "unserved"),
        results.names("node", "unserved"),
    )

    def sums(lost: Floats, demand: Floats) -> tuple[Floats, ...]:
        return lost.sum(axis=1), demand.sum(axis=1)

    lost, demand = time.apply(sums, results["unserved"], results["demand"])
    lost = np.where(lost > NOISE * demand, lost, 0.0)
    by_step = _share(lost.sum(axis=1), demand.sum(axis=1))
    by_node = _share(lost.sum(axis=0), demand.sum(axis=0))
    worst = np.argsort(-np.nan_to_num(by_node).sum(axis=1), kind="stable")
    worst = worst[np.nan_to_num(by_node[worst]).sum(axis=1) > 0][:most]

    height = max(1.9, 0.35 + heat.ROW * len(worst))
    heights = height if columns == 2 else [1.9, max(1.0, 0.35 + heat.ROW * len(worst))]
    drawn = panels(
        2, ax, columns, figure="unserved", height=heights, widths=[2.6, 1.0] if columns == 2 else None
    )
    left, right = drawn.axes
    head(left, "All nodes")
    if len(worst):
        _draw_lines(results, drawn, by_step, classes)
        head(right, "By node [%]")
        if len(worst) < len(nodes):
            some_lose = int((np.nan_to_num(by_node).sum(axis=1) > 0).sum()) > len(worst)
            rest = len(nodes) - len(worst)
            right.set_xlabel(f"{rest} other node{'s' * (rest > 1)}: {'less' if some_lose else 'all served'}")
        darkest = max(_PALE, float(np.nanmax(by_node)))
        heat.table(right, by_node[worst], [text.name(nodes[i], 16) for i in worst], classes, darkest)
    else:
        say_nothing_happened(left, "all demand was served")
        right.set_axis_off()
    dress_value(left, text.labelled("Unserved demand", "%"), from_zero=True)
    time.dress(left)
    drawn.legend()
    return drawn.figure


def _draw_lines(results: Results, drawn: Panels, shares: Floats, classes: list[str]) -> None:
    time, colour, dash = results.time, colours(classes, "workload"), dashes(classes)
    served = [text.name(name, 12) for k, name in enumerate(classes) if not np.nan_to_num(shares[:, k]).any()]
    if served:
        several = ", ".join(served) if len(served) <= _NAMED else f"{len(served)} other classes"
        head(drawn.axes[0], drawn.axes[0].get_title(loc="left"), f"all served: {several}")
    for k, name in enumerate(classes):
        if text.name(name, 12) in served:
            continue  # a line at zero hides the axis, and others like it
        look = {"color": colour[name], "linestyle": dash[name]}
        drawn.axes[0].plot(time.line, time.steps(shares[:, k] * 100.0), label=text.name(name), **look)
        drawn.entries[text.name(name)] = Line2D([], [], **look)


def _share(lost: Floats, demand: Floats) -> Floats:
    return np.divide(lost, demand, out=np.full_like(lost, np.nan), where=demand > 0)
