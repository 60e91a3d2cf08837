"""Scenarios with a grid in runs: prices by hand, money that adds up, results that resume, and both clearings."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.importing.real import FOLDER
from tokenflow_sim.agents.environment import Environment
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.grid_intensity import bus_intensity
from tokenflow_sim.results.parties import power
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.strategies import registry
from tokenflow_sim.study import measures

TWO_BUSES = """
format: 1
name: two_buses
periods: 2
market: {bandwidth: physical, latency_rule: none}
demand: {scale: 1}
workloads: {chat: {payload: 0.001, base_demand: 1000000}}
nodes: {a: {demand_weight: 1, pue: 1.25}, b: {demand_weight: 1}}
network: {tariff: 0, arcs: {a->b: {origin: a, destination: b, capacity: 1, latency: 1, undirected: true}}}
hardware: {h: {throughput: {chat: 20000}, energy: {chat: 10}, running_cost: 3.6}}
providers:
  one: {assets: [{node: a, hardware: h, power_mw: 90}]}
  two: {assets: [{node: b, hardware: h, power_mw: 90}]}
grid:
  clearing: joint
  buses: {west: {}, east: {load_mw: 100}}
  lines: {tie: {from: west, to: east, limit_mw: 60, reactance: 0.1}}
  generators:
    wind: {bus: west, capacity_mw: 150, cost: 5, co2: 0, availability: 0.8, curtailable: true}
    gas: {bus: east, capacity_mw: 300, cost: 45, co2: 0.4}
  links: {a: west, b: east}
