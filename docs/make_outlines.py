"""Make the state outlines of the maps from the us-atlas package: ``python docs/make_outlines.py states-10m.json``.

The input is ``states-10m.json`` of the npm package us-atlas 3.0.1 (``npm pack us-atlas``): the cartographic state
boundaries of the U.S. Census Bureau, edition of 2017, as TopoJSON. They are a work of the U.S. government and in the
public domain. What is written is kept small: the contiguous states only, fewer points, hundredths of a degree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).resolve().parents[1] / "tokenflow_sim" / "plot" / "data" / "us_states.json"
TOLERANCE = 0.035
"""Degrees by which a simplified line may stray: a tenth of a millimetre on a page."""
SMALLEST = 0.25
"""Degrees that a closed line (an island) must span to be kept."""
SOURCE = (
    "U.S. Census Bureau, cartographic boundary files of the states, 2017 (public domain), by way of the npm package "
    "us-atlas 3.0.1; contiguous states, simplified by docs/make_outlines.py"
)

Floats = NDArray[np.float64]


def arcs_of(topology: dict[str, Any]) -> dict[int, Floats]:
    """Decode the arcs that bound the contiguous states: positions in degrees, dims (point, lon/lat)."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]
    west, south, east, north = -125.0, 24.4, -66.5, 49.6
    inside = [bool((arc >= (west, south)).all() and (arc <= (east, north)).all()) for arc in arcs]
    return {i: arc for i, (arc, keep) in enumerate(zip(arcs, inside, strict=True)) if keep}


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


def main(path: str) -> None:
    """Read the topology and write the outlines."""
    topology = json.loads(Path(path).read_text(encoding="utf-8"))
    lines = []
    for arc in arcs_of(topology).values():
        is_island = bool((arc[0] == arc[-1]).all())
        if is_island and float(np.ptp(arc, axis=0).max()) < SMALLEST:
            continue
        kept = np.round(simplified(arc, TOLERANCE) * 100).astype(int)
        lines.append(kept.ravel().tolist())
    text = {"source": SOURCE, "unit": "hundredths of a degree: longitude, latitude, ...", "lines": lines}
    TARGET.write_text(json.dumps(text, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(lines)} lines, {sum(map(len, lines)) // 2} points")


if __name__ == "__main__":
    main(sys.argv[1])
