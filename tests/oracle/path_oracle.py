"""Markets with rules for whole paths, and the least cost of serving them over all simple paths, by scipy.

Written apart from the package: every simple path of every origin and class is a column of its own, and nothing is
brought in on demand.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

import tokenflow_sim as tf
from tokenflow_sim.market import Arrays, Layout, Market, Routing


def random_market(seed: int, *, tied: bool = False, must_serve: bool = False, nodes: int = 5) -> Market:
    """Make a small market with paths, links that bind and classes that share power.

    Parameters
    ----------
    seed : int
        What it is drawn from.
    tied : bool
        Whether numbers are small integers, with arcs that cost nothing, parallel arcs and equal latencies.
    must_serve : bool
        Whether all demand must be served.
    nodes : int
        How many nodes.
    """
    draw = np.random.default_rng(seed)
    classes, assets = 2, nodes + 2
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if i != j and draw.random() < 0.55]
    pairs += pairs[:2]  # parallel arcs
    arcs = len(pairs)

    def numbers(low: float, high: float, *shape: int) -> np.ndarray:
        if tied:
            return draw.integers(int(low), int(high) + 1, shape).astype(float)
        return draw.uniform(low, high, shape)

    layout = Layout(
        nodes=pd.Index([f"n{i}" for i in range(nodes)]),
        workloads=pd.Index(["chat", "batch"]),
        assets=pd.RangeIndex(assets),
        arcs=pd.RangeIndex(arcs),
        asset_node=np.concatenate([np.arange(nodes), draw.integers(0, nodes, 2)]),
        provider=tuple(f"p{i % 3}" for i in range(assets)),
        origin=np.array([a for a, _ in pairs]),
        destination=np.array([b for _, b in pairs]),
        owner=("network",) * arcs,
    )
    servers = draw.random((nodes, classes, nodes)) < 0.6
    servers[:, 0] |= draw.random((nodes, 1)) < 0.5
    servers[np.arange(nodes), :, np.arange(nodes)] |= draw.random((nodes, classes)) < (
        1.0 if must_serve else 0.7
    )
    limit = np.array([float(draw.integers(6, 25)), np.inf if draw.random() < 0.6 else 30.0])
    demand = numbers(0, 4, nodes, classes, 1) * (draw.random((nodes, classes, 1)) < 0.8)
    capacity = numbers(0, 6, assets, classes, 1) * (draw.random((assets, classes, 1)) < 0.85)
    if must_serve:
        capacity[:nodes] += demand
    power = numbers(1, 2, assets, classes)
    power_limit = (power * capacity[:, :, 0]).sum(axis=1) * (1.0 if must_serve else 0.8)
    return Market.from_arrays(
        layout,
        Arrays(
            offer_price=numbers(1, 9, assets, classes, 1),
            capacity=capacity,
            demand=demand,
            value=np.full(demand.shape, np.inf) if must_serve else numbers(12, 18, nodes, classes, 1),
            route_cost=numbers(0, 2, arcs, classes),
            link_use=numbers(1, 2, arcs, classes),
            allowed=draw.random((arcs, classes)) < 0.95,
            link_capacity=np.where(draw.random(arcs) < 0.05, 0.0, numbers(1, 5, arcs)),
            link_curvature=np.zeros(arcs),
            power_use=power,
            power_limit=power_limit,
            routing=Routing(latency=numbers(3, 9, arcs), limit=limit, servers=servers),
        ),
    )


def simple_paths(market: Market, origin: int, workload: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return every path without a node twice that keeps the rules: its server, and its arcs."""
    layout, arrays = market.layout, market.arrays
    routing = arrays.routing
    assert routing is not None
    latency, process = routing.latency_by_class(), routing.processing_by_class(len(layout.nodes))
    found: list[tuple[int, tuple[int, ...]]] = []

    def walk(node: int, been: frozenset[int], arcs: tuple[int, ...], time: float) -> None:
        if time > routing.limit[workload] + 1e-9:
            return
        ok = routing.servers is None or bool(routing.servers[origin, workload, node])
        if ok and time + process[node, workload] <= routing.limit[workload] + 1e-9:
            found.append((node, arcs))
        for arc in np.flatnonzero(layout.origin == node):
            end = int(layout.destination[arc])
            if end not in been and arrays.allowed[arc, workload]:
                walk(end, been | {end}, (*arcs, int(arc)), time + float(latency[arc, workload]))

    walk(origin, frozenset({origin}), (), 0.0)
    return found


