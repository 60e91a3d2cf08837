"""The map of the page: where nodes stand, what they ask and serve, and how full the links are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import to_hex

from tokenflow_sim.numerals import share, significant
from tokenflow_sim.plot.geography import chart, coordinates, left_out
from tokenflow_sim.plot.style import SEQUENTIAL
from tokenflow_sim.scenario import Scenario

WIDTH, HEIGHT = 640.0, 400.0
"""Size of the drawing, in units of its own; the browser scales it."""

_PAD = 22.0
_ROW = 44.0  # height of the row of nodes without coordinates
_RADII = (4.0, 17.0)
_IDLE = 0.005  # share of a link's capacity below which it is not drawn
_UNKNOWN = "#c9ced6"


@dataclass(frozen=True)
class BaseMap:
    """The fixed parts of a map: the place of each node, and the outlines beneath as paths of SVG."""

    places: dict[str, tuple[float, float]]
    outlines: list[str]
    note: str = ""
    """Which nodes have no coordinates, and where they stand instead."""


def base_map(scenario: Scenario) -> BaseMap:
    """Place the nodes of a scenario; those without coordinates stand in a row below the map, or on a circle if all."""
    names = list(scenario.nodes)
    if not coordinates(xr.Dataset(), scenario):
        angle = np.linspace(0, 2 * np.pi, len(names), endpoint=False) - np.pi / 2
        half = HEIGHT / 2 - 2 * _PAD
        around = zip(WIDTH / 2 + 1.3 * half * np.cos(angle), HEIGHT / 2 + half * np.sin(angle), strict=True)
        return BaseMap({name: (float(x), float(y)) for name, (x, y) in zip(names, around, strict=True)}, [])
    drawn = chart(xr.Dataset(), names, "map", scenario)
    west, south, east, north = drawn.bounds
    lacking = [name for name, is_placed in zip(names, drawn.is_placed, strict=True) if not is_placed]
    height = HEIGHT - (_ROW if lacking else 0.0)
    scale = min((WIDTH - 2 * _PAD) / (east - west), (height - 2 * _PAD) / (north - south))
    left = (WIDTH - scale * (east - west)) / 2
    top = (height - scale * (north - south)) / 2

    def x(values: Any) -> Any:
        return np.round(left + scale * (values - west), 1)

    def y(values: Any) -> Any:
        return np.round(top + scale * (north - values), 1)

    places = {name: (float(a), float(b)) for name, a, b in zip(names, x(drawn.x), y(drawn.y), strict=True)}
    for place, name in enumerate(lacking):
        places[name] = (round(WIDTH * (place + 0.5) / len(lacking), 1), HEIGHT - _PAD)
    paths = [
        "M" + "L".join(f"{a} {b}" for a, b in zip(x(line[:, 0]), y(line[:, 1]), strict=True))
        for line in (*drawn.outlines, *drawn.borders)
    ]
    note = left_out(drawn, names)
    return BaseMap(places, paths, f"In the row below the map, {note}." if note else "")


def nodes(on: BaseMap, ds: xr.Dataset | None, period: int, workload: str) -> list[dict[str, Any]]:
    """Return the nodes: place, size by what is served there, colour by the price of a class."""
    rows = [
        {"name": name, "x": x, "y": y, "r": _RADII[0], "color": _UNKNOWN, "text": name}
        for name, (x, y) in on.places.items()
    ]
    if ds is None:
        return rows
    now = ds.isel(period=period)
    price = now["price"].sel(workload=workload).to_numpy()
    demand = _over(now["demand"], "node")
    made = _over(now["dispatch"], "asset")
    at = now["asset_node"].to_numpy()
    served = np.array([made[at == name].sum() for name in now["node"].to_numpy()])
    low, high = float(price.min()), float(price.max())
    largest = float(served.max()) or 1.0
    tints = mpl.colormaps[SEQUENTIAL]
    for row, one, asked, done in zip(rows, price, demand, served, strict=True):
        level = 0.5 if high <= low else (one - low) / (high - low)
        row["color"] = to_hex(tints(0.12 + 0.8 * level))
        row["r"] = round(_RADII[0] + (_RADII[1] - _RADII[0]) * float(np.sqrt(max(done, 0.0) / largest)), 1)
        row["text"] = (
            f"{row['name']}: {workload} {significant(one)} $/Mtok;"
            f" serves {significant(done)}, asks {significant(asked)} Mtok/s"
        )
    return rows


def scale(ds: xr.Dataset | None, period: int, workload: str) -> list[str]:
    """Return the least and the highest price on the map, as text."""
    if ds is None:
        return []
    price = ds["price"].isel(period=period).sel(workload=workload).to_numpy()
    return [significant(float(price.min())), significant(float(price.max()))]


def tints() -> list[str]:
    """Return the colours of the scale of prices."""
    return [to_hex(mpl.colormaps[SEQUENTIAL](0.12 + 0.8 * level)) for level in np.linspace(0, 1, 6)]


def links(on: BaseMap, ds: xr.Dataset | None, period: int) -> list[dict[str, Any]]:
    """Return the links that carry something: a curve, how full it is, and whether it is full."""
    if ds is None or not ds.sizes["arc"]:
        return []
    now = ds.isel(period=period)
    use, flow = now["link_use_share"].to_numpy(), _over(now["flow"], "arc")
    ends = zip(now["origin"].to_numpy(), now["destination"].to_numpy(), strict=True)
    rows = []
    for name, (start, end), part, load in zip(now["arc"].to_numpy(), ends, use, flow, strict=True):
        if part < _IDLE and load <= 0:
            continue
        (a, b), (c, d) = on.places[str(start)], on.places[str(end)]
        # Bent to one side, so that both directions are seen.
        bend = (a + c) / 2 + 0.12 * (d - b), (b + d) / 2 - 0.12 * (c - a)
        rows.append(
            {
                "name": str(name),
                "path": f"M{a} {b}Q{bend[0]:.1f} {bend[1]:.1f} {c} {d}",
                "width": round(0.6 + 2.6 * float(min(part, 1.0)), 2),
                "full": bool(part >= 1 - 1e-6),
                "text": f"{name}: {share(float(part), 1.0)} of its capacity, {significant(float(load))} Mtok/s",
            }
        )
    return rows


def _over(array: xr.DataArray, dim: str) -> Any:
    return array.sum([other for other in array.dims if other != dim]).to_numpy()
