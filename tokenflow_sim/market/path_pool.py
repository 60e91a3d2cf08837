"""Paths from origins to servers, in an order of their own, and the generic numbers that their costs are shifted by.

What is solved never depends on which other paths are known: paths stand in the order of what they are (class, origin,
server, arcs), and the shift of a path's cost is a function of the same. It is a sum over its arcs, so that shortest
paths can be found with it, and a smaller number of the path as a whole. Without the latter, two paths that meet would
tie with the two that swap their ends there, whatever their arcs cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats, Ints

Hashes = NDArray[np.uint64]

NO_ARC = -1
"""What stands behind a path's last arc."""
WHOLE = 0.1
"""The largest number of a path as a whole, beside those of its arcs, which are from 0.5 to 1.5."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ARC, _PATH = np.uint64(0xD1B54A32D192ED03), np.uint64(0x8CB92BA72F3D8DD7)


def _mixed(state: Hashes) -> Hashes:
    """Return SplitMix64's numbers of states."""
    state = state + _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _unit(state: Hashes) -> Floats:
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**53


def arc_numbers(commodity: Ints, arc: Ints) -> Floats:
    """Return the generic numbers of arcs, each for one commodity, from 0.5 to 1.5."""
    with np.errstate(over="ignore"):
        state = (commodity.astype(np.uint64) << np.uint64(32)) ^ arc.astype(np.uint64) ^ _ARC
        return 0.5 + _unit(_mixed(state))


def start_hashes(commodity: Ints) -> Hashes:
    """Return the hashes of paths without any arc."""
    with np.errstate(over="ignore"):
        return _mixed(commodity.astype(np.uint64) ^ _PATH)


def longer_hashes(path: Hashes, arc: Ints) -> Hashes:
    """Return the hashes of paths with an arc more."""
    with np.errstate(over="ignore"):
        return _mixed(path ^ (arc.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def whole_numbers(path: Hashes) -> Floats:
    """Return the generic numbers of paths as a whole, from 0 to `WHOLE`."""
    return WHOLE * _unit(path)


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths in their own order: by class, origin, server and arcs.

    Parameters
    ----------
    workload, origin, server : ndarray of int
        Positions of class, origin and serving node, dims (path,).
    arcs : ndarray of int
        Positions of the arcs from origin to server, dims (path, hop); `NO_ARC` behind the last.
    """

    workload: Ints
    origin: Ints
    server: Ints
    arcs: Ints

    @classmethod
    def sorted(cls, workload: Ints, origin: Ints, server: Ints, arcs: Ints) -> Paths:
        """Return paths in their own order, each once."""
        table = np.unique(np.column_stack([workload, origin, server, arcs]), axis=0)
        hops = int((table[:, 3:] != NO_ARC).sum(axis=1).max(initial=0))
        return cls(table[:, 0], table[:, 1], table[:, 2], np.ascontiguousarray(table[:, 3 : 3 + hops]))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.workload)

    def joined(self, other: Paths) -> Paths:
        """Return these paths and others."""
        hops = max(self.arcs.shape[1], other.arcs.shape[1])
        arcs = np.concatenate([_padded(self.arcs, hops), _padded(other.arcs, hops)])
        mine, theirs = (self.workload, self.origin, self.server), (other.workload, other.origin, other.server)
        workload, origin, server = (np.concatenate(pair) for pair in zip(mine, theirs, strict=True))
        return self.sorted(workload, origin, server, arcs)

    def without(self, others: Paths) -> Paths | None:
        """Return those paths that are not among others; None where there is none."""
        hops = max(self.arcs.shape[1], others.arcs.shape[1])
        table = np.concatenate([others._table(hops), self._table(hops)])
        _, first = np.unique(table, axis=0, return_index=True)
        new = np.sort(first[first >= len(others)]) - len(others)
        return self.taken(new) if new.size else None

    def taken(self, which: NDArray[np.bool_] | Ints) -> Paths:
        """Return some of the paths, in the same order."""
        arcs = self.arcs[which]
        hops = int((arcs != NO_ARC).sum(axis=1).max(initial=0))
        return Paths(self.workload[which], self.origin[which], self.server[which], arcs[:, :hops].copy())

    def places_in(self, larger: Paths) -> Ints:
        """Return where each path stands among others that contain it."""
        both = larger.joined(self)
        assert len(both) == len(larger)
        hops = larger.arcs.shape[1]
        mine, theirs = self._table(hops), larger._table(hops)
        _, inverse = np.unique(np.concatenate([theirs, mine]), axis=0, return_inverse=True)
        return np.asarray(inverse).ravel()[len(larger) :]

    def _table(self, hops: int) -> Ints:
        columns = [self.workload, self.origin, self.server, _padded(self.arcs, hops)]
        return np.column_stack(columns)

    def generic_numbers(self, classes: int) -> Floats:
        """Return the generic number of every path's cost, dims (path,)."""
        commodity = self.origin * classes + self.workload
        path, numbers = start_hashes(commodity), np.zeros(len(self))
        for arc in self.arcs.T:
            there = arc != NO_ARC
            numbers = np.where(there, numbers + arc_numbers(commodity, np.where(there, arc, 0)), numbers)
            path = np.where(there, longer_hashes(path, np.where(there, arc, 0)), path)
        return numbers + whole_numbers(path)

    def summed(self, by_arc: Floats) -> Floats:
        """Return sums along the paths of numbers by arc and class, dims (path,): from the origin on."""
        total, by_arc = np.zeros(len(self)), with_none(by_arc)
        for arc in self.arcs.T:
            total += by_arc[arc, self.workload]
        return total


@dataclass(frozen=True, eq=False)
class PathFlows:
    """Paths, and what flows along each.

    Parameters
    ----------
    paths : Paths
        The paths.
    volume : ndarray
        In Mtok/s, dims (path,).
    cell_price : ndarray
        Prices at the nodes of the expanded market in $/Mtok, dims (cell,).
    arc_flow : ndarray
        Flows in Mtok/s on its arcs that are no paths, dims (arc,).
    """

    paths: Paths
    volume: Floats
    cell_price: Floats
    arc_flow: Floats

    def freeze(self) -> None:
        """Make the arrays read-only."""
        one = self.paths
        for array in (
            one.workload,
            one.origin,
            one.server,
            one.arcs,
            self.volume,
            self.cell_price,
            self.arc_flow,
        ):
            array.setflags(write=False)


def with_none(by_arc: Floats) -> Floats:
    """Return numbers by arc with a last row of zeros, which is that of `NO_ARC`."""
    return np.concatenate([by_arc, np.zeros((1, by_arc.shape[1]))])


def _padded(arcs: Ints, hops: int) -> Ints:
    more = hops - arcs.shape[1]
    return np.pad(arcs, ((0, 0), (0, more)), constant_values=NO_ARC) if more > 0 else arcs
