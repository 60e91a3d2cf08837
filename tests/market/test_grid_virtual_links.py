"""Work that moves between sites is a virtual link of the grid (Zhang, Roald, Chien, Birge and Zavala 2020).

Their formulation is written apart on scipy: supplies p, cleared loads d, flows f with angles, virtual shifts delta,

    min  sum a_p p - sum a_d d + sum a_f f + sum a_delta delta
    s.t. p_i - d_i - sum_j f_ij + sum_j f_ji + sum_j delta_ij - sum_j delta_ji = 0        price of power at i
         f_ij - f_ji = B (theta_j - theta_i),   0 <= f <= F,   0 <= delta <= Delta
         0 <= p <= P,   0 <= d <= D,   0 <= d_i - sum_j delta_ij + sum_j delta_ji <= d_max

Numbers are those of the paper's case of three buses, with its seven settings of virtual links.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from tokenflow_sim.market import clear
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.grid_outcome import grid_outcome
from tokenflow_sim.market.grid_rows import bind_grid
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

HOUR = 3600.0
SUPPLY, SUPPLY_BID = np.array([50.0, 30.0, 50.0]), np.array([10.0, 20.0, 10.0])
LOAD, LOAD_BID = np.array([40.0, 45.0, 40.0]), np.array([40.0, 30.0, 40.0])
MOST_LOAD = LOAD + 20
LINES = {(0, 1): 5.0, (0, 2): 10.0, (1, 2): 10.0}
LINE_BID, SUSCEPTANCE = 2.0, 0.5
PAIRS = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
# Virtual shifts allowed between each pair of buses, and what they bid.
SETTINGS = {
    1: ({}, 3.0),
    2: ({(0, 1): 5.0}, 3.0),
    3: ({(0, 1): 15.0}, 3.0),
    4: (dict.fromkeys(LINES, 15.0), 3.0),
    5: (dict.fromkeys(LINES, 100.0), 3.0),
    6: (dict.fromkeys(LINES, 15.0), 1.0),
    7: (dict.fromkeys(LINES, 15.0), 0.0),
}
# What the authors' own program prints for the last setting.
PRINTED = {"welfare": 3050.0, "supply": [50.0, 25.0, 50.0], "load": [40.0, 45.0, 40.0], "price": 20.0}


def of_the_paper(most: dict[tuple[int, int], float], bid: float) -> tuple[float, Any, Any]:
    """Solve the paper's program; return welfare, prices of power, and load after shifts."""
    p, d, f, shift, angle = 0, 3, 6, 12, 18
    cost = np.concatenate([SUPPLY_BID, -LOAD_BID, np.full(6, LINE_BID), np.full(6, bid), np.zeros(3)])
    limit = [LINES[min(pair), max(pair)] for pair in PAIRS]
    virtual = [most.get((min(pair), max(pair)), 0.0) for pair in PAIRS]
    upper = np.concatenate([SUPPLY, LOAD, limit, virtual])
    bounds = [(0.0, most) for most in upper] + [(None, None)] * 3
    equal, after = np.zeros((6, 21)), np.zeros((3, 21))
    for bus in range(3):
        equal[bus, p + bus], equal[bus, d + bus], after[bus, d + bus] = 1.0, -1.0, 1.0
        for at, (start, end) in enumerate(PAIRS):
            way = float(end == bus) - float(start == bus)
            equal[bus, f + at] += way
            equal[bus, shift + at] -= way
            after[bus, shift + at] += way
    for row, (one, other) in enumerate(LINES):
        equal[3 + row, f + PAIRS.index((one, other))] = 1.0
        equal[3 + row, f + PAIRS.index((other, one))] = -1.0
        equal[3 + row, [angle + other, angle + one]] = [-SUSCEPTANCE, SUSCEPTANCE]
    found: Any = optimize.linprog(
        cost, A_eq=equal, b_eq=np.zeros(6), A_ub=np.vstack([after, -after]),
        b_ub=np.concatenate([MOST_LOAD, np.zeros(3)]), bounds=bounds,
    )  # fmt: skip
    assert found.status == 0
    # One more on the right of a bus's row is one more unit taken there.
    return -found.fun, found.eqlin.marginals[:3], after @ found.x


