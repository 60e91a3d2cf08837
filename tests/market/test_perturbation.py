"""The shift that singles one optimum out: reproducible, generic, and without a trace in the numbers' bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.market.perturbation import (
    COST_STEP,
    DEMAND_STEP,
    GENERIC_SHARE,
    UNIT,
    Perturbation,
    Scale,
    generic_numbers,
)
from tokenflow_sim.market.program import Program


def test_generic_numbers_are_those_of_splitmix64() -> None:
    """The generator's published outputs for the seed 0."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    expected = [0.5 + (number >> 11) / 2**53 for number in published]
    assert generic_numbers(4).tolist() == expected


def test_generic_numbers_are_distinct_and_do_not_depend_on_how_many_are_asked_for() -> None:
    many = generic_numbers(100_000)
    assert np.unique(many).size == many.size
    assert ((many > 0.5) & (many < 1.5)).all()
    np.testing.assert_array_equal(generic_numbers(10), many[:10])
    assert generic_numbers(0).size == 0
    sums = np.add.outer(many[:300], many[:300])[np.triu_indices(300)]
    assert np.unique(sums).size == sums.size  # no two pairs sum to the same


def test_scales_are_powers_of_two_and_bring_means_to_one_size() -> None:
    for factor in (1e-6, 1e-3, 1.0, 7.3, 1e6):
        market = paper_market(5)
        arrays = market.arrays.with_(
            demand=market.arrays.demand * factor, offer_price=market.arrays.offer_price / factor
        )
        scale = Scale.of(arrays)
        for unit, values in ((scale.quantity, arrays.demand), (scale.price, arrays.offer_price)):
            assert np.log2(unit) == round(np.log2(unit))
            mean = values[values > 0].mean() / unit
            assert UNIT / np.sqrt(2) <= mean <= UNIT * np.sqrt(2)
            np.testing.assert_array_equal(values / unit * unit, values)


def test_a_market_of_zeros_has_a_scale() -> None:
    market = small(assets=[("west", 0.0, 0.0)], demand=[0.0, 0.0])
    assert Scale.of(market.arrays) == Scale(1 / UNIT, 1 / UNIT)
    idle = small(assets=[("west", 2.0, 8.0)], demand=[0.0, 0.0])
    assert Scale.of(idle.arrays) == Scale(8 / UNIT, 2 / UNIT)


@pytest.fixture(scope="module")
def shift() -> Perturbation:
    return Perturbation(Program(paper_market(5)))


def shifted(
    shift: Perturbation, value: float, direction: Any = None, share: float = 1.0
) -> tuple[Any, Any, Any]:
    """Return costs, upper bounds and right-hand sides that were all of one value, less that value."""
    numbers = np.full(shift.numbers.size, value)
    moved = np.empty_like(numbers)
    shift.add(numbers, moved, direction, share)
    return shift.program.split(moved - numbers)


def test_every_demand_is_raised_by_nearly_the_same(shift: Perturbation) -> None:
    balance = shift.program.balance
    raised = shifted(shift, 1.0)[2]
    assert (np.abs(raised[balance] / DEMAND_STEP - 1) <= 1.5 * GENERIC_SHARE).all()
    assert np.unique(raised[balance]).size == balance.stop
    direction = -np.ones(balance.stop)
    lowered = shifted(shift, 1.0, direction)[2]
    np.testing.assert_allclose(lowered[balance], -raised[balance], rtol=1e-9)
    np.testing.assert_array_equal(lowered[balance.stop :], raised[balance.stop :])
    np.testing.assert_allclose(shift.of_rows(direction), lowered, rtol=1e-9)
    for finer in (shifted(shift, 1.0, share=0.25)[2], -shifted(shift, 1.0, direction, 0.25)[2]):
        np.testing.assert_allclose(finer[balance], raised[balance] / 4, rtol=1e-9)


def test_costs_are_raised_least_and_those_of_shortfall_not_at_all(shift: Perturbation) -> None:
    costs, _, _ = shifted(shift, 1.0)
    v = shift.program.v
    assert not costs[v].any()
    assert ((costs[: v.start] > 0.4 * COST_STEP) & (costs[: v.start] < 1.6 * COST_STEP)).all()


def test_limits_are_widened_but_those_at_zero_stay(shift: Perturbation) -> None:
    widened = shifted(shift, 5.0)[1]
    assert (widened > 0).all()
    assert widened.max() <= 1.5 * GENERIC_SHARE * DEMAND_STEP
    assert not shifted(shift, 0.0)[1].any()
    moved = np.empty_like(shift.numbers)
    shift.add(np.full(moved.size, np.inf), moved)
    assert np.isinf(shift.program.split(moved)[1]).all()


def test_two_programs_of_one_structure_have_one_shift(shift: Perturbation) -> None:
    twin = Perturbation(Program(paper_market(5, scale=12.0)))
    np.testing.assert_array_equal(twin.numbers, shift.numbers)


def test_powers_of_two_in_the_units_change_no_bit_of_the_outcome() -> None:
    market = paper_market(5)
    a, base = market.arrays, tf.clear(market).values
    more, dearer = 2.0**11, 2.0**-9
    grown = a.with_(
        demand=a.demand * more, capacity=a.capacity * more, link_capacity=a.link_capacity * more,
        offer_price=a.offer_price * dearer, route_cost=a.route_cost * dearer,
    )  # fmt: skip
    values = tf.clear(tf.Market.from_arrays(market.layout, grown)).values
    np.testing.assert_array_equal(values.price, base.price * dearer)
    np.testing.assert_array_equal(values.dispatch, base.dispatch * more)
    np.testing.assert_array_equal(values.flow, base.flow * more)
    np.testing.assert_array_equal(values.congestion_rent, base.congestion_rent * dearer)
