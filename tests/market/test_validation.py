"""What `tf.Market` takes: arrays of many kinds, and what they say of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.arrays_given import ARCS, ASSETS, CLASSES, NODES, given, only_fault_of
from tests.market.small import array

CAPACITY = given()["capacity"]
DEMAND = given()["demand"]


def same(market: tf.Market, **changes: Any) -> None:
    """Check that a market equals the plain one, but for some arrays."""
    reference = tf.Market(**given())
    for name, values in reference.arrays.items():
        expected = changes.get(name, values)
        np.testing.assert_array_equal(getattr(market.arrays, name), expected, err_msg=name)
        assert getattr(market.arrays, name).dtype == values.dtype
    assert market.layout == reference.layout


@pytest.mark.parametrize(
    "capacity",
    [
        CAPACITY[::-1, ::-1],
        CAPACITY.T,
        CAPACITY.astype("float32"),
        CAPACITY.astype("int16"),
        CAPACITY.astype(object),
        CAPACITY.chunk({"asset": 1}),
        CAPACITY.to_pandas(),
        CAPACITY.to_pandas().T,
        CAPACITY.to_pandas().convert_dtypes(),
        pd.DataFrame(CAPACITY.to_numpy(), ASSETS, CLASSES),
        pd.DataFrame(CAPACITY.to_numpy(), ASSETS, CLASSES).iloc[::-1, ::-1],
        pd.DataFrame(CAPACITY.to_numpy().T, pd.Index(CLASSES, name="workload"), ASSETS),
    ],
    ids=[
        "other order", "transposed", "float32", "int16", "object", "dask", "frame", "frame, turned", "nullable frame",
        "bare frame", "bare frame in other order", "frame that names one axis",
    ],
)  # fmt: skip
def test_an_array_is_read_by_its_labels_whatever_its_order_and_kind(capacity: Any) -> None:
    same(tf.Market(**given(capacity=capacity)))


def test_a_read_only_array_is_taken() -> None:
    capacity = CAPACITY.copy(deep=True)
    capacity.values.flags.writeable = False
    same(tf.Market(**given(capacity=capacity)))


def test_arrays_with_one_dim_may_be_series() -> None:
    link = pd.Series([9.0], ARCS)
    same(tf.Market(**given(link_capacity=link, origin={"w-e": "w"}, destination=pd.Series({"w-e": "e"}))))


def test_a_series_with_a_named_index_is_repeated_along_the_other_dim() -> None:
    use = pd.Series([0.5, 100.0], pd.Index(CLASSES, name="workload"))
    same(tf.Market(**given(link_use=use)), link_use=[[0.5, 100.0]])
    assert "found Series of shape (2,)" in only_fault_of(link_use=pd.Series([0.5, 100.0], CLASSES))


def test_missing_dims_are_filled_by_repetition_but_not_those_of_quantities() -> None:
    price = array([1.0, 2.0], workload=CLASSES)
    market = tf.Market(**given(offer_price=price, asset_node=NODES, provider=["acme", "bolt"], value=7.0))
    same(market, offer_price=[[[1], [2]], [[1], [2]]], value=np.full((2, 2, 1), 7.0))
    assert only_fault_of(capacity=array([1.0, 2.0], workload=CLASSES)) == (
        "capacity: has dims (workload) where (asset, workload[, block]) are needed"
    )
    assert "found float" in only_fault_of(demand=1.0)


def test_blocks_and_steps_reach_the_arrays_and_the_layout() -> None:
    blocks = xr.concat([CAPACITY, 2 * CAPACITY], "block").assign_coords(block=["low", "high"])
    steps = xr.concat([DEMAND, 3 * DEMAND], "step").assign_coords(step=[1, 2])
    value = array([9.0, 8.0], step=[1, 2])
    market = tf.Market(**given(capacity=blocks, demand=steps, value=value))
    assert market.arrays.capacity.shape == market.arrays.offer_price.shape == (2, 2, 2)
    assert market.arrays.capacity[1, 0].tolist() == [7.0, 14.0]
    assert market.arrays.value[0, 0].tolist() == [9.0, 8.0]
    assert market.offer_price.dims == ("asset", "workload", "block")
    assert market.demand.dims == ("node", "workload", "step")
    assert market.layout.blocks is not None
    assert list(market.layout.blocks) == ["low", "high"]


def test_what_is_left_out_has_its_default() -> None:
    market = tf.Market(**given())
    assert np.isinf(market.arrays.value).all()
    assert market.arrays.allowed.all()
    assert (market.arrays.link_use == 1).all()
    assert not market.arrays.route_cost.any()
    assert not market.arrays.link_curvature.any()
    assert market.hours == 1
    assert market.layout.owner == ("network",)
    assert market.layout.link_unit == "GB/s"
    assert not market.has_shared_power


def test_no_arc_arrays_mean_no_network() -> None:
    market = tf.Market(**given(link_capacity=None))
    assert market.arrays.link_capacity.shape == (0,)
    assert market.arrays.route_cost.shape == (0, 2)
    assert not len(market.layout.arcs)


def test_assets_of_a_market_of_one_node_stand_there() -> None:
    market = tf.Market(
        offer_price=1.0,
        capacity=array([[1.0], [1.0]], asset=["a", "b"], workload=["chat"]),
        demand=array([[1.0]], node=["here"], workload=["chat"]),
    )
    assert market.layout.asset_node.tolist() == [0, 0]
    assert market.layout.provider == ("a", "b")


@pytest.mark.parametrize(
    "told",
    [
        {"west": "w", "east": "e"},
        pd.Series({"east": "e", "west": "w"}),
        xr.DataArray(["e", "w"], dims="asset", coords={"asset": ["east", "west"]}),
        xr.DataArray(NODES, dims="asset"),
        NODES,
        tuple(NODES),
        np.array(NODES),
        pd.Index(NODES),
    ],
    ids=["mapping", "series", "labelled", "unlabelled", "list", "tuple", "ndarray", "index"],
)
def test_nodes_of_assets_come_in_many_forms(told: Any) -> None:
    offers = given()["offer_price"].drop_vars("asset_node")
    same(tf.Market(**given(offer_price=offers, asset_node=told)))


def test_one_name_stands_for_all() -> None:
    assert tf.Market(**given(owner="tier1")).layout.owner == ("tier1",)
    offers = given()["offer_price"].drop_vars("asset_node").assign_coords(asset_node="w")
    assert tf.Market(**given(offer_price=offers)).layout.asset_node.tolist() == [0, 0]


def test_a_keyword_overrides_the_coordinates() -> None:
    assert tf.Market(**given(asset_node=["e", "w"])).layout.asset_node.tolist() == [1, 0]


@pytest.mark.parametrize("least", [5e-324, 1e-300])
def test_numbers_too_small_to_be_precise_are_nothing_and_others_are_cleared(least: float) -> None:
    demand = array([[least, 0.2], [least, 0.4]], node=NODES, workload=CLASSES)
    market = tf.Market(**given(demand=demand))
    assert (market.demand.sel(workload="chat") == (0.0 if least < 1e-307 else least)).all()
    everywhere = tf.Market(**given(demand=demand.where(demand > 1, least)))
    assert tf.clear(everywhere).certificate.worst < 1e-7


def test_offers_next_to_nothing_are_cleared_beside_values_of_a_common_size() -> None:
    offers = given()["offer_price"]
    market = tf.Market(
        **given(
            offer_price=offers * 0 + 1e-300,
            value=array([[9.0, 8.0], [9.0, 8.0]], node=NODES, workload=CLASSES),
        ),
        route_cost=array([[0.1, 0.2]], arc=ARCS, workload=CLASSES),
    )
    clearing = tf.clear(market)
    assert clearing.certificate.worst < 1e-7
    assert float(clearing.unserved.sum()) == 0


def test_labels_may_be_numbers() -> None:
    numbered = {
        name: value.assign_coords({dim: np.arange(value.sizes[dim]) + 0.5 for dim in value.dims})
        for name, value in given().items()
    }
    market = tf.Market(**numbered | {"asset_node": [0.5, 1.5], "origin": [0.5], "destination": [1.5]})
    assert market.layout.asset_node.tolist() == [0, 1]
    assert tf.clear(market).certificate.worst < 1e-7


def test_the_unit_of_links_is_read_from_their_capacity() -> None:
    link = given()["link_capacity"]
    assert tf.Market(**given(link_capacity=link.assign_attrs(units="Mtok/s"))).layout.link_unit == "Mtok/s"
    assert tf.Market(**given(link_unit="Mtok/s")).link_capacity.attrs["units"] == "Mtok/s"
    assert only_fault_of(link_capacity=link.assign_attrs(units="Gbps")) == (
        "link_capacity.attrs['units']: unknown unit 'Gbps'; known units: GB/s, Mtok/s"
    )
    assert only_fault_of(link_unit=["GB/s"]).startswith("link_unit: unknown unit")
