"""Demand that can take no more: found, proved, and priced by what one unit less would save."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, markets
from tests.oracle.price_face import PriceFace
from tokenflow_sim.market.directional import find_unservable, least_shortfall, proves_unservable
from tokenflow_sim.market.engine import Engine


def found(market: tf.Market) -> tuple[Any, Any, Any, Engine, Any]:
    """Return which balances can take no more, the proof, a solution, and what they were found with."""
    engine = Engine(market, lazy=True)
    problem = engine.scaled(market.arrays)
    values, missing = least_shortfall(engine.aside, engine.program, problem.upper, problem.rows)
    assert missing.max(initial=0.0) < 1e-7
    full, proof = find_unservable(engine.aside, engine.program, values, problem.upper, problem.rows)
    return full, proof, values, engine, problem


@pytest.mark.parametrize("name", ["token_equivalent", "latency_rule", "shared_power", "blocks_and_steps"])
def test_what_can_take_no_more_is_what_has_no_upper_price(name: str) -> None:
    @effort(4)
    @given(markets(FORMULATIONS[name], "fives"))
    def run(market: tf.Market) -> None:
        tell(market)
        full, proof, values, engine, problem = found(market)
        best = solve(market)
        assert best is not None
        direction, _ = PriceFace(market, best.dispatch, best.flow, best.unserved).rule()
        np.testing.assert_array_equal(full.reshape(direction.shape), direction <= 0)
        assert proves_unservable(engine.program, proof, values, problem.upper, problem.rows)
        np.testing.assert_array_equal(full, proof[engine.program.balance] > 1e-7)

    run()


def test_two_islands_are_judged_apart() -> None:
    market = small(assets=[("west", 1.0, 2.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0])
    full, proof, values, engine, problem = found(market)
    assert full.tolist() == [True, False]
    # A proof is one for its own market only: with more capacity it proves nothing.
    wider = engine.scaled(market.replace(capacity=2 * market.capacity).arrays)
    assert not proves_unservable(engine.program, proof, values, wider.upper, wider.rows)
    assert not proves_unservable(engine.program, -proof, values, problem.upper, problem.rows)


def test_a_full_link_leaves_its_far_end_without_more() -> None:
    market = small(assets=[("west", 1.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 4.0)])
    assert found(market)[0].tolist() == [False, True]
    wider = market.replace(link_capacity=np.array([np.inf]))
    assert not found(wider)[0].any()


def test_full_power_stops_all_classes_that_draw_it() -> None:
    market = small(
        nodes=("here",), workloads=("chat", "image"), assets=[("here", [1.0, 9.0], [5.0, 5.0])],
        demand=[[2.0, 1.0]], power_use=[[1.0, 2.0]], power_limit=[4.0],
    )  # fmt: skip
    assert found(market)[0].tolist() == [True, True]
    assert found(market.replace(power_limit=np.array([4.5])))[0].tolist() == [False, False]


def test_where_no_more_can_be_served_the_price_is_what_one_less_saves() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 3.0)], demand=[5.0])
    assert cleared(market).price.item() == 3.0
    exact = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 3.0)], demand=[2.0])
    assert cleared(exact).price.item() == 3.0
    idle = small(assets=[("west", 1.0, 2.0)], demand=[1.0, 0.0])
    assert cleared(idle).price.to_numpy().ravel().tolist() == [1.0, 0.0]


def test_shedding_makes_room() -> None:
    market = small(nodes=("here",), assets=[("here", 3.0, 5.0)], demand=[5.0], value=50.0)
    assert cleared(market).price.item() == 50.0
    assert found(market)[0].tolist() == [False]


def test_an_earlier_markets_full_nodes_do_not_hide_those_of_this_one() -> None:
    """In the first the east is full and the west has room; in the second the west depends on the full east."""
    first = small(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 4.0)], demand=[2.0, 4.0], arcs=[("west", "east", 9.0)]
    )
    second = first.replace(demand=np.array([[0.0], [4.0]]), capacity=np.array([[0.0], [4.0]]))
    assert found(first)[0].tolist() == [False, True]
    assert found(second)[0].tolist() == [True, True]
    clearer = tf.Clearer(first)
    clearer.clear(first)
    after, alone = clearer.clear(second).values, tf.clear(second).values
    np.testing.assert_array_equal(after.price, alone.price)
    np.testing.assert_array_equal(after.dispatch, alone.dispatch)
    # The west would save nothing by one unit less, having none; the east saves its offer.
    assert alone.price.ravel().tolist() == [0.0, 3.0]
