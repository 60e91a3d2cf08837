"""Path latency, residency and delay in whole runs: by hand, against a convex program, and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

import tokenflow_sim as tf
from tokenflow_sim.errors import ResultError, ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study import measures

CHAIN = """
format: 1
name: chain
periods: 6
market: {bandwidth: physical, latency_rule: path, must_serve: true}
workloads: {chat: {base_demand: 1000000, payload: 1, latency_limit: 12}}
nodes:
  a: {demand_weight: 1, electricity_price: 0.3}
  b: {demand_weight: 1, electricity_price: 0.2}
  c: {demand_weight: 1, electricity_price: 0.1}
network:
  tariff: 0
  arcs:
    ab: {origin: a, destination: b, latency: 8, capacity: 10}
    bc: {origin: b, destination: c, latency: 8, capacity: 10}
hardware: {h: {throughput: {chat: 1000000}, energy: {chat: 1}}}
providers:
  p:
    assets:
      - {node: a, hardware: h, power_mw: 5}
      - {node: b, hardware: h, power_mw: 5}
      - {node: c, hardware: h, power_mw: 5}
"""


@pytest.fixture(scope="module")
def chain() -> Scenario:
    return Scenario.from_yaml(CHAIN)


def run(scenario: Scenario, **changes: Any) -> xr.Dataset:
    model = tf.TokenMarket(scenario.override(changes), rng=1)
    model.run()
    return model.results()


def money_in_is_money_out(ds: xr.Dataset) -> None:
    paid = float(ds.payment.sum())
    earned = float(ds.revenue.sum() + ds.link_income.sum())
    earned += float(ds.limit_income.sum()) if "limit_income" in ds else 0.0
    assert paid == pytest.approx(earned, rel=1e-9)


def test_two_fast_hops_break_a_limit(chain: Scenario) -> None:
    by_path, by_arc = run(chain, periods=1), run(chain, **{"market.latency_rule": "arc"}, periods=1)
    # From a, b is in reach, and c is not: 16 ms.
    np.testing.assert_allclose(by_path.price[0, :, 0], [0.2, 0.1, 0.1], rtol=1e-9)
    np.testing.assert_allclose(by_path.service_price[0, :, 0], [0.2, 0.2, 0.1], rtol=1e-9)
    np.testing.assert_allclose(by_path.delivered_latency[0, :, 0], [8, 8, 0], atol=1e-9)
    np.testing.assert_allclose(by_path.delivered_within.sel(bound=5)[0, :, 0], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(by_path.delivered_within.sel(bound=12)[0, :, 0], 1, rtol=1e-9)
    np.testing.assert_allclose(by_arc.price[0, :, 0], 0.1, rtol=1e-9)
    assert "delivered_latency" not in by_arc
    money_in_is_money_out(by_path)
    # What is traced of the flows by arc: b serves nobody, so that what comes there from a is two hops away.
    np.testing.assert_allclose(measures.delivered_latency(by_arc)[:, 0], [16, 8, 0], atol=1e-9)
    np.testing.assert_allclose(measures.share_beyond(by_arc)[:, 0], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(measures.share_beyond(by_arc, 5)[:, 0], [1, 1, 0], atol=1e-9)
    np.testing.assert_allclose(measures.delivered_latency(by_path)[:, 0], [8, 8, 0], atol=1e-9)
    np.testing.assert_allclose(measures.share_beyond(by_path)[:, 0], 0, atol=1e-9)
    np.testing.assert_allclose(measures.share_beyond(by_path, 5)[:, 0], [1, 1, 0], atol=1e-9)
    with pytest.raises(ResultError, match=r"within 7 ms; .* market.latency_bounds: \[7\]"):
        measures.share_beyond(by_path, 7)
    bounded = run(chain, periods=1, **{"market.latency_bounds": [7]})
    np.testing.assert_allclose(measures.share_beyond(bounded, 7)[:, 0], [1, 1, 0], atol=1e-9)


def test_what_is_mixed_at_a_node_is_shared_in_proportion(chain: Scenario) -> None:
    # b serves half of the 2 Mtok/s that come together there, since the link to c carries one.
    ds = run(chain, periods=1, **{"market.latency_rule": "none", "network.arcs.bc.capacity": 1})
    np.testing.assert_allclose(ds.dispatch[0, :, 0], [0, 1, 2], atol=1e-9)
    np.testing.assert_allclose(measures.delivered_latency(ds)[:, 0], [8 + 4, 4, 0], atol=1e-9)
    np.testing.assert_allclose(measures.share_beyond(ds, 8)[:, 0], [0.5, 0, 0], atol=1e-9)


def test_a_residency_rule_that_binds(chain: Scenario) -> None:
    rule = {"residency.chat.b": ["b"], "providers.p.assets[1].power_mw": 1.5, "periods": 2}
    ds = run(chain, **rule)
    # b serves its own demand and half of a's, whose other half stays at home: b's last 0.5 Mtok/s are worth 0.3 to a.
    np.testing.assert_allclose(ds.price[0, :, 0], [0.3, 0.3, 0.1], rtol=1e-9)
    np.testing.assert_allclose(ds.service_price[0, :, 0], [0.3, 0.3, 0.1], rtol=1e-9)
    # One Mtok of b that might leave is served at c for 0.1, and leaves b's machine to a, who saves 0.3.
    assert ds.residency_cost.sel(rule="chat.b").values == pytest.approx(0.2, rel=1e-9)
    freer = {**rule, "residency.chat.b": ["b", "c"]}
    np.testing.assert_allclose(run(chain, **freer).residency_cost, 0.0, atol=1e-12)
    # By difference: a share of b's requests, in a node of its own beside it, is let go.
    epsilon = 1e-3
    part = {
        "nodes.b.demand_weight": 1 - epsilon,
        "nodes.d": {"demand_weight": epsilon},
        "network.arcs.dc": {"origin": "d", "destination": "c", "latency": 8, "capacity": 10},
    }
    saved = (ds.total_cost[0] - run(chain, **rule, **part).total_cost[0]) / (epsilon * 3600)
    assert float(saved) == pytest.approx(0.2, rel=1e-6)
    money_in_is_money_out(ds)
    # Without any latency rule, whoever has no residency rule keeps to the arcs; latencies are known all the same.
    alone = run(chain, **{"residency.chat.b": ["b"], "market.latency_rule": "none", "periods": 1})
    np.testing.assert_allclose(alone.price[0, :, 0], [0.1, 0.2, 0.1], rtol=1e-9)
    np.testing.assert_allclose(alone.delivered_latency[0, :, 0], [16, 0, 0], atol=1e-9)
    assert float(alone.residency_cost[0, 0]) == pytest.approx(0.1, rel=1e-9)


def test_a_rule_costs_nothing_where_nothing_is_asked_for(chain: Scenario) -> None:
    rule = {"residency.chat.b": ["b"], "nodes.b.demand_weight": 0, "periods": 1}
    ds = run(chain, **rule)
    # The price is what the first unit would cost under the rule.
    assert float(ds.price[0, 1, 0]) == pytest.approx(0.2, rel=1e-9)
    assert float(ds.residency_cost[0, 0]) == 0.0


def test_a_study_varies_what_changes_the_labels_of_latencies_and_rules(chain: Scenario) -> None:
    vary = {"residency.chat.b": [None, ["b"]], "workloads.chat.latency_limit": [9, 12]}
    record = ["price", "delivered_within"]
    ds = tf.sweep(chain, vary, periods=1, record=record).dataset.isel(seed=0, period=0)
    own = ds.price.sel(node="b", workload="chat").transpose("residency.chat.b", ...)
    np.testing.assert_allclose(own, [[0.1] * 2, [0.2] * 2], rtol=1e-9)
    assert {9.0, 12.0} <= set(ds.bound.values.tolist())
    within = ds.delivered_within.isel({"residency.chat.b": 0, "node": 0, "workload": 0})
    found = [within.sel({"workloads.chat.latency_limit": own, "bound": own}).item() for own in (9, 12)]
    assert found == pytest.approx([1.0, 1.0])
    rules = tf.sweep(chain, {"market.latency_rule": ["arc", "path"]}, periods=1).dataset
    np.testing.assert_allclose(rules.price[:, 0, 0, :, 0], [[0.1] * 3, [0.2, 0.1, 0.1]], rtol=1e-9)


def test_measures_and_figures_of_assets_follow_what_they_are_paid_and_whom_they_may_serve(
    chain: Scenario,
) -> None:
    ds = run(chain, periods=1)
    # Within 12 ms of `a` are a and b; of `b`, b and c.
    others = {f"p{place}": {"assets": [{"node": place, "hardware": "h", "power_mw": 5}]} for place in "abc"}
    apart = run(chain.model_copy(update={"providers": {}}).override({"providers": others}), periods=1)
    hhi = measures.delivered_price_hhi(apart, within=1.0)[0, :, 0]
    np.testing.assert_allclose(hhi, [5000, 5000, 10_000], rtol=1e-9)
    index = measures.local_residual_supply_index(apart)[0, :, :, 0].sel(node="a")
    np.testing.assert_allclose(index, [5.0, 5.0, 10.0], rtol=1e-9)  # c's cannot come
    for one in (ds, tf.clear(chain.market(0))):
        axes = tf.plot.merit_order(one, "b", "chat").axes[0]
        (point,) = [line for line in axes.lines if line.get_marker() == "o"]
        np.testing.assert_allclose([*point.get_xdata(), *point.get_ydata()], [1.0, 0.2], rtol=1e-9)
        axes = tf.plot.residual_demand(one, "p", "chat").axes[0]
        (point,) = [line for line in axes.lines if line.get_marker() == "o"]
        np.testing.assert_allclose(point.get_ydata(), (0.2 + 2 * 0.1) / 3, rtol=1e-9)


STAR = """
format: 1
name: star
periods: 1
market: {bandwidth: token_equivalent, latency_rule: none, must_serve: true}
workloads: {chat: {base_demand: 1000000, payload: 1}}
nodes:
  users: {demand_weight: 6}
  near: {electricity_price: 0.1}
  far: {electricity_price: 0.1}
