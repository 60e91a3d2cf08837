"""Series of other tools' files and objects: numbers as pandas computes them apart."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.importing.real import held
from tests.scenario.series_given import CHICAGO, SERIES, ZONED, only_message, prices, run, text_of
from tokenflow_sim.scenario import Scenario


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]
)
@pytest.mark.parametrize("minutes", [5, 15, 60])
@pytest.mark.parametrize("stamp", ["begin", "end"])
def test_a_year_of_local_times_is_averaged_as_pandas_does(
    us5: Scenario, zone: str, minutes: int, stamp: str
) -> None:
    if minutes == 60 and zone == "Australia/Lord_Howe":
        minutes = 30  # clocks change by half an hour there
    for begin in (
        "2022-03-10",
        "2022-10-01",
        "2022-10-28",
        "2022-04-01",
    ):  # days around every change of clocks
        index = pd.date_range(
            begin, periods=12 * 24 * 60 // minutes, freq=f"{minutes}min", tz="UTC"
        ).tz_convert(zone)
        values = np.random.default_rng(minutes).uniform(20, 90, len(index))
        shift = pd.Timedelta(minutes=minutes if stamp == "end" else 0)
        series = {
            "file": text_of((index + shift).tz_localize(None), values),
            "time": "t", "stamp": stamp, "time_zone": zone, "unit": "$/MWh",
        }  # fmt: skip
        found = prices(run(us5, begin, 12 * 24, series))
        expected = pd.Series(values / 1000, index).resample("h", origin="start").mean().to_numpy()
        assert np.abs(found - expected).max() < 1e-12


def test_coarser_data_is_held_and_finer_averaged_over_any_period(us5: Scenario) -> None:
    index = pd.date_range("2022-01-01", periods=8, freq="6h")
    frame = pd.DataFrame({"dallas": np.arange(8) / 100}, index)
    held = run(us5, "2022-01-01 03:00", 9, frame)
    assert prices(held).tolist() == [0, 0, 0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
    assert held.electricity.series is not None
    assert held.electricity.series.alignment(1.0) == "steps of 6 h held over periods of 1 h"
    mixed = run(us5, "2022-01-01", 4, frame, hours=10)
    hourly = (
        frame["dallas"]
        .resample("h")
        .ffill()
        .reindex(pd.date_range("2022-01-01", periods=40, freq="h"))
        .ffill()
    )
    assert np.abs(prices(mixed) - hourly.to_numpy().reshape(4, 10).mean(axis=1)).max() < 1e-15


def test_another_start_needs_no_reading_anew(us5: Scenario, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    index = pd.date_range("2022-01-01", periods=100, freq="h")
    file.write_text(text_of(index, np.arange(100) / 1000).replace("t,", "time,").replace(":00,", ":00Z,"))
    scenario = run(us5, "2022-01-01", 10, str(file))
    file.unlink()
    later = scenario.override({"start": "2022-01-02 12:00"})
    assert prices(later).tolist() == (np.arange(36, 46) / 1000).tolist()
    assert Scenario.from_yaml(later.to_yaml()) == later
    assert pickle.loads(pickle.dumps(later)) == later
    beyond = only_message(lambda: scenario.override({"start": "2022-01-05"}))
    assert "covers 2022-01-01 00:00 to 2022-01-05 04:00 UTC, where the run takes" in beyond
    assert "4 periods of 1 h from there fit" in beyond
    assert "write start: 2022-01-01 00:00" in only_message(lambda: scenario.override({"start": None}))
    with pytest.raises(tf.InputError, match="holds times, not periods"):
        scenario.override({"electricity.series[0].dallas": 1})


def test_long_and_wide_files_of_every_kind_agree(us5: Scenario, tmp_path: Path) -> None:
    index = pd.date_range("2022-01-01", periods=48, freq="h", name="time")
    values = np.random.default_rng(0).uniform(0.01, 0.1, (48, 2))
    wide = pd.DataFrame(values, index, ["dallas", "seattle"])
    long = wide.rename_axis(columns="node").stack().rename("price").reset_index()
    array = xr.DataArray(
        values * 1000, {"time": index, "node": ["dallas", "seattle"]}, ("time", "node"), name="lmp"
    )
    array.attrs["units"] = "$/MWh"
    pytest.importorskip("pyarrow")
    wide.to_parquet(tmp_path / "wide.parquet")
    long.sample(frac=1, random_state=0).to_parquet(tmp_path / "long.parquet")
    array.to_netcdf(tmp_path / "a.nc")
    wide.tz_localize("UTC").to_csv(tmp_path / "wide.csv")
    long.sample(frac=1, random_state=1).to_csv(tmp_path / "long.csv", index=False)
    one = wide.stack()
    one.index.names = ["time", "node"]
    for series in (
        wide, long, array, one, wide.reset_index(), str(tmp_path / "wide.parquet"), tmp_path / "long.parquet",
        str(tmp_path / "a.nc"), str(tmp_path / "wide.csv"), wide.sample(frac=1, random_state=2),
        {"file": str(tmp_path / "long.csv"), "time": "time", "time_zone": "UTC", "value": "price"},
        {"file": wide * 1000, "unit": "$/MWh"},
    ):  # fmt: skip
        scenario = run(us5, "2022-01-01", 48, series)
        assert np.abs(prices(scenario) - wide["dallas"].to_numpy()).max() < 1e-15
        assert np.abs(prices(scenario, "seattle") - wide["seattle"].to_numpy()).max() < 1e-15


def test_demand_by_node_and_class(us5: Scenario) -> None:
    index = pd.date_range("2022-01-01", periods=4, freq="h", name="time")
    values = np.arange(16.0).reshape(4, 2, 2) + 1
    labels = {"time": index, "node": ["dallas", "seattle"], "workload": ["chat", "code"]}
    array = xr.DataArray(values * 1e6, labels, ("time", "node", "workload"), attrs={"units": "tok/s"})
    long = array.rename("rate").to_series().reset_index()
    split = long.pivot(index=["time", "node"], columns="workload", values="rate").reset_index()
    wide = pd.DataFrame({"a": values[:, 0, 0], "b": values[:, 1, 1]}, index)
    mapping = {"a": {"node": "dallas", "workload": "chat"}, "b": {"node": "seattle", "workload": "code"}}
    changes = {"start": "2022-01-01", "periods": 4, "demand.scale": 1}
    for series in (array, {"file": long, "unit": "tok/s"}, {"file": split, "unit": "tok/s"}):
        demand = us5.override({**changes, "demand.series": series}).compiled.state(1).demand
        assert demand[[1, 4]][:, [0, 2]].tolist() == values[1].tolist()
    found = us5.override({**changes, "demand.series": {"file": wide, "map": mapping}})
    assert found.compiled.state(3).demand[[1, 4]][:, [0, 2]].tolist() == [[13, 0], [0, 16]]
    assert found == us5.override(changes).with_series(demand={"file": wide, "map": mapping})
    assert "needs a node and a class" in only_message(
        lambda: us5.override({**changes, "demand.series": wide[["a"]]})
    )


def test_semicolons_commas_bom_comments_order_and_repeated_rows_are_read(us5: Scenario) -> None:
    plain = text_of(pd.date_range("2022-01-01", periods=3, freq="h"), [10.5, 20.5, 30.5])
    expected = [0.0105, 0.0205, 0.0305]
    odd = "\ufeff# by hand\nt;dallas\n\n2022-01-01 01:00;20,5\n2022-01-01 00:00;10,5\n2022-01-01 02:00;30,5\n"
    for text in (
        plain,
        odd,
        odd.replace(";", "\t"),
        plain + "2022-01-01 02:00,30.5\n",
        plain.replace("\n", "\r\n"),
    ):
        found = run(us5, "2022-01-01", 3, {"file": text, **ZONED})
        assert prices(found) == pytest.approx(expected, abs=1e-15)
    assert found.electricity.series is not None
    notes = run(us5, "2022-01-01", 3, {"file": odd, **ZONED}).electricity.series
    assert notes is not None
    assert {"decimal commas in dallas", "rows put in order of time"} < set(notes.notes)


def test_midnight_of_hour_ending_files(us5: Scenario) -> None:
    text = "t,dallas\n2022-01-01 23:00,10\n2022-01-01 24:00,20\n2022-01-02 01:00,30\n"
    found = run(us5, "2022-01-01 22:00", 3, {"file": text, "stamp": "end", **ZONED})
    assert prices(found) == pytest.approx([0.01, 0.02, 0.03])
    spring = "t,dallas\n2022-03-13 01:00,10\n2022-03-13 02:00,20\n2022-03-13 04:00,40\n2022-03-13 05:00,50\n"
    zone = {**ZONED, **CHICAGO}
    found = run(us5, "2022-03-13 06:00", 4, {"file": spring, "stamp": "end", **zone})
    assert prices(found) == pytest.approx([0.01, 0.02, 0.04, 0.05])  # the hour from 1 ends as clocks go to 3


def test_resolutions_that_change_within_a_file(us5: Scenario) -> None:
    hourly = pd.date_range("2022-01-01", periods=24, freq="h")
    quarters = pd.date_range("2022-01-02", periods=400, freq="15min")
    index = hourly.append(quarters)
    frame = pd.DataFrame({"dallas": np.random.default_rng(1).uniform(0.01, 0.1, len(index))}, index)
    expected = frame["dallas"].resample("h").mean().to_numpy()
    assert np.abs(prices(run(us5, "2022-01-01", 100, frame)) - expected[:100]).max() < 1e-15
    monthly = pd.Series(range(12), pd.date_range("2022-01-01", periods=12, freq="MS"), name="dallas") / 100
    found = prices(run(us5, "2022-01-01", 365, monthly, hours=24))
    assert (
        found.tolist()
        == (monthly.resample("D").ffill().reindex(pd.date_range("2022-01-01", periods=365)).ffill()).tolist()
    )


def test_paths_on_the_command_line_and_in_files(
    us5: Scenario, us5_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "period,dallas\n0,0.1\n1,0.2\n"
    (tmp_path / "prices.csv").write_text(table)
    monkeypatch.chdir(tmp_path)
    for path in ("prices.csv", str(tmp_path / "prices.csv"), tmp_path / "prices.csv"):
        assert prices(us5.override({"periods": 2, SERIES: path})).tolist() == [0.1, 0.2]
    mapping = "{file: prices.csv, unit: $/MWh}"
    with pytest.warns(UserWarning, match="is it"):
        assert prices(us5.override({"periods": 2, SERIES: mapping})).tolist() == [1e-4, 2e-4]
    yaml = us5_folder / "scenario.yaml"
    text = yaml.read_text()
    for path in ("../prices.csv", str(tmp_path / "prices.csv")):
        for series in (path, f"{{ file: {path} }}"):
            yaml.write_text(text + f"electricity: {{ series: {series} }}\n")
            with pytest.raises(tf.InputError, match="leaves the scenario's folder") as caught:
                tf.load_scenario(us5_folder)
            assert len(caught.value.faults) == 1
    assert "does not exist; tables there: prices.csv" in only_message(
        lambda: us5.override({SERIES: "price.csv"})
    )


def test_prices_that_a_series_replaces_give_way(us5: Scenario) -> None:
    frame = pd.DataFrame(0.1, pd.RangeIndex(168, name="period"), ["dallas"])
    found = us5.with_series(electricity=frame)
    assert found.nodes["dallas"].electricity_price is None
    assert found.nodes["seattle"] == us5.nodes["seattle"]
    both = {SERIES: frame, "nodes.dallas.electricity_price": 0.2}
    assert "is given here and in electricity.series" in only_message(lambda: us5.override(both))
    with pytest.raises(tf.InputError, match="unknown series 'wind'; known"):
        us5.with_series(wind=frame)


def test_tables_of_every_field_may_be_frames(us5: Scenario) -> None:
    nodes = pd.DataFrame([node.model_dump() for node in us5.nodes.values()], index=list(us5.nodes))
    outages = pd.DataFrame(
        {"first": [0, 5], "last": [1, 6], "node": ["dallas", "seattle"], "available": [0.5, np.nan]}
    )
    hours = pd.DataFrame({"chat": np.arange(24.0)})
    assets = pd.DataFrame([{"node": "dallas", "hardware": "fleet", "share": 1.0, "name": "dallas"}])
    arcs = pd.DataFrame({"origin": ["dallas"], "destination": ["seattle"], "capacity": [3.0]})
    workloads = pd.DataFrame([w.model_dump() for w in us5.workloads.values()]).assign(
        workload=list(us5.workloads)
    )
    found = us5.override({
        "nodes": nodes, "outages": outages[outages["first"] >= 0], "demand.hourly": hours, "network.arcs": arcs,
        "providers.dallas_dc.assets": assets, "workloads": workloads,
    })  # fmt: skip
    assert found.nodes == us5.nodes
    assert found.workloads == us5.workloads
    assert found.providers == us5.providers
    assert [outage.available for outage in found.outages] == [0.5, 0.0]
    assert found.demand.hourly["chat"] == tuple(np.arange(24.0))
    assert found.network.arcs["dallas->seattle"].capacity == 3


@pytest.mark.parametrize(
    ("file", "series", "start", "column"),
    [
        ("caiso_AGNEW_1_N003", {"time": "INTERVALSTARTTIME_GMT", "node": "NODE_ID"}, "2022-03-05 08:00", "MW"),
        ("caiso_ALAMITOS_2_N001", {"time": "INTERVALENDTIME_GMT", "node": "NODE_ID", "stamp": "end"},
         "2022-03-12 08:00", "MW"),
        ("caiso_ALMADEN_6_N001", {"time": "INTERVALSTARTTIME_GMT", "node": "NODE_ID"}, "2022-03-13 00:00", "MW"),
        ("pjm_dom_rt_lmp", {"time": "datetime_beginning_utc", "node": "pnode_name"}, "2018-01-01 06:00", "rt_lmp"),
    ],
)  # fmt: skip
def test_files_that_users_hold(
    us5: Scenario, file: str, series: dict[str, Any], start: str, column: str
) -> None:
    path = held(f"{file}.csv")
    table = pd.read_csv(path)
    name = str(table[series["node"]].iloc[0])
    begin = pd.to_datetime(table["INTERVALSTARTTIME_GMT" if "caiso" in file else series["time"]], utc=True)
    expected = pd.Series(table[column].to_numpy() / 1000, begin)
    given = {
        "file": str(path),
        "value": column,
        "unit": "$/MWh",
        "map": {name: "dallas"},
        **series,
    }
    found = prices(run(us5, start, 24, given))
    assert np.abs(found - expected.loc[pd.Timestamp(start, tz="UTC") :].iloc[:24].to_numpy()).max() < 1e-12


def test_a_sweep_reads_a_table_once_and_names_it(
    us5: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("period,dallas\n0,0.1\n1,0.2\n")
    frame = pd.DataFrame({"dallas": [0.1, 0.3]}, pd.RangeIndex(2, name="period"))
    found = tf.sweep(us5, {SERIES: ["a.csv", frame]}, periods=2, seeds=2)
    first, second = found.dataset[SERIES].values.tolist()
    assert first == "a.csv"
    assert second.startswith("table ")
    cost = found.dataset["total_cost"].sum("period").values
    alone = [tf.TokenMarket(us5, rng=0, overrides={SERIES: s, "periods": 2}) for s in ("a.csv", frame)]
    for model in alone:
        model.run()
    assert cost[:, 0].tolist() == [float(model.results()["total_cost"].sum()) for model in alone]
    with pytest.raises(tf.InputError, match=r"column 'dallas': must be a number; found 'x'"):
        tf.sweep(us5, {SERIES: ["a.csv", "period,dallas\n0,x\n1,1\n"]}, periods=2)


def test_the_summary_says_what_was_read(us5: Scenario) -> None:
    index = pd.date_range("2022-01-01", periods=8, freq="15min")
    frame = pd.DataFrame({"dallas": 40.0, "ashburn": np.arange(8.0)}, index)
    scenario = run(us5, "2022-01-01", 2, {"file": frame, "unit": "$/MWh", "map": {"dallas": "dallas"}})
    assert scenario.series_notes == {
        SERIES: [
            "8 rows in steps of 15 min, 2022-01-01 00:00 to 2022-01-01 02:00 UTC",
            "$/MWh, times 0.001 to $/kWh",
            "steps of 15 min averaged over periods of 1 h",
        ]
    }
    assert "electricity.series from data" in repr(scenario)


def test_a_year_of_a_hundred_nodes_stays_one_array(us5: Scenario) -> None:
    names = [f"n{number}" for number in range(100)]
    index = pd.date_range("2022-01-01", periods=8760, freq="h")
    frame = pd.DataFrame(np.random.default_rng(0).uniform(0.01, 0.1, (8760, 100)), index, names)
    base = next(iter(us5.nodes.values())).model_dump()
    nodes = pd.DataFrame([base] * 100, index=names).drop(columns="electricity_price")
    assets = [{"node": name, "hardware": "fleet", "share": 1.0} for name in names]
    scenario = us5.override({
        "network.max_distance": 0, "network.tier1": None, "start": "2022-01-01", "periods": 8760, "nodes": nodes,
        "providers": {"all": {"assets": assets}}, SERIES: frame,
    })  # fmt: skip
    assert scenario.electricity.series is not None
    assert (scenario.compiled.state(8759).electricity_price == frame.iloc[-1].to_numpy()).all()
    assert len(pickle.dumps(scenario.electricity.series)) < frame.to_numpy().nbytes + 8760 * 8 + 5000
