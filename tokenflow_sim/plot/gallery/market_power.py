"""Concentration, margins and tightness over time."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.market.pivotal import is_short
from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns, colours, dashes

HIGH = 1800.0
"""Points above which the U.S. agencies call a market highly concentrated."""


@figure("hhi", "lerner", "residual_supply_index")
def market_power(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Concentration by class, Lerner index and residual supply of each provider, and its hours below 1.

    The residual supply index is that of existing capacity, by power where classes share it, else of the class in which
    it is least; its panel says which. Links are left out. Below 1, demand cannot be met without the provider, which is
    then pivotal.

    Parameters
    ----------
    ds : Dataset
        What `measures.market_power` makes of the results of a run.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of four Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the Dataset lacks what is needed.
    """
    ds, time = results.ds, results.time
    workloads, providers = ([str(name) for name in ds[dim].values] for dim in ("workload", "provider"))
    drawn = panels(4, ax, columns, figure="market_power", height=1.7)
    families = (
        ("hhi", "workload", workloads),
        ("lerner", "provider", providers),
        ("residual_supply_index", "provider", providers),
    )
    titles = ("Concentration of sales", "Lerner index", "Residual supply index")
    for axes, (name, dim, labels), title in zip(drawn.axes, families, titles, strict=False):
        values = time.mean(ds[name].transpose("period", dim))
        look = colours(labels, "workload" if dim == "workload" else "provider"), dashes(labels)
        for place, label in enumerate(labels):
            axes.plot(
                time.line, time.steps(values[:, place]), color=look[0][label], linestyle=look[1][label],
                linewidth=0.9, label=text.name(label),
            )  # fmt: skip
            drawn.entries[text.name(label)] = Line2D([], [], color=look[0][label], linestyle=look[1][label])
        unit = str(ds[name].attrs["units"])
        notes = {"hhi": "mean of nodes", "residual_supply_index": str(ds[name].attrs.get("variant", ""))}
        head(axes, title, notes.get(name, ""))
        dress_value(axes, text.labelled("HHI" if name == "hhi" else title, unit))
        if name != "lerner":
            axes.axhline(HIGH if name == "hhi" else 1.0, color=INK, linewidth=0.6, linestyle=(0, (4, 2)))
    _draw_pivotal_hours(drawn.axes[3], results, providers)
    for place, axes in enumerate(drawn.axes[:3]):
        time.dress(axes, label=drawn.is_lowest(place) or place == 1)
    drawn.legend()
    return drawn.figure


def _draw_pivotal_hours(axes: Axes, results: Results, providers: list[str]) -> None:
    """Draw in which share of the hours the others could not serve demand."""
    supply = results.ds["residual_supply_index"].transpose("period", "provider").values
    share = 100.0 * is_short(supply).mean(axis=0)
    colour = colours(results.providers, "provider")
    axes.barh(range(len(providers)), share, color=[colour[name] for name in providers], height=0.7)
    axes.set_yticks(range(len(providers)), [text.name(name) for name in providers])
    axes.set_ylim(len(providers) - 0.5, -0.5)
    axes.set_xlim(0.0, 100.0)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("Share of the time [%]")
    head(axes, "Index below 1")
