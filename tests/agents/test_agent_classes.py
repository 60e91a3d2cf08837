"""Agents of one's own: who joins, when they act, and what of them results tell."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import mesa
import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.agents import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.base import History

PERIODS = 3


class Dear(ComputeProvider):
    """Asks for a multiple of its cost, and counts what it learns."""

    def __init__(self, *given: Any, factor: float = 2.0) -> None:
        super().__init__(*given)
        self.factor, self.learned = factor, 0

    def decide(self, view: tf.View) -> tf.Offer:
        return tf.Offer(price=view.cost * self.factor, quantity=view.capacity)

    def learn(self, result: PeriodResult, history: History) -> None:
        self.learned += 1


class Thrifty(DemandRegion):
    """Asks for a share of what it wants."""

    def decide(self, view: tf.DemandView) -> tf.Bid:
        return tf.Bid(quantity=view.demand / 2, value=view.value)


class Tollkeeper(NetworkOwner):
    """Asks for a toll on top."""

    def decide(self, view: tf.NetworkView) -> tf.Tender:
        return tf.Tender(route_cost=view.route_cost + 0.25, capacity=view.capacity)


class Observer(mesa.Agent):
    """Notes what has happened by the time it acts."""

    def __init__(self, model: tf.TokenMarket) -> None:
        super().__init__(model)
        self.seen: list[tuple[int, int, float]] = []

    def step(self) -> None:
        result = self.model.clearing_house.result
        self.seen.append((self.model.period, result.period, result.welfare))


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us5", {"periods": PERIODS, "market.must_serve": False, "demand.scale": 20})


@pytest.fixture(scope="module")
def plain(scenario: Scenario) -> tf.TokenMarket:
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    return model


def played(plain: tf.TokenMarket, **changes: Any) -> tf.TokenMarket:
    model = tf.TokenMarket(plain.settings, rng=1, clearer=plain.clearing_house.clearer, **changes)
    model.run()
    return model


def test_agents_decide_in_the_place_of_those_they_replace(plain: tf.TokenMarket) -> None:
    name = next(iter(plain.providers))
    agents = {"providers": partial(Dear, factor=3.0), name: Dear, "regions": Thrifty, "owners": Tollkeeper}
    model = played(plain, agents=agents)
    assert {agent: made.factor for agent, made in model.providers.items()} == {  # type: ignore[attr-defined]
        agent: 2.0 if agent == name else 3.0 for agent in plain.providers
    }
    before, after = plain.results(), model.results()
    for agent, provider in plain.providers.items():
        asked = [results.offer_price.isel(asset=provider.rows) for results in (before, after)]
        np.testing.assert_allclose(asked[1], asked[0] * (2.0 if agent == name else 3.0))
    np.testing.assert_allclose(after.demand, before.demand / 2)
    toll = (
        model.clearing_house.last_market.arrays.route_cost
        - plain.clearing_house.last_market.arrays.route_cost
    )  # type: ignore[union-attr]
    np.testing.assert_allclose(toll, 0.25)
    assert all(agent.learned == PERIODS for agent in model.providers.values())  # type: ignore[attr-defined]


def test_an_observer_acts_once_a_period_when_all_is_settled_and_changes_nothing_by_watching(
    plain: tf.TokenMarket,
) -> None:
    model = tf.TokenMarket(plain.settings, rng=1)
    observer = Observer(model)
    model.run()
    welfare = model.results().welfare.values
    assert observer.seen == [(period + 1, period, welfare[period]) for period in range(PERIODS)]
    xr.testing.assert_identical(model.results(), plain.results())


def test_the_datacollector_sees_what_agents_made_of_the_period(plain: tf.TokenMarket) -> None:
    model = tf.TokenMarket(plain.settings, rng=1)
    Observer(model)
    model.datacollector = mesa.DataCollector(
        agenttype_reporters={
            Observer: {"count": lambda agent: len(agent.seen)}, ComputeProvider: {"profit": "profit"},
        }
    )  # fmt: skip
    model.run()
    counts = model.datacollector.get_agenttype_vars_dataframe(Observer)["count"]
    assert counts.tolist() == [1, 2, 3]
    profits = model.datacollector.get_agenttype_vars_dataframe(ComputeProvider)["profit"]
    np.testing.assert_allclose(profits.groupby("Step").sum(), model.results().profit.sum("provider"))


def test_the_order_of_activation_is_the_model_s(plain: tf.TokenMarket) -> None:
    class Twice(tf.TokenMarket):
        def activate(self) -> None:
            self.agents_by_type[Observer].do("step")
            self.agents_by_type[Observer].do("step")

    model = Twice(plain.settings, rng=1, periods=1)
    observer = Observer(model)
    model.run()
    assert len(observer.seen) == 2


def test_results_name_the_classes_and_ask_for_them(plain: tf.TokenMarket) -> None:
    agents = {"providers": partial(Dear, factor=3.0), "regions": Thrifty}
    results = played(plain, agents=agents).results()
    module = __name__
    assert json.loads(results.attrs["agents"]) == {
        "providers": f"{module}:Dear",
        "regions": f"{module}:Thrifty",
    }
    with pytest.raises(
        tf.ResultError, match=r"agents of other classes, .*:Dear.*: give them again as `agents`"
    ):
        tf.TokenMarket.from_results(results)
    again = tf.TokenMarket.from_results(results, agents=agents)
    again.run()
    xr.testing.assert_identical(again.results(), results)
    assert "agents" not in plain.results().attrs


def test_what_is_no_agent_is_told_all_at_once(plain: tf.TokenMarket) -> None:
    name = next(iter(plain.providers))
    with pytest.raises(tf.InputError) as caught:
        tf.TokenMarket(
            plain.settings,
            agents={name: Thrifty, "nobody": Dear, "owners": "toll", "regions": partial(Dear, factor=1)},  # type: ignore[dict-item]
        )
    told = str(caught.value)
    assert f"agents['{name}']: must be a subclass of tokenflow_sim.agents.ComputeProvider" in told
    assert "agents['nobody']: unknown agent 'nobody'" in told
    assert "tokenflow_sim.agents.NetworkOwner; found 'toll'" in told
    assert "tokenflow_sim.agents.DemandRegion; found functools.partial" in told
    with pytest.raises(tf.InputError, match=r"ComputeProvider; found <object"):
        tf.TokenMarket(plain.settings, agents={"providers": lambda *given: object()})  # type: ignore[dict-item,return-value]
