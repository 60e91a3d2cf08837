"""Regions that bid below worth: the contract, what a lone buyer learns, and a double auction in one file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies.registry import make
from tokenflow_sim.strategies.shading import BidShading, FixedShading
from tokenflow_sim.testing import check_strategy

LEARNERS = ("roth_erev", "q_learning", "ucb1", "epsilon_greedy", "exp3")
BUYERS = {"b1": 37.0, "b2": 17.0, "b3": 12.0}
SELLERS = {"s1": 11.0, "s2": 16.0, "s3": 35.0}
AUCTION = f"""
format: 1
name: double_auction
periods: 40
market: {{bandwidth: none, pricing: k_double_auction, must_serve: false}}
demand: {{scale: 10}}
workloads: {{power: {{base_demand: 1.0e+6, payload: 0, value: 99}}}}
nodes: {{{", ".join(f"{name}: {{demand_weight: 1, electricity_price: 0}}" for name in BUYERS)}}}
hardware:
  {"".join(f'''
  {name}: {{throughput: {{power: 1.0e+6}}, energy: {{power: 0}}, running_cost: {cost * 3600}}}''' for name, cost in SELLERS.items())}
providers:
  {"".join(f'''
  {name}: {{strategy: {{name: roth_erev, baseline: none, unit: 36000}}, assets: [{{node: b1, hardware: {name}, power_mw: 10}}]}}''' for name in SELLERS)}
regions:
  {"".join(f'''
  {name}: {{nodes: [{name}], strategy: {{name: bid_shading, learner: {{name: roth_erev, recency: 0.04, unit: 36000}}, schedule: [[1, {worth}]]}}}}''' for name, worth in BUYERS.items())}
"""  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("learner", LEARNERS)
def test_it_keeps_to_the_contract(learner: str) -> None:
    check_strategy(
        BidShading, learner=learner, by="bid", shares=(0.8, 1.0), schedule=[(0.5, 9.0), (0.5, None)]
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shading": 1.5}, "shading must be a finite number of at least 0 and at most 1"),
        ({"learner": "marginal_cost"}, "learner must be a learning strategy of providers"),
        ({"learner": "code:Mine"}, "learner must be a learning strategy of providers"),
        ({"learner": "rot_erev"}, "did you mean 'roth_erev'"),
        ({"learner": {"name": "roth_erev", "recency": 2}}, "recency must be"),
        ({"learner": {"name": "roth_erev", "markups": [0.1]}}, "shadings, shares, by"),
        ({"shadings": []}, "shadings needs at least one number"),
        ({"by": "asset"}, "by"),
    ],
)
def test_what_is_wrong_is_one_line(given: dict[str, Any], words: str) -> None:
    name = "fixed_shading" if "shading" in given else "bid_shading"
    with pytest.raises(StrategyError, match=words):
        make("region", {"name": name, **given})


def test_a_lone_buyer_learns_the_least_bid_that_is_served() -> None:
    """It pays halfway between its bid and the cheapest offer, 11, and gets nothing where it bids less than that."""
    base = tf.Scenario.from_yaml(AUCTION).override({"periods": 30})
    arms = (0.0, 0.2, 0.5, 0.9)
    model = tf.TokenMarket(
        base, rng=3,
        strategies={
            "providers": "marginal_cost", "regions": FixedShading(1.0),
            "b1": BidShading("ucb1", arms, schedule=[(1.0, 37.0)]),
        },
    )  # fmt: skip
    model.run()
    ds = model.results()
    own = ds.sel(node="b1").squeeze("workload")
    surplus = own.service_value - own.payment
    bids = {round(37.0 * (1 - arm), 6) for arm in arms}
    price = own.payment / (own.demand - own.unserved).where(own.unserved < 5) / 3600
    seen = {round(float(p) * 2 - 11.0, 6) for p in price.values[np.isfinite(price.values)]}
    assert seen <= bids
    assert len(seen) == 3
    learner = model.regions["b1"].strategy.rule
    assert learner.count.sum() == 30
    # What it plays most is what paid most: with half of its worth it still bids above 11, with a tenth it does not.
    assert int(learner.count[0].argmax()) == 2
    assert float(surplus.max()) == pytest.approx((37.0 - (18.5 + 11.0) / 2) * 10 * 3600)


def test_a_double_auction_of_learning_buyers_and_sellers_in_one_file() -> None:
    """Nicolaisen, Petrov and Tesfatsion's market: every trade lies between cost and worth, and money is balanced."""
    model = tf.TokenMarket(tf.Scenario.from_yaml(AUCTION), rng=1)
    model.run()
    ds = model.results()
    assert float(abs(ds.operator_budget).max()) == 0.0
    assert float(ds.payment.sum()) == pytest.approx(float(ds.revenue.sum()))
    assert (ds.service_value - ds.payment >= -1e-6).all()
    assert (ds.profit >= -1e-6).all()
    assert float(ds.dispatch.sum()) > 0
    shadings = model.regions["b1"].strategy.rule.probability()
    assert shadings.sum() == pytest.approx(1.0)
    assert np.ptp(shadings) > 0.01
    # Welfare is of true worths: no more than truth would bring, 10 Mtok/s at 37 - 11 and 10 at 17 - 16.
    assert float(ds.welfare.max()) <= (26 + 1) * 10 * 3600 + 1e-3


def test_a_fixed_unit_is_the_rule_of_the_source() -> None:
    """Propensities of 2001: (1 - r) q + (1 - e) R for what was played, (1 - r) q + e q / (K - 1) for the rest."""
    learner: Any = make(
        "provider", {"name": "roth_erev", "unit": 20.0, "recency": 0.1, "experimentation": 0.3}
    )
    learner.q, learner.row = np.full((1, learner.arms), 2.0), np.zeros(1, dtype=np.int64)
    one = np.zeros(1, dtype=np.int64)
    learner.reinforce(one, one, np.array([50.0]), None)
    assert learner.q[0, 0] == pytest.approx(0.9 * 2 + 0.7 * 2.5)
    np.testing.assert_allclose(learner.q[0, 1:], 0.9 * 2 + 0.3 * 2 / (learner.arms - 1))
    with pytest.raises(StrategyError, match="unit must be a finite number above 0"):
        make("provider", {"name": "roth_erev", "unit": 0.0})


def test_forward_contracts_are_part_of_the_reward() -> None:
    """Whatever is decided by itself, rewards add up to the surplus and what was bought forward, near and far."""
    bought = {"buyer": "region:b1", "workload": "power", "quantity": 4, "price": 12}
    contracts = {"near": bought | {"node": "b1"}, "far": bought | {"node": "b3", "quantity": 1}}
    base = tf.Scenario.from_yaml(AUCTION).override({"periods": 3, "contracts": contracts})
    buyer = BidShading("ucb1", (0.0, 0.5), by="bid", schedule=[(0.5, 37.0), (0.5, 30.0)])
    model = tf.TokenMarket(base, rng=3, strategies={"b1": buyer})
    rewards: list[float] = []
    strategy: Any = model.regions["b1"].strategy
    learn = strategy.rule.reinforce
    strategy.rule.reinforce = lambda group, arm, reward, receipt: (
        rewards.append(float(reward.sum())),
        learn(group, arm, reward, receipt),
    )
    model.run()
    ds = model.results()
    own = ds.sel(node="b1").squeeze("workload")
    expected = own.service_value - own.payment + ds.contract_payment.sum("contract")
    assert rewards == pytest.approx(expected.values.tolist())
    assert (ds.contract_payment.values != 0).all()
