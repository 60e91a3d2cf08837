"""Every figure at the sizes and shapes of results that users have: words, units, limits."""

from __future__ import annotations

import re
import warnings

import matplotlib as mpl
import pytest
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results
from tests.plot.seen import outside, overlaps, words_of
from tokenflow_sim.plot.style import WIDTHS

FIGURES = sorted(tf.plot.figures(fake_results(periods=2, nodes=2)))
UNIT = re.compile(r"\[[^\]]+\]")


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("results", "columns"), [("hour", 1), ("week", 2), ("run", 1)])
def test_words_are_legible_apart_and_inside(
    name: str, columns: int, results: str, request: pytest.FixtureRequest
) -> None:
    ds: xr.Dataset = request.getfixturevalue(results)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = getattr(tf.plot, name)(ds, columns=columns)
        words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0, "journals ask for six points or more"
    assert figure.get_figwidth() == pytest.approx(WIDTHS[columns])
    assert figure.get_figheight() < 9.0, "fits a page"


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_tells_what_it_measures_in_which_unit(name: str, day: xr.Dataset) -> None:
    figure = getattr(tf.plot, name)(day, columns=1)  # one panel a row: each has a label of its own
    abscissae = {ax.get_xlabel() for ax in figure.axes} - {""}
    assert abscissae <= {"Time [h]", "Share of the time [%]", "Share in use [%]"}
    assert abscissae & {"Time [h]", "Share of the time [%]"}
    for ax in figure.axes:
        is_bar = ax.get_xlabel() == "Share in use [%]"
        told = [ax.get_ylabel(), ax.get_title(loc="left")]
        assert is_bar or any(UNIT.search(words) for words in told) or told == ["", "Links"]  # the bar tells


@pytest.mark.parametrize("name", FIGURES)
def test_units_are_read_from_the_data(name: str, day: xr.Dataset) -> None:
    other = day.copy()
    for variable in ("price", "dispatch"):
        other[variable].attrs = {"units": "euro/Ttok", "long_name": "something else"}
    said = " ".join(ax.get_ylabel() for ax in getattr(tf.plot, name)(other).axes)
    reads_them = name in ("prices", "dispatch", "decomposition", "duration")
    assert ("euro/Ttok" in said) == reads_them
    assert ("Something else" in said) == reads_them


MANY_CLASSES = {"periods": 30, "nodes": 9, "providers": 12, "owners": 8, "classes": 7}
MANY_NODES = {"periods": 3, "nodes": 150, "providers": 30, "owners": 2}
ONE_OF_EACH = {"periods": 12, "nodes": 1, "providers": 1, "owners": 1, "classes": 1}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, ONE_OF_EACH) for name in FIGURES),
        *((name, MANY_CLASSES) for name in ("prices", "dispatch", "unserved", "utilisation", "settlements")),
        *((name, MANY_NODES) for name in ("profits", "settlements", "unserved", "utilisation")),
    ],
)
def test_other_shapes_stay_legible(name: str, shape: dict[str, int]) -> None:
    figure = getattr(tf.plot, name)(fake_results(**shape))
    words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []


def test_awkward_names_are_printed_as_they_are_and_shortened(day: xr.Dataset) -> None:
    long = "an extraordinarily long name that no legend could hold"
    names = {"ashburn": "$1 & $2", "dallas": "_hidden", "chicago": long, "seattle": "a\nb"}
    nodes = [names.get(node, node) for node in day.node.values.tolist()]
    at = [names.get(node, node) for node in day.asset_node.values.tolist()]
    ds = day.assign_coords(node=nodes, asset_node=("asset", at))
    words = [word.text for word in words_of(tf.plot.dispatch(ds, by="node"))]
    assert {r"\$1 & \$2", "a b"} <= set(words)
    assert any(word.endswith("_hidden") for word in words), "an underscore must not hide it from the legend"
    (short,) = (word for word in words if word.startswith("an extra"))
    assert len(short) <= 22
    assert short.endswith(long[-7:])
    assert overlaps(words_of(tf.plot.utilisation(ds))) == []


def test_the_check_itself_sees_overlaps_and_cut_words() -> None:
    with mpl.rc_context(mpl.rcParamsDefault):
        figure = Figure()
        figure.text(0.5, 0.5, "one")
        figure.text(0.51, 0.5, "two")
        figure.text(0.99, 0.1, "three")
    words = words_of(figure)
    assert overlaps(words) == [("one", "two")]
    assert outside(words, figure) == ["three"]
