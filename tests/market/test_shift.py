"""The shift that singles one optimum out: reproducible, generic, and without a trace in the numbers' bits."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.shift import DEMAND_STEP, GENERIC_SHARE, UNIT, Scale, Shift, generic_numbers


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
def shift() -> Shift:
    return Shift(Program(paper_market(5)))


def test_every_demand_is_raised_by_nearly_the_same(shift: Shift) -> None:
    program = shift.program
    rows = np.ones(program.rows)
    raised = shift.shift_rows(rows, 1.0, np.empty(program.rows))[program.balance] - 1
    assert (np.abs(raised / DEMAND_STEP - 1) <= 1.5 * GENERIC_SHARE).all()
    assert np.unique(raised).size == raised.size
    lowered = (
        1 - shift.shift_rows(rows, -np.ones(program.balance.stop), np.empty(program.rows))[program.balance]
    )
    np.testing.assert_allclose(lowered, raised, rtol=1e-9)
    finer = shift.shift_rows(rows, 1.0, np.empty(program.rows), 0.25)[program.balance] - 1
    np.testing.assert_allclose(finer, raised / 4, rtol=1e-9)


def test_limits_are_widened_but_those_at_zero_stay(shift: Shift) -> None:
    limits = np.zeros(shift.program.columns)
    limits[::2] = 5.0
    moved = shift.shift_limits(limits, np.empty_like(limits))
    assert (moved[::2] > 5.0).all()
    assert not moved[1::2].any()
    assert (moved[::2] - 5.0).max() <= 1.5 * GENERIC_SHARE * DEMAND_STEP
    assert np.isinf(shift.shift_limits(np.full_like(limits, np.inf), np.empty_like(limits))).all()


def test_two_programs_of_one_structure_have_one_shift(shift: Shift) -> None:
    twin = Shift(Program(paper_market(5, scale=12.0)))
    for name in ("costs", "limits", "rows"):
        np.testing.assert_array_equal(getattr(twin, name), getattr(shift, name))


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
