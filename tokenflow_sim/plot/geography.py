"""Where nodes stand on a map, and the outlines beneath them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.plot.context import scenario_of
from tokenflow_sim.plot.time import Floats
from tokenflow_sim.scenario import Scenario

PlacesLike = Scenario | xr.Dataset | Mapping[str, tuple[float, float]]
"""Where coordinates may come from: a scenario, a Dataset with `latitude` and `longitude`, or pairs by node."""

_KM = 6371.0
_CONTIGUOUS = (-125.0, 24.0, -66.0, 50.0)  # west, south, east, north
_MARGIN = 0.06  # of a map's width around nodes without outlines
_LISTED = 6


@dataclass(frozen=True, eq=False)
class Chart:
    """A map: nodes and outlines in km on a plane.

    Parameters
    ----------
    x, y : ndarray
        Places of the nodes, dims (node,).
    outlines : list of ndarray
        Lines beneath them, dims (point, x/y); empty outside the contiguous United States.
    """

    x: Floats
    y: Floats
    outlines: list[Floats]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north edge, with a margin."""
        points = np.vstack([np.column_stack([self.x, self.y]), *self.outlines])
        low, high = points.min(axis=0), points.max(axis=0)
        span = float(max(high - low)) or 100.0
        margin = span * (0.01 if self.outlines else _MARGIN)
        # Nodes on one line, or one alone, still get a map with two dimensions.
        middle, half = (low + high) / 2, np.maximum((high - low) / 2 + margin, 0.25 * span)
        (west, south), (east, north) = middle - half, middle + half
        return float(west), float(south), float(east), float(north)


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
    """Return whether every node of these results has coordinates."""
    known_places = coordinates(ds)
    return all(str(node) in known_places for node in np.atleast_1d(ds["node"].values))


def chart(ds: xr.Dataset, nodes: list[str], figure: str, places: PlacesLike | None = None) -> Chart:
    """Place nodes on a plane.

    Parameters
    ----------
    ds : Dataset
        Results.
    nodes : list of str
        The nodes.
    figure : str
        Name of the figure, for messages.
    places : Scenario, Dataset or mapping, optional
        See `coordinates`.

    Raises
    ------
    ResultError
        If nodes have no coordinates; the message names them.

    Notes
    -----
    Albers' equal-area conic projection in the contiguous United States (Snyder, 1987, Map Projections: A Working
    Manual, pp. 98-103, standard parallels 29.5 and 45.5 degrees); elsewhere the equirectangular one about the middle.
    """
    found = coordinates(ds, places)
    lacking = [node for node in nodes if node not in found]
    if lacking:
        names = ", ".join(lacking[:_LISTED]) + (", ..." if len(lacking) > _LISTED else "")
        raise ResultError(
            f"{figure} needs latitude and longitude of every node; missing for {len(lacking)} of {len(nodes)} nodes: "
            f"{names}; give `latitude` and `longitude` in the scenario's nodes, or the argument "
            f"places={{{lacking[0]!r}: (latitude, longitude), ...}}"
        )
    latitude, longitude = np.array([found[node] for node in nodes], dtype=float).T
    west, south, east, north = _CONTIGUOUS
    in_states = (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
    if in_states.all():
        return Chart(*_albers(latitude, longitude), outlines=state_outlines())
    # The shorter way around, for nodes on both sides of the date line.
    turned = (longitude - longitude[0] + 180.0) % 360.0 - 180.0
    x = _KM * np.radians(turned) * np.cos(np.radians(latitude.mean()))
    return Chart(x, _KM * np.radians(latitude), [])


def _albers(latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
    first, second, origin = np.radians([29.5, 45.5, 37.5])
    n = (np.sin(first) + np.sin(second)) / 2
    c = np.cos(first) ** 2 + 2 * n * np.sin(first)
    rho, rho_0 = (np.sqrt(c - 2 * n * np.sin(phi)) / n for phi in (np.radians(latitude), origin))
    theta = n * np.radians(longitude + 96.0)
    return _KM * rho * np.sin(theta), _KM * (rho_0 - rho * np.cos(theta))


def _dense(line: Floats) -> Floats:
    """Put points on the long straight pieces of a line: a parallel is straight in degrees and bent on the map."""
    parts = np.maximum(1, np.ceil(np.abs(np.diff(line, axis=0)).max(axis=1)).astype(int))
    at = np.concatenate([[0.0], *(i + np.arange(1, n + 1) / n for i, n in enumerate(parts))])
    return np.column_stack([np.interp(at, np.arange(len(line)), column) for column in line.T])


@cache
def state_outlines() -> list[Floats]:
    """Return the outlines of the contiguous states in km, each of dims (point, x/y).

    Notes
    -----
    Cartographic boundaries of the U.S. Census Bureau, in the public domain; see ``source`` in data/us_states.json.
    """
    text = files("tokenflow_sim.plot").joinpath("data", "us_states.json").read_text(encoding="utf-8")
    lines: list[Any] = json.loads(text)["lines"]
    degrees = [_dense(np.asarray(line, dtype=float).reshape(-1, 2) / 100.0) for line in lines]
    return [np.column_stack(_albers(line[:, 1], line[:, 0])) for line in degrees]
