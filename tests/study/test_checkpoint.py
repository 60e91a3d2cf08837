"""Runs that are killed at any moment go on where they stood and end as if they had not been."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.samples import Learner
from tests.study.tiny import tiny
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results import checkpoint as checkpoints
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.study.checkpoint import run_resumable

CLEARER = Clearer(tiny().market())


def model(**changes: Any) -> TokenMarket:
    given: dict[str, Any] = {
        "scenario": tiny(),
        "rng": 4,
        "periods": 9,
        "strategies": {"a": Learner()},
        "clearer": CLEARER,
    }
    return TokenMarket(**given | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    model(out=path).run()
    with tf.load_results(path) as results:
        return results.load()


def assert_same(path: Path, whole: xr.Dataset) -> None:
    with tf.load_results(path) as results:
        xr.testing.assert_identical(results.load(), whole)
        assert results.attrs == whole.attrs
        for name in whole.variables:
            assert results[name].values.tobytes() == whole[name].values.tobytes(), name
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing is left beside it"


class Killed(BaseException):
    """Stands for kill -9: nothing that would be done on the way out is done."""


def die_at(place: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die at the n-th small file that is written, before or after it gets its name; or at the n-th period."""
    left = [count]
    real_replace, real_step = os.replace, TokenMarket.step

    def replace(source: Any, target: Any) -> None:
        left[0] -= 1
        if not left[0] and place == "before":
            raise Killed
        real_replace(source, target)
        if not left[0] and place == "after":
            raise Killed

    def step(self: TokenMarket) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed
        real_step(self)

    if place == "period":
        monkeypatch.setattr(TokenMarket, "step", step)
    else:
        monkeypatch.setattr(checkpoints.Checkpoint, "discard", lambda self: None)
        monkeypatch.setattr("tokenflow_sim.results.files.os.replace", replace)


