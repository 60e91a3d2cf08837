"""Cheapest paths that keep their rules, from all origins at once: label setting with dominance.

A label is a way from an origin to a node, with what it costs and how long it takes. Labels grow an arc at a time; one
is dropped where another of the same origin and class at the same node is cheaper and takes no longer, or where even
the cheapest way on, whatever the rules, would not lead to a path that is looked for.

References
----------
Desrochers and Soumis (1988), A generalized permanent labelling algorithm for the shortest path problem with time
windows, INFOR 26. Irnich and Desaulniers (2005), Shortest path problems with resource constraints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.path_pool import (
    NO_ARC,
    WHOLE,
    Hashes,
    Paths,
    arc_numbers,
    longer_hashes,
    start_hashes,
    whole_numbers,
)
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.numeric import Bools, Floats, Ints

# Two costs this close are looked at as equal: both labels are kept.
_CLOSE = 1e-11
# From this many ways of equal cost on, not all are kept.
_MANY = 20_000


@dataclass(frozen=True, eq=False)
class FoundPaths:
    """Paths found, and what each would gain.

    Parameters
    ----------
    paths : Paths
        The paths, each once.
    least : float
        The least reduced cost of any path that was looked for; infinite where there is none below the cutoff.
    """

    paths: Paths | None
    least: float


@dataclass(frozen=True, eq=False)
class _Labels:
    """Ways from origins to nodes, dims (label,)."""

    commodity: Ints
    node: Ints
    cost: Floats
    bare: Floats
    latency: Floats
    hash: Hashes
    parent: Ints
    arc: Ints


class PathSearch:
    """Searches the paths of a network under its rules.

    Parameters
    ----------
    nodes : int
        How many nodes there are.
    start, end : ndarray of int
        Ends of the arcs, dims (arc,).
    routing : Routing
        The rules.
    commodities : ndarray of bool
        The demand to search paths for, dims (node, workload).
    """

    def __init__(self, nodes: int, start: Ints, end: Ints, routing: Routing, commodities: Bools) -> None:
        self.nodes, self.start, self.end = nodes, start, end
        self.origin, self.workload = np.nonzero(commodities)
        self.classes = commodities.shape[1]
        self.identity = self.origin * self.classes + self.workload
        self.ceiling = routing.ceiling()
        # Where a class has no limit, time is of no account: one label a node is enough.
        timed = np.isfinite(self.ceiling)
        self.latency = np.where(timed, routing.latency_by_class(), 0.0)
        self.processing = np.where(timed, routing.processing_by_class(nodes), 0.0)
        self.servers = routing.servers
        self._set_groups()
        self.order = np.argsort(start, kind="stable")
        self.first = np.searchsorted(start[self.order], np.arange(nodes + 1))

    def _set_groups(self) -> None:
        """Set the groups of demand that has the same class and may use the same servers."""
        table = self.workload[:, None]
        if self.servers is not None:
            table = np.column_stack([table, self.servers[self.origin, self.workload]])
        groups, group = np.unique(table, axis=0, return_inverse=True)
        self.group: Ints = np.asarray(group).ravel()
        self.group_class: Ints = groups[:, 0].astype(np.int64)
        self.group_servers: Bools | None = None if self.servers is None else groups[:, 1:].astype(np.bool_).T

    def search(
        self,
        weight: Floats,
        price: Floats,
        server_price: Floats,
        cutoff: float,
        *,
        step: float,
        most: int = 3,
        tied: float = 0.0,
    ) -> FoundPaths:
        """Find the paths whose reduced cost is below a cutoff.

        Parameters
        ----------
        weight : ndarray
            Cost of every arc, not negative, dims (arc, workload); infinite where it may not be used.
        price : ndarray
            What a unit is worth at its origin, dims (node, workload).
        server_price : ndarray
            What a unit costs at its server, dims (node, workload); infinite where nobody serves.
        cutoff : float
            Reduced cost, weights and server's price less the origin's, below which paths are looked for.
        step : float
            What the generic numbers of arcs and paths are multiplied by before they are added to a path's cost.
        most : int
            How many paths of each origin and class are returned at most, the best.
        tied : float
            Difference of cost up to which all paths are kept beside a cheaper one that takes no longer, not only the
            cheapest: for paths that cost the same. Where these are very many, the cheapest alone is kept again.
        """
        worth = price[self.origin, self.workload]
        onward = self._cheapest_onward(weight + 0.5 * step, server_price)
        zeros = np.zeros(len(self.origin))
        none = np.full(len(self.origin), NO_ARC)
        wave = _Labels(
            self.identity, self.origin, zeros, zeros, zeros, start_hashes(self.identity), none, none
        )
        place = np.arange(len(self.origin))  # of each label's commodity
        keep = onward[wave.node, self.group] - worth < cutoff
        wave, place = _taken(wave, keep), place[keep]
        waves, places = [wave], [place]
        # Of ways that cost the same, one that comes back to a node is not told from others by its cost.
        been = _visited(wave.node, self.nodes) if tied else None
        for _ in range(self.nodes):
            if not place.size:
                break
            offset = sum(len(one.node) for one in waves[:-1])
            wave, place = self._grown(wave, place, offset, weight, worth, onward, cutoff, step)
            if been is not None:
                parent = wave.parent - offset
                new = ~been[parent, wave.node]
                wave, place, parent = _taken(wave, new), place[new], parent[new]
                been = been[parent] | _visited(wave.node, self.nodes)
                if len(place) > _MANY:
                    been = None
            close = step * WHOLE + _CLOSE
            if been is None or len(place) == 0:
                wave, place = self._undominated(wave, place, waves, places, close)
            else:
                keep = self._kept(wave, place, waves, places, max(close, tied))
                wave, place, been = _taken(wave, keep), place[keep], been[keep]
            waves.append(wave)
            places.append(place)
        labels, place = _together(waves), np.concatenate(places)
        return self._ends(labels, place, worth, server_price, cutoff, step, most)

    def _cheapest_onward(self, weight: Floats, server_price: Floats) -> Floats:
        """Return the least that a way from each node to a server costs, however long it takes: a lower bound.

        Dims (node, group).
        """
        cheapest = server_price[:, self.group_class]
        if self.group_servers is not None:
            cheapest = np.where(self.group_servers, cheapest, np.inf)
        weight, end = weight[:, self.group_class][self.order], self.end[self.order]
        leaving = np.flatnonzero(self.first[1:] > self.first[:-1])
        for _ in range(self.nodes if end.size else 0):
            better = cheapest.copy()
            over = np.minimum.reduceat(weight + cheapest[end], self.first[leaving], axis=0)
            better[leaving] = np.minimum(cheapest[leaving], over)
            if np.array_equal(better, cheapest):
                break
            cheapest = better
        return cheapest

    def _grown(
        self,
        wave: _Labels,
        place: Ints,
        offset: int,
        weight: Floats,
        worth: Floats,
        onward: Floats,
        cutoff: float,
        step: float,
    ) -> tuple[_Labels, Ints]:
        """Return every label an arc further, as far as the rules and the cutoff let it."""
        counts = self.first[wave.node + 1] - self.first[wave.node]
        parent = np.repeat(np.arange(len(wave.node)), counts)
        within = np.arange(parent.size) - np.repeat(np.cumsum(counts) - counts, counts)
        arc = self.order[self.first[wave.node[parent]] + within]
        own, workload = place[parent], self.workload[place[parent]]
        node, latency = self.end[arc], wave.latency[parent] + self.latency[arc, workload]
        bare = wave.bare[parent] + weight[arc, workload]
        keep = (latency <= self.ceiling[workload]) & (
            wave.cost[parent] + weight[arc, workload] + onward[node, self.group[own]] - worth[own] < cutoff
        )
        parent, arc, own, node, latency, bare = (x[keep] for x in (parent, arc, own, node, latency, bare))
        commodity = wave.commodity[parent]
        cost = wave.cost[parent] + weight[arc, self.workload[own]] + step * arc_numbers(commodity, arc)
        found = _Labels(
            commodity, node, cost, bare, latency, longer_hashes(wave.hash[parent], arc), parent + offset, arc
        )
        return found, own

    def _undominated(
        self, wave: _Labels, place: Ints, waves: list[_Labels], places: list[Ints], close: float
    ) -> tuple[_Labels, Ints]:
        """Leave out labels that cost more, by more than `close`, than one that takes no longer."""
        if not len(wave.node):
            return wave, place
        keep = self._kept(wave, place, waves, places, close)
        return _taken(wave, keep), place[keep]

    def _kept(
        self, wave: _Labels, place: Ints, waves: list[_Labels], places: list[Ints], close: float
    ) -> Bools:
        """Return which labels cost no more, by more than `close`, than one that takes no longer."""
        count = len(wave.node)
        group = np.concatenate([*places, place]) * self.nodes + np.concatenate(
            [*(one.node for one in waves), wave.node]
        )
        cost = np.concatenate([*(one.cost for one in waves), wave.cost])
        _, rank = np.unique(
            np.concatenate([*(one.latency for one in waves), wave.latency]), return_inverse=True
        )
        size = len(group)
        # Labels and, for each new one, the question how fast those are that cost less: sorted by cost, the answer is
        # a running minimum, which starts anew in each group since ranks of later groups are set lower.
        asked = np.concatenate([np.ones(size, dtype=np.int64), np.zeros(count, dtype=np.int64)])
        group = np.concatenate([group, group[-count:]])
        value = np.concatenate([cost, cost[-count:] - close])
        order = np.lexsort((asked, value, group))
        level = group * (size + 2)
        ranked = np.concatenate([rank, np.full(count, size + 1)]) - level
        running = np.minimum.accumulate(ranked[order])
        fastest = np.empty(len(order), dtype=np.int64)
        fastest[order] = running + level[order]
        kept: Bools = fastest[size:] > rank[-count:]
        return kept

    def _ends(
        self,
        labels: _Labels,
        place: Ints,
        worth: Floats,
        server_price: Floats,
        cutoff: float,
        step: float,
        most: int,
    ) -> FoundPaths:
        """Return the paths that end where they may be served, the best of each origin and class."""
        origin, workload, node = self.origin[place], self.workload[place], labels.node
        ends = server_price[node, workload]
        gain = ends - worth[place]
        reduced = labels.cost + gain + step * whole_numbers(labels.hash)
        fits = labels.latency + self.processing[node, workload] <= self.ceiling[workload]
        if self.servers is not None:
            fits &= self.servers[origin, workload, node]
        fits &= np.isfinite(ends)
        least = float((labels.bare + gain)[fits].min(initial=np.inf))
        found = np.flatnonzero(fits & (reduced < cutoff))
        if not found.size:
            return FoundPaths(None, least)
        found = found[np.lexsort((reduced[found], place[found]))]
        first = np.searchsorted(place[found], place[found])
        found = found[np.arange(found.size) - first < most]
        arcs = _walked_back(labels, found)
        return FoundPaths(Paths.sorted(workload[found], origin[found], node[found], arcs), least)


def _taken(labels: _Labels, keep: Bools) -> _Labels:
    return _Labels(*(getattr(labels, name)[keep] for name in _NAMES))


def _visited(node: Ints, nodes: int) -> Bools:
    found = np.zeros((node.size, nodes), dtype=np.bool_)
    found[np.arange(node.size), node] = True
    return found


def _together(waves: list[_Labels]) -> _Labels:
    return _Labels(*(np.concatenate([getattr(one, name) for one in waves]) for name in _NAMES))


def _walked_back(labels: _Labels, found: Ints) -> Ints:
    """Return the arcs of labels from their origin on, dims (path, hop)."""
    steps, now = [], found.copy()
    while True:
        there = now != NO_ARC
        arc = np.where(there, labels.arc[np.where(there, now, 0)], NO_ARC)
        if (arc == NO_ARC).all():
            break
        steps.append(arc)
        now = np.where(arc == NO_ARC, NO_ARC, labels.parent[np.where(there, now, 0)])
    if not steps:
        return np.zeros((found.size, 0), dtype=np.int64)
    backwards = np.column_stack(steps)
    hops = (backwards != NO_ARC).sum(axis=1)
    column = hops[:, None] - 1 - np.arange(backwards.shape[1])
    arcs = np.take_along_axis(backwards, np.maximum(column, 0), axis=1)
    return np.where(column >= 0, arcs, NO_ARC)


_NAMES = ("commodity", "node", "cost", "bare", "latency", "hash", "parent", "arc")
