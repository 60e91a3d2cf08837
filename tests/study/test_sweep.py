"""Sweeps: in memory and in a Zarr store, gone on with after a crash, told where they cannot be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.disk import write_whole
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.study import executor
from tokenflow_sim.study import task as playing
from tokenflow_sim.study.journal import Journal
from tokenflow_sim.study.sweep import sweep
from tokenflow_sim.study.swept import Sweep, load_sweep
from tokenflow_sim.study.zarr_files import consolidate

# The sweep that most tests play has infeasible points; that it warns of them is tested in test_messages.py.
pytestmark = pytest.mark.filterwarnings(r"ignore:\d+ of \d+ runs failed:UserWarning")
VARY = {"demand.scale": [2.0, 3.0, 9.0], "market.opex_adder": "0:10:10"}


def play(out: Path | None = None, **changes: Any) -> Sweep:
    return sweep(tiny(), changes.pop("vary", VARY), seeds=2, out=out, **changes)


@pytest.fixture(scope="module")
def kept() -> Sweep:
    return play()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "s.zarr"
    play(path)
    return path


def bare(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.load().drop_attrs(deep=False)


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the study die, as by kill -9, when it begins its n-th run."""

    def after(count: int) -> None:
        left, real = [count], playing.run_job

        def mortal(*given: Any) -> Any:
            if not left[0]:
                raise SystemExit
            left[0] -= 1
            return real(*given)

        monkeypatch.setattr(executor, "run_job", mortal)
        monkeypatch.setattr("tokenflow_sim.study.zarr_store.ZarrStore._finish", lambda self: None)

    return after


# What a sweep brings


def test_dims_are_the_paths_then_seed_then_those_of_results(kept: Sweep) -> None:
    assert kept.dataset["price"].dims == (
        "demand.scale",
        "market.opex_adder",
        "seed",
        "period",
        "node",
        "workload",
    )
    assert kept.dataset["mean_price"].dims == ("demand.scale", "market.opex_adder", "seed", "workload")
    assert kept.dataset["demand.scale"].values.tolist() == [2.0, 3.0, 9.0]
    assert kept.dataset["market.opex_adder"].values.tolist() == [0, 10]
    assert kept.dataset["price"].attrs["units"] == "$/Mtok"


def test_each_run_is_that_of_a_single_model(kept: Sweep) -> None:
    changes = {"demand.scale": 3.0, "market.opex_adder": 10}
    model = TokenMarket(tiny(), rng=1, overrides=changes)
    model.run()
    for name in ("price", "profit", "welfare"):
        np.testing.assert_array_equal(kept.dataset[name].sel({**changes, "seed": 1}), model.results()[name])


def test_points_meet_the_same_random_numbers_and_seeds_do_not(kept: Sweep) -> None:
    served = sweep(tiny(), {"market.opex_adder": [0, 10]}, seeds=2, record=["demand"]).dataset["demand"]
    np.testing.assert_array_equal(served[0], served[1])
    assert (served.sel(seed=0) != served.sel(seed=1)).all()


def test_infeasible_points_are_nan_with_their_status_and_are_told(kept: Sweep) -> None:
    status = kept.dataset["status"]
    assert (status.sel({"demand.scale": 9.0}) == "infeasible").all()
    assert (status.sel({"demand.scale": [2.0, 3.0]}) == "done").all()
    assert kept.dataset["price"].sel({"demand.scale": 9.0}).isnull().all()
    assert kept.dataset["price"].sel({"demand.scale": [2.0, 3.0]}).notnull().all()
    assert "cannot be met" in str(kept.dataset["message"].sel({"demand.scale": 9.0}).values[0, 0])
    assert len(kept.failures) == 4
    assert "runs: 8 done, 4 infeasible" in repr(kept)


