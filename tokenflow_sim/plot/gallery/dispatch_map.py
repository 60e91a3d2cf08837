"""Dispatch and flows on a map."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.gallery.links import FULL
from tokenflow_sim.plot.geography import PlacesLike, chart, is_placed
from tokenflow_sim.plot.maps import FULL_MARK, Sheet, Traffic
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import WIDTHS, Columns, colours
from tokenflow_sim.results.dates import Period, position_of
from tokenflow_sim.results.reading import grouped

NEEDS = ("dispatch", "flow", "link_use_share", "asset_node", "origin", "destination", "node")
"""Variables that a map needs."""


@figure(*NEEDS, fits=is_placed)
def dispatch_map(
    results: Results,
    period: Period | None = None,
    *,
    workload: str | list[str] | None = None,
    places: PlacesLike | None = None,
    most: int = 12,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Map of dispatch and flows: pies of what each node processes, curves of what is sent where.

    A pie's area is proportional to what the node processes. Curves lead from where demand arises to where it is
    processed, bending to the right of their direction; the width of a curve is its flow as a share of the largest of
    its class, which the legend tells. A diamond marks links that are full in more than half of the periods shown.
    Nodes without coordinates are named below the map. Beneath are the states where all nodes lie in the contiguous
    United States, else the world's coasts and borders; a flow whose shorter way leads over the edge of a map of the
    world leaves at one side and comes in at the other.

    Parameters
    ----------
    ds : Dataset
        Results with `dispatch`, `flow` and `link_use_share`. The nodes' coordinates come from `latitude` and
        `longitude` along `node`, or from the scenario among the attributes.
    period : int, str or datetime, optional
        The period to draw, by its number or a date in it; by default the mean over all.
    workload : str or list of str, optional
        The classes to draw; all by default.
    places : Scenario, Dataset or mapping, optional
        Where to take coordinates from instead: a scenario, a Dataset with `latitude` and `longitude`, or (latitude,
        longitude) in degrees by node.
    most : int
        How many flows to draw at most of each class, the largest ones.
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
        If the results lack what is needed, no node has coordinates, or a class or period is unknown.
    """
    classes = results.names("workload", "dispatch")
    shown = results.choose("workload", workload, "dispatch")
    chosen = [classes.index(name) for name in shown]
    if period is not None:
        results = at_period(results, period)
    traffic = traffic_of(results, chosen)
    sheet = sheet_of(results, chosen, traffic, most, places)
    west, south, east, north = sheet.chart.bounds
    height = WIDTHS.get(columns, WIDTHS[2]) * min((north - south) / (east - west), 1.0)
    drawn = panels(1, ax, columns, figure="dispatch_map", height=height - 0.15, across=1)
    ax_ = drawn.axes[0]
    sheet.prepare(ax_)
    sheet.draw(ax_, traffic)
    drawn.entries = legend_entries(results, shown, sheet, bool(traffic.full.any()))
    drawn.legend()
    when = "Mean of the run" if period is None and len(results.time.periods) > 1 else results.time.name(0)
    head(ax_, when[:1].upper() + when[1:], " ")
    named = sheet.name_nodes(ax_, traffic)
    head(ax_, ax_.get_title(loc="left"), remark(sheet, named))
    return drawn.figure


def at_period(results: Results, period: Period) -> Results:
    """Return one period of results, by its number or a date in it.

    Raises
    ------
    ResultError
        If there is no such period.
    """
    ds = results.ds
    labels = np.atleast_1d(ds["period"].values).tolist() if "period" in ds.coords else []
    if "period" not in ds.dims and labels == [period]:
        return results
    position = position_of(ds, period, results.figure)
    return at_position(results, position) if "period" in ds.dims else results


def at_position(results: Results, position: int) -> Results:
    """Return one period of results, by its position among them."""
    return Results(results.ds.isel(period=[position]), (), results.figure)


def traffic_of(results: Results, chosen: list[int]) -> Traffic:
    """Return the mean over time of what a map shows, for some classes."""
    at, nodes = results.along("asset_node"), results.along("node")

    def means(output: Floats, flow: Floats, share: Floats) -> tuple[Floats, ...]:
        by_node = grouped(output.sum(axis=1), at, nodes, axis=1)
        return by_node, flow.sum(axis=1), (share >= FULL).sum(axis=1, dtype=float)

    arrays = (results[name] for name in ("dispatch", "flow", "link_use_share"))
    count = len(results.time.periods)
    processing, flow, full = (values.sum(axis=0) / count for values in results.time.apply(means, *arrays))
    return Traffic(processing[:, chosen], flow[:, chosen], full > 0.5)


def sheet_of(
    results: Results, chosen: list[int], largest: Traffic, most: int, places: PlacesLike | None
) -> Sheet:
    """Return the map beneath some traffic, with scales on which the `largest` fits."""
    nodes, classes = results.along("node"), results.names("workload", "dispatch")
    position = {node: place for place, node in enumerate(nodes)}
    colour = colours(classes, "workload")
    ends: list[Any] = [[position[node] for node in results.along(end)] for end in ("origin", "destination")]
    return Sheet(
        chart(results.ds, nodes, results.figure, places),
        nodes,
        np.array(ends[0], dtype=np.intp),
        np.array(ends[1], dtype=np.intp),
        [colour[classes[k]] for k in chosen],
        float(largest.processing.sum(axis=1).max(initial=0.0)),
        largest.flow.max(axis=0, initial=0.0),
        most,
    )


def legend_entries(results: Results, shown: list[str], sheet: Sheet, any_full: bool) -> dict[str, Any]:
    """Return the legend: the classes with what their widest curve stands for, and the mark of full links."""
    unit = text.plain(results.attrs("flow")["units"])
    entries: dict[str, Any] = {}
    for name, colour, most in zip(shown, sheet.colours, sheet.most_flow, strict=True):
        flows = f"flows up to {text.number(float(most))} {unit}" if most > 0 else "no flow"
        entries[f"{text.name(name)}: {flows}"] = Patch(facecolor=colour, linewidth=0)
    if any_full:
        entries["link full"] = Line2D([], [], linestyle="none", **FULL_MARK)
    return entries


def remark(sheet: Sheet, named: int) -> str:
    """Say what the largest pie stands for, and how many nodes have no name for want of room."""
    words = f"largest pie {text.number(sheet.most_processing)} Mtok/s"
    placed = int(sheet.chart.is_placed.sum())
    return words if named == placed else f"{words}; {named} of {placed} named"
