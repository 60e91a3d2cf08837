"""Periods by their dates."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.results.dates import by_period, position_of, positions_within, when
from tokenflow_sim.scenario.times import PeriodTimes

ZONE = "America/Los_Angeles"
TIMES = PeriodTimes(datetime(2026, 3, 7, 8, tzinfo=UTC), 1.0, ZONE)


@pytest.fixture
def ds() -> xr.Dataset:
    periods = np.arange(72)
    time = ("period", TIMES.at(periods), TIMES.attrs())
    return xr.Dataset({"x": ("period", periods * 1.0)}, {"period": periods, "time": time}, {"hours": 1.0})


def test_a_day_of_the_zone_is_what_pandas_says(ds: xr.Dataset) -> None:
    local = pd.DatetimeIndex(ds.time.values).tz_localize("UTC").tz_convert(ZONE)
    for day, hours in (("2026-03-07", 24), ("2026-03-08", 23), ("2026-03-09", 24)):
        wanted = np.flatnonzero(local.strftime("%Y-%m-%d") == day).tolist()
        assert positions_within(ds, day, day, "it") == wanted
        assert len(wanted) == hours
    assert positions_within(ds, "2026-03-09T12:00", None, "it") == [*range(59, 72)]
    assert positions_within(ds, 3, "5", "it") == [3, 4, 5]


def test_one_period_by_number_text_or_date(ds: xr.Dataset) -> None:
    naive = np.datetime64("2026-03-08T10:20")
    for asked in (
        26,
        "26",
        "2026-03-08T03:20",
        "2026-03-08T10:59Z",
        naive,
        datetime(2026, 3, 8, 10),
        pd.Timestamp(naive),
    ):
        assert position_of(ds, asked, "it") == 26
    assert when(ds, 26) == "2026-03-08 03:00", "the hour before began at one: clocks go forward at two"
    assert when(ds, 25) == "2026-03-08 01:00"
    cut = ds.isel(period=[*range(10), *range(40, 50)])
    assert position_of(cut, "2026-03-08T18:00", "it") == 11
    for lost in ("2026-03-07T12:00", "2026-03-06", "2026-03-10"):
        with pytest.raises(
            tf.ResultError, match=f"it: no period at {lost}; the results have 2026-03-07 00:00 to"
        ):
            position_of(cut, lost, "it")
    with pytest.raises(
        tf.ResultError, match=r"it: a period is a number such as 38, or a date such as .*found 'noon'"
    ):
        position_of(ds, "noon", "it")
    with pytest.raises(
        tf.ResultError, match="it: period 2026-03-08: these results have no dates, since their"
    ):
        position_of(ds.drop_vars("time"), "2026-03-08", "it")
    assert when(ds.drop_vars("time"), 3) == "period 3"


def test_results_along_time_are_read_by_period(ds: xr.Dataset) -> None:
    xr.testing.assert_identical(by_period(ds.swap_dims(period="time")), ds)
    six = by_period(ds.swap_dims(period="time").resample(time="6h").mean())
    assert six.period.values.tolist() == [*range(13)]
