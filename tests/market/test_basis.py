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
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.market.basis import BasisCheck, ShiftedData, check_basis
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.program import Program


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


def seen(program: Program, values: Any, upper: Any, rows: Any) -> Any:
    """Read the basis off a solution that is not degenerate: what lies between its bounds is basic."""
    between = (values > 1e-9) & (values < upper - 1e-9)
    slack = rows - program.row_values(values)
    columns, tight = np.flatnonzero(between), np.flatnonzero(slack <= 1e-9 * np.clip(np.abs(rows), 1.0, 1e6))
    return (
        (columns, tight, np.flatnonzero(~between & (values > 0.5 * upper)))
        if columns.size == tight.size
        else None
    )


def checked(tight: list[int], columns: list[int], demand: float) -> tuple[BasisCheck | None, Program]:
    """Judge a basis of a market of one node and two offers, unshifted: 2 Mtok/s at 1 and 9 Mtok/s at 3 $/Mtok."""
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 9.0)], demand=[demand])
    program, costs, upper, rows = numbers(market)
    costs[program.v] = 1e3
    open_above = upper.copy()
    open_above[program.v] = np.inf
    both = ShiftedData(
        np.array([costs, costs]),
        np.array([open_above, upper]),
        np.zeros_like(upper),
        np.array([rows, rows]),
        program.equations.stop,
    )
    return check_basis(program, both, np.array(columns), np.array(tight)), program


@pytest.mark.parametrize("name", ["transfer_aware", "shared_power_shedding", "blocks_and_steps"])
def test_numbers_of_a_basis_solve_its_equations(name: str) -> None:
    @effort(15)
    @given(markets(FORMULATIONS[name], "continuous"))
    def run(market: tf.Market) -> None:
        tell(market)
        program, costs, upper, rows = numbers(market)
        values = solution(market)
        basis = seen(program, values, upper, rows)
        if basis is None:
            return  # a tie that the numbers happen to have
        columns, tight, at_upper = basis
        dense = program.matrix.toarray()
        inner = dense[np.ix_(tight, columns)]
        if abs(np.linalg.det(inner)) < 1e-9:
            return
        factor = BasisFactorization(program, columns, tight)
        basic, left = factor.primal(at_upper, upper[None], rows[None])
        found = factor.values(at_upper, upper, basic[0])
        np.testing.assert_allclose((dense @ found)[tight], rows[tight], atol=1e-8)
        ends = np.isfinite(rows)
        np.testing.assert_allclose(left[0][ends], (rows - dense @ found)[ends], atol=1e-8)
        np.testing.assert_allclose(found, values, atol=1e-6)
        outside = np.setdiff1d(np.arange(program.columns), columns)
        assert set(np.unique(found[outside])) <= {0.0, *upper[outside]}
        duals = factor.dual(costs[None])[0]
        np.testing.assert_allclose(inner.T @ duals[tight], costs[columns], atol=1e-8)
        loose = np.setdiff1d(np.arange(program.rows), tight)
        assert not duals[loose].any()

    run()


def test_a_basis_found_by_hand() -> None:
    """The west serves itself and fills the link; the east makes the rest."""
    market = small(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 1.0)]
    )
    program, costs, upper, rows = numbers(market)
    columns, tight, at_upper = seen(program, np.array([3.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0]), upper, rows)
    assert columns.tolist() == [0, 1, 2]
    assert tight.tolist() == [0, 1, 2]
    assert not at_upper.size
    factor = BasisFactorization(program, columns, tight)
    assert factor.dual(costs[None]).tolist() == [[1.0, 3.0, -2.0]]
    # The same basis answers for other demands, several at once.
    several = np.array([rows, [5.0, 4.5, 1.0]])
    basic, _ = factor.primal(at_upper, np.array([upper, upper]), several)
    assert basic.tolist() == [[3.0, 3.0, 1.0], [6.0, 3.5, 1.0]]


def test_a_full_asset_stands_at_its_upper_bound() -> None:
    """Its basis is optimal, the only one, and its capacity counts among the given quantities."""
    check, program = checked([0], [1], demand=5.0)
    assert check is not None
    assert check.unique
    assert check.at_upper.tolist() == [0]
    assert check.solution is not None
    assert check.solution.values.tolist() == [2.0, 3.0, 0.0, 0.0]
    assert check.solution.duals.tolist() == [3.0]
    assert program.columns == 4


