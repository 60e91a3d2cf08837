"""Which latency service has by origin, where flows by arc do not say which of them began where.

At each node all work of a class is mixed: what is served there, and what leaves by each arc, is taken in proportion
from everything that came in, by the node's own demand and by every arc. The mean latency of a class over all origins
follows from its flows alone, whatever the mixture; how origins share it is this convention.

References
----------
Bialek (1996), Tracing the flow of electricity, IEE Proceedings 143(4): proportional sharing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.numeric import Floats, Ints

# What is less than this share of an origin's demand is rounding; circles of flow die out with it.
_NOTHING = 1e-9
_MOST_HOPS = 1000


@dataclass(frozen=True, eq=False)
class Trips:
    """Service by origin and latency.

    Parameters
    ----------
    origin, workload : ndarray of int
        Node and class, dims (trip,).
    latency, volume : ndarray
        In ms and Mtok/s, dims (trip,).
    """

    origin: Ints
    workload: Ints
    latency: Floats
    volume: Floats

    def joined(self, other: Trips) -> Trips:
        """Return these trips and others."""
        return Trips(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in _NAMES))

    def means(self, shape: tuple[int, int]) -> Floats:
        """Return the mean latency in ms, dims (node, workload); zero where nothing is served."""
        place = self.origin * shape[1] + self.workload
        size = shape[0] * shape[1]
        volume = np.bincount(place, self.volume, size)
        total = np.bincount(place, self.volume * self.latency, size)
        mean: Floats = np.divide(total, volume, out=np.zeros(size), where=volume > 0).reshape(shape)
        return mean

    def within(self, shape: tuple[int, int], bounds: Floats) -> Floats:
        """Return what is delivered within so many ms, in Mtok/s, dims (node, workload, bound)."""
        spot = np.searchsorted(bounds * (1 + 1e-9), self.latency)
        count = len(bounds) + 1  # what takes longer than the last bound counts for none
        place = (self.origin * shape[1] + self.workload) * count + spot
        by_step = np.bincount(place, self.volume, shape[0] * shape[1] * count).reshape(*shape, count)
        total: Floats = np.cumsum(by_step, axis=2)[:, :, :-1]
        return total


_NAMES = ("origin", "workload", "latency", "volume")


def trace(
    start: Ints, end: Ints, flow: Floats, processed: Floats, latency: Floats, processing: Floats | None = None
) -> Trips:
    """Follow flows from where they begin to where they are served.

    Parameters
    ----------
    start, end : ndarray of int
        Ends of the arcs, dims (arc,).
    flow : ndarray
        In Mtok/s, dims (arc, workload).
    processed : ndarray
        What is served at each node in Mtok/s, dims (node, workload).
    latency : ndarray
        Of the arcs in ms, dims (arc, workload).
    processing : ndarray, optional
        What the serving node adds in ms, dims (node, workload).

    Returns
    -------
    Trips
        Their volumes add up, by class, to what is served.
    """
    shape = processed.shape
    out, into = np.zeros(shape), np.zeros(shape)
    np.add.at(out, start, flow)
    np.add.at(into, end, flow)
    through = processed + out
    asked = np.maximum(through - into, 0.0)
    small = _NOTHING * np.maximum(asked.sum(axis=0), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        stays = np.where(through > 0, processed / through, 0.0)
        leaves = np.where(through[start] > 0, flow / through[start], 0.0)
    order = np.argsort(start, kind="stable")
    first = np.searchsorted(start[order], np.arange(shape[0] + 1))
    origin, workload = np.nonzero(asked > small)
    node, volume, taken = origin, asked[origin, workload], np.zeros(origin.size)
    found = []
    for _ in range(_MOST_HOPS):
        here = volume * stays[node, workload]
        adds = 0.0 if processing is None else processing[node, workload]
        done = here > small[workload]
        found.append(Trips(origin[done], workload[done], (taken + adds)[done], here[done]))
        counts = first[node + 1] - first[node]
        parent = np.repeat(np.arange(node.size), counts)
        arc = order[
            first[node[parent]] + np.arange(parent.size) - np.repeat(np.cumsum(counts) - counts, counts)
        ]
        k = workload[parent]
        onward = volume[parent] * leaves[arc, k]
        keep = onward > small[k]
        if not keep.any():
            break
        parent, arc, k, volume = parent[keep], arc[keep], k[keep], onward[keep]
        origin, workload, node, taken = origin[parent], k, end[arc], taken[parent] + latency[arc, k]
    return Trips(*(np.concatenate([getattr(one, name) for one in found]) for name in _NAMES))
