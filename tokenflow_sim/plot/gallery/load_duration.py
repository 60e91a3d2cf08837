"""Load duration curves of the power grid, with and without data centres."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns, colours
from tokenflow_sim.results.reading import grouped

_MOST = 4


@figure("local_load", "power_drawn", "asset_bus")
def load_duration(
    results: Results,
    *,
    bus: str | list[str] | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Load duration curves with and without data centres: for which share of the time a load was exceeded.

    One panel for each bus where data centres draw the largest share of the load, and a first one for all buses
    together. The dashed line sorts local load alone, the other one local load with what data centres draw; each is
    sorted on its own. The area between them is the data centres' energy.

    Parameters
    ----------
    ds : Dataset
        Results of a scenario with a grid, with `local_load` and `power_drawn`.
    bus : str or list of str, optional
        The buses to draw, a panel each; by default all together, and the three with the largest share.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one a panel, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a bus is unknown.
    """
    buses, at = results.names("bus", "local_load"), results.along("asset_bus")
    local = np.asarray(results["local_load"].values, dtype=float)
    drawn_at = grouped(np.asarray(results["power_drawn"].values, dtype=float), at, buses, axis=1)
    whole = local + drawn_at
    if bus is None:
        energy = whole.sum(axis=0)
        share = np.divide(drawn_at.sum(axis=0), energy, out=np.zeros_like(energy), where=energy > 0)
        largest = [int(one) for one in np.argsort(-share, kind="stable")[: _MOST - 1] if share[one] > 0]
        groups = [
            ("All buses", list(range(len(buses)))),
            *((text.name(buses[one]), [one]) for one in largest),
        ]
    else:
        groups = [(text.name(one), [buses.index(one)]) for one in results.choose("bus", bus, "local_load")]
    colour = colours(["data centres"], "workload")["data centres"]
    drawn = panels(len(groups), ax, columns, figure="load_duration", height=1.7)
    across = np.repeat(np.arange(len(local) + 1), 2)[1:-1] / max(len(local), 1) * 100.0
    for place, (ax_, (name, members)) in enumerate(zip(drawn.axes, groups, strict=True)):
        alone, together = (-np.sort(-values[:, members].sum(axis=1)) for values in (local, whole))
        factor, unit = _unit(together)
        low, high = (np.repeat(values * factor, 2) for values in (alone, together))
        ax_.fill_between(across, low, high, facecolor=colour, alpha=0.25, linewidth=0)
        ax_.plot(across, high, color=colour, linewidth=1.2)
        ax_.plot(across, low, color=INK, linewidth=0.9, linestyle=(0, (4, 1.5)))
        part = (together.sum() - alone.sum()) / max(float(together.sum()), 1e-12)
        peak = float(together.max(initial=0.0) - alone.max(initial=0.0)) * factor
        head(ax_, name, f"{text.percent(part)} % of energy, peak +{text.number(peak)} {unit}")
        dress_value(ax_, text.labelled("Load", unit))
        ax_.set_xlim(0.0, 100.0)
        ax_.xaxis.set_major_locator(MultipleLocator(25))
        ax_.tick_params(labelbottom=drawn.is_lowest(place))
        if drawn.is_lowest(place):
            ax_.set_xlabel("Share of the time [%]")
    drawn.entries = {
        "with data centres": Line2D([], [], color=colour, linewidth=1.2),
        "without": Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 1.5))),
        "their energy": Patch(facecolor=colour, alpha=0.25, linewidth=0),
    }
    drawn.legend()
    return drawn.figure


def _unit(load: Floats) -> tuple[float, str]:
    return (1e-3, "GW") if float(load.max(initial=0.0)) >= 1e3 else (1.0, "MW")
