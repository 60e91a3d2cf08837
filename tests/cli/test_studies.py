"""The commands that play many runs."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import tokenflow_sim as tf
from tests.cli.conftest import Invoke, assert_clean_error
from tests.study.tiny import TEXT

SWEEP = ("sweep", "tiny.yaml", "--vary", "demand.scale=1,9", "--seeds", "2", "--periods", "1")


@pytest.fixture
def here(tokenflow: Invoke) -> Invoke:
    """Give the command in a folder that holds the tiny market."""
    Path("tiny.yaml").write_text(TEXT)
    return tokenflow


@pytest.mark.filterwarnings(r"default:\d+ of \d+ runs failed:UserWarning")
def test_a_sweep_shows_its_points_writes_its_runs_and_tells_what_failed(here: Invoke) -> None:
    result = here(*SWEEP, "--out", "s.zarr", "--table", "s.csv")
    assert result.exit_code == 0, result.output
    assert "2 done" in result.stdout
    assert "2 infeasible" in result.stdout
    assert (
        "warning: 2 of 4 runs failed: demand.scale=9 in 2 of 2. The first: demand.scale=9, seed=0"
        in result.stderr
    )
    assert "left out: demand.scale=9; means are over 2 of 2 seeds" in result.stdout
    assert "again: tokenflow run tiny.yaml --seed 1 --set periods=1 --set demand.scale=9" in result.stderr
    found = tf.load_sweep("s.zarr")
    assert found.dataset.attrs["complete"] == 1
    pd.testing.assert_frame_equal(pd.read_csv("s.csv"), found.table, check_dtype=False)
    told = assert_clean_error(here(*SWEEP, "--out", "s.zarr"))
    assert "--resume" in told
    assert "the store of a study, not the file of a run" in assert_clean_error(here("plot", "s.zarr"))
    report = here("report", "s.zarr", "--out", "s.html")
    assert (report.exit_code, report.stderr) == (0, ""), report.output
    Path("s.html").unlink()
    again = here(*SWEEP, "--out", "s.zarr", "--table", "s.csv", "--resume")
    assert again.exit_code == 0, again.output
    assert again.stdout == "all runs were finished before: nothing was left to play\n" + result.stdout
    assert sorted(os.listdir()) == ["s.csv", "s.zarr", "tiny.yaml"]


def test_a_study_file_is_played(here: Invoke) -> None:
    Path("study.yaml").write_text(
        "format: 1\nscenario: tiny.yaml\nperiods: 1\nvary: {market.opex_adder: '0:9:9'}\n"
    )
    result = here("study", "study.yaml")
    assert result.exit_code == 0, result.output
    assert "market.opex_adder" in result.stdout
    assert result.stdout.count("1 done") == 2


def test_sensitivity_shows_indices(here: Invoke) -> None:
    result = here(
        "sensitivity", "tiny.yaml", "--kind", "morris", "--samples", "2", "--periods", "1", "--outputs", "mean_price",
        "--vary", "demand.scale=uniform(1,1.5)", "--vary", "market.opex_adder=uniform(0,36)", "--table", "m.csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if "market.opex_adder" in line)
    assert line.split()[:3] == ["mean_price[chat]", "market.opex_adder", "0.100"]
    assert len(pd.read_csv("m.csv")) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--vary", "x"), "give a path and its values, e.g. --vary demand.scale=1:45:1"),
        (("--vary", "a=1", "--vary", "a=2"), "this path is varied more than once"),
        (
            ("--vary", "demand.scale=1", "--set", "demand.scale=2"),
            "is varied, and given by overrides (--set) too",
        ),
        (("--vary", "market.must_serve=yes,true"), "'yes' and True mean the same"),
        (("--vary", "demand.scal=1,2"), "did you mean 'scale'"),
        (("--vary", "demand.scale=unifor(1,2)"), "did you mean 'uniform'"),
        (("--vary", "demand.scale=uniform(1,2)"), "say how many points to draw"),
        (("--vary", "demand.scale=1,2", "--record", "prize"), "did you mean 'price'"),
        (("--vary", "demand.scale=1,2", "--out", "s.nc"), "give a name that ends in .zarr"),
        (("--vary", "demand.scale=1,2", "--table", "s.txt"), "give a name that ends in .csv"),
        (("--vary", "demand.scale=1,2", "--resume"), "name the output to resume"),
        (("--vary", "demand.scale=1,2", "--resume", "--force", "--out", "a.zarr"), "give one of them"),
        (("--vary", "demand.scale=1,2", "--scheduler", "nonsense://x"), "no scheduler answers there"),
        (("--vary", "demand.scale=1,2", "--resume", "--out", "tiny.zarr"), "is no study of tokenflow_sim"),
    ],
)
def test_bad_input_ends_in_one_message(here: Invoke, words: tuple[str, ...], told: str) -> None:
    Path("tiny.zarr").mkdir()
    Path("tiny.zarr", "letter").touch()
    assert told in assert_clean_error(here("sweep", "tiny.yaml", *words))
    assert sorted(os.listdir()) == ["tiny.yaml", "tiny.zarr"]


def test_run_takes_either_force_or_resume_and_resumes_what_was_begun(here: Invoke) -> None:
    assert "give one of them" in assert_clean_error(here("run", "tiny.yaml", "--force", "--resume"))
    words = ("run", "tiny.yaml", "--periods", "4", "--checkpoint", "2", "--out", "r.nc")
    assert here(*words).exit_code == 0
    assert here(*words, "--resume").exit_code == 0
    assert "of another run" in assert_clean_error(here(*words, "--seed", "9", "--resume"))
    assert sorted(os.listdir()) == ["r.nc", "tiny.yaml"]
