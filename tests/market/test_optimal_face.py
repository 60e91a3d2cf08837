"""An offer that equals a value is served; what cannot all be served is shared pro rata. All by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tokenflow_sim.market.engine import Engine

K = ("a", "b", "c")
ONE_SITE: dict[str, Any] = {"nodes": ("here",), "workloads": K, "demand": [[1.0, 2.0, 3.0]]}


def served(market: tf.Market) -> list[float]:
    clearing = cleared(market)
    assert clearing.certificate.worst < 1e-9
    taken: list[float] = (market.arrays.demand - clearing.values.unserved).ravel().tolist()
    return taken


def test_three_equal_classes_are_all_served_where_their_offers_equal_their_value() -> None:
    market = small(**ONE_SITE, assets=[("here", [7.0] * 3, [5.0] * 3)], value=7.0)
    assert served(market) == [1.0, 2.0, 3.0]
    assert cleared(market).values.price.ravel().tolist() == [7.0, 7.0, 7.0]


def test_a_delivered_offer_that_equals_a_value_is_served() -> None:
    """In decimals that no binary number hits: 0.1 + 0.2 is not 0.3 to the last bit."""
    market = small(
        nodes=("hub", "west"), assets=[("hub", 0.1, 9.0)], demand=[0.0, 2.0], value=0.3,
        arcs=[("west", "hub", 9.0)], route_cost=[[0.2]],
    )  # fmt: skip
    assert served(market) == [0.0, 2.0]


def test_what_is_short_is_shared_pro_rata_over_steps_classes_and_nodes() -> None:
    steps = small(
        nodes=("here",), assets=[("here", 7.0, 2.0)], demand=[[[2.0, 3.0, 1.0]]], value=[[[7.0, 7.0, 5.0]]]
    )
    assert served(steps) == pytest.approx([0.8, 1.2, 0.0])
    power = {"power_use": np.ones((1, 3)), "power_limit": np.array([3.0])}
    classes = small(**ONE_SITE, assets=[("here", [7.0] * 3, [5.0] * 3)], value=7.0, **power)
    assert served(classes) == pytest.approx([0.5, 1.0, 1.5])
    nodes = small(
        nodes=("hub", "west", "east"), assets=[("hub", 1.0, 3.0)], demand=[0.0, 2.0, 4.0], value=1.5,
        arcs=[("west", "hub", 9.0), ("east", "hub", 9.0)], route_cost=[[0.5], [0.5]],
    )  # fmt: skip
    assert served(nodes) == pytest.approx([0.0, 1.0, 2.0])


def test_a_full_link_keeps_its_own_side_short_and_the_others_share_the_rest() -> None:
    """West gets the half unit that its link carries, a quarter of its share; east what is left for all."""
    market = small(
        nodes=("hub", "west", "east"), assets=[("hub", 1.0, 3.0)], demand=[0.0, 2.0, 4.0], value=1.5,
        arcs=[("west", "hub", 0.5), ("east", "hub", 9.0)], route_cost=[[0.5], [0.5]],
    )  # fmt: skip
    assert served(market) == pytest.approx([0.0, 0.5, 2.5])


def test_with_a_charge_that_grows_too() -> None:
    """East's route costs 1 and its load: one unit, then as much as the value. West's delivered offer equals it."""
    market = small(
        nodes=("hub", "west", "east"), assets=[("hub", 1.0, 9.0)], demand=[0.0, 2.0, 2.0], value=3.0,
        arcs=[("west", "hub", 9.0), ("east", "hub", 9.0)], route_cost=[[2.0], [1.0]], link_curvature=[0.0, 1.0],
    )  # fmt: skip
    assert served(market) == pytest.approx([0.0, 2.0, 1.0], abs=1e-6)


def test_bits_do_not_depend_on_what_was_cleared_before_nor_on_the_solver() -> None:
    market = small(
        nodes=("hub", "west", "east"), workloads=("a", "b"), assets=[("hub", [1.0, 2.0], [3.0, 2.0])],
        demand=[[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]], value=[[1.5, 2.0], [1.5, 2.5], [1.5, 9.0]],
        arcs=[("west", "hub", 9.0), ("east", "hub", 9.0)], route_cost=[[0.5, 0.5], [0.5, 0.5]],
    )  # fmt: skip
    alone, clearer = tf.clear(market).values, tf.Clearer(market)
    for factor in (0.3, 3.0, 1.7):
        clearer.clear(
            tf.Market.from_arrays(market.layout, market.arrays.with_(demand=factor * market.arrays.demand))
        )
    after = clearer.clear(market).values
    lazy = Engine(market, lazy=True).solve(market.arrays).values
    for name in ("price", "dispatch", "flow", "unserved"):
        assert getattr(alone, name).tobytes() == getattr(after, name).tobytes()
    assert np.array_equal(lazy, Engine(market).solve(market.arrays).values)


def test_what_ties_without_an_offer_that_equals_a_value_is_left_to_the_generic_direction() -> None:
    """As before: two nodes that value service alike, and one unit for both."""
    market = small(
        nodes=("hub", "west", "east"), assets=[("hub", 1.0, 3.0)], demand=[0.0, 2.0, 4.0], value=9.0,
        arcs=[("west", "hub", 9.0), ("east", "hub", 9.0)], route_cost=[[0.5], [0.5]],
    )  # fmt: skip
    west, east = served(market)[1:]
    assert west + east == pytest.approx(3.0)
    assert west in (0.0, 2.0)  # no pro rata: one of the two goes first
