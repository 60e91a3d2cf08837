from __future__ import annotations

import os
from pathlib import Path

import pytest
import xarray as xr
import yaml
from typer.testing import Result

from tests.cli.conftest import Invoke, assert_clean_error


def test_a_run_writes_its_results_and_tells_them(played: tuple[Path, Result]) -> None:
    path, result = played
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    with xr.open_dataset(path) as results:
        assert results.sizes["period"] == 3
        assert results.attrs["seed"] == 7
        scenario = yaml.safe_load(results.attrs["scenario"])
        assert scenario["demand"]["scale"] == 30
        profits = results["profit"].sum("period")
        payment, income = float(results["payment"].sum()), float(results["owner_income"].sum())
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.split()}
    assert "us5: 3 periods of 1 h, seed 7" in result.stdout
    for name in ("chat", "image", "code", "batch"):
        assert lines[name][-1] == "%"
    for name, profit in profits.to_series().items():
        assert lines[str(name)][3] == f"{profit:,.0f}"
    assert f"{payment:,.0f}" in " ".join(lines["demand"])
    assert f"{income:,.0f}" in " ".join(lines["network"])
    assert str(path) in result.stdout
    assert f"tokenflow plot {path} --out {path.parent / 'run_figures'}" in result.stdout


def test_output_away_from_a_terminal_is_plain_and_fits_80_columns(played: tuple[Path, Result]) -> None:
    path, result = played
    assert "\x1b" not in result.output
    tables = [line for line in result.stdout.splitlines() if str(path.parent) not in line]
    assert max(map(len, tables)) <= 80


def test_folders_are_made_and_the_seed_and_numbers_are_taken(tokenflow: Invoke) -> None:
    result = tokenflow("run", "us5", "--periods", "1", "-o", "deep/er/out.nc", "--set", "demand.scale=1e1")
    assert result.exit_code == 0, result.output
    assert os.listdir("deep/er") == ["out.nc"]


def test_without_a_name_the_file_takes_that_of_the_scenario(tokenflow: Invoke) -> None:
    assert tokenflow("run", "us5", "--periods", "1").exit_code == 0
    assert os.listdir() == ["us5.nc"]
    told = assert_clean_error(tokenflow("run", "us5", "--periods", "1"))
    assert "us5.nc exists already" in told


def test_an_existing_file_is_kept_without_force_and_replaced_with_it(tokenflow: Invoke) -> None:
    Path("out.nc").write_text("precious")
    told = assert_clean_error(tokenflow("run", "no_such_scenario", "--out", "out.nc"))
    assert "out.nc exists already" in told, "the check comes before all work"
    assert "--force" in told
    assert Path("out.nc").read_text() == "precious"
    assert tokenflow("run", "us5", "--periods", "1", "--out", "out.nc", "--force").exit_code == 0
    with xr.open_dataset("out.nc") as results:
        assert results.sizes["period"] == 1


