"""Colours, sizes, and that drawing leaves nothing behind."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results
from tests.plot.seen import VISION, closest, lab, words_of
from tokenflow_sim.plot import style

HOSTILE: Any = {
    "font.size": 22,
    "lines.linewidth": 9,
    "axes.facecolor": "pink",
    "xtick.labelsize": 30,
    "ytick.major.size": 20,
    "axes.grid": False,
    "savefig.dpi": 17,
    "savefig.bbox": "tight",
    "figure.autolayout": True,
    "image.cmap": "jet",
    "hatch.linewidth": 8,
}


def pixels(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60, metadata={"Software": None})
    return buffer.getvalue()


@pytest.mark.parametrize("bbox", [None, "tight"])
@pytest.mark.parametrize("name", ["prices", "utilisation", "settlements"])
def test_a_figure_is_saved_as_matplotlib_alone_would_save_it(
    name: str, bbox: str | None, day: xr.Dataset
) -> None:
    def saved(save: Any) -> bytes:
        buffer = io.BytesIO()
        save(getattr(tf.plot, name)(day), buffer, format="png", dpi=60, bbox_inches=bbox)
        return buffer.getvalue()

    def plainly(figure: Any, *given: Any, **options: Any) -> None:
        with style.house_style(figure._settings):
            Figure.savefig(figure, *given, **options)

    assert saved(style.HouseFigure.savefig) == saved(plainly)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    ("family", "count", "least"),
    [("workload", 4, 20), ("workload", 7, 16), ("provider", 8, 20), ("part", 6, 20)],
)
def test_colours_stay_apart_also_to_the_colour_blind(
    family: style.Family, count: int, least: float, vision: str
) -> None:
    names = [f"name {i}" for i in range(count)]
    assert closest(list(style.colours(names, family).values()), vision) > least


def test_the_measure_of_colours_knows_what_is_hard_to_tell_apart() -> None:
    red_and_green = ["#C03A2B", "#6B7A1C"]
    assert closest(red_and_green, "normal") > 40
    assert closest(red_and_green, "deuteranopia") < 16
    np.testing.assert_allclose(lab("white"), [100, 0, 0], atol=0.02)


def test_the_first_classes_and_all_owners_differ_in_grey() -> None:
    lightness = sorted(lab(colour)[0] for colour in style.PALETTES["workload"][:4])
    assert min(np.diff(lightness)) > 5
    assert min(np.diff([lab(colour)[0] for colour in style.PALETTES["owner"]])) > 15


@pytest.mark.parametrize("vision", VISION)
def test_the_colour_map_falls_steadily_in_lightness(vision: str) -> None:
    colours = mpl.colormaps[style.SEQUENTIAL](np.linspace(0, 1, 30))[:, :3]
    lightness = [lab(tuple(colour), vision)[0] for colour in colours]
    assert max(np.diff(lightness)) < 0
    assert lightness[0] - lightness[-1] > 60


def test_names_beyond_the_palette_differ_by_hatch_or_dash() -> None:
    names = [f"name {i}" for i in range(40)]
    looks = {
        (style.colours(names, "provider")[name], style.hatches(names, "provider")[name]) for name in names
    }
    assert len(looks) == len(names)
    lines = {(style.colours(names, "provider")[name], str(style.dashes(names)[name])) for name in names}
    assert len(lines) == len(names)


def test_a_provider_has_one_colour_in_every_figure(week: xr.Dataset) -> None:
    wanted = style.colours(week.provider.values.tolist(), "provider")
    dispatch = tf.plot.dispatch(week).axes[0].collections
    settlements = tf.plot.settlements(week).axes[0].collections
    for name, colour in wanted.items():
        drawn = [area.get_facecolor()[0] for area in (*dispatch, *settlements) if area.get_label() == name]
        (line,) = (line for line in tf.plot.profits(week).axes[1].lines if line.get_label() == name)
        assert len(drawn) == 2
        assert {mpl.colors.to_hex(each).upper() for each in (*drawn, line.get_color())} == {colour}


def test_a_class_has_one_colour_also_when_drawn_alone(week: xr.Dataset) -> None:
    colour = style.colours(week.workload.values.tolist(), "workload")["code"]
    figures = [
        tf.plot.prices(week, workload="code"),
        tf.plot.duration(week, workload=["code"]),
        tf.plot.unserved(week),
    ]
    for figure in figures:
        (line,) = (line for line in figure.axes[0].lines if line.get_label() == "code")
        assert line.get_color() == colour


def test_a_figure_looks_the_same_whatever_the_users_settings(day: xr.Dataset) -> None:
    for draw in (tf.plot.profits, tf.plot.unserved):
        usual, before = draw(day), draw(day)
        plain, again = pixels(usual), pixels(usual)
        with mpl.rc_context(HOSTILE):
            assert pixels(before) == plain, "drawn before, saved under other settings"
            during = draw(day)
            assert pixels(during) == plain, "drawn and saved under other settings"
        assert pixels(during) == again, "drawn under other settings, saved afterwards"


def test_drawing_changes_no_setting(hour: xr.Dataset) -> None:
    with mpl.rc_context(HOSTILE):
        before = dict(mpl.rcParams)
        for draw in tf.plot.figures(hour).values():
            draw(hour)
        pixels(tf.plot.profits(hour))
        with pytest.raises(tf.ResultError):
            tf.plot.decomposition(hour, node="nowhere")
        assert dict(mpl.rcParams) == before


def test_settings_can_be_changed_for_a_journal(hour: xr.Dataset) -> None:
    usual = pixels(tf.plot.profits(hour))
    with style.changed({"axes.labelsize": 11.0}), style.changed({"ytick.labelsize": 5.0}):
        figure = tf.plot.profits(hour)
    assert figure.axes[0].yaxis.label.get_fontsize() == 11.0
    assert {word.points for word in words_of(figure)} >= {5.0, 11.0}, (
        "also for what is only made when it is drawn"
    )
    assert pixels(figure) != usual
    assert pixels(tf.plot.profits(hour)) == usual


def test_settings_that_matplotlib_does_not_know_are_refused() -> None:
    with pytest.raises(KeyError, match="fontsize"), style.changed({"fontsize": 3}):
        pass
    with pytest.raises(ValueError, match=r"font\.size"), style.changed({"font.size": "ten"}):
        pass


def test_nothing_of_pyplot_is_touched(tmp_path: Path) -> None:
    script = """
