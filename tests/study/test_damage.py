"""Stores that were damaged, killed while they began, or are none: mended, started over, or told."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.study.output import OutputFile
from tokenflow_sim.study.store import FolderStore
from tokenflow_sim.study.sweep import sweep
from tokenflow_sim.study.swept import Sweep, load_sweep


def play(out: Path | None = None, **changes: Any) -> Sweep:
    return sweep(tiny(), {"demand.scale": [2.0, 3.0]}, record=["price"], out=out, **changes)


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    return bare(play())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "s.zarr"
    play(path)
    return path


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "s.zarr"))


def bare(study: Sweep) -> xr.Dataset:
    return study.dataset.load().drop_attrs(deep=False)


@pytest.mark.parametrize("letter", ["letter", ".zgroup", ".tokenflow/letter", "sub/.a.part"])
def test_what_is_no_study_is_never_replaced(tmp_path: Path, letter: str) -> None:
    mine = tmp_path / "mine"
    (mine / letter).parent.mkdir(parents=True, exist_ok=True)
    (mine / letter).touch()
    for option in ("force", "resume"):
        with pytest.raises(tf.ResultError, match="is no study of tokenflow_sim, and is not replaced"):
            play(mine, **{option: True})
        with pytest.raises(tf.ResultError, match="is no study of tokenflow_sim, and is not replaced"):
            play(mine / letter, **{option: True})
    assert (mine / letter).is_file()


def test_an_output_replaces_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    for folder, told in ((tmp_path / "out.nc", "is a folder"), (tmp_path / ".b.nc.runs", "holds no runs")):
        folder.mkdir()
        (folder / "letter").touch()
        with (
            pytest.raises(tf.ResultError, match=told),
            OutputFile(tmp_path / ("out.nc" if told == "is a folder" else "b.nc"), [], {}, force=True),
        ):
            pass
        assert (folder / "letter").is_file()


def test_a_digit_changed_in_the_journal_is_noticed(store: Path, whole: xr.Dataset) -> None:
    journal = store / ".tokenflow" / "journal.jsonl"
    text = journal.read_text()
    found = re.search(r'"mean_price": \[+\d', text)
    assert found
    digit = str((int(text[found.end() - 1]) + 1) % 10)
    journal.write_text(text[: found.end() - 1] + digit + text[found.end() :])
    again = play(store, resume=True)
    assert len(again.seconds) == 1
    xr.testing.assert_identical(bare(again), whole)


def test_a_second_process_is_refused_through_a_link(store: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(store)
    (tmp_path / "link.nc").symlink_to(tmp_path / "out.nc")
    with Lock(store), pytest.raises(tf.ResultError, match=f"is being written by process {os.getpid()}"):
        play(tmp_path / "linked", resume=True)
    with (
        Lock(store),
        pytest.raises(tf.ResultError, match="is being written"),
        FolderStore(tmp_path / "linked"),
    ):
        pass
    with (
        Lock(tmp_path / "out.nc"),
        pytest.raises(tf.ResultError, match="is being written"),
        OutputFile(tmp_path / "link.nc", [], {}),
    ):
        pass
    play(tmp_path / "linked", force=True)
    assert (tmp_path / "linked").is_symlink()


@pytest.mark.parametrize(
    ("name", "replaced", "option"),
    [
        ("zarr_store.write_whole", False, "resume"),
        ("zarr_store.write_whole", True, "resume"),
        ("zarr_store._clear", True, "resume"),
        ("zarr_store._clear", True, "force"),
        ("zarr_files.compressor", False, "resume"),
        ("zarr_files.compressor", False, "force"),
        ("zarr_store.consolidate", True, "resume"),
    ],
)
def test_a_store_killed_while_it_began_is_begun_anew(
    name: str, replaced: bool, option: str, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.zarr"
    if replaced:
        sweep(tiny(), {"demand.scale": [2.5]}, record=["welfare"], out=path)

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(f"tokenflow_sim.study.{name}", die)
        with pytest.raises(SystemExit):
            play(path, force=replaced)
    again = play(path, **{option: True})
    assert len(again.seconds) == 2
    xr.testing.assert_identical(bare(again), whole)
    assert "welfare" not in xr.open_zarr(path)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 8
    file.write_bytes(content)


@pytest.mark.parametrize("how", [Path.unlink, flip])
@pytest.mark.parametrize(
    "name",
    [
        "node/0",
        "demand.scale/0",
        "price/.zarray",
        "status/.zarray",
        "status/0.0",
        ".zattrs",
        ".zgroup",
        ".zmetadata",
        "mean_price/0.0.0",
    ],
)
def test_coordinates_and_metadata_are_mended(
    name: str, how: Callable[[Path], None], store: Path, written: Path
) -> None:
    how(store / name)
    assert play(store, resume=True).seconds == {}
    for file in written.rglob("*"):
        if file.is_file():
            assert (store / file.relative_to(written)).read_bytes() == file.read_bytes(), file


@pytest.mark.parametrize("text", ["{}", "[]", "5", "{", '{"metadata": {"price/.zarray": {}}}'])
def test_damaged_metadata_raise_an_error_that_says_what_to_do(text: str, store: Path) -> None:
    (store / ".zmetadata").write_text(text)
    with pytest.raises(tf.ResultError, match=r"resume the study \(--resume\), or start over \(--force\)"):
        load_sweep(store)
    content = json.loads((store / "price" / ".zarray").read_text())
    del content["order"]
    (store / ".zmetadata").unlink()
    (store / "price" / ".zarray").write_text(json.dumps(content))
    with pytest.raises(tf.ResultError, match=r"resume the study \(--resume\), or start over \(--force\)"):
        load_sweep(store)


def test_a_study_whose_own_file_is_gone_is_replaced_by_force_alone(store: Path) -> None:
    (store / ".tokenflow" / "study.json").unlink()
    with pytest.raises(tf.ResultError, match=r"study.json: cannot be read .*start over \(--force\)"):
        play(store, resume=True)
    assert len(play(store, force=True).seconds) == 2
