"""Markets at the edges: far units, zeros, endless links, a single node, gaps as small as the shift."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tests.oracle.linprog_oracle import solve
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.highs import LazySolver

HERE: dict[str, Any] = {"nodes": ("here",)}


def price_of(**market: Any) -> list[float]:
    clearing = cleared(small(**market))
    assert clearing.certificate.worst < 1e-9
    prices: list[float] = clearing.values.price.ravel().tolist()
    return prices


def test_units_change_the_outcome_by_units_only() -> None:
    market = paper_market(5)
    a, clearer = market.arrays, tf.Clearer(market)
    base = clearer.clear(market).values
    for quantity, price in product((1e-6, 1.0, 1e6), (1e-6, 1.0, 1e6)):
        scaled = a.with_(
            demand=a.demand * quantity, capacity=a.capacity * quantity, link_capacity=a.link_capacity * quantity,
            offer_price=a.offer_price * price, route_cost=a.route_cost * price,
        )  # fmt: skip
        values = clearer.clear(tf.Market.from_arrays(market.layout, scaled)).values
        np.testing.assert_allclose(values.price, base.price * price, rtol=1e-12)
        np.testing.assert_allclose(values.dispatch, base.dispatch * quantity, atol=1e-12 * quantity)
        np.testing.assert_allclose(values.congestion_rent, base.congestion_rent * price, atol=1e-12 * price)
        assert values.cost == pytest.approx(base.cost * quantity * price, rel=1e-12)


def test_units_of_links_change_the_outcome_by_units_only() -> None:
    plain: dict[str, Any] = {"assets": [("west", 1.0, 20.0), ("east", 3.0, 5.0)], "demand": [3.0, 4.0]}
    for use in (1e-6, 1.0, 1e6):
        market = small(**plain, arcs=[("east", "west", use)], link_use=[[use]])
        clearing = cleared(market)
        assert clearing.flow.item() == pytest.approx(1.0, rel=1e-12)
        assert clearing.congestion_rent.item() == pytest.approx(2.0 / use, rel=1e-12)


def test_a_dear_offer_beside_a_cheap_one() -> None:
    offers = [("here", 1e-6, 2.0), ("here", 1e6, 9.0)]
    assert price_of(**HERE, assets=offers, demand=[5.0]) == [1e6]
    assert price_of(**HERE, assets=offers, demand=[1.0]) == pytest.approx([1e-6], rel=1e-9)


def test_a_single_offer_far_below_all_other_prices_is_no_measure_of_them() -> None:
    for tiny in (1e-17, 1e-12, 1e-9):
        for cost in (0.0, 3.0):  # of the way between the two
            market = small(
                assets=[("west", 0.0, 2.0), ("east", tiny, 9.0)], demand=[5.0, 5.0],
                arcs=[("west", "east", 4.0)], route_cost=[[cost]], value=5.0,
            )  # fmt: skip
            assert cleared(market).price.to_numpy().ravel() == pytest.approx([cost, 0.0], abs=1e-8)
        offers = [("here", 0.0, 2.0), ("here", tiny, 2.0)]
        assert price_of(**HERE, assets=offers, demand=[5.0], value=7.0) == [7.0]


def test_a_value_of_lost_service_far_above_all_offers() -> None:
    assert price_of(**HERE, assets=[("here", 1.0, 2.0)], demand=[5.0], value=1e9) == [1e9]
    assert price_of(**HERE, assets=[("here", 1.0, 9.0)], demand=[5.0], value=1e9) == [1.0]


def test_large_and_small_nodes_in_one_market() -> None:
    market = small(
        assets=[("west", 1.0, 1e7), ("east", 3.0, 5.0)], demand=[1e6, 1e-3], arcs=[("east", "west", 1e-4)]
    )
    clearing = cleared(market)
    assert clearing.values.price.ravel().tolist() == [1.0, 3.0]
    assert clearing.flow.item() == pytest.approx(1e-4)
    assert clearing.values.dispatch.ravel() == pytest.approx([1e6 + 1e-4, 9e-4])


def test_no_demand_at_all() -> None:
    """One more unit would cost the cheapest offer that can reach it."""
    clearing = cleared(
        small(
            assets=[("west", 1.0, 2.0), ("west", 0.5, 0.0)],
            demand=[0.0, 0.0],
            arcs=[("east", "west", 3.0)],
            route_cost=[[0.25]],
        )
    )
    assert clearing.values.price.ravel().tolist() == [1.0, 1.25]
    assert clearing.total_cost == 0.0
    assert not clearing.values.dispatch.any()
    assert not clearing.values.flow.any()


def test_no_demand_and_nothing_offered() -> None:
    assert price_of(assets=[("west", 1.0, 0.0)], demand=[0.0, 0.0]) == [0.0, 0.0]
    assert price_of(assets=[("west", 0.0, 0.0)], demand=[0.0, 0.0]) == [0.0, 0.0]


def test_nothing_offered_anywhere_and_a_finite_value() -> None:
    market = small(
        assets=[("west", 1.0, 0.0), ("east", 2.0, 0.0)],
        demand=[3.0, 2.0],
        value=50.0,
        arcs=[("west", "east", 9.0)],
    )
    clearing = cleared(market)
    assert clearing.values.unserved.ravel().tolist() == [3.0, 2.0]
    assert clearing.values.price.ravel().tolist() == [50.0, 50.0]
    assert clearing.values.cost == 250.0
    settlement = tf.settle(market, clearing)
    assert float(settlement.payment.sum()) == 0.0


def test_free_service() -> None:
    assert price_of(**HERE, assets=[("here", 0.0, 5.0)], demand=[3.0]) == [0.0]
    assert price_of(**HERE, assets=[("here", 0.0, 5.0)], demand=[3.0], value=0.0) == [0.0]


def test_a_single_node_and_class() -> None:
    assert price_of(**HERE, assets=[("here", 2.0, 5.0)], demand=[3.0]) == [2.0]


def test_links_and_power_without_a_limit() -> None:
    clearing = cleared(
        small(
            assets=[("west", 1.0, 20.0), ("east", 3.0, 5.0)],
            demand=[3.0, 9.0],
            arcs=[("east", "west", np.inf), ("west", "east", np.inf)],
            power_use=[1.0, 1.0],
            power_limit=[np.inf, np.inf],
        )
    )
    assert clearing.values.price.ravel().tolist() == [1.0, 1.0]
    assert not clearing.congestion_rent.any()
    assert not clearing.power_rent.any()
    assert clearing.flow.to_numpy().ravel().tolist() == [9.0, 0.0]


def test_free_links_in_a_circle_carry_nothing_round_it() -> None:
    clearing = cleared(
        small(
            assets=[("west", 1.0, 20.0), ("east", 1.0, 20.0)],
            demand=[3.0, 4.0],
            arcs=[("east", "west", np.inf), ("west", "east", np.inf)],
        )
    )
    assert clearing.values.price.ravel().tolist() == [1.0, 1.0]
    assert clearing.flow.min() == 0.0
    assert clearing.flow.sum() <= 7.0


@pytest.mark.parametrize("gap", [1e-3, 1e-4, 1e-5, 1e-7])
def test_blocks_smaller_than_the_shift_are_not_stepped_over(gap: float) -> None:
    """The price is that of the next unit however small, not of the unit one shift further on."""
    offers = [("here", 1.0, 5.0 - gap), ("here", 2.0, gap), ("here", 9.0, 5.0)]
    assert price_of(**HERE, assets=offers, demand=[5.0 - gap / 2]) == [2.0]
    assert price_of(**HERE, assets=offers, demand=[5.0 - gap]) == [2.0]
    assert price_of(**HERE, assets=offers, demand=[5.0]) == [9.0]


@pytest.mark.parametrize("gap", [1e-6, 1e-7])
def test_a_gap_leaves_the_solver_hot(gap: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finer step and the exact solve are another solver's; a large network takes long to start cold."""
    market = small(
        **HERE,
        assets=[("here", 1.0, 5.0 - gap), ("here", 2.0, gap), ("here", 9.0, 5.0)],
        demand=[5.0 - gap / 2],
    )
    engine = Engine(market, lazy=True)
    engine.solve(market.arrays)
    forgotten: list[object] = []
    forget = LazySolver.forget

    def spy(solver: LazySolver) -> None:
        forgotten.append(solver)
        forget(solver)

    monkeypatch.setattr(LazySolver, "forget", spy)
    assert engine.solve(market.arrays).duals.tolist() == [2.0]
    assert forgotten
    assert all(solver is engine.aside for solver in forgotten)


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 1e-7, 1e-9])
def test_offers_that_differ_by_less_than_the_shift_are_taken_in_order(gap: float) -> None:
    offers = [("here", 1.0 + gap, 5.0), ("here", 1.0, 5.0)]
    clearing = cleared(small(**HERE, assets=offers, demand=[7.0]))
    assert clearing.price.item() == 1.0 + gap
    assert clearing.values.dispatch.ravel() == pytest.approx([2.0, 5.0])


