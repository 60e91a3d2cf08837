"""Random grids, and markets beside them, and the programs of both written a second time on scipy and in PyPSA.

The program on scipy has voltage angles where the package has cycles; PyPSA has tokens as a carrier: a bus for each
node and class, processing as links from the power bus with the tokens of a MWh as efficiency, arcs as links between
token buses, and for each shared link a bus that its capacity feeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

linprog: Any = optimize.linprog
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
HOUR = 3600.0


@dataclass(frozen=True)
class Joint:
    """What a second program found: cost in $/s, powers in MW, bus prices in $/MWh, prices in $/Mtok."""

    cost: float
    generation: np.ndarray[Any, Any]
    line_flow: np.ndarray[Any, Any]
    bus_price: np.ndarray[Any, Any]
    price: np.ndarray[Any, Any]
    dispatch: np.ndarray[Any, Any]


def random_grid(
    seed: int, buses: int = 8, nodes: int = 0, tranches: int = 2, *, shed: bool = True, load: float = 50.0
) -> Grid:
    """Two meshed islands, joined by HVDC links that lose power one way and by one that loses none, and a radial end.

    Numbers are generic, so that prices are unique. With `shed`, load may be shed at 1000 $/MWh and more.
    """
    rng = np.random.default_rng(seed)
    half = buses // 2
    ends: list[tuple[int, int]] = []
    for first, last in ((0, half), (half, buses - 1)):
        ends += [(at, at + 1) for at in range(first, last - 1)]
        size = last - first
        for _ in range(size):
            one, other = rng.choice(size, 2, replace=False) + first if size > 1 else (first, first)
            if one != other:
                ends.append((int(one), int(other)))
    ends.append((buses - 2, buses - 1))
    dc = len(ends)
    ends += [(0, half), (half, 0), (1 % half, half)]
    count = len(ends)
    limit = rng.uniform(6, 50, count)
    limit[dc - 1] = np.inf
    limit[dc:] = rng.uniform(5, 30, 3)
    efficiency = np.ones(count)
    efficiency[dc : dc + 2] = rng.uniform(0.9, 0.98, 2)
    cost = np.zeros(count)
    cost[dc : dc + 2] = rng.uniform(0.1, 1.0, 2)
    plants = max(buses, 3)
    at = [*rng.integers(0, buses, plants).tolist(), *(range(buses) if shed else [])]
    price = np.sort(rng.uniform(-5, 90, (len(at), tranches)), axis=1)
    available = rng.uniform(5, 80, (len(at), tranches))
    minimum = np.zeros(len(at))
    minimum[: plants // 3] = rng.uniform(0, 4, plants // 3)
    demand = rng.uniform(0, load, buses)
    if shed:
        price[plants:] = rng.uniform(1000, 1100, (buses, 1))
        available[plants:] = 0.0
        available[plants:, 0] = demand + 40.0
    return Grid(
        buses=[f"b{i}" for i in range(buses)], load=demand,
        lines=[f"l{i}" for i in range(count)], from_bus=[a for a, _ in ends], to_bus=[b for _, b in ends],
        limit=limit, kind=["dc"] * dc + ["transport"] * 3, susceptance=rng.uniform(0.2, 5, count),
        efficiency=efficiency, line_cost=cost, generators=[f"g{i}" for i in range(len(at))], generator_bus=at,
        price=price, available=available, minimum=minimum, co2=rng.uniform(0, 1, len(at)),
        node_bus=rng.permutation(buses)[:nodes],
    )  # fmt: skip


def random_market(seed: int, grid: Grid, classes: int = 2) -> tuple[Market, np.ndarray[Any, Any]]:
    """A market whose assets draw from the grid, and what they draw per unit of service."""
    rng = np.random.default_rng(seed)
    nodes = len(grid.node_bus)
    assets = nodes + 1
    origin = np.repeat(np.arange(nodes), nodes - 1)
    destination = np.concatenate([np.delete(np.arange(nodes), at) for at in range(nodes)])
    arcs = len(origin)

    def index(name: str, count: int) -> pd.Index[Any]:
        return pd.Index([f"{name}{i}" for i in range(count)], name=name)

    layout = Layout(
        nodes=index("node", nodes), workloads=index("workload", classes), assets=index("asset", assets),
        arcs=index("arc", arcs), asset_node=np.append(np.arange(nodes), 0),
        provider=tuple(f"p{i % 2}" for i in range(assets)), origin=origin, destination=destination,
        owner=("net",) * arcs, link_unit="GB/s",
    )  # fmt: skip
    use = rng.uniform(2.0, 12.0, (assets, classes))
    arrays = Arrays(
        offer_price=rng.uniform(0.02, 0.3, (assets, classes, 1)), capacity=rng.uniform(0.5, 3, (assets, classes, 1)),
        demand=rng.uniform(0.3, 2.0, (nodes, classes, 1)), value=rng.uniform(1.0, 3.0, (nodes, classes, 1)),
        route_cost=rng.uniform(0.005, 0.05, (arcs, classes)), link_use=rng.uniform(0.5, 2.0, (arcs, classes)),
        allowed=np.ones((arcs, classes), bool), link_capacity=rng.uniform(0.2, 2.0, arcs),
        link_curvature=np.zeros(arcs),
    )  # fmt: skip
    return Market.from_arrays(layout, arrays), use


def solve_by_angles(
    grid: Grid, market: Market | None = None, power_use: Any = None, draw: Any = None
) -> Joint | None:
    """Clear a grid, alone with a fixed draw or with a market, with voltage angles as variables; None if infeasible."""
    lines, buses, G, T = len(grid.lines), len(grid.buses), *grid.price.shape
    cost = [*(grid.price / HOUR).ravel(), *(grid.line_cost / HOUR), *np.zeros(buses)]
    bounds: list[tuple[float | None, float | None]] = [(0.0, most) for most in grid.available.ravel()]
    bounds += [
        (None if np.isinf(a) else a, None if np.isinf(b) else b)
        for a, b in zip(grid.least, grid.limit, strict=True)
    ]
    bounds += [(None, None)] * buses
    flow_at, angle_at = G * T, G * T + lines
    offset = angle_at + buses
    lay = None if market is None else market.layout
    sizes = (0, 0, 0)
    if market is not None:
        a = market.arrays
        cost += [*a.offer_price.ravel(), *a.route_cost.ravel(), *a.value.ravel()]
        bounds += [(0.0, c) for c in a.capacity.ravel()]
        bounds += [(0.0, None if ok else 0.0) for ok in a.allowed.ravel()]
        bounds += [(0.0, d) for d in a.demand.ravel()]
        sizes = (a.offer_price.size, a.route_cost.size, a.value.size)
    columns = len(cost)
    equal, right = [], []
    for bus in range(buses):  # what is generated and arrives, less what leaves and is drawn, is the load
        row = np.zeros(columns)
        for g in range(G):
            if grid.generator_bus[g] == bus:
                row[g * T : (g + 1) * T] = 1.0
        for line in range(lines):
            if grid.from_bus[line] == bus:
                row[flow_at + line] -= 1.0
            if grid.to_bus[line] == bus:
                row[flow_at + line] += grid.efficiency[line]
        if lay is not None:
            for s, k in np.ndindex(*power_use.shape):
                if grid.node_bus[lay.asset_node[s]] == bus:
                    row[offset + s * power_use.shape[1] + k] -= power_use[s, k]
        equal.append(row)
        right.append(grid.load[bus] + (0.0 if draw is None else draw[bus]))
    for line in np.flatnonzero(grid.is_dc):
        row = np.zeros(columns)
        row[flow_at + line] = 1.0
        row[angle_at + grid.from_bus[line]] -= grid.susceptance[line]
        row[angle_at + grid.to_bus[line]] += grid.susceptance[line]
        equal.append(row)
        right.append(0.0)
    upper, most = [], []
    for g in np.flatnonzero(grid.minimum > 0):
        row = np.zeros(columns)
        row[g * T : (g + 1) * T] = -1.0
        upper.append(row)
        most.append(-grid.minimum[g])
    balance_at = len(equal)
    if market is not None and lay is not None:
        a, K = market.arrays, len(lay.workloads)
        x, f, y = offset, offset + sizes[0], offset + sizes[0] + sizes[1]
        for n, k in np.ndindex(len(lay.nodes), K):
            row = np.zeros(columns)
            for s in range(len(lay.assets)):
                if lay.asset_node[s] == n:
                    row[x + s * K + k] = 1.0
            for arc in range(len(lay.arcs)):
                row[f + arc * K + k] += float(lay.origin[arc] == n) - float(lay.destination[arc] == n)
            row[y + n * K + k] = 1.0
            equal.append(row)
            right.append(a.demand[n, k, 0])
        for arc in range(len(lay.arcs)):
            row = np.zeros(columns)
            row[f + arc * K : f + (arc + 1) * K] = a.link_use[arc]
            upper.append(row)
            most.append(a.link_capacity[arc])
    found = linprog(
        cost, A_eq=np.array(equal), b_eq=right, A_ub=np.array(upper) if upper else None,
        b_ub=most or None, bounds=bounds, method="highs", options=_EXACT,
    )  # fmt: skip
    if found.status == 2:
        return None
    assert found.status == 0, found.message
    shape = (0, 0) if lay is None else (len(lay.nodes), len(lay.workloads))
    duals = found.eqlin.marginals
    assets = (0, 0) if power_use is None else power_use.shape
    return Joint(
        cost=found.fun,
        generation=found.x[: G * T].reshape(G, T).sum(axis=1),
        line_flow=found.x[flow_at:angle_at],
        bus_price=duals[:buses] * HOUR,
        price=duals[balance_at : balance_at + shape[0] * shape[1]].reshape(shape),
        dispatch=found.x[offset : offset + sizes[0]].reshape(assets),
    )


def network_of(grid: Grid, draw: Any = None) -> Any:
    """Write a grid as a PyPSA network of one snapshot, with a fixed draw at its buses."""
    import pypsa

    network = pypsa.Network()
    network.set_snapshots([0])
    buses, lines = list(grid.buses), np.array(grid.lines)
    load = grid.load + (0.0 if draw is None else draw)
    network.add("Bus", buses, v_nom=1.0)
    network.add("Load", [f"load {bus}" for bus in buses], bus=buses, p_set=load)
    at = np.array(buses)
    dc = grid.is_dc
    most = np.where(np.isinf(grid.limit), 1e5, grid.limit)
    network.add(
        "Line", lines[dc], bus0=at[grid.from_bus[dc]], bus1=at[grid.to_bus[dc]], x=1 / grid.susceptance[dc],
        s_nom=most[dc],
    )  # fmt: skip
    if (~dc).any():
        network.add(
            "Link", lines[~dc], bus0=at[grid.from_bus[~dc]], bus1=at[grid.to_bus[~dc]],
            efficiency=grid.efficiency[~dc], p_nom=most[~dc], p_min_pu=(grid.least / most)[~dc],
            marginal_cost=grid.line_cost[~dc],
        )  # fmt: skip
    low = grid.minimum.copy()
    for t in range(grid.price.shape[1]):
        available = grid.available[:, t]
        first = np.minimum(low, available)
        low = low - first
        network.add(
            "Generator", [f"{name}|{t}" for name in grid.generators], bus=at[grid.generator_bus], p_nom=available,
            p_min_pu=np.divide(first, available, out=np.zeros(len(first)), where=available > 0),
            marginal_cost=grid.price[:, t],
        )  # fmt: skip
    return network


def grid_of(network: Any) -> Grid:
    """Write a PyPSA network's first snapshot as a grid: lines, transformers, links of two buses, generators, loads."""
    network.calculate_dependent_values()
    now = network.snapshots[0]
    buses = list(network.buses.index)
    at = {bus: place for place, bus in enumerate(buses)}
    load = np.zeros(len(buses))
    np.add.at(load, network.loads.bus.map(at), network.get_switchable_as_dense("Load", "p_set").loc[now])
    parts = []
    for branches in (network.lines, network.transformers):
        direct = branches.bus0.map(network.buses.carrier).eq("DC")
        drop = np.where(direct, branches.r_pu_eff, branches.x_pu_eff) if len(branches) else np.zeros(0)
        most = (branches.s_nom * branches.s_max_pu).to_numpy(float)
        parts.append(
            (branches, most, -most, np.divide(1.0, drop), np.ones(len(most)), np.zeros(len(most)), "dc")
        )
    links, one = network.links, np.ones(len(network.links))
    low, high = (network.get_switchable_as_dense("Link", name).loc[now] for name in ("p_min_pu", "p_max_pu"))
    parts.append(
        (
            links,
            links.p_nom * high,
            links.p_nom * low,
            one,
            links.efficiency,
            links.marginal_cost,
            "transport",
        )
    )
    plants = network.generators
    lowest, highest = (
        network.get_switchable_as_dense("Generator", name).loc[now] for name in ("p_min_pu", "p_max_pu")
    )
    cost = network.get_switchable_as_dense("Generator", "marginal_cost").loc[now]

    def joined(position: int) -> Any:
        return np.concatenate([np.asarray(part[position], dtype=float) for part in parts])

    names = [f"{kind} {name}" for kind, part in zip("ltk", parts, strict=True) for name in part[0].index]
    return Grid(
        buses=buses, load=load, lines=names,
        from_bus=np.concatenate([part[0].bus0.map(at).to_numpy(int) for part in parts]),
        to_bus=np.concatenate([part[0].bus1.map(at).to_numpy(int) for part in parts]),
        limit=joined(1), least=joined(2), kind=[part[6] for part in parts for _ in part[0].index],
        susceptance=joined(3), efficiency=joined(4), line_cost=joined(5), generators=list(plants.index),
        generator_bus=plants.bus.map(at).to_numpy(int), price=cost.to_numpy(),
        available=(plants.p_nom * highest).to_numpy(), minimum=(plants.p_nom * lowest).to_numpy(),
    )  # fmt: skip