def test_the_table_has_a_row_a_run(kept: Sweep) -> None:
    table = kept.table
    assert len(table) == 12
    assert list(table.columns[:4]) == ["demand.scale", "market.opex_adder", "seed", "status"]
    row = table[
        (table["demand.scale"] == 3.0) & (table["market.opex_adder"] == 10) & (table["seed"] == 1)
    ].iloc[0]
    where = {"demand.scale": 3.0, "market.opex_adder": 10, "seed": 1}
    assert row["mean_price[chat]"] == float(kept.dataset["mean_price"].sel({**where, "workload": "chat"}))
    assert row["profit_rate[a]"] == float(kept.dataset["profit_rate"].sel({**where, "provider": "a"}))


def test_attributes_tell_how_to_make_it_again(kept: Sweep) -> None:
    attrs = kept.dataset.attrs
    assert tf.Scenario.from_yaml(attrs["scenario"]) == tiny()
    assert json.loads(attrs["design"])["vary"] == {
        "demand.scale": [2.0, 3.0, 9.0],
        "market.opex_adder": [0, 10],
    }
    assert "highspy" in attrs["versions"]


def test_runs_of_other_labels_share_one_dataset() -> None:
    wide = {"name": "supply_function", "blocks": 3}
    found = sweep(
        tiny(), {"providers.a.strategy": ["marginal_cost", wide], "periods": [2, 3]}, record=["dispatch"]
    )
    dispatch = found.dataset["dispatch"]
    assert dispatch.dims[-1] == "block"
    assert dispatch.sizes["period"] == 3
    plain = dispatch.isel({"providers.a.strategy": 0})
    assert plain.sel(periods=3, block=0).notnull().all()
    assert plain.sel(block=slice(1, None)).isnull().all()
    assert dispatch.sel(periods=2, period=2).isnull().all()
    assert dispatch.isel({"providers.a.strategy": 1}).sel(periods=3).notnull().all()
    assert (found.dataset["status"] == "done").all()


# Faults, before any run


def test_all_faults_of_all_points_are_told_before_any_run() -> None:
    with pytest.raises(tf.ScenarioError) as caught:
        play(vary={"demand.scal": [1, 2], "hours": [1, -1], "market.bandwidth": ["none", "nun"]})
    text = str(caught.value)
    assert "did you mean 'scale'" in text
    assert text.count("demand.scal:") == 1
    with pytest.raises(tf.ScenarioError, match="hours"):
        play(vary={"hours": [1.0, -1.0]})


def test_unknown_variables_are_told() -> None:
    with pytest.raises(tf.InputError, match="did you mean 'price'"):
        play(record=["prize"])


# In a store


def test_a_store_holds_what_memory_does(kept: Sweep, written: Path) -> None:
    with load_sweep(written).dataset as dataset:
        assert dataset["price"].chunks is not None
        xr.testing.assert_identical(bare(dataset), bare(kept.dataset))
        for name in kept.dataset.variables:
            if kept.dataset[name].dtype.kind == "f":
                assert dataset[name].values.tobytes() == kept.dataset[name].values.tobytes(), name
        assert {key: dataset.attrs[key] for key in kept.dataset.attrs} == kept.dataset.attrs


def test_plain_xarray_reads_a_finished_store(written: Path, kept: Sweep) -> None:
    with xr.open_zarr(written) as dataset:
        assert dataset["status"].values.tolist() == kept.dataset["status"].values.tolist()
        np.testing.assert_array_equal(dataset["welfare_rate"], kept.dataset["welfare_rate"])


def test_a_run_is_chunks_of_its_own_and_a_measure_one_file(written: Path) -> None:
    runs = [name for name in os.listdir(written / "price") if not name.startswith(".")]
    assert len(runs) == 8, "one a finished run, of a variable of its own"
    assert [name for name in os.listdir(written / "mean_price") if not name.startswith(".")] == ["0.0.0.0"]


