"""What prices are made of."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import Layer, stack
from tokenflow_sim.plot.panels import OneOrMore, cut_peaks, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, PALETTES, Columns
from tokenflow_sim.results.reading import weighted_mean
from tokenflow_sim.variables import ALL_PRICE_PARTS, PRICE_PARTS, RESULTS

_VISIBLE = 1e-9  # share of the highest price that is no rounding
_OF_OFFER = ("running", "markup")
_NETWORK = 2  # parts of the network, at the end
_WHOLE_OFFER = "offer"


def labels_of(ds: xr.Dataset) -> dict[str, str] | None:
    """Return the label of each part by its variable's name; None where what an offer is made of is told in part.

    A clearing alone, and results of early versions, have the whole offer as `price_energy`.
    """
    parts = [part for part in ALL_PRICE_PARTS if part in PRICE_PARTS or f"price_{part}" in ds]
    if not [part for part in _OF_OFFER if f"price_{part}" not in ds]:
        return {f"price_{part}": part for part in parts}
    if ds["price_energy"].attrs.get("long_name") == RESULTS["price_energy"].long_name:
        return None
    rest = {f"price_{part}": part for part in parts if part not in _OF_OFFER}
    return rest | {"price_energy": _WHOLE_OFFER}


def _has_whole_parts(ds: xr.Dataset) -> bool:
    return labels_of(ds) is not None


@figure("price", "demand", *(f"price_{p}" for p in PRICE_PARTS if p not in _OF_OFFER), fits=_has_whole_parts)
def decomposition(
    results: Results,
    node: str | None = None,
    *,
    workload: str | list[str] | None = None,
    cut: bool | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Prices over time as the sum of electricity, running cost, mark-up, scarcity, routing and congestion, by class.

    One panel a class. The black line is the price, which the parts make up. A lower panel has routing and congestion
    alone, on a scale of their own, since they are often too small to be seen beside the rest; without any in these
    results, there are no lower panels. Where a market has further limits (site, own), their part is stacked too.
    What knows offers alone (a clearing, results of early versions) has `offer` in place of energy, running and markup.

    Parameters
    ----------
    ds : Dataset
        Results with `price`, its parts and `demand`.
    node : str, optional
        The node whose price is drawn; by default the mean over nodes, weighted by demand.
    workload : str or list of str, optional
        The classes to draw; all by default.
    cut : bool, optional
        Whether the axis ends above the usual values, with the heights of the peaks written at its end; by default
        where the highest value is more than three times that which nine in ten steps keep to.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes or sequence of Axes, optional
        Draw here, one a class and one more a class where there are lower panels, instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or a node or class is unknown.
    """
    labels = labels_of(results.ds)
    if labels is None:
        lacking = ", ".join(f"price_{part}" for part in _OF_OFFER if f"price_{part}" not in results.ds)
        raise ResultError(f"decomposition needs all parts of the price; missing: {lacking}")
    colour = dict(zip(ALL_PRICE_PARTS, PALETTES["part"], strict=True))
    colours = [colour[name.removeprefix("price_")] for name in labels]
    time, classes = results.time, results.names("workload", "price")
    arrays = [results[name] for name in ("demand", "price", *labels)]
    label = "price, mean weighted by demand"
    if node is not None:
        (chosen,) = results.choose("node", node, "price")
        place = results.names("node", "price").index(chosen)
        arrays = [array[:, place : place + 1] for array in arrays]
        label = f"price at {text.name(chosen)}"

    def means(demand: Floats, *values: Floats) -> tuple[Floats, ...]:
        return tuple(weighted_mean(value, demand, axis=(1, 2)) for value in values)

    price, *parts = time.apply(means, *arrays)
    shown = results.choose("workload", workload, "price")
    places = [classes.index(name) for name in shown]
    moved = [part[:, places] for part in parts[-_NETWORK:]]
    has_network = any(np.abs(part).max(initial=0.0) > _VISIBLE * np.abs(price).max() for part in moved)
    across = min(columns, len(shown))
    # A class has one cell, or two above each other.
    tall = 1 + has_network
    order = [(panel, lower) for panel in range(len(shown)) for lower in range(tall)]
    cells = [(tall * (panel // across) + lower, panel % across) for panel, lower in order]
    rows = -(-len(shown) // across)
    heights = [1.4, 0.6] * rows if has_network else [1.6] * rows
    drawn = panels(
        len(order), ax, columns, figure="decomposition", height=heights, across=across, cells=cells
    )
    drawn.entries = {label: Line2D([], [], color=INK, linewidth=0.8)}
    for place, (panel, is_lower) in enumerate(order):
        ax_, k = drawn.axes[place], places[panel]
        layers = [
            Layer(part, values[:, k], colour)
            for part, values, colour in zip(labels.values(), parts, colours, strict=True)
        ]
        drawn.entries |= {layer.label: layer.patch() for layer in layers}
        _, top = stack(ax_, time, layers[-_NETWORK:] if is_lower else layers)
        words = "\n".join(wrap(text.quantity(results.attrs("price"), wrap=99), 22))
        if is_lower:
            words = f"Network\n[{text.plain(results.attrs('price')['units'])}]"
        else:
            ax_.plot(time.line, time.steps(price[:, k]), color=INK, linewidth=0.8, label=label)
            head(ax_, text.name(shown[panel]))
        dress_value(ax_, words if drawn.is_left(place) else "", ticks=2 if is_lower else 5, from_zero=True)
        if not is_lower:
            cut_peaks(ax_, time, np.maximum(top, 0.0), cut=cut)
    drawn.dress_time(time)
    drawn.legend()
    return drawn.figure