def test_a_failed_run_leaves_no_file_and_keeps_what_was_there(tokenflow: Invoke) -> None:
    Path("out.nc").write_text("precious")
    words = ("run", "us5", "--set", "demand.scale=46", "--out", "out.nc", "--force")
    told = assert_clean_error(tokenflow(*words))
    assert "demand that must be served cannot be met" in told
    assert "image: 0.007 Mtok/s short, at " in told
    assert "period 0" in told
    assert os.listdir() == ["out.nc"]
    assert Path("out.nc").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["no_such"],
            "unknown scenario 'no_such'; known scenarios: eu_residency, us20, us20_grid, us20_oligopoly,"
            " us20_oligopoly_v1, us5",
        ),
        (["us5", "--set", "demand.scal=3"], "did you mean 'scale'"),
        (["us5", "--set", "demand.scale=many"], "demand.scale"),
        (["us5", "--set", "demand.scale=-1"], "demand.scale"),
        (
            ["us5", "--set", "providers.dallas_dc.strategy={name: fixed_markup, markup: x}"],
            "must be a number; found 'x'",
        ),
        (["us5", "--set", "providers.atlas.strategy.name=x"], "known providers: ashburn_dc, dallas_dc"),
        (["us5", "--set", "providers.dallas_dc.strategy.name=fixed_markupp"], "known provider strategies: "),
        (["us5", "--set", "providers.dallas_dc.strategy={name: fixed_markup, markdown: 1}"], "markdown"),
        (["us5", "--set", "demand.scale"], "--set demand.scale: give a path and a value"),
        (["us5", "--set", "demand.scale=[1"], "no valid YAML"),
        (["us5", "--set", "periods=3", "--periods", "4"], "periods: is given twice"),
        (["us5", "--out", "out.csv"], "out.csv: results will be NetCDF; give a name that ends in .nc"),
        (["us5", "--out", "folder.nc"], "folder.nc is a folder: give the name of a file"),
        (["us5", "--out", "plain_file/out.nc"], "plain_file: cannot be written"),
        (["us5", "--out", "/proc/here/out.nc"], "/proc/here: cannot be written"),
        (["empty_folder"], "this folder has no scenario.yaml"),
        (["plain_file"], "plain_file"),
    ],
)
def test_bad_input_ends_in_one_message(tokenflow: Invoke, words: list[str], told: str) -> None:
    Path("folder.nc").mkdir()
    Path("empty_folder").mkdir()
    Path("plain_file").write_text("x")
    assert told in assert_clean_error(tokenflow("run", *words))
    assert sorted(os.listdir()) == ["empty_folder", "folder.nc", "plain_file"]


def test_several_wrong_overrides_are_told_at_once(tokenflow: Invoke) -> None:
    words = ["--set", "demand.scale=-1", "--set", "market.bandwith=none", "--set", "hours=0"]
    words += ["--set", "providers.dallas_dc.strategy.name=fixed_markupp"]
    told = assert_clean_error(tokenflow("run", "us5", *words))
    for place in ("demand.scale", "market.bandwith", "hours", "providers.dallas_dc.strategy.name"):
        assert place in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--periods", "0"], "must be at least 1; found '0'"),
        (["--periods", "x"], "must be a whole number; found 'x'"),
        (["--seed", "-1"], "must be at least 0; found '-1'"),
        (["--outt", "x"], "--out"),
    ],
)
def test_bad_options_are_usage_errors(tokenflow: Invoke, words: list[str], said: str) -> None:
    told = assert_clean_error(tokenflow("run", "us5", *words))
    assert words[0] in told
    assert said in told


STRATEGY = """
import tokenflow_sim as tf

class Dear(tf.Strategy):
    '''Offer at ten times the cost.'''
    def offer(self, view):
        return tf.Offer(price=10 * view.cost, quantity=view.capacity)

class Broken(tf.Strategy):
    '''Divide by zero.'''
    def offer(self, view):
        return 1 / 0
"""


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_scenario_runs_code_only_where_it_is_allowed(tokenflow: Invoke, command: str) -> None:
    Path("own_strategies.py").write_text(STRATEGY)
    words = (
        command,
        "us5",
        "--periods",
        "1",
        "--set",
        "providers.dallas_dc.strategy.name=own_strategies:Dear",
    )
    assert "--allow-code" in assert_clean_error(tokenflow(*words))
    assert tokenflow(*words, "--allow-code").exit_code == 0


def test_an_error_in_the_users_own_code_is_not_called_ours(tokenflow: Invoke) -> None:
    Path("broken_strategies.py").write_text(STRATEGY)
    name = "providers.dallas_dc.strategy.name=broken_strategies:Broken"
    result = tokenflow("run", "us5", "--periods", "1", "--set", name, "--allow-code")
    told = assert_clean_error(result, 2)
    assert "ZeroDivisionError" in told
    assert "dallas_dc" in told
    assert "bug in tokenflow_sim" not in told
    assert "broken_strategies.py" in told
    assert "us5.nc" not in os.listdir()
