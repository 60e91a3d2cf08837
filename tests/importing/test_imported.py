"""What every importer returns, and how it is written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from tokenflow_sim.errors import ResultError
from tokenflow_sim.importing import Imported, Summary
from tokenflow_sim.importing.imported import comment, quoted

FRAME = pd.DataFrame(
    {"a": [0.1, 1 / 3], "b": [-2.0, None]},
    index=pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC", name="time"),
)


def imported(**changes: object) -> Imported:
    parts = {
        "name": "prices",
        "tables": {"prices.csv": FRAME},
        "lines": "electricity:\n  series: {table} # assumed\n",
        "summary": Summary("two prices", {"rows read": "2", "gaps": ["one", "two"], "dropped": ""}),
    }
    return Imported(**{**parts, **changes})  # type: ignore[arg-type]


def test_a_summary_sets_its_headings_in_a_column_and_leaves_out_what_is_empty() -> None:
    assert str(imported().summary).splitlines() == [
        "two prices",
        "  rows read  2",
        "  gaps       one",
        "             two",
    ]


def test_a_folder_holds_the_table_and_the_lines(tmp_path: Path) -> None:
    paths = imported().write(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["prices.csv", "prices.yaml"]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    back = pd.read_csv(paths[0], index_col="time", parse_dates=True)
    pd.testing.assert_frame_equal(back, FRAME, check_exact=True, check_freq=False)
    assert yaml.safe_load(paths[1].read_text()) == {"electricity": {"series": "prices.csv"}}


@pytest.mark.parametrize("name", ["mine.csv", "mine, all.parquet"])
def test_a_file_of_ones_own_name_stands_in_the_lines(tmp_path: Path, name: str) -> None:
    table, lines = imported().write(tmp_path / name)
    assert yaml.safe_load(lines.read_text())["electricity"]["series"] == table.name == name
    assert lines.suffix == ".yaml"
    if table.suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(table), FRAME, check_freq=False)


def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("mine")
    with pytest.raises(ResultError, match=r"prices\.yaml exists already.*--force"):
        imported().write(tmp_path)
    assert (tmp_path / "prices.yaml").read_text() == "mine"
    assert not (tmp_path / "prices.csv").exists()
    imported().write(tmp_path, force=True)
    assert "electricity" in (tmp_path / "prices.yaml").read_text()


def test_several_tables_and_whole_scenarios_need_a_folder(tmp_path: Path) -> None:
    several = imported(tables={"nodes.csv": FRAME, "arcs.csv": FRAME.reset_index(drop=True)}, whole=True)
    with pytest.raises(
        ResultError, match=r"several files \(nodes\.csv, arcs\.csv, scenario\.yaml\); name a folder"
    ):
        several.write(tmp_path / "all.csv")
    assert [path.name for path in several.write(tmp_path)] == ["nodes.csv", "arcs.csv", "scenario.yaml"]
    assert (tmp_path / "arcs.csv").read_text().startswith("a,b\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match=r"its folder is a file|a file stands where"):
        imported().write(tmp_path / "file" / "sub")


@pytest.mark.parametrize(
    "text", ["plain", "a, b", "x: y", "tail ", "12", "no", "", "a #b", "Zürich", "'q'", "[x", "*a"]
)
def test_quoted_is_read_back_as_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"key: {quoted(text)}") == {"key": text}
    assert yaml.safe_load(f"{{key: {quoted(text)}}}") == {"key": text}


def test_comments_stay_comments_however_long() -> None:
    lines = comment("word " * 60 + "\nnext", indent=2).splitlines()
    assert len(lines) > 2
    assert all(line.startswith("  # ") and len(line) <= 100 for line in lines)


@pytest.mark.parametrize("name", ["top_B4.json", "a.gml", "b.XML"])
def test_a_folder_called_like_a_file_is_refused_by_its_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultError, match=rf"ends in \.{name.rpartition('.')[2]}, as a file of another form"):
        imported().targets(tmp_path / name)
    (tmp_path / name).mkdir()
    assert imported().targets(tmp_path / name)[0] == tmp_path / name / "prices.csv"
