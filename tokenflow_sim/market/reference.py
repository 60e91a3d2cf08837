"""Prices beside a reference: its level, and what route costs and congestion rents add to it or take from it.

The standard split of locational marginal prices in electricity. Routes in use, followed in either direction, say how
much of a difference between two nodes is route cost and how much congestion rent (equations 9 and 11); nodes that no
route in use joins are priced apart.

References
----------
Schweppe, Caramanis, Tabors and Bohn (1988), Spot Pricing of Electricity: prices as a reference's and differences.
Litvinov, Zheng, Rosenwald and Shamsollahi (2004), Marginal loss modeling in LMP calculation, IEEE Transactions on
Power Systems 19: the reference distributed over all demand.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Bools, Floats, Ints

DEMAND = "demand"
# Beside a price, what is no more than this is the rounding of sums.
_ROUNDING = 1e-12


def weights_of(layout: Layout, arrays: Arrays, reference: object) -> Floats:
    """Return how much each node counts in the reference, dims (node, workload); they sum to one.

    Parameters
    ----------
    layout, arrays
        The market.
    reference : object
        A node, or ``"demand"``: every node by its demand for the class; all alike where nobody asks for it.

    Raises
    ------
    MarketError
        If it is neither.
    """
    nodes = list(layout.nodes)
    if reference in nodes:
        weights = np.zeros((len(nodes), len(layout.workloads)))
        weights[nodes.index(reference)] = 1.0
        return weights
    if reference != DEMAND:
        raise MarketError([Fault(unknown_name("node", reference, [*nodes, DEMAND]), "reference")], "argument")
    demand = total(arrays.demand)
    demand = np.where(demand.sum(axis=0) > 0, demand, 1.0)
    weights = demand / demand.sum(axis=0)
    return weights


def split_by_reference(
    layout: Layout, arrays: Arrays, values: Values, active: Bools, weights: Floats
) -> dict[str, Floats]:
    """Split prices into the reference's and differences.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        Its clearing.
    active : ndarray of bool
        Which arcs a class uses, dims (arc, workload).
    weights : ndarray
        How much each node counts in the reference, dims (node, workload).

    Returns
    -------
    dict of ndarray
        By the names of `variables.REFERENCE_SPLIT`, dims (node, workload), in $/Mtok; they sum to the price.

    Notes
    -----
    The split beside a distributed reference is the mean, by its weights, of those beside each of its nodes.
    """
    price = values.price
    level = np.broadcast_to((weights * price).sum(axis=0), price.shape).copy()
    parts = {"energy": level, **{name: np.zeros(price.shape) for name in ("routing", "congestion", "local")}}
    for k in range(price.shape[1]):
        start = int(np.argmax(weights[:, k]))
        zone, route = _along_routes(layout, arrays.route_cost[:, k], active[:, k], start)
        joined = (zone[:, None] == zone) * weights[:, k]
        parts["routing"][:, k] = (joined * (route[:, None] - route)).sum(axis=1)
        there = (joined * (price[:, k][:, None] - price[:, k])).sum(axis=1)
        parts["congestion"][:, k] = there - parts["routing"][:, k]
        parts["local"][:, k] = price[:, k] - level[:, k] - there
    beside = _ROUNDING * np.maximum(1.0, np.abs(price))
    for name in ("routing", "congestion", "local"):
        parts[name][np.abs(parts[name]) <= beside] = 0.0
    return parts


def _along_routes(layout: Layout, cost: Floats, active: Bools, start: int) -> tuple[Ints, Floats]:
    """Return which nodes routes in use join, and each node's route cost to the first of its kind.

    By fewest arcs where routes in use form a loop, from the start and then from the first node not yet reached.
    """
    nodes = len(layout.nodes)
    beside: list[list[tuple[int, float]]] = [[] for _ in range(nodes)]
    for arc in active.nonzero()[0]:
        origin, destination = int(layout.origin[arc]), int(layout.destination[arc])
        beside[destination].append((origin, float(cost[arc])))  # who sends pays the price there and the route
        beside[origin].append((destination, -float(cost[arc])))
    zone, route = np.full(nodes, -1, dtype=np.int64), np.zeros(nodes)
    for root in (start, *range(nodes)):
        if zone[root] >= 0:
            continue
        zone[root], reached = root, [root]
        for node in reached:  # grows as it goes: breadth first
            for other, more in beside[node]:
                if zone[other] < 0:
                    zone[other], route[other] = root, route[node] + more
                    reached.append(other)
    return zone, route