def test_statistics_are_lazy_and_those_of_the_numbers(written: Path, kept: Sweep) -> None:
    found = load_sweep(written).summary("seed", [0.5])
    assert found["price"].chunks is not None
    point = {"demand.scale": 2.0, "market.opex_adder": 0}
    two = kept.dataset["price"].sel(point)
    np.testing.assert_allclose(found["price"].sel({**point, "statistic": "mean"}), two.mean("seed"))
    np.testing.assert_allclose(found["price"].sel({**point, "statistic": "q50"}), two.median("seed"))
    with pytest.raises(tf.InputError, match=r"unknown dim 'sed'.*\n.*lie between 0 and 1"):
        load_sweep(written).summary("sed", [2])


@pytest.mark.parametrize("finished", [0, 3, 9])
def test_a_study_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(
    finished: int, kept: Sweep, tmp_path: Path, dying: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.zarr"
    with monkeypatch.context():
        dying(finished)
        with pytest.raises(SystemExit):
            play(store)
    monkeypatch.undo()
    part = load_sweep(store)
    assert int((part.dataset["status"] != "missing").sum()) == finished
    np.testing.assert_array_equal(
        part.dataset["mean_price"].notnull().all("workload"), part.dataset["status"] == "done"
    )
    with (store / ".tokenflow" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"position": 11, "status": "do')  # cut short while it was written
    again = play(store, resume=True)
    assert sorted(again.seconds) == list(range(finished, 12))
    assert len(again.failures) == 4
    xr.testing.assert_identical(bare(again.dataset), bare(kept.dataset))


def test_a_full_disk_loses_nothing_finished(
    kept: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real = tmp_path / "s.zarr", os.fsync
    left = [4]  # the study's own files, then runs

    def full(file: int) -> None:
        if not left[0]:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        tf.ResultError, match=r"the disk is full .*what was finished before is kept.*--resume"
    ):
        play(store)
    monkeypatch.undo()
    part = load_sweep(store)
    finished = int((part.dataset["status"] == "done").sum())
    assert 0 < finished < 8
    again = play(store, resume=True)
    assert len(again.seconds) == 12 - finished
    xr.testing.assert_identical(bare(again.dataset), bare(kept.dataset))


def test_a_store_is_not_overwritten_nor_mixed_up(written: Path, tmp_path: Path) -> None:
    with pytest.raises(tf.ResultError, match=r"exists already; resume it \(--resume\)"):
        play(written)
    with pytest.raises(tf.ResultError, match="holds a study of other runs"):
        play(written, vary={"demand.scale": [2.0]}, resume=True)
    with pytest.raises(tf.ResultError, match="holds a study of other variables"):
        play(written, record=["price"], resume=True)
    with Lock(written), pytest.raises(tf.ResultError, match=f"is being written by process {os.getpid()}"):
        play(written, resume=True)
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "letter").touch()
    with pytest.raises(tf.ResultError, match="is no study of tokenflow_sim"):
        play(tmp_path / "mine.zarr", resume=True)
    again = play(written, resume=True)
    assert again.seconds == {}


def test_a_study_of_other_versions_is_not_gone_on_with(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenflow_sim.study.zarr_store.running_versions", lambda: "tokenflow_sim 99")
    with pytest.raises(tf.ResultError, match=r"was begun with other versions(.|\n)*now:  tokenflow_sim 99"):
        play(written, resume=True)


def test_force_replaces_a_store(tmp_path: Path) -> None:
    one = {"demand.scale": [2.0]}
    play(tmp_path / "s.zarr", vary=one, record=["price"])
    found = play(tmp_path / "s.zarr", vary={"demand.scale": [3.0]}, record=["welfare"], force=True)
    assert found.dataset["demand.scale"].values.tolist() == [3.0]
    assert "price" not in found.dataset
    with pytest.raises(tf.InputError, match="give one of them"):
        play(tmp_path / "s.zarr", vary=one, force=True, resume=True)


@pytest.mark.parametrize(
    "line",
    [b"5", b'{"position": 1}', b'{"position": "x", "status": "done", "measures": {}}', b"{", b"\xff\xfe"],
)
def test_a_damaged_line_of_the_journal_hides_itself_alone(tmp_path: Path, line: bytes) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    entries = [{"position": place, "status": "done", "measures": {}} for place in range(3)]
    journal.add(entries[0])
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.add(entries[1])
    with journal.path.open("ab") as file:
        file.write(b'{"position": 9')
    assert journal.mend() == entries[:2]
    journal.add(entries[2])
    assert journal.read() == entries


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "flipped":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        file.write_bytes(content[: {"cut": len(content) // 2, "empty": 0}[how]])


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "gone"])
def test_damaged_runs_are_found_and_played_again(
    how: str, kept: Sweep, written: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(written, tmp_path / "s.zarr"))
    damage(store / "price" / "0.1.0.0.0.0", how)
    damage(store / "welfare" / "1.0.1.0", how)
    damage(store / "mean_price" / "0.0.0.0", how)
    (store / "price" / "0.0.0.0.0.0f.partial").touch()  # what a process that was killed leaves
    (store / ".tokenflow" / ".study.json.host-1-0.part").touch()
    if how != "gone":
        with pytest.raises(tf.ResultError, match=r"values there are damaged .* resume the study"):
            load_sweep(store).dataset["price"].load()
    with pytest.warns(UserWarning, match=r"2 finished runs are damaged \(number 2, 5\) and played again"):
        again = play(store, resume=True)
    assert sorted(again.seconds) == [2, 5]
    xr.testing.assert_identical(bare(again.dataset), bare(kept.dataset))
    assert not [*store.glob("**/*.partial"), *store.glob("**/.*.part")]


def test_a_line_of_the_journal_about_no_run_does_not_count(written: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(written, tmp_path / "s.zarr"))
    Journal(store / ".tokenflow" / "journal.jsonl").add({"position": 99, "status": "done", "measures": {}})
    assert play(store, resume=True).seconds == {}


def test_damaged_metadata_of_an_array_are_told(tmp_path: Path) -> None:
    (tmp_path / "price").mkdir()
    (tmp_path / ".zgroup").write_text("{}")
    (tmp_path / "price" / ".zarray").write_text("{")
    with pytest.raises(tf.ResultError, match=r"price/.zarray: is damaged .*\(--force\)"):
        consolidate(tmp_path)


def test_stores_that_cannot_be_read_are_told(tmp_path: Path, written: Path) -> None:
    with pytest.raises(tf.ResultError, match=r"does not exist; studies in .*: none"):
        load_sweep(tmp_path / "s.zarr")
    (tmp_path / "s.zarr").mkdir()
    with pytest.raises(tf.ResultError, match="it is damaged, or no Zarr store"):
        load_sweep(tmp_path / "s.zarr")
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=2)
    with pytest.raises(tf.ResultError, match="no study of tokenflow_sim"):
        load_sweep(tmp_path / "other.zarr")
    damaged = json.loads((written / ".zmetadata").read_text())
    damaged["metadata"][".zattrs"]["format_version"] = 99
    (tmp_path / "new.zarr").mkdir()
    (tmp_path / "new.zarr" / ".zmetadata").write_text(json.dumps(damaged))
    (tmp_path / "new.zarr" / ".zattrs").write_text(json.dumps(damaged["metadata"][".zattrs"]))
    for name in (
        ".zgroup",
        "node",
        "seed",
        "period",
        "provider",
        "workload",
        "demand.scale",
        "market.opex_adder",
    ):
        (tmp_path / "new.zarr" / name).symlink_to(written / name)
    with pytest.raises(tf.ResultError, match="has format version 99"):
        load_sweep(tmp_path / "new.zarr")


def test_a_small_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", b"one")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(tf.ResultError, match=r"a: cannot be written .Input/output error.; .*resume"):
        write_whole(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"one"
