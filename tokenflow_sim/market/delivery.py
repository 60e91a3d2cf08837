"""What rules for whole paths bring: the latency that service has by origin, and what each residency rule costs.

What takes paths has the latency of its paths, exactly. What keeps to arcs is traced through the network
(`tokenflow_sim.market.tracing`), with what takes paths left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.path_pool import NO_ARC
from tokenflow_sim.market.path_search import PathSearch
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.market.tracing import Trips, trace
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints

Exists = tuple[Floats, Floats | None, Floats]
Added = Callable[[Floats, Floats | None, Floats, Floats, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class HeldOrigins:
    """A residency rule by position.

    Parameters
    ----------
    label : str
        Its name.
    workload : int
        The class.
    origins : ndarray of int
        The nodes whose requests it holds for.
    """

    label: str
    workload: int
    origins: Ints


@dataclass(frozen=True, eq=False)
class Delivery:
    """What a run records of latencies and residency.

    Parameters
    ----------
    bounds : ndarray
        Latencies in ms for which it is recorded how much was delivered within, rising.
    rules : tuple of HeldOrigins
        The residency rules.
    latency : ndarray
        Latency of every arc at no load in ms, dims (arc,).
    added : callable, optional
        Returns what load adds in ms, dims (arc,) and (node, workload), from what exists (see `of`), dispatch in
        Mtok/s, dims (asset, workload), and flow, dims (arc, workload).
    """

    bounds: Floats
    rules: tuple[HeldOrigins, ...]
    latency: Floats
    added: Added | None = None

    def of(self, layout: Layout, arrays: Arrays, values: Values, exists: Exists) -> Mapping[str, Floats]:
        """Return the numbers of a cleared period, by the names of `variables.DELIVERY`.

        Parameters
        ----------
        layout, arrays, values
            The market and its clearing.
        exists : tuple of ndarray
            What exists, whatever was offered: capacity (asset, workload), power limit (asset,) or None, and link
            capacity (arc,).
        """
        shape = values.price.shape
        latency, processing = self.latency[:, None], np.zeros(shape)
        if self.added is not None:
            links, processing = self.added(*exists, values.dispatch.sum(axis=2), values.flow)
            latency = latency + links[:, None]
        trips = trips_of(layout, values, np.broadcast_to(latency, values.flow.shape), processing)
        found = {
            "service_price": values.service_price,
            "delivered_latency": trips.means((shape[0], shape[1])),
            "delivered_within": trips.within((shape[0], shape[1]), self.bounds),
        }
        if self.rules and arrays.routing is not None:
            found["residency_cost"] = residency_costs(layout, arrays, values, arrays.routing, self.rules)
        for array in found.values():
            array.setflags(write=False)
        return found


def trips_of(layout: Layout, values: Values, latency: Floats, processing: Floats) -> Trips:
    """Return how long service takes by origin and class.

    Parameters
    ----------
    layout, values
        The market's labels, and its clearing.
    latency, processing : ndarray
        Of the arcs and of the serving nodes in ms, dims (arc, workload) and (node, workload).
    """
    flow = values.flow
    processed = np.zeros(values.price.shape)
    np.add.at(processed, layout.asset_node, values.dispatch.sum(axis=2))
    along = values.along
    if along is None:
        return trace(layout.origin, layout.destination, flow, processed, latency, processing)
    paths, volume = along.paths, along.volume
    flow = flow.copy()
    for arc in paths.arcs.T:
        there = arc != NO_ARC
        np.subtract.at(flow, (arc[there], paths.workload[there]), volume[there])
    np.subtract.at(processed, (paths.server, paths.workload), volume)
    rest = trace(
        layout.origin,
        layout.destination,
        np.maximum(flow, 0.0),
        np.maximum(processed, 0.0),
        latency,
        processing,
    )
    whole = paths.summed(latency) + processing[paths.server, paths.workload]
    return Trips(paths.origin, paths.workload, whole, volume).joined(rest)


def residency_costs(
    layout: Layout, arrays: Arrays, values: Values, routing: Routing, rules: tuple[HeldOrigins, ...]
) -> Floats:
    """Return the shadow cost of each residency rule in $/Mtok, dims (rule,).

    It is what the market would save by the first Mtok that need not keep the rule, wherever among the rule's origins
    that saves most: the dual of "no more than nothing is processed elsewhere", which is the largest reduced cost of a
    path that only this rule forbids. Zero where the rule does not bind.
    """
    nodes, classes = values.price.shape
    held = np.zeros((nodes, classes), dtype=np.bool_)
    for rule in rules:
        held[rule.origins, rule.workload] = True
    held &= arrays.demand.sum(axis=2) > 0  # where nothing is asked for, no rule keeps anything
    saved = np.zeros((nodes, classes))
    weight = np.where(arrays.allowed & (arrays.link_capacity > 0)[:, None], arrays.route_cost, np.inf)
    for limit in arrays.every_limit:
        for term in limit.terms:
            if term.on == "flow":
                weight = weight + term.charge(values.rents[limit.rent])
    serves = np.zeros((nodes, classes), dtype=np.bool_)
    np.logical_or.at(serves, layout.asset_node, (arrays.capacity > 0).any(axis=2))
    ends = np.where(serves, values.service_price, np.inf)
    search = PathSearch(nodes, layout.origin, layout.destination, replace(routing, servers=None), held)
    found = search.search(np.maximum(weight, 0.0), values.price, ends, 0.0, step=0.0, most=1).paths
    if found is not None:
        cost = found.summed(weight) + ends[found.server, found.workload]
        saved[found.origin, found.workload] = np.maximum(
            values.price[found.origin, found.workload] - cost, 0.0
        )
    # What is below the rounding of prices is no cost.
    saved[saved < 1e-9 * np.maximum(np.abs(values.price), 1e-9)] = 0.0
    return np.array([saved[rule.origins, rule.workload].max(initial=0.0) for rule in rules])
