"""The coordinate `time`: in memory, in files, in studies, and in the hands of a user of xarray."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf

DATED = {"start": "2026-03-07T12:00-08:00", "time_zone": "America/Los_Angeles"}
WANTED = pd.date_range("2026-03-07T20:00", periods=48, freq="h").values


@pytest.fixture(scope="module")
def dated() -> xr.Dataset:
    model = tf.TokenMarket("us5", rng=1, periods=48, overrides=DATED)
    model.run()
    return model.results()


def test_results_have_dates_where_the_scenario_has_a_start(dated: xr.Dataset) -> None:
    time = dated.time
    assert time.dims == ("period",)
    np.testing.assert_array_equal(time.values, WANTED)
    assert time.attrs == {
        "long_name": "begin of the period",
        "standard_name": "time",
        "axis": "T",
        "time_zone": "America/Los_Angeles",
    }
    model = tf.TokenMarket("us5", rng=1, periods=2)
    model.run()
    assert "time" not in model.results().coords


def test_files_hold_dates_by_the_cf_conventions(dated: xr.Dataset, tmp_path: Path) -> None:
    tf.save_results(dated, tmp_path / "saved.nc")
    model = tf.TokenMarket("us5", rng=1, periods=48, overrides=DATED, out=tmp_path / "streamed.nc")
    model.run()
    model.close()
    dated.to_zarr(tmp_path / "run.zarr", consolidated=False)
    for name in ("saved.nc", "streamed.nc"):
        with netCDF4.Dataset(tmp_path / name) as file:
            held = file["time"]
            assert held.units == "seconds since 1970-01-01"
            assert held.calendar == "proleptic_gregorian"
            assert held.dtype == np.int64
            dates = netCDF4.num2date(held[:], held.units, held.calendar)
            assert [str(date) for date in dates[[0, -1]]] == ["2026-03-07 20:00:00", "2026-03-09 19:00:00"]
        with tf.load_results(tmp_path / name) as found:
            xr.testing.assert_identical(found.load(), dated)
    xr.testing.assert_identical(
        xr.open_zarr(tmp_path / "run.zarr", consolidated=False).time.load(), dated.time
    )


def test_users_of_xarray_find_what_they_expect(dated: xr.Dataset) -> None:
    by_time = dated.swap_dims(period="time")
    assert by_time.sel(time=slice("2026-03-08", "2026-03-08")).sizes["time"] == 24
    assert int(by_time.sel(time="2026-03-08T05:00").period) == 9
    days = by_time.price.resample(time="1D").mean()
    series = dated.price.mean(("node", "workload")).to_series()
    series.index = pd.DatetimeIndex(dated.time.values)
    np.testing.assert_allclose(days.mean(("node", "workload")), series.resample("1D").mean())
    indexed = dated.set_xindex("time")
    assert indexed.sel(time=slice("2026-03-08T00:00", "2026-03-08T11:00")).period.values.tolist() == [
        *range(4, 16)
    ]
    halves = [dated.isel(period=slice(0, 20)), dated.isel(period=slice(20, None))]
    xr.testing.assert_identical(xr.concat(halves, "period", data_vars="minimal"), dated)
    assert tf.to_frame(dated, "welfare").time.tolist() == [*map(pd.Timestamp, WANTED)]


def test_studies_have_dates_where_all_runs_share_them() -> None:
    vary = {"demand.scale": [30, 35]}
    found = tf.sweep("us5", vary=vary, periods=3, seeds=1, overrides=DATED, workers=1).dataset
    np.testing.assert_array_equal(found.time.values, WANTED[:3])
    starts = tf.sweep(
        "us5", vary={"start": ["2026-01-05", "2026-01-06"]}, periods=2, seeds=1, workers=1
    ).dataset
    assert "time" not in starts.coords


def test_a_store_has_dates(tmp_path: Path) -> None:
    out = tmp_path / "study.zarr"
    tf.sweep("us5", vary={"demand.scale": [30]}, periods=3, seeds=1, overrides=DATED, workers=1, out=out)
    found = tf.load_sweep(out).dataset
    np.testing.assert_array_equal(found.time.values, WANTED[:3])
    assert found.time.attrs["time_zone"] == "America/Los_Angeles"