def as_tokens(most: dict[tuple[int, int], float], bid: float) -> tuple[Market, Grid]:
    """The same as a market: a load that asks is demand for tokens of one MWh each, a shift is a route.

    A Mtok here takes one MWh, so that rates are in Mtok/s and a load of 40 MW asks for 40/3600 of them.
    """
    layout = Layout(
        nodes=pd.Index(["1", "2", "3"], name="node"), workloads=pd.Index(["work"], name="workload"),
        assets=pd.Index(["1", "2", "3"], name="asset"), arcs=pd.Index([f"{a}{b}" for a, b in PAIRS], name="arc"),
        asset_node=np.arange(3), provider=("owner",) * 3, origin=np.array([a for a, _ in PAIRS]),
        destination=np.array([b for _, b in PAIRS]), owner=("owner",) * 6,
    )  # fmt: skip
    virtual = np.array([most.get((min(pair), max(pair)), 0.0) for pair in PAIRS])
    arrays = Arrays(
        offer_price=np.zeros((3, 1, 1)), capacity=MOST_LOAD[:, None, None] / HOUR,
        demand=LOAD[:, None, None] / HOUR, value=LOAD_BID[:, None, None].copy(),
        route_cost=np.full((6, 1), bid), link_use=np.ones((6, 1)), allowed=np.ones((6, 1), bool),
        link_capacity=virtual / HOUR, link_curvature=np.zeros(6),
    )  # fmt: skip
    grid = Grid(
        buses=["1", "2", "3"], load=np.zeros(3), lines=["12", "13", "23"], from_bus=[a for a, _ in LINES],
        to_bus=[b for _, b in LINES], limit=list(LINES.values()), susceptance=[SUSCEPTANCE] * 3,
        line_cost=[LINE_BID] * 3, generators=["1", "2", "3"], generator_bus=[0, 1, 2], price=SUPPLY_BID,
        available=SUPPLY, node_bus=[0, 1, 2],
    )  # fmt: skip
    return Market.from_arrays(layout, arrays), grid


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_paper_and_the_market_are_one_program(setting: int) -> None:
    welfare, price, after = of_the_paper(*SETTINGS[setting])
    market, grid = as_tokens(*SETTINGS[setting])
    bound = bind_grid(grid, market.layout, np.full((3, 1), HOUR))
    limits, activities = bound.at(grid)
    clearing = clear(
        Market.from_arrays(market.layout, market.arrays.with_(limits=limits, activities=activities))
    )
    outcome = grid_outcome(bound, grid, clearing.values)
    assert LOAD_BID @ LOAD - clearing.total_cost == pytest.approx(welfare, rel=1e-9)
    np.testing.assert_allclose(outcome.bus_price, price, rtol=1e-9)
    np.testing.assert_allclose(outcome.drawn, after, rtol=1e-9, atol=1e-9)
    # No site is full, so that what a MWh of work costs where it is done is the power for it.
    np.testing.assert_allclose(clearing.values.price[:, 0], price, rtol=1e-9)
    # A virtual link that has room earns its bid: prices of work differ by no more than that.
    room = clearing.values.flow[:, 0] < market.arrays.link_capacity * (1 - 1e-9)
    used = clearing.values.flow[:, 0] > 1e-12
    gain = (
        clearing.values.price[market.layout.origin, 0] - clearing.values.price[market.layout.destination, 0]
    )
    np.testing.assert_allclose(gain[room & used], SETTINGS[setting][1], atol=1e-9)
    if setting == 7:
        served = LOAD - clearing.values.unserved[:, 0, 0] * HOUR
        assert welfare == pytest.approx(PRINTED["welfare"])
        np.testing.assert_allclose(served, PRINTED["load"], rtol=1e-9)
        np.testing.assert_allclose(outcome.generation, PRINTED["supply"], rtol=1e-9)
        np.testing.assert_allclose(outcome.bus_price, PRINTED["price"], rtol=1e-9)
        np.testing.assert_allclose(outcome.line_flow, 0.0, atol=1e-9)
