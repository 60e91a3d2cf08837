"""The time axis: steps, gaps, thinning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure

from tokenflow_sim.plot import time as module
from tokenflow_sim.plot.time import TimeAxis
from tokenflow_sim.scenario.times import PeriodTimes
from tokenflow_sim.scenario.zone import zone_of


def axis(count: int, hours: float | None = 1.0, **kwargs: int) -> TimeAxis:
    return TimeAxis(np.arange(count, dtype=float), hours, **kwargs)


@pytest.mark.parametrize(
    ("count", "hours", "unit", "label", "last"),
    [
        (1, 1.0, "h", "Time [h]", 1.0),
        (24, 1.0, "h", "Time [h]", 24.0),
        (72, 1.0, "h", "Time [h]", 72.0),
        (73, 1.0, "days", "Time [days]", 73 / 24),
        (168, 1.0, "days", "Time [days]", 7.0),
        (48, 0.5, "h", "Time [h]", 24.0),
        (8760, 1.0, "days", "Time [days], day by day", 365.0),
        (2000, 1.0, "days", "Time [days], in steps of 6 h", 2000 / 24),
        (24, None, "periods", "Period", 24.0),
        (2000, None, "periods", "Period, in steps of 6", 2000.0),
    ],
)
def test_unit_label_and_end(count: int, hours: float | None, unit: str, label: str, last: float) -> None:
    time = axis(count, hours)
    assert (time.unit, time.label) == (unit, label)
    assert time.starts[0] == 0
    assert time.ends[-1] == pytest.approx(last)
    assert len(time.starts) <= module.MOST_STEPS


def test_a_period_is_a_step_of_its_own_length() -> None:
    time = axis(3, 2.0)
    np.testing.assert_array_equal(time.line, [0, 2, 2, 4, 4, 6])
    np.testing.assert_array_equal(time.steps(np.array([5.0, 6.0, 7.0])), [5, 5, 6, 6, 7, 7])
    assert time.middle(1) == 3.0
    assert time.name(1) == "2 h"


def test_a_run_does_not_start_at_zero_when_a_part_of_it_is_drawn() -> None:
    time = TimeAxis(np.arange(100.0, 124.0), 1.0)
    assert (time.starts[0], time.ends[-1]) == (100.0, 124.0)


def test_missing_periods_are_gaps_and_not_bridged() -> None:
    time = TimeAxis(np.array([0.0, 1.0, 5.0, 6.0]), 1.0)
    np.testing.assert_array_equal(time.line, [0, 1, 1, 2, np.nan, 5, 6, 6, 7])
    np.testing.assert_array_equal(time.steps(np.arange(4.0)), [0, 0, 1, 1, np.nan, 2, 2, 3, 3])
    edges, cells = time.mesh(np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(edges, [0, 1, 2, 5, 6, 7])
    np.testing.assert_array_equal(cells, [[0, 1, np.nan, 2, 3], [4, 5, np.nan, 6, 7]])


def test_every_nth_period_stands_for_those_until_the_next() -> None:
    time = TimeAxis(np.arange(0.0, 40.0, 10.0), 1.0)
    np.testing.assert_array_equal(time.line, [0, 10, 10, 20, 20, 30, 30, 40])


@pytest.mark.parametrize("unit_hours", [1.0, 0.25, 1 / 12, 24.0, 3.0])
@pytest.mark.parametrize("count", [1, 5, 24, 100])
def test_ticks_are_few_round_and_inside(count: int, unit_hours: float) -> None:
    ax = Figure().add_subplot()
    time = axis(count, unit_hours)
    time.dress(ax)
    first, last = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if first <= tick <= last]
    assert (first, last) == (time.starts[0], time.ends[-1])
    assert 2 <= len(ticks) <= 10
    labels = ax.xaxis.get_major_formatter().format_ticks(ticks)
    assert len(set(labels)) == len(labels)
    np.testing.assert_allclose([float(label) for label in labels], ticks, atol=1e-9)


def dates(start: str, hours: float, count: int, zone: str) -> TimeAxis:
    begins = PeriodTimes(datetime.fromisoformat(start), hours, zone).at(np.arange(count))
    return TimeAxis.of_dates(begins, hours, zone)


@pytest.mark.parametrize(
    ("start", "hours", "count", "zone"),
    [
        ("2026-03-07T08:00+00:00", 1.0, 96, "America/Los_Angeles"),
        ("2026-10-30T18:30+00:00", 0.25, 400, "Asia/Kolkata"),
        ("2026-10-24T22:00+00:00", 1 / 12, 600, "Europe/Berlin"),
        ("2026-01-01T00:00+00:00", 1.0, 8760, "UTC"),
        ("2025-12-30T06:00+00:00", 24.0, 5, "UTC-06:00"),
    ],
)
def test_dates_stand_where_the_clocks_of_the_zone_put_them(
    start: str, hours: float, count: int, zone: str
) -> None:
    time = dates(start, hours, count, zone)
    begin = datetime.fromisoformat(start)
    clock = zone_of(zone)
    for position in (0, count // 2, count - 1):
        there = (begin + timedelta(hours=hours * position)).astimezone(clock)
        assert time.name(position) == f"{there:%Y-%m-%d %H:%M}"
    last = begin + timedelta(hours=hours * count)
    np.testing.assert_allclose([time.starts[0], time.ends[-1]], date2num([begin, last]), atol=1e-6)
    ax = Figure().add_subplot()
    time.dress(ax)
    ticks = [tick for tick in ax.get_xticks() if time.starts[0] <= tick <= time.ends[-1]]
    assert 2 <= len(ticks) <= 10
    for tick, label in zip(ticks, ax.xaxis.get_major_formatter().format_ticks(ticks), strict=True):
        there = num2date(tick, tz=clock)
        assert (there.minute, there.second) == (0, 0), "local hours are whole, also where the zone's are half"
        assert there.hour % 3 == 0
        forms = {f"{there:{form}}" for form in ("%Y", "%b %Y", "%d %b", "%H:%M")}
        assert label in forms
    place = zone.replace("_", " ")
    years = "2025/2026" if start.startswith("2025") else start[:4]
    assert time.label.startswith(f"Time [{place}], {years}")


def test_dated_periods_keep_gaps_and_steps() -> None:
    whole = dates("2026-03-07T08:00+00:00", 1.0, 48, "America/Los_Angeles")
    assert whole.label == "Time [America/Los Angeles], 2026"
    begins = PeriodTimes(datetime(2026, 3, 7, 8, tzinfo=UTC), 1.0).at([0, 1, 5, 6])
    cut = TimeAxis.of_dates(begins, None, "UTC")
    assert cut.hours == 1.0
    assert np.isnan(cut.line).nonzero()[0].tolist() == [4]
    year = dates("2026-01-01T00:00+00:00", 1.0, 8760, "UTC")
    assert (year.size, len(year.starts)) == (24, 365)
    assert year.label == "Time [UTC], 2026, day by day"


@given(
    count=st.integers(1, 60),
    most=st.integers(1, 20),
    nodes=st.integers(0, 3),
    at_once=st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_steps_hold_every_period_once_however_they_are_read(
    count: int, most: int, nodes: int, at_once: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(count, nodes))
    array = xr.DataArray(values, dims=("period", "node"))
    time = axis(count, most_steps=most)
    whole = module._NUMBERS_AT_ONCE
    module._NUMBERS_AT_ONCE = at_once
    try:
        sums, means = time.sum(array), time.mean(array)
    finally:
        module._NUMBERS_AT_ONCE = whole
    parts = [values[start : start + time.size] for start in range(0, count, time.size)]
    assert len(parts) == len(time.starts) <= most
    np.testing.assert_allclose(sums, [part.sum(axis=0) for part in parts], atol=1e-12)
    np.testing.assert_allclose(means, [part.mean(axis=0) for part in parts], atol=1e-12)


def test_no_more_is_read_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 100)
    sizes: list[int] = []

    def look(values: np.ndarray) -> tuple[np.ndarray, ...]:
        sizes.append(values.size)
        return (values.mean(axis=1),)

    axis(90, most_steps=30).apply(look, xr.DataArray(np.ones((90, 10)), dims=("period", "node")))
    assert max(sizes) <= 100
    assert sum(sizes) == 900
