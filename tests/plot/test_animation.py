"""Films of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.animation import FFMpegWriter
from PIL import Image

import tokenflow_sim as tf
from tests.plot.places import placed


def test_a_film_has_a_frame_a_period_and_moves(tmp_path: Path, day: xr.Dataset) -> None:
    path = tf.plot.animate(placed(day), tmp_path / "day.gif", slice(5, 7), dpi=40, rate=2)
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.info["duration"] == 500
        frames = []
        for frame in range(3):
            film.seek(frame)
            frames.append(np.asarray(film.convert("L"), dtype=int))
    assert all(np.abs(frames[i + 1] - frames[i]).max() > 100 for i in range(2))


@pytest.mark.parametrize(
    ("name", "periods", "told"),
    [
        ("day.avi", None, "a film is a .gif or an .mp4"),
        (
            "day.gif",
            slice(90, 95),
            r"1 to 400 periods; found 0; choose of 0 to 23, e.g. periods=slice\(0, 23\)",
        ),
        ("day.gif", None, "animate needs latitude and longitude"),
    ],
)
def test_what_cannot_be_filmed_is_told(
    tmp_path: Path, day: xr.Dataset, name: str, periods: slice | None, told: str
) -> None:
    with pytest.raises(tf.ResultError, match=told):
        tf.plot.animate(day, tmp_path / name, periods)
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_an_mp4_is_refused_with_what_to_do(
    tmp_path: Path, day: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(tf.ResultError, match="needs the program ffmpeg, which is not found"):
        tf.plot.animate(placed(day), tmp_path / "day.mp4")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, day: xr.Dataset) -> None:
    with pytest.raises(tf.ResultError, match="does not exist; make it first"):
        tf.plot.animate(placed(day), tmp_path / "none" / "day.gif", slice(0, 0), dpi=30)
