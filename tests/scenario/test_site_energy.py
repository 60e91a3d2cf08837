"""What a scenario says of sites and hardware: PUE, power over time, accelerators, carbon, tokens, undirected links."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf

TEXT = """
format: 1
name: sites
periods: 2
market: {bandwidth: token_equivalent, must_serve: true}
workloads:
  chat: {payload: 1, base_demand: 300000}
nodes:
  north: {demand_weight: 1, power_mw: 40, electricity_price: 0.05}
  south: {demand_weight: 1, power_mw: 50, electricity_price: 0.06}
network:
  arcs: {north->south: {origin: north, destination: south, latency: 5, capacity: 0.2}}
hardware: {h: {throughput: {chat: 10000}, energy: {chat: 30}}}
providers:
  one: {assets: [{node: north, hardware: h, share: 1}, {node: south, hardware: h, share: 1}]}
"""


@pytest.fixture(scope="module")
def plain() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


def only(scenario: tf.Scenario, changes: dict[str, Any]) -> str:
    with pytest.raises(tf.ScenarioError) as caught:
        scenario.override(changes)
    return str(caught.value)


def same_text(scenario: tf.Scenario) -> tf.Scenario:
    """What is written is read back equal."""
    again = tf.Scenario.from_yaml(scenario.to_yaml())
    assert again == scenario
    return again


def test_pue_counts_in_cost_and_at_the_grid_and_not_in_capacity(plain: tf.Scenario) -> None:
    efficient, wasteful = (
        plain.market().arrays,
        plain.override({"nodes.north.pue": 1.5, "nodes.north.grid_mw": 33}),
    )
    arrays = same_text(wasteful).market().arrays
    assert arrays.offer_price[:, 0, 0] == pytest.approx([1.5 * 0.05 * 30, 0.06 * 30], rel=1e-15)
    assert np.array_equal(arrays.capacity, efficient.capacity)
    (site,) = arrays.limits
    assert site.capacity.tolist() == [33.0, np.inf]
    # 0.4 Mtok/s take 40 MW of accelerators, and 60 MW of the grid.
    used = site.used({"dispatch": arrays.capacity})
    assert used == pytest.approx([60.0, 50.0])
    assert "at least 1" in only(plain, {"nodes.north.pue": 0.9})


def test_a_scenario_that_says_nothing_of_it_is_written_as_before(plain: tf.Scenario) -> None:
    text = plain.to_yaml()
    for word in ("pue", "carbon", "accelerator", "undirected", "tokens", "\npower:"):
        assert word not in text


def test_power_by_period_moves_capacity_and_outages_count(plain: tf.Scenario) -> None:
    changes: dict[str, Any] = {
        "power.series": "period,north\n0,40\n1,10\n",
        "nodes.north.power_mw": None,
        "market.shared_power": True,
        "outages": [{"first": 1, "last": 1, "node": "north", "available": 0.5}],
    }
    scenario = same_text(plain.override(changes))
    first, second = (scenario.market(period).arrays for period in (0, 1))
    assert first.capacity[:, 0, 0].tolist() == plain.market().arrays.capacity[:, 0, 0].tolist()
    assert second.capacity[:, 0, 0] == pytest.approx([0.05, 0.5])
    assert second.power_limit == pytest.approx([5.0, 50.0])
    assert scenario.compiled.covered == 2
    told = only(plain, {"power.series": "period,north\n0,40\n1,10\n", "nodes.north.power_mw": 40})
    assert "nodes.north.power_mw: is given here and in power.series" in told
    told = only(plain, {**changes, "providers.one.assets[0].power_mw": 5})
    assert "needs a share: north has its power by period" in told
    told = only(plain, {**changes, "power.series": "period,north\n0,40\n1,-1\n"})
    assert "has 1 fault" in told
    assert "power.series: column 'north': must not be negative; found -1" in told


def test_hardware_by_the_accelerator_equals_hardware_by_the_megawatt(plain: tf.Scenario) -> None:
    # 700 W and 7 tok/s each: 10 000 tok/s per MW, and 700 / (3.6 x 7) kWh/Mtok.
    changes: dict[str, Any] = {
        "hardware.h": {"accelerator": {"watts": 700, "throughput": {"chat": 7}}},
        "providers.one.assets[0].accelerators": 50_000,
    }
    scenario = same_text(plain.override(changes))
    arrays = scenario.market().arrays
    assert arrays.capacity[:, 0, 0] == pytest.approx([50_000 * 7 / 1e6, 0.5])
    assert arrays.offer_price[0, 0, 0] == pytest.approx(0.05 * 700 / (3.6 * 7))
    told = only(plain, {"providers.one.assets[0].accelerators": 5})
    assert "h has no `accelerator`" in told
    told = only(plain, {"hardware.h.accelerator": {"watts": 700, "throughput": {"chat": 7}}})
    assert "not both; found both" in told
    assert "found neither" in only(plain, {"hardware.h": {"energy": {"chat": 30}}})
    too_many = {**changes, "providers.one.assets[0].accelerators": 90_000}
    assert "add up to 63 MW, more than its 40 MW" in only(plain, too_many)


def test_an_undirected_link_is_two_arcs_of_its_capacity(plain: tf.Scenario) -> None:
    scenario = same_text(plain.override({"network.arcs.north->south.undirected": True}))
    layout, arrays = scenario.market().layout, scenario.market().arrays
    assert list(layout.arcs) == ["north->south", "south->north"]
    assert list(zip(layout.origin, layout.destination, strict=True)) == [(0, 1), (1, 0)]
    assert arrays.link_capacity.tolist() == [0.2, 0.2]
    row = {"origin": "north", "destination": "south", "latency": 5, "undirected": True}
    named = plain.override({"network.arcs": {"trunk": row}})
    assert list(named.market().layout.arcs) == ["trunk", "trunk:reverse"]
    both = {"north->south": row, "south->north": {"origin": "south", "destination": "north", "latency": 5}}
    assert "makes south->north, which the table has too" in only(plain, {"network.arcs": both})


def test_emissions_are_energy_of_the_facility_times_intensity(plain: tf.Scenario) -> None:
    changes: dict[str, Any] = {
        "nodes.north.carbon_intensity": 400,
        "carbon.series": "period,south\n0,100\n1,200\n",
        "nodes.north.pue": 1.25,
    }
    model = tf.TokenMarket(same_text(plain.override(changes)), rng=1)
    model.run()
    ds = model.results()
    energy = ds["dispatch"] * 3600 * 30  # kWh, of the accelerators
    north, south = ds["emissions"].sel(asset="one/north/h"), ds["emissions"].sel(asset="one/south/h")
    assert np.allclose(north, energy.sel(asset="one/north/h") * 1.25 * 400 / 1e6, rtol=1e-14)
    assert np.allclose(south, energy.sel(asset="one/south/h") * np.array([[100], [200]]) / 1e6, rtol=1e-14)
    assert ds["emissions"].attrs["units"] == "t/period"
    frame = model.datacollector.get_model_vars_dataframe()
    assert np.allclose(frame["emissions"], ds["emissions"].sum(["asset", "workload"]))
    without = tf.TokenMarket(plain, rng=1, periods=1)
    without.run()
    assert "emissions" not in without.results()
    told = only(plain, {"nodes.north.carbon_intensity": 400})
    assert "carbon: is known of some nodes, and not of south, where assets stand too" in told


def test_tokens_are_weighed_into_useful_ones(plain: tf.Scenario) -> None:
    changes: dict[str, Any] = {
        "workloads.chat.tokens": {"input": 0.2, "output": 1.0},
        "workloads.chat.base_demand": 0,
        "workloads.chat.base_tokens": {"input": 500_000, "output": 200_000},
    }
    scenario = same_text(plain.override(changes))
    assert scenario.market().arrays.demand[:, 0, 0] == pytest.approx([0.3, 0.3])
    series = "period,node,chat.input,chat.output\n0,north,0.5,0.2\n1,north,1.0,0.1\n"
    by_period = same_text(
        plain.override({**changes, "workloads.chat.base_tokens": None, "demand.series": series})
    )
    assert by_period.market(0).arrays.demand[:, 0, 0] == pytest.approx([0.3, 0.0])
    assert by_period.market(1).arrays.demand[:, 0, 0] == pytest.approx([0.3, 0.0])
    model = tf.TokenMarket(scenario, rng=1, periods=1)
    model.run()
    assert model.results().attrs["token_weights"] == '{"chat": {"input": 0.2, "output": 1.0}}'
    assert "unknown workload 'chat.input'" in only(plain, {"demand.series": series})
    told = only(plain, {"workloads.chat.base_tokens": {"input": 1}})
    assert "workloads.chat.tokens: is needed" in told
    assert "has both base_demand and base_tokens" in told
