"""The program as vectors: its columns and rows, and its products without a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle.effort import effort
from tests.oracle.markets import FORMULATIONS, markets
from tokenflow_sim.market.program import Program

WHOLE: dict[str, Any] = {
    "workloads": ("chat", "image"),
    "assets": [("west", [1.0, 2.0], [5.0, 6.0]), ("east", [3.0, 4.0], [5.0, 6.0])],
    "demand": [[2.0, 1.0], [4.0, 1.0]],
    "value": [[np.inf, 50.0], [np.inf, 50.0]],
    "arcs": [("east", "west", 3.0), ("west", "east", 3.0)],
    "link_use": [[0.5, 2.0], [0.0, 2.0]],
    "power_use": [[1.0, 2.0], [1.0, 2.0]],
    "power_limit": [9.0, 9.0],
}


def program_of(**changes: Any) -> tuple[Program, tf.Market]:
    market = small(**WHOLE | changes)
    return Program(market), market


def test_columns_and_rows_stand_in_order_without_gaps() -> None:
    program, _ = program_of()
    groups = [program.x, program.f, program.y, program.w, program.v]
    assert [(one.start, one.stop) for one in groups] == [(0, 4), (4, 8), (8, 12), (12, 12), (12, 16)]
    assert program.columns == 16
    rows = [program.balance, *(placed.rows for placed in program.limits)]
    assert [(one.start, one.stop) for one in rows] == [(0, 4), (4, 6), (6, 8)]
    assert program.rows == 8


def test_a_market_without_network_and_shared_power_has_only_balances() -> None:
    program = Program(small(assets=[("west", 1.0, 2.0)], demand=[1.0, 0.0]))
    assert program.rows == 2
    assert program.f.start == program.f.stop
    assert program.link.start == program.link.stop


@pytest.mark.parametrize("name", ["everything", "economic_dispatch", "shared_power"])
def test_products_are_those_of_the_matrix(name: str) -> None:
    @effort(5)
    @given(markets(FORMULATIONS[name]), st.integers(0, 2**32 - 1))
    def run(market: tf.Market, seed: int) -> None:
        program, rng = Program(market), np.random.default_rng(seed)
        values, duals = rng.normal(size=program.columns), rng.normal(size=program.rows)
        costs = rng.normal(size=program.columns)
        np.testing.assert_allclose(program.row_values(values), program.matrix @ values, atol=1e-12)
        np.testing.assert_allclose(
            program.reduced_costs(costs, duals), costs - program.matrix.T @ duals, atol=1e-12
        )

    run()


def test_it_serves_markets_that_differ_in_numbers_only() -> None:
    program, market = program_of()
    assert program.serves(market)
    assert program.serves(small(**WHOLE | {"demand": [[0.0, 0.0], [1.0, 1.0]]}))
    assert program.serves(market.replace(offer_price=2 * market.offer_price, value=np.inf, allowed=False))
    assert program.serves(
        market.replace(link_capacity=np.array([0.0, np.inf]), power_limit=np.array([0.0, 1.0]))
    )
    assert program.serves(market.replace(link_curvature=np.array([0.0, 1.0]), hours=3))


def test_it_serves_no_market_of_another_structure() -> None:
    program, market = program_of()
    assert not program.serves(market.replace(link_use=np.ones((2, 2))))
    assert not program.serves(market.replace(power_use=np.ones((2, 2))))
    assert not program.serves(market.replace(power_use=None, power_limit=None))
    assert not program.serves(market.replace(asset_node=["east", "west"]))
    assert not program.serves(market.replace(origin=["west", "east"], destination=["east", "west"]))
    assert not program.serves(small(**WHOLE | {"nodes": ("east", "west")}))
    assert not Program(market.replace(power_use=None, power_limit=None)).serves(market)


def test_what_can_carry_nothing_is_forbidden_and_its_row_freed() -> None:
    program, market = program_of()
    closed = market.replace(link_capacity=np.array([0.0, 0.0]), power_limit=np.array([0.0, 9.0])).arrays
    upper = program.fill_limits(closed, np.empty(program.columns))
    assert upper[program.x].tolist() == [0.0, 0.0, 5.0, 6.0]
    # Chat uses nothing of the second link, so that no capacity is needed.
    assert upper[program.f].tolist() == [0.0, 0.0, np.inf, 0.0]
    rows = program.fill_rows(closed, np.empty(program.rows))
    assert rows[program.link].tolist() == [np.inf, np.inf]
    assert rows[program.limits[1].rows].tolist() == [np.inf, 9.0]


def test_costs_of_demand_that_must_be_served_are_finite() -> None:
    program, market = program_of()
    costs = program.fill_costs(market.arrays, 7.0, np.empty(program.columns))
    assert costs[program.y].tolist() == [0.0, 50.0, 0.0, 50.0]
    assert (costs[program.v] == 7.0).all()
    upper = program.fill_limits(market.arrays, np.empty(program.columns))
    assert upper[program.y].tolist() == [0.0, 1.0, 0.0, 1.0]