@pytest.mark.parametrize(
    ("place", "count"),
    [("period", 1), ("period", 2), ("period", 6), ("period", 9), *(("before", n) for n in range(1, 7)),
     *(("after", n) for n in range(1, 7))],
)  # fmt: skip
def test_wherever_a_run_dies_it_goes_on_to_the_same_end(
    place: str, count: int, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run.nc"
    with monkeypatch.context() as patch:
        die_at(place, count, patch)
        with pytest.raises(Killed):
            run_resumable(model(), out, every=3)
    assert not out.exists()
    with (
        warnings.catch_warnings()
    ):  # after the first part and before the first state that it has none is told
        warnings.filterwarnings("ignore", message=".*has no state.pickle")
        run_resumable(model(), out, every=3, resume=True).close()
    assert_same(out, whole)


@pytest.mark.parametrize("every", [1, 2, 4, 9, 100])
def test_how_often_state_is_kept_changes_nothing(every: int, whole: xr.Dataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run_resumable(model(), tmp_path / "run.nc", every=every, progress=lambda *done: told.append(done)).close()
    assert told == [(number, 9) for number in range(1, 10)]
    assert_same(tmp_path / "run.nc", whole)


def killed_after(periods: int, out: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    with monkeypatch.context() as patch:
        die_at("period", periods + 1, patch)
        with pytest.raises(Killed):
            run_resumable(model(**changes), out, every=2)


def test_dying_after_the_output_got_its_name_is_no_loss(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run.nc"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoint, "discard", lambda self: None)
        run_resumable(model(), out, every=3).close()
    assert checkpoints.left_unfinished(out)
    run_resumable(model(), out, every=3, resume=True).close()
    assert_same(out, whole)


def test_a_finished_run_is_not_played_again(whole: xr.Dataset, tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    run_resumable(model(), out).close()
    stamp = out.stat().st_mtime_ns
    again = model()
    run_resumable(again, out, resume=True).close()
    assert (again.period, out.stat().st_mtime_ns) == (0, stamp)
    with pytest.raises(tf.ResultError, match="of another run, and there is nothing to resume"):
        run_resumable(model(rng=5), out, resume=True)


def test_an_unfinished_run_is_neither_lost_nor_mixed_up(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run.nc"
    killed_after(5, out, monkeypatch)
    with pytest.raises(tf.ResultError, match=r"an unfinished run of it is kept .*--resume.*--force"):
        run_resumable(model(), out)
    for changes, what in (({"rng": 5}, "seed"), ({"periods": 8}, "scenario"), ({"strategies": None}, "strategies"),
                          ({"record": ["price"]}, "variables")):  # fmt: skip
        with pytest.raises(tf.ResultError, match=f"differs in its {what}"):
            run_resumable(model(**changes), out, resume=True)
    run_resumable(model(rng=5), out, force=True).close()
    with tf.load_results(out) as results:
        assert results.attrs["seed"] == 5


def test_the_force_of_a_killed_run_holds_when_it_goes_on(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run.nc"
    run_resumable(model(rng=5), out).close()
    with monkeypatch.context() as patch:
        die_at("period", 5, patch)
        with pytest.raises(Killed):
            run_resumable(model(), out, every=2, force=True)
    run_resumable(model(), out, resume=True).close()
    assert_same(out, whole)


def test_other_versions_do_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_after(5, tmp_path / "run.nc", monkeypatch)
    later = model()
    later.ledger.plan.attrs["versions"] = "{}"
    with pytest.raises(tf.ResultError, match="differs in its versions"):
        run_resumable(later, tmp_path / "run.nc", resume=True)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no head": ("run.json: cannot be read", Path.unlink),
    "head of no text": ("run.json: cannot be read", lambda file: file.write_bytes(b"\x80")),
    "head is a list": (
        "run.json: cannot be read .*does not describe a run",
        lambda file: file.write_text("[]"),
    ),
    "head is empty": (
        "run.json: cannot be read .*does not describe a run",
        lambda file: file.write_text("{}"),
    ),
    "empty state": ("state.pickle: cannot be read", lambda file: file.write_bytes(b"")),
    "cut state": ("state.pickle: cannot be read", lambda file: file.write_bytes(file.read_bytes()[:-1])),
    "flipped state": ("state.pickle: cannot be read .*checksum does not match", flipped),
    "no first part": (r"000000000.npz \(periods 0 to 1\) is missing", Path.unlink),
    "no last part": (r"000000002.npz \(periods 2 to 3\) is missing", Path.unlink),
    "flipped part": (r"000000002.npz \(periods 2 to 3\) is damaged", flipped),
    "part is a folder": (
        r"000000000.npz \(periods 0 to 1\) cannot be read",
        lambda file: file.rename(file.with_name("away")).parent.joinpath(file.name).mkdir(),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told(
    damage: str, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, do = DAMAGES[damage]
    out = tmp_path / "run.nc"
    killed_after(5, out, monkeypatch)
    do(checkpoints.folder_of(out) / re.match(r"\w+\.[a-z]+", said)[0])  # type: ignore[index]
    with pytest.raises(tf.ResultError, match=rf"{said}.*start over \(--force\)"):
        run_resumable(model(), out, resume=True)
    assert not out.exists()
    run_resumable(model(), out, force=True).close()
    assert_same(out, whole)


def test_any_flipped_bit_of_the_state_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run.nc"
    killed_after(5, out, monkeypatch)
    state, plan = checkpoints.folder_of(out) / "state.pickle", model().ledger.plan
    content = state.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 50)):
        state.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(tf.ResultError, match=r"state.pickle: cannot be read"):
            checkpoints.Checkpoint(out, plan, resume=True)
    state.write_bytes(content)
    assert checkpoints.Checkpoint(out, plan, resume=True).kept == 4


def test_all_missing_parts_are_told_and_go_on_once_they_are_back(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run.nc"
    killed_after(5, out, monkeypatch)
    parts = sorted(checkpoints.folder_of(out).glob("*.npz"))
    saved = {part: part.read_bytes() for part in parts}
    for part in parts:
        part.unlink()
    with pytest.raises(
        tf.ResultError, match=r"periods 0 to 1\) is missing; .*periods 2 to 3\) is missing; restore"
    ):
        run_resumable(model(), out, resume=True)
    for part, content in saved.items():
        part.write_bytes(content)
    run_resumable(model(), out, resume=True).close()
    assert_same(out, whole)


def test_a_part_that_vanishes_while_the_run_goes_on_is_told_at_its_end(tmp_path: Path) -> None:
    out = tmp_path / "run.nc"

    def remove(done: int, _: int) -> None:
        if done == 5:
            (checkpoints.folder_of(out) / "000000002.npz").unlink()

    with pytest.raises(tf.ResultError, match=r"000000002.npz \(periods 2 to 3\) is missing"):
        run_resumable(model(), out, every=2, progress=remove)
    assert not out.exists()
    assert checkpoints.left_unfinished(out)


def test_periods_that_were_never_written_are_told(tmp_path: Path) -> None:
    plan = model(record=["price"]).ledger.plan
    point = checkpoints.Checkpoint(tmp_path / "run.nc", plan)
    point.write(3, {"price": np.ones((2, *plan.shape("price")))})
    with pytest.raises(tf.ResultError, match="no part holds periods 0 to 2"):
        point.close()
    assert not point.path.exists()


def test_dying_while_what_was_kept_is_removed_is_no_loss(whole: xr.Dataset, tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    run_resumable(model(), out).close()
    checkpoints.folder_of(out).mkdir()
    (checkpoints.folder_of(out) / "state.pickle").touch()
    run_resumable(model(), out, resume=True).close()
    assert_same(out, whole)


BROKEN = {"until": 5}


class Broken(Learner):
    """Fails while something outside of the run is broken."""

    def offer(self, view: tf.View) -> tf.Offer:
        offer = super().offer(view)
        return offer if view.period != BROKEN["until"] else tf.Offer(offer.price, -offer.quantity)


@pytest.mark.parametrize("every", [2, 7])
def test_a_run_that_fails_keeps_its_periods_and_goes_on_once_the_cause_is_gone(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, partial = tmp_path / "run.nc", tmp_path / "run.partial.nc"
    played = model(strategies={"a": Broken()})
    with pytest.raises(tf.StrategyError) as caught:
        run_resumable(played, out, every=every)
    (note,) = (note for note in caught.value.__notes__ if "kept" in note)
    assert "periods 0 to 4 of 9 are kept in" in note
    assert ("go on from period 4 with --resume" in note) == (every == 2)
    assert checkpoints.left_unfinished(out) == (every == 2)
    assert not out.exists()
    with pytest.raises(tf.StrategyError):  # in place of what it has left, not beside it
        run_resumable(model(strategies={"a": Broken()}), out, every=every, force=True)
    monkeypatch.setitem(BROKEN, "until", 99)
    whole = model(strategies={"a": Broken()})
    whole.run()
    with tf.load_results(partial) as found, played.results() as same:
        assert found.attrs["partial"] == "5 of 9 periods"
        xr.testing.assert_identical(found, same)
        xr.testing.assert_equal(found, whole.results().isel(period=slice(5)))
    run_resumable(model(strategies={"a": Broken()}), out, every=every, resume=True).close()
    assert_same(out, whole.results())


def test_a_partial_file_of_another_run_stays(tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    for seed in (4, 5, 5):
        with pytest.raises(tf.StrategyError):
            run_resumable(model(strategies={"a": Broken()}, rng=seed), out, force=True)
    found = [tf.load_results(tmp_path / name) for name in ("run.partial.nc", "run.partial-2.nc")]
    assert [results.attrs["seed"] for results in found] == [4, 5]
    for results in found:
        results.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.partial-2.nc", "run.partial.nc"]


def test_a_lost_state_is_told(whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run.nc"
    killed_after(5, out, monkeypatch)
    (checkpoints.folder_of(out) / "state.pickle").unlink()
    with pytest.warns(
        UserWarning, match=r"has no state.pickle to go on from; it is played again from its first"
    ):
        run_resumable(model(), out, resume=True).close()
    assert_same(out, whole)


def test_an_interrupted_run_says_that_it_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Learner):
        def offer(self, view: tf.View) -> tf.Offer:
            if view.period == 5:
                raise KeyboardInterrupt
            return super().offer(view)

    with pytest.raises(KeyboardInterrupt) as caught:
        run_resumable(model(strategies={"a": Interrupting()}), tmp_path / "run.nc", every=2)
    assert caught.value.__notes__ == ["what was played up to period 4 is kept: resume with --resume"]


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    class Secretive(Learner):
        def get_state(self) -> dict[str, Any]:
            return {"memory": lambda: 0}

    told = (
        r"cannot be kept, since agents\.provider\.a\.strategy\.memory is a function made on .*--checkpoint 0"
    )
    with pytest.raises(tf.ResultError, match=told):
        run_resumable(model(strategies={"a": Secretive()}), tmp_path / "run.nc", every=2)


def test_a_full_disk_loses_no_checkpoint(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, left, real = tmp_path / "run.nc", [4], os.fsync

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(tf.ResultError, match=r"the disk is full .* free some space and resume"):
            run_resumable(model(), out, every=2)
    assert not [part for part in checkpoints.folder_of(out).iterdir() if part.suffix == ".part"]
    again = model()
    run_resumable(again, out, every=2, resume=True).close()
    assert len(again.datacollector.model_vars["welfare"]) < 9, "it went on"
    assert_same(out, whole)


@pytest.mark.parametrize("every", [0, -1])
def test_checkpoints_that_make_no_sense_are_told(every: int, tmp_path: Path) -> None:
    with pytest.raises(tf.InputError, match="from 1 on"):
        run_resumable(model(), tmp_path / "run.nc", every=every)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with (
        Lock(tmp_path / "run.nc"),
        pytest.raises(tf.ResultError, match=f"is being written by process {os.getpid()}"),
    ):
        run_resumable(model(), tmp_path / "run.nc")
