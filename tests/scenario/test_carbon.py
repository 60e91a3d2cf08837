"""Carbon in a scenario: what is written down, what is refused, and the arrays that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf

TEXT = """
format: 1
name: carbon
periods: 4
market: {bandwidth: token_equivalent}
workloads:
  chat: {payload: 1, base_demand: 300000}
nodes:
  north: {demand_weight: 1, electricity_price: 0.05, carbon_intensity: 500}
  south: {zone: sunny, electricity_price: 0.06, carbon_intensity: 100}
  idle: {}
network:
  tariff: 0
  arcs: {north->south: {origin: north, destination: south, latency: 5, capacity: 1, route_cost: 0.06}}
hardware: {h: {throughput: {chat: 10000}, energy: {chat: 30}}}
providers:
  one: {assets: [{node: north, hardware: h, power_mw: 40}]}
  two: {assets: [{node: south, hardware: h, power_mw: 40}]}
"""
DIRTY, CLEAN = 0.015, 0.003  # t/Mtok: 30 kWh at 500 and at 100 g/kWh


@pytest.fixture(scope="module")
def plain() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


def refused(scenario: tf.Scenario, changes: dict[str, Any]) -> str:
    with pytest.raises(tf.ScenarioError) as caught:
        scenario.override(changes)
    return str(caught.value)


def test_a_price_is_part_of_true_cost_and_a_cap_is_a_row(plain: tf.Scenario) -> None:
    changes = {
        "carbon.price": "20",
        "carbon.prices": "period,south\n0,50\n1,60\n2,70\n3,80\n",
        "carbon.cap": {"rest": {"rate": 1.8, "nodes": ["sunny"]}, "whole": {"tonnes": 9, "offset_price": 90}},
    }
    scenario = plain.override(changes)
    assert tf.Scenario.from_yaml(scenario.to_yaml()) == scenario
    state, before = scenario.compiled.state(2), plain.compiled.state(2)
    assert state.carbon_cost == pytest.approx(np.array([[20 * DIRTY], [70 * CLEAN]]), rel=1e-14)
    assert np.allclose(state.true_cost - before.true_cost, state.carbon_cost, rtol=1e-12)
    (cap,) = state.limits
    assert cap.labels == ("rest", "whole")
    assert cap.capacity == pytest.approx([1.8 / 3600, 9 / 3600])
    assert cap.used({"dispatch": np.ones((2, 1, 1))}) == pytest.approx([CLEAN, DIRTY + CLEAN])
    assert cap.payee == "state"
    assert cap.supply is not None
    assert cap.supply.quantity.tolist() == [[0.0], [np.inf]]
    # A bare number is tonnes a period over all nodes; nothing in it changes, so that it is one object for all periods.
    bare = plain.override({"carbon.cap": 9, "carbon.payee": "fund"})
    assert bare.compiled.state(0).limits[0] is bare.compiled.state(3).limits[0]
    assert bare.compiled.state(0).limits[0].payee == "fund"
    assert bare.override({"carbon.cap.all.tonnes": 5}).carbon.cap["all"].tonnes == 5
    assert plain.compiled.state(0).limits == ()
    assert plain.compiled.state(0).carbon_cost is None
    assert "price" not in plain.to_yaml().replace("electricity_price", "")


def test_shares_of_a_budget(plain: tf.Scenario) -> None:
    profile = ",".join(["1"] * 24).replace("1", "2", 1)
    even = plain.override({"carbon.budget": {"tonnes": 40}}).compiled.carbon_plan
    assert even is not None
    assert [even.share(t) for t in range(4)] == [10.0] * 4
    assert [even.share(1, 4.0), even.share(3, 4.0), even.share(3, 50.0), even.share(4)] == [12, 36, 0, np.inf]
    changes: dict[str, Any] = {
        "carbon.budget": {"tonnes": 40, "rule": "forecast"},
        "demand.hourly": {"chat": [float(one) for one in profile.split(",")]},
    }
    forecast = plain.override(changes).compiled.carbon_plan
    assert forecast is not None
    # Demand of the first hour is twice that of each other: 2 of 5, then of what is left.
    assert [forecast.share(t) for t in range(4)] == pytest.approx([16, 8, 8, 8])
    assert forecast.share(1, 10.0) == pytest.approx(10)
    adaptive = plain.override({"carbon.budget": {"tonnes": 40, "rule": "adaptive_price", "gain": 4}})
    plan = adaptive.compiled.carbon_plan
    assert plan is not None
    assert plan.next_price(3.0, 15.0) == 5.0
    assert plan.next_price(1.0, 5.0) == 0.0


def test_all_that_is_wrong_is_reported_at_once(plain: tf.Scenario) -> None:
    told = refused(
        plain,
        {
            "carbon.cap": {
                "a": {"tonnes": 1, "rate": 2},
                "b": {},
                "budget": {"tonnes": 1, "nodes": ["nowhere"]},
            },
            "carbon.budget": {"tonnes": 5, "rule": "adaptive_price", "offset_price": 3, "nodes": ["idle"]},
        },
    )
    assert "has 6 faults" in told
    for line in (
        "carbon.cap.a: has both tonnes and rate; give one of them",
        "carbon.cap.b: needs tonnes or rate",
        "carbon.cap.budget.nodes: unknown place 'nowhere'",
        "carbon.cap.budget: is called as results call the budget",
        "carbon.budget.offset_price: belongs to rules that make caps",
        "carbon.budget.nodes: no asset stands at idle",
    ):
        assert line in told
    bare = plain.override({"nodes.north.carbon_intensity": None, "nodes.south.carbon_intensity": None})
    told = refused(bare, {"carbon.price": 5, "carbon.cap": 3})
    assert "carbon: price and cap need carbon intensities: give nodes `carbon_intensity`" in told
    told = refused(plain, {"carbon.price": -1, "carbon.cap": "much"})
    assert "carbon.price: must be at least 0" in told
    assert "carbon.cap: must be a mapping; found 'much'" in told
