"""Outlines of land beneath maps: read, cut where a map ends, and projected."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.projection import albers, distance_degrees

Project = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Takes latitudes and longitudes in degrees, and returns places in km."""
Box = tuple[float, float, float, float]
"""West, south, east and north edge of a map, in km."""

_SIGHT = 110.0  # degrees from the centre of an azimuthal map: land beyond is torn apart by the projection


@cache
def state_outlines() -> list[Floats]:
    """Return the outlines of the contiguous states in km, each of dims (point, x/y).

    Notes
    -----
    Cartographic boundaries of the U.S. Census Bureau, in the public domain; see data/README.md.
    """
    return [np.column_stack(albers(line[:, 1], line[:, 0])) for line in _lines("us_states.json", "lines")]


def around(
    kind: Literal["coasts", "borders"], centre: tuple[float, float], project: Project, box: Box
) -> list[Floats]:
    """Return the world's outlines on an azimuthal map, each of dims (point, x/y).

    Parameters
    ----------
    kind : {'coasts', 'borders'}
        Coastlines, or borders between countries.
    centre : tuple of float
        Latitude and longitude of the map's centre.
    project : callable
        The projection.
    box : tuple of float
        Edges of the map; lines end there.

    Notes
    -----
    Natural Earth, in the public domain; see data/README.md.
    """
    starts, ends = _segments(kind)
    seen = [distance_degrees(points[:, 1], points[:, 0], centre) < _SIGHT for points in (starts, ends)]
    both = seen[0] & seen[1]
    return _drawn(starts[both], ends[both], project, box)


def across(kind: Literal["coasts", "borders"], meridian: float, project: Project, box: Box) -> list[Floats]:
    """Return the world's outlines on a map of the whole world, cut opposite its middle meridian.

    Parameters
    ----------
    kind : {'coasts', 'borders'}
        Coastlines, or borders between countries.
    meridian : float
        Longitude of the map's middle.
    project : callable
        The projection.
    box : tuple of float
        Edges of the map; lines end there.
    """
    starts, ends = _segments(kind)
    west = meridian - 180.0
    turn = [np.floor((points[:, 0] - west) / 360.0) for points in (starts, ends)]
    shift = np.column_stack([360.0 * turn[0], np.zeros(len(starts))])
    starts, ends = starts - shift, ends - shift
    # A piece that leaves at one edge comes back at the other: without the cut it would be a streak across the map.
    leaving = np.flatnonzero(turn[0] != turn[1])
    edge = np.where(turn[1] > turn[0], west + 360.0, west)[leaving]
    a, b = starts[leaving], ends[leaving]
    share = (edge - a[:, 0]) / (b[:, 0] - a[:, 0])
    latitude = a[:, 1] + share * (b[:, 1] - a[:, 1])
    back = 360.0 * (turn[1] - turn[0])[leaving]
    ends = ends.copy()
    ends[leaving] = np.column_stack([edge, latitude])
    again = np.column_stack([edge - back, latitude]), np.column_stack([b[:, 0] - back, b[:, 1]])
    return _drawn(np.vstack([starts, again[0]]), np.vstack([ends, again[1]]), project, box)


def _lines(file: str, kind: str) -> list[Floats]:
    """Return lines of a file in degrees, dims (point, lon/lat)."""
    text = files("tokenflow_sim.plot").joinpath("data", file).read_text(encoding="utf-8")
    lines: list[Any] = json.loads(text)[kind]
    return [_dense(np.asarray(line, dtype=float).reshape(-1, 2) / 100.0) for line in lines]


def _dense(line: Floats) -> Floats:
    """Put points on the long straight pieces of a line: a parallel is straight in degrees and bent on the map."""
    parts = np.maximum(1, np.ceil(np.abs(np.diff(line, axis=0)).max(axis=1)).astype(int))
    at = np.concatenate([[0.0], *(i + np.arange(1, n + 1) / n for i, n in enumerate(parts))])
    return np.column_stack([np.interp(at, np.arange(len(line)), column) for column in line.T])


@cache
def _segments(kind: str) -> tuple[Floats, Floats]:
    """Return both ends of every straight piece, dims (piece, lon/lat), in the order of the lines."""
    lines = _lines("world.json", kind)
    return np.vstack([line[:-1] for line in lines]), np.vstack([line[1:] for line in lines])


def _drawn(starts: Floats, ends: Floats, project: Project, box: Box) -> list[Floats]:
    """Project straight pieces, clip them to a box, and join those that follow one another."""
    a, b = (np.column_stack(project(points[:, 1], points[:, 0])) for points in (starts, ends))
    a, b = _clipped(a, b, box)
    if not len(a):
        return []
    follows = (b[:-1] == a[1:]).all(axis=1)
    cuts = 1 + np.flatnonzero(~follows)
    return [
        np.vstack([first, last[-1:]])
        for first, last in zip(np.split(a, cuts), np.split(b, cuts), strict=True)
    ]


def _clipped(a: Floats, b: Floats, box: Box) -> tuple[Floats, Floats]:
    """Cut straight pieces at the edges of a box (Liang and Barsky, 1984, A new concept for line clipping)."""
    low, high = np.array(box[:2]), np.array(box[2:])
    step = b - a
    enter, leave = np.zeros(len(a)), np.ones(len(a))
    apart: NDArray[np.bool_] = np.zeros(len(a), dtype=bool)
    for axis in range(2):
        moves = step[:, axis] != 0
        length = np.where(moves, step[:, axis], 1.0)
        first, last = ((edge[axis] - a[:, axis]) / length for edge in (low, high))
        enter = np.where(moves, np.maximum(enter, np.minimum(first, last)), enter)
        leave = np.where(moves, np.minimum(leave, np.maximum(first, last)), leave)
        apart |= ~moves & ((a[:, axis] < low[axis]) | (a[:, axis] > high[axis]))
    kept = (enter < leave) & ~apart
    a, step, enter, leave = a[kept], step[kept], enter[kept, None], leave[kept, None]
    return np.where(enter > 0, a + enter * step, a), np.where(leave < 1, a + leave * step, b[kept])