network:
  tariff: 0
  capacity: 100
  arcs: {un: {origin: users, destination: near, latency: 0}, uf: {origin: users, destination: far, latency: 0}}
hardware: {h: {throughput: {chat: 1000000}, energy: {chat: 1}}}
providers: {p: {assets: [{node: near, hardware: h, power_mw: 5}, {node: far, hardware: h, power_mw: 5}]}}
delay: {sites: {idle: 10, value: 0.01}, steps: 40}
"""


def test_delay_as_a_cost_is_the_convex_optimum() -> None:
    star = Scenario.from_yaml(STAR)
    assert Scenario.from_yaml(star.to_yaml()) == star
    curve = star.delay.sites.curve  # type: ignore[union-attr]
    # Two alike share alike: exactly at the end of a step, within it otherwise.
    breaks = curve.breaks(40)
    ds = run(star, **{"nodes.users.demand_weight": float(10 * breaks[25])})
    np.testing.assert_allclose(ds.dispatch[0, :, 0], 5 * breaks[25], rtol=1e-7)
    ds = run(star)
    assert abs(float(ds.dispatch[0, 0, 0] - ds.dispatch[0, 1, 0])) <= 5 * np.diff(breaks).max()
    # All that is charged for delay is what it costs the users, 0.01 L 10 / (1 - L / 5), and a toll beside it.
    loads = ds.dispatch[0, :, 0].values
    cost = float(np.sum(0.01 * 10 * loads / (1 - loads / 5)) * 3600)
    assert cost < float(ds.limit_income[0].sum())
    assert float(ds.total_cost[0]) == pytest.approx(0.1 * 6 * 3600 + cost, rel=2e-3)
    assert float(ds.welfare[0]) == pytest.approx(-float(ds.total_cost[0]), rel=1e-9)
    money_in_is_money_out(ds)
    np.testing.assert_allclose(
        ds.delivered_latency[0, 0, 0], (loads * 10 / (1 - loads / 5)).sum() / 6, rtol=1e-9
    )

    # Unlike sites and a slow link, against scipy.
    unlike = {
        "providers.p.assets[1].power_mw": 3,
        "nodes.far.electricity_price": 0.05,
        "delay.links": {"idle": 2, "value": 0.002, "most": 0.9},
        "network.arcs.uf.capacity": 4,
        "delay.steps": 400,
    }

    def total(far: np.ndarray[Any, Any]) -> float:
        near, away = 6 - far[0], far[0]
        value = 0.1 * near + 0.05 * away
        value += 0.01 * 10 * (near / (1 - near / 5) + away / (1 - away / 3))
        return float(value + 0.002 * 2 * (near / (1 - near / 100) + away / (1 - away / 4)))

    best = minimize(total, [2.0], bounds=[(1.3, 2.8)], tol=1e-14)
    ds = run(star, **unlike)
    found = float(ds.total_cost[0]) / 3600
    assert best.fun * (1 - 1e-9) <= found <= best.fun * (1 + 3e-5)  # chords lie above the curve
    assert float(ds.dispatch.sel(asset="p/far/h")[0, 0]) == pytest.approx(best.x[0], abs=0.02)
    marginal = (total(best.x + 1e-6) - total(best.x - 1e-6)) / 2e-6
    assert marginal == pytest.approx(0, abs=1e-4)
    near = 6 - best.x[0]
    price = 0.1 + 0.01 * 10 / (1 - near / 5) ** 2 + 0.002 * 2 / (1 - near / 100) ** 2
    assert float(ds.price.sel(node="users")[0, 0]) == pytest.approx(price, rel=0.01)  # a step's mean


def test_delay_where_classes_share_power_and_by_measured_curve() -> None:
    star = Scenario.from_yaml(STAR)
    points = [[0, 10], [0.5, 12], [0.8, 20], [0.95, 60]]
    shared = {"market.shared_power": True, "delay.sites": {"points": points, "value": 36}}  # $/MWh
    ds = run(star, **shared)
    # 36 $/MWh is 0.01 $ per MW-second, and a Mtok takes a second of a MW here.
    load = ds.dispatch[0, :, 0].values
    cost = float((0.01 * load * np.interp(load / 5, *np.array(points).T)).sum())
    assert float(ds.total_cost[0]) / 3600 == pytest.approx(0.6 + cost, rel=5e-3)
    assert list(ds.coords["queue"].values) == ["near", "far"]


def test_delay_in_the_limit_follows_the_loads(chain: Scenario, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"delay": {"counts": "limit", "links": {"idle": 3.5}, "weight": 0.25}}
    scenario = chain.override(changes)
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    # Demand and loads stay as they are, so that the latencies go to those of the loads, by three quarters a period.
    links = model.get_state()["environment"]["queues"]["links"]
    target = 3.5 / (1 - 0.1)
    np.testing.assert_allclose(links, target + (3.5 - target) * 0.75**6, rtol=1e-9)
    np.testing.assert_allclose(model.results().delivered_latency[:, 0, 0], 8 + target, rtol=1e-9)

    # Where a full link is too slow, and an empty one is not, there is no such point: steps stay bounded by the weight.
    tight = scenario.override({"network.arcs.ab.capacity": 2.2, "periods": 24})
    model = tf.TokenMarket(tight, rng=1)
    seen = []
    while model.running:
        seen.append(model._environment._queues.links[0])  # type: ignore[union-attr]
        model.step()
    edge, latest = 12 - 8, np.array(seen[10:])
    assert (np.diff(np.sign(latest - edge)) != 0).sum() > 1  # to and fro
    at_full = 3.5 / (1 - 1 / 2.2)
    assert np.abs(latest - edge).max() <= 0.25 * (at_full - 3.5) + 1e-9
    # A run that goes on from a saved state ends in the same bits.
    half = tf.TokenMarket(tight, rng=1)
    while half.period < 12:
        half.step()
    rest = tf.TokenMarket(tight, rng=1)
    rest.set_state(half.get_state())
    rest.run()
    xr.testing.assert_identical(rest.results(), model.results().isel(period=slice(12, None)))
    out = tmp_path / "run.nc"
    streamed = tf.TokenMarket(tight.override({"residency.chat.b": ["b", "c"]}), rng=1, out=out)
    streamed.run()
    loaded = tf.load_results(out)
    assert loaded.residency_cost.dims == ("period", "rule")
    assert "bound" in loaded.delivered_within.dims
    again = tf.TokenMarket.from_results(loaded)
    again.run()
    xr.testing.assert_equal(again.results(), loaded.load())


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"delay": {"sites": {"idle": 5}}}, "delay.sites.value", "is needed, since delay counts as a cost"),
        (
            {"delay": {"sites": {"idle": 5, "value": {"chatt": 1}}}},
            "delay.sites.value",
            "did you mean 'chat'",
        ),
        ({"delay": {"sites": {"value": 1}}}, "delay.sites", "give one of `idle` and `points`"),
        (
            {"delay": {"sites": {"points": [[0, 5], [0.5, 9], [1, 10]], "value": 1}}},
            "delay.sites",
            "rise ever faster",
        ),
        (
            {"delay": {"sites": {"points": [[0, 5], [0.5, 9]], "value": 1}}},
            "delay.sites",
            "end at utilisation 0.5",
        ),
        ({"delay": {"links": {"idle": 1, "value": {"chat": 1}}}}, "delay.links.value", "must be one number"),
        ({"delay": {"counts": "limit", "sites": {"idle": 1, "value": 1}}}, "delay.sites.value", "has no use"),
        (
            {"delay": {"counts": "limit", "sites": {"idle": 1}}, "market.latency_rule": "arc"},
            "delay.sites",
            "set market.latency_rule to path",
        ),
        (
            {"delay": {"counts": "limit", "links": {"idle": 1}}, "market.latency_rule": "none"},
            "delay.counts",
            "no latency limits",
        ),
        ({"delay": {"steps": 3}}, "delay", "gives no curve"),
    ],
)
def test_faults_of_delay(chain: Scenario, changes: dict[str, Any], place: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        chain.override(changes)
    (fault,) = error.value.faults
    assert fault.place == place
    assert message in fault.message


def test_a_carbon_cap_that_paths_cannot_meet_is_told_with_the_least_there_is() -> None:
    """From a the clean server lies too far: it is served at a, all others at c. 3600 kWh each, at 100 and 10 g/kWh."""
    changes = {f"nodes.{node}.carbon_intensity": grams for node, grams in (("a", 100), ("b", 300), ("c", 10))}
    capped = Scenario.from_yaml(CHAIN).override({**changes, "carbon.cap": {"all": {"tonnes": 0.1}}})
    with pytest.raises(tf.CarbonCapError, match=r"'all' allows 0\.1 t, and at least 0\.432 t are emitted"):
        tf.clear(capped.market())
