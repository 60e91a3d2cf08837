"""Grids and tokens cleared together and one after the other: by hand, by voltage angles on scipy, and by PyPSA.

Bus prices of PyPSA are any optimal duals; ours are the cost of one more MWh. They are compared where numbers are
generic, so that there is only one; where there are several, ours is compared with the difference of costs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.importing.real import held
from tests.oracle import power
from tests.oracle.effort import FACTOR
from tokenflow_sim.errors import InfeasibleError, MarketError
from tokenflow_sim.market import clear
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_clearing import clear_grid
from tokenflow_sim.market.grid_outcome import GridOutcome, grid_outcome
from tokenflow_sim.market.grid_rows import bind_grid
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

HOUR = 3600.0


def jointly(market: Market, grid: Grid, power_use: Any) -> tuple[Clearing, GridOutcome]:
    bound = bind_grid(grid, market.layout, power_use)
    limits, activities = bound.at(grid, market.arrays.capacity)
    clearing = clear(
        Market.from_arrays(market.layout, market.arrays.with_(limits=limits, activities=activities))
    )
    return clearing, grid_outcome(bound, grid, clearing.values)


def sites(
    buses: list[int], demand: list[float], arcs: Sequence[tuple[int, int]] = (), link: float = np.inf
) -> Market:
    """One asset and one class at each node; offers of 0.1 $/Mtok, routes of 0.001 $/Mtok."""
    count = len(buses)
    layout = Layout(
        nodes=pd.Index([f"n{i}" for i in range(count)], name="node"), workloads=pd.Index(["chat"], name="workload"),
        assets=pd.Index([f"s{i}" for i in range(count)], name="asset"),
        arcs=pd.Index([f"a{i}" for i in range(len(arcs))], name="arc"), asset_node=np.arange(count),
        provider=("p",) * count, origin=np.array([a for a, _ in arcs], dtype=int),
        destination=np.array([b for _, b in arcs], dtype=int), owner=("net",) * len(arcs),
    )  # fmt: skip
    arrays = Arrays(
        offer_price=np.full((count, 1, 1), 0.1), capacity=np.full((count, 1, 1), 100.0),
        demand=np.reshape(demand, (count, 1, 1)).astype(float), value=np.full((count, 1, 1), np.inf),
        route_cost=np.full((len(arcs), 1), 0.001), link_use=np.ones((len(arcs), 1)),
        allowed=np.ones((len(arcs), 1), bool), link_capacity=np.full(len(arcs), link),
        link_curvature=np.zeros(len(arcs)),
    )  # fmt: skip
    return Market.from_arrays(layout, arrays)


def test_two_buses_and_a_full_line() -> None:
    grid = Grid(
        buses=["west", "east"], load=[0.0, 100.0], lines=["tie"], from_bus=[0], to_bus=[1], limit=[60.0],
        generators=["wind", "gas"], generator_bus=[0, 1], price=[5.0, 40.0], available=[200.0, 200.0],
        node_bus=[0, 1], co2=[0.0, 0.4],
    )  # fmt: skip
    energy = np.array([[10.0], [10.0]])
    clearing, grid_side = jointly(sites([0, 1], [1.0, 1.0]), grid, energy)
    price = clearing.values.price[:, 0]
    np.testing.assert_allclose(grid_side.bus_price, [5, 40], rtol=1e-9)
    np.testing.assert_allclose(price, 0.1 + 10 * np.array([5, 40]) / HOUR, rtol=1e-9)
    assert price[1] - price[0] == pytest.approx(10 * (40 - 5) / HOUR, rel=1e-9)
    np.testing.assert_allclose(grid_side.generation, [70, 50], rtol=1e-9)
    np.testing.assert_allclose(grid_side.drawn, [10, 10], rtol=1e-9)
    np.testing.assert_allclose(grid_side.emissions, [0, 20], rtol=1e-9)
    np.testing.assert_allclose([grid_side.line_flow[0], grid_side.line_rent[0]], [60, 35], rtol=1e-9)
    np.testing.assert_allclose(grid_side.line_income, [35 * 60], rtol=1e-9)


@pytest.mark.parametrize("turned", [False, True])
def test_three_buses_with_a_congested_line_and_a_data_centre_at_each_end(turned: bool) -> None:
    """The line from 0 to 2 is full: of what is injected at 0 two thirds take it, at 1 one third.

    With x at 0 and y at 1, 2x/3 + y/3 = 50 and x + y = 90 + 30, so that x = 30, y = 90, and prices are 10 at 0, 30 at
    1, and 50 at 2: 30 = 50 - rent/3.
    """
    ends = [(1, 0), (2, 1), (2, 0)] if turned else [(0, 1), (1, 2), (0, 2)]
    grid = Grid(
        buses=["a", "b", "c"], load=[0.0, 0.0, 90.0], lines=["ab", "bc", "ac"], from_bus=[e[0] for e in ends],
        to_bus=[e[1] for e in ends], limit=[np.inf, 500.0, 50.0], susceptance=[3.0, 3.0, 3.0], node_bus=[0, 2],
        generators=["cheap", "dear"], generator_bus=[0, 1], price=[10.0, 30.0], available=[500.0, 500.0],
    )  # fmt: skip
    market = sites(
        [0, 2], [0.0, 4.0], [(1, 0)], link=1.0
    )  # of four units, the link lets one be done at the other end
    clearing, grid_side = jointly(market, grid, np.full((2, 1), 10.0))
    values = clearing.values
    way = -1 if turned else 1
    np.testing.assert_allclose(grid_side.bus_price, [10, 30, 50], rtol=1e-9)
    np.testing.assert_allclose(grid_side.generation, [40, 90], rtol=1e-9)
    np.testing.assert_allclose(grid_side.line_flow, way * np.array([-20, 70, 50]), rtol=1e-9)
    np.testing.assert_allclose(grid_side.line_rent, [0, 0, 60], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(values.price[:, 0], 0.1 + 10 * np.array([10, 50]) / HOUR, rtol=1e-9)
    np.testing.assert_allclose(values.congestion_rent, [10 * 40 / HOUR - 0.001], rtol=1e-9)
    # Demand pays providers, the link, and for power; that and what the load pays is what generators and lines earn.
    served = float(values.price[1, 0] * 4) * HOUR
    link = float((0.001 + values.congestion_rent[0]) * 1) * HOUR
    assert served == pytest.approx(0.1 * 4 * HOUR + link + grid_side.drawn_payment.sum(), rel=1e-9)
    np.testing.assert_allclose(grid_side.generator_income, [400, 2700], rtol=1e-9)
    np.testing.assert_allclose(grid_side.line_income, [0, 0, 3000], rtol=1e-9, atol=1e-6)
    assert abs(grid_side.residual) < 1e-9 * grid_side.load_payment.sum()


@pytest.mark.parametrize("seed", range(3 * FACTOR))
def test_against_angles(seed: int) -> None:
    grid = power.random_grid(seed, nodes=4)
    truth = power.solve_by_angles(grid)
    assert truth is not None
    alone = clear_grid(grid)
    outcome = alone.outcome
    assert outcome.cost == pytest.approx(truth.cost * HOUR, rel=1e-9)
    np.testing.assert_allclose(outcome.bus_price, truth.bus_price, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(outcome.generation, truth.generation, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(outcome.line_flow, truth.line_flow, rtol=1e-8, atol=1e-8)
    assert abs(outcome.residual) < 1e-9 * np.abs(outcome.load_payment).sum()
    market, use = power.random_market(seed, grid)
    both = power.solve_by_angles(grid, market, use)
    assert both is not None
    clearing, grid_side = jointly(market, grid, use)
    assert clearing.values.cost == pytest.approx(both.cost, rel=1e-9)
    # Where nothing is served there are several duals, from the value on; ours is the dearest.
    served = clearing.values.unserved[:, :, 0] < market.arrays.demand[:, :, 0] * (1 - 1e-9)
    np.testing.assert_allclose(clearing.values.price[served], both.price[served], rtol=1e-8)
    assert (clearing.values.price >= both.price * (1 - 1e-8)).all()
    np.testing.assert_allclose(grid_side.bus_price, both.bus_price, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(clearing.values.dispatch[:, :, 0], both.dispatch, rtol=1e-8, atol=1e-8)
    # What the joint clearing draws costs the grid alone as much.
    again = clear_grid(grid, grid_side.drawn).outcome
    assert again.cost == pytest.approx(grid_side.cost, rel=1e-8)
    np.testing.assert_allclose(again.generation, grid_side.generation, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(1 if FACTOR == 1 else 20))
def test_against_pypsa(seed: int) -> None:
    pytest.importorskip("pypsa")
    grid = power.random_grid(100 + seed, nodes=4)
    market, use = power.random_market(seed, grid)
    draw = np.random.default_rng(seed).uniform(0, 20, len(grid.buses))
    outcome = clear_grid(grid, draw).outcome
    fixed, both = power.network_of(grid, draw), power.network_of(grid)
    power.add_tokens(both, grid, market, use)
    quietly(fixed)
    quietly(both)
    tranches = fixed.generators_t.p.loc[0].to_numpy().reshape(-1, len(grid.generators))
    assert outcome.cost == pytest.approx(fixed.objective, rel=1e-6)
    np.testing.assert_allclose(outcome.bus_price, prices(fixed, grid), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(outcome.generation, tranches.sum(axis=0), rtol=1e-6, atol=1e-6)
    clearing, grid_side = jointly(market, grid, use)
    assert clearing.total_cost == pytest.approx(both.objective, rel=1e-6)
    np.testing.assert_allclose(grid_side.bus_price, prices(both, grid), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "snapshot"), [("ac-dc-meshed.nc", 3), ("scigrid-de", 12)])
def test_public_networks_against_pypsa(name: str, snapshot: int) -> None:
    """With AI load fixed; capacities fixed, no storage, equal marginal costs parted, and load that may be shed."""
    pypsa = pytest.importorskip("pypsa")
    file = held(f"pypsa/{name}")
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        network = pypsa.Network(file)
        network.remove("StorageUnit", network.storage_units.index)
        network.remove("GlobalConstraint", network.global_constraints.index)
        for table, field in (("generators", "p_nom"), ("lines", "s_nom"), ("links", "p_nom")):
            getattr(network, table)[f"{field}_extendable"] = False
        network.set_snapshots(network.snapshots[snapshot : snapshot + 1])
        buses = network.buses.index
        network.generators["marginal_cost"] += rng.uniform(0, 1e-3, len(network.generators))
        shed = rng.uniform(1000, 1001, len(buses))
        network.add("Generator", [f"shed {bus}" for bus in buses], bus=buses, p_nom=1e4, marginal_cost=shed)
        sites_at = rng.choice(len(buses), 4, replace=False)
        network.add(
            "Load", [f"AI {at}" for at in sites_at], bus=buses[sites_at], p_set=[20.0, 40.0, 60.0, 80.0]
        )
        grid = power.grid_of(network)
        logging.disable(logging.NOTSET)
    quietly(network)
    done = clear_grid(grid)
    assert done.certificate.worst < 1e-9
    assert done.outcome.cost == pytest.approx(network.objective, rel=1e-6)
    np.testing.assert_allclose(done.outcome.bus_price, prices(network, grid), rtol=1e-6, atol=1e-6)
    ran = network.generators_t.p.iloc[0][list(grid.generators)].to_numpy()
    np.testing.assert_allclose(done.outcome.generation, ran, rtol=1e-6, atol=1e-6)


def quietly(network: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            power.optimize_network(network)
        finally:
            logging.disable(logging.NOTSET)


def prices(network: Any, grid: Grid) -> Any:
    return network.buses_t.marginal_price.iloc[0][list(grid.buses)].to_numpy()


def test_a_degenerate_price_is_that_of_one_more_megawatt() -> None:
    """Wind covers the load to the last unit, and a line is full to the last unit: any price from 5 to 40 is a dual."""
    grid = Grid(
        buses=["west", "east"], load=[40.0, 60.0], lines=["tie"], from_bus=[0], to_bus=[1], limit=[60.0],
        generators=["wind", "gas"], generator_bus=[0, 1], price=[5.0, 40.0], available=[100.0, 200.0],
    )  # fmt: skip
    found = clear_grid(grid).outcome.bus_price
    for bus in range(2):
        more = np.zeros(2)
        more[bus] = 1e-3
        costs = [power.solve_by_angles(grid, draw=draw) for draw in (np.zeros(2), more)]
        assert all(costs)
        difference = (costs[1].cost - costs[0].cost) * HOUR / 1e-3  # type: ignore[union-attr]
        assert found[bus] == pytest.approx(difference, rel=1e-6)


def test_costs_of_lines_and_least_flows() -> None:
    """Carrying costs 2 $/MWh either way; a contract holds 10 MW on a second line back."""
    grid = Grid(
        buses=["a", "b"], load=[0.0, 50.0], lines=["both", "back"], from_bus=[1, 1], to_bus=[0, 0],
        kind=["transport"] * 2, limit=[30.0, 20.0], least=[-30.0, 10.0], line_cost=[2.0, 0.0],
        generators=["cheap", "dear"], generator_bus=[0, 1], price=[10.0, 30.0], available=[100.0, 100.0],
    )  # fmt: skip
    outcome = clear_grid(grid).outcome
    np.testing.assert_allclose(outcome.line_flow, [-30, 10], rtol=1e-9)
    np.testing.assert_allclose(outcome.bus_price, [10, 30], rtol=1e-9)
    np.testing.assert_allclose(outcome.line_rent, [18, 20], rtol=1e-9)
    np.testing.assert_allclose(outcome.line_income, [30 * 20, -10 * 20], rtol=1e-9)
    assert outcome.cost == pytest.approx(20 * 10 + 30 * 30 + 30 * 2, rel=1e-9)
    assert abs(outcome.residual) < 1e-9


def test_says_where_load_cannot_be_supplied() -> None:
    grid = Grid(
        buses=["west", "east"], load=[0.0, 100.0], lines=["tie"], from_bus=[0], to_bus=[1], limit=[60.0],
        generators=["wind"], generator_bus=[0], price=[5.0], available=[200.0],
    )  # fmt: skip
    with pytest.raises(InfeasibleError, match=r"bus_balance: 40 MW short, at east \(40\)"):
        clear_grid(grid)
    with pytest.raises(MarketError, match="must be 2 finite numbers"):
        clear_grid(grid, [1.0])
    market = sites([0, 1], [1.0, 1.0])
    lost = grid.with_(load=[0.0, 0.0], node_bus=[0, NO_BUS])
    with pytest.raises(MarketError, match="no bus for n1, where assets draw power; known buses: west, east"):
        bind_grid(lost, market.layout, np.ones((2, 1)))
    bind_grid(lost, market.layout, np.array([[1.0], [0.0]]))  # what draws nothing needs none
    with pytest.raises(MarketError, match="has 2 buses where the market has 1 nodes"):
        bind_grid(lost, sites([0], [1.0]).layout, np.ones((1, 1)))
