"""The paper's four figures, drawn from the data of `tokenflow_sim.study.reproduce`.

Each takes the Dataset that `study.paper.figures` describes (what `tokenflow reproduce --figures` writes beside the
drawing) and has the panels of the paper's figure in its order, so that the two can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.gallery.links import bar_entries, link_names, share_bars
from tokenflow_sim.plot.gallery.price_change import AFTER, BEFORE, pair_bars
from tokenflow_sim.plot.gallery.sites import processing_table
from tokenflow_sim.plot.geography import chart
from tokenflow_sim.plot.maps import FULL_MARK, Sheet, Traffic
from tokenflow_sim.plot.panels import dress_value, head, panels
from tokenflow_sim.plot.registry import Results
from tokenflow_sim.plot.style import INK, colours, dashes, house_style

_FULL = 1.0 - 1e-9
_MOST_FLOWS = 12


def figure1(ds: xr.Dataset) -> Figure:
    """Return Figure 1: the 20-node market on the map.

    Parameters
    ----------
    ds : Dataset
        `processing`, `flow`, `link_use_share`, `latitude` and `longitude`; see `study.paper.figures.dispatch_map`.
    """
    with house_style():
        drawn = panels(1, None, 2, figure="figure1", height=4.4)
        sheet, traffic = _map(ds, drawn.axes[0])
        drawn.entries = _map_entries(ds, sheet, traffic)
        drawn.legend()
        head(drawn.axes[0], "20 nodes, demand scale 35: processing and flows", " ")
        sheet.name_nodes(drawn.axes[0], traffic)
        head(drawn.axes[0], drawn.axes[0].get_title(loc="left"), _largest(sheet))
        return drawn.figure


def figure2(ds: xr.Dataset) -> Figure:
    """Return Figure 2: the 5-node market on the map, its processing, and its utilisation.

    Parameters
    ----------
    ds : Dataset
        As for Figure 1, with `utilisation` and `electricity_price`.
    """
    with house_style():
        drawn = panels(3, None, 2, figure="figure2", height=2.5, across=3, widths=(1.9, 1.15, 0.95))
        left, centre, right = drawn.axes
        sheet, traffic = _map(ds, left, reach=1.5)
        drawn.entries = _map_entries(ds, sheet, traffic)
        nodes, classes = ds["node"].values.tolist(), ds["workload"].values.tolist()
        prices = ds["electricity_price"].values.tolist()
        labels = [f"{text.name(node, 14)}\n({price:g})" for node, price in zip(nodes, prices, strict=True)]
        processing = ds["processing"].values
        processing_table(centre, processing, labels, classes, processing.sum(axis=0))
        heat.table(right, ds["utilisation"].values, [""] * len(nodes), classes, longest=30)
        drawn.legend()
        head(left, "5 nodes, demand scale 35", " ")
        head(centre, "Processing [Mtok/s]")
        centre.set_xlabel("in brackets: electricity price [\\$/kWh]", fontsize=6.5)
        head(right, "In use [%]")
        sheet.name_nodes(left, traffic)
        head(left, left.get_title(loc="left"), _largest(sheet))
        return drawn.figure


def figure3(ds: xr.Dataset) -> Figure:
    """Return Figure 3: prices, cost, scarcity and congestion under growing demand.

    Parameters
    ----------
    ds : Dataset
        `mean_price` (demand_scale, workload), `total_cost`, `scarce_pairs` and `congested_links` (demand_scale,).
    """
    with house_style():
        drawn = panels(2, None, 2, figure="figure3", height=2.3)
        left, right = drawn.axes
        scale = ds["demand_scale"].values
        classes = ds["workload"].values.tolist()
        colour, dash = colours(classes, "workload"), dashes(classes)
        left.set_yscale("log")
        for k, name in enumerate(classes):
            look = {"color": colour[name], "linestyle": dash[name], "label": text.name(name)}
            left.plot(scale, ds["mean_price"].values[:, k], **look)
            drawn.entries[text.name(name)] = Line2D([], [], color=look["color"], linestyle=look["linestyle"])
        head(left, "Mean price by class")
        dress_value(left, text.labelled("Mean price", str(ds["mean_price"].attrs["units"])))
        factor, unit = text.money(float(ds["total_cost"].max()), str(ds["total_cost"].attrs["units"]), None)
        right.plot(scale, ds["total_cost"].values * factor, color=INK, label="total cost")
        head(right, "Cost, scarcity, congestion")
        dress_value(right, text.labelled("Total operating cost", unit), from_zero=True)
        counts = right.twinx()
        for name, label, look in (
            (
                "scarce_pairs",
                "scarce node-class pairs",
                {"color": "#882255", "linestyle": (0, (5, 1.5, 1, 1.5))},
            ),
            ("congested_links", "congested links", {"color": "#8C8C8C", "linestyle": (0, (1, 1.2))}),
        ):
            counts.plot(scale, ds[name].values, drawstyle="steps-mid", label=label, **look)
            drawn.entries[label] = Line2D([], [], **look)
        counts.set_ylabel("Number")
        counts.set_ylim(
            0.0, 1.15 * max(float(ds["scarce_pairs"].max()), float(ds["congested_links"].max()), 1.0)
        )
        counts.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        counts.spines["right"].set_visible(True)
        counts.grid(visible=False)
        drawn.entries = {"total cost": Line2D([], [], color=INK)} | drawn.entries
        for ax in (left, right):
            ax.set_xlabel("Demand scale")
            ax.set_xlim(float(scale.min()), float(scale.max()))
        drawn.legend()
        return drawn.figure


def figure4(ds: xr.Dataset) -> Figure:
    """Return Figure 4: physical link utilisation, and chat prices before and after tight latency limits.

    Parameters
    ----------
    ds : Dataset
        `link_use_share` (arc,), `chat_price_before` and `chat_price_after` (node,).
    """
    with house_style():
        share = ds["link_use_share"].values
        active = np.argsort(-share, kind="stable")[: int(np.count_nonzero(share > 0))]
        drawn = panels(2, None, 2, figure="figure4", height=max(2.2, 0.4 + heat.ROW * len(active)))
        left, right = drawn.axes
        names = link_names(Results(ds, (), "figure4"))
        share_bars(left, [names[i] for i in active], share[active], share[active] >= _FULL)
        full = int((share >= _FULL).sum())
        head(left, "Active links, transfer-aware", f"{full} full")
        left.set_xlabel("Share of capacity in use [%]")
        nodes = [text.name(node, 16) for node in ds["node"].values.tolist()]
        pair_bars(right, nodes, ds["chat_price_before"].values, ds["chat_price_after"].values)
        head(right, "Chat prices and latency limits")
        right.set_xlabel(text.labelled("Price of chat", str(ds["chat_price_before"].attrs["units"])))
        drawn.entries = bar_entries(share[active] >= _FULL)
        drawn.entries["before"] = Patch(facecolor=BEFORE)
        drawn.entries["under tight latency limits"] = Patch(facecolor=AFTER, hatch="////", edgecolor="white")
        drawn.legend()
        return drawn.figure


FIGURES: dict[str, Callable[[xr.Dataset], Figure]] = {
    "figure1": figure1,
    "figure2": figure2,
    "figure3": figure3,
    "figure4": figure4,
}
"""The paper's figures, by the names of `study.Reproduction.figures`."""


