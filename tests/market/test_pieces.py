"""Separable quadratic programs: optimal by their conditions, and the same bits from any start."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

import tokenflow_sim as tf
from tests.market.small import array
from tokenflow_sim.market.active_set import Optimum
from tokenflow_sim.market.coefficients import Coefficients
from tokenflow_sim.market.pieces import optimum
from tokenflow_sim.market.separable import SeparableProgram

SEEDS = int(12 * float(os.environ.get("TOKENFLOW_EXAMPLES", "1")))
NAMES = ("price", "dispatch", "flow", "unserved", "scarcity_rent")


def program_of(seed: int) -> SeparableProgram:
    """A program with ties, full rows, columns of one value and equations that depend on each other."""
    rng = np.random.default_rng(seed)
    equal, below, columns = rng.integers(1, 5), rng.integers(0, 5), rng.integers(4, 30)
    if seed % 5 == 0:
        columns += 200  # sparse
    matrix = rng.integers(-2, 3, (equal + below, columns)) * (rng.random((equal + below, columns)) < 0.5)
    upper = rng.choice([0.0, 1.0, 4.0, np.inf], columns, p=[0.1, 0.4, 0.3, 0.2])
    inside = np.minimum(upper, 4.0) * rng.random(columns)
    ceiling = matrix @ inside
    ceiling[equal:] += rng.choice([0.0, 1.0], below)
    if equal > 1:
        matrix[equal - 1], ceiling[equal - 1] = matrix[0], ceiling[0]
    floor = np.where(np.arange(equal + below) < equal, ceiling, -np.inf)
    return SeparableProgram(
        costs=rng.integers(0 if seed % 2 else 1, 4, columns).astype(float),
        curvature=rng.choice([0.0, 0.5, 2.0], columns),
        lower=np.zeros(columns),
        upper=upper,
        floor=floor,
        ceiling=ceiling,
        coefficients=Coefficients(sparse.csc_array(matrix.astype(float))),
    )


def test_random_programs_are_solved_to_their_conditions_from_any_start() -> None:
    starts: dict[tuple[int, ...], Optimum] = {}
    proved = 0
    for seed in range(SEEDS):
        program = program_of(seed)
        found = optimum(program)
        assert found is not None
        assert program.residuals(found.values, found.duals).worst < 1e-9, seed
        # With its prices and values frozen at the optimum, no linear program is cheaper.
        costs = program.costs + program.curvature * found.values
        matrix, equal = program.coefficients.matrix, program.floor == program.ceiling
        flat = linprog(
            costs, matrix[~equal], program.ceiling[~equal], matrix[equal], program.ceiling[equal],
            np.column_stack([program.lower, program.upper]),
        )  # fmt: skip
        assert costs @ found.values == pytest.approx(flat.fun, rel=1e-9, abs=1e-9), seed
        proved += found.certain
        again = optimum(program, found)
        assert again is not None
        np.testing.assert_array_equal(again.values, found.values)
        if (start := starts.get(program.coefficients.shape)) is not None:
            other = optimum(program, start)
            assert other is not None
            np.testing.assert_array_equal(other.values, found.values)
        starts[program.coefficients.shape] = found
    assert proved > SEEDS / 4


def test_what_cannot_be_is_told() -> None:
    program = program_of(1)
    low = np.full(program.upper.size, -1.0)
    impossible = SeparableProgram(
        program.costs, program.curvature, program.lower, np.zeros(program.upper.size),
        np.array([1.0]), np.array([1.0]), Coefficients(sparse.csc_array(low[None, :])),
    )  # fmt: skip
    assert optimum(impossible) is None


def test_a_large_market_with_slopes_has_the_same_bits_after_others() -> None:
    """428 offers with slopes over 174 arcs, which HiGHS's quadratic solver does not clear in minutes."""
    scenario = tf.load_scenario("us20_oligopoly")
    markets = []
    for period in (0, 7):
        market = scenario.market(period=period)
        most = market.arrays.capacity[:, :, 0]
        fall = np.where(most > 0, 0.5 * market.arrays.offer_price[:, :, 0] / np.maximum(most, 1e-9), 0.0)
        value = 3 * market.arrays.offer_price.max()
        market = market.replace(
            offer_slope=array(fall, asset=market.layout.assets, workload=market.layout.workloads),
            value=value,
            value_slope=0.5 * value / market.demand.where(market.demand > 0, np.inf),
        )
        markets.append(market)
    clearer = tf.Clearer(markets[1])
    clearer.clear(markets[1])
    one, other = clearer.clear(markets[0]), tf.clear(markets[0])
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one.values, name), getattr(other.values, name))
    assert other.certificate.worst < 1e-10
