"""Affine demand in a run: the line itself is cleared, and counted by its area."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.results.single import results_of
from tokenflow_sim.study import measures


def on_a_line(**changes: Any) -> tf.Scenario:
    line = {"name": "price_elastic", "form": "affine", "elasticity": -0.5, "reference_price": 1.0}
    regions = {
        name: {"nodes": [name], "strategy": line} for name in tf.load_scenario("us5").market().layout.nodes
    }
    return tf.load_scenario("us5").override({"regions": regions, "periods": 2} | changes)


def test_users_on_a_line_are_served_up_to_what_they_would_pay() -> None:
    scenario = on_a_line()
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    results = model.results()
    served = results["demand"].to_numpy()
    # Beyond what is served nobody would have paid the price, so that nothing is missed.
    assert (results["unserved"] == 0).all()
    assert (measures.summarise(results)["unserved_share"] == 0).all()
    assert (measures.reliability(results)["eue"] == 0).all()
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

    alone = results_of(tf.clear(model.clearing_house.last_market))
    assert (alone["unserved"] == 0).all()


@pytest.mark.parametrize(
    ("rules", "cleared"), [({"price_cap": 2.0}, False), ({"pivotal_suppliers": 1, "price_cap": 3.5}, True)]
)
def test_mitigation_counts_what_a_line_wants_and_cuts_none(rules: dict[str, float], cleared: bool) -> None:
    model = tf.TokenMarket(on_a_line(**{"market.mitigation": rules}), rng=1)
    if not cleared:
        with pytest.raises(tf.MarketError, match="has no meaning for affine bids"):
            model.step()
        return
    model.step()
    plain = tf.TokenMarket(on_a_line(**{"market.mitigation": {"pivotal_suppliers": 1}}), rng=1)
    plain.step()
    np.testing.assert_array_equal(model.results()["failed_test"], plain.results()["failed_test"])


def test_a_slope_that_no_demand_can_have_is_the_strategys_fault() -> None:
    class Steep(tf.DemandStrategy):
        def bid(self, view: tf.DemandView) -> tf.Bid:
            return tf.Bid(view.demand, np.ones_like(view.demand), slope=-np.ones_like(view.demand))

    scenario = tf.load_scenario("us5")
    market = tf.TokenMarket(scenario, rng=1, strategies={"dallas": Steep()})
    with pytest.raises(tf.StrategyError, match="slope must be finite and not negative"):
        market.step()