def _map(ds: xr.Dataset, ax: Axes, reach: float = 1.0) -> tuple[Sheet, Traffic]:
    nodes, classes = ds["node"].values.tolist(), ds["workload"].values.tolist()
    position = {node: place for place, node in enumerate(nodes)}
    traffic = Traffic(ds["processing"].values, ds["flow"].values, ds["link_use_share"].values >= _FULL)
    colour = colours(classes, "workload")
    origin, destination = (
        np.array([position[node] for node in ds[end].values.tolist()], dtype=np.intp)
        for end in ("origin", "destination")
    )
    sheet = Sheet(
        chart(ds, nodes, "the map"), nodes, origin, destination, [colour[name] for name in classes],
        float(traffic.processing.sum(axis=1).max()), traffic.flow.max(axis=0), _MOST_FLOWS, reach,
    )  # fmt: skip
    sheet.prepare(ax)
    sheet.draw(ax, traffic)
    return sheet, traffic


def _map_entries(ds: xr.Dataset, sheet: Sheet, traffic: Traffic) -> dict[str, Artist]:
    entries: dict[str, Artist] = {}
    for name, colour, most in zip(
        ds["workload"].values.tolist(), sheet.colours, sheet.most_flow, strict=True
    ):
        entries[f"{text.name(name)}: flows up to {text.number(float(most))} Mtok/s"] = Patch(facecolor=colour)
    if traffic.full.any():
        entries["link full"] = Line2D([], [], linestyle="none", **FULL_MARK)
    return entries


def _largest(sheet: Sheet) -> str:
    return f"largest pie {text.number(sheet.most_processing)} Mtok/s"
