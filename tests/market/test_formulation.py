"""The linopy model, the vectors of `Program` and the oracle's plain loops are one and the same linear program."""

from __future__ import annotations

from typing import Any

import highspy
import linopy
import numpy as np
import pytest
from hypothesis import given
from linopy.solvers import Solver as LinopySolver
from scipy import sparse

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle import linprog_oracle
from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, markets
from tokenflow_sim.market.formulation import build, linopy_model
from tokenflow_sim.market.program import Program

PLAIN: dict[str, Any] = {"assets": [("west", 1.0, 5.0), ("east", 3.0, 5.0)], "demand": [2.0, 4.0]}
NETWORK: dict[str, Any] = {**PLAIN, "arcs": [("east", "west", 1.0), ("west", "east", np.inf)]}
POWER: dict[str, Any] = {**PLAIN, "power_use": [1.0, 2.0], "power_limit": [4.0, np.inf]}
BLOCKS: dict[str, Any] = {
    "assets": [("west", [[1.0, 2.0]], [[5.0, 1.0]]), ("east", [[3.0, 4.0]], [[5.0, 1.0]])],
    "demand": [[[2.0, 1.0]], [[4.0, 1.0]]],
    "value": [[[np.inf, 9.0]], [[np.inf, 9.0]]],
}


def live(market: tf.Market) -> tuple[Any, dict[str, np.ndarray[Any, Any]]]:
    """Return the matrix and the vectors that linopy makes of its model."""
    if market.is_quadratic:
        market = market.replace(link_curvature=None)
    model = linopy_model(market, shortfall_cost=1.0)
    solver = LinopySolver.from_name("highs", model, io_api="direct", options={}, set_names=False)
    lp = solver.solver_model.getLp()  # type: ignore[union-attr]
    held = lp.a_matrix_
    compressed = sparse.csc_array if held.format_ == highspy.MatrixFormat.kColwise else sparse.csr_array
    matrix = compressed((held.value_, held.index_, held.start_), shape=(lp.num_row_, lp.num_col_))
    names = ("col_cost_", "col_lower_", "col_upper_", "row_lower_", "row_upper_")
    return matrix, {name: np.array(getattr(lp, name)) for name in names}


@pytest.mark.parametrize(
    "name", ["everything", "congestion_qp", "shared_power", "economic_dispatch_shedding"]
)
def test_the_live_model_is_the_program_and_the_oracle(name: str) -> None:
    @effort(2)
    @given(markets(FORMULATIONS[name]))
    def run(market: tf.Market) -> None:
        tell(market)
        matrix, vectors = live(market)
        program, oracle = Program(market), linprog_oracle.program(market)
        plain = slice(0, program.v.start)
        np.testing.assert_array_equal(matrix.toarray(), program.matrix.toarray())
        np.testing.assert_array_equal(
            program.matrix[program.balance, plain].toarray(), oracle.balance.toarray()
        )
        limits = slice(program.balance.stop, program.rows)
        np.testing.assert_array_equal(program.matrix[limits, plain].toarray(), oracle.limits.toarray())
        costs = program.fill_costs(market.arrays, 1.0, np.empty(program.columns))
        np.testing.assert_array_equal(vectors["col_cost_"], costs)
        np.testing.assert_array_equal(costs[plain], oracle.cost)
        np.testing.assert_array_equal(vectors["col_upper_"][plain], oracle.upper)
        assert not vectors["col_lower_"].any()
        assert np.isinf(vectors["col_upper_"][program.v]).all()
        # A link or an asset that can carry nothing is written as bounds of its columns instead.
        upper = program.fill_limits(market.arrays, np.empty(program.columns))
        closed = np.concatenate([oracle.limit == 0, [False]])
        at_limits = program.met[:, 2:]
        spot = np.where(at_limits == program.rows, -1, at_limits - program.balance.stop)
        held = (closed[spot] & (program.coefficient[:, 2:] > 0)).any(axis=1)
        np.testing.assert_array_equal(upper[plain], np.where(held[plain], 0.0, oracle.upper))
        rows = program.fill_rows(market.arrays, np.empty(program.rows))
        np.testing.assert_array_equal(rows[program.balance], oracle.demand)
        np.testing.assert_array_equal(rows[limits], np.where(oracle.limit == 0, np.inf, oracle.limit))
        np.testing.assert_array_equal(vectors["row_upper_"], np.concatenate([oracle.demand, oracle.limit]))
        np.testing.assert_array_equal(vectors["row_lower_"][program.balance], oracle.demand)
        assert np.isneginf(vectors["row_lower_"][limits]).all()

    run()


