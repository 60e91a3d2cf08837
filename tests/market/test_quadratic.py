"""The congestion-QP: links whose charge grows with their load, solved by hand and by the oracle's tangents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from linopy.solvers import Solver as LinopySolver

import tokenflow_sim as tf
from tests.market.small import cleared, cleared_lazily, small
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, markets
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.market.formulation import linopy_model
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import linearised

PLAIN: dict[str, Any] = {
    "assets": [("west", 1.0, 20.0), ("east", 3.0, 20.0)],
    "demand": [2.0, 10.0],
    "arcs": [("east", "west", 100.0)],
}


def test_a_link_is_used_until_its_charge_eats_the_difference() -> None:
    """Two dollars apart, half a dollar per unit: four units, 0.5/2 * 16 $/s of cost, a rent of two."""
    clearing = cleared(small(**PLAIN, link_curvature=[0.5]))
    assert clearing.flow.item() == pytest.approx(4.0)
    assert clearing.congestion_rent.item() == pytest.approx(2.0)
    assert clearing.values.dispatch.ravel() == pytest.approx([6.0, 6.0])
    assert clearing.values.cost == pytest.approx(6.0 + 18.0 + 0.25 * 16)
    assert clearing.total_cost == pytest.approx(3600 * clearing.values.cost)
    assert clearing.price.to_numpy().ravel() == pytest.approx([1.0, 3.0])


def test_route_cost_and_link_use_enter_the_balance_of_charges() -> None:
    """1.5 dollars are left; a unit of service is two of load: 2 * 0.25 * load = 1.5."""
    clearing = cleared(small(**PLAIN, link_curvature=[0.25], route_cost=[[0.5]], link_use=[[2.0]]))
    assert clearing.congestion_rent.item() == pytest.approx(0.75)
    assert clearing.flow.item() == pytest.approx(1.5)


def test_a_full_link_adds_its_own_rent_to_the_charge() -> None:
    """At three units the charge is 1.5; the limit's own dual makes up the rest of two."""
    clearing = cleared(small(**PLAIN | {"arcs": [("east", "west", 3.0)]}, link_curvature=[0.5]))
    assert clearing.flow.item() == pytest.approx(3.0)
    assert clearing.congestion_rent.item() == pytest.approx(2.0)
    assert clearing.certificate.worst < 1e-9


def test_a_price_moves_by_the_slope_along_the_margin() -> None:
    """With no assets of its own the east pays for the load that it causes itself."""
    market = small(
        assets=[("west", 1.0, 20.0)], demand=[2.0, 6.0], arcs=[("east", "west", 100.0)], link_curvature=[0.5]
    )
    clearing = cleared(market)
    assert clearing.price.sel(node="east").item() == pytest.approx(1.0 + 0.5 * 6.0)
    assert clearing.values.cost == pytest.approx(8.0 + 0.25 * 36)
    step = 1e-3
    more, less = (
        tf.clear(market.replace(demand=market.demand + change * np.array([[0.0], [1.0]]))).values.cost
        for change in (step, -step)
    )
    assert (more - less) / (2 * step) == pytest.approx(4.0, abs=1e-6)


def test_demand_is_shed_where_the_charge_exceeds_its_value() -> None:
    """Beyond four units the link asks more than the three dollars of value that are left above the offer."""
    market = small(
        assets=[("west", 1.0, 20.0)],
        demand=[2.0, 10.0],
        value=3.0,
        arcs=[("east", "west", 100.0)],
        link_curvature=[0.5],
    )
    clearing = cleared(market)
    assert clearing.unserved.to_numpy().ravel() == pytest.approx([0.0, 6.0])
    assert clearing.price.sel(node="east").item() == pytest.approx(3.0)


def test_more_than_links_and_assets_can_do_is_told() -> None:
    market = small(
        assets=[("west", 1.0, 20.0)], demand=[2.0, 30.0], arcs=[("east", "west", 25.0)], link_curvature=[0.5]
    )
    with pytest.raises(tf.InfeasibleError) as caught:
        tf.clear(market)
    assert sum(caught.value.shortfall.values()) == pytest.approx(12.0)