def least_cost(market: Market, extra: np.ndarray | None = None) -> float | None:
    """Return the least cost in $/s over all simple paths; None where demand that must be served cannot be.

    Parameters
    ----------
    market : Market
        The market; one block and one step.
    extra : ndarray, optional
        More demand in Mtok/s, dims (node, workload).
    """
    layout, arrays = market.layout, market.arrays
    nodes, classes = len(layout.nodes), len(layout.workloads)
    assets, arcs = len(layout.assets), len(layout.arcs)
    demand = arrays.demand[:, :, 0] + (0.0 if extra is None else extra)
    finite = np.isfinite(arrays.value[:, :, 0])
    columns: list[tuple[float, float, dict[int, float], dict[int, float]]] = []
    cells = nodes * classes
    for s in range(assets):
        for k in range(classes):
            columns.append(
                (
                    arrays.offer_price[s, k, 0],
                    arrays.capacity[s, k, 0],
                    {cells + int(layout.asset_node[s]) * classes + k: -1.0},
                    {arcs + s: arrays.power_use[s, k]} if arrays.power_use is not None else {},
                )
            )
    for n in range(nodes):
        for k in range(classes):
            value = arrays.value[n, k, 0] if finite[n, k] else 0.0
            columns.append(
                (value, arrays.demand[n, k, 0] if finite[n, k] else 0.0, {n * classes + k: 1.0}, {})
            )
            for server, path in simple_paths(market, n, k):
                cost = sum(arrays.route_cost[arc, k] for arc in path)
                use: dict[int, float] = {}
                for arc in path:
                    use[arc] = use.get(arc, 0.0) + arrays.link_use[arc, k]
                columns.append((cost, np.inf, {n * classes + k: 1.0, cells + server * classes + k: 1.0}, use))
    equal, below = np.zeros((2 * cells, len(columns))), np.zeros((arcs + assets, len(columns)))
    for j, (_, _, rows, limits) in enumerate(columns):
        for row, number in rows.items():
            equal[row, j] = number
        for row, number in limits.items():
            below[row, j] = number
    power = np.full(assets, np.inf) if arrays.power_limit is None else arrays.power_limit
    most = np.concatenate([arrays.link_capacity, power])
    kept = np.isfinite(most)
    found = linprog(
        [cost for cost, _, _, _ in columns],
        A_ub=below[kept],
        b_ub=most[kept],
        A_eq=equal,
        b_eq=np.concatenate([demand.ravel(), np.zeros(cells)]),
        bounds=[(0.0, limit) for _, limit, _, _ in columns],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return None if found.status != 0 else float(found.fun)


def clear_or_none(market: Market) -> tf.Clearing | None:
    """Clear a market; None where demand that must be served cannot be."""
    try:
        return tf.clear(market)
    except tf.InfeasibleError:
        return None


def least_cost_by_origin(market: Market) -> float | None:
    """Return the least cost in $/s under residency alone, each origin and class a commodity with flows of its own.

    A program on nodes and arcs, without any path: latency limits must be infinite.
    """
    layout, arrays = market.layout, market.arrays
    assert arrays.routing is not None
    assert np.isinf(arrays.routing.limit).all()
    servers = arrays.routing.servers
    nodes, classes = len(layout.nodes), len(layout.workloads)
    assets, arcs, cells = len(layout.assets), len(layout.arcs), nodes * classes
    cost: list[float] = list(arrays.offer_price[:, :, 0].ravel())
    most: list[float] = list(arrays.capacity[:, :, 0].ravel())
    # Rows: a balance of every commodity at every node, then what is made of each class at each node; links, power.
    equal: list[tuple[int, int, float]] = []
    below: list[tuple[int, int, float]] = []
    for s in range(assets):
        for k in range(classes):
            equal.append((cells * nodes + int(layout.asset_node[s]) * classes + k, s * classes + k, -1.0))
            if arrays.power_use is not None:
                below.append((arcs + s, s * classes + k, float(arrays.power_use[s, k])))

    def column(price: float, limit: float) -> int:
        cost.append(price)
        most.append(limit)
        return len(cost) - 1

    for o in range(nodes):
        for k in range(classes):
            row = (o * classes + k) * nodes
            value = arrays.value[o, k, 0]
            finite = np.isfinite(value)
            shed = column(value if finite else 0.0, arrays.demand[o, k, 0] if finite else 0.0)
            equal.append((row + o, shed, 1.0))
            for n in range(nodes):
                if servers is None or servers[o, k, n]:
                    served = column(0.0, np.inf)
                    equal += [(row + n, served, 1.0), (cells * nodes + n * classes + k, served, 1.0)]
            for arc in np.flatnonzero(arrays.allowed[:, k]):
                flow = column(float(arrays.route_cost[arc, k]), np.inf)
                equal += [
                    (row + int(layout.origin[arc]), flow, 1.0),
                    (row + int(layout.destination[arc]), flow, -1.0),
                ]
                below.append((int(arc), flow, float(arrays.link_use[arc, k])))

    def matrix(entries: list[tuple[int, int, float]], rows: int) -> sparse.csr_array:
        row, place, number = (np.array(part) for part in zip(*entries, strict=True))
        return sparse.csr_array((number, (row, place)), shape=(rows, len(cost)))

    right = np.zeros(cells * nodes + cells)
    for o in range(nodes):
        for k in range(classes):
            right[(o * classes + k) * nodes + o] = arrays.demand[o, k, 0]
    power = np.full(assets, np.inf) if arrays.power_limit is None else arrays.power_limit
    most_used = np.concatenate([arrays.link_capacity, power])
    kept = np.isfinite(most_used)
    found = linprog(
        cost,
        A_ub=matrix(below, arcs + assets)[kept],
        b_ub=most_used[kept],
        A_eq=matrix(equal, right.size),
        b_eq=right,
        bounds=[(0.0, limit) for limit in most],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return None if found.status != 0 else float(found.fun)
