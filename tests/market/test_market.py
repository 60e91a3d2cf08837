"""A Market as an object: frozen, replaceable, picklable, and a Dataset there and back."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.small import array, small
from tests.oracle.paper_markets import OVERHEAD, paper_market


@pytest.fixture(scope="module")
def market() -> tf.Market:
    """Every optional array, several blocks and steps."""
    return small(
        workloads=("chat", "image"),
        assets=[
            ("west", [[1.0, 2.0], [30.0, 40.0]], [[5.0, 1.0], [0.5, 0.5]]),
            ("east", [[1.5, 2.5], [35.0, 45.0]], [[5.0, 1.0], [0.5, 0.5]]),
        ],
        demand=[[[2.0, 1.0], [0.2, 0.1]], [[3.0, 1.0], [0.2, 0.1]]],
        value=[[[np.inf, 9.0], [90.0, 80.0]], [[np.inf, 9.0], [90.0, 80.0]]],
        arcs=[("east", "west", 4.0), ("west", "east", np.inf)],
        link_use=[[0.5, 100.0]] * 2,
        route_cost=[[0.01, 1.0]] * 2,
        allowed=[[True, True], [False, True]],
        link_curvature=[0.1, 0.0],
        power_use=[[1.0, 5.0]] * 2,
        power_limit=[9.0, np.inf],
        hours=0.25,
        link_unit="GB/s",
        provider=["acme", "bolt"],
        owner=["tier1", "region"],
    )


def equal(one: tf.Market, other: tf.Market) -> None:
    assert one.layout == other.layout
    assert one.hours == other.hours
    mine, its = dict(one.arrays.items()), dict(other.arrays.items())
    assert mine.keys() == its.keys()
    for name, values in mine.items():
        np.testing.assert_array_equal(values, its[name], err_msg=name)
        assert values.dtype == its[name].dtype


def test_it_goes_into_a_dataset_and_comes_back(market: tf.Market) -> None:
    equal(tf.Market.from_dataset(market.to_dataset()), market)


@pytest.mark.parametrize("kind", ["whole", "paper", "transfer", "no network"])
def test_it_survives_a_file(market: tf.Market, kind: str, tmp_path: Path) -> None:
    one = {
        "whole": market,
        "paper": paper_market(5),
        "transfer": paper_market(5, overhead=OVERHEAD),
        "no network": small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[1.0]),
    }[kind]
    one.to_dataset().to_netcdf(tmp_path / "market.nc")
    with xr.open_dataset(tmp_path / "market.nc") as dataset:
        equal(tf.Market.from_dataset(dataset), one)


def test_a_dataset_with_faults_is_told_like_any_other_input(market: tf.Market) -> None:
    dataset = market.to_dataset().drop_vars("demand").assign(demnd=market.demand)
    with pytest.raises(tf.MarketError, match=r"unknown name 'demnd'; known names: .*did you mean 'demand'"):
        tf.Market.from_dataset(dataset)
    with pytest.raises(tf.MarketError, match=r"demand: is needed, with dims \(node, workload\)"):
        tf.Market.from_dataset(market.to_dataset().drop_vars("demand"))
    with pytest.raises(tf.MarketError, match="hours: must be positive and finite; found 'long'"):
        tf.Market.from_dataset(market.to_dataset().assign_attrs(hours="long"))


def test_it_is_pickled_and_copied_whole(market: tf.Market) -> None:
    for twin in (pickle.loads(pickle.dumps(market)), copy.copy(market), copy.deepcopy(market)):
        equal(twin, market)
        assert not twin.arrays.demand.flags.writeable
        assert twin.is_quadratic == market.is_quadratic


def test_nothing_of_it_can_be_set_or_deleted(market: tf.Market) -> None:
    for name in ("arrays", "hours", "demand", "anything"):
        with pytest.raises(AttributeError, match=r"frozen; use market.replace"):
            setattr(market, name, 1)
        with pytest.raises(AttributeError, match="frozen"):
            delattr(market, name)
    with pytest.raises(ValueError, match="read-only"):
        market.arrays.demand[0, 0] = 7.0


def test_what_it_was_made_of_and_copies_of_it_may_change() -> None:
    demand = array([[1.0]], node=["here"], workload=["chat"])
    market = tf.Market(
        offer_price=1.0, capacity=array([[2.0]], asset=["a"], workload=["chat"]), demand=demand
    )
    demand.values[0, 0] = 9.0
    market.demand.copy().values[0, 0] = 9.0
    market.to_dataset()["demand"].values[0, 0] = 9.0
    assert market.arrays.demand.item() == 1.0
    assert market.demand.item() == 1.0
    assert tf.clear(market).dispatch.item() == 1.0


def test_it_is_itself_and_no_other(market: tf.Market) -> None:
    assert market == market
    assert market != market.replace()
    assert {market: 1}[market] == 1


def test_replace_keeps_all_else(market: tf.Market) -> None:
    equal(market.replace(), market)
    twice = market.replace(demand=2 * market.demand, hours=2)
    np.testing.assert_array_equal(twice.arrays.demand, 2 * market.arrays.demand)
    assert twice.hours == 2
    equal(twice.replace(demand=market.demand, hours=0.25), market)


def test_replace_takes_plain_arrays_of_the_same_shape_in_the_same_order(market: tf.Market) -> None:
    changed = market.replace(demand=market.demand.to_numpy() / 2, link_capacity=np.array([1.0, 2.0]))
    np.testing.assert_array_equal(changed.arrays.demand, market.arrays.demand / 2)
    assert changed.arrays.link_capacity.tolist() == [1.0, 2.0]
    with pytest.raises(
        tf.MarketError, match=r"demand: must be an xarray.DataArray .* found ndarray of shape \(2, 3\)"
    ):
        market.replace(demand=np.ones((2, 3)))
    with pytest.raises(tf.MarketError, match="demand: must hold numbers"):
        market.replace(demand=np.full((2, 2, 2), "1"))


def test_replace_aligns_what_is_labelled(market: tf.Market) -> None:
    equal(market.replace(demand=market.demand[::-1, ::-1, ::-1]), market)
    assert market.replace(demand=market.demand[::-1]).layout is market.layout
    with pytest.raises(tf.MarketError) as caught:
        market.replace(demand=market.demand.assign_coords(node=["west", "north"]))
    assert [str(fault) for fault in caught.value.faults] == [
        "demand.node: unknown node 'north'; known nodes: west, east (from value)"
    ]


def test_replace_leaves_optional_arrays_out(market: tf.Market) -> None:
    plain = market.replace(power_use=None, power_limit=None, value=None, link_curvature=None)
    assert not plain.has_shared_power
    assert not plain.is_quadratic
    assert np.isinf(plain.arrays.value).all()
    with pytest.raises(tf.MarketError, match="power_limit: is missing"):
        market.replace(power_limit=None)


def test_replace_moves_and_renames(market: tf.Market) -> None:
    moved = market.replace(
        asset_node=["east", "east"], owner="one", provider=pd.Series(["x", "y"], ["west0", "east1"])
    )
    assert moved.layout.asset_node.tolist() == [1, 1]
    assert moved.layout.owner == ("one", "one")
    assert moved.layout.provider == ("x", "y")
    assert market.replace(link_unit="Mtok/s").layout.link_unit == "Mtok/s"


def test_replace_tells_all_that_is_wrong(market: tf.Market) -> None:
    with pytest.raises(tf.MarketError, match="2 faults") as caught:
        market.replace(demnd=1, pirce=2)
    assert "unknown name 'demnd'; known names: " in str(caught.value)
    with pytest.raises(tf.MarketError, match="2 faults"):
        market.replace(demand=-market.demand, hours=-1)


def test_its_arrays_carry_units_and_meanings(market: tf.Market) -> None:
    dataset = market.to_dataset()
    assert dataset.attrs == {"hours": 0.25, "link_unit": "GB/s"}
    assert dataset.link_use.attrs == {"units": "GB/Mtok", "long_name": "link use per unit of service"}
    assert dataset.demand.attrs["units"] == "Mtok/s"
    assert market.replace(link_unit="Mtok/s").link_capacity.attrs["units"] == "Mtok/s"
    assert all(array.attrs["units"] and array.attrs["long_name"] for array in dataset.values())
    assert market.offer_price.coords["provider"].to_numpy().tolist() == ["acme", "bolt"]


def test_arrays_that_are_not_there_are_told(market: tf.Market) -> None:
    plain = small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[1.0])
    with pytest.raises(KeyError, match="'power_use'; this market has offer_price, "):
        plain["power_use"]
    with pytest.raises(AttributeError, match="'power_use'; this market has"):
        plain.power_use  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'prices'"):
        market.prices  # noqa: B018
    assert not hasattr(plain, "power_limit")


def test_it_sums_itself_up(market: tf.Market) -> None:
    assert repr(market) == (
        "<Market: 2 nodes, 2 workloads, 2 assets, 2 arcs, 2 blocks, 2 steps; "
        "demand 7.6 Mtok/s, offered 14 Mtok/s, 0.25 h>"
    )
    assert repr(paper_market(5)).startswith(
        "<Market: 5 nodes, 4 workloads, 5 assets, 14 arcs; demand 16.29 Mtok/s"
    )