@pytest.mark.parametrize(
    ("demand", "basic", "only", "optimal"),
    [
        (5.0, 0, False, False),  # the dear one full, the cheap one not: wrong way round
        (1.0, 0, True, True),
        (
            1.0,
            1,
            False,
            False,
        ),  # the dear one alone, the cheap one idle: at its limit demand would be overfull
        (2.0, 0, False, True),  # demand equals a capacity to the last unit: another basis is as good
        (2.0, 1, False, True),
    ],
)
def test_a_basis_is_judged(demand: float, basic: int, only: bool, optimal: bool) -> None:
    check, _ = checked([0], [basic], demand=demand)
    assert check is not None
    assert (check.unique, check.solution is not None) == (only, optimal)


def test_a_shortfall_in_a_basis_is_told() -> None:
    check, program = checked([0], [3], demand=12.0)
    assert program.v.start == 3
    assert check is not None
    assert check.short
    assert check.solution is None


def test_what_is_no_basis_is_not_judged() -> None:
    assert checked([0], [0, 1], demand=5.0)[0] is None


def test_a_column_that_meets_no_tight_row_but_its_own() -> None:
    """A link that does not bind has no row in the basis matrix."""
    market = small(assets=[("west", 1.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 50.0)])
    program, costs, upper, rows = numbers(market)
    factor = BasisFactorization(program, np.array([0, 1]), np.array([0, 1]))
    basic, _ = factor.primal(np.zeros(0, dtype=np.int64), upper[None], rows[None])
    assert basic.tolist() == [[6.0, 4.0]]
    assert factor.dual(costs[None]).tolist() == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize("dense", [True, False])
def test_columns_that_do_not_span_the_rows_are_refused(dense: bool) -> None:
    """Two offers at one node meet the same row only."""
    market = small(assets=[("west", 1.0, 9.0), ("west", 2.0, 9.0)], demand=[2.0, 4.0])
    program = Program(market)
    assert program.dense is not None
    if not dense:
        program.dense = None
    with pytest.raises(tf.CertificateError, match="do not span"):
        BasisFactorization(program, np.array([0, 1]), np.array([0, 1]))


def test_small_and_large_programs_are_factorised_alike() -> None:
    """Dense and sparse arithmetic agree on the paper's market but for rounding."""
    market = paper_market(5)
    program, costs, upper, rows = numbers(market)
    values = solution(market)
    basis = seen(program, values, upper, rows)
    assert basis is not None
    assert program.dense is not None
    columns, tight, at_upper = basis
    found = []
    for dense in (program.dense, None):
        program.dense = dense
        factor = BasisFactorization(program, columns, tight)
        basic, left = factor.primal(at_upper, np.array([upper, upper]), np.array([rows, rows]))
        duals = factor.dual(np.array([costs, costs]))
        found.append((basic, left, duals, program.reduced_costs(np.array([costs, costs]), duals)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_remembered_basis_gives_the_bits_of_a_cold_start() -> None:
    """A network whose links close, open and fill: each market after every other, and alone."""
    arcs = [("west", "east", 2.0), ("east", "west", 1.0)]
    assets = [("west", 1.0, 6.0), ("east", 3.0, 5.0)]
    base = small(nodes=("west", "east"), assets=assets, demand=[1.0, 2.0], arcs=arcs, value=9.0)
    markets = []
    for capacity in (2.0, 0.0, np.inf):
        for demand in (0.0, 2.0, 4.0, 12.0):
            arrays = base.arrays.with_(
                link_capacity=np.array([capacity, 1.0]), demand=np.array([[[1.0]], [[demand]]])
            )
            markets.append(tf.Market.from_arrays(base.layout, arrays))
    alone = [tf.Clearer(market, lazy=True).clear(market) for market in markets]
    clearer, found = tf.Clearer(base, lazy=True), 0
    order = np.random.default_rng(1).integers(0, len(markets), 60)
    for place in [*order, *np.repeat(order, 2)]:
        clearing = clearer.clear(markets[place])
        found += clearer._engine._unsolved is not None
        assert clearing.certificate == alone[place].certificate
        for name in ("price", "dispatch", "flow", "unserved", "scarcity_rent", "congestion_rent"):
            assert getattr(clearing.values, name).tobytes() == getattr(alone[place].values, name).tobytes()
    assert found > 30  # bases that no solver was asked for
