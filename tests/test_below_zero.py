"""Runs at electricity prices below zero: every strategy, every figure, and the measures."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.strategies.actions import markups_to, one_plus_markup, raised
from tokenflow_sim.strategies.registry import names

TEXT = """
format: 1
name: below_zero
periods: 6
market: {bandwidth: token_equivalent, must_serve: false}
demand:
  scale: 1
  hourly: {chat: [1, 0.2, 1.5, 0.1, 1, 1.4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}
workloads:
  chat: {payload: 1, base_demand: 800000, value: 5, latency_limit: 100}
  batch: {payload: 1, base_demand: 500000, value: 3}
nodes:
  windy: {demand_weight: 1, power_mw: 90, electricity_price: -0.05, latitude: 54, longitude: 9}
  calm: {demand_weight: 1, power_mw: 90, electricity_price: 0.04, latitude: 50, longitude: 8}
network:
  arcs:
    - {origin: windy, destination: calm, latency: 5, capacity: 0.4, tariff: 0.01}
    - {origin: calm, destination: windy, latency: 5, capacity: 0.4, tariff: 0.01}
hardware: {h: {throughput: {chat: 10000, batch: 9000}, energy: {chat: 30, batch: 33}}}
providers:
  one: {assets: [{node: windy, hardware: h, power_mw: 40}, {node: calm, hardware: h, power_mw: 50}]}
  two: {assets: [{node: windy, hardware: h, power_mw: 50}, {node: calm, hardware: h, power_mw: 40}]}
"""


@pytest.fixture(scope="module")
def scenario() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


def test_a_markup_raises_what_is_negative_and_is_read_off_it_again() -> None:
    cost, markup = np.array([-4.0, 0.0, 4.0]), 0.25
    assert raised(cost, markup).tolist() == [-3.0, 0.0, 5.0]
    assert raised(cost, -markup).tolist() == [-5.0, 0.0, 3.0]
    some = cost[cost != 0]
    assert markups_to(raised(some, markup), some).tolist() == [markup, markup]
    read = one_plus_markup(raised(cost, markup), cost, cost != 0)
    assert read.tolist() == [1.25, 0.0, 1.25]


@pytest.mark.parametrize("name", sorted({*names("provider")} - {"marginal_cost", "learned_policy"}))
def test_providers_offer_no_less_than_a_negative_cost(scenario: tf.Scenario, name: str) -> None:
    model = tf.TokenMarket(scenario, strategies={"providers": name}, rng=3, periods=3)
    model.run()
    ds = model.results()
    assert float(ds["certificate"].max()) <= 1e-7
    cost = scenario.market().arrays.offer_price[:, :, 0]
    asked = ds["offer_price"].values
    asked = asked if asked.ndim == 4 else asked[..., None]
    assert (asked[..., 0] >= cost - 1e-12).all()
    paid = ds["payment"].sum(["node", "workload"])
    assert np.allclose(
        paid, ds["revenue"].sum(["asset", "workload"]) + ds["link_income"].sum(["arc", "workload"])
    )


@pytest.mark.parametrize(
    "strategies",
    [
        {"regions": "price_elastic", "owners": "best_response_tariff"},
        {"regions": "churn", "owners": "congestion_tariff"},
        {"regions": {"name": "deferrable", "share": 0.5, "rule": "threshold"}},
    ],
)
def test_regions_and_owners_play_on(scenario: tf.Scenario, strategies: dict[str, object]) -> None:
    model = tf.TokenMarket(scenario, strategies=strategies, rng=3, periods=4)
    model.run()
    ds = model.results()
    assert float(ds["certificate"].max()) <= 1e-7
    assert (ds["link_income"] >= 0).all()


def test_figures_and_measures_of_negative_prices(scenario: tf.Scenario) -> None:
    model = tf.TokenMarket(scenario, strategies={"providers": "fixed_markup"}, rng=3)
    model.run()
    ds = model.results()
    assert float(ds["price"].min()) < 0 < float(ds["price"].max())
    for draw in (tf.plot.prices, tf.plot.duration):
        assert {ax.get_yscale() for ax in draw(ds, log=True).axes} == {"symlog"}
    for draw in (tf.plot.merit_order, tf.plot.residual_demand, tf.plot.offers, tf.plot.decomposition):
        figure = draw(ds)
        figure.canvas.draw()
    # A mark-up of a tenth of the size of cost, whatever the sign of cost.
    from tokenflow_sim.study import measures

    assert np.allclose(measures.offer_markup(ds), 0.1)
    index = measures.lerner(ds, by="asset").values
    assert np.isnan(index[ds["revenue"].values <= 0]).all()


def test_prices_by_period_may_be_negative_and_demand_may_not(scenario: tf.Scenario) -> None:
    series = "period,windy,calm\n0,-0.2,0.1\n1,0.1,-0.3\n"
    free = {"nodes.windy.electricity_price": None, "nodes.calm.electricity_price": None, "periods": 2}
    changed = scenario.override({**free, "electricity.series": series})
    price = changed.market(1).arrays.offer_price[:, 0, 0]
    assert price == pytest.approx([0.1 * 30, -0.3 * 30, 0.1 * 30, -0.3 * 30])
    with pytest.raises(tf.ScenarioError, match="must not be negative; found -2"):
        scenario.override({"demand.series": "period,node,chat\n0,calm,-2\n", "periods": 1})
