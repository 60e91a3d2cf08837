"""How long service takes from origin to server."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns, colours
from tokenflow_sim.results.reading import scenario_of

_PALE = 0.35


@figure("delivered_within", "demand", "unserved", "bound")
def latency(
    results: Results,
    *,
    workload: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Show which share of the service is delivered within how many ms, by class and origin.

    One panel a class. The thick steps are all of the class, the thin ones single origins. Shares are known at the
    bounds that the run recorded, and are drawn as what is delivered within the last of them. A dotted line marks the
    latency limit of the class, where the results' scenario has one.

    Parameters
    ----------
    ds : Dataset
        Results with `delivered_within`, dims (period, node, workload, bound), `demand` and `unserved`: a run has the
        first where latency limits hold along paths, or the scenario has `residency` or `delay`.
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
        If the results lack what is needed, or a class is unknown.
    """
    classes = results.names("workload", "delivered_within")
    bounds = results.ds["bound"].values
    within = results["delivered_within"].values.sum(axis=0)
    served = (results["demand"].values - results["unserved"].values).sum(axis=0)
    scenario = scenario_of(results.ds)
    shown = results.choose("workload", workload, "delivered_within")
    colour = colours(classes, "workload")
    limits = [None if scenario is None else scenario.workloads[name].latency_limit for name in shown]
    by_bound = within.sum(axis=(0, 1))
    done = bounds[int(np.searchsorted(by_bound, by_bound[-1] * (1 - 1e-9)))]
    right = 1.3 * max(done, *(limit for limit in limits if limit is not None), 2 * bounds[0])
    drawn = panels(len(shown), ax, columns, figure="latency", height=1.6)
    for place, (ax_, name, limit) in enumerate(zip(drawn.axes, shown, limits, strict=True)):
        k = classes.index(name)
        asked = served[:, k]
        for node in np.flatnonzero(asked > 1e-9 * asked.sum()):
            share = 100.0 * within[node, k] / asked[node]
            ax_.step(bounds, share, where="post", color=colour[name], lw=0.5, alpha=_PALE)
        whole = 100.0 * within[:, k].sum(axis=0) / max(float(asked.sum()), 1e-300)
        ax_.step(bounds, whole, where="post", color=colour[name], lw=1.6, label=text.name(name))
        if limit is not None:
            ax_.axvline(limit, color="0.3", lw=0.8, ls=":")
        head(ax_, text.name(name))
        ax_.set_xscale("log")
        ax_.set_xlim(bounds[0], right)
        ax_.set_ylim(0.0, 104.0)
        dress_value(ax_, "Delivered [%]" if drawn.is_left(place) else "")
        ax_.tick_params(labelbottom=drawn.is_lowest(place))
        if drawn.is_lowest(place):
            ax_.set_xlabel("Within [ms]")
    return drawn.figure