"""


def played(scenario: Any, **changes: Any) -> xr.Dataset:
    model = tf.TokenMarket(scenario, rng=1, **changes)
    model.run()
    return model.results()


def residuals(ds: xr.Dataset) -> tuple[float, float]:
    """Return money in less money out of tokens, and of power, relative to what is paid, the largest of all periods."""
    paid = ds.payment.sum(["node", "workload"])
    received = ds.revenue.sum(["asset", "workload"]) + ds.owner_income.sum("owner")
    bought = ds.load_payment.sum("bus") + ds.power_cost.sum(["asset", "workload"])
    sold = ds.generator_income.sum("generator") + ds.line_income.sum("line")
    return float((abs(paid - received) / abs(paid)).max()), float((abs(bought - sold) / abs(bought)).max())


def test_two_buses_and_a_full_line_by_hand() -> None:
    """A token takes 10 kWh/Mtok, 12.5 at the meter of a: 45 MW there for a's demand and 36 MW at b for b's."""
    two = tf.Scenario.from_yaml(TWO_BUSES)
    ds = played(two.override({"network.arcs": {}}))
    assert ds.bus_price.values == pytest.approx(np.array([[5.0, 45.0]] * 2), abs=1e-9)
    assert ds.generation.values[0] == pytest.approx([105.0, 76.0], abs=1e-9)
    assert ds.line_flow.values[0] == pytest.approx([60.0], abs=1e-9)
    assert ds.line_rent.values[0] == pytest.approx([40.0], abs=1e-9)
    assert ds.line_income.values[0] == pytest.approx([2400.0], abs=1e-9)
    assert ds.power_drawn.values[0] == pytest.approx([45.0, 36.0], abs=1e-9)
    assert ds.curtailment.values[0] == pytest.approx([15.0, 0.0], abs=1e-9)
    # running cost: 3.6 $ an hour and MW over 20,000 tok/s, i.e. 72 Mtok an hour
    energy = ds.price_energy.sel(workload="chat").values[0]
    assert energy == pytest.approx([0.0125 * 5, 0.010 * 45], abs=1e-12)
    assert ds.price.sel(workload="chat").values[0] == pytest.approx(energy + 0.05, abs=1e-12)
    assert ds.price_running.values[0, :, 0] == pytest.approx([0.05, 0.05], abs=1e-12)
    assert ds.profit.values == pytest.approx(np.zeros((2, 2)), abs=1e-6)
    assert ds.power_cost.values[0, :, 0] == pytest.approx([45 * 5, 36 * 45], abs=1e-6)
    # 76 MW of gas and 60 of wind reach the east
    assert ds.bus_intensity.values[0] == pytest.approx([0.0, 400 * 76 / 136], abs=1e-6)
    assert ds.emissions.values[0, :, 0] == pytest.approx([0.0, 0.4 * 76 / 136 * 36], abs=1e-9)
    assert max(residuals(ds)) < 1e-9
    assert np.allclose(ds.welfare, -(105 * 5 + 76 * 45 + 2 * 3600 * 0.05), atol=1e-6)


def test_tokens_move_to_cheap_power_where_links_allow_and_prices_differ_by_energy_times_bus_prices() -> None:
    """The asset at a has 90 MW, room for 1.8 Mtok/s: it serves b too, until the wind in the west ends."""
    ds = played(tf.Scenario.from_yaml(TWO_BUSES))
    assert ds.dispatch.sum("asset").values[0] == pytest.approx(2.0)
    # 60 MW of wind stay in the west beside a full line, for 60 / 45 Mtok/s; beyond that gas would be dearer
    assert ds.dispatch.values[0, :, 0] == pytest.approx([60 / 45, 2 - 60 / 45], abs=1e-9)
    west, east = ds.bus_price.values[0]
    price = ds.price.values[0, :, 0]
    assert east == pytest.approx(45.0)
    assert price == pytest.approx([0.010 * 45 + 0.05] * 2, abs=1e-9)
    assert west == pytest.approx(0.010 * 45 / 0.0125, abs=1e-9)
    assert max(residuals(ds)) < 1e-9


def test_in_sequence_tokens_are_cleared_at_expected_prices_and_power_is_paid_at_realised_ones() -> None:
    two = tf.Scenario.from_yaml(TWO_BUSES).override({"grid.clearing": "sequential"})
    ds = played(two)
    # Without the market's load wind (120 MW) feeds the load's 100 MW as far as the line goes: 5 and 45 $/MWh.
    assert ds.price_energy.values[0, :, 0] == pytest.approx([0.0625, 0.45], abs=1e-12)
    assert ds.price.values[0, :, 0] == pytest.approx([0.5, 0.5], abs=1e-12)
    assert ds.dispatch.values[0, :, 0] == pytest.approx([1.8, 0.2], abs=1e-9)
    # The west then draws 81 MW of 120: what flows east is less than the line, and one price rules, the gas's.
    assert ds.bus_price.values[0] == pytest.approx([45.0, 45.0], abs=1e-9)
    assert ds.cost.values[0, 0, 0] == pytest.approx(81 * 45 + 1.8 * 3600 * 0.05, abs=1e-6)
    assert float(ds.profit.values[0, 0]) < 0
    # In the next period tokens are cleared at these prices, where b's power is cheaper than a's with its PUE.
    assert ds.dispatch.values[1, :, 0] == pytest.approx([0.2, 1.8], abs=1e-9)
    assert max(residuals(ds)) < 1e-9
    base = played(two.override({"grid.expected_price": "base"}))
    assert base.price_energy.values[1, :, 0] == pytest.approx([0.0625, 0.45], abs=1e-12)
    given = two.override(
        {"grid.expected_price": "given", "nodes.a.electricity_price": 0.02, "nodes.b.electricity_price": 0.5}
    )
    assert played(given).price_energy.values[:, 0, 0] == pytest.approx([0.25, 0.25], abs=1e-12)
    dark = two.override({"grid.generators.gas.capacity_mw": 50})
    with pytest.raises(tf.errors.InfeasibleError) as caught:
        played(dark)
    assert any("the grid cannot supply what the market draws" in note for note in caught.value.__notes__)
    split = measures.welfare_split(ds)
    assert np.allclose(split.welfare, ds.welfare, rtol=1e-12)
    gain = measures.joint_gain(ds)
    assert (gain.welfare_gain.values >= -1e-6).all()
    assert float(gain.welfare_gain[0]) > 100
    parties = sum(
        gain[name].sum([dim for dim in gain[name].dims if dim != "period"])
        for name in gain
        if name != "welfare_gain"
    )
    assert np.allclose(parties, gain.welfare_gain, atol=1e-6)


THREE_BUSES = {
    "network.tariff": 0.02,
    "network.arcs.a->b.capacity": 2.4,
    "grid.buses": {"west": {"load_mw": 20}, "mid": {"load_mw": 100}, "east": {"load_mw": 50}},
    "grid.lines": {
        "wm": {"from": "west", "to": "mid", "limit_mw": 100, "reactance": 0.1},
        "me": {"from": "mid", "to": "east", "limit_mw": 100, "reactance": 0.1},
        "we": {"from": "west", "to": "east", "limit_mw": 40, "reactance": 0.1},
    },
    "grid.generators.wind.capacity_mw": 500,
    "grid.generators.coal": {"bus": "mid", "capacity_mw": 300, "cost": 30},
}


@pytest.mark.parametrize("clearing", ["joint", "sequential"])
def test_three_buses_with_a_congested_line_and_a_data_centre_at_each_end_by_hand(clearing: str) -> None:
    """The middle of a triangle with a full line is priced between both ends.

    With equal reactances the line west-east carries (2 p_w + p_m) / 3 = 40 MW of injections p: the middle's price is
    the mean of both ends', below coal's. The asset at a serves 1.8 Mtok/s with 90 MW at 12.5 kWh/Mtok at
    the meter (81 MW), so that b is left with 0.2 (7.2 MW): p_m = -100, p_w = 110, wind 110 + 20 + 81.
    """
    three = tf.Scenario.from_yaml(TWO_BUSES).override(THREE_BUSES | {"grid.clearing": clearing})
    ds = played(three)
    assert ds.bus_price.values == pytest.approx(np.array([[5.0, 25.0, 45.0]] * 2), abs=1e-9)
    assert ds.line_flow.values[1] == pytest.approx([70.0, -30.0, 40.0], abs=1e-9)
    assert ds.line_rent.values[1] == pytest.approx([0.0, 0.0, 60.0], abs=1e-9)
    assert ds.generation.sel(generator=["wind", "gas", "coal"]).values[1] == pytest.approx(
        [211.0, 50 + 7.2 - 10, 0.0], abs=1e-9
    )
    assert ds.line_income.values[1] == pytest.approx([0.0, 0.0, 2400.0], abs=1e-9)
    assert ds.dispatch.values[1, :, 0] == pytest.approx([1.8, 0.2], abs=1e-9)
    # b's own asset is at the margin: 45 $/MWh x 10 kWh; a's price is that less the link's 0.001 GB at 0.02 $.
    assert ds.price.values[1, :, 0] == pytest.approx([0.5 - 2e-5, 0.5], abs=1e-9)
    assert ds.owner_income.values[1] == pytest.approx([0.8 * 3600 * 2e-5], abs=1e-9)
    assert ds.profit.values[1] == pytest.approx([1.8 * 3600 * (0.5 - 2e-5 - 0.05 - 0.0625), 0.0], abs=1e-6)
    assert max(residuals(ds)) < 1e-9
    # A full link between the sites: its owner's part of the gain is in the sum.
    full = {"network.arcs.a->b.capacity": 5e-4, "grid.lines.we.limit_mw": 90}
    gain = measures.joint_gain(played(three.override(full)))
    parties = sum(
        gain[name].sum([dim for dim in gain[name].dims if dim != "period"])
        for name in gain
        if name != "welfare_gain"
    )
    assert np.allclose(parties, gain.welfare_gain, atol=1e-6)
    assert float(abs(gain.network_gain).max()) > 0
    view = Environment(three.compiled, 1)._view(0, None)
    assert (view.electricity_price is None) == (clearing == "joint")
    short = three.override({"grid.generators.gas.capacity_mw": 45, "grid.generators.coal.capacity_mw": 0})
    with pytest.raises(tf.errors.InfeasibleError) as caught:
        played(short)
    said = str(caught.value) + " ".join(caught.value.__notes__)
    assert "generators and lines with more capacity" in said or "lines there more capacity" in said


GRID = {
    "buses": {"n": {}, "m": {"load_mw": 300}, "s": {"load_mw": 50}},
    "lines": {
        "nm": {"from": "n", "to": "m", "limit_mw": 120, "reactance": 0.1},
        "ms": {"from": "m", "to": "s", "limit_mw": 90, "reactance": 0.2},
        "ns": {"from": "n", "to": "s", "reactance": 0.1},
    },
    "generators": {
        "wind": {"bus": "n", "capacity_mw": 400, "cost": 1, "co2": 0},
        "coal": {"bus": "m", "steps": [{"mw": 300, "cost": 25}, {"mw": 5000, "cost": 35}], "co2": 0.9},
        "gas": {"bus": "s", "capacity_mw": 5000, "cost": 45, "co2": 0.4},
        "peak": {"bus": "n", "capacity_mw": 5000, "cost": 120, "co2": 0.7},
    },
    "links": {"ashburn": "n", "dallas": "s", "silicon_valley": "m", "chicago": "s", "seattle": "n"},
    "availability": "period,wind\n0,0.9\n1,0.5\n2,0.1\n3,0.7\n",
}  # fmt: skip


@pytest.mark.parametrize("clearing", ["joint", "sequential"])
def test_money_adds_up_with_every_strategy_and_with_flexible_demand(clearing: str) -> None:
    scenario = tf.load_scenario("us5", {"periods": 3, "demand.scale": 20, "market.must_serve": False})
    scenario = scenario.override({"grid": GRID | {"clearing": clearing}})
    names, providers = sorted({*registry.names("provider")} - {"learned_policy"}), list(scenario.providers)
    for start in range(0, len(names), len(providers)):
        # each provider another strategy, so that all of them play in a few runs
        name = dict(zip(providers, names[start:], strict=False))
        ds = played(scenario, strategies=name | {"regions": "price_elastic"})
        assert max(residuals(ds)) < 1e-9, name
        parts = sum(ds[f"price_{part}"] for part in tf.variables.PRICE_PARTS)
        assert float(abs(parts - ds.price).max()) < 1e-9, name
        split = measures.welfare_split(ds)
        assert np.allclose(split.welfare, ds.welfare, rtol=1e-9), name
        taken = ds.local_load.sum("bus") + ds.power_drawn.sum("asset")
        assert np.allclose(taken, ds.generation.sum("generator"), rtol=1e-9), name
    truthful = played(scenario, strategies={"regions": "deferrable"})
    if clearing == "joint":
        assert (truthful.profit.values >= -1e-6).all()
        assert float(abs(truthful.price_markup).max()) < 1e-9


@pytest.mark.parametrize("clearing", ["joint", "sequential"])
def test_results_are_written_and_resumed_to_the_bit(tmp_path: Path, clearing: str) -> None:
    scenario = tf.load_scenario("us5", {"periods": 4, "demand.scale": 20})
    scenario = scenario.override({"grid": GRID | {"clearing": clearing}})
    whole = played(scenario, out=tmp_path / "run.nc")
    first = tf.TokenMarket(scenario, rng=1)
    for _ in range(2):
        first.step()
    second = tf.TokenMarket(scenario, rng=1)
    second.set_state(first.get_state())
    second.run()
    xr.testing.assert_identical(
        second.results().drop_attrs(), whole.load().isel(period=slice(2, None)).drop_attrs()
    )
    third = pickle.loads(pickle.dumps(first))
    third.run()
    xr.testing.assert_identical(third.results().drop_attrs(), whole.drop_attrs())
    again = tf.TokenMarket.from_results(whole)
    again.run()
    xr.testing.assert_equal(again.results(), whole)
    assert whole.generator_bus.values.tolist() == ["n", "m", "s", "n"]
    assert whole.asset_bus.values[0] == GRID["links"][str(whole.asset_node.values[0])]
    found = power(Totals(whole))
    assert found is not None
    assert set(found) == {
        "local load pays", "compute providers pay", "generators receive", "the grid operator receives",
    }  # fmt: skip


def test_a_provider_that_counts_its_effect_on_power_prices_gains() -> None:
    """A site that exhausts its wind pushes its own price from 5 to 45 $/MWh; offering less keeps it at 5."""
    two = tf.Scenario.from_yaml(TWO_BUSES).override(
        {"market.must_serve": False, "workloads.chat.value": 0.6, "providers.two": {
            "assets": [{"node": "b", "hardware": "h", "power_mw": 200}]}}
    )  # fmt: skip
    found = measures.power_price_gain(two, "one", shares=[0, 0.25, 0.5, 0.75, 1])
    assert float(found.gain) >= 0
    assert float(found.gain) == pytest.approx(float(found.profit[1] - found.profit[0]))
    assert float(found.profit.sel(behaviour="aware")) > 0
    with pytest.raises(tf.errors.InputError, match="unknown provider 'nobody'"):
        measures.power_price_gain(two, "nobody")


def test_intensities_follow_flows_and_add_up() -> None:
    """Wind flows through a bus with gas to a third; the mix is traced, and what is taken carries all emissions."""
    grid = Grid(
        buses=["a", "b", "c"], load=[10.0, 20.0, 70.0], lines=["ab", "cb"], from_bus=[0, 2], to_bus=[1, 1],
        limit=[100.0, 100.0], generators=["wind", "gas"], generator_bus=[0, 1], price=[0.0, 1.0],
        available=[50.0, 90.0], co2=[0.0, 0.5],
    )  # fmt: skip
    found = bus_intensity(grid, np.array([40.0, 60.0]), np.array([30.0, -70.0]))
    assert found == pytest.approx([0.0, 500 * 60 / 90, 500 * 60 / 90])
    assert float(found @ grid.load) == pytest.approx(500 * 60)


@pytest.mark.parametrize("name", ["ac-dc-meshed", pytest.param("scigrid-de", marks=pytest.mark.long)])
def test_public_networks_have_the_bus_prices_that_pypsa_finds(name: str) -> None:
    pypsa = pytest.importorskip("pypsa")
    file = FOLDER / "pypsa" / name
    if not file.exists():
        pytest.skip(f"{file.name} is not there")
    network = pypsa.Network(file)
    network.remove("StorageUnit", network.storage_units.index)
    network.remove("GlobalConstraint", network.global_constraints.index)
    for part in ("generators", "links", "lines"):
        column = "s_nom_extendable" if part == "lines" else "p_nom_extendable"
        getattr(network, part)[column] = False
    network.set_snapshots(network.snapshots[:2])
    network.optimize(solver_name="highs", log_to_console=False)
    # One node that asks for nothing: the grid without AI load.
    buses = [str(bus) for bus in network.buses.index]
    start = "2011-01-01" if name == "scigrid-de" else "2015-01-01"
    grid = {"pypsa": {"file": str(file), "ignore": "all"}, "links": {"a": buses[0], "b": buses[1]}}
    scenario = tf.Scenario.from_yaml(TWO_BUSES).override(
        {"grid": grid | {"expected_price": "base"}, "start": start, "demand.scale": 0, "periods": 1}
    )
    ds = played(scenario)
    wanted = network.buses_t.marginal_price.iloc[0]
    assert ds.bus_price.values[0] == pytest.approx(
        wanted.loc[list(ds.bus.values)].to_numpy(), rel=1e-6, abs=1e-6
    )
    cost = (network.generators_t.p.iloc[0] * network.generators.marginal_cost).sum()
    assert float(ds.generation_cost.sum()) == pytest.approx(cost, rel=1e-6)
