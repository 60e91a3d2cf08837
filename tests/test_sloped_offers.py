"""Offers whose price rises, in a run: cleared as lines, played by strategies, and held to the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.test_affine_in_runs import on_a_line
from tokenflow_sim.strategies.linear_supply import LinearSupply
from tokenflow_sim.strategies.supply_function import SupplyFunction

PROVIDER = "ashburn_dc"


def run(strategy: Any, **changes: Any) -> tf.TokenMarket:
    spec = {"providers": {PROVIDER: {"strategy": strategy}}} if isinstance(strategy, dict) else {}
    scenario = on_a_line(**changes)
    if spec:
        scenario = scenario.override({f"providers.{PROVIDER}.strategy": strategy})
    model = tf.TokenMarket(
        scenario, rng=1, strategies=None if spec else {PROVIDER: strategy}, periods=scenario.periods
    )
    model.run()
    return model


def test_a_line_is_supplied_at_the_price() -> None:
    slope, start = {"chat": 3e4, "code": 1e4}, {"chat": 0.9}
    line = {"name": "linear_supply", "slope": slope, "intercept": start}
    model = run(line)
    results, market = model.results(), model.clearing_house.last_market
    assert market is not None
    own = market.layout.assets.get_loc("ashburn")
    sold = results["dispatch"].sel(asset="ashburn").to_numpy()[-1]
    price = results["price"].sel(node="ashburn").to_numpy()[-1]
    room, most = market.arrays.capacity[own, :, 0] - sold, market.arrays.capacity[own, :, 0]
    assert market.arrays.offer_slope is not None
    first = market.arrays.offer_price[own, :, 0]
    for k, label in enumerate(market.layout.workloads):
        if label not in slope:
            assert market.arrays.offer_slope[own, k, 0] == 0
            continue
        if label in start:
            assert first[k] == start[label]
        if sold[k] > 0 and room[k] > 1e-6 * most[k]:
            assert sold[k] == pytest.approx(slope[label] * (price[k] - first[k]), rel=1e-9)
    assert (results["certificate"] < 1e-9).all()
    names = ("energy", "running", "markup", "scarcity", "routing", "congestion")
    parts = sum(results[f"price_{name}"].to_numpy() for name in names)
    np.testing.assert_allclose(parts, results["price"].to_numpy(), rtol=1e-9)
    # A batch gives each seed the same bits.
    scenario = on_a_line().override({f"providers.{PROVIDER}.strategy": line})
    batch = tf.Batch(scenario, seeds=[1, 2])
    batch.run()
    np.testing.assert_array_equal(batch.results()["price"].sel(seed=1), results["price"])


def test_a_learned_line_is_a_line_and_gains() -> None:
    cost = run({"name": "marginal_cost"}, periods=6)
    learned = run({"name": "supply_function", "form": "affine", "slope": 0.1}, periods=6)
    market = learned.clearing_house.last_market
    assert market is not None
    assert market.arrays.offer_slope is not None
    own = market.layout.assets.get_loc("ashburn")
    assert (market.arrays.offer_slope[own] > 0).any()
    gain = [model.results()["profit"].sel(provider=PROVIDER).to_numpy()[-1] for model in (learned, cost)]
    assert gain[0] > gain[1]


def test_an_impossible_slope_is_the_strategys_fault() -> None:
    class Falling(tf.Strategy):
        def offer(self, view: tf.View) -> tf.Offer:
            return tf.Offer(view.cost, view.capacity, slope=-np.ones_like(view.cost))

    class Short(tf.Strategy):
        def offer(self, view: tf.View) -> tf.Offer:
            return tf.Offer(view.cost, view.capacity, slope=np.ones(1))

    for strategy, told in ((Falling(), "slope must be finite and not negative"), (Short(), "all alike")):
        with pytest.raises(tf.StrategyError, match=told):
            run(strategy)
    assert "slope=" in repr(tf.Offer([[1.0]], [[1.0]], slope=[[0.5]]))


@pytest.mark.parametrize(("rules", "told"), [({"offer_cap": 2.0}, "no line"), ({"pivotal_suppliers": 3}, "")])
def test_mitigation_caps_no_line_and_sets_one_to_cost(rules: dict[str, float], told: str) -> None:
    steep = LinearSupply(slope=1.0)
    if told:
        with pytest.raises(tf.MarketError, match=told):
            run(steep, **{"market.mitigation": rules})
        return
    model = run(steep, **{"market.mitigation": rules})
    market, failed = model.clearing_house.last_market, model.results()["failed_test"].to_numpy()[-1]
    assert market is not None
    assert market.arrays.offer_slope is not None
    assert failed.any()
    assert (market.arrays.offer_slope[failed > 0] == 0).all()
    assert (model.results()["mitigated"].to_numpy()[-1][failed > 0] > 0).any()


def test_what_no_line_has_is_refused() -> None:
    with pytest.raises(ValueError, match="slope must be a finite number"):
        LinearSupply(slope=0.0)
    with pytest.raises(ValueError, match="form must be steps or affine"):
        SupplyFunction(form="curved")  # type: ignore[arg-type]
