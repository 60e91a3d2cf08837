"""What `tf.Market` takes, and what it says of what it does not take: all at once, each with its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.small import array

NODES, ASSETS, CLASSES, ARCS = ["w", "e"], ["west", "east"], ["chat", "image"], ["w-e"]


def given(**changes: Any) -> dict[str, Any]:
    """Two nodes, two assets, two classes and a link, with changes; None leaves out."""
    arrays: dict[str, Any] = {
        "offer_price": array([[1.0, 2.0], [3.0, 4.0]], asset=ASSETS, workload=CLASSES).assign_coords(
            asset_node=("asset", NODES), provider=("asset", ["acme", "bolt"])
        ),
        "capacity": array([[5.0, 6.0], [7.0, 8.0]], asset=ASSETS, workload=CLASSES),
        "demand": array([[0.1, 0.2], [0.3, 0.4]], node=NODES, workload=CLASSES),
        "link_capacity": array([9.0], arc=ARCS).assign_coords(
            origin=("arc", ["w"]), destination=("arc", ["e"])
        ),
    }
    arrays |= changes
    needed = ("offer_price", "capacity", "demand")
    return {name: value for name, value in arrays.items() if value is not None or name in needed}


def faults_of(**changes: Any) -> list[str]:
    with pytest.raises(tf.MarketError) as caught:
        tf.Market(**given(**changes))
    return [str(fault) for fault in caught.value.faults]


def only_fault_of(**changes: Any) -> str:
    faults = faults_of(**changes)
    assert len(faults) == 1, faults
    return faults[0]


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


def test_faults_of_all_kinds_are_told_together_and_once_each() -> None:
    faults = faults_of(
        offer_price=given()["offer_price"].assign_coords(asset_node=("asset", ["w", "asia"])),
        capacity=-CAPACITY.assign_coords(workload=["chatt", "image"]),
        demand=DEMAND.where(DEMAND != 0.2),
        link_capacity=given()["link_capacity"].assign_coords(destination=("arc", ["mars"])),
        route_cost=array([[np.inf, 0.0]], arc=ARCS, workload=CLASSES),
        hours=0,
    )
    assert faults == [
        "capacity: must not be negative (Mtok/s); found -5 at [asset='west', workload='chatt'], -6 at [asset='west', "
        "workload='image'], -7 at [asset='east', workload='chatt'], -8 at [asset='east', workload='image']",
        "demand: must be finite (Mtok/s); found nan at [node='w', workload='image']",
        "route_cost: must be finite ($/Mtok); found inf at [arc='w-e', workload='chat']",
        "capacity.workload: unknown workload 'chatt'; known workloads: chat, image (did you mean 'chat'?) "
        "(from offer_price)",
        "asset_node[asset='east']: unknown node 'asia'; known nodes: w, e",
        "destination[arc='w-e']: unknown node 'mars'; known nodes: w, e",
        "hours: must be positive and finite; found 0",
    ]


def test_one_fault_causes_no_others() -> None:
    """Where the array with the nodes cannot be read, nothing is said about nodes."""
    assert len(faults_of(offer_price=given()["offer_price"].rename(asset="machine"))) == 1
    assert len(faults_of(demand=[[1, 2]])) == 1
    assert len(faults_of(capacity=None)) == 1
    assert len(faults_of(link_capacity=3.0)) == 1
    assert len(faults_of(asset_node=["w"])) == 1
    assert len(faults_of(capacity=CAPACITY.assign_coords(asset=["west", "eest"]))) == 1


def test_several_faulty_types_are_told_together() -> None:
    faults = faults_of(offer_price=1j, capacity=[], demand="x", link_capacity=set())
    assert [fault.split(":")[0] for fault in faults] == ["offer_price", "capacity", "demand", "link_capacity"]
    assert all("must be an xarray.DataArray" in fault for fault in faults)


@pytest.mark.parametrize(
    ("capacity", "told"),
    [
        (None, "is needed, with dims (asset, workload)"),
        ([[1, 2], [3, 4]], "found list"),
        (CAPACITY.to_numpy(), "found ndarray of shape (2, 2)"),
        ("5 Mtok/s", "found str"),
        (5.0, "found float"),
        (xr.Dataset({"capacity": CAPACITY}), "found Dataset"),
        (CAPACITY.variable, "found Variable"),
        (CAPACITY.to_pandas()["chat"], "has dims (asset) where (asset, workload[, block]) are needed"),
        (CAPACITY.astype(complex), "must hold numbers; found dtype complex128"),
        (CAPACITY.astype("datetime64[ns]"), "must hold numbers; found dtype datetime64[ns]"),
        (CAPACITY.astype(str), "must hold numbers; found dtype <U"),
        (CAPACITY > 5, "must hold numbers; found dtype bool"),
        (CAPACITY.drop_vars(["asset"]), "dimension `asset` has no labels"),
        (CAPACITY.assign_coords(asset=["west", "west"]), "dimension `asset` repeats 'west'"),
        (CAPACITY.assign_coords(asset=[0.0, np.nan]), "dimension `asset` has 1 missing label"),
        (CAPACITY.expand_dims(block=[]), "dimension `block` is empty"),
        (CAPACITY.expand_dims(node=NODES), "has dims (node, asset, workload) where"),
        (CAPACITY.rename(asset="machine"), "has dims (machine, workload) where (asset, workload[, block]) are needed"),
        (CAPACITY.assign_coords(asset=[0, 1]), "unknown asset 0; known assets: west, east"),
    ],
)  # fmt: skip
def test_a_capacity_of_a_strange_kind_is_refused(capacity: Any, told: str) -> None:
    faults = faults_of(capacity=capacity)
    assert faults[0].startswith("capacity")
    assert told in faults[0]


def test_an_object_array_must_hold_numbers_and_says_where_it_does_not() -> None:
    odd = CAPACITY.astype(object)
    odd[0, 1] = "6"
    assert only_fault_of(capacity=odd) == (
        "capacity: must hold numbers; found '6' at [asset='west', workload='image']"
    )
    odd[0, 1] = None
    assert "must be finite (Mtok/s); found nan at [asset='west', workload='image']" in only_fault_of(
        capacity=odd
    )
    odd[0, 1] = pd.NA
    assert "found nan at [asset='west', workload='image']" in only_fault_of(capacity=odd)


def test_a_dimension_given_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate dimension"):
        twice = xr.DataArray(np.ones((2, 2)), dims=("asset", "asset"))
    assert only_fault_of(capacity=twice) == (
        "capacity: has dims (asset, asset) where (asset, workload[, block]) are needed"
    )


def test_labels_of_several_levels_are_refused() -> None:
    levels = pd.MultiIndex.from_product([["a"], [1, 2]], names=["site", "fleet"])
    stacked = CAPACITY.drop_vars("asset").assign_coords(
        xr.Coordinates.from_pandas_multiindex(levels, "asset")
    )
    assert "labels of 2 levels" in only_fault_of(capacity=stacked)
    assert "several levels" in only_fault_of(capacity=CAPACITY.to_pandas().set_axis(levels, axis=0))


def test_an_empty_market_is_refused() -> None:
    faults = faults_of(
        offer_price=given()["offer_price"].isel(asset=slice(0)), capacity=CAPACITY.isel(asset=slice(0))
    )
    assert faults == [
        f"{name}: dimension `asset` is empty; a market needs at least one"
        for name in ("offer_price", "capacity")
    ]


def test_labels_that_only_look_alike_are_told_by_type() -> None:
    numbered = DEMAND.assign_coords(node=[0, 1])
    fault = faults_of(demand=numbered, asset_node=["0", "1"], origin=[0], destination=[1])[0]
    assert "unknown node '0'; known nodes: 0, 1" in fault
    assert fault.endswith("here it is of type str, there of type int")


def test_labels_that_an_array_lacks_are_told() -> None:
    assert (
        only_fault_of(capacity=CAPACITY.sel(asset=["west"]))
        == "capacity.asset: lacks asset 'east', which offer_price has"
    )
    more = xr.concat([CAPACITY, CAPACITY.sel(asset=["east"]).assign_coords(asset=["north"])], "asset")
    assert faults_of(capacity=more)[0].startswith(
        "capacity.asset: unknown asset 'north'; known assets: west, east"
    )


def test_long_lists_are_cut_short() -> None:
    many = [f"a{i}" for i in range(30)]
    wide = array(-np.ones((30, 2)), asset=many, workload=CLASSES)
    faults = faults_of(offer_price=1.0, capacity=wide, asset_node=[f"nowhere{i}" for i in range(30)])
    assert "and 55 more" in faults[0]
    assert len(faults) == 7
    assert faults[-1] == "asset_node: 25 more unknown nodes"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"west": "w"}, "asset_node: nothing is said for asset 'east'"),
        ({"west": "w", "east": None}, "asset_node: nothing is said for asset 'east'"),
        (
            {"west": "w", "east": "e", "north": "w"},
            "asset_node['north']: unknown asset 'north'; known assets",
        ),
        ({"west": ["w"], "east": "e"}, "asset_node: must name one thing each; not so for 'west'"),
        (["w"], "asset_node: has 1 entries for 2 assets"),
        ({"w", "e"}, "asset_node: must name one thing for each asset; found set"),
        (
            np.array([NODES, NODES]),
            "asset_node: must name one thing for each asset; found ndarray of shape (2, 2)",
        ),
        (pd.Series(["w", "e"], ["west", "west"]), "asset_node: says more than one thing of asset 'west'"),
        (xr.DataArray(NODES, dims="node"), "asset_node: has dims (node) where (asset) are needed"),
    ],
)
def test_nodes_of_assets_must_be_whole(told: Any, message: str) -> None:
    assert only_fault_of(asset_node=told).startswith(message)


def test_a_coordinate_with_two_dims_is_refused() -> None:
    offers = given()["offer_price"].assign_coords(asset_node=(("asset", "workload"), [NODES, NODES]))
    assert only_fault_of(offer_price=offers) == (
        "offer_price.asset_node: must name one thing for each asset; found ndarray of shape (2, 2)"
    )


def test_arrays_that_contradict_each_other_on_nodes_are_told() -> None:
    moved = CAPACITY.assign_coords(asset_node=("asset", ["w", "w"]))
    assert (
        only_fault_of(capacity=moved)
        == "capacity.asset_node: says 'w' for 'east', where offer_price says 'e'"
    )


def test_a_provider_or_owner_left_blank_is_told() -> None:
    assert "nothing is said for asset 'east'" in only_fault_of(provider=["acme", np.nan])
    assert "nothing is said for asset 'west'" in only_fault_of(provider={"east": "bolt"})


def test_an_arc_must_lead_elsewhere() -> None:
    assert only_fault_of(destination=["w"]) == "origin: arc 'w-e' starts and ends at the same node"
    assert only_fault_of(origin={"w-e": None}).startswith("origin: nothing is said for arc 'w-e'")


def test_arcs_need_a_capacity() -> None:
    cost = array([[1.0, 2.0]], arc=ARCS, workload=CLASSES)
    assert only_fault_of(link_capacity=None, route_cost=cost).startswith(
        "link_capacity: is needed where there are arcs"
    )
    assert only_fault_of(link_capacity=None, link_use=1.0).endswith("link_use alone name no arcs")


def test_allowed_holds_truth_values() -> None:
    for values in ([[True, False]], [[1, 0]], [[1.0, 0.0]], np.array([[True, False]], dtype=object)):
        market = tf.Market(**given(allowed=array(values, arc=ARCS, workload=CLASSES)))
        assert market.arrays.allowed.tolist() == [[True, False]]
    assert not tf.Market(**given(allowed=False)).arrays.allowed.any()
    assert "must be true or false" in only_fault_of(allowed=0.5)
    odd = array(np.array([[True, "no"]], dtype=object), arc=ARCS, workload=CLASSES)
    assert (
        only_fault_of(allowed=odd)
        == "allowed: must be true or false; found 'no' at [arc='w-e', workload='image']"
    )


def test_power_needs_both_arrays_and_a_use_of_whatever_is_offered() -> None:
    use = array([[1.0, 0.0], [1.0, 1.0]], asset=ASSETS, workload=CLASSES)
    limit = array([1.0, np.inf], asset=ASSETS)
    assert (
        only_fault_of(power_limit=limit) == "power_use: is missing: power_use and power_limit come together"
    )
    assert (
        only_fault_of(power_use=use + 1) == "power_limit: is missing: power_use and power_limit come together"
    )
    faults = faults_of(power_use=use, power_limit=limit, demand=-DEMAND)
    assert faults[0].startswith("demand: must not be negative")
    assert faults[1].startswith("power_use: must be positive where the asset offers capacity")
    assert faults[1].endswith("found 0 at [asset='west', workload='image']")
    idle = CAPACITY.where(use > 0, 0.0)
    assert tf.Market(**given(power_use=use, power_limit=limit, capacity=idle)).has_shared_power


@pytest.mark.parametrize("hours", [0, -1, np.inf, np.nan, "1", None, True, np.array([1.0, 2.0]), 1j])
def test_a_period_has_a_positive_length(hours: Any) -> None:
    with pytest.raises(tf.MarketError, match="hours: must be positive and finite"):
        tf.Market(**given() | {"hours": hours})


@pytest.mark.parametrize("name", ["value", "link_capacity"])
def test_some_numbers_may_be_infinite_but_none_missing(name: str) -> None:
    plain = tf.Market(**given())[name]
    tf.Market(**given(**{name: xr.full_like(plain, np.inf)}, origin=["w"], destination=["e"]))
    faults = faults_of(**{name: xr.full_like(plain, np.nan)}, origin=["w"], destination=["e"])
    assert f"{name}: must be a number" in faults[0]
    faults = faults_of(**{name: xr.full_like(plain, -np.inf)}, origin=["w"], destination=["e"])
    assert f"{name}: must not be negative" in faults[0]


def test_the_array_that_differs_from_most_is_the_one_at_fault() -> None:
    offers = given()["offer_price"].assign_coords(workload=["chat", "imagge"])
    assert only_fault_of(offer_price=offers) == (
        "offer_price.workload: unknown workload 'imagge'; known workloads: chat, image (did you mean 'image'?) "
        "(from capacity)"
    )
