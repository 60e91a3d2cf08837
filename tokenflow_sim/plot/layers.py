"""Stacks over time, and who is named in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.style import MISSING, MOST_NAMED, OTHER, Family, colours, hatches
from tokenflow_sim.plot.time import TimeAxis


@dataclass(frozen=True)
class Layer:
    """One layer of a stack: a label, one value a step, and how to fill it."""

    label: str
    values: Floats
    colour: str
    hatch: str = ""

    def patch(self) -> Patch:
        """Return a sample of the layer for a legend."""
        return Patch(facecolor=self.colour, hatch=self.hatch, edgecolor=_edge(self), linewidth=0.4)


def _edge(layer: Layer) -> str:
    """Return the colour of edges and hatch: white between layers, and whatever shows on the fill for a hatch."""
    if not layer.hatch:
        return "white"
    red, green, blue = to_rgb(layer.colour)
    return "#404040" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.45 else "white"


def stack(ax: Axes, time: TimeAxis, layers: Sequence[Layer]) -> tuple[Floats, Floats]:
    """Stack layers over time: what is positive upwards from zero, what is negative downwards.

    Returns
    -------
    lower, upper : ndarray
        The outlines of the whole stack, dims (step,).
    """
    upper = np.zeros_like(time.starts)
    lower = np.zeros_like(time.starts)
    for layer in layers:
        values = np.nan_to_num(layer.values)
        for part, base in ((np.maximum(values, 0.0), upper), (np.minimum(values, 0.0), lower)):
            if not part.any():
                continue
            top = base + part
            ax.fill_between(
                time.line, time.steps(base), time.steps(top), facecolor=layer.colour, hatch=layer.hatch or None,
                edgecolor=_edge(layer), linewidth=0.25, label=layer.label,
            )  # fmt: skip
            base += part
    if lower.any():
        ax.axhline(0.0, color="black", linewidth=0.6)
    return lower, upper


def within_cut(layers: Sequence[Layer], tops: Floats, top: float | None) -> list[Layer]:
    """Return layers as they are drawn in columns that end at `top`: smaller, their shares of the column kept.

    Cut off at that height, a column would show its lowest layers only.
    """
    if top is None:
        return list(layers)
    factor = np.where(tops > top, top / np.where(tops > top, tops, 1.0), 1.0)
    return [replace(layer, values=layer.values * factor) for layer in layers]


def unserved_layer(values: Floats) -> Layer:
    """Return the layer of what was not served: white and hatched, so that it reads as absence."""
    return Layer("unserved", values, MISSING, "//////")


def layers_of(
    names: Sequence[str], values: Floats, family: Family, order: Sequence[str], what: str, totals: Floats
) -> list[Layer]:
    """Return a layer for each name, the small ones together where there are more names than colours.

    Parameters
    ----------
    names : sequence of str
        The names of the columns of `values`.
    values : ndarray
        Dims (step, name).
    family : {'workload', 'provider', 'owner', 'part', 'rank'}
        Which palette.
    order : sequence of str
        All names of the family in the results, which fixes their colours; or `ranked` ones.
    what : str
        Plural of what is named, e.g. ``providers``.
    totals : ndarray
        What each name counts for, dims (name,), by its size; those that count for nothing get no layer.
    """
    most = MOST_NAMED[family]
    present = [place for place in range(len(names)) if totals[place] != 0]
    named = present
    if len(present) > most:
        named = sorted(sorted(present, key=lambda place: -abs(totals[place]))[: most - 1])
    others = [place for place in present if place not in set(named)]
    colour, hatch = colours(order, family), hatches(order, family)
    layers = [Layer(text.name(names[i]), values[:, i], colour[names[i]], hatch[names[i]]) for i in named]
    if others:
        layers.append(Layer(f"{len(others)} other {what}", values[:, others].sum(axis=1), OTHER))
    return layers


def ranked(names: Sequence[str], totals: Floats) -> list[str]:
    """Return names by falling totals."""
    return [names[int(place)] for place in np.argsort(-totals, kind="stable")]