@pytest.mark.parametrize(
    ("market", "variables", "constraints"),
    [
        (small(**PLAIN), ["dispatch", "unserved"], ["balance"]),
        (small(**NETWORK), ["dispatch", "flow", "unserved"], ["balance", "link_limit"]),
        (small(**POWER), ["dispatch", "unserved"], ["balance", "power_limit"]),
        (small(**BLOCKS), ["dispatch", "unserved"], ["balance"]),
        (
            small(**NETWORK, link_curvature=[1.0, 0.0]),
            ["dispatch", "flow", "unserved", "load"],
            ["balance", "link_limit", "load_is_use"],
        ),
    ],
    ids=["plain", "network", "shared power", "blocks and steps", "curvature"],
)
def test_groups_appear_as_far_as_the_market_has_them(
    market: tf.Market, variables: list[str], constraints: list[str]
) -> None:
    model = linopy_model(market)
    assert list(model.variables) == variables
    assert list(model.constraints) == constraints
    with_shortfall = linopy_model(market, shortfall_cost=5.0)
    assert set(with_shortfall.variables) == {*variables, "shortfall"}
    assert list(with_shortfall.constraints) == constraints


def test_the_model_carries_the_markets_labels() -> None:
    model = linopy_model(small(**BLOCKS))
    dispatch = model.variables["dispatch"]
    assert dispatch.dims == ("asset", "workload", "block")
    assert dispatch.coords["asset"].to_numpy().tolist() == ["west0", "east1"]
    assert model.variables["unserved"].coords["step"].to_numpy().tolist() == ["s0", "s1"]
    assert model.constraints["balance"].coords["node"].to_numpy().tolist() == ["west", "east"]


@pytest.mark.parametrize(
    "market",
    [
        small(**NETWORK),
        small(**BLOCKS),
        small(**POWER),
        small(**NETWORK, link_curvature=[1.0, 0.5]),
        small(**NETWORK, allowed=[[False], [True]]),
    ],
    ids=["network", "blocks and steps", "shared power", "curvature", "latency rule"],
)
def test_linopy_itself_solves_the_model_to_the_same_cost(market: tf.Market) -> None:
    model = linopy_model(market)
    model.solve("highs", io_api="direct", output_flag=False, log_to_console=False)
    assert model.objective.value == pytest.approx(tf.clear(market).values.cost, rel=1e-6)


@pytest.mark.parametrize("semantics", ["legacy", "v1"])
def test_the_users_linopy_options_are_left_alone(semantics: str) -> None:
    before = linopy.options["semantics"]
    try:
        linopy.options["semantics"] = semantics
        tf.clear(small(**NETWORK))
        assert linopy.options["semantics"] == semantics
    finally:
        linopy.options["semantics"] = before


def test_nodes_without_assets_or_arcs_keep_their_balance() -> None:
    """Under linopy's newer semantics a missing term would void a whole row."""
    market = small(
        nodes=("west", "east", "empty"), assets=PLAIN["assets"], demand=[2.0, 4.0, 0.0], arcs=NETWORK["arcs"]
    )
    with linopy.options as options:
        options["semantics"] = "v1"
        model = build(market)
    assert not model.constraints["balance"].vars.isnull().all()
    assert (model.constraints["balance"].rhs.to_numpy() == [[2.0], [4.0], [0.0]]).all()
    assert tf.clear(market).certificate.worst < 1e-7
