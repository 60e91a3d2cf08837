"""A market with rules for whole paths as an ordinary market: demand at nodes of its own, paths in place of arcs.

The expanded market has one class and a node for each of these:

- an *origin*, for each node and class whose demand a rule may bind. Its demand stands there; paths lead from it to
  servers, and nothing leads to it.
- a *server*, for each node and class some of whose demand takes paths. The node's offers for the class stand there;
  nothing leads on from it.
- a *passage*, for each node of a class some of whose demand takes paths and some does not. The latter stands there,
  the arcs lead from one to the other as in the market itself, and an arc without cost leads from each to its server.
- a node and class as it was, where all of a class keeps to the arcs.

Links, shared power and all further limits are the market's own. A path uses each as its arcs do, so that a limit on
flow has one term for each hop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.expanded import Expanded
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Term
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_limits import open_arcs
from tokenflow_sim.market.path_pool import NO_ARC, Paths, with_none
from tokenflow_sim.market.path_search import PathSearch
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.routing import least_latency
from tokenflow_sim.numeric import Bools, Floats, Ints

NOWHERE = -1
"""Where a node and class have no such cell."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Positions of the expanded market's nodes, dims (node, workload); `NOWHERE` where there is none.

    Parameters
    ----------
    home : ndarray of int
        Where demand stands.
    server : ndarray of int
        Where offers stand.
    passage : ndarray of int
        Where arcs start and end.
    count : int
        How many there are.
    """

    home: Ints
    server: Ints
    passage: Ints
    count: int


class Expansion:
    """The structure that all markets with one layout, the same rules and the same open arcs are expanded to.

    Parameters
    ----------
    market : Market
        Any of them.

    Attributes
    ----------
    cells : Cells
        Its nodes.
    least_latency : ndarray
        The least latency in ms with which any node that may serve it can be reached from every origin, dims
        (node, workload); infinite where none can.
    reachable : ndarray of bool
        Whether some node may serve it within the limit, likewise; true for demand that keeps to the arcs.
    """

    def __init__(self, market: Market) -> None:
        layout, arrays = market.layout, market.arrays
        assert arrays.routing is not None
        self.layout, self.routing, self.allowed = layout, arrays.routing, arrays.allowed
        self.nodes, self.classes = layout.sizes["node"], layout.sizes["workload"]
        self.on_paths: Bools = self.routing.needs_paths(self.nodes)
        self.cells = self._cells()
        self._set_reach()
        self._set_arcs()
        self._set_offers()
        self.asked: Bools = np.zeros(self.cells.count, dtype=np.bool_)
        self.asked[self.cells.home[self.reachable]] = True
        self.search = PathSearch(self.nodes, layout.origin, layout.destination, self.routing, self.on_paths)

    def fits(self, market: Market) -> bool:
        """Whether a market has this structure."""
        arrays = market.arrays
        return (
            (market.layout is self.layout or market.layout == self.layout)
            and self.routing.same_as(arrays.routing)
            and (arrays.allowed is self.allowed or np.array_equal(arrays.allowed, self.allowed))
        )

    def _cells(self) -> Cells:
        some, every = self.on_paths.any(axis=0), self.on_paths.all(axis=0)
        shape, count = self.on_paths.shape, 0
        table = {name: np.full(shape, NOWHERE) for name in ("plain", "origin", "server", "passage")}
        kinds = {
            "plain": np.broadcast_to(~some, shape),
            "origin": self.on_paths,
            "server": np.broadcast_to(some, shape),
            "passage": np.broadcast_to(some & ~every, shape),
        }
        for name, where in kinds.items():
            size = int(where.sum())
            table[name][where] = count + np.arange(size)
            count += size
        plain = table["plain"] != NOWHERE
        passage = np.where(plain, table["plain"], table["passage"])
        home = np.where(self.on_paths, table["origin"], passage)
        return Cells(home, np.where(plain, table["plain"], table["server"]), passage, count)

    def _set_reach(self) -> None:
        """Find from where whom can be served within the limits."""
        routing, shape = self.routing, self.on_paths.shape
        whole = least_latency(routing, self.layout, self.allowed)
        self.least_latency: Floats = whole.min(axis=2, initial=np.inf)
        within = np.isfinite(self.least_latency) & (self.least_latency <= routing.ceiling())
        self.reachable: Bools = np.where(self.on_paths, within, np.ones(shape, dtype=np.bool_))

    def _set_arcs(self) -> None:
        """Set the arcs that are there whichever paths are known: the market's own, and from passages to servers."""
        layout, passage, server = self.layout, self.cells.passage, self.cells.server
        arc, k = np.nonzero(passage[layout.origin] != NOWHERE)
        node, own = np.nonzero((passage != NOWHERE) & (passage != server))
        self.arc: Ints = np.concatenate([arc, np.full(node.size, NO_ARC)])
        self.arc_class: Ints = np.concatenate([k, own])
        self.start: Ints = np.concatenate([passage[layout.origin[arc], k], passage[node, own]])
        self.end: Ints = np.concatenate([passage[layout.destination[arc], k], server[node, own]])

    def _set_offers(self) -> None:
        sizes = self.layout.sizes
        asset, k = np.divmod(np.arange(sizes["asset"] * self.classes), self.classes)
        self.asset: Ints = asset
        self.offer_node: Ints = self.cells.server[self.layout.asset_node[asset], k]

    def seed(self) -> Paths:
        """Return the paths to begin with: everybody served at home, where that is allowed."""
        search = self.search
        home = search.processing[search.origin, search.workload] <= search.ceiling[search.workload]
        if search.servers is not None:
            home &= search.servers[search.origin, search.workload, search.origin]
        origin, workload = search.origin[home], search.workload[home]
        return Paths.sorted(workload, origin, origin, np.zeros((origin.size, 0), dtype=np.int64))

    def why_unreachable(self, node: int, workload: int) -> str:
        """Say why nobody may serve a class at an origin."""
        least, limit = self.least_latency[node, workload], self.routing.limit[workload]
        who = f"{self.layout.workloads[workload]} from {self.layout.nodes[node]}"
        if not np.isfinite(least):
            return f"{who}: no node that may serve it can be reached"
        return f"{who}: its limit is {limit:g} ms, and the quickest way to a node that may serve it takes {least:g} ms"

    def layout_with(self, paths: Paths) -> Layout:
        """Return the expanded layout with certain paths."""
        start = np.concatenate([self.start, self.cells.home[paths.origin, paths.workload]])
        end = np.concatenate([self.end, self.cells.server[paths.server, paths.workload]])
        provider = self.layout.provider
        return Layout(
            nodes=pd.RangeIndex(self.cells.count, name="node"),
            workloads=pd.Index(["any"], name="workload"),
            assets=pd.RangeIndex(self.asset.size, name="asset"),
            arcs=pd.RangeIndex(start.size, name="arc"),
            asset_node=self.offer_node,
            provider=tuple(provider[i] for i in self.asset),
            origin=start,
            destination=end,
            owner=("",) * start.size,
            blocks=self.layout.blocks,
            steps=self.layout.steps,
            link_unit=self.layout.link_unit,
        )

    def market(self, market: Market, paths: Paths, layout: Layout, path_numbers: Floats) -> Market:
        """Expand a market.

        Parameters
        ----------
        market : Market
            A market of this structure.
        paths : Paths
            The paths that may be used.
        layout : Layout
            `layout_with` these paths.
        path_numbers : ndarray
            Their generic numbers.
        """
        arrays = market.arrays
        blocks, steps = arrays.capacity.shape[2], arrays.demand.shape[2]
        demand = np.zeros((self.cells.count, 1, steps))
        value = np.zeros(demand.shape)
        demand[self.cells.home, 0] = arrays.demand
        value[self.cells.home, 0] = arrays.value
        route_cost = np.concatenate([self._of_arcs(arrays.route_cost), paths.summed(arrays.route_cost)])
        own, passable = self.arc != NO_ARC, open_arcs(arrays)
        allowed = np.ones(self.arc.size, dtype=np.bool_)
        allowed[own] = arrays.allowed[self.arc[own], self.arc_class[own]]
        # A path over an arc that is closed for now is none; nobody can say what an open arc would be worth to it.
        allowed = np.concatenate([allowed, paths.summed(np.where(passable, 0.0, 1.0)) == 0])
        uses = _Uses(self, paths)
        first = arrays.every_limit[: len(arrays.every_limit) - len(arrays.limits)]
        expanded = Expanded(
            limits=tuple(uses.limit(limit) for limit in first), asked=self.asked, path_numbers=path_numbers
        )
        return Market.from_arrays(
            layout,
            Arrays(
                offer_price=arrays.offer_price.reshape(-1, 1, blocks),
                capacity=arrays.capacity.reshape(-1, 1, blocks),
                demand=demand,
                value=value,
                route_cost=route_cost[:, None],
                link_use=np.zeros((route_cost.size, 1)),
                allowed=allowed[:, None],
                link_capacity=arrays.link_capacity,
                link_curvature=arrays.link_curvature,
                limits=tuple(uses.limit(limit) for limit in arrays.limits),
                activities=arrays.activities,
                expanded=expanded,
            ),
            market.hours,
            check=False,
        )

    def _of_arcs(self, by_arc: Floats) -> Floats:
        """Return numbers by arc and class for the arcs that are there whichever paths are known."""
        return with_none(by_arc)[self.arc, self.arc_class]

    def flow_rows(self, program: Program, arrays: Arrays) -> sparse.csr_array:
        """Return what a unit on each of the market's own arcs uses of every row, dims (arc and workload, row).

        Parameters
        ----------
        program : Program
            The expanded program, for where its rows stand and how they are measured.
        arrays : Arrays
            The market's own.
        """
        rows, columns, values = [], [], []
        arcs = arrays.route_cost.shape[0]
        for placed, limit in zip(program.limits, arrays.every_limit, strict=True):
            for term in limit.terms:
                if term.on != "flow":
                    continue
                member = np.arange(limit.size) if term.member is None else term.member
                arc, k = np.nonzero((term.use != 0) & (member != NOBODY)[:, None])
                rows.append(arc * self.classes + k)
                columns.append(placed.rows.start + member[arc])
                values.append(term.use[arc, k] / placed.unit)
        shape = (arcs * self.classes, program.rows)
        if not rows:
            return sparse.csr_array(shape)
        places = np.concatenate(rows), np.concatenate(columns)
        return sparse.csr_array((np.concatenate(values), places), shape=shape)


