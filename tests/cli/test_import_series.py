"""``tokenflow import prices``, ``carbon``, ``latency`` and ``sites`` hand their options on and say what they took."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.cli.conftest import Invoke

LOCAL = "Datum;de;fr\n31.03.2024 02:00;1,5;-2,25\n31.03.2024 04:00;2;3\n"
MATRIX = "ms,a,b\na,,10\nb,12,\n"
SITES = 'site,where_lat,lon,who,size\n"x","32°30\'00""N",-90,Amazon #confident,5\n'


def test_prices_are_written_with_all_that_was_said_of_them(tokenflow: Invoke) -> None:
    Path("eex.csv").write_text(LOCAL)
    done = tokenflow(
        "import", "prices", "eex.csv", "--format", "generic", "--time", "Datum", "--time-format", "%d.%m.%Y %H:%M",
        "--time-zone", "Europe/Berlin", "--stamp", "end", "--unit", "EUR/MWh", "--rate", "2", "--decimal", "comma",
        "--map", "de=berlin", "--fill", "0", "--out", "made.csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 of 2 places, not asked for: fr" in done.output
    table = pd.read_csv("made.csv", index_col="time")
    assert table.berlin.tolist() == pytest.approx([0.003, 0.004], rel=1e-12)
    assert table.index[0] == "2024-03-31 00:00:00+00:00"
    series = yaml.safe_load(Path("made.yaml").read_text())["electricity"]["series"]
    assert series == {"file": "made.csv", "time": "time", "unit": "$/kWh", "fill": 0.0}


def test_nothing_is_written_without_out_and_nothing_replaced_without_force(tokenflow: Invoke) -> None:
    Path("eex.csv").write_text("time,carbon intensity\n2024-01-01 00:00Z,300\n2024-01-01 01:00Z,200\n")
    words = ["import", "carbon", "eex.csv", "--map", "de"]
    shown = tokenflow(*words)
    assert shown.exit_code == 0, shown.output
    assert "series:" in shown.output
    assert "nothing was written" in shown.output
    assert tokenflow(*words, "--out", "made").exit_code == 0
    again = tokenflow(*words, "--out", "made")
    assert again.exit_code == 2
    assert "exist already" in again.output
    assert tokenflow(*words, "--out", "made", "--force").exit_code == 0
    elsewhere = tokenflow(*words, "--out", "x.txt")
    assert "name a folder, or a file that ends in .csv or .parquet" in elsewhere.output


def test_latency_and_sites(tokenflow: Invoke) -> None:
    Path("ping.csv").write_text(MATRIX)
    Path("sites.csv").write_text(SITES, encoding="utf-8")
    done = tokenflow("import", "latency", "ping.csv", "--rtt", "--capacity", "2", "--out", "made")
    assert done.exit_code == 0, done.output
    assert pd.read_csv("made/latency.csv").latency.tolist() == [5, 6]
    assert yaml.safe_load(Path("made/latency.yaml").read_text())["network"] == {
        "capacity": 2,
        "arcs": "latency.csv",
    }
    done = tokenflow(
        "import", "sites", "sites.csv", "--column", "latitude=where_lat", "--column", "owner=who",
        "--column", "power=size",
        "--hardware", "h100", "--electricity-price", "0.05", "--out", "made",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert pd.read_csv("made/nodes.csv").iloc[0].tolist() == ["x", 32.5, -90.0, 5.0, 0.05]
    assert list(yaml.safe_load(Path("made/sites.yaml").read_text())["providers"]) == ["Amazon"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prices", "none.csv"], "none.csv: there is no such file"),
        (["prices", "x.csv", "--decimal", "dot"], "must be a point or a comma"),
        (["prices", "x.csv", "--fill", "zero"], "must be hold, interpolate or a number"),
        (["prices", "x.csv", "--where", "LMP"], "--where LMP: give a name and a value"),
        (["prices", "x.csv", "--map", "=b"], "--map =b: give the name in the file and the node"),
        (["latency", "x.csv", "--map", "a=b", "--map", "a=c"], "'a' is named more than once"),
        (["sites", "x.csv", "--column", "power=a", "--column", "power=b"], "'power' is given more than once"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tokenflow: Invoke, words: list[str], said: str) -> None:
    done = tokenflow("import", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
