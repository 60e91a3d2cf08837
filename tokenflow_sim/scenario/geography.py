"""Distances, latencies, and the arcs that the rules of a network make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokenflow_sim.numeric import Floats, Ints

EARTH_RADIUS_KM = 6371.0
_CHUNK = 512


def haversine(
    latitude: ArrayLike, longitude: ArrayLike, to_latitude: ArrayLike, to_longitude: ArrayLike
) -> Floats:
    """Return great-circle distances in km between points in degrees (they broadcast).

    Notes
    -----
    The haversine formula on a sphere of radius 6371 km, as in the paper's data.
    """
    phi, lam = np.radians(np.asarray(latitude, dtype=float)), np.radians(np.asarray(longitude, dtype=float))
    phi2, lam2 = (
        np.radians(np.asarray(to_latitude, dtype=float)),
        np.radians(np.asarray(to_longitude, dtype=float)),
    )
    half = np.sin((phi2 - phi) / 2) ** 2 + np.cos(phi) * np.cos(phi2) * np.sin((lam2 - lam) / 2) ** 2
    # Rounding can carry antipodes just beyond one.
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def latency(distance: ArrayLike, km_per_ms: float = 200.0, hop: float = 5.0) -> Floats:
    """Return an arc's latency in ms: propagation in fibre plus a hop (section 3 of the paper)."""
    return np.asarray(distance, dtype=float) / km_per_ms + hop


@dataclass(frozen=True)
class Pairs:
    """Directed pairs of nodes.

    Parameters
    ----------
    origin, destination : ndarray of int
        Positions of the two ends, ordered by origin, then destination.
    distance : ndarray
        Great-circle distance in km.
    tier1 : ndarray of bool
        Whether both ends are on the backbone.
    """

    origin: Ints
    destination: Ints
    distance: Floats
    tier1: NDArray[np.bool_]


def join(latitude: Floats, longitude: Floats, max_distance: float | None, tier1: NDArray[np.bool_]) -> Pairs:
    """Join nodes that are near each other, and all that are on the backbone.

    Parameters
    ----------
    latitude, longitude : ndarray
        Degrees, dims (node,).
    max_distance : float or None
        Nodes no further apart than this many km are joined, both ways; None joins none by distance.
    tier1 : ndarray of bool
        Nodes that are joined to each other whatever the distance, dims (node,).
    """
    parts = []
    for start, wanted, distance in _wanted(latitude, longitude, max_distance, tier1):
        near, far = np.nonzero(wanted)
        parts.append((near + start, far, distance[near, far]))
    origin, destination, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(origin, destination, distance, tier1[origin] & tier1[destination])


def count(
    latitude: Floats, longitude: Floats, max_distance: float | None, tier1: NDArray[np.bool_], most: int
) -> int:
    """Count the pairs that `join` would make, without making them; stop once there are more than `most`."""
    total = 0
    for _, wanted, _ in _wanted(latitude, longitude, max_distance, tier1):
        total += int(np.count_nonzero(wanted))
        if total > most:
            break
    return total


def _wanted(
    latitude: Floats, longitude: Floats, max_distance: float | None, tier1: NDArray[np.bool_]
) -> Iterator[tuple[int, NDArray[np.bool_], Floats]]:
    """Yield, for rows in chunks (memory then grows with arcs, not with pairs): first row, who is joined, distances."""
    limit = -1.0 if max_distance is None else max_distance
    size = len(latitude)
    for start in range(0, size, _CHUNK):
        rows = slice(start, min(start + _CHUNK, size))
        distance = haversine(latitude[rows, None], longitude[rows, None], latitude, longitude)
        wanted = (distance <= limit) | (tier1[rows, None] & tier1)
        wanted[np.arange(rows.stop - start), np.arange(start, rows.stop)] = False
        yield start, wanted, distance


def ring(size: int) -> tuple[Ints, Ints]:
    """Return the ends of arcs that lead once around all nodes: the fewest that connect them both ways."""
    if size < 2:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    origin = np.arange(size, dtype=np.int64)
    return origin, np.roll(origin, -1)
