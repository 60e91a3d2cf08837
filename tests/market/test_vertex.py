"""From a basis to numbers: equal to solving the basis' equations densely, and refused where there is no basis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, markets
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.vertex import Basis, Factor, read_basis


def numbers(market: tf.Market) -> tuple[Program, Any, Any, Any]:
    """Return the program of a market, its costs, its upper bounds and its right-hand sides."""
    program, arrays = Program(market), market.arrays
    return (
        program,
        program.fill_costs(arrays, 0.0, np.empty(program.columns)),
        program.fill_limits(arrays, np.empty(program.columns)),
        program.fill_rows(arrays, np.empty(program.rows)),
    )


def solution(market: tf.Market) -> Any:
    """Return the oracle's optimum as columns of the program."""
    best = solve(market)
    assert best is not None
    parts = [best.dispatch.ravel(), best.flow.ravel(), best.unserved.ravel()]
    return np.concatenate([*parts, np.zeros(best.price.size)])


@pytest.mark.parametrize("name", ["transfer_aware", "shared_power_shedding", "blocks_and_steps"])
def test_numbers_of_a_basis_solve_its_equations(name: str) -> None:
    @effort(15)
    @given(markets(FORMULATIONS[name], "continuous"))
    def run(market: tf.Market) -> None:
        tell(market)
        program, costs, upper, rows = numbers(market)
        values = solution(market)
        basis = read_basis(program, values, upper, rows)
        if basis is None:
            return  # a tie that the numbers happen to have
        dense = program.matrix.toarray()
        inner = dense[np.ix_(basis.tight, basis.columns)]
        if abs(np.linalg.det(inner)) < 1e-9:
            return
        factor = Factor(program, basis)
        found = factor.primal(upper, rows)
        np.testing.assert_allclose((dense @ found)[basis.tight], rows[basis.tight], atol=1e-8)
        np.testing.assert_allclose(found, values, atol=1e-6)
        outside = np.setdiff1d(np.arange(program.columns), basis.columns)
        assert set(np.unique(found[outside])) <= {0.0, *upper[outside]}
        duals = factor.dual(costs)
        np.testing.assert_allclose(inner.T @ duals[basis.tight], costs[basis.columns], atol=1e-8)
        loose = np.setdiff1d(np.arange(program.rows), basis.tight)
        assert not duals[loose].any()

    run()


def test_a_basis_found_by_hand() -> None:
    """The west serves itself and fills the link; the east makes the rest."""
    market = small(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 1.0)]
    )
    program, costs, upper, rows = numbers(market)
    basis = read_basis(program, np.array([3.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0]), upper, rows)
    assert basis is not None
    assert basis.columns.tolist() == [0, 1, 2]
    assert basis.tight.tolist() == [0, 1, 2]
    assert not basis.at_upper.any()
    factor = Factor(program, basis)
    assert factor.dual(costs).tolist() == [1.0, 3.0, -2.0]
    # The same basis answers for other demands.
    assert factor.primal(upper, np.array([5.0, 4.5, 1.0])).tolist()[:3] == [6.0, 3.5, 1.0]


def test_a_full_asset_stands_at_its_upper_bound() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 9.0)], demand=[5.0])
    program, costs, upper, rows = numbers(market)
    basis = read_basis(program, np.array([2.0, 3.0, 0.0, 0.0]), upper, rows)
    assert basis is not None
    assert basis.at_upper.tolist() == [True, False, False, False]
    assert Factor(program, basis).dual(costs).tolist() == [3.0]


def test_no_basis_can_be_seen_in_a_degenerate_solution() -> None:
    """Demand equals a capacity to the last unit: every column is at a bound."""
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 9.0)], demand=[2.0])
    program, _, upper, rows = numbers(market)
    assert read_basis(program, np.array([2.0, 0.0, 0.0, 0.0]), upper, rows) is None


def test_a_column_that_meets_no_tight_row_but_its_own() -> None:
    """A link that does not bind has no row in the basis matrix."""
    market = small(assets=[("west", 1.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 50.0)])
    program, costs, upper, rows = numbers(market)
    factor = Factor(program, Basis(np.array([0, 1]), np.array([0, 1]), np.zeros(program.columns, dtype=bool)))
    assert factor.primal(upper, rows)[:2].tolist() == [6.0, 4.0]
    assert factor.dual(costs).tolist() == [1.0, 1.0, 0.0]
