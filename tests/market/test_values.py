"""Rents and costs that follow from prices, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tests.oracle import optimality
from tests.oracle.paper_markets import OVERHEAD, paper_market


def by_hand(**market: Any) -> tf.Clearing:
    clearing = cleared(small(**market))
    assert clearing.certificate.worst < 1e-9
    return clearing


def test_a_scarcity_rent_is_the_price_above_the_offer() -> None:
    clearing = by_hand(
        nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 9.0), ("here", 8.0, 9.0)], demand=[5.0]
    )
    assert clearing.scarcity_rent.to_numpy().ravel().tolist() == [2.0, 0.0, 0.0]


def test_rents_of_blocks_differ() -> None:
    clearing = by_hand(nodes=("here",), assets=[("here", [[1.0, 2.0, 4.0]], [[2.0, 2.0, 2.0]])], demand=[5.0])
    assert clearing.scarcity_rent.dims == ("asset", "workload", "block")
    assert clearing.values.scarcity_rent.ravel().tolist() == [3.0, 2.0, 0.0]


def test_power_sold_to_one_class_is_missing_for_the_other() -> None:
    """Six megawatts: two images take four; of five chats two run here, at a rent of 4 $/s per MW, three elsewhere."""
    clearing = by_hand(
        nodes=("here",), workloads=("chat", "image"),
        assets=[("here", [1.0, 10.0], [9.0, 9.0]), ("here", [5.0, 20.0], [9.0, 9.0])],
        demand=[[5.0, 2.0]], power_use=[[1.0, 2.0], [1.0, 1.0]], power_limit=[6.0, np.inf],
    )  # fmt: skip
    assert clearing.values.dispatch[:, :, 0].tolist() == [[2.0, 2.0], [3.0, 0.0]]
    assert clearing.price.to_numpy().ravel().tolist() == [5.0, 18.0]
    assert clearing.power_rent.to_numpy().tolist() == [4.0, 0.0]
    assert not clearing.scarcity_rent.any()
    assert clearing.power_rent.attrs["units"] == "$/s per MW"


def test_an_asset_without_power_runs_nothing_and_its_power_is_worth_the_best_margin() -> None:
    clearing = by_hand(
        nodes=("here",), workloads=("chat", "image"),
        assets=[("here", [1.0, 10.0], [9.0, 9.0]), ("here", [5.0, 20.0], [9.0, 9.0])],
        demand=[[5.0, 2.0]], power_use=[[1.0, 5.0], [1.0, 1.0]], power_limit=[0.0, 99.0],
    )  # fmt: skip
    assert clearing.values.dispatch[0].ravel().tolist() == [0.0, 0.0]
    assert clearing.power_rent.to_numpy().tolist() == [4.0, 0.0]  # (5 - 1) / 1, more than (20 - 10) / 5


def test_a_congestion_rent_is_the_gain_that_the_link_does_not_carry() -> None:
    clearing = by_hand(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 1.0)],
        link_use=[[2.0]], route_cost=[[0.5]],
    )  # fmt: skip
    assert clearing.flow.item() == 0.5
    assert clearing.congestion_rent.item() == 0.75


def test_a_link_without_capacity_earns_what_would_keep_everybody_off_it() -> None:
    clearing = by_hand(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0],
        arcs=[("east", "west", 0.0), ("west", "east", 0.0)], link_use=[[2.0], [2.0]], route_cost=[[0.5], [0.5]],
    )  # fmt: skip
    assert clearing.flow.to_numpy().ravel().tolist() == [0.0, 0.0]
    assert clearing.congestion_rent.to_numpy().tolist() == [0.75, 0.0]


def test_a_class_that_may_not_use_a_closed_link_gives_it_no_rent() -> None:
    clearing = by_hand(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)],
        demand=[2.0, 4.0],
        arcs=[("east", "west", 0.0)],
        allowed=[[False]],
    )
    assert clearing.congestion_rent.item() == 0.0


def test_shed_demand_sets_the_price_at_its_value() -> None:
    clearing = by_hand(
        nodes=("here",),
        assets=[("here", 1.0, 2.0)],
        demand=[[[1.0, 2.0, 1.0]]],
        value=[[[np.inf, 50.0, 20.0]]],
    )
    assert clearing.unserved.dims == ("node", "workload", "step")
    assert clearing.values.unserved.ravel().tolist() == [0.0, 1.0, 1.0]
    assert clearing.price.item() == 50.0
    assert clearing.values.scarcity_rent.item() == 49.0
    assert clearing.values.cost == 2 * 1.0 + 50.0 + 20.0


def test_unlimited_value_of_what_is_served_costs_nothing() -> None:
    clearing = by_hand(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[1.0])
    assert clearing.values.cost == 1.0
    assert np.isfinite(clearing.total_cost)


@pytest.mark.parametrize(
    "market", [paper_market(5), paper_market(5, overhead=OVERHEAD)], ids=["baseline", "transfer"]
)
def test_the_cost_is_that_of_what_is_published(market: tf.Market) -> None:
    values = cleared(market).values
    assert values.cost == pytest.approx(optimality.cost(market, values), rel=1e-14)
