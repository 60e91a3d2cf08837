"""Periods as dates, against pandas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tokenflow_sim.scenario.times import PeriodTimes, moment_of, written

START = datetime(2026, 3, 7, 6, tzinfo=UTC)


@pytest.mark.parametrize("hours", [1.0, 0.25, 1 / 3, 0.08333333333, 24.0, 168.0])
def test_periods_begin_when_pandas_says(hours: float) -> None:
    step = pd.Timedelta(seconds=round(hours * 3600))
    wanted = pd.date_range(START, periods=5000, freq=step).tz_localize(None)
    times = PeriodTimes(START, hours).at(np.arange(5000))
    assert times.dtype == "datetime64[ns]"
    np.testing.assert_array_equal(times, wanted.values)


def test_lengths_that_are_no_whole_seconds_do_not_drift() -> None:
    times = PeriodTimes(START, 1e-4).at([0, 10_000_000])
    assert (times[1] - times[0]) == np.timedelta64(3_600_000, "s")
    assert PeriodTimes(START, 1e-4).encoding()["units"].startswith("microseconds")
    later = (START + timedelta(days=100_000)).replace(tzinfo=None)
    assert PeriodTimes(START, 24.0).at([100_000])[0] == np.datetime64(later), "beyond what nanoseconds reach"


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kolkata", "UTC-03:30"])
def test_a_date_finds_the_period_it_lies_in(zone: str) -> None:
    times = PeriodTimes(START, 0.5, zone)
    rng = np.random.default_rng(3)
    for period in rng.integers(0, 20_000, 20).tolist():
        begin = times.at([period])[0]
        for within in (0, 17, 29):
            text = written(begin + np.timedelta64(within, "m"), zone)
            again = moment_of(text, zone)[0].replace(tzinfo=None)
            if np.datetime64(again) == begin + np.timedelta64(within, "m"):  # else the hour that comes twice
                assert times.period_of(text.replace(" ", "T")) == period
    assert times.period_of("2026-03-07T05:59+00:00") == -1


def test_days_last_as_long_as_clocks_say() -> None:
    for day, hours in (("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-01", 24)):
        first, after = moment_of(day, "America/Los_Angeles")
        assert after - first == timedelta(hours=hours)
    assert moment_of("2026-01-06 14:00+05:30", "UTC")[0] == datetime(2026, 1, 6, 8, 30, tzinfo=UTC)
    for wrong in ("tomorrow", "12", "2026-13-01", "2026-01-06T25:00", ""):
        with pytest.raises(ValueError, match="is no date such as 2026-01-06 or 2026-01-06T14:00; found"):
            moment_of(wrong, "UTC")


def test_a_scenario_has_times_where_it_has_a_start() -> None:
    plain = tf.load_scenario("us5")
    assert plain.times is None
    assert "time_zone: " not in plain.to_yaml().split("nodes:")[0]
    local = plain.override({"start": "2026-01-05T00:00-06:00", "time_zone": "America/Chicago"})
    assert local.start == datetime(2026, 1, 5, tzinfo=timezone(timedelta(hours=-6)))
    again = tf.Scenario.from_yaml(local.to_yaml())
    assert again == local
    assert again.times == local.times
    naive = plain.override({"start": "2026-01-05 00:00", "time_zone": "America/Chicago"})
    assert naive.start == datetime(2026, 1, 5, tzinfo=UTC), "without an offset it is UTC whatever the zone"
    with pytest.raises(tf.ScenarioError, match="unknown time zone 'Mars'"):
        plain.override({"time_zone": "Mars"})
