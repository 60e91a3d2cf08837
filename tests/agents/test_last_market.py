"""What the market publishes of itself: the last period's market as everybody submitted it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf

SCENARIO = """
format: 1
name: published
periods: 6
market: {bandwidth: physical, must_serve: false}
demand: {scale: 1, hourly: {chat: [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]}}
workloads: {chat: {base_demand: 2000000, payload: 0.5, value: 10}}
nodes:
  east: {power_mw: 1000, electricity_price: 0.08, demand_weight: 1}
  west: {power_mw: 600, electricity_price: 0.18, demand_weight: 1.5}
network: {arcs: [{origin: east, destination: west, capacity: 0.5, tariff: 0.01}]}
hardware: {new: {throughput: {chat: 5000}, energy: {chat: 1}, running_cost: 10}}
providers:
  atlas: {assets: [{node: east, hardware: new, power_mw: 200}, {node: west, hardware: new, power_mw: 100}]}
  rival: {assets: [{node: east, hardware: new, power_mw: 150}]}
owners: {cable: {owns: rest}}
"""


class Watcher(tf.Strategy):
    """Offer at a rising mark-up, and keep what was published."""

    def __init__(self) -> None:
        self.seen: list[tf.Market | None] = []

    def offer(self, view: tf.View) -> tf.Offer:
        self.seen.append(view.last_market)
        return tf.Offer(view.cost * (1 + 0.1 * view.period), view.capacity)


class WatchingRegion(tf.DemandStrategy):
    """Bid what users want, and keep what was published."""

    def __init__(self) -> None:
        self.seen: list[tf.Market | None] = []

    def bid(self, view: tf.DemandView) -> tf.Bid:
        self.seen.append(view.last_market)
        return tf.Bid(view.demand, view.value)


class WatchingOwner(tf.NetworkStrategy):
    """Ask for cost, and keep what was published."""

    def __init__(self) -> None:
        self.seen: list[tf.Market | None] = []

    def tender(self, view: tf.NetworkView) -> tf.Tender:
        self.seen.append(view.last_market)
        return tf.Tender(view.route_cost, view.capacity)


STRATEGIES = {"providers": Watcher(), "regions": WatchingRegion(), "owners": WatchingOwner()}


def model(**overrides: Any) -> tf.TokenMarket:
    return tf.TokenMarket(tf.Scenario.from_yaml(SCENARIO), rng=1, strategies=STRATEGIES, overrides=overrides)


def agents(made: tf.TokenMarket) -> list[Any]:
    return [*made.providers.values(), *made.regions.values(), *made.owners.values()]


def test_everybody_sees_the_last_market_as_it_was_submitted() -> None:
    made = model()
    cleared = []
    for _ in range(4):
        made.step()
        assert made.clearing is not None
        cleared.append(made.clearing.market)
    for agent in agents(made):
        # The very object that was cleared: publishing costs nothing.
        assert [id(market) for market in agent.strategy.seen] == [id(None), *map(id, cleared[:3])]
    seen = agents(made)[1].strategy.seen[3]
    mine = np.array(seen.layout.provider) == "atlas"
    cost = made.settings.compiled.state(2).true_cost
    np.testing.assert_allclose(seen.arrays.offer_price[mine, :, 0], 1.2 * cost[mine])


def test_what_is_published_cannot_be_written_to() -> None:
    made = model()
    made.step()
    market = made.clearing_house.last_market
    assert market is not None
    assert not any(array.flags.writeable for _, array in market.arrays.items())
    with pytest.raises(AttributeError, match="frozen"):
        market.hours = 2.0


def test_a_market_that_keeps_offers_secret_shows_nobody_any() -> None:
    made = model(**{"market.publish_offers": False})
    made.run()
    assert made.clearing_house.last_market is None
    for agent in agents(made):
        assert agent.strategy.seen == [None] * 6


def test_a_restored_run_shows_the_same_market() -> None:
    whole, half = model(), model()
    whole.run()
    for _ in range(3):
        half.step()
    restored = model()
    restored.set_state(pickle.loads(pickle.dumps(half.get_state())))
    restored.run()
    for one, other in zip(agents(whole), agents(restored), strict=True):
        for before, after in zip(one.strategy.seen[1:], other.strategy.seen[1:], strict=True):
            assert before.layout == after.layout
            assert before.hours == after.hours
            for (name, array), (_, again) in zip(before.arrays.items(), after.arrays.items(), strict=True):
                np.testing.assert_array_equal(array, again, err_msg=name)
                assert not again.flags.writeable
