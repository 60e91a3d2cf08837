"""Limits of a user: random markets against the second program, hand-made ones, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from highspy import MatrixFormat
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import tokenflow_sim as tf
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, Numbers, runs
from tests.oracle.price_face import face_of
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.market.program import Program


def random_limits(
    market: tf.Market, numbers: Numbers, structure: np.random.Generator
) -> tuple[SharedCapacity, ...]:
    """Draw a limit by place, one over several labels an asset or arc, with negative uses, and one with a supply."""
    layout, dispatch = market.layout, market.arrays.capacity.sum(axis=2)
    S, A, K = (layout.sizes[dim] for dim in ("asset", "arc", "workload"))
    use = structure.integers(1, 4, (S, K)).astype(float)
    # Generous enough that what must be served still is: nobody can use more than all that is offered.
    full = np.bincount(layout.asset_node, (use * dispatch).sum(axis=1), len(layout.nodes))
    by_node = SharedCapacity(
        name="site",
        rent="site_rent",
        dim="node",
        capacity=full,
        terms=(Term("dispatch", use, layout.asset_node),),
    )
    member = structure.integers(-1, 2, S)
    member = np.where(member < 0, NOBODY, member)
    terms = [Term("dispatch", use / 4, member)]
    if A:
        terms.append(
            Term("flow", structure.integers(-1, 2, (A, K)).astype(float), structure.integers(0, 2, A))
        )
    spare = numbers.array((2,), 0, 4)
    price = numbers.array((2, 3), 0, 6)
    quantity = np.concatenate([numbers.array((2, 2), 0, 5), np.full((2, 1), np.inf)], axis=1)
    bought = SharedCapacity(
        name="grid",
        rent="grid_rent",
        dim="zone",
        capacity=spare,
        terms=tuple(terms),
        supply=Supply(price, quantity),
        payee="grid",
    )
    return (by_node, bought)


def with_limits(market: tf.Market, limits: tuple[SharedCapacity, ...]) -> tf.Market:
    return tf.Market.from_arrays(market.layout, market.arrays.with_(limits=limits), market.hours)


@pytest.mark.parametrize(
    "name", ["token_equivalent", "transfer_aware", "blocks_and_steps", "shared_power_shedding", "everything"]
)
def test_random_markets_with_limits_of_ones_own(name: str) -> None:
    @effort(3)
    @given(runs(FORMULATIONS[name], 3), st.integers(0, 2**32 - 1), st.sampled_from(["continuous", "integer"]))
    def run(periods: list[tf.Market], seed: int, kind: str) -> None:
        numbers, clearer = Numbers(kind, seed), None
        for plain in periods:
            market = with_limits(plain, random_limits(plain, numbers, np.random.default_rng(seed)))
            tell(market)
            clearer = clearer or tf.Clearer(market)
            engine = clearer._engine
            clearing = clearer.clear(market)
            assert clearer._engine is engine  # a period's numbers build nothing anew
            check(market, clearing)

    run()


def check(market: tf.Market, clearing: tf.Clearing) -> None:
    arrays, values, best = market.arrays, clearing.values, solve(market)
    assert best is not None
    assert clearing.certificate.worst <= 1e-7
    curved = arrays.link_curvature.any()
    assert values.cost == pytest.approx(best.cost, rel=1e-9 if not curved else 2e-9, abs=1e-9)
    for limit in arrays.limits:
        used = limit.used(values.quantities)
        bought = values.supplied[limit.name].sum(axis=1) if limit.supply is not None else 0.0
        size = 1e-8 * max(1.0, float(np.abs(used).max()))
        assert (used <= limit.capacity + bought + size).all()
        rent = values.rents[limit.rent]
        assert (rent >= 0).all()
        slack = limit.capacity + bought - used
        assert np.abs(rent * np.where(np.isfinite(slack), slack, 1.0)).max() <= 1e-7 * max(
            1.0, values.price.max()
        )
        if limit.supply is not None:
            # Its price is that of the step on the margin.
            some, price = values.supplied[limit.name], limit.supply.price
            assert (rent[:, None] >= price - 1e-8)[some > 1e-8].all()
            assert (rent[:, None] <= price + 1e-8)[some < limit.supply.quantity - 1e-8].all()
    settlement = tf.settle(market, clearing)
    money_in = float(np.abs(settlement.payment).sum())
    assert abs(settlement.residual) <= 1e-9 * max(3600.0, money_in)
    if not curved:
        direction, derivative = face_of(market, values).rule()
        size = max(1.0, float(np.abs(values.price).sum()))
        assert (direction * values.price).sum() == pytest.approx(derivative, abs=1e-6 * size)


def test_on_demand_arcs_give_the_same_bits() -> None:
    rng = np.random.default_rng(3)
    market = tf.load_scenario("us5").override({"market.must_serve": False}).market()
    limited = with_limits(market, random_limits(market, Numbers("continuous", 5), rng))
    whole = tf.Clearer(limited)
    lazy = tf.Clearer.__new__(tf.Clearer)
    lazy._engine = Engine(limited, lazy=True)
    one, other = whole.clear(limited).values, lazy.clear(limited).values
    for name in ("price", "dispatch", "flow", "unserved"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, rent in one.rents.items():
        np.testing.assert_array_equal(rent, other.rents[name])


def test_rows_of_further_limits_reach_the_solver_in_the_programs_units() -> None:
    market = tf.load_scenario("us5").market()
    limited = with_limits(market, random_limits(market, Numbers("continuous", 5), np.random.default_rng(3)))
    program = Program(limited)
    assert {placed.unit for placed in program.limits} > {1.0}
    held = Engine(limited).solver.highs.getLp().a_matrix_
    matrix = sparse.csc_array if held.format_ == MatrixFormat.kColwise else sparse.csr_array
    live = matrix((held.value_, held.index_, held.start_), shape=(program.rows, program.columns))
    np.testing.assert_array_equal(live.toarray(), program.matrix.toarray())
    # The clearing comes from that solver: neither the exact programs nor a fallback has to mend it.
    engine = Engine(limited)
    engine.solve(limited.arrays)
    assert "aside" not in vars(engine)


@pytest.mark.parametrize("lazy", [False, True])
def test_two_uses_of_one_capacity_by_one_asset_add_up(lazy: bool) -> None:
    market = tf.load_scenario("us5").override({"market.must_serve": False}).market()
    node, use = market.layout.asset_node, np.ones(market.arrays.capacity.shape[:2])
    halves = tuple(Term("dispatch", share * use, node) for share in (0.25, 0.75))
    limit = {"name": "site", "rent": "site_rent", "dim": "node", "capacity": np.full(5, 2.0)}
    engine = Engine(with_limits(market, (SharedCapacity(**limit, terms=halves),)), lazy=lazy)
    whole = with_limits(market, (SharedCapacity(**limit, terms=(Term("dispatch", use, node),)),))
    found = engine.solve(with_limits(market, (SharedCapacity(**limit, terms=halves),)).arrays)
    single = Engine(whole)
    expected = single.solve(whole.arrays)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    assert expected.duals[-5:].min() < 0
    # Rows are measured in units of their mean coefficient, which terms halve.
    found.duals[-5:] /= engine.program.limits[-1].unit / single.program.limits[-1].unit
    np.testing.assert_allclose(found.duals, expected.duals, atol=1e-9)
