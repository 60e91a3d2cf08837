"""Make the outlines of the maps: ``python docs/make_outlines.py states-10m.json countries-50m.json``.

Both inputs are TopoJSON. ``states-10m.json`` comes from the npm package us-atlas 3.0.1 (``npm pack us-atlas``): the
cartographic state boundaries of the U.S. Census Bureau, edition of 2017, a work of the U.S. government and in the
public domain. ``countries-50m.json`` comes from the npm package world-atlas 2.0.2: the country boundaries of Natural
Earth 4.1.0 at 1:50m, in the public domain. What is written is kept small: the contiguous states only, fewer points,
hundredths of a degree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[1] / "tokenflow_sim" / "plot" / "data"
TOLERANCE = {"states": 0.035, "world": 0.06}
"""Degrees by which a simplified line may stray: a tenth of a millimetre on a page."""
SMALLEST = {"states": 0.25, "world": 0.4}
"""Degrees that a closed line (an island) must span to be kept."""
SOURCE = {
    "states": (
        "U.S. Census Bureau, cartographic boundary files of the states, 2017 (public domain), by way of the npm "
        "package us-atlas 3.0.1; contiguous states, simplified by docs/make_outlines.py"
    ),
    "world": (
        "Natural Earth 4.1.0, admin 0 country boundaries at 1:50m (public domain), by way of the npm package "
        "world-atlas 2.0.2; simplified by docs/make_outlines.py"
    ),
}
POLE = -89.9
"""Degrees of latitude below which a line is the rim of the chart, not a coast."""

Floats = NDArray[np.float64]


def decoded(topology: dict[str, Any]) -> list[Floats]:
    """Return the arcs of a topology: positions in degrees, dims (point, lon/lat)."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]


def states_of(topology: dict[str, Any]) -> dict[str, list[Floats]]:
    """Return the arcs that bound the contiguous states."""
    west, south, east, north = -125.0, 24.4, -66.5, 49.6
    inside = [
        arc
        for arc in decoded(topology)
        if bool((arc >= (west, south)).all() and (arc <= (east, north)).all())
    ]
    return {"lines": inside}


def world_of(topology: dict[str, Any]) -> dict[str, list[Floats]]:
    """Return coastlines, which bound one country, and borders, which bound two.

    Longitudes go on beyond 180 degrees where a line crosses the date line, so that no step of a line is a leap.
    """
    uses: dict[int, int] = {}
    for country in topology["objects"]["countries"]["geometries"]:
        parts = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        for ring in (ring for polygon in parts for ring in polygon):
            for arc in ring:
                place = arc if arc >= 0 else ~arc
                uses[place] = uses.get(place, 0) + 1
    found: dict[str, list[Floats]] = {"coasts": [], "borders": []}
    for place, line in enumerate(decoded(topology)):
        line[:, 0] = np.unwrap(line[:, 0], period=360.0)
        at_rim = line[:, 1] < POLE
        # The chart's own edges, at the South Pole and along 180 degrees, are no coasts.
        edge = np.isclose(np.abs(line[:, 0]), 180.0, atol=0.01)
        cut = (at_rim[1:] | at_rim[:-1]) | (edge[1:] & edge[:-1])
        pieces = np.split(line, 1 + np.flatnonzero(cut))
        kind = "coasts" if uses.get(place, 0) < 2 else "borders"
        found[kind] += [piece for piece in pieces if len(piece) > 1]
    return found


def simplified(points: Floats, tolerance: float) -> Floats:
    """Leave out points that lie within `tolerance` of the line between those kept (Douglas and Peucker, 1973)."""
    if len(points) < 3:
        return points
    start, end = points[0], points[-1]
    along = end - start
    length = float(np.hypot(*along))
    offset = points - start
    if length > 0:
        distance = np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length
    else:
        distance = np.hypot(offset[:, 0], offset[:, 1])
    farthest = int(distance.argmax())
    if distance[farthest] <= tolerance:
        return points[[0, -1]]
    first, second = simplified(points[: farthest + 1], tolerance), simplified(points[farthest:], tolerance)
    return np.vstack([first[:-1], second])


def write(name: str, target: Path, groups: dict[str, list[Floats]]) -> None:
    """Simplify lines and write them."""
    text: dict[str, Any] = {
        "source": SOURCE[name],
        "unit": "hundredths of a degree: longitude, latitude, ...",
    }
    for group, lines in groups.items():
        text[group] = []
        for line in lines:
            is_island = bool((line[0] == line[-1]).all())
            if is_island and float(np.ptp(line, axis=0).max()) < SMALLEST[name]:
                continue
            kept = np.round(simplified(line, TOLERANCE[name]) * 100).astype(int)
            text[group].append(kept.ravel().tolist())
        print(f"{target}: {len(text[group])} {group}, {sum(map(len, text[group])) // 2} points")
    target.write_text(json.dumps(text, separators=(",", ":")) + "\n", encoding="utf-8")


def main(states: str, world: str) -> None:
    """Read the topologies and write the outlines."""
    sources = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (states, world))
    write("states", DATA / "us_states.json", states_of(next(sources)))
    write("world", DATA / "world.json", world_of(next(sources)))


if __name__ == "__main__":
    main(*sys.argv[1:])