import sys
import matplotlib
before = matplotlib.rcParams.copy()  # not dict(): that would load pyplot to find a backend
import tokenflow_sim.plot as plot
assert "matplotlib.figure" not in sys.modules, "a command that draws nothing should not wait for it"
from tests.plot.fake_results import fake_results
ds = fake_results(periods=2, nodes=2)
for draw in plot.figures(ds).values():
    figure = draw(ds)
figure.savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams.copy() == before
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_figures_are_in_no_list_and_are_freed(day: xr.Dataset) -> None:
    import gc
    import weakref

    import matplotlib.pyplot as plt

    figure = tf.plot.profits(day)
    pixels(figure)
    assert plt.get_fignums() == []
    gone = weakref.ref(figure)
    del figure
    gc.collect()
    assert gone() is None


def test_a_figure_shows_itself_in_a_notebook_and_travels(day: xr.Dataset) -> None:
    figure = tf.plot.profits(day)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pixels(pickle.loads(pickle.dumps(figure))) == pixels(figure)


def test_threads_may_draw_at_once() -> None:
    ds = fake_results(periods=2, nodes=2, providers=2)
    before, plain, drawn = dict(mpl.rcParams), pixels(tf.plot.profits(ds)), []
    threads = [threading.Thread(target=lambda: drawn.append(pixels(tf.plot.profits(ds)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [plain] * 3
    assert dict(mpl.rcParams) == before
