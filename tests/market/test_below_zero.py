"""Offers below zero, by hand: who is paid for the electricity that it draws pays to serve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small

HERE: dict[str, Any] = {"nodes": ("here",)}


def test_demand_is_paid_where_the_marginal_offer_is_negative() -> None:
    market = small(**HERE, assets=[("here", -3.0, 5.0), ("here", -7.0, 1.0)], demand=[2.0])
    clearing = cleared(market)
    assert clearing.values.price.item() == -3.0
    assert clearing.values.scarcity_rent.ravel().tolist() == [0.0, 4.0]
    assert clearing.values.cost == -10.0
    assert clearing.certificate.worst < 1e-12
    settlement = tf.settle(market, clearing)
    assert float(settlement.payment.sum()) == -6.0 * 3600
    assert float(settlement.revenue.sum()) == -6.0 * 3600
    assert float(settlement.residual) == 0.0
    parts = tf.decompose(market, clearing)
    assert (float(parts["energy"].item()), float(parts["scarcity"].item())) == (-3.0, 0.0)
    bounds = clearing.price_bounds()
    assert bounds["lower"].item() == bounds["upper"].item() == -3.0


def test_nobody_serves_what_nobody_asks_for() -> None:
    clearing = cleared(small(assets=[("west", -5.0, 9.0), ("east", -5.0, 9.0)], demand=[0.0, 2.0]))
    assert clearing.values.dispatch.ravel().tolist() == [0.0, 2.0]
    assert clearing.values.price.ravel().tolist() == [-5.0, -5.0]


def test_where_no_more_can_be_served_the_price_is_what_one_less_saves() -> None:
    clearing = cleared(small(**HERE, assets=[("here", -5.0, 2.0)], demand=[2.0]))
    assert clearing.values.price.item() == -5.0


@pytest.mark.parametrize(("route_cost", "price"), [(1.0, -4.0), (7.0, 0.0)])
def test_a_node_that_can_take_neither_more_nor_less_is_at_zero_or_what_reaches_it(
    route_cost: float, price: float
) -> None:
    market = small(
        assets=[("west", -5.0, 2.0)],
        demand=[2.0, 0.0],
        arcs=[("east", "west", 9.0)],
        route_cost=[[route_cost]],
    )
    clearing = cleared(market)
    assert clearing.values.price.ravel().tolist() == [-5.0, price]
    assert clearing.certificate.worst < 1e-12
    assert not clearing.values.flow.any()


def test_a_unit_more_is_not_taken_from_a_node_that_can_take_no_less() -> None:
    """East could be served from the far node alone, which makes nothing; its unit more costs its own offer."""
    market = small(
        nodes=("far", "east", "west"),
        assets=[("east", 3.0, 1.0), ("west", -4.0, 5.0)],
        demand=[0.0, 0.0, 5.0],
        arcs=[("east", "far", np.inf)],
        route_cost=[[0.0]],
    )
    clearing = cleared(market)
    assert clearing.values.price.ravel().tolist() == [3.0, 3.0, -4.0]
    assert clearing.certificate.worst < 1e-12


def test_a_value_of_zero_is_served_at_a_negative_price_and_shed_at_a_positive_one() -> None:
    for offer, unserved in ((-1.0, 0.0), (1.0, 3.0)):
        clearing = cleared(small(**HERE, assets=[("here", offer, 9.0)], demand=[3.0], value=0.0))
        assert clearing.values.unserved.item() == unserved


def test_routes_that_pay_are_refused_since_a_cycle_would_pay_without_end() -> None:
    with pytest.raises(tf.MarketError, match="route_cost: must not be negative"):
        small(
            assets=[("west", -5.0, 2.0)], demand=[1.0, 0.0], arcs=[("east", "west", 9.0)], route_cost=[[-1.0]]
        )
