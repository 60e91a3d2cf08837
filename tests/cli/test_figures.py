from __future__ import annotations

import os
from pathlib import Path

import matplotlib.image
import pytest
import xarray as xr
from PIL import Image

from tests.cli.conftest import Invoke, assert_clean_error


def test_figures_are_drawn_beside_the_run(tokenflow: Invoke, run_file: Path) -> None:
    result = tokenflow("plot", "run.nc", "--only", "prices,settlements,links")
    assert result.exit_code == 0, result.output
    drawn = sorted(os.listdir("run_figures"))
    assert drawn == ["links.png", "prices.png", "settlements.png"]
    assert sorted(result.stdout.split()) == [f"run_figures/{name}" for name in drawn]
    for name in drawn:
        pixels = matplotlib.image.imread(Path("run_figures") / name)
        assert pixels.min() < 0.5 < pixels.max(), "neither blank nor black"


def test_a_film_and_chosen_periods(tokenflow: Invoke, run_file: Path) -> None:
    result = tokenflow("plot", "run.nc", "--only", "prices", "--out", "out", "--animate", "--periods", "0:1")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir("out")) == ["prices.png", "run.gif"]
    with Image.open("out/run.gif") as film:
        assert film.n_frames == 2
    assert "--periods takes FIRST:LAST" in assert_clean_error(tokenflow("plot", "run.nc", "--periods", "3"))
    told = assert_clean_error(tokenflow("plot", "run.nc", "--periods", "900:"))
    assert "no such periods; the run has 0 to" in told


@pytest.mark.parametrize(("format", "head"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_figures_of_one_run_are_the_same_bits(
    tokenflow: Invoke, run_file: Path, format: str, head: bytes
) -> None:
    for folder in ("one", "two"):
        assert (
            tokenflow("plot", run_file, "--only", "prices", "--out", folder, "--format", format).exit_code
            == 0
        )
    names = sorted(os.listdir("one"))
    assert f"prices.{format}" in names
    assert names == sorted(os.listdir("two"))
    for name in names:
        assert Path("one", name).read_bytes().startswith(head)
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_figures_are_kept_without_force_and_replaced_with_it(tokenflow: Invoke, run_file: Path) -> None:
    Path("out").mkdir()
    Path("out/prices.png").write_text("precious")
    told = assert_clean_error(tokenflow("plot", "run.nc", "--out", "out", "--only", "prices"))
    assert "out/prices.png exists already" in told
    assert os.listdir("out") == ["prices.png"]
    assert Path("out/prices.png").read_text() == "precious"
    assert tokenflow("plot", "run.nc", "--out", "out", "--only", "prices", "--force").exit_code == 0
    assert Path("out/prices.png").read_bytes().startswith(b"\x89PNG")
    assert not [name for name in os.listdir("out") if not name.endswith(".png")]


def test_chosen_figures_are_drawn_and_unfit_names_told(tokenflow: Invoke, run_file: Path) -> None:
    assert tokenflow("plot", "run.nc", "--out", "out", "--only", "unserved, profits").exit_code == 0
    assert sorted(os.listdir("out")) == ["profits.png", "unserved.png"]
    told = assert_clean_error(tokenflow("plot", "run.nc", "--only", "price,backlog,price_change"))
    assert "unknown figure 'price'; known figures: decomposition, dispatch," in told
    assert "backlog needs backlog, shed, which these results lack" in told
    assert "price_change needs more than the results of one run: call tokenflow_sim.plot.price_change" in told
    assert not Path("run_figures").exists()


def test_what_is_no_result_is_told(tokenflow: Invoke) -> None:
    Path("text.nc").write_text("no NetCDF at all")
    Path("folder.nc").mkdir()
    xr.Dataset({"price": ("x", [1.0])}).to_netcdf("other.nc")
    assert "text.nc: cannot be read as a result file" in assert_clean_error(tokenflow("plot", "text.nc"))
    assert "not a result of tokenflow_sim" in assert_clean_error(tokenflow("plot", "other.nc"))
    assert "is a folder" in assert_clean_error(tokenflow("plot", "folder.nc"))
    told = assert_clean_error(tokenflow("plot", "absent.nc"))
    assert "absent.nc: does not exist" in told
    assert "other.nc" in told
    assert sorted(os.listdir()) == ["folder.nc", "other.nc", "text.nc"]


def test_a_damaged_result_is_told(tokenflow: Invoke, run_file: Path) -> None:
    whole = run_file.read_bytes()
    run_file.write_bytes(whole[: len(whole) // 2])
    assert "run.nc" in assert_clean_error(tokenflow("plot", "run.nc"))


def test_a_folder_that_cannot_be_made_and_an_unknown_format_are_told(
    tokenflow: Invoke, run_file: Path
) -> None:
    Path("file").write_text("x")
    assert "file/below: cannot be written" in assert_clean_error(
        tokenflow("plot", "run.nc", "--out", "file/below")
    )
    told = assert_clean_error(tokenflow("plot", "run.nc", "--format", "gif"))
    for known in ("png", "pdf", "svg"):
        assert known in told
