"""The power grid on a map, under dispatch and flows of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.gallery.dispatch_map import at_period, legend_entries, remark, sheet_of, traffic_of
from tokenflow_sim.plot.geography import PlacesLike, chart, coordinates
from tokenflow_sim.plot.maps import Sheet, Traffic
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import WIDTHS, Columns
from tokenflow_sim.results.dates import Period
from tokenflow_sim.results.reading import scenario_of
from tokenflow_sim.scenario import Scenario

LOADING = ((0.0, "#9FB4C7"), (0.5, "#E9C46A"), (0.8, "#E76F51"), (0.999, "#9B1D20"))
"""Colours of lines by the share of their limit from which on they have it."""
_WIDEST, _THINNEST = 4.2, 0.8  # points


def _has_places(ds: xr.Dataset) -> bool:
    """Return whether the results' scenario says where some node and some bus is."""
    scenario = scenario_of(ds)
    return scenario is not None and bool(coordinates(ds)) and bool(_places_of_buses(scenario))


@figure("dispatch", "flow", "link_use_share", "line_flow", "line_from", "line_to", "bus", fits=_has_places)
def grid_map(
    results: Results,
    period: Period | None = None,
    *,
    workload: str | list[str] | None = None,
    places: PlacesLike | None = None,
    most: int = 4,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Map of the power grid with its loaded lines, under dispatch and flows of tokens.

    A straight line is a line of the grid: the wider, the higher its limit; its colour is the share of the limit in
    use, in the mean over the periods shown. Small circles are buses where nothing is processed. Pies and curves are
    those of `dispatch_map`, without its marks of full links.

    Parameters
    ----------
    ds : Dataset
        Results of a scenario with a grid, whose buses have coordinates, with `line_flow`, `dispatch`, `flow` and
        `link_use_share`. Limits and coordinates come from the scenario among the attributes.
    period : int, str or datetime, optional
        The period to draw, by its number or a date in it; by default the mean over all.
    workload : str or list of str, optional
        The classes to draw; all by default.
    places : Scenario, Dataset or mapping, optional
        Where to take the coordinates of nodes from instead.
    most : int
        How many flows of tokens to draw at most of each class, the largest ones.
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
        If the results lack what is needed, no bus has coordinates, or a class or period is unknown.
    """
    scenario = scenario_of(results.ds)
    at_bus = {} if scenario is None else _places_of_buses(scenario)
    if scenario is None or scenario.grid is None or not at_bus:
        raise ResultError(
            "grid_map needs latitude and longitude of the buses: give them in the scenario's grid.buses"
        )
    classes = results.names("workload", "dispatch")
    shown = results.choose("workload", workload, "dispatch")
    chosen = [classes.index(name) for name in shown]
    if period is not None:
        results = at_period(results, period)
    traffic = traffic_of(results, chosen)
    # Buses stand on the map like nodes that process nothing.
    nodes, buses = results.along("node"), results.along("bus")
    further = [bus for bus in buses if bus in at_bus and bus not in nodes]
    everywhere = at_bus | coordinates(results.ds, places)
    traffic = Traffic(
        np.vstack([traffic.processing, np.zeros((len(further), len(shown)))]),
        traffic.flow,
        np.zeros_like(traffic.full),
    )
    sheet = sheet_of(results, chosen, traffic, most, everywhere)
    whole = [*nodes, *further]
    sheet = replace(sheet, chart=chart(results.ds, whole, "grid_map", everywhere), nodes=whole)
    west, south, east, north = sheet.chart.bounds
    height = WIDTHS.get(columns, WIDTHS[2]) * min((north - south) / (east - west), 1.0)
    drawn = panels(1, ax, columns, figure="grid_map", height=height - 0.15, across=1)
    ax_ = drawn.axes[0]
    sheet.prepare(ax_)
    known = scenario.grid.lines
    limits = [known[name].limit_mw if name in known else None for name in results.names("line", "line_flow")]
    limit = np.array([np.inf if one is None else one for one in limits])
    (carried,) = results.time.apply(_carried, results["line_flow"])
    mean = carried.sum(axis=0) / len(results.time.periods)
    share = np.divide(mean, limit, out=np.zeros_like(mean), where=limit > 0)
    _draw_lines(ax_, results, sheet, share, limit)
    sheet.draw(ax_, traffic)
    drawn.entries = _entries(limit) | legend_entries(results, shown, sheet, False)
    drawn.legend()
    when = "Mean of the run" if period is None and len(results.time.periods) > 1 else results.time.name(0)
    head(ax_, when[:1].upper() + when[1:], " ")
    named = sheet.name_nodes(ax_, traffic)
    head(ax_, ax_.get_title(loc="left"), remark(sheet, named))
    return drawn.figure


def _carried(flow: Floats) -> tuple[Floats, ...]:
    return (np.abs(flow).sum(axis=1),)


def _places_of_buses(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Return latitude and longitude of every bus that has them."""
    grid = scenario.grid
    return {
        name: (bus.latitude, bus.longitude)
        for name, bus in ({} if grid is None else grid.buses).items()
        if bus.latitude is not None and bus.longitude is not None
    }


def _width(limit: Floats) -> Floats:
    """Return the width in points of lines by their limit; those without one are as wide as the widest."""
    finite = limit[np.isfinite(limit)]
    largest = float(finite.max(initial=0.0)) or 1.0
    return np.clip(_WIDEST * np.minimum(limit / largest, 1.0), _THINNEST, _WIDEST)


def _draw_lines(ax: Axes, results: Results, sheet: Sheet, share: Floats, limit: Floats) -> None:
    """Draw the lines of the grid, the most loaded on top."""
    position = {name: place for place, name in enumerate(sheet.nodes)}
    ends = [results.along(name) for name in ("line_from", "line_to")]
    widths = _width(limit)
    for line in np.argsort(share, kind="stable"):
        one, other = (position.get(end[line]) for end in ends)
        if one is None or other is None:
            continue
        colour = next(colour for least, colour in reversed(LOADING) if share[line] >= least)
        for start, end in sheet.chart.ways(one, other):
            halo = withStroke(linewidth=widths[line] + 0.8, foreground="white")
            ax.plot(
                *np.column_stack([start, end]), color=colour, linewidth=widths[line], solid_capstyle="round",
                zorder=1, gid=f"line {line}", path_effects=[halo],
            )  # fmt: skip


def _entries(limit: Floats) -> dict[str, Any]:
    """Return the legend of loaded lines."""
    half, high = (text.percent(least) for least, _ in LOADING[1:3])
    words = [f"below {half} %", f"{half} to {high} %", f"from {high} %", "full"]
    finite = limit[np.isfinite(limit)]
    largest = f" (widest {text.number(float(finite.max()) / 1000)} GW)" if finite.size else ""
    return {
        f"line {said}" + (largest if not place else ""): Line2D([], [], color=colour, linewidth=2.4)
        for place, (said, (_, colour)) in enumerate(zip(words, LOADING, strict=True))
    }
