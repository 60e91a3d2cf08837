"""Which figures there are, how one is added, and what is said when one cannot be drawn."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results
from tests.plot.seen import overlaps, words_of
from tokenflow_sim.plot import gallery, registry
from tokenflow_sim.plot.reference import reference
from tokenflow_sim.variables import (
    BACKLOG,
    DELIVERY,
    GRID,
    MARKET_POWER,
    MEASURES,
    RESULT_COORDINATES,
    RESULTS,
    STUDY_COORDINATES,
    STUDY_VARIABLES,
)

# Beside them the status of the runs of a sweep, and the dims of sensitivity indices.
STUDIES = {
    *MEASURES,
    *MARKET_POWER,
    *STUDY_VARIABLES,
    *STUDY_COORDINATES,
    "parameter",
    "output",
    "status",
    "history",
    "place",
    "settled",
    "undisturbed",
}
NAMES = {
    "prices",
    "settlements",
    "dispatch",
    "utilisation",
    "decomposition",
    "duration",
    "profits",
    "unserved",
    "links",
    "merit_order",
    "offers",
    "residual_demand",
    "sites",
}


def test_all_figures_fit_the_results_of_a_run(run: xr.Dataset) -> None:
    assert set(tf.plot.figures(run)) >= NAMES
    for name, draw in tf.plot.figures(run).items():
        assert draw is getattr(tf.plot, name)
        assert name in dir(tf.plot)
        assert isinstance(draw(run.isel(period=slice(0, 2))), Figure)


def test_only_figures_whose_variables_are_there_fit(day: xr.Dataset) -> None:
    assert set(tf.plot.figures(day[["price", "demand"]])) == {"prices", "duration"}
    assert set(tf.plot.figures(day[["profit"]])) == {"profits"}
    assert tf.plot.figures(xr.Dataset()) == {}


def test_every_figure_is_described_and_asks_for_what_exists() -> None:
    for name, entry in registry.entries().items():
        if not entry.is_own:
            continue  # a page of the documentation registers one, in this process
        assert entry.summary.endswith(".")
        assert set(entry.needs) <= {*RESULTS, *DELIVERY, *BACKLOG, *GRID, *RESULT_COORDINATES, *STUDIES}, name
        parameters = list(inspect.signature(entry.draw).parameters)
        assert parameters[0] == "ds"
        assert {"columns", "ax"} <= set(parameters)
        documented = inspect.getdoc(entry.draw) or ""
        assert [each for each in parameters if f"\n{each} : " not in documented] == [], name


def test_the_reference_names_every_figure_and_its_parameters() -> None:
    page = reference()
    for name in NAMES:
        assert f"\n## {name}\n\n`tf.plot.{name}(ds, " in page
        assert f"| `{name}` | {registry.entries()[name].summary} |" in page
    assert "- `node` (str, optional): The node whose price is drawn; by default the mean" in page
    assert "Raises" not in page


def test_one_new_module_adds_a_figure_everywhere(
    tmp_path: Path, day: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "welfare_over_time.py").write_text(
        '''
from tokenflow_sim.plot.panels import dress_value, panels
from tokenflow_sim.plot.registry import figure
from tokenflow_sim.plot import text

@figure("welfare")
def welfare(results, *, columns=2, ax=None):
    """Welfare over time."""
    time = results.time
    drawn = panels(1, ax, columns, figure="welfare", height=2.0)
    drawn.axes[0].plot(time.line, time.steps(time.mean(results["welfare"])))
    dress_value(drawn.axes[0], text.quantity(results.attrs("welfare")))
    drawn.dress_time(time)
    return drawn.figure
'''
    )
    monkeypatch.setattr(gallery, "__path__", [*gallery.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry.entries()))
    registry._load_gallery.cache_clear()
    try:
        assert "welfare" in tf.plot.figures(day)
        figure = tf.plot.welfare(day)
        assert figure.axes[0].get_ylabel() == "Value of service less true cost\n[\\$/period]"
        assert "`tf.plot.welfare(ds, *, columns=2, ax=None)`" in reference()
        with pytest.raises(tf.ResultError, match="welfare needs welfare; missing: welfare"):
            tf.plot.welfare(day[["price"]])
    finally:
        sys.modules.pop(f"{gallery.__name__}.welfare_over_time", None)
        registry._load_gallery.cache_clear()


def test_an_unknown_figure_is_told_with_those_known() -> None:
    with pytest.raises(AttributeError, match=r"no 'pries'; figures: .*decomposition, dispatch, .*prices"):
        _ = tf.plot.pries
    assert not hasattr(tf.plot, "_private")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            "week.nc",
            r"prices needs the results of a run as an xarray.Dataset; found str; see load_results\(path\)",
        ),
        (None, "found NoneType"),
        (xr.DataArray([1.0]), "found DataArray"),
        (xr.Dataset(), "missing: price, demand; known in this Dataset: nothing"),
        (xr.Dataset({"price": 1.0}), "missing: demand; known in this Dataset: price"),
    ],
)
def test_what_is_no_results_is_told(wrong: Any, told: str) -> None:
    with pytest.raises(tf.ResultError, match=told):
        tf.plot.prices(wrong)
    if not isinstance(wrong, xr.Dataset):
        with pytest.raises(tf.ResultError, match="figures needs the results of a run"):
            tf.plot.figures(wrong)


def test_a_model_is_told_to_give_its_results() -> None:
    model = tf.TokenMarket("us5", rng=1, periods=1)
    with pytest.raises(tf.ResultError, match=r"found TokenMarket; call its results\(\) first"):
        tf.plot.prices(model)


def test_missing_coordinates_are_told_in_words(day: xr.Dataset) -> None:
    with pytest.raises(tf.ResultError, match=r"missing: asset_provider \(provider that owns the asset\)"):
        tf.plot.dispatch(day.drop_vars("asset_provider"))


def test_results_of_many_runs_are_told_to_choose_one(day: xr.Dataset) -> None:
    both = xr.concat([day, day], pd.Index([11, 12], name="seed"), data_vars="all")
    with pytest.raises(tf.ResultError, match=r"'price' has also the dims seed; .* ds.sel\(seed=11\)"):
        tf.plot.prices(both)
    assert tf.plot.prices(both.sel(seed=12)).axes


def test_wrong_dims_empty_ones_and_periods_out_of_order_are_told(day: xr.Dataset) -> None:
    with pytest.raises(
        tf.ResultError, match=r"'price' with dims \(period, node, workload\); found \(period, workload\)"
    ):
        tf.plot.prices(day.mean("node"))
    with pytest.raises(tf.ResultError, match="'price' has no period"):
        tf.plot.prices(day.isel(period=slice(0, 0)))
    with pytest.raises(tf.ResultError, match="periods in increasing order"):
        tf.plot.prices(day.isel(period=[3, 1, 2]))
    with pytest.raises(tf.ResultError, match="periods in increasing order"):
        tf.plot.prices(day.isel(period=[1, 1]))


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda ds: tf.plot.decomposition(ds, node="dalas"), "unknown node 'dalas'; known nodes: .*mean 'dallas'"),
        (lambda ds: tf.plot.prices(ds, workload="chats"), "unknown workload 'chats'; known workloads: chat, image"),
        (lambda ds: tf.plot.prices(ds, workload=[]), "no workload was chosen; known: chat, image, code, batch"),
        (lambda ds: tf.plot.dispatch(ds, by="nodes"), "unknown grouping 'nodes'; known groupings: provider, node"),
        (lambda ds: tf.plot.profits(ds, columns=3), "profits: columns must be 1 or 2, .* found 3"),
        (lambda ds: tf.plot.profits(ds, ax=Figure().add_subplot()), "draws 2 panels .* needs as many .* 1 of Axes"),
        (lambda ds: tf.plot.duration(ds, workload="chat", ax="here"), "draws 1 panel of .* found 1 of str"),
    ],
)  # fmt: skip
def test_choices_that_do_not_exist_are_told_with_those_that_do(day: xr.Dataset, draw: Any, told: str) -> None:
    with pytest.raises(tf.ResultError, match=told):
        draw(day)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_selections_are_drawn_as_they_are(name: str, day: xr.Dataset) -> None:
    draw = getattr(tf.plot, name)
    for chosen in (day.isel(period=3).sel(workload="code"), day.isel(period=[0, 7])):
        assert draw(chosen).axes
    shuffled = day.transpose("workload", "asset", "arc", "node", "provider", "owner", "period")
    one, other = draw(day), draw(shuffled)
    assert [len(ax.lines) for ax in one.axes] == [len(ax.lines) for ax in other.axes]
    np.testing.assert_allclose([ax.get_ylim() for ax in one.axes], [ax.get_ylim() for ax in other.axes])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_figures_draw_on_the_users_axes(name: str, day: xr.Dataset) -> None:
    draw = getattr(tf.plot, name)
    count = len([ax for ax in draw(day).axes if ax.get_label() != "<colorbar>"])
    figure, axes = plt.subplots(count, 1, figsize=(7, 3 * count), layout="constrained")
    try:
        assert draw(day, ax=axes) is figure
        assert all(ax.has_data() for ax in np.atleast_1d(axes))
        assert overlaps(words_of(figure)) == []
        assert figure.get_size_inches() == pytest.approx((7, 3 * count))
    finally:
        plt.close(figure)


def test_one_panel_goes_into_a_subfigure(day: xr.Dataset) -> None:
    whole = Figure(layout="constrained")
    left, right = np.atleast_1d(np.asarray(whole.subfigures(1, 2)))
    assert tf.plot.prices(day, workload="chat", ax=left.subplots()) is whole
    tf.plot.duration(day, workload="chat", ax=[right.subplots()])
    assert [len(part.axes) for part in (left, right)] == [1, 1]


def test_results_on_disk_are_drawn_without_being_loaded(tmp_path: Path, day: xr.Dataset) -> None:
    path = tmp_path / "run.nc"
    day.to_netcdf(path)
    with xr.open_dataset(path) as lazy:
        for draw in tf.plot.figures(lazy).values():
            draw(lazy)
        assert not any(lazy[name].variable._in_memory for name in RESULTS)


def test_figures_of_a_year_of_a_large_network_need_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = fake_results(periods=500, nodes=30, classes=2)
    whole = tf.plot.duration(ds).axes[0].lines[0].get_ydata()
    monkeypatch.setattr("tokenflow_sim.plot.gallery.duration._NUMBERS_AT_ONCE", 2000)
    monkeypatch.setattr("tokenflow_sim.plot.time._NUMBERS_AT_ONCE", 2000)
    pieces = tf.plot.duration(ds)
    np.testing.assert_array_equal(pieces.axes[0].lines[0].get_ydata(), whole)
    low = pieces.axes[0].collections[0].get_paths()[0].vertices[:, 1].min()
    assert low == pytest.approx(float(ds.price.isel(workload=0).min()))