def add_tokens(network: Any, grid: Grid, market: Market, power_use: Any) -> None:
    """Add a market of tokens to the network of its grid: amounts are Mtok/h, and money is $/h."""
    lay, a = market.layout, market.arrays
    K = len(lay.workloads)
    token = np.array([f"{n}|{k}" for n in lay.nodes for k in lay.workloads]).reshape(-1, K)
    network.add("Bus", token.ravel(), carrier="tokens")
    demand = a.demand.sum(axis=2)
    network.add(
        "Load", [f"demand {bus}" for bus in token.ravel()], bus=token.ravel(), p_set=demand.ravel() * HOUR
    )
    network.add(
        "Generator", [f"unserved {bus}" for bus in token.ravel()], bus=token.ravel(), p_nom=demand.ravel() * HOUR,
        marginal_cost=a.value[:, :, 0].ravel(),
    )  # fmt: skip
    power = np.array(grid.buses)[grid.node_bus[lay.asset_node]]
    shared: dict[str, Any] = {}
    if (
        a.power_use is not None and a.power_limit is not None
    ):  # what an asset's classes share, as a bus of its own
        budget = np.array([f"power {s}" for s in lay.assets])
        network.add("Bus", budget, carrier="MW")
        network.add("Generator", budget, bus=budget, p_nom=a.power_limit)
        shared = {"bus2": np.repeat(budget, K), "efficiency2": -(a.power_use / power_use).ravel()}
    network.add(
        "Link", [f"{s}|{k}" for s in lay.assets for k in lay.workloads], bus0=np.repeat(power, K),
        bus1=token[lay.asset_node].ravel(), efficiency=(HOUR / power_use).ravel(),
        p_nom=(a.capacity[:, :, 0] * power_use).ravel(),
        marginal_cost=(a.offer_price[:, :, 0] * HOUR / power_use).ravel(), **shared,
    )  # fmt: skip
    if not len(lay.arcs):
        return
    band = np.array([f"bandwidth {arc}" for arc in lay.arcs])
    network.add("Bus", band, carrier="GB")
    network.add("Generator", band, bus=band, p_nom=a.link_capacity * HOUR)
    # A request that goes from origin to destination is served there: service flows the other way.
    network.add(
        "Link", [f"{arc}|{k}" for arc in lay.arcs for k in lay.workloads], bus0=token[lay.destination].ravel(),
        bus1=token[lay.origin].ravel(), bus2=np.repeat(band, K), efficiency=1.0, efficiency2=-a.link_use.ravel(),
        p_nom=np.where(a.allowed, demand.sum() * HOUR, 0.0).ravel(), marginal_cost=a.route_cost.ravel(),
    )  # fmt: skip


def optimize_network(network: Any) -> None:
    """Solve a network's one snapshot by HiGHS, silently."""
    status = network.optimize(
        solver_name="highs", log_to_console=False, output_flag=False, threads=1,
        progress=False, primal_feasibility_tolerance=1e-9, dual_feasibility_tolerance=1e-9, assign_all_duals=True,
    )  # fmt: skip
    assert status[0] == "ok", status