@pytest.mark.parametrize("name", ["congestion_qp", "everything"])
def test_the_program_is_the_labelled_model(name: str) -> None:
    """The vectors that HiGHS is given are those of the linopy model, and both cost the same."""

    @effort(2)
    @given(markets(FORMULATIONS[name]))
    def run(market: tf.Market) -> None:
        tell(market)
        arcs = len(market.layout.arcs)
        market = market.replace(link_curvature=np.linspace(0.5, 0.0, arcs))
        if not arcs or not market.is_quadratic:
            return
        model = linopy_model(market)
        inner = Program(market).matrix_with_loads.toarray()
        np.testing.assert_array_equal(model.matrices.A.toarray(), inner)
        solver = LinopySolver.from_name(
            "highs", model, io_api="direct", options={"output_flag": False}, set_names=False
        )
        solver.solver_model.run()
        theirs = solver.solver_model.getInfo().objective_function_value
        assert cleared(market).values.cost == pytest.approx(theirs, rel=1e-6, abs=1e-6)

    run()


def test_almost_no_curvature_is_almost_the_linear_market() -> None:
    linear = paper_market(5)
    arcs = len(linear.layout.arcs)
    curved = tf.Market.from_arrays(linear.layout, linear.arrays.with_(link_curvature=np.full(arcs, 1e-9)))
    one, other = tf.clear(linear), tf.clear(curved)
    assert other.values.cost == pytest.approx(one.values.cost, rel=1e-8)
    np.testing.assert_allclose(other.values.price, one.values.price, rtol=1e-6)
    assert other.certificate.worst < 1e-7


def test_the_same_market_gives_the_same_bits_after_any_other() -> None:
    market = small(**PLAIN, link_curvature=[0.5])
    clearer = tf.Clearer(market.replace(link_curvature=None))
    for other in (market.replace(link_curvature=None), market.replace(demand=market.demand / 7), market):
        clearer.clear(other)
    again, fresh = clearer.clear(market).values, tf.clear(market).values
    np.testing.assert_array_equal(again.price, fresh.price)
    np.testing.assert_array_equal(again.dispatch, fresh.dispatch)
    np.testing.assert_array_equal(again.flow, fresh.flow)


def test_random_markets_have_the_oracles_cost_and_rents() -> None:
    @effort(4)
    @given(markets(FORMULATIONS["congestion_qp"]))
    def run(market: tf.Market) -> None:
        tell(market)
        clearing, best = cleared_lazily(market), solve(market)
        assert best is not None
        a, v = market.arrays, clearing.values
        assert v.cost == pytest.approx(best.cost, rel=1e-9, abs=1e-9)
        load = (a.link_use * v.flow).sum(axis=1)
        charge = a.link_curvature * load
        eta = v.congestion_rent - charge
        assert (eta >= -1e-7).all()
        assert (np.abs(eta[load < a.link_capacity - 1e-6]) <= 1e-6).all()
        # Loads of curved links are unique, whatever carries them.
        curved = a.link_curvature > 0
        theirs = (a.link_use * best.flow).sum(axis=1)
        np.testing.assert_allclose(load[curved], theirs[curved], atol=1e-4)

    run()


def test_freezing_the_charge_leaves_a_linear_market() -> None:
    market = small(**PLAIN, link_curvature=[0.5], route_cost=[[0.1]], link_use=[[2.0]])
    frozen = linearised(market.arrays, np.array([3.0]))
    assert frozen.route_cost.tolist() == [[0.1 + 0.5 * 3.0 * 2.0]]
    assert not frozen.link_curvature.any()
    assert market.arrays.route_cost.tolist() == [[0.1]]


@pytest.mark.parametrize("name", ["us5", "us20"])
def test_linear_programs_find_the_loads_that_the_quadratic_solver_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = tf.load_scenario(name).override({"market.congestion_curvature": 0.01}).market()
    expected = tf.clear(market)
    monkeypatch.setattr("tokenflow_sim.market.quadratic._ITERATIONS", 0.0)
    found = tf.clear(market)
    assert found.certificate.worst <= 1e-7
    assert found.total_cost == pytest.approx(expected.total_cost, rel=1e-9)
    np.testing.assert_allclose(found.price, expected.price, rtol=1e-6)
    use = market.arrays.link_use
    loads = [(use * clearing.values.flow).sum(axis=1) for clearing in (found, expected)]
    np.testing.assert_allclose(*loads, atol=1e-6 * loads[1].max())


def test_linear_programs_clear_random_curved_markets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenflow_sim.market.quadratic._ITERATIONS", 0.0)

    @effort(10)
    @given(markets(FORMULATIONS["congestion_qp"]))
    def run(market: tf.Market) -> None:
        tell(market)
        best = solve(market)
        if best is None:
            with pytest.raises(tf.InfeasibleError):
                tf.clear(market)
            return
        clearing = tf.clear(market)
        assert clearing.certificate.worst <= 1e-7
        assert clearing.values.cost == pytest.approx(best.cost, rel=2e-9, abs=1e-9)

    run()
