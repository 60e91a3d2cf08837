"""Registries of sites become nodes and providers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tests.importing.real import garbled, real, refused
from tokenflow_sim.importing import sites

STAND_IN = """Handle,Latitude,Longitude,Owner,Current power (MW),Current H100 equivalents
Canton,"32°35'25""N","90°05'35""W",Amazon #confident,341,214348.14354550533
Goodnight,"35°01'01""N"," 101°18'43""W",,0,0
Zhangbei,"41°11'6.6732""N","114°42'1.6272""E",Alibaba #likely,339,94402.12538685954
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sites.csv"
    path.write_text(text, encoding="utf-8")
    return path


def angle(text: str) -> float:
    """Convert degrees, minutes and seconds by another way than the package."""
    parts = text.strip().replace("°", " ").replace("'", " ").replace('"', " ").split()
    size = sum(float(part) / 60**power for power, part in enumerate(parts[:3]))
    return size * (-1 if parts[3] in "SW" else 1)


def test_the_real_registry_equals_what_pandas_reads(tmp_path: Path) -> None:
    path = real("epoch_data_centers_columns.csv", tmp_path, STAND_IN)
    table = sites(path).table.set_index("node")
    frame = pd.read_csv(path).set_index("Handle")
    assert table.index.tolist() == frame.index.tolist()
    np.testing.assert_array_equal(table.power_mw, frame["Current power (MW)"])
    np.testing.assert_allclose(table.latitude, frame.Latitude.map(angle), rtol=1e-12)
    np.testing.assert_allclose(table.longitude, frame.Longitude.map(angle), rtol=1e-12)


