"""Plain arrays: the same rules of numbers as for labelled ones, for those who come in by `Market.from_arrays`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small
from tokenflow_sim.variables import MARKET

PLAIN = small(
    assets=[("west", [[1.0, 2.0]], [[5.0, 1.0]]), ("east", [[3.0, 4.0]], [[5.0, 1.0]])], demand=[2.0, 3.0],
    arcs=[("east", "west", 4.0)], power_use=[1.0, 1.0], power_limit=[9.0, np.inf],
)  # fmt: skip


def faults_of(**changes: Any) -> list[str]:
    with pytest.raises(tf.MarketError) as caught:
        tf.Market.from_arrays(PLAIN.layout, PLAIN.arrays.with_(**changes))
    return [str(fault) for fault in caught.value.faults]


def test_dims_are_those_of_the_table_with_block_and_step() -> None:
    for variable in MARKET.values():
        dims = variable.full_dims
        assert dims[: len(variable.dims)] == variable.dims
        assert set(dims[len(variable.dims) :]) <= {"block", "step"}


def test_good_arrays_pass() -> None:
    assert tf.Market.from_arrays(PLAIN.layout, PLAIN.arrays, 2.0).hours == 2.0


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        (
            "offer_price",
            -np.full((2, 1, 2), 2e15),
            "must be above -1e+15 ($/Mtok); found -2e+15 at [asset='west0', workload=",
        ),
        ("capacity", np.full((2, 1, 2), np.inf), "must be finite (Mtok/s); found inf at [asset='west0', "),
        (
            "demand",
            np.full((2, 1, 1), np.nan),
            "must be finite (Mtok/s); found nan at [node='west', workload='chat'],",
        ),
        ("value", np.full((2, 1, 1), np.nan), "must be a number ($/Mtok); found nan"),
        (
            "link_capacity",
            np.array([-np.inf]),
            "must not be negative (GB/s); found -inf at [arc='east>west']",
        ),
        (
            "capacity",
            np.full((2, 1, 2), 1e30),
            "must be below 1e+15 (Mtok/s); found 1e+30 at [asset='west0', ",
        ),
        (
            "value",
            np.array([[[np.inf]], [[1e16]]]),
            "must be below 1e+15 ($/Mtok); found 1e+16 at [node='east', ",
        ),
        ("power_use", np.array([[0.0], [1.0]]), "must be positive where the asset offers capacity"),
        ("power_limit", np.array([-1.0, 1.0]), "must not be negative (MW); found -1 at [asset='west0']"),
        ("demand", np.ones((2, 1)), "shape (2, 1) where (2, 1, 1) (node, workload, step) is needed"),
        ("demand", [[[1.0]], [[1.0]]], "must be an ndarray of numbers; found list"),
        ("demand", np.full((2, 1, 1), "1"), "must be an ndarray of numbers; found <U1"),
        ("allowed", np.ones((1, 1)), "must be an ndarray of bool; found float64"),
        ("offer_price", None, "must be an ndarray of numbers; found NoneType"),
        ("power_use", None, "power_use and power_limit come together"),
        ("power_limit", None, "power_use and power_limit come together"),
    ],
)
def test_impossible_arrays_are_told(name: str, values: Any, told: str) -> None:
    faults = faults_of(**{name: values})
    assert len(faults) == 1
    assert faults[0].startswith(name if values is not None or name == "offer_price" else "power_")
    assert told in faults[0]


def test_all_faults_are_told_and_blocks_are_named_where_there_are_any() -> None:
    price = PLAIN.arrays.offer_price.copy()
    price[1, 0, 1] = np.nan
    faults = faults_of(offer_price=price, demand=-PLAIN.arrays.demand, link_curvature=np.array([np.inf]))
    assert faults == [
        "offer_price: must be finite ($/Mtok); found nan at [asset='east1', workload='chat', block='b1']",
        "demand: must not be negative (Mtok/s); found -2 at [node='west', workload='chat'], -3 at [node='east', "
        "workload='chat']",
        "link_curvature: must be finite ($/GB per GB/s); found inf at [arc='east>west']",
    ]


def test_negative_and_infinite_numbers_of_one_array_are_two_faults() -> None:
    faults = faults_of(demand=np.array([[[np.inf]], [[-1.0]]]))
    assert [fault.split(";")[0] for fault in faults] == [
        "demand: must be finite (Mtok/s)", "demand: must not be negative (Mtok/s)"
    ]  # fmt: skip


def test_unchecked_arrays_are_taken_as_they_are() -> None:
    market = tf.Market.from_arrays(PLAIN.layout, PLAIN.arrays.with_(demand=-PLAIN.arrays.demand), check=False)
    assert market.arrays.demand.min() < 0


def test_hours_are_checked_with_the_rest() -> None:
    with pytest.raises(tf.MarketError, match="2 faults") as caught:
        tf.Market.from_arrays(PLAIN.layout, PLAIN.arrays.with_(demand=-PLAIN.arrays.demand), hours=np.nan)
    assert caught.value.faults[1].place == "hours"


def test_arrays_are_compared_by_identity() -> None:
    twin = PLAIN.arrays.with_()
    assert twin != PLAIN.arrays
    assert len({twin, PLAIN.arrays}) == 2
    assert {name for name, _ in twin.items()} == set(MARKET) - {"offer_slope", "value_slope"}
