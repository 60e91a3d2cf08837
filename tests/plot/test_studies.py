"""Figures of studies: what is drawn is what was found, legibly."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.plot.seen import outside, overlaps, words_of
from tokenflow_sim.study.compare import differences
from tokenflow_sim.study.tournament import ranking
from tokenflow_sim.variables import MEASURES

STRATEGIES = ["marginal_cost", "fixed_markup(markup=0.3)", "adaptive_markup"]
SIZES = {"provider": ["atlas", "boreal"], "workload": ["chat", "image", "code", "batch"]}


@pytest.fixture(scope="module")
def compared() -> xr.Dataset:
    rng = np.random.default_rng(1)
    coords = {"strategy": STRATEGIES, "seed": range(6), **SIZES}
    data = {}
    for name, row in MEASURES.items():
        dims = ("strategy", "seed", *row.dims)
        size = 1e6 if row.unit == "$/h" else 1.0
        data[name] = (dims, size * (1 + 0.1 * rng.random([len(coords[dim]) for dim in dims])), row.attrs())
    return xr.Dataset(
        data,
        coords,
        {"provider": "atlas", "baseline": "marginal_cost", "confidence": 0.95, "method": "student"},
    )


@pytest.fixture(scope="module")
def played() -> xr.Dataset:
    values = 1e6 * (1 + np.random.default_rng(2).random((3, 3, 4, 1)))
    coords = {"strategy": STRATEGIES, "rival": STRATEGIES, "seed": range(4), "provider": ["atlas"]}
    return xr.Dataset(
        {"payoff": (("strategy", "rival", "seed", "provider"), values)}, coords, {"confidence": 0.95}
    )


@pytest.fixture(scope="module")
def search() -> xr.Dataset:
    rng = np.random.default_rng(3)
    return xr.Dataset(
        {
            "history_action": (("round", "provider", "workload"), rng.random((9, 2, 4))),
            "history_profit": (("round", "provider"), 1e5 * rng.random((9, 2))),
            "history_gain": (("round",), np.geomspace(1e4, 1.0, 9)),
        },
        {"round": range(9), **SIZES},
        {"play": "price"},
    )


@pytest.fixture(scope="module")
def power() -> xr.Dataset:
    rng = np.random.default_rng(4)
    units = {"hhi": "points", "lerner": "1", "residual_supply_index": "1"}
    size = {"hhi": 4000.0, "lerner": 1.0, "residual_supply_index": 2.0}
    data = {
        name: (("period", dim), size[name] * rng.random((24, len(SIZES[dim]))), {"units": units[name]})
        for name, dim in (("hhi", "workload"), ("lerner", "provider"), ("residual_supply_index", "provider"))
    }
    return xr.Dataset(data, {"period": range(24), **SIZES}, {"hours": 1.0})


FIGURES = [
    ("comparison", "compared"),
    ("tournament", "played"),
    ("convergence", "search"),
    ("market_power", "power"),
]


@pytest.mark.parametrize(("name", "data"), FIGURES)
@pytest.mark.parametrize("columns", [1, 2])
def test_words_are_legible_apart_and_inside(
    name: str, data: str, columns: int, request: pytest.FixtureRequest
) -> None:
    ds: xr.Dataset = request.getfixturevalue(data)
    figure = getattr(tf.plot, name)(ds, columns=columns)
    words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0
    assert name in tf.plot.figures(ds)
    with pytest.raises(tf.ResultError, match=f"{name} needs"):
        getattr(tf.plot, name)(xr.Dataset())


def test_a_comparison_draws_its_differences(compared: xr.Dataset) -> None:
    figure = tf.plot.comparison(compared)
    found = differences(compared)["profit_rate"].sel(provider="atlas", strategy=STRATEGIES[1:])
    dots = figure.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(np.asarray(dots.get_xdata()) * 1e3, found["mean"])
    ends = figure.axes[0].containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(
        [[end[0] * 1e3 for end in pair] for pair in ends], np.transpose([found.lower, found.upper])
    )
    assert figure.axes[0].get_xlabel() == r"Change [k\$/h]"
    everyone = tf.plot.comparison(compared.assign_attrs(provider="every provider"))
    total = differences(compared)["profit_rate"]["mean"].sum("provider").sel(strategy=STRATEGIES[1:])
    drawn = np.asarray(everyone.axes[0].containers[0].lines[0].get_xdata())
    np.testing.assert_allclose(drawn * 1e3, total)


def test_a_tournament_writes_its_payoffs_best_first(played: xr.Dataset) -> None:
    figure = tf.plot.tournament(played)
    order = list(ranking(played).index)
    assert next(label.get_text() for label in figure.axes[0].get_xticklabels()).startswith(order[0][:6])
    mean = played.payoff.mean(["seed", "provider"]).sel(strategy=order[0], rival=order[0])
    assert any(word.text == f"{float(mean) / 1e6:.2f}" for word in words_of(figure))
    assert len(figure.axes[0].patches) == len(order), "the best reply to each is framed"


def test_market_power_draws_the_hours_below_one(power: xr.Dataset) -> None:
    figure = tf.plot.market_power(power)
    share = 100 * (power.residual_supply_index < 1).mean("period")
    np.testing.assert_allclose([bar.get_width() for bar in figure.axes[3].patches], share)