@pytest.mark.parametrize("missing", [1e-3, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12])
def test_a_shortfall_however_small_is_told_or_within_tolerance(missing: float) -> None:
    market = small(**HERE, assets=[("here", 1.0, 5.0 - missing)], demand=[5.0])
    told: dict[Any, float] = {}
    try:
        assert cleared(market).certificate.worst < 1e-7
    except tf.InfeasibleError as error:
        told = error.shortfall
    assert told == pytest.approx({("here", "chat"): missing}, rel=0.1) if told else missing < 1e-7


def test_random_magnitudes_have_the_oracles_cost() -> None:
    """Prices, quantities, link and power use each over six orders of magnitude."""
    rng = np.random.default_rng(20)

    def spread(*shape: int) -> Any:
        return 10 ** rng.uniform(-3, 3, shape) * (rng.random(shape) > 0.15)

    def draw() -> tf.Market:
        return small(
            workloads=("chat", "image"), nodes=("a", "b", "c"),
            assets=[("a", *spread(2, 2)), ("b", *spread(2, 2)), ("b", *spread(2, 2)), ("c", *spread(2, 2))],
            demand=spread(3, 2), value=10 * spread(3, 2), route_cost=spread(5, 2), link_use=use, power_use=power,
            arcs=[
                ("a", "b", *spread(1)), ("b", "a", *spread(1)), ("b", "c", *spread(1)), ("c", "a", np.inf),
                ("a", "c", 0.0),
            ],
            power_limit=spread(4),
        )  # fmt: skip

    use, power = np.tile(spread(1, 2), (5, 1)), spread(4, 2) + 1e-3
    clearer = tf.Clearer(draw())
    for _ in range(30):
        market = draw()
        best = solve(market)
        assert best is not None
        clearing = clearer.clear(market)
        assert clearing.values.cost == pytest.approx(best.cost, rel=1e-7)
        assert clearing.certificate.worst < 1e-9


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_shortfall_is_named_in_any_unit(unit: float) -> None:
    market = small(
        assets=[("west", 1.0, 5.0 * unit)], demand=[2.0 * unit, 4.0 * unit], arcs=[("east", "west", 9 * unit)]
    )
    with pytest.raises(tf.InfeasibleError) as caught:
        cleared(market)
    assert sum(caught.value.shortfall.values()) == pytest.approx(unit)
