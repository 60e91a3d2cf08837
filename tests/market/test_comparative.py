"""What theory demands of costs and prices, whatever the numbers.

The least cost is convex and does not fall as demand grows; more capacity never raises it; prices are its
derivatives, and lie between their bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, LINEAR, SEEDS, markets
from tests.oracle.price_face import face_of
from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.clearer import Clearer, clear
from tokenflow_sim.market.market import Market

FEW = ["economic_dispatch_pool", "transfer_aware", "shared_power_shedding", "blocks_and_steps", "everything"]


def changed(market: Market, **arrays: Any) -> Market:
    return Market.from_arrays(market.layout, market.arrays.with_(**arrays), market.hours)


def room(*costs: float) -> float:
    return 1e-9 * max(1.0, *costs)


@pytest.mark.parametrize("name", FEW)
def test_cost_is_convex_and_does_not_fall_as_demand_grows(name: str) -> None:
    @effort(2)
    @given(markets(FORMULATIONS[name], tiny=False), SEEDS)
    def run(market: Market, seed: int) -> None:
        tell(market)
        demand = market.arrays.demand
        # Whatever serves all demand also serves a part of it, so these stay feasible.
        low = demand * np.random.default_rng(seed).uniform(0, 1, demand.shape)
        clearer = Clearer(market)
        little, middle, much = (
            clearer.clear(changed(market, demand=d)).values.cost for d in (low, (low + demand) / 2, demand)
        )
        if (market.arrays.offer_price >= 0).all():  # who is paid to serve earns by serving more
            assert little <= middle + room(middle)
            assert middle <= much + room(much)
        assert middle <= (little + much) / 2 + room(much)

    run()


@pytest.mark.parametrize("name", FEW)
def test_a_wider_link_or_a_larger_asset_never_raises_cost(name: str) -> None:
    @effort(2)
    @given(markets(FORMULATIONS[name], tiny=False), SEEDS)
    def run(market: Market, seed: int) -> None:
        tell(market)
        a, rng = market.arrays, np.random.default_rng(seed)
        clearer = Clearer(market)
        cost = clearer.clear(market).values.cost
        more: dict[str, Any] = {
            key: getattr(a, key) * rng.uniform(1, 2, getattr(a, key).shape) + rng.integers(0, 2)
            for key in ("link_capacity", "capacity", "power_limit")
            if getattr(a, key) is not None
        }
        for key, values in more.items():
            assert clearer.clear(changed(market, **{key: values})).values.cost <= cost + room(cost), key
        assert clearer.clear(changed(market, **more)).values.cost <= cost + room(cost)

    run()


@pytest.mark.parametrize("name", ["transfer_aware", "blocks_and_steps", "shared_power", "congestion_qp"])
def test_a_price_lies_between_its_bounds_and_these_are_the_oracles(name: str) -> None:
    @effort(2)
    @given(markets(FORMULATIONS[name], tiny=False))
    def run(market: Market) -> None:
        tell(market)
        clearing = clear(market)
        price = clearing.values.price
        size = max(1.0, float(np.abs(price).max()))
        bounds = clearing.price_bounds()
        lower, upper = bounds["lower"].to_numpy(), bounds["upper"].to_numpy()
        assert (price >= lower - 1e-9 * size).all()
        assert (price <= upper + 1e-9 * size).all()
        face = face_of(market, clearing.values)
        for spot in np.ndindex(*price.shape):
            lowest, highest = face.interval(*spot)
            assert lower[spot] == pytest.approx(lowest, rel=1e-6, abs=1e-6 * size)
            assert upper[spot] == pytest.approx(highest, rel=1e-6, abs=1e-6 * size)

    run()


def test_a_finite_difference_of_cost_in_demand_equals_the_price() -> None:
    """Cost is convex: the difference below is at most the price, the one above at least; mostly both equal it."""
    equal: list[bool] = []

    @effort(18)
    @given(st.sampled_from(sorted(LINEAR)), st.data(), st.integers(0, 100))
    def run(name: str, data: st.DataObject, pick: int) -> None:
        market = data.draw(markets(FORMULATIONS[name], kind="continuous", tiny=False))
        tell(market)
        clearer = Clearer(market)
        values = clearer.clear(market).values
        spots = np.argwhere(answering(market, values))
        if not len(spots):
            return
        spot = tuple(spots[pick % len(spots)])
        price, step = values.price[spot[:2]], 2e-4
        demand = market.arrays.demand.copy()
        demand[spot] -= step
        below = (values.cost - clearer.clear(changed(market, demand=demand)).values.cost) / step
        demand = market.arrays.demand.copy()  # a market freezes what it is made of
        demand[spot] += step
        slop = 1e-9 * max(1.0, values.cost) / step
        assert below <= price + slop
        try:
            above = (clearer.clear(changed(market, demand=demand)).values.cost - values.cost) / step
        except InfeasibleError:
            return
        assert above >= price - slop
        equal.append(above - below <= 1e-3 * max(1.0, price))

    run()
    assert sum(equal) >= 0.7 * len(equal) > 3


def answering(market: Market, values: Any) -> Any:
    """Say where one more unit of demand costs the price: not in a step of demand that is all unserved."""
    a = market.arrays
    return (a.demand > 1e-3) & (np.isinf(a.value) | (values.unserved < a.demand - 1e-3))
