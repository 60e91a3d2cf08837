"""Marginal emissions: by hand, and against the difference that one more unit makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, markets
from tests.scenario.test_carbon import CLEAN, DIRTY, TEXT
from tokenflow_sim.market.marginal import marginal_emissions


def differences(market: tf.Market, rate: np.ndarray, share: float) -> np.ndarray:
    """Return the change of emissions with a little more demand of each node and class, over the change."""
    arrays, clearer = market.arrays, tf.Clearer(market)

    def emitted(demand: np.ndarray) -> float:
        changed = tf.Market.from_arrays(market.layout, arrays.with_(demand=demand), market.hours)
        return float((clearer.clear(changed).values.dispatch.sum(axis=2) * rate).sum())

    base = emitted(arrays.demand)
    step = share * float(arrays.demand[arrays.demand > 0].mean())
    found = np.full(arrays.demand.shape[:2], np.nan)
    for n, k in np.ndindex(found.shape):
        more = arrays.demand.copy()
        more[n, k, 0] += step
        try:
            found[n, k] = (emitted(more) - base) / step
        except tf.InfeasibleError:
            continue
    return found


def test_one_more_token_by_hand() -> None:
    plain = tf.Scenario.from_yaml(TEXT)
    rate = plain.compiled.carbon.rate(0)
    free = marginal_emissions(tf.clear(plain.market()), rate)
    assert free.sel(workload="chat").values[:2] == pytest.approx([DIRTY, CLEAN], rel=1e-12)
    assert free.attrs["units"] == "t/Mtok"
    # Under a cap that binds, one more unit emits nothing: other service moves to the clean site.
    capped = plain.override({"carbon.cap": 9.72, "nodes.south.demand_weight": 0.1})
    assert marginal_emissions(tf.clear(capped.market()), rate).values[:2] == pytest.approx(
        np.zeros((2, 1)), abs=1e-12
    )
    # The north's capacity of 0.4 is exactly used up: one more unit is served in the south, and nowhere without a link.
    full = plain.override({"demand.scale": 4 / 3})
    assert marginal_emissions(tf.clear(full.market()), rate).values[0] == pytest.approx([CLEAN], rel=1e-9)
    alone = full.override({"network.arcs": {}})
    assert np.isnan(marginal_emissions(tf.clear(alone.market()), rate).values[0, 0])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("transfer_aware", "continuous"),
        ("opex_adder", "integer"),
        ("latency_rule", "fives"),
        ("shared_power", "integer"),
    ],
)
def test_differences_on_random_markets(name: str, kind: str) -> None:
    @effort(3)
    @given(markets(FORMULATIONS[name], kind), st.integers(0, 2**32 - 1))
    def check(market: tf.Market, seed: int) -> None:
        tell(market)
        rate = np.random.default_rng(seed).uniform(0, 1, market.arrays.offer_price.shape[:2])
        try:
            clearing = tf.clear(market)
        except tf.InfeasibleError:
            return
        if market.arrays.demand.shape[2] > 1 or not market.arrays.demand.any():
            return
        exact = marginal_emissions(clearing, rate).values
        steps = differences(market, rate, 1e-4)
        near = np.isclose(exact, steps, rtol=1e-5, atol=1e-6, equal_nan=True)
        assert near.all(), (exact[~near], steps[~near])

    check()


def test_what_has_none_is_refused() -> None:
    curved = tf.Scenario.from_yaml(TEXT).override({"market.congestion_curvature": 1})
    with pytest.raises(tf.MarketError, match="linear market"):
        marginal_emissions(tf.clear(curved.market()), np.ones((2, 1)))
    with pytest.raises(tf.MarketError, match=r"must have dims \(asset, workload\)"):
        marginal_emissions(tf.clear(tf.Scenario.from_yaml(TEXT).market()), np.ones((3, 7)))
    with pytest.raises(tf.MarketError, match="must be a Clearing"):
        marginal_emissions(tf.Scenario.from_yaml(TEXT).market(), 1.0)  # type: ignore[arg-type]
