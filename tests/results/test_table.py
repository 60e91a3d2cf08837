"""Results as tables of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    model = tf.TokenMarket("us5", rng=1, periods=2)
    model.run()
    return model.results()


def test_a_table_has_a_row_a_label_and_keeps_units(results: xr.Dataset) -> None:
    frame = tf.to_frame(results, "price")
    assert frame.columns.tolist() == ["period", "node", "workload", "price"]
    assert len(frame) == results.price.size
    for _, row in frame.sample(5, random_state=0).iterrows():
        assert row.price == results.price.sel(period=row.period, node=row.node, workload=row.workload)
    assert frame.attrs["units"] == {"price": "$/Mtok"}


def test_variables_of_the_same_dims_stand_side_by_side_in_any_order(results: xr.Dataset) -> None:
    turned = results.assign(demand=results.demand.transpose("workload", "node", "period"))
    frame = tf.to_frame(turned, ["price", "demand"])
    pd.testing.assert_frame_equal(frame, tf.to_frame(results, ["price", "demand"]))
    pair = frame.set_index(["period", "node", "workload"]).to_xarray()
    np.testing.assert_array_equal(
        pair.demand.sel(node=results.node, workload=results.workload),
        results.demand.transpose(*pair.demand.dims),
    )


def test_periods_have_their_time(results: xr.Dataset) -> None:
    time = pd.date_range("2026-01-05", periods=2, freq="h")
    frame = tf.to_frame(results.assign_coords(time=("period", time)), "price")
    assert frame.columns.tolist() == ["period", "time", "node", "workload", "price"]
    assert (frame["time"] == time[frame["period"]]).all()


def test_other_coordinates_stay_out_and_scalars_work(results: xr.Dataset) -> None:
    assert tf.to_frame(results, "congestion_rent").columns.tolist() == ["period", "arc", "congestion_rent"]
    one = tf.to_frame(results.isel(period=0), "welfare")
    assert (one.columns.tolist(), len(one)) == (["welfare"], 1)


def test_a_study_is_a_table_too() -> None:
    found = tf.sweep("us5", {"demand.scale": [20, 30]}, periods=1)
    frame = tf.to_frame(found.dataset, "mean_price")
    assert frame.columns.tolist() == ["demand.scale", "seed", "workload", "mean_price"]


def test_what_makes_no_table_is_told_with_dims_and_rows(results: xr.Dataset) -> None:
    rows = 2 * 5 * 4 * 5
    with pytest.raises(
        tf.ResultError, match=rf"price has \(period, node, workload\), 40 rows; .*make {rows:,} rows"
    ):
        tf.to_frame(results, ["price", "dispatch"])
    with pytest.raises(
        tf.ResultError, match=r"unknown variable 'prize'; known variables: .*did you mean 'price'"
    ):
        tf.to_frame(results, "prize")
    with pytest.raises(tf.ResultError, match="found DataFrame"):
        tf.to_frame(pd.DataFrame(), "price")  # type: ignore[arg-type]
