"""The one reader of results: what is missing, and blocks and steps taken together as the table says."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.results.checked import Results
from tokenflow_sim.results.reading import collapse, hours_of, need, need_periods, read_scenario
from tokenflow_sim.variables import RESULTS


def blocks() -> xr.Dataset:
    random = np.random.default_rng(0)
    shape = (2, 3, 2, 4)
    dims = ("period", "asset", "workload", "block")
    names = ("offer_price", "offer_quantity", "dispatch", "scarcity_rent")
    return xr.Dataset({name: (dims, random.uniform(1, 2, shape)) for name in names}, {"period": [0, 1]})


def test_blocks_are_taken_together_as_the_table_says() -> None:
    ds = blocks()
    ds.offer_quantity[0, 0, 0] = 0.0  # nothing offered: the plain mean of its prices
    ds.offer_quantity[0, 1, 0, 2] = np.inf  # beside which nothing else counts
    xr.testing.assert_allclose(collapse(ds, "dispatch"), ds.dispatch.sum("block"))
    xr.testing.assert_allclose(collapse(ds, "scarcity_rent"), ds.scarcity_rent.max("block"))
    price = collapse(ds, "offer_price")
    assert price.dims == RESULTS["offer_price"].dims
    assert float(price[0, 0, 0]) == pytest.approx(float(ds.offer_price[0, 0, 0].mean()))
    assert float(price[0, 1, 0]) == float(ds.offer_price[0, 1, 0, 2])
    paid = (ds.offer_price * ds.offer_quantity).sum("block") / ds.offer_quantity.sum("block")
    np.testing.assert_allclose(price[1], paid[1])
    whole = ds.isel(block=0, drop=True)
    assert collapse(whole, "offer_price").identical(whole.offer_price)


def test_what_is_missing_of_a_block_is_missing_of_the_whole() -> None:
    ds = blocks()
    for name in ds.data_vars:
        torn = ds.assign({name: ds[name].where(ds.block != 1) if "block" in ds.coords else ds[name].copy()})
        torn[name][0, 0, 0, 1] = np.nan
        assert np.isnan(collapse(torn, str(name))[0, 0, 0]), name


@pytest.mark.parametrize("reader", [need, need_periods, lambda ds, names, who: Results(ds, names, who).ds])
def test_one_message_says_what_is_missing(reader: object) -> None:
    ds = xr.Dataset({"price": ("period", [1.0])})
    assert callable(reader)
    with pytest.raises(tf.ResultError) as caught:
        reader(ds, ("flow", "asset_node"), "somebody")
    assert str(caught.value) == (
        "somebody needs flow, asset_node; missing: flow, asset_node (node of the asset); known in this Dataset: price"
    )
    with pytest.raises(tf.ResultError, match=r"found TokenMarket; call its results\(\) first"):
        reader(tf.TokenMarket("us5", periods=1), (), "somebody")
    with pytest.raises(tf.ResultError, match=r"found str; see load_results\(path\)"):
        reader("run.nc", (), "somebody")


def test_hours_and_scenario_come_from_attributes() -> None:
    assert hours_of(xr.Dataset(attrs={"hours": 0.5})) == 0.5
    assert hours_of(xr.Dataset(attrs={"scenario": "name: a\nhours: 2.0  # long\n"})) == 2.0
    assert hours_of(xr.Dataset(attrs={"hours": "many"})) is None
    scenario, fault = read_scenario(xr.Dataset(attrs={"scenario": "format: 1\nname: 3\n"}))
    assert scenario is None
    assert fault
    assert read_scenario(xr.Dataset()) == (None, "these results carry none")
    own, fault = read_scenario(xr.Dataset(attrs={"scenario": tf.load_scenario("us5").to_yaml()}))
    assert own is not None
    assert own.name == "us5"
    assert not fault
