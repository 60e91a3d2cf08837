"""What maps are drawn with: outlines, pies of processing, curves of flow, names that keep apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, FancyArrowPatch, PathPatch, Wedge
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.geography import Chart, left_out
from tokenflow_sim.plot.style import INK

LAND = "#B8B8B8"
"""Colour of outlines."""
FULL_MARK: dict[str, Any] = {
    "marker": "D",
    "markersize": 3.6,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 0.9,
}
"""How a full link is marked."""
LEAST_SHARE = 0.03
"""Share of its class's largest flow from which on a flow is drawn."""
_WIDEST, _THINNEST = 3.4, 0.5  # points
_PIE = 0.034  # radius of the largest pie as a share of the map's diagonal, up to twenty nodes
_BEND = 0.13
_SMALL = 6.0


@dataclass(frozen=True, eq=False)
class Traffic:
    """What a map shows: one moment, or a mean over time.

    Parameters
    ----------
    processing : ndarray
        Dispatch at each node in Mtok/s, dims (node, workload).
    flow : ndarray
        Flow in Mtok/s, dims (arc, workload).
    full : ndarray of bool
        Links to mark as full, dims (arc,).
    """

    processing: Floats
    flow: Floats
    full: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A map with what does not change from one moment to the next.

    Parameters
    ----------
    chart : Chart
        Places and outlines.
    nodes : list of str
        Their names.
    origin, destination : ndarray of int
        Ends of the arcs, dims (arc,).
    colours : list of str
        A colour a class.
    most_processing : float
        What the largest pie stands for, Mtok/s.
    most_flow : ndarray
        What the widest curve of each class stands for, Mtok/s, dims (workload,).
    most : int
        How many curves a class has at most.
    size : float
        Factor on the radius of the pies, for maps that are small on the page.
    """

    chart: Chart
    nodes: list[str]
    origin: NDArray[np.intp]
    destination: NDArray[np.intp]
    colours: list[str]
    most_processing: float
    most_flow: Floats
    most: int
    size: float = 1.0

    def prepare(self, ax: Axes) -> None:
        """Draw the outlines, set the limits, and name the nodes that the map has no place for."""
        west, south, east, north = self.chart.bounds
        ax.set_aspect("equal", adjustable="box", anchor="N")
        ax.set_xlim(west, east)
        ax.set_ylim(south, north)
        ax.set_axis_off()
        for lines, width in ((self.chart.borders, 0.3), (self.chart.outlines, 0.5)):
            if lines:
                ax.add_collection(LineCollection(lines, colors=LAND, linewidths=width, zorder=0))
        if lacking := left_out(self.chart, self.nodes):
            note = text.plain(f"Not on the map, {lacking}")
            ax.text(0.0, -0.01, note, transform=ax.transAxes, fontsize=_SMALL, va="top", gid="left out")

    def radii(self, traffic: Traffic) -> Floats:
        """Return the radius in km of each pie: its area is proportional to what is processed."""
        west, south, east, north = self.chart.bounds
        largest = (
            self.size
            * _PIE
            * np.hypot(east - west, north - south)
            * min(1.0, np.sqrt(20.0 / len(self.nodes)))
        )
        total = traffic.processing.sum(axis=1)
        return np.asarray(largest * np.sqrt(total / self.most_processing)) if self.most_processing else total

    def draw(self, ax: Axes, traffic: Traffic) -> None:
        """Draw curves, marks of full links, then pies."""
        radii = self.radii(traffic)
        drawn = [self._draw_flows(ax, k, traffic.flow[:, k], radii) for k in range(len(self.colours))]
        for arc in np.flatnonzero(traffic.full):
            # On the curve of the class that has one; a link without any gets a line to carry the mark.
            k = next((k for k, arcs in enumerate(drawn) if arc in arcs), None)
            curves = self._curves(int(arc), k or 0, radii)
            if k is None:
                for curve in curves:
                    line = PathPatch(
                        curve, fill=False, edgecolor=INK, linewidth=0.5, linestyle=(0, (4, 2)), zorder=2
                    )
                    ax.add_patch(line)
            if curves:
                ax.plot(
                    *self._mark(curves[0]),
                    zorder=4,
                    linestyle="none",
                    gid=f"full {arc}",
                    clip_on=False,
                    **FULL_MARK,
                )
        for node in np.flatnonzero(self.chart.is_placed):
            self._draw_pie(ax, int(node), float(radii[node]), traffic.processing[node])

    def _draw_pie(self, ax: Axes, node: int, radius: float, parts: Floats) -> None:
        where = float(self.chart.x[node]), float(self.chart.y[node])
        if radius <= 0:
            ax.plot(*where, marker="o", markersize=3, markerfacecolor="white", markeredgecolor=INK, zorder=6)
            return
        # Clockwise from the top.
        ends = 90.0 - 360.0 * np.append(0.0, np.cumsum(parts)) / parts.sum()
        for colour, start, end in zip(self.colours, ends[:-1], ends[1:], strict=True):
            if start - end > 0:
                wedge = Wedge(
                    where, radius, end, start, facecolor=colour, edgecolor="none", zorder=5, clip_on=False
                )
                ax.add_patch(wedge).set_gid(f"pie {self.nodes[node]}")
        ax.add_patch(
            Circle(where, radius, fill=False, edgecolor="white", linewidth=0.6, zorder=5.5, clip_on=False)
        )

    def _draw_flows(self, ax: Axes, k: int, flow: Floats, radii: Floats) -> set[int]:
        """Draw one class's largest flows, and return their arcs."""
        most = float(self.most_flow[k])
        order = np.argsort(-flow, kind="stable")[: self.most]
        arcs = [int(arc) for arc in order if most > 0 and flow[arc] >= LEAST_SHARE * most]
        for arc in arcs:
            width = max(_THINNEST, _WIDEST * float(flow[arc]) / most)
            for curve in self._curves(arc, k, radii):
                ax.add_patch(
                    FancyArrowPatch(
                        path=curve, arrowstyle="-|>,head_length=3,head_width=1.6",
                        mutation_scale=0.9 + 0.22 * width, linewidth=width, color=self.colours[k], alpha=0.85,
                        capstyle="butt", joinstyle="miter", zorder=2 + 0.1 * k, gid=f"flow {k} {arc}",
                    )
                )  # fmt: skip
        return set(arcs)

    def _curves(self, arc: int, k: int, radii: Floats) -> list[Path]:
        """Return an arc's curve from pie to pie: to the right of its direction, each class further out.

        Two curves where the way leads over the edge of a map of the world, none where an end has no place.
        """
        ends = int(self.origin[arc]), int(self.destination[arc])
        paths = []
        for start, end in self.chart.ways(*ends):
            along = end - start
            # To the right of the direction, so that the two directions of a link do not cover each other.
            aside = np.array([along[1], -along[0]])
            control = (start + end) / 2 + aside * (_BEND + 0.07 * k)
            points = []
            # The curve begins a little outside of the pie, but never beyond the curve's own middle.
            for place, node in ((start, ends[0]), (end, ends[1])):
                toward = control - place
                length = float(np.hypot(*toward)) or 1.0
                points.append(place + toward * min(0.4, 1.1 * float(radii[node]) / length))
            codes = [Path.MOVETO, Path.CURVE3, Path.CURVE3]
            paths.append(Path([points[0], control, points[1]], codes))
        return paths

    def _mark(self, curve: Path) -> Floats:
        """Return where on a curve a mark stands: in its middle, or before it leaves the map."""
        west, south, east, north = self.chart.bounds
        for t in (0.5, 0.4, 0.3, 0.2, 0.1, 0.0):
            weights = np.array([(1 - t) ** 2, 2 * t * (1 - t), t**2])  # of a quadratic Bezier curve
            x, y = weights @ np.asarray(curve.vertices)
            if west <= x <= east and south <= y <= north:
                break
        return np.array([x, y])

    def name_nodes(self, ax: Axes, traffic: Traffic) -> int:
        """Write the nodes' names beside their pies, the largest first, where they cover nothing; return how many."""
        figure = ax.get_figure(root=True)
        assert figure is not None  # axes without a figure cannot have been drawn on
        figure.draw_without_rendering()  # only now does the layout know how large the map is
        scale = figure.dpi / 72.0
        centres = ax.transData.transform(np.column_stack([self.chart.x, self.chart.y]))
        unit = float(np.diff(ax.transData.transform([(0.0, 0.0), (1.0, 0.0)]), axis=0)[0, 0])
        radii = np.maximum(self.radii(traffic) * unit, 1.5 * scale)
        taken = [
            Bbox.from_extents(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii, strict=True)
        ]
        inside, written = ax.get_window_extent(), 0
        for node in np.argsort(-radii, kind="stable"):
            if not self.chart.is_placed[node]:
                continue
            label = ax.annotate(
                text.name(self.nodes[node], 16), (0, 0), xycoords="figure pixels", fontsize=_SMALL, zorder=7,
                path_effects=[withStroke(linewidth=1.6, foreground="white")],
            )  # fmt: skip
            size = label.get_window_extent()
            box = _free_box(centres[node], float(radii[node]), size.width, size.height, scale, taken, inside)
            label.remove()
            if box is None:
                continue
            taken.append(box)
            written += 1
            offset = (np.array([box.x0, box.y0]) - centres[node]) / scale
            ax.annotate(
                label.get_text(), (self.chart.x[node], self.chart.y[node]), xytext=tuple(offset),
                textcoords="offset points", fontsize=_SMALL, zorder=7, va="bottom", ha="left",
                path_effects=[withStroke(linewidth=1.6, foreground="white")],
            )  # fmt: skip
        return written


def _free_box(
    centre: Floats,
    radius: float,
    width: float,
    height: float,
    scale: float,
    taken: Sequence[Bbox],
    inside: Bbox,
) -> Bbox | None:
    """Return a place for a name beside a pie that covers neither a pie nor another name."""
    x, y = float(centre[0]), float(centre[1])
    gap, slant = 1.2 * scale, 0.75 * radius
    corners = [
        (x + radius + gap, y - height / 2),
        (x - radius - gap - width, y - height / 2),
        (x - width / 2, y + radius + gap),
        (x - width / 2, y - radius - gap - height),
        (x + slant + gap, y + slant),
        (x - slant - gap - width, y + slant),
        (x + slant + gap, y - slant - height),
        (x - slant - gap - width, y - slant - height),
    ]
    for left, bottom in corners:
        box = Bbox.from_bounds(left, bottom, width, height)
        fits = box.x0 >= inside.x0 and box.x1 <= inside.x1 and box.y0 >= inside.y0 and box.y1 <= inside.y1
        if fits and not any(_cover(box, other) for other in taken):
            return box
    return None


def _cover(one: Bbox, other: Bbox) -> bool:
    return bool(one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)
