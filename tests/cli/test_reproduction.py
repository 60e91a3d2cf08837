from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim.study
from tests.cli.conftest import Invoke, assert_clean_error
from tokenflow_sim.study import Reproduction
from tokenflow_sim.study.paper.row import Row


@pytest.mark.long
def test_the_paper_is_reproduced_and_written(tokenflow: Invoke) -> None:
    result = tokenflow("reproduce", "--figures", "paper/data", "--out", "paper/table.csv")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert any("123,635" in line and "123,635.32" in line and "matches" in line for line in lines)
    assert any("1,784" in line and "open" in line for line in lines)
    assert "DIFFERS" not in result.stdout
    assert "not derivable" in result.stdout
    table = pd.read_csv("paper/table.csv")
    judged = table["matches"].notna().sum()
    assert f"{judged} of the {judged} numbers that should match do" in result.stdout
    assert sorted(os.listdir("paper/data")) == [
        f"figure{number}.{kind}" for number in (1, 2, 3, 4) for kind in ("nc", "png")
    ]
    with xr.open_dataset("paper/data/figure3.nc") as sweep:
        assert sweep.sizes["demand_scale"] == 45


def test_a_number_that_should_match_and_does_not_ends_in_status_1(
    tokenflow: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        Row("baseline", "cost, $/h", 123_635, 123_635.32, 0, "calibrated"),
        Row("baseline", "mean price, $/Mtok", 41.9, 42.1, 1, "calibrated"),
        Row("settlement", "residual, $/h", 49.71, -1e-12, 2, "not derivable", expected=False),
    )
    monkeypatch.setattr(tokenflow_sim.study, "reproduce", lambda: Reproduction(rows, {}))
    result = tokenflow("reproduce", "--out", "table.csv")
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["cost,", "$/h", "123,635", "123,635.32", "+0.32", "matches", "1"] in lines
    assert ["mean", "price,", "$/Mtok", "41.9", "42.100", "+0.20", "DIFFERS", "1"] in lines
    assert ["residual,", "$/h", "49.71", "0.0000", "-50", "open", "2"] in lines
    assert "1 of the 2 numbers that should match do; 1 more cannot be derived" in result.stdout
    assert "  differs: baseline: mean price, $/Mtok" in result.stdout
    assert "Traceback" not in result.output
    assert len(pd.read_csv("table.csv")) == 3, "the table of what differs is wanted all the more"


def test_existing_files_are_kept_without_force(tokenflow: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenflow_sim.study, "reproduce", lambda: pytest.fail("checked too late"))
    Path("data").mkdir()
    Path("data/figure3.nc").write_text("precious")
    Path("table.csv").write_text("precious")
    told = assert_clean_error(tokenflow("reproduce", "--figures", "data", "--out", "table.csv"))
    assert "figure3.nc, table.csv exist already" in told
    assert Path("data/figure3.nc").read_text() == Path("table.csv").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "table.nc"], "table.nc: the table will be CSV; give a name that ends in .csv"),
        (["--figures", "file/below"], "file/below: cannot be written"),
        (["--out", "file/below/table.csv"], "file/below: cannot be written"),
    ],
)
def test_outputs_that_cannot_be_written_are_told_before_the_work(
    tokenflow: Invoke, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.setattr(tokenflow_sim.study, "reproduce", lambda: pytest.fail("checked too late"))
    Path("file").write_text("x")
    assert told in assert_clean_error(tokenflow("reproduce", *words))
