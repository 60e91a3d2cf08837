"""Latency matrices become arcs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tests.importing.real import garbled, real, refused
from tokenflow_sim.importing import latency

STAND_IN = """Average latency (ms),Dallas,Toronto,Washington DC
Dallas,,35,32
Toronto,34,,19
Washington DC,31,19,
"""


def written(folder: Path, text: str, name: str = "ping.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_the_real_matrix_equals_what_pandas_reads(tmp_path: Path) -> None:
    path = real("ibm_latency_matrix_rtt.csv", tmp_path, STAND_IN)
    table = latency(path, rtt=True).table
    matrix = pd.read_csv(path, index_col=0)
    assert len(table) == len(matrix) * (len(matrix) - 1)
    for row in table.itertuples():
        assert row.latency == matrix.loc[row.origin, row.destination] / 2


def test_the_arcs_enter_a_scenario(tmp_path: Path) -> None:
    path = real("ibm_latency_matrix_rtt.csv", tmp_path, STAND_IN)
    imported = latency(path, rtt=True, map={"Dallas": "dallas", "Toronto": "toronto"}, capacity=3)
    imported.write(tmp_path / "market")
    base = yaml.safe_load(tf.load_scenario("us5").to_yaml())
    node = {"power_mw": 1, "electricity_price": 0.1, "demand_weight": 1}
    parts = {
        **{key: base[key] for key in ("format", "workloads", "hardware")},
        "name": "two",
        "nodes": {"dallas": node, "toronto": node},
        "providers": {
            "one": {"assets": [{"node": "dallas", "hardware": next(iter(base["hardware"])), "share": 1}]}
        },
    }
    folder = tmp_path / "market"
    (folder / "scenario.yaml").write_text(yaml.safe_dump(parts) + (folder / "latency.yaml").read_text())
    arcs = tf.load_scenario(folder).network.arcs
    assert {(arc.origin, arc.destination): arc.latency for arc in arcs.values()} == {
        ("dallas", "toronto"): 17.5,
        ("toronto", "dallas"): 17.0,
    }
    assert "left out" in imported.yaml
    assert "not asked for" in str(imported.summary)


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1.0), ("us", 1e-3), ("s", 1e3)])
def test_units_and_long_form(tmp_path: Path, unit: str, factor: float) -> None:
    path = written(tmp_path, "from;to;latency\na;b;1,5\nb;a;2,5\na;a;0,5\n")
    table = latency(path, unit=unit).table  # type: ignore[arg-type]
    assert table.latency.tolist() == [1.5 * factor, 2.5 * factor]


def test_a_triangle_serves_both_directions(tmp_path: Path) -> None:
    imported = latency(written(tmp_path, "x,a,b,c\na,0,1,2\nb,,0,\nc,,,0.1\n"))
    pairs = {(row.origin, row.destination): row.latency for row in imported.table.itertuples()}
    assert pairs == {("a", "b"): 1, ("b", "a"): 1, ("a", "c"): 2, ("c", "a"): 2}
    assert "2 blank entries took the latency of the other direction" in imported.yaml
    assert "1 entries of the diagonal" in str(imported.summary)


def test_regions_by_sites_need_not_be_square(tmp_path: Path) -> None:
    table = latency(written(tmp_path, "region,s1,s2\nnorth,1,2\nsouth,3,\n")).table
    assert table.values.tolist() == [["north", "s1", 1], ["north", "s2", 2], ["south", "s1", 3]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    table = latency(written(tmp_path, "ms,Zürich,Bern\nZürich,,1\nBern,2,\n", encoding=encoding)).table
    assert table.origin.tolist() == ["Zürich", "Bern"]


def test_a_hint_where_the_file_speaks_of_round_trips(tmp_path: Path) -> None:
    assert "rtt (--rtt) halves them" in latency(written(tmp_path, STAND_IN, "rtt.csv")).yaml
    assert "rtt (--rtt) halves them" not in latency(written(tmp_path, STAND_IN, "rtt.csv"), rtt=True).yaml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x,a,b\na,,z\nb,1,\n", "ping.csv:2: column 'b': must be a number; found 'z'"),
        ("x,a,b\na,,1\nb,-1,\n", "ping.csv:3: column 'a': a latency must not be negative; found -1"),
        ("x,a,b\na,,1\n\nB,1,\n", "ping.csv:4: column 'x': row 'B' has no column; columns: a, b"),
        ("x,a,b\na,,1\nb,1,\na,,1\n", "ping.csv:4: column 'x': repeats 'a', first on line 2"),
        (
            "x,a,b\na,,1\nb,1\n",
            "ping.csv:3: has 2 cells, where the header has 3 columns; is the file cut short?",
        ),
        ("x,a,a\na,,1\n", "ping.csv:1: column 'a': this column comes twice"),
        ("from,to,ms\na,b,1\na,b,2\n", "ping.csv:3: column 'to': repeats a to b, first on line 2"),
        ("from,to,ms\na,,1\n", "ping.csv:2: column 'to': must be the name of a place; found nothing"),
        ('x,a,b\na,,1\nb,"1,\n', "ping.csv:3: cannot be split into cells"),
        (
            "t,n\n2023-11-16 18:15,3\n2023-11-16 18:16,4\n",
            "'2023-11-16 18:15' is a time or a number. Latencies",
        ),
        ("name,lat,lon\nnorth,1,-2\n", "'lat' is a coordinate. Latencies stand in a matrix"),
        ("name,s1,kind\nnorth,1,x\nsouth,2,y\n", "column 'kind' holds no numbers"),
        ("x,a,b\na,z,1\nb,y,\n", "ping.csv:2: column 'a': holds no numbers in any of 2 rows; found 'z'"),
        ('{"nodes": []}', "ping.csv:1: is JSON, not a table; see `tokenflow import topology`"),
        ('{"a": 1}\n{"a": 2}\n', "ping.csv:1: is JSON Lines, not a table; see `tokenflow import trace`"),
        ("<?xml?>\n<a/>", "ping.csv:1: is XML, not a table"),
        ('Creator "x"\ngraph [\n', "ping.csv:1: is GML, not a table"),
        ("x\na\n", "ping.csv: is neither a matrix with names nor"),
        ("", "ping.csv: is empty"),
        ("x,a,b\n", "ping.csv: has a header (x, a, b) and no rows"),
    ],
)
def test_bad_input_names_file_row_and_column(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(tf.DataError) as caught:
        latency(written(tmp_path, text))
    assert told in str(caught.value)
    assert len(caught.value.faults) == (2 if "row 'B'" in told else 1)


def test_a_place_that_the_file_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        tf.DataError, match="unknown place 'dallas'; known places: Dallas, Toronto, Washington DC"
    ):
        latency(written(tmp_path, STAND_IN), map=["dallas"])


def test_garbled_files_are_refused_in_words_or_read(tmp_path: Path) -> None:
    outcomes = {refused(latency, path) for path in garbled(STAND_IN, tmp_path, 100, seed=1)}
    assert outcomes == {True, False}
