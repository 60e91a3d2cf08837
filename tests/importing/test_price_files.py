"""Price files of market operators become a series; numbers and times equal what pandas computes apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tests.importing.real import FOLDER, garbled, real, refused
from tokenflow_sim.importing import prices

CAISO = """INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,NODE_ID,LMP_TYPE,MW,GROUP
2022-03-13T09:00:00-00:00,2022-03-13T10:00:00-00:00,2022-03-13,2,A_N1,LMP,-4.5,1
2022-03-13T08:00:00-00:00,2022-03-13T09:00:00-00:00,2022-03-13,1,A_N1,LMP,46.86481,1
2022-03-13T10:00:00-00:00,2022-03-13T11:00:00-00:00,2022-03-13,3,A_N1,LMP,45.9,1
"""
PJM = """datetime_beginning_utc,zone,pnode_name,rt_lmp,rt_congestion,rt_marginal_loss
2018-01-01 05:00:00+00:00,DOM,DOM,306.602971,37.695602,9.017369
2018-01-01 06:00:00+00:00,DOM,DOM,138.354366,21.635826,3.78854
"""
EPEX = """date,Price,Ampirion Load Forecast
2012-12-25 00:00:00,-149.9,16096.25
2012-12-25 01:00:00,-200.0,15247.75
2012-12-25 05:00:00,-199.0,15247.75
"""
ERCOT = "DeliveryDate,HourEnding,SettlementPoint,SettlementPointPrice"
CAISO_FILES = [
    "caiso_AGNEW_1_N003.csv", "caiso_ALAMITOS_2_N001.csv", "caiso_ALMADEN_6_N001.csv", "caiso_ALTA6B2_7_N003.csv",
    "caiso_oasis_neg_and_dst.csv",
]  # fmt: skip


def written(folder: Path, text: str, name: str = "prices.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def utc(*stamps: str) -> list[pd.Timestamp]:
    return [pd.Timestamp(stamp, tz="UTC") for stamp in stamps]


@pytest.mark.parametrize("name", CAISO_FILES)
def test_real_caiso_files(tmp_path: Path, name: str) -> None:
    path = real(name, tmp_path, CAISO)
    table = prices(path).table
    frame = pd.read_csv(path)
    if "LMP_TYPE" in frame:
        frame = frame[frame.LMP_TYPE == "LMP"]
    frame.index = pd.to_datetime(frame.INTERVALSTARTTIME_GMT, utc=True)
    expected = frame.sort_index().MW / 1000
    assert table.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(table.iloc[:, 0], expected, rtol=1e-12)
    assert table.columns[0] == frame.NODE_ID.iloc[0]


def test_several_files_make_one_table(tmp_path: Path) -> None:
    paths = [real(name, tmp_path, CAISO.replace("A_N1", name[6:-4])) for name in CAISO_FILES[:4]]
    imported = prices(paths, map={"AGNEW_1_N003": "bay", "ALTA6B2_7_N003": "tehachapi"})
    assert imported.table.columns.tolist() == ["bay", "tehachapi"]
    assert "2 of 4 places, not asked for" in str(imported.summary)
    if FOLDER.exists():
        assert imported.table.shape == (695, 2)
        assert "none" in str(imported.summary)


def test_the_real_pjm_file(tmp_path: Path) -> None:
    path = real("pjm_dom_rt_lmp.csv", tmp_path, PJM)
    table = prices(path, map=["DOM"]).table
    frame = pd.read_csv(path)
    np.testing.assert_allclose(table.DOM, frame.rt_lmp / 1000, rtol=1e-12)
    assert table.index.tolist() == pd.to_datetime(frame.datetime_beginning_utc, utc=True).tolist()


def test_the_real_german_file_has_local_times_gaps_and_another_currency(tmp_path: Path) -> None:
    path = real("epex_de_negative_hours.csv", tmp_path, EPEX)
    imported = prices(path, unit="EUR/MWh", time_zone="Europe/Berlin", map=["berlin"], fill="hold")
    frame = pd.read_csv(path)
    np.testing.assert_allclose(imported.table.berlin, frame.Price / 1000, rtol=1e-12)
    expected = pd.to_datetime(frame.date).dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC")
    assert imported.table.index.tolist() == expected.tolist()
    series = yaml.safe_load(imported.yaml)["electricity"]["series"]
    assert series == {"file": "prices.csv", "time": "time", "unit": "EUR/kWh", "rate": 1, "fill": "hold"}
    assert "steps without a value" in str(imported.summary)
    in_dollars = prices(path, unit="EUR/MWh", time_zone="Europe/Berlin", rate=1.1)
    np.testing.assert_allclose(in_dollars.table.iloc[:, 0], frame.Price * 1.1 / 1000, rtol=1e-12)
    assert "rate" not in yaml.safe_load(in_dollars.yaml)["electricity"]["series"]
    with pytest.raises(tf.DataError, match="has 2 faults") as both:
        prices(path)
    assert "column 'Price': has no unit: give unit (--unit)" in str(both.value)
    assert "csv:2: column 'date': time 2012-" in str(both.value)
    assert "has no zone: give time_zone (--time-zone)" in str(both.value)


FORMS: dict[str, tuple[str, dict[str, Any], list[str], dict[str, list[float]]]] = {
    "caiso with its parts, of real time": (
        "INTERVALSTARTTIME_GMT,INTERVALENDTIME_GMT,OPR_DT,OPR_HR,OPR_INTERVAL,NODE,MARKET_RUN_ID,LMP_TYPE,VALUE\n"
        "2022-03-13T09:55:00-00:00,2022-03-13T10:00:00-00:00,2022-03-13,2,12,X,RTM,LMP,10\n"
        "2022-03-13T09:55:00-00:00,2022-03-13T10:00:00-00:00,2022-03-13,2,12,X,RTM,MCC,1\n"
        "2022-03-13T10:00:00-00:00,2022-03-13T10:05:00-00:00,2022-03-13,4,1,X,RTM,LMP,20\n",
        {}, ["2022-03-13 09:55", "2022-03-13 10:00"], {"X": [10, 20]},
    ),
    "caiso by day and hour from 1 to 23": (
        "OPR_DT,OPR_HR,NODE,MW\n2022-03-13,23,X,3\n2022-03-13,1,X,1\n2022-03-13,2,X,2\n2022-03-14,1,X,4\n",
        {"fill": "hold"}, ["2022-03-13 08:00", "2022-03-13 09:00", "2022-03-14 06:00", "2022-03-14 07:00"],
        {"X": [1, 2, 3, 4]},
    ),
    "pjm in local time, twice an hour in autumn": (
        "datetime_beginning_ept,pnode_id,pnode_name,total_lmp_da,row_is_current\n"
        "11/6/2022 1:00:00 AM,1,W,1,TRUE\n11/6/2022 1:00:00 AM,1,W,2,TRUE\n11/6/2022 2:00:00 AM,1,W,9,FALSE\n"
        "11/6/2022 2:00:00 AM,1,W,3,TRUE\n",
        {}, ["2022-11-06 05:00", "2022-11-06 06:00", "2022-11-06 07:00"], {"W": [1, 2, 3]},
    ),
    "nyiso day ahead": (
        '"Time Stamp","Name","PTID","LBMP ($/MWHr)","Marginal Cost Losses ($/MWHr)"\n'
        '"03/13/2022 01:00","N.Y.C.",61761,50,1\n"03/13/2022 01:00","WEST",61752,40,1\n'
        '"03/13/2022 03:00","N.Y.C.",61761,51,1\n"03/13/2022 03:00","WEST",61752,41,1\n',
        {"map": {"N.Y.C.": "new_york", "WEST": "west"}}, ["2022-03-13 06:00", "2022-03-13 07:00"],
        {"new_york": [50, 51], "west": [40, 41]},
    ),
    "nyiso real time, stamped at the end": (
        "Time Stamp,Name,PTID,LBMP ($/MWHr)\n01/01/2024 00:05:00,W,1,5\n01/01/2024 00:10:00,W,1,6\n",
        {}, ["2024-01-01 05:00", "2024-01-01 05:05"], {"W": [5, 6]},
    ),
    "ercot day ahead": (
        f"{ERCOT},DSTFlag\n"
        "11/03/2024,01:00,HB,1,N\n11/03/2024,02:00,HB,2,N\n11/03/2024,02:00,HB,3,Y\n"
        '11/03/2024,24:00,HB," 1,004.5",N\n',
        {}, ["2024-11-03 05:00", "2024-11-03 06:00", "2024-11-03 07:00", "2024-11-04 05:00"],
        {"HB": [1, 2, 3, 1004.5]},
    ),
    "ercot real time": (
        "Delivery Date,Delivery Hour,Delivery Interval,Repeated Hour Flag,Settlement Point Name,"
        "Settlement Point Type,Settlement Point Price\n"
        "03/10/2024,2,4,N,LZ,LZ,1\n03/10/2024,2,4,N,LZ,LZEW,7\n03/10/2024,4,1,N,LZ,LZ,2\n",
        {}, ["2024-03-10 07:45", "2024-03-10 08:00"], {"LZ": [1, 2]},
    ),
    "entso-e before 2024": (
        '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|FR"\n'
        '"29.10.2023 02:00 - 29.10.2023 03:00","-1.5","EUR",""\n"29.10.2023 02:00 - 29.10.2023 03:00","2","EUR",""\n'
        '"29.10.2023 03:00 - 29.10.2023 04:00","n/e","EUR",""\n"29.10.2023 04:00 - 29.10.2023 05:00","4","EUR",""\n',
        {"map": {"BZN|FR": "fr"}}, ["2023-10-29 00:00", "2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 03:00"],
        {"fr": [-1.5, 2, np.nan, 4]},
    ),
    "entso-e today, with sequences and marks of summer time": (
        '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Price (EUR/MWh)"\n'
        '"26/10/2025 02:45:00 (CEST) - 26/10/2025 02:00:00 (CET)","BZN|DE-LU","Sequence 1","1",""\n'
        '"26/10/2025 02:00:00 (CET) - 26/10/2025 02:15:00 (CET)","BZN|DE-LU","Sequence 1","2",""\n'
        '"26/10/2025 02:00:00 (CET) - 26/10/2025 02:15:00 (CET)","BZN|DE-LU","Sequence 2","7",""\n',
        {"map": ["BZN|DE-LU"]}, ["2025-10-26 00:45", "2025-10-26 01:00"], {"BZN_DE-LU": [1, 2]},
    ),
    "entso-e, each line in quotes": (
        '"MTU (UTC),""Area"",""Day-ahead Price (EUR/MWh)"""\n'
        '"01/02/2025 00:00:00 - 01/02/2025 01:00:00,""BZN|GR"",""104.05"""\n'
        '"01/02/2025 01:00:00 - 01/02/2025 02:00:00,""BZN|GR"",""90"""\n',
        {"map": {"BZN|GR": "gr"}}, ["2025-02-01 00:00", "2025-02-01 01:00"], {"gr": [104.05, 90]},
    ),
    "gridstatus": (
        "Time,Interval Start,Interval End,Market,Location,Location Type,LMP,Energy\n"
        "x,2022-03-13 01:00:00-08:00,2022-03-13 03:00:00-07:00,DAM,TH_NP15,Hub,-5.25,1\n"
        "x,2022-03-13 03:00:00-07:00,2022-03-13 04:00:00-07:00,DAM,TH_NP15,Hub,6,1\n",
        {}, ["2022-03-13 09:00", "2022-03-13 10:00"], {"TH_NP15": [-5.25, 6]},
    ),
    "gridstatus.io": (
        "interval_start_local,interval_start_utc,location,market,spp\n"
        "2024-01-01T00:00:00-06:00,2024-01-01T06:00:00+00:00,HB,DAM,5\n"
        "2024-01-01T01:00:00-06:00,2024-01-01T07:00:00+00:00,HB,DAM,6\n",
        {}, ["2024-01-01 06:00", "2024-01-01 07:00"], {"HB": [5, 6]},
    ),
    "wide, with semicolons and decimal commas": (
        "Datum;de;fr;Kommentar\n31.03.2024 01:00;1,5;-2,25;gut\n31.03.2024 03:00;;3;gut\n31.03.2024 04:00;2;3;gut\n",
        {"time": "Datum", "time_zone": "Europe/Berlin", "unit": "EUR/MWh"},
        ["2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 02:00"], {"de": [1.5, np.nan, 2], "fr": [-2.25, 3, 3]},
    ),
    "long, stamped at the end, in another unit": (
        "datetime,zone,price (ct/kWh)\n2024-01-01T01:00Z,a,5\n2024-01-01T02:00Z,a,6\n2024-01-01T01:00Z,b,7\n",
        {"stamp": "end", "unit": "ct/kWh"}, ["2024-01-01 00:00", "2024-01-01 01:00"],
        {"a": [50, 60], "b": [70, np.nan]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_found_by_its_columns(tmp_path: Path, name: str) -> None:
    text, options, times, expected = FORMS[name]
    table = prices(written(tmp_path, text), **options).table
    assert table.index.tolist() == utc(*times)
    assert table.columns.tolist() == list(expected)
    for node, numbers in expected.items():
        np.testing.assert_allclose(table[node], np.array(numbers) / 1000, rtol=1e-12)


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("America/New_York", "2022-03-13", 23), ("America/New_York", "2022-11-06", 25)]
)
def test_a_day_of_nyiso_has_23_or_25_hours(tmp_path: Path, zone: str, day: str, hours: int) -> None:
    local = pd.date_range(day, periods=hours, freq="h", tz=zone)
    lines = [f"{stamp:%m/%d/%Y %H:%M},WEST,61752,{number}" for number, stamp in enumerate(local)]
    path = written(tmp_path, "Time Stamp,Name,PTID,LBMP ($/MWHr)\n" + "\n".join(lines) + "\n")
    table = prices(path).table
    assert table.index.tolist() == local.tz_convert("UTC").tolist()
    np.testing.assert_allclose(table.WEST * 1000, range(hours), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (CAISO.replace("45.9,1", "45.x,1"), {}, "prices.csv:4: column 'MW': must be a number; found '45.x'"),
        (CAISO.replace("2022-03-13T08:00:00-00:00,", "noon,", 1), {}, "prices.csv:3: column 'INTERVALSTARTTIME_GMT'"),
        (CAISO + CAISO.splitlines()[2].replace("46.86481", "1") + "\n", {},
         "repeats A_N1 at 2022-03-13 08:00 UTC with 1, where line 3 has 46.8648"),
        (CAISO, {"map": ["B"]}, "unknown place 'B'; known places: A_N1"),
        (CAISO, {"value": "PRICE"}, "value (--value): unknown column 'PRICE'; known columns: INTERVALSTARTTIME_GMT"),
        (CAISO, {"where": {"LMP_TYPE": "MCC"}}, "where (--where): unknown value of LMP_TYPE 'MCC'"),
        (CAISO, {"where": {"TYPE": "MCC"}}, "where (--where): unknown column 'TYPE'"),
        (CAISO, {"unit": "$/kw"}, "unit (--unit): unknown unit"),
        (CAISO, {"format": "iso"}, "unknown price format 'iso'; known price formats: caiso, pjm"),
        (CAISO[:-12], {}, "is the file cut short?"),
        (PJM.replace("rt_congestion", "total_lmp_da"), {},
         "has numbers in several columns (total_lmp_da, rt_lmp): choose by value (--value)"),
        ("when,price\n1,2\n", {},
         "has no column of times that is known; give time (--time); its columns: when, price"),
        ("time,price\n2024-01-01 00:00Z,2\n", {"unit": "$/MWh"}, "has one time only"),
        ("time,price\n01/02/2024 00:00,2\n01/02/2024 01:00,2\n", {"unit": "$/MWh"},
         "may have the day or the month first"),
        ("OPR_DT,OPR_HR,NODE,MW\n2022-03-13,26,X,3\n", {}, "'OPR_HR': must be an hour from 1 to 25; found '26'"),
        (f"{ERCOT},DSTFlag\n03/10/2024,03:00,H,1,N\n", {}, "does not exist in America/Chicago"),
        (f"{ERCOT}\n13/40/2024,03:00,H,1\n", {}, "prices.csv:2: column 'DeliveryDate': must be a day"),
        ('"MTU (IST)","Day-ahead Price [EUR/MWh]"\n"29.10.2023 02:00 - 29.10.2023 03:00","1"\n', {}, "has no column"),
        ("time,price\n2024-01-01 00:00Z,\n2024-01-01 01:00Z,\n", {"unit": "$/MWh"}, "has no price at all"),
    ],
)  # fmt: skip
def test_bad_input_names_file_row_and_column(
    tmp_path: Path, text: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(tf.DataError) as caught:
        prices(written(tmp_path, text), **options)
    assert told in str(caught.value)
    assert "prices.csv" in str(caught.value) or "format" in options


def test_rows_that_differ_name_the_column_by_which_to_choose(tmp_path: Path) -> None:
    text = (
        "Interval Start,Market,Location,LMP\n2024-01-01T00:00Z,DAM,X,1\n2024-01-01T00:00Z,RTM,X,2\n"
        "2024-01-01T01:00Z,DAM,X,3\n"
    )
    with pytest.raises(
        tf.DataError, match=r"they differ in Market: choose by where \(--where 'Market=DAM'\)"
    ):
        prices(written(tmp_path, text))
    table = prices(written(tmp_path, text), where={"Market": "DAM"}).table
    assert (table.X * 1000).tolist() == [1, 3]


def test_rows_that_agree_are_merged_and_units_must(tmp_path: Path) -> None:
    first, second = written(tmp_path, CAISO, "one.csv"), written(tmp_path, CAISO, "two.csv")
    assert "3 rows that repeat others" in str(prices([first, second]).summary)
    other = written(tmp_path, "time,price [EUR/MWh]\n2024-01-01 00:00Z,2\n2024-01-01 01:00Z,2\n", "eur.csv")
    with pytest.raises(tf.DataError, match=r"several units \(\$/MWh, EUR/MWh\)"):
        prices([first, other])


def test_an_implausible_unit_is_doubted(tmp_path: Path) -> None:
    summary = str(prices(written(tmp_path, CAISO), unit="$/kWh").summary)
    assert "check" in summary
    assert "is it $/MWh" in summary


@pytest.mark.parametrize("text", [CAISO, FORMS["ercot real time"][0], FORMS["entso-e before 2024"][0]])
def test_garbled_files_are_refused_in_words_or_read(tmp_path: Path, text: str) -> None:
    assert True in {refused(prices, path) for path in garbled(text, tmp_path, 60, seed=3)}
