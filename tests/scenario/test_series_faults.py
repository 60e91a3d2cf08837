"""Faults of series: one line each, by file, row and column, and gaps filled as told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.scenario.series_given import CHICAGO, SERIES, ZONED, only_message, prices, run
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.series import PeriodSeries

GAPS: dict[str, tuple[Any, list[float] | str]] = {
    "refused": (None, "has no value at 2022-01-01 02:00, 2022-01-01 03:00 UTC; give `fill`"),
    "hold": ("hold", [20, 20, 50]),
    "interpolate": ("interpolate", [30, 40, 50]),
    "a number": (7, [7, 7, 50]),
}


@pytest.mark.parametrize("kind", GAPS)
@pytest.mark.parametrize("way", ["rows left out", "empty cells", "nan"])
def test_gaps_are_named_by_date_and_filled_as_told(us5: Scenario, kind: str, way: str) -> None:
    fill, expected = GAPS[kind]
    hole = {"rows left out": "", "empty cells": "2022-01-01 02:00,\n2022-01-01 03:00,\n"}.get(
        way, "2022-01-01 02:00,nan\n2022-01-01 03:00,NA\n"
    )
    file = f"t,dallas\n2022-01-01 00:00,10\n2022-01-01 01:00,20\n{hole}2022-01-01 04:00,50\n2022-01-01 05:00,60\n"
    series = {"file": file, "time": "t", "time_zone": "UTC", "unit": "$/MWh", "fill": fill}
    if isinstance(expected, str):
        assert expected in only_message(lambda: run(us5, "2022-01-01", 6, series))
        assert prices(run(us5, "2022-01-01", 2, series)).tolist() == [0.01, 0.02]  # the run does not meet it
        return
    found = prices(run(us5, "2022-01-01", 6, series)) * 1000
    assert found[2:5] == pytest.approx(expected, abs=1e-12)


HEAD = "t,dallas\n2022-01-01 00:00,10\n2022-01-01 01:00,20\n"
FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no number": (HEAD + "2022-01-01 02:00,x\n", ZONED, "prices.csv:4: electricity.series: column 'dallas': must be"),
    "infinite": (HEAD + "2022-01-01 02:00,inf\n", ZONED, ":4: electricity.series: column 'dallas': must be finite"),
    "huge": (HEAD + "2022-01-01 02:00,1e15\n", ZONED, ":4: electricity.series: column 'dallas': must be at most"),
    "no time": (HEAD + "soon,1\n", ZONED, ":4: electricity.series: time must be an ISO 8601 time such as 2026"),
    "day and month": (HEAD + "01/02/2022 00:00,1\n", ZONED, ":4: electricity.series: time must be an ISO 8601 time"),
    "no zone": (HEAD, {"time": "t"}, ":2: electricity.series: time 2022-01-01 00:00:00 has no zone: give"),
    "some offsets": (HEAD + "2022-01-01 02:00Z,1\n", ZONED, ":4: electricity.series: time '2022-01-01 02:00Z' has"),
    "twice": (HEAD + "2022-01-01 01:00,21\n", ZONED, ": repeats time 2022-01-01 01:00, first on line 3,"),
    "too close": (
        HEAD + "2022-01-01 02:00,2\n2022-01-01 02:10,2\n", ZONED,
        "2022-01-01 02:10 only 10 min after 2022-01-01 02:00 UTC, where its rows are 1 h apart",
    ),
    "one row": ("t,dallas\n2022-01-01 00:00,10\n", ZONED, "has one time only, which does not tell how long it lasts"),
    "long row": (HEAD + "2022-01-01 02:00,1,2\n", ZONED, ":4: electricity.series: has 3 cells where the header has 2"),
    "short row": (HEAD + "2022-01-01 02:00\n", ZONED, ":4: electricity.series: has 1 cells where the header has 2"),
    "open quote": (HEAD + '"2022', ZONED, "is no valid CSV"),
    "header only": ("t,dallas\n", ZONED, "has a header but no rows"),
    "no column of times": (HEAD, {**ZONED, "time": "when"}, "electricity.series.time: unknown column 'when'; known"),
    "unknown unit": (HEAD, {**ZONED, "unit": "$/GJ"}, "electricity.series.unit: unknown unit '$/GJ'"),
    "euros": (HEAD, {**ZONED, "unit": "EUR/MWh"}, "unit EUR/MWh is in EUR, and a scenario's money is $: give `rate`"),
    "unknown key": (HEAD, {**ZONED, "zone": "UTC"}, "electricity.series.zone: unknown field 'zone'; known"),
    "unknown zone": (HEAD, {**ZONED, "time_zone": "Mars"}, "electricity.series.time_zone: unknown time zone 'Mars'"),
    "wrong stamp": (HEAD, {**ZONED, "stamp": "middle"}, "electricity.series.stamp: must be 'begin' or 'end'"),
    "map of nothing": (HEAD, {**ZONED, "map": {"x": "dallas"}}, "electricity.series.map: unknown name of the"),
    "unknown node": (HEAD, {**ZONED, "map": {"dallas": "mars"}}, ": prices.csv: unknown node 'mars'"),
    "no such rows": (HEAD, {**ZONED, "where": {"dallas": 5}}, "electricity.series.where.dallas: no row has dallas 5"),
    "mixed decimals": (
        "t;dallas\n2022-01-01 00:00;1,5\n2022-01-01 01:00;1.5\n", ZONED,
        ":2: electricity.series: column 'dallas': has a decimal comma; write 1.5",
    ),
    "lost hour": (
        "t,dallas\n" + "".join(f"2022-03-13 0{hour}:00,1\n" for hour in range(5)), {**ZONED, **CHICAGO},
        ":4: electricity.series: time 2022-03-13 02:00:00 does not exist in America/Chicago, where clocks go forward",
    ),
    "hour that comes twice": (
        "t,dallas\n" + "".join(f"2022-11-06 0{hour}:00,1\n" for hour in range(5)), {**ZONED, **CHICAGO},
        ":3: electricity.series: time 2022-11-06 01:00:00 comes twice in America/Chicago (clocks go back)",
    ),
    "unordered rows of an hour that comes twice": (
        "t,dallas\n" + "".join(f"2022-11-06 0{hour}:00,1\n" for hour in (1, 4, 0, 3, 1, 2)),
        {**ZONED, **CHICAGO}, "(clocks go back), and rows are unordered; give times in UTC",
    ),
    "a gap of centuries": (
        "t,dallas\n" + "".join(f"2022-01-01 00:00:0{n},1\n" for n in range(9)) + "2261-01-01 00:00,1\n",
        ZONED, "cut the file",
    ),
    "beyond what is counted": (HEAD + "2400-01-01 02:00,1\n", ZONED, "has times before 1678 or after 2261"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_bad_input_is_refused_in_one_line_by_file_row_and_column(
    us5: Scenario, kind: str, tmp_path: Path
) -> None:
    text, how, words = FAULTS[kind]
    (tmp_path / "prices.csv").write_text(text)
    series = {"file": str(tmp_path / "prices.csv"), **how}
    assert words in only_message(lambda: run(us5, "2022-01-01", 2, series))


def test_a_unit_that_was_probably_not_meant_is_named(us5: Scenario) -> None:
    frame = pd.DataFrame({"dallas": [45.0, 55.0]}, pd.RangeIndex(2, name="period"))
    with pytest.warns(
        UserWarning, match=r"mean size is 50 \$/kWh, beyond what an .* usually is; is it \$/MWh"
    ):
        us5.override({"periods": 2, SERIES: frame})
    rates = pd.DataFrame({"period": [0, 1], "node": "dallas", "chat": [2e6, 3e6]})
    with pytest.warns(UserWarning, match=r"beyond what a demand usually is; is it tok/s"):
        us5.override({"periods": 2, "demand.series": rates, "demand.scale": 1e-6})


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='0123456789,;.:-TZ \n"#tdallas\x00é', max_size=80), st.booleans())
def test_no_text_brings_anything_but_a_series_or_a_refusal(us5: Scenario, text: str, headed: bool) -> None:
    text = ("time,dallas\n" if headed else "") + text + "\n"
    places: set[str] = set()
    try:
        found = us5.override({"start": "2022-01-01", "periods": 1, SERIES: text})
    except tf.InputError as error:
        places = {fault.place.partition("[")[0] for fault in error.faults}
    assert places == {SERIES} if places else isinstance(found.electricity.series, PeriodSeries)


HOURS = pd.date_range("2026-03-08", periods=24, freq="h")
UTC = {"time_zone": "UTC", "time": "t"}


def a_day(us5: Scenario, series: Any) -> Scenario:
    return us5.override({"start": "2026-03-08", "periods": 24, SERIES: series})


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("%d/%m/%Y %H:%M", "none of which is ISO 8601; give `time_format`, e.g. %d/%m/%Y %H:%M or"),
        ("%s", "give `time_format`: unix for seconds since 1970"),
        ("noon", "holds no time that is ISO 8601 in any of 24 rows; found 'noon'"),
    ],
)
def test_one_reason_for_all_times_is_one_fault(us5: Scenario, form: str, words: str) -> None:
    stamps = HOURS.as_unit("s").asi8 if form == "%s" else HOURS.strftime(form)
    text = pd.DataFrame({"t": stamps, "dallas": 0.1}).to_csv(index=False)
    assert words in only_message(lambda: a_day(us5, {"file": text, **UTC}))


def test_counts_of_seconds_are_read_as_the_times_they_are(us5: Scenario) -> None:
    prices_of = np.arange(24) / 100
    counts = pd.DataFrame({"t": HOURS.as_unit("s").asi8, "dallas": prices_of})
    found = a_day(us5, {"file": counts, "time": "t", "time_format": "unix"})
    assert (
        found.electricity.series == a_day(us5, pd.Series(prices_of, HOURS, name="dallas")).electricity.series
    )
    late = {"file": counts.assign(t=counts["t"] * 1000), "time": "t", "time_format": "unix"}
    assert "divide milliseconds by 1000" in only_message(lambda: a_day(us5, late))


def test_one_fault_each_for_wrong_tables_and_frames(us5: Scenario) -> None:
    frame = pd.DataFrame({"dallas": 0.1, "chicago": np.arange(24) / 100}, HOURS)
    long = frame.rename_axis("t").stack().rename_axis(["t", "zone"]).rename("price").reset_index()
    twice = pd.concat([frame, frame.iloc[3:4] * [1, 2]])
    hello = "t,dallas\n2026-03-08T00:00Z,.1\nhello,.2\n2026-03-08T02:00Z,.1\n"
    told = {
        "the file is long: give a mapping with `node` and `value`, e.g. {file: ..., node: zone": {
            "file": long.to_csv(index=False), **UTC,
        },
        "repeats time 2026-03-08 03:00:00, with another number in column 'chicago'": twice,
        "needs the name of a node, as the name of the Series": pd.Series(0.1, HOURS),
        "give one of its variables, e.g. ds['p']": xr.Dataset({"p": ("time", [1.0])}),
        "must be a time, as in other rows; found 'hello'": {"file": hello, "time": "t"},
        "without marks between thousands": {"file": "t;dallas\n2026-03-08;1.234,5\n2026-03-09;1\n", **UTC},
        "fills nothing": {"file": frame.assign(dallas=[np.nan] * 3 + [0.1] * 21), "fill": "interpolate"},
    }  # fmt: skip
    for words, series in told.items():
        assert words in only_message(lambda series=series: a_day(us5, series))  # type: ignore[misc]
    assert a_day(us5, frame.to_period("h")).electricity.series == a_day(us5, frame).electricity.series


def test_gaps_span_and_names_are_told_with_the_file(us5_folder: Path) -> None:
    (us5_folder / "p.csv").write_text("time,mars\n2026-03-08T00:00Z,.1\n2026-03-08T01:00Z,.1\n")
    with pytest.raises(tf.InputError) as caught:
        tf.load_scenario(us5_folder, {"start": "2026-03-08", SERIES: str(us5_folder / "p.csv")})
    told = str(caught.value)
    assert "p.csv: unknown node 'mars'" in told
    assert "p.csv covers 2026-03-08 00:00" in told
