"""Offers whose price rises and demand whose value falls: solved by hand, and refused where they cannot be."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import array, cleared, small

ONE: dict[str, Any] = {"nodes": ("west",), "assets": [("west", 1.0, 50.0), ("west", 3.0, 50.0)]}


def smooth(fall: float = 0.5, **changes: Any) -> tf.Market:
    """Two offers of slopes 1 and 2, and demand worth 10 - q / 2 for up to 20 units."""
    market = small(**ONE | {"demand": [20.0], "value": 10.0} | changes)
    slopes = array([[1.0], [2.0]], asset=market.layout.assets, workload=["chat"])
    return market.replace(offer_slope=slopes, value_slope=fall)


def test_marginal_costs_meet_the_value_of_the_next_unit() -> None:
    """p = 1 + x = 3 + 2 y = 10 - (x + y) / 2: y = (p - 3) / 2, so that p (1 + 3 / 4) = 10 + 5 / 4."""
    market = smooth()
    clearing = cleared(market)
    price = 11.25 / 1.75
    sold = np.array([price - 1, (price - 3) / 2])
    np.testing.assert_allclose(clearing.price.item(), price, rtol=1e-14)
    np.testing.assert_allclose(clearing.values.dispatch.ravel(), sold, rtol=1e-14)
    np.testing.assert_allclose(clearing.unserved.item(), 20 - sold.sum(), rtol=1e-14)
    # What is offered, and the area under the value of what is lost.
    lost = 20 - sold.sum()
    cost = sold @ [1, 3] + (sold**2) @ [0.5, 1.0] + 0.25 * lost**2
    assert clearing.values.cost == pytest.approx(cost, rel=1e-14)
    assert clearing.certificate.worst < 1e-14
    bounds = clearing.price_bounds()
    np.testing.assert_allclose([bounds.lower.item(), bounds.upper.item()], price, rtol=1e-12)
    assert not clearing.ties().sizes["provider"]
    settlement = tf.settle(market, clearing)
    assert abs(settlement.residual) < 1e-9
    parts = tf.decompose(market, clearing, true_cost=np.array([[1.0], [3.0]]))
    assert parts["markup"].item() == pytest.approx(price - parts["energy"].item(), rel=1e-12)
    assert sum(float(part.item()) for part in parts.values()) == pytest.approx(price, rel=1e-12)


def test_quadratic_costs_start_at_nothing() -> None:
    """Marginal cost is q: twice as steep an offer sells half as much, and a price a thousand times larger scales."""
    for size in (1e-4, 1.0, 1e4):
        assets = [("west", 0.0, 1e3), ("west", 0.0, 1e3)]
        market = smooth(size, assets=assets, demand=[100.0], value=100.0 * size)
        market = market.replace(offer_slope=market.offer_slope * size)
        clearing = cleared(market)
        np.testing.assert_allclose(clearing.price.item(), 40 * size, rtol=1e-13)
        np.testing.assert_allclose(clearing.values.dispatch.ravel(), [40.0, 20.0], rtol=1e-13)


def test_a_full_offer_has_a_scarcity_rent_and_equal_offers_of_equal_slope_share() -> None:
    market = smooth(assets=[("west", 1.0, 2.0), ("west", 3.0, 50.0)])
    clearing = cleared(market)
    price = clearing.price.item()
    assert clearing.values.dispatch.ravel()[0] == 2.0
    assert clearing.scarcity_rent.to_numpy().ravel() == pytest.approx([price - 3.0, 0.0])
    twins = smooth(assets=[("west", 1.0, 50.0), ("west", 1.0, 9.0)]).replace(offer_slope=1.0)
    np.testing.assert_allclose(*cleared(twins).values.dispatch.ravel(), rtol=1e-14)


def test_a_slope_of_nothing_changes_no_bit() -> None:
    market = small(**ONE, demand=[60.0], value=10.0)
    flat = market.replace(offer_slope=0.0, value_slope=0.0)
    assert not flat.is_quadratic
    one, other = cleared(market).values, cleared(flat).values
    for name in ("price", "dispatch", "unserved", "scarcity_rent"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.cost == other.cost


def test_slopes_stay_with_the_market() -> None:
    market = smooth()
    for twin in (pickle.loads(pickle.dumps(market)), tf.Market.from_dataset(market.to_dataset())):
        assert twin.same_as(market)
    assert not market.same_as(market.replace(value_slope=0.25))
    assert market.replace(offer_slope=None, value_slope=None).arrays.offer_slope is None
    assert market.offer_slope.attrs["units"] == "$/Mtok per Mtok/s"


def test_impossible_slopes_are_refused() -> None:
    market = small(**ONE, demand=[20.0])
    with pytest.raises(tf.MarketError, match="must be zero where demand must be served") as caught:
        market.replace(value_slope=1.0, offer_slope=-1.0)
    assert "offer_slope: must not be negative" in str(caught.value)
    with pytest.raises(tf.MarketError, match=r"demand: must be no more than value / value_slope"):
        market.replace(value=10.0, value_slope=1.0)
    with pytest.raises(tf.MarketError, match="demand: must be no more"):
        tf.Market.from_arrays(market.layout, smooth().arrays.with_(demand=market.arrays.demand * 2))


def test_paths_and_slopes_are_not_cleared_together() -> None:
    market = small(
        assets=[("west", 1.0, 20.0)],
        demand=[2.0, 10.0],
        value=9.0,
        arcs=[("east", "west", 100.0)],
        routing={"latency": array([5.0], arc=["east>west"]), "limit": array([9.0], workload=["chat"])},
    )
    with pytest.raises(tf.MarketError, match="offer_slope: is not cleared together with routing"):
        tf.clear(market.replace(offer_slope=0.1))
