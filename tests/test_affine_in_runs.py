"""Affine demand in a run: the line itself is cleared, and counted by its area."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf


def test_users_on_a_line_are_served_up_to_what_they_would_pay() -> None:
    line = {"name": "price_elastic", "form": "affine", "elasticity": -0.5, "reference_price": 1.0}
    regions = {
        name: {"nodes": [name], "strategy": line} for name in tf.load_scenario("us5").market().layout.nodes
    }
    scenario = tf.load_scenario("us5").override({"regions": regions, "periods": 2})
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    results = model.results()
    served = (results["demand"] - results["unserved"]).to_numpy()
    wanted = scenario.market(period=0).demand.to_numpy()
    price = results["price"].to_numpy()
    # q = d (1 - (p - 1) / 2)
    np.testing.assert_allclose(served[0], wanted * (1 - 0.5 * (price[0] - 1)).clip(0), rtol=1e-9, atol=1e-9)
    slope = 2.0 / wanted
    area = 3600 * (3.0 * served[0] - 0.5 * slope * served[0] ** 2)
    np.testing.assert_allclose(results["service_value"].to_numpy()[0], area, rtol=1e-9)
    names = ("energy", "running", "markup", "scarcity", "routing", "congestion")
    parts = sum(results[f"price_{name}"].to_numpy() for name in names)
    np.testing.assert_allclose(parts, price, rtol=1e-9)
    assert (results["certificate"] < 1e-9).all()


def test_a_slope_that_no_demand_can_have_is_the_strategys_fault() -> None:
    class Steep(tf.DemandStrategy):
        def bid(self, view: tf.DemandView) -> tf.Bid:
            return tf.Bid(view.demand, np.ones_like(view.demand), slope=-np.ones_like(view.demand))

    scenario = tf.load_scenario("us5")
    market = tf.TokenMarket(scenario, rng=1, strategies={"dallas": Steep()})
    with pytest.raises(tf.StrategyError, match="slope must be finite and not negative"):
        market.step()
