"""Damaged result files are read for what they are, or refused in one clear error."""

from __future__ import annotations

import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.fuzz.hostile import answer
from tests.fuzz.test_overrides import prey
from tests.oracle.effort import effort

FIGURES = ("prices", "settlements", "profits", "unserved")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "sound.nc"
    tf.TokenMarket(prey(), rng=1, periods=2, out=path).run()
    return path


def use(path: Path) -> None:
    """Do with a result file what the command line does."""
    from matplotlib import pyplot

    with tf.load_results(path) as results:
        for name in FIGURES:
            pyplot.close(getattr(tf.plot, name)(results))
        tf.TokenMarket.from_results(results, periods=1)


def test_the_file_itself_is_sound(sound: Path) -> None:
    use(sound)


@effort(20)
@given(data=st.data())
def test_damaged_bytes(sound: Path, data: st.DataObject) -> None:
    content = bytearray(sound.read_bytes())
    how = data.draw(st.sampled_from(("cut", "empty", "text", "head")))
    if how == "cut":
        content = content[: data.draw(st.integers(1, len(content) - 1))]
    elif how == "head":
        content[: data.draw(st.integers(1, 64))] = b"\x00"
    else:
        content = bytearray(b"" if how == "empty" else b"period,price\n0,1\n")
    target = sound.with_name("bytes.nc")
    target.write_bytes(content)
    with pytest.raises(tf.ResultError, match=r"bytes\.nc"):
        tf.load_results(target)


@effort(30)
@given(data=st.data())
def test_damaged_content(sound: Path, data: st.DataObject) -> None:
    target = sound.with_name("content.nc")
    shutil.copy(sound, target)
    with netCDF4.Dataset(target, "a") as file:
        names = sorted(file.variables)
        for _ in range(data.draw(st.integers(1, 2))):
            name = data.draw(st.sampled_from(names))
            match data.draw(st.sampled_from(("rename", "values", "attribute", "drop attribute", "units"))):
                case "rename":
                    if name in file.variables:
                        file.renameVariable(name, f"x{name}"[:40])
                case "values":
                    variable = file.variables.get(name)
                    if variable is not None and variable.dtype != str and variable.dtype.kind == "f":
                        variable[:] = data.draw(st.sampled_from((np.nan, np.inf, -1.0, 0.0, 1e300)))
                case "attribute":
                    key = data.draw(
                        st.sampled_from(
                            ("format", "format_version", "scenario", "seed", "hours", "strategies")
                        )
                    )
                    file.setncattr(
                        key,
                        data.draw(st.sampled_from(("x", "", "null", 99, -1, 2.5, "format: 1\nname: [", "é"))),
                    )
                case "drop attribute":
                    key = data.draw(st.sampled_from(("format", "scenario", "seed", "hours", "link_unit")))
                    if key in file.ncattrs():
                        file.delncattr(key)
                case _:
                    if name in file.variables:
                        file.variables[name].setncattr(
                            "units", data.draw(st.sampled_from(("$", "days since x", "")))
                        )
    answer(lambda: use(target))
