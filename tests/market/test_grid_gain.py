"""What joint clearing gains, and what a provider does that counts its own effect, by hand and on random markets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.market.test_grid_clearing import HOUR, sites
from tests.oracle import power
from tests.oracle.effort import FACTOR
from tokenflow_sim.errors import MarketError
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.grid_gain import joint_gain, own_effect


def two_buses() -> Grid:
    """In the west 10 MW at 10 $/MWh, then 50; in the east 20; no line between them."""
    return Grid(
        buses=["west", "east"], load=[0.0, 0.0], generators=["wind", "oil", "gas"], generator_bus=[0, 0, 1],
        price=[10.0, 50.0, 20.0], available=[10.0, 100.0, 100.0], node_bus=[0, 1],
    )  # fmt: skip


def test_the_gain_by_hand() -> None:
    """At forecasts of 10 and 20 all work stays in the west, half of it on oil; jointly that half goes east."""
    market = sites([0, 1], [2.0, 0.0], [(0, 1)])
    use = np.full((2, 1), 10.0)
    found = joint_gain(market, two_buses(), use)
    processing = 0.1 * 2 * HOUR
    np.testing.assert_allclose(found.sequential_grid.drawn, [20, 0], atol=1e-9)
    np.testing.assert_allclose(found.joint_grid.drawn, [10, 10], rtol=1e-9)
    assert found.sequential_cost == pytest.approx(processing + 100 + 500, rel=1e-9)
    assert found.joint_cost == pytest.approx(processing + 100 + 200 + 0.001 * HOUR, rel=1e-9)
    assert found.gain == pytest.approx(300 - 3.6, rel=1e-9)
    np.testing.assert_allclose(found.difference_paid, [20 * (50 - 10), 0], rtol=1e-9, atol=1e-9)
    with pytest.raises(MarketError, match="one for each bus"):
        joint_gain(market, two_buses(), use, forecast=[1.0])


@pytest.mark.parametrize("seed", range(2 * FACTOR))
def test_joint_clearing_never_costs_more(seed: int) -> None:
    grid = power.random_grid(seed, nodes=4)
    market, use = power.random_market(seed, grid)
    truth = power.solve_by_angles(grid, market, use)
    found = joint_gain(market, grid, use)
    assert truth is not None
    assert found.joint_cost == pytest.approx(truth.cost * HOUR, rel=1e-9)
    # The sequential cost again, by the second program: tokens at the forecast, then the grid at what they draw.
    after = power.solve_by_angles(grid, draw=found.sequential_grid.drawn)
    assert after is not None
    arrays, values = market.arrays, found.sequential.values
    beside = sum(
        float((price * amount).sum())
        for price, amount in (
            (arrays.offer_price, values.dispatch), (arrays.route_cost, values.flow), (arrays.value, values.unserved),
        )
    )  # fmt: skip
    assert found.sequential_cost == pytest.approx((beside + after.cost) * HOUR, rel=1e-9)
    assert found.gain >= -1e-9 * found.joint_cost


def test_a_provider_that_counts_its_own_effect_by_hand() -> None:
    """In the west a provider would fill the wind, and pay what moving its work east costs; with less it pays wind.

    One more MW in the west is had by moving work: it costs 20 less the route's 0.36 $/MWh, and leaves no profit.
    """
    market = sites([0, 1], [0.0, 3.0], [(1, 0)])
    market = market.replace(capacity=np.array([[2.0], [100.0]]))
    layout = market.layout
    assert layout.provider == ("p", "p")
    rivals = type(layout)(**{**layout.__getstate__(), "provider": ("p", "q")})
    market = type(market).from_arrays(rivals, market.arrays)
    found = own_effect(market, two_buses(), np.full((2, 1), 10.0), "p", shares=(0.25, 0.5, 0.75))
    assert found.profit_taking == pytest.approx(0, abs=1e-6)
    assert found.share.tolist() == [0.25, 1.0]
    assert found.profit == pytest.approx(5 * (20 - 10 - 0.36), rel=1e-9)
    assert found.power_saved == pytest.approx(found.gain, rel=1e-6)
    assert found.other_cost == pytest.approx(5 * (20 - 10 - 0.36), rel=1e-9)
    with pytest.raises(MarketError, match="unknown provider 'r'; known providers: p, q"):
        own_effect(market, two_buses(), np.full((2, 1), 10.0), "r")
