"""Full, read-only and forbidden places: one error of ours, that names the place, the reason and the remedy."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.tiny import prices, tiny
from tokenflow_sim import disk
from tokenflow_sim.plot.style import HouseFigure
from tokenflow_sim.report.page import save_page
from tokenflow_sim.results import files
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.study.checkpoint import run_resumable
from tokenflow_sim.study.local import Pool
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import Task

PAIR = ["marginal_cost", "fixed_markup"]


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    model = tf.TokenMarket(tiny(), rng=1, periods=1)
    model.run()
    return model.results()


def film(results: xr.Dataset, path: Path) -> None:
    tf.plot.animate(results, path, slice(0, 0), dpi=20)


WRITERS: dict[str, tuple[str, Callable[[xr.Dataset, Path], object]]] = {
    "save_results": ("r.nc", tf.save_results),
    "stream": ("r.nc", lambda _, path: tf.TokenMarket(tiny(), rng=1, out=path).run()),
    "resumable": ("r.nc", lambda _, path: run_resumable(tf.TokenMarket(tiny(), rng=1), path, every=1)),
    "compare": ("r.nc", lambda _, path: tf.compare(tiny(), PAIR, seeds=2, out=path)),
    "tournament": ("r.nc", lambda _, path: tf.tournament(tiny(), PAIR, seeds=1, out=path)),
    "sweep": ("r.zarr", lambda _, path: tf.sweep(tiny(), {"demand.scale": [2, 3]}, out=path)),
    "runs": ("runs", lambda _, path: run_tasks([Task(tiny(), 1)], prices, store=path)),
    "report": ("r.html", lambda _, path: save_page("<p>", path, force=False)),
    "figure": ("r.png", lambda _, path: HouseFigure().savefig(path)),
    "film": ("r.gif", film),
    "scenario": ("s", lambda _, path: tf.scenario.write_template(path)),
    "lock": ("r.nc", lambda _, path: Lock(path)),
}  # fmt: skip


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Path]]:
    """Return a folder in which nothing can be made, for a reason; as root too, whom no mode stops."""
    folder = tmp_path / "place"
    folder.mkdir()

    def refuse(number: int) -> Path:
        def bad(path: object) -> bool:
            return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(f"{folder}/")

        def wrapped(real: Callable[..., Any], writes: Callable[..., bool]) -> Callable[..., Any]:
            def call(path: Any, *given: Any, **named: Any) -> Any:
                if bad(path) and writes(*given, **named):
                    raise OSError(number, os.strerror(number), os.fspath(path))
                return real(path, *given, **named)

            return call

        def writing(mode: Any = "r", *_: Any, **__: Any) -> bool:
            return (
                mode & (os.O_WRONLY | os.O_RDWR) if isinstance(mode, int) else bool(set("wax+") & set(mode))
            )

        import builtins
        import io

        import netCDF4

        class Dataset(netCDF4.Dataset):
            def __new__(cls, path: Any, mode: str = "r", *given: Any, **named: Any) -> Dataset:
                if bad(path) and mode != "r":
                    raise OSError(number, os.strerror(number), os.fspath(path))
                made: Dataset = super().__new__(cls, path, mode, *given, **named)
                return made

        monkeypatch.setattr(os, "mkdir", wrapped(os.mkdir, lambda *_, **__: True))
        monkeypatch.setattr(os, "open", wrapped(os.open, writing))
        monkeypatch.setattr(io, "open", wrapped(io.open, writing))
        monkeypatch.setattr(builtins, "open", wrapped(open, writing))
        monkeypatch.setattr(netCDF4, "Dataset", Dataset)
        return folder

    yield refuse
    monkeypatch.undo()
    assert list(folder.iterdir()) == [], "nothing is left behind"


REASONS = ((errno.ENOSPC, "the disk is full .*free some space"), (errno.EROFS, "read-only .*elsewhere"))


@pytest.mark.parametrize(("writer", "reason"), [(writer, n % 2) for n, writer in enumerate(WRITERS)])
def test_whatever_writes_says_what_is_wrong_and_what_to_do(
    writer: str, reason: int, refusing: Callable[[int], Path], results: xr.Dataset
) -> None:
    name, write = WRITERS[writer]
    number, said = REASONS[reason]
    folder = refusing(number)
    with pytest.raises(tf.ResultError, match=rf"(?s)place/[^:]*: cannot be written, since .*{said}"):
        write(results, folder / name)


MOUNTED = """
import sys
import tokenflow_sim as tf
from tests.study.tiny import tiny
from tests.test_disk import WRITERS
model = tf.TokenMarket(tiny(), rng=1, periods=1); model.run(); results = model.results()
for writer in sys.argv[2:]:
    name, write = WRITERS[writer]
    try:
        write(results, __import__("pathlib").Path(sys.argv[1]) / name)
        print(writer, "wrote")
    except tf.ResultError as error:
        print(writer, "told", error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts disks")
@pytest.mark.long
@pytest.mark.parametrize(("size", "ro"), [("16k", False), ("1m", True)])
def test_real_disks_that_are_full_or_read_only_are_told(tmp_path: Path, size: str, ro: bool) -> None:
    place = tmp_path / "m"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        if ro:
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        else:
            (place / "filler").write_bytes(b"x" * 8192)
        done = subprocess.run(
            [sys.executable, "-c", MOUNTED, str(place), *WRITERS], text=True, capture_output=True, timeout=240,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
    told = re.findall(r"^(\w+) (told|wrote)", done.stdout, re.M)
    assert [writer for writer, _ in told] == list(WRITERS), done.stderr
    fits = {"lock", "runs", "scenario"}  # some kilobytes do
    assert [writer for writer, what in told if what == "wrote" and (ro or writer not in fits)] == []


# Names


@pytest.mark.parametrize("length", [20, 145, 146, 255])
@pytest.mark.parametrize("letter", ["a", "模"])
def test_names_up_to_the_longest_have_hidden_files_that_fit(length: int, letter: str, tmp_path: Path) -> None:
    stem = letter * ((length - 3) // len(letter.encode()))
    path = tmp_path / f"{stem}.nc"
    for ending in (".lock", ".unfinished", ".runs"):
        hidden = disk.hidden(path, ending)
        assert len(os.fsencode(hidden.name)) <= 255
        assert hidden.name.endswith(ending)
        assert hidden != disk.hidden(path.with_name(f"{stem}b.nc"), ending)
    with files.whole_file(path, False) as draft:
        draft.write_text("x")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_run_of_the_longest_name_is_kept_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / f"{'r' * 252}.nc"

    class Stop(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        run_resumable(tf.TokenMarket(tiny(), rng=1), out, every=1, progress=stop)
    assert all(len(os.fsencode(found.name)) <= 255 for found in tmp_path.iterdir())
    run_resumable(tf.TokenMarket(tiny(), rng=1), out, every=1, resume=True).close()
    assert [found.name for found in tmp_path.iterdir()] == [out.name]


def test_a_name_that_is_too_long_is_told(tmp_path: Path, results: xr.Dataset) -> None:
    for writer in ("save_results", "stream", "compare", "sweep", "report"):
        with pytest.raises(tf.ResultError, match=r"its name is too long .* give a shorter one"):
            WRITERS[writer][1](results, tmp_path / ("r" * 300 + ".nc"))


def test_workers_start_where_the_temporary_folder_has_a_long_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Pool(1) as pool:
        assert len(str(pool._listener.address)) <= 100


# Reasons


def test_a_library_that_gives_no_reason_is_asked_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = disk.explained(tmp_path / "a.nc", RuntimeError("NetCDF: HDF error"))
    assert re.search(r"a.nc: cannot be written \(NetCDF: HDF error\); see what is wrong", str(error))
    usage = type("Usage", (), {"free": 4096})
    monkeypatch.setattr("tokenflow_sim.disk.shutil.disk_usage", lambda _: usage)
    error = disk.explained(tmp_path / "none" / "a.nc", RuntimeError("NetCDF: HDF error"))
    assert "since the disk is full (NetCDF: HDF error); free some space, or write it elsewhere" in str(error)