def test_the_sites_enter_a_scenario_with_their_owners(tmp_path: Path) -> None:
    path = real("epoch_data_centers_columns.csv", tmp_path, STAND_IN)
    sites(path, electricity_price=0.05, hardware="fleet").write(tmp_path / "market")
    folder = tmp_path / "market"
    base = yaml.safe_load(tf.load_scenario("us5").to_yaml())
    parts = {**{key: base[key] for key in ("format", "workloads", "hardware")}, "name": "real"}
    (folder / "scenario.yaml").write_text(
        yaml.safe_dump(parts) + (folder / "sites.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    scenario = tf.load_scenario(folder)
    frame = pd.read_csv(path)
    active = frame[frame["Current power (MW)"] > 0]
    owners = active.Owner.str.replace(r" #\w+", "", regex=True)
    assert {
        name: len(provider.assets) for name, provider in scenario.providers.items()
    } == owners.value_counts().to_dict()
    market = scenario.market(0)
    assert market.arrays.capacity.shape[0] == len(active)


def test_every_assumption_is_a_comment(tmp_path: Path) -> None:
    text = sites(written(tmp_path, STAND_IN)).yaml
    assert "the file has no electricity price" in text
    assert "owner likely; 94402.1 H100 equivalents, 3591 W each" in text
    assert "1 site without power: nodes without an asset" in text
    assert set(yaml.safe_load(text)) == {"nodes", "providers"}


def test_columns_can_be_named_and_power_made_of_accelerators(tmp_path: Path) -> None:
    path = written(tmp_path, "who,site,chips\nA; B,x,1000\n,y.z,2000\n")
    imported = sites(path, columns={"h100": "chips", "owner": "who"}, watts_per_h100=1500)
    assert imported.table.power_mw.tolist() == [1.5, 3.0]
    assert imported.table.node[0] == "x"
    assert list(yaml.safe_load(imported.yaml)["providers"]) == ["A", "unknown owner"]
    assert "x belongs to A, the first of its owners (A; B)" in imported.yaml
    assert "1500 W for each of their H100 equivalents" in imported.yaml


def test_power_over_time_is_a_series(tmp_path: Path) -> None:
    path = written(tmp_path, "name,date,mw\na,2026-01-01,1\na,2026-07-01,5\nb,2026-04-01,2\n")
    imported = sites(path)
    power = imported.tables["power.csv"]
    assert power.index.name == "time"
    assert [f"{power.index[at]:%Y-%m-%d}" for at in (0, 90, -1)] == ["2026-01-01", "2026-04-01", "2026-07-01"]
    assert power.iloc[[0, 89, 90, -2, -1]].to_numpy().tolist() == [[1, 0], [1, 0], [1, 2], [1, 2], [5, 2]]
    assert yaml.safe_load(imported.yaml)["power"] == {
        "series": {"file": "power.csv", "time": "time", "unit": "MW"}
    }
    assert "power_mw" not in imported.table
    imported.write(tmp_path / "market")
    own = """
format: 1
name: growing
start: 2026-03-31
hours: 24
periods: 3
workloads: { chat: { base_demand: 1000, payload: 0.5 } }
hardware: { fleet: { throughput: { chat: 5000 }, energy: { chat: 0.05 } } }
electricity: { series: { file: "period,a,b\\n0,0.05,0.05\\n1,0.05,0.05\\n2,0.05,0.05\\n" } }
"""
    table = imported.table.assign(latitude=0.0, longitude=[0.0, 1.0])
    table.to_csv(tmp_path / "market" / "nodes.csv", index=False)
    lines = (tmp_path / "market" / "sites.yaml").read_text(encoding="utf-8")
    (tmp_path / "market" / "scenario.yaml").write_text(own + lines, encoding="utf-8")
    scenario = tf.load_scenario(tmp_path / "market")
    rates = [scenario.market(period).arrays.capacity[:, 0, 0] for period in range(3)]
    np.testing.assert_allclose(rates, np.array([[1, 0], [1, 2], [1, 2]]) * 5000 / 1e6, rtol=1e-12)


def test_power_usage_effectiveness_leaves_accelerators_their_part(tmp_path: Path) -> None:
    path = written(tmp_path, STAND_IN)
    imported = sites(path, pue=1.25)
    assert imported.table.power_mw.tolist() == [341 / 1.25, 0, 339 / 1.25]
    assert imported.table.pue.tolist() == [1.25] * 3
    assert "over the PUE of 1.25, as given" in imported.yaml
    assert "544 MW of IT power" in str(imported.summary)
    given = sites(
        written(tmp_path, STAND_IN.replace("Current power (MW)", "Current IT power (MW)")), pue=1.25
    )
    assert given.table.power_mw.tolist() == [341, 0, 339]
    with pytest.raises(tf.DataError, match=r"pue \(--pue\): must be a finite number from 1 on; found 0.9"):
        sites(path, pue=0.9)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,mw\na,x\n", "sites.csv:2: column 'mw': must be a number; found 'x'"),
        ("name,mw\na,-1\n", "sites.csv:2: column 'mw': must not be negative; found -1"),
        ("name,mw\na,\n", "sites.csv:2: column 'mw': has no power in MW"),
        ("name,mw,h100e\na,,5\n", "give watts_per_h100 (--watts-per-h100)"),
        ("name,mw\na,1\na,2\n", "sites.csv:3: column 'name': repeats site 'a', first on line 2"),
        ("name,mw,lat\na,1,north\n", "sites.csv:2: column 'lat': must be a latitude"),
        (
            "label,mw\na,1\n",
            "sites.csv: has no column of names; give columns (--column name=COLUMN); its columns: label, mw",
        ),
        ("name,size\na,1\n", "sites.csv: has neither MW nor H100 equivalents"),
        ("name,mw,date\na,1,x\na,2,2026-01-01\n", "sites.csv:2: column 'date': must be a date"),
        ("name,mw\na,0\n", "no site has power"),
    ],
)
def test_bad_input_names_file_row_and_column(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(tf.DataError) as caught:
        sites(written(tmp_path, text))
    assert told in str(caught.value)


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(tf.DataError, match=r"columns \(--column power\): unknown column 'MV'"):
        sites(written(tmp_path, STAND_IN), columns={"power": "MV"})
    with pytest.raises(tf.DataError, match="unknown column of sites 'watts'"):
        sites(written(tmp_path, STAND_IN), columns={"watts": "MV"})


def test_garbled_files_are_refused_in_words_or_read(tmp_path: Path) -> None:
    outcomes = {refused(sites, path) for path in garbled(STAND_IN, tmp_path, 100, seed=1)}
    assert outcomes == {True, False}
