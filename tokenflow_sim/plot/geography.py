"""Where nodes stand on a map, and the outlines beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.outlines import Box, across, around, state_outlines
from tokenflow_sim.plot.projection import (
    albers,
    azimuthal,
    centre_of,
    distance_degrees,
    equal_earth,
    middle_meridian,
    turned,
)
from tokenflow_sim.results.reading import scenario_of
from tokenflow_sim.scenario import Scenario

PlacesLike = Scenario | xr.Dataset | Mapping[str, tuple[float, float]]
"""Where coordinates may come from: a scenario, a Dataset with `latitude` and `longitude`, or pairs by node."""

_CONTIGUOUS = (-125.0, 24.0, -66.0, 50.0)  # west, south, east, north
_REGION = 60.0  # degrees around a centre that an azimuthal map shows without much distortion
_MARGIN = 0.13  # of a map's width around nodes, so that coasts tell where they are
_LISTED = 6
_KINDS: tuple[Literal["coasts", "borders"], ...] = ("coasts", "borders")


@dataclass(frozen=True, eq=False)
class Chart:
    """A map: nodes and outlines in km on a plane.

    Parameters
    ----------
    x, y : ndarray
        Places of the nodes, dims (node,); NaN for those without coordinates.
    bounds : tuple of float
        West, south, east, north edge, with a margin.
    outlines : list of ndarray
        States or coastlines beneath them, dims (point, x/y).
    borders : list of ndarray
        Borders between countries.
    turn : ndarray or None
        Length of a node's parallel on the map, dims (node,): how far to the east the world begins anew. None on maps
        that do not show it whole.
    """

    x: Floats
    y: Floats
    bounds: Box
    outlines: list[Floats]
    borders: list[Floats] = field(default_factory=list)
    turn: Floats | None = None

    @property
    def is_placed(self) -> NDArray[np.bool_]:
        """Whether each node has a place, dims (node,)."""
        return np.isfinite(self.x)

    def ways(self, start: int, end: int) -> list[tuple[Floats, Floats]]:
        """Return the straight ways to draw from one node to another, each as both its ends, dims (x/y,).

        One, as a rule. Where the shorter way around the world leads over the edge of the map, there are two: one that
        goes off the map, and one that comes in from the other side. None if either node has no place.
        """
        a, b = (np.array([self.x[node], self.y[node]]) for node in (start, end))
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return []
        if self.turn is None:
            return [(a, b)]
        around = np.round(b[0] / self.turn[end] - a[0] / self.turn[start])
        if around == 0:
            return [(a, b)]
        return [
            (a, b - np.array([around * self.turn[end], 0.0])),
            (a + np.array([around * self.turn[start], 0.0]), b),
        ]


def coordinates(ds: xr.Dataset, places: PlacesLike | None = None) -> dict[str, tuple[float, float]]:
    """Return latitude and longitude in degrees of every node that has them.

    Parameters
    ----------
    ds : Dataset
        Results; `latitude` and `longitude` along `node` are taken from it, else from its scenario.
    places : Scenario, Dataset or mapping, optional
        Where to take them from instead.
    """
    source = places if places is not None else ds
    if isinstance(source, xr.Dataset) and not {"latitude", "longitude"} <= set(source.variables):
        scenario = scenario_of(source)
        source = scenario if scenario is not None else {}
    if isinstance(source, Scenario):
        return {
            name: (node.latitude, node.longitude)
            for name, node in source.nodes.items()
            if node.latitude is not None and node.longitude is not None
        }
    if isinstance(source, xr.Dataset):
        columns = (source["node"], source["latitude"], source["longitude"])
        rows = zip(*(np.atleast_1d(column.values) for column in columns), strict=True)
        found = {str(node): (float(latitude), float(longitude)) for node, latitude, longitude in rows}
    else:
        found = {str(node): (float(pair[0]), float(pair[1])) for node, pair in source.items()}
    return {node: pair for node, pair in found.items() if np.isfinite(pair).all()}


def is_placed(ds: xr.Dataset) -> bool:
    """Return whether some node of these results has coordinates."""
    known_places = coordinates(ds)
    return any(str(node) in known_places for node in np.atleast_1d(ds["node"].values))


def chart(ds: xr.Dataset, nodes: list[str], figure: str, places: PlacesLike | None = None) -> Chart:
    """Place nodes on a plane, with the outlines of the land beneath.

    Parameters
    ----------
    ds : Dataset
        Results.
    nodes : list of str
        The nodes. Those without coordinates get no place; `left_out` names them.
    figure : str
        Name of the figure, for messages.
    places : Scenario, Dataset or mapping, optional
        See `coordinates`.

    Raises
    ------
    ResultError
        If no node has coordinates.

    Notes
    -----
    Albers' projection where all nodes lie in the contiguous United States; Lambert's azimuthal one about their middle
    where they lie within 60 degrees of it; else the Equal Earth projection of the whole world, cut in the widest gap
    between their longitudes. All keep areas.
    """
    found = coordinates(ds, places)
    if not any(node in found for node in nodes):
        names = ", ".join(nodes[:_LISTED]) + (", ..." if len(nodes) > _LISTED else "")
        raise ResultError(
            f"{figure} needs latitude and longitude of the nodes; missing for all {len(nodes)}: {names}; give "
            f"`latitude` and `longitude` in the scenario's nodes, or the argument "
            f"places={{{nodes[0]!r}: (latitude, longitude), ...}}"
        )
    nowhere = (np.nan, np.nan)
    latitude, longitude = np.array([found.get(node, nowhere) for node in nodes], dtype=float).T
    known_latitude, known_longitude = (values[np.isfinite(latitude)] for values in (latitude, longitude))
    west, south, east, north = _CONTIGUOUS
    in_states = (known_longitude >= west) & (known_longitude <= east)
    in_states &= (known_latitude >= south) & (known_latitude <= north)
    if in_states.all():
        x, y = albers(latitude, longitude)
        return Chart(x, y, _bounds(x, y, state_outlines()), state_outlines())
    centre = centre_of(known_latitude, known_longitude)
    if distance_degrees(known_latitude, known_longitude, centre).max() <= _REGION:
        about = partial(azimuthal, centre=centre)
        x, y = about(latitude, longitude)
        box = _bounds(x, y, [])
        return Chart(x, y, box, around("coasts", centre, about, box), around("borders", centre, about, box))
    meridian = middle_meridian(known_longitude)
    world = partial(equal_earth, meridian=meridian)
    x, y = world(latitude, turned(longitude, meridian))
    edges = (
        float(world(np.zeros(1), np.array([meridian + 180.0]))[0][0]),
        float(world(np.full(1, 90.0), np.zeros(1))[1][0]),
    )
    box = _bounds(x, y, [], edges)
    turn = world(latitude, np.full_like(latitude, meridian + 360.0))[0]
    coasts, borders = (across(kind, meridian, world, box) for kind in _KINDS)
    return Chart(x, y, box, coasts, borders, turn)


def left_out(here: Chart, nodes: list[str]) -> str:
    """Name the nodes of a chart that have no coordinates; empty where all have."""
    lacking = [node for node, known_place in zip(nodes, here.is_placed, strict=True) if not known_place]
    if not lacking:
        return ""
    more = len(lacking) - _LISTED
    return f"without coordinates: {', '.join(lacking[:_LISTED])}" + (f" and {more} more" if more > 0 else "")


def _bounds(
    x: Floats, y: Floats, outlines: list[Floats], limits: tuple[float, float] = (np.inf, np.inf)
) -> Box:
    """Return the edges of a map around nodes and whole outlines, and within `limits` of the middle in x and y."""
    placed = np.isfinite(x)
    points = np.vstack([np.column_stack([x[placed], y[placed]]), *outlines])
    low, high = points.min(axis=0), points.max(axis=0)
    span = float(max(high - low)) or 100.0
    margin = span * (0.01 if outlines else _MARGIN)
    # Nodes on one line, or one alone, still get a map with two dimensions.
    middle, half = (low + high) / 2, np.maximum((high - low) / 2 + margin, 0.25 * span)
    (west, south), (east, north) = middle - half, middle + half
    west, east = max(west, -limits[0]), min(east, limits[0])
    south, north = max(south, -limits[1]), min(north, limits[1])
    return float(west), float(south), float(east), float(north)
