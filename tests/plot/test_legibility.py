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
from tests.plot.places import placed
from tests.plot.seen import Word, outside, overlaps, words_of
from tokenflow_sim.plot.style import WIDTHS

FIGURES = sorted(tf.plot.figures(placed(fake_results(periods=2, nodes=2))))
UNIT = re.compile(r"\[[^\]]+\]")


TABLES = {"In use [% of offer]", "Processing [Mtok/s]", "Nodes [% of offer]"}
MEASURES = {
    "Time [h]",
    "Share of the time [%]",
    "Quantity [Mtok/s]",
    "Share of capacity in use [%]",
    "Share in use [%]",
}
READ_UNITS = {
    "prices", "dispatch", "decomposition", "duration", "merit_order", "residual_demand", "sites", "offers",
    "dispatch_map",
}  # fmt: skip
READ_NAMES = {"prices", "dispatch", "decomposition", "duration"}


def check_words(figure: Figure) -> list[Word]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0, "journals ask for six points or more"
    assert figure.get_figheight() < 9.0, "fits a page"
    return words


@pytest.mark.parametrize("name", FIGURES)
def test_words_of_a_week_on_two_columns_are_legible_apart_and_inside(name: str, week: xr.Dataset) -> None:
    figure = getattr(tf.plot, name)(placed(week), columns=2)
    check_words(figure)
    assert figure.get_figwidth() == pytest.approx(WIDTHS[2])


@pytest.mark.parametrize("name", FIGURES)
def test_words_of_a_run_on_one_column_are_legible_and_tell_units(name: str, run: xr.Dataset) -> None:
    other = run.copy()
    for variable in ("price", "dispatch", "offer_price", "flow"):
        other[variable].attrs = {"units": "euro/Ttok", "long_name": "something else"}
    figure = getattr(tf.plot, name)(other, columns=1)  # one panel a row: each has a label of its own
    words = check_words(figure)
    assert figure.get_figwidth() == pytest.approx(WIDTHS[1])
    said = " ".join(word.text for word in words).replace("\n", " ")
    assert ("euro/Ttok" in said) == (name in READ_UNITS)
    assert ("Something else" in said) == (name in READ_NAMES)


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"dispatch_map"}))
def test_every_panel_tells_what_it_measures_in_which_unit(name: str, hour: xr.Dataset) -> None:
    figure = getattr(tf.plot, name)(hour, columns=1)
    check_words(figure)
    for ax in figure.axes:
        told = [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")]
        below = told[0] in MEASURES or told[0] == "" or told[0].startswith("Quantity [Mtok/s]")
        assert below or told[2] in TABLES
        assert any(UNIT.search(words) for words in told) or told[2] == "Links", told  # the colour bar tells


MANY_CLASSES = {"periods": 30, "nodes": 9, "providers": 12, "owners": 8, "classes": 7}
MANY_NODES = {"periods": 3, "nodes": 150, "providers": 30, "owners": 2}
ONE_OF_EACH = {"periods": 12, "nodes": 1, "providers": 1, "owners": 1, "classes": 1}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, ONE_OF_EACH) for name in FIGURES),
        *(
            (name, MANY_CLASSES)
            for name in (
                "prices",
                "dispatch",
                "unserved",
                "utilisation",
                "settlements",
                "decomposition",
                "offers",
            )
        ),
        *(
            (name, MANY_NODES)
            for name in (
                "profits",
                "settlements",
                "unserved",
                "utilisation",
                "links",
                "merit_order",
                "dispatch_map",
            )
        ),
    ],
)
def test_other_shapes_stay_legible(name: str, shape: dict[str, int]) -> None:
    check_words(getattr(tf.plot, name)(placed(fake_results(**shape))))


@pytest.fixture(scope="module")
def long_names() -> xr.Dataset:
    """Give results whose names are long and differ in their middle alone."""
    ds = placed(fake_results(periods=6, nodes=5))
    forms = {
        "node": "xAI Colossus {} Memphis Tennessee of America", "workload": "assistants of generation {} for the many",
        "provider": "The Great Compute Company {} Incorporated", "owner": "The Long Fibre Company {} of the Coast",
    }  # fmt: skip
    long = {
        dim: {name: form.format(n) for n, name in enumerate(ds[dim].values)} for dim, form in forms.items()
    }
    renamed = {dim: [*names.values()] for dim, names in long.items()}
    for name, dim, of in (
        ("asset_node", "asset", "node"), ("asset_provider", "asset", "provider"), ("arc_owner", "arc", "owner"),
        ("origin", "arc", "node"), ("destination", "arc", "node"),
    ):  # fmt: skip
        renamed[name] = (dim, [long[of][label] for label in ds[name].values])
    for name, ends in (("arc", ("origin", "destination")), ("asset", ("asset_provider", "asset_node"))):
        renamed[name] = [f"{a}->{b}" for a, b in zip(*(renamed[end][1] for end in ends), strict=True)]
    return ds.assign_coords(renamed)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", FIGURES)
def test_long_names_are_told_apart_and_inside(name: str, columns: int, long_names: xr.Dataset) -> None:
    figure = getattr(tf.plot, name)(long_names, columns=columns)
    words = words_of(figure)
    assert outside(words, figure) == []
    assert overlaps(words) == []
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels() if "…" in label.get_text()]
            assert len(set(labels)) == len(labels)
    for legend in figure.legends:
        labels = [label.get_text() for label in legend.get_texts()]
        assert len(set(labels)) == len(labels)


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