class _Uses:
    """Says of every limit what the expanded market's offers, arcs, paths and demand use of it."""

    def __init__(self, expansion: Expansion, paths: Paths) -> None:
        self.expansion = expansion
        hops = max(paths.arcs.shape[1], 1)
        own = expansion.arc.size
        self.arc = np.full((own + len(paths), hops), NO_ARC)
        self.arc[:own, 0] = expansion.arc
        self.arc[own:, : paths.arcs.shape[1]] = paths.arcs
        self.workload = np.concatenate([expansion.arc_class, paths.workload])

    def limit(self, limit: SharedCapacity) -> SharedCapacity:
        """Return a limit with the expanded market's terms."""
        terms = [term for one in limit.terms for term in self._terms(one)]
        return replace(limit, terms=tuple(terms), like=limit)

    def _terms(self, term: Term) -> list[Term]:
        expansion = self.expansion
        if term.on == "dispatch":
            member = expansion.asset if term.member is None else term.member[expansion.asset]
            return [Term("dispatch", term.use.reshape(-1, 1), member)]
        if term.on == "unserved":
            node, k = np.nonzero(expansion.cells.home != NOWHERE)
            cell = expansion.cells.home[node, k]
            use, member = np.zeros((expansion.cells.count, 1)), np.full(expansion.cells.count, NOBODY)
            use[cell, 0] = term.use[node, k]
            member[cell] = node if term.member is None else term.member[node]
            return [Term("unserved", use, member)]
        if term.on != "flow":
            return [term]
        found, use = [], with_none(term.use)
        for arc in self.arc.T:
            there = arc != NO_ARC
            label = arc if term.member is None else np.append(term.member, NOBODY)[arc]
            found.append(Term("flow", use[arc, self.workload][:, None], np.where(there, label, NOBODY)))
        return found
