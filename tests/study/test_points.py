"""Points whose markets have other labels than the next one's; strategies as values; paths and values given twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies import samples
from tests.study.tiny import TEXT, tiny
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.markups import FixedMarkup
from tokenflow_sim.study.compare import compare
from tokenflow_sim.study.sensitivity import sensitivity
from tokenflow_sim.study.sweep import sweep
from tokenflow_sim.study.swept import load_sweep
from tokenflow_sim.study.tournament import tournament

ARCS = TEXT[TEXT.index("  arcs:") : TEXT.index("hardware:")]


def ruled() -> Scenario:
    """Return the market with arcs by a rule: none below 171 km, the distance of its two nodes."""
    return Scenario.from_yaml(TEXT.replace(ARCS, "  max_distance: 100\n  capacity: 100\n"))


def test_a_number_that_changes_the_arcs_gives_the_union_of_labels(tmp_path: Path) -> None:
    vary = {"network.max_distance": [100.0, 400.0]}
    record = ["flow", "price"]
    found = sweep(ruled(), vary, periods=1, record=record)
    flow = found.dataset["flow"].isel(seed=0, period=0)
    assert flow.sizes["arc"] == 2
    assert flow.sel({"network.max_distance": 100.0}).isnull().all(), "there is no arc"
    wide = flow.sel({"network.max_distance": 400.0})
    model = tf.TokenMarket(ruled(), rng=0, periods=1, overrides={"network.max_distance": 400.0})
    model.run()
    np.testing.assert_array_equal(wide, model.results()["flow"].isel(period=0))
    assert found.dataset["price"].notnull().all()
    assert json.loads(found.dataset.attrs["union"]) == ["arc"]
    assert "NaN" in found.dataset["arc"].attrs["note"]
    assert "note" not in found.dataset["node"].attrs
    assert "labels of arc differ" in repr(found)
    out = tmp_path / "s.zarr"
    stored = sweep(ruled(), vary, periods=1, record=record, out=out).dataset.load()
    xr.testing.assert_identical(stored.drop_attrs(deep=False), found.dataset.drop_attrs(deep=False))
    again = sweep(ruled(), vary, periods=1, record=record, out=out, resume=True)
    assert again.seconds == {}
    assert load_sweep(out).dataset["arc"].attrs == found.dataset["arc"].attrs
    found.dataset.to_netcdf(tmp_path / "s.nc")
    with xr.open_dataset(tmp_path / "s.nc") as read:
        np.testing.assert_array_equal(read["flow"], found.dataset["flow"])


def test_the_order_of_labels_is_that_in_which_points_bring_them() -> None:
    more = {"east": 40.0, "north": 9.0}
    text = TEXT.replace(
        "network:", "  - {node: north, latitude: 41, longitude: -76, power_mw: 9, electricity_price: 0.1,"
        " demand_weight: 0.5}\nnetwork:",
    )  # fmt: skip
    assets = [[{"node": node, "hardware": "h", "power_mw": power}] for node, power in more.items()]
    scenario = Scenario.from_yaml(text.replace("must_serve: true", "must_serve: false"))
    found = sweep(scenario, {"providers.a.assets": assets}, periods=1, record=["dispatch"])
    labels = found.dataset["asset"].values.tolist()
    first = found.dataset["dispatch"].isel({"providers.a.assets": 0, "seed": 0, "period": 0, "workload": 0})
    assert labels == ["a/east/h", "b/west/h", "a/north/h"]
    assert first.notnull().values.tolist() == [True, True, False]
    assert found.dataset["asset_node"].values.tolist() == ["east", "west", "north"]


def test_an_asset_that_moves_and_a_link_unit_that_changes_are_said() -> None:
    found = sweep(
        tiny(), {"network.arcs.e-w.destination": ["west"], "market.bandwidth": ["token_equivalent", "physical"]},
        periods=1, record=["congestion_rent"],
    )  # fmt: skip
    assert " or " in found.dataset["congestion_rent"].attrs["units"]
    assert "union" not in found.dataset.attrs


def test_a_number_of_blocks_is_known_before_any_run() -> None:
    spec = {"providers.a.strategy": {"name": "supply_function", "blocks": 2}}
    scenario = tiny().override(spec)
    found = sweep(scenario, {"providers.a.strategy.blocks": [2, 4]}, periods=1, record=["offer_price"])
    offered = found.dataset["offer_price"].isel(seed=0, period=0).sel(asset="a/east/h", workload="chat")
    assert offered.notnull().sum("block").values.tolist() == [2, 4]


def test_sensitivity_to_what_changes_labels() -> None:
    vary = {"network.max_distance": "uniform(100, 400)", "market.opex_adder": "uniform(0, 20)"}
    found = sensitivity(ruled(), vary, kind="morris", samples=2, periods=1, outputs=["mean_price"])
    assert found.dataset["mu_star"].notnull().all()


# Strategies as values


class Mine(tf.Strategy):
    """Offer at cost and a tenth."""

    def __init__(self, markup: float = 0.1) -> None:
        self.markup = markup

    def offer(self, view: tf.View) -> tf.Offer:
        return tf.Offer(price=view.cost * (1 + self.markup), quantity=view.capacity)


def test_a_strategys_class_may_be_varied(tmp_path: Path) -> None:
    path = "providers.a.strategy"
    values = ["marginal_cost", Mine, {"name": Mine, "markup": 0.5}, FixedMarkup(0.3)]
    found = sweep(tiny(), {path: values}, periods=1, record=[], out=tmp_path / "s.zarr")
    name = f"{__name__}:Mine"
    labels = ["marginal_cost", name, f"{name}(markup=0.5)", "fixed_markup(markup=0.3)"]
    assert found.dataset[path].values.tolist() == labels
    assert json.loads(found.dataset.attrs["design"])["vary"] == {path: labels}
    offers = found.dataset["offer_markup"].sel(provider="a").isel(seed=0)
    np.testing.assert_allclose(offers, [0, 0.1, 0.5, 0.3], atol=1e-12)
    assert (
        sweep(tiny(), {path: values}, periods=1, record=[], out=tmp_path / "s.zarr", resume=True).seconds
        == {}
    )


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ({"demand.scale": [Mine]}, "may stand at an agent's strategy only"),
        ({"providers.a.strategy": [samples.Sloppy]}, "class Sloppy has no default for step; give an object"),
        ({"providers.a.strategy": ["marginal_cost", samples.Elastic]}, "must be a strategy of a provider"),
        ({"providers.a.strategy": [Mine, type("Mine", (Mine,), {"__module__": __name__})]}, "is given more than once"),
        ({"providers.a.strategy": [{"name": Mine, "mark": 1}]}, "strategy Mine: .*unexpected keyword"),
        ({"providers.a.strategy.markup": [-5, "x"], "providers.b.strategy.markup": [-7]}, "(?s)markup.*markup"),
    ],
)  # fmt: skip
def test_strategies_that_cannot_be_varied_are_refused_before_any_run(vary: dict[str, Any], told: str) -> None:
    with pytest.raises(tf.InputError, match=told):
        sweep(tiny(), vary, periods=1)


# Given twice


@pytest.mark.parametrize(
    ("vary", "more", "told"),
    [
        ({"demand.scale": [1]}, {"overrides": {"demand.scale": 2}}, "demand.scale: is varied, and given by overrides"),
        ({"periods": [1, 2]}, {"periods": 2}, "periods: is varied, and given"),
        ({"hours": [1.0]}, {"periods": 2, "overrides": {"periods": 3}}, "periods: is given by overrides"),
        ({"demand": [{"scale": 1}]}, {"overrides": {"demand.scale": 2}}, "demand: is varied, and holds demand.scale"),
        (
            {"providers.b.strategy.markup": [0.1]}, {"overrides": {"providers.b.strategy": "fixed_markup"}},
            "is part of providers.b.strategy",
        ),
        (
            {"providers.a.strategy": ["marginal_cost"], "providers.a.strategy.name": ["fixed_markup"]}, {},
            "providers.a.strategy: holds providers.a.strategy.name, which is varied too",
        ),
        ({"providers.a.strategy": [Mine]}, {"strategies": {"providers": "marginal_cost"}}, "`strategies` gives this"),
        ({"market.must_serve": "yes,true"}, {}, "'yes' and True mean the same .True.; give it once"),
        ({"market.must_serve": ["true", True]}, {}, "mean the same"),
        ({"demand.scale": "1,1.0"}, {}, "given more than once"),
        ({"demand.scale": ["2", 2]}, {}, "mean the same"),
        ({"providers.a.strategy": ["marginal_cost", {"name": "marginal_cost"}]}, {}, "mean the same"),
    ],
)  # fmt: skip
def test_what_is_given_twice_is_refused(vary: dict[str, Any], more: dict[str, Any], told: str) -> None:
    with pytest.raises(tf.InputError, match=told):
        sweep(tiny(), vary, **more)


def test_comparisons_refuse_what_is_given_twice_or_would_change_nothing() -> None:
    two = ["marginal_cost", "fixed_markup"]
    for study in (compare, tournament):
        with pytest.raises(tf.InputError, match="periods: is given by overrides"):
            study(tiny(), two, periods=1, overrides={"periods": 2})
        with pytest.raises(tf.InputError, match=r"providers.b.strategy.markup: is of a provider that plays"):
            study(tiny(), two, provider="b", periods=1, overrides={"providers.b.strategy.markup": 0.3})


@pytest.mark.parametrize(
    "study",
    [
        partial(sweep, vary={"demand.scale": [1]}),
        partial(compare, strategies=["marginal_cost", "fixed_markup"], seeds=1),
        partial(tournament, strategies=["marginal_cost", "fixed_markup"], seeds=1),
        partial(sensitivity, vary={"demand.scale": "uniform(1, 2)", "power_price": "uniform(1, 2)"}),
        tf.equilibrium,
    ],
)
def test_overrides_that_are_no_mapping_are_refused(study: Callable[..., object]) -> None:
    with pytest.raises(tf.InputError, match="give a mapping of dotted paths to values; found a DataFrame"):
        study(tiny(), overrides=pd.DataFrame({"demand.scale": [1.0, 2.0]}))
