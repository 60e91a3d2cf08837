"""Rewards of learners: their scale and what truthful offers would have earned, by hand; and a scarce hour a day."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.test_learning import receipt_of, view_of
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.actions import MARKUPS
from tokenflow_sim.strategies.rewards import WINDOW, Scale, gain, truthful_profit
from tokenflow_sim.strategies.roth_erev import RothErev

ONE = np.array([0])


def market(own: float, offered: float, demand: float, value: float = 50.0) -> tf.Market:
    """Return a market of one's own 4 Mtok/s and a rival's 2 at 3 $/Mtok."""
    coords: dict[str, Any] = {
        "asset": ["own", "rival"], "workload": ["x"], "asset_node": ("asset", ["here"] * 2),
        "provider": ("asset", ["one", "other"]),
    }  # fmt: skip
    node = {"node": ["here"], "workload": ["x"]}
    return tf.Market(
        offer_price=xr.DataArray([[own], [3.0]], dims=("asset", "workload"), coords=coords),
        capacity=xr.DataArray([[offered], [2.0]], dims=("asset", "workload"), coords=coords),
        demand=xr.DataArray([[demand]], dims=("node", "workload"), coords=node),
        value=xr.DataArray([[value]], dims=("node", "workload"), coords=node),
    )


def truthful(market: tf.Market) -> float:
    found = truthful_profit(market, ONE, np.array([[1.0]]), np.array([[4.0]]))
    assert found is not None
    return float(found[0, 0])


def test_truthful_profit_is_that_of_all_capacity_at_cost_beside_rivals_as_they_were() -> None:
    # 3 of 4 units at the own cost of 1: nothing. 5 units: the rival's 3 $ are the price, for 4 units.
    assert truthful(market(own=2.9, offered=1.0, demand=3.0)) == pytest.approx(0.0)
    assert truthful(market(own=9.0, offered=4.0, demand=5.0)) == pytest.approx((3.0 - 1.0) * 4.0 * 3600)
    # 9 units wanted of 6: the value is the price
    assert truthful(market(own=20.0, offered=0.0, demand=9.0)) == pytest.approx((50.0 - 1.0) * 4.0 * 3600)


def test_a_gain_within_the_rounding_of_large_profits_is_none() -> None:
    profit, other = np.array([2e5, 3.0]), np.array([2e5 * (1 + 1e-12), 2.5])
    assert gain(profit, other).tolist() == [0.0, 0.5]


def test_the_scale_is_the_quantile_that_nine_tenths_do_not_exceed() -> None:
    scale, found = Scale(1), []
    for reward in (2.0, -4.0, 1.0):
        found.append(float(scale.share(ONE, np.array([reward]))[0]))
    assert found == [1.0, -1.0, 0.25]  # sizes 2; 2, 4; 1, 2, 4: of fewer than ten it is the largest
    for _ in range(16):
        scale.share(ONE, np.array([1.0]))
    # Of 20 the 18th: 17 of 1, then 2, 4 and 1000.
    assert scale.share(ONE, np.array([1000.0]))[0] == 1.0
    assert scale.share(ONE, np.array([0.5]))[0] == 0.5 / 2.0  # of 21 the 19th
    for _ in range(WINDOW):
        scale.share(ONE, np.array([0.0]))
    assert scale.share(ONE, np.array([3.0]))[0] == 1.0  # nine tenths are zero: the largest
    assert scale.share(ONE, np.array([1.5]))[0] == 0.5


def test_tables_have_scales_of_their_own() -> None:
    scale = Scale(2)
    assert scale.share(np.array([0, 1]), np.array([1.0, 1e6])).tolist() == [1.0, 1.0]
    assert scale.share(ONE, np.array([0.5])).tolist() == [0.5]


def test_what_truthful_offers_would_have_earned_is_taken_off() -> None:
    # A mark-up of 8 is 9 $/Mtok, above the rival: of 5 units it sells 3 at 9, where at cost it sold 4 at 3.
    learner = RothErev((0.0, 8.0), experimentation=0.0, recency=0.0)
    submitted = market(own=9.0, offered=4.0, demand=5.0)
    for arm, profit in ((1, (9.0 - 1.0) * 3.0 * 3600), (0, (3.0 - 1.0) * 4.0 * 3600)):
        learner.offer(view_of([[1.0]], [[4.0]], assets=("own",)))
        learner.arm = np.array([arm])
        receipt = receipt_of([[profit]])
        receipt.market = submitted
        learner.learn(receipt)
    assert learner.q.tolist() == [[1.0, 2.0]]  # 16 x 3600 more: the largest; truthful: nothing
    assert learner.scale.seen[0, :2].tolist() == pytest.approx([16.0 * 3600, 0.0])


SPIKE: dict[str, Any] = {
    "market.must_serve": False, "demand.scale": 10, "demand.hourly": {"chat": [1.0] * 23 + [20.0]},
}  # fmt: skip


def spiked(strategy: Any, periods: int) -> xr.Dataset:
    """Play the five-node market with one hour of twenty times the demand a day."""
    model = tf.TokenMarket(
        "us5", rng=1, periods=periods, overrides=SPIKE, strategies={"dallas_dc": strategy},
        record=["offer_price", "profit"],
    )  # fmt: skip
    model.run()
    return model.results()


@cache
def constants() -> tuple[Floats, Floats]:
    """Return what each mark-up of the ladder earns on average, played throughout a day, and its offer price."""
    runs = [spiked({"name": "fixed_markup", "markup": markup}, 24) for markup in MARKUPS]
    profit = [run.profit.sel(provider="dallas_dc").values.mean() for run in runs]
    return np.array(profit), np.array([offers(run)[0] for run in runs])


def offers(run: xr.Dataset) -> Floats:
    found: Floats = run.offer_price.sel(asset="dallas", workload="chat").values
    return found


@pytest.mark.parametrize("name", ["ucb1", "exp3"])
def test_an_hour_of_scarcity_a_day_does_not_end_learning(name: str) -> None:
    # Whatever is offered, the scarce hour earns 270 times what the best mark-up earns in any other.
    profit, price = constants()
    best = profit.argmax()
    assert np.sort(profit)[-2] < 0.93 * profit[best]
    played = np.isclose(offers(spiked(name, 1000))[-250:], price[best]).mean()
    # EXP3 spreads gamma = 0.08 over all six: 0.93 is the most.
    assert played >= 0.85
