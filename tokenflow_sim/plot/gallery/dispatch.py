"""Dispatch over time: who serves each class, and what is left unserved."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import layers_of, ranked, stack, unserved_layer
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns
from tokenflow_sim.results.reading import NOISE, grouped

Grouping = Literal["provider", "node", "asset"]


@figure("dispatch", "unserved", "demand", "asset_provider", "asset_node")
def dispatch(
    results: Results,
    by: Grouping = "provider",
    *,
    workload: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Dispatch over time by provider, node or asset, with unserved demand on top.

    One panel a class. The black line is demand, which dispatch and unserved demand make up. Where there are
    more nodes or assets than colours, those with the largest share of a class are named and the rest is taken
    together. Where periods are taken together, amounts are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results with `dispatch`, `unserved` and `demand`.
    by : {'provider', 'node', 'asset'}
        What to stack.
    workload : str or list of str, optional
        The classes to draw; all by default.
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
        If the results lack what is needed, or a class or the grouping is unknown.
    """
    if by not in get_args(Grouping):
        raise ResultError(f"dispatch: {unknown_name('grouping', by, get_args(Grouping))}")
    groups = {
        "provider": lambda: results.along("asset_provider"),
        "node": lambda: results.along("asset_node"),
        "asset": lambda: results.names("asset", "dispatch"),
    }[by]()
    time, classes = results.time, results.names("workload", "dispatch")
    names = results.providers if by == "provider" else list(dict.fromkeys(groups))

    def sums(output: Floats, unserved: Floats, demand: Floats) -> tuple[Floats, ...]:
        by_group = grouped(output.mean(axis=1), groups, names, axis=1)
        return by_group, unserved.mean(axis=1).sum(axis=1), demand.mean(axis=1).sum(axis=1)

    output, unserved, demand = time.apply(
        sums, *(results[name] for name in ("dispatch", "unserved", "demand"))
    )
    unserved = np.where(unserved > NOISE * demand, unserved, 0.0)
    shown = results.choose("workload", workload, "dispatch")
    places = [classes.index(name) for name in shown]
    total = output.sum(axis=(0, 1))
    # Classes differ in size by orders of magnitude: a group counts by its shares, not by its tokens.
    weight = (output.sum(axis=0) / np.where(total > 0, total, 1.0))[:, places].sum(axis=1)
    order = names if by == "provider" else ranked(names, weight)
    family: Literal["provider", "rank"] = "provider" if by == "provider" else "rank"

    drawn = panels(len(shown), ax, columns, figure="dispatch", height=1.6)
    drawn.entries = {"demand": Line2D([], [], color=INK, linewidth=0.8)}
    for place, (ax_, k) in enumerate(zip(drawn.axes, places, strict=True)):
        layers = layers_of(names, output[:, :, k], family, order, f"{by}s", weight)
        drawn.entries |= {layer.label: layer.patch() for layer in layers}
        lost = unserved_layer(unserved[:, k])
        stack(ax_, time, [*layers, lost])
        ax_.plot(time.line, time.steps(demand[:, k]), color=INK, linewidth=0.8, label="demand")
        share = unserved[:, k].sum() / max(demand[:, k].sum(), np.finfo(float).tiny)
        head(ax_, text.name(classes[k]), f"{text.percent(share)} % unserved" if share else "")
        dress_value(
            ax_, text.quantity(results.attrs("dispatch")) if drawn.is_left(place) else "", from_zero=True
        )
    if unserved[:, places].any():
        drawn.entries["unserved"] = unserved_layer(unserved[:, 0]).patch()
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
