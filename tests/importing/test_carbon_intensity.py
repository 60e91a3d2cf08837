"""Files of carbon intensity become a series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tests.importing.real import garbled, real, refused
from tokenflow_sim.importing import carbon

STAND_IN = """timestamp,WND,SUN,avg_CI
2022-01-01 00:00:00+00:00,3130.0,1367.0,222.29592090536002
2022-01-01 01:00:00+00:00,,,
2022-01-01 02:00:00+00:00,2657.0,0.0,271.89088207780776
"""
MAPS = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO\u2082eq/kWh (direct),"
    "Carbon intensity gCO\u2082eq/kWh (Life cycle)\n"
    "2024-01-01 00:00:00,Germany,Germany,DE,300.5,350\n2024-01-01 01:00:00,Germany,Germany,DE,310,360\n"
)


def written(folder: Path, text: str) -> Path:
    path = folder / "carbon.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_real_file_equals_what_pandas_reads(tmp_path: Path) -> None:
    path = real("carbon_ciso_2022.csv", tmp_path, STAND_IN)
    imported = carbon(path, map=["california"])
    frame = pd.read_csv(path, index_col="timestamp", parse_dates=True)
    np.testing.assert_allclose(imported.table.california, frame.avg_CI, rtol=1e-12)
    assert imported.table.index.tolist() == frame.index.tolist()
    assert f"{frame.avg_CI.isna().sum()} steps without a value" in str(imported.summary)
    assert yaml.safe_load(imported.yaml)["carbon"]["series"] == {
        "file": "carbon.csv",
        "time": "time",
        "unit": "g/kWh",
    }


def test_two_intensities_are_chosen_from(tmp_path: Path) -> None:
    path = written(tmp_path, MAPS)
    with pytest.raises(
        tf.DataError, match=r"several columns \(.*direct.*Life cycle.*choose by value \(--value\)"
    ):
        carbon(path)
    imported = carbon(path, value="Carbon intensity gCO\u2082eq/kWh (direct)", map={"Germany": "berlin"})
    np.testing.assert_allclose(imported.table.berlin, [300.5, 310], rtol=1e-12)


@pytest.mark.parametrize(("unit", "factor"), [("kg/MWh", 1), ("lb/MWh", 0.45359237), ("kg/kWh", 1000)])
def test_units(tmp_path: Path, unit: str, factor: float) -> None:
    table = carbon(written(tmp_path, STAND_IN), unit=unit).table
    np.testing.assert_allclose(table.iloc[0, 0], 222.29592090536002 * factor, rtol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("222.29", "-222.29", "carbon.csv:2: column 'avg_CI': must not be negative; found -222.296"),
        ("222.29", "x", "carbon.csv:2: column 'avg_CI': must be a number"),
        ("2022-01-01 01:00:00+00:00", "2022-01-01 01:00:00", "carbon.csv:3: column 'timestamp': time"),
        ("avg_CI", "average", "wide"),
    ],
)
def test_bad_input_names_file_row_and_column(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path, STAND_IN.replace(old, new))
    if told == "wide":  # without a column of intensities every column of numbers is a node's
        assert carbon(path).table.shape[1] == 3
        return
    with pytest.raises(tf.DataError) as caught:
        carbon(path)
    assert told in str(caught.value)


def test_garbled_files_are_refused_in_words_or_read(tmp_path: Path) -> None:
    outcomes = {refused(carbon, path) for path in garbled(STAND_IN, tmp_path, 60, seed=4)}
    assert True in outcomes


def test_a_scenario_counts_emissions_by_the_series(tmp_path: Path) -> None:
    path = written(tmp_path, MAPS)
    imported = carbon(path, value="Carbon intensity gCO\u2082eq/kWh (direct)", map={"Germany": "dallas"})
    folder = tmp_path / "carbon"
    imported.write(folder)
    series = yaml.safe_load(imported.yaml)["carbon"]["series"]
    us5 = tf.load_scenario("us5")
    others = {f"nodes.{name}.carbon_intensity": 100 for name in us5.nodes if name != "dallas"}
    model = tf.TokenMarket(
        us5, rng=0, periods=2,
        overrides={"start": "2024-01-01", "carbon.series": {**series, "file": str(folder / "carbon.csv")}, **others},
    )  # fmt: skip
    model.run()
    ds = model.results()
    intensity = np.where(ds.asset_node == "dallas", np.array([[300.5], [310.0]]), 100.0)
    energy = [
        [us5.hardware["fleet"].energy[name] * (us5.nodes[node].pue or 1) for name in ds.workload.values]
        for node in ds.asset_node.values
    ]
    expected = ds.dispatch.values * 3600 * np.array(energy) * intensity[:, :, None] / 1e6
    assert expected.max() > 0
    np.testing.assert_allclose(ds.emissions, expected, rtol=1e-9, atol=1e-15)
