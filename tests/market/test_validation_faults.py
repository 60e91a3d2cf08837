"""What `tf.Market` says of what it does not take: all at once, each with its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.arrays_given import ARCS, ASSETS, CLASSES, NODES, faults_of, given, only_fault_of
from tests.market.small import array

CAPACITY = given()["capacity"]
DEMAND = given()["demand"]


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
