"""Caps over several periods: by hand, and against the same program on scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

import tokenflow_sim as tf
from tests.agents.test_carbon import CAP
from tests.scenario.test_carbon import CLEAN, DIRTY, TEXT
from tokenflow_sim.market.side_by_side import side_by_side


@pytest.fixture(scope="module")
def plain() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


def test_a_window_by_hand(plain: tf.Scenario) -> None:
    found = tf.carbon_cap(plain, 4 * CAP)
    assert found.table["carbon_rent"].tolist() == pytest.approx([30.0], rel=1e-9)
    ds = found.dataset
    assert np.allclose(ds["price"].sel(node="north"), 1.95, rtol=1e-9)
    assert np.allclose(ds["price"].sel(node="south"), 1.89, rtol=1e-9)
    assert float(ds["emissions"].sum()) == pytest.approx(4 * CAP, rel=1e-9)
    assert float(ds["total_cost"].sum()) == pytest.approx(4 * 3600 * 0.15 * (1.5 + 1.86), rel=1e-9)
    assert found.clearing.certificate.worst < 1e-9
    # Caps of nodes and of periods together: the north emits 30 t, and the first two periods no less than they can.
    several = {"a": tf.WindowCap(30, nodes=["north"]), "b": tf.WindowCap(14, periods=[0, 1])}
    table = tf.carbon_cap(plain, several).table
    assert table["carbon_rent"].tolist() == pytest.approx([0.36 / DIRTY, 0.0], rel=1e-9)
    assert (table["tonnes"] <= table["allowed"] * (1 + 1e-9)).all()


def test_what_no_window_can_be_is_said_at_once(plain: tf.Scenario) -> None:
    with pytest.raises(
        tf.CarbonCapError, match=r"'all' allows 10 t, and at least 12\.96 t are emitted"
    ) as caught:
        tf.carbon_cap(plain, 10)
    assert caught.value.caps == {"all": (pytest.approx(10), pytest.approx(4 * 0.3 * CLEAN * 3600))}
    assert isinstance(caught.value, tf.InfeasibleError)
    with pytest.raises(tf.InputError) as refused:
        tf.carbon_cap(
            plain, {"a": tf.WindowCap(-1, nodes=["nort"], periods=[9])}, nodes=["x"], periods=[1, 1]
        )
    assert len(refused.value.faults) == 5
    with pytest.raises(tf.InputError, match="no carbon intensities"):
        tf.carbon_cap("us5", 10)
    with pytest.raises(tf.InputError, match=r"has no carbon\.budget"):
        tf.carbon_cap(plain)


def test_rules_cost_no_less_than_the_optimum_of_the_window(plain: tf.Scenario) -> None:
    series = "period,node,chat\n" + "".join(f"{t},north,{d}\n" for t, d in enumerate((0.1, 0.3, 0.35, 0.2)))
    budget = {"tonnes": 30, "rule": "even"}
    varied = plain.override(
        {
            "demand.series": series,
            "nodes.north.demand_weight": 0,
            "carbon.budget": budget,
            "nodes.north.carbon_intensity": 400,
        }
        | {"electricity.series": "period,north,south\n0,0.05,0.06\n1,0.05,0.08\n2,0.04,0.06\n3,0.06,0.065\n"}
        | {"nodes.north.electricity_price": None, "nodes.south.electricity_price": None}
    )
    best = tf.carbon_cap(varied)
    assert float(best.dataset["emissions"].sum()) == pytest.approx(30, rel=1e-9)
    least = float(best.dataset["total_cost"].sum())
    for rule in ("even", "forecast"):
        model = tf.TokenMarket(varied, rng=1, overrides={"carbon.budget.rule": rule})
        model.run()
        ds = model.results()
        assert float(ds["emissions"].sum()) <= 30 * (1 + 1e-9)
        assert float(ds["total_cost"].sum()) > least * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_windows_against_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scenario = tf.load_scenario("us5")
    nodes, periods = list(scenario.nodes), 3
    rows = [
        f"{t}," + ",".join(f"{value:.1f}" for value in rng.uniform(50, 900, len(nodes)))
        for t in range(periods)
    ]
    scenario = scenario.override(
        {"carbon.series": "period," + ",".join(nodes) + "\n" + "\n".join(rows) + "\n", "periods": periods}
    )
    compiled = scenario.compiled
    free = tf.carbon_cap(scenario, np.inf).dataset
    emitted = free["emissions"].sum(["asset", "workload"]).values
    chosen = nodes[:3]
    near = free["emissions"].values[:, np.isin(free["asset_node"], chosen)].sum()
    caps = {
        "all": tf.WindowCap(float(emitted.sum()) * 0.985),
        "two": tf.WindowCap(float(emitted[:2].sum()) * 0.99, periods=[0, 1]),
        "near": tf.WindowCap(float(near) * 0.97, nodes=chosen),
    }
    found = tf.carbon_cap(scenario, caps)
    # The same program, written apart: columns are dispatch and flow of each period.
    markets = [compiled.market(t) for t in range(periods)]
    layout = markets[0].layout
    k, assets, arcs = len(layout.workloads), len(layout.assets), len(layout.arcs)
    size = (assets + arcs) * k
    costs, bounds, equal, demand, most, room = [], [], [], [], [], []
    for t, market in enumerate(markets):
        own = market.arrays
        costs += [*own.offer_price[:, :, 0].ravel(), *own.route_cost.ravel()]
        bounds += [(0, c) for c in own.capacity[:, :, 0].ravel()]
        bounds += [(0, None if ok else 0) for ok in own.allowed.ravel()]
        for n in range(len(nodes)):
            for w in range(k):
                row = np.zeros(size * periods)
                for s in np.flatnonzero(layout.asset_node == n):
                    row[t * size + s * k + w] = 1
                for a in range(arcs):
                    row[t * size + (assets + a) * k + w] += (layout.origin[a] == n) * 1.0 - (
                        layout.destination[a] == n
                    )
                equal.append(row)
                demand.append(own.demand[n, w, 0])
        for a in range(arcs):
            row = np.zeros(size * periods)
            row[t * size + (assets + a) * k : t * size + (assets + a + 1) * k] = own.link_use[a]
            most.append(row)
            room.append(own.link_capacity[a])
    for cap in caps.values():
        row = np.zeros(size * periods)
        for t in range(periods) if cap.periods is None else cap.periods:
            for s in range(assets):
                if cap.nodes is None or layout.nodes[layout.asset_node[s]] in cap.nodes:
                    row[t * size + s * k : t * size + (s + 1) * k] = compiled.carbon.rate(t)[s]
        most.append(row)
        room.append(cap.tonnes / 3600)
    other = linprog(costs, np.array(most), room, np.array(equal), demand, bounds)
    assert float(found.dataset["total_cost"].sum()) == pytest.approx(other.fun * 3600, rel=1e-9)
    # Duals are those of the right-hand derivative in demand; where they are unique, they are scipy's.
    ds = found.dataset
    paid = float((ds["price"] * ds["demand"]).sum())
    duals = other.eqlin.marginals @ demand
    rents = found.table["carbon_rent"].to_numpy()
    assert paid >= duals * (1 - 1e-9)
    if paid == pytest.approx(duals, rel=1e-9):
        assert rents == pytest.approx(-other.ineqlin.marginals[-3:], rel=1e-7, abs=1e-9)


def test_markets_side_by_side_clear_as_each_alone() -> None:
    scenario = tf.load_scenario("us5").override({"nodes.dallas.grid_mw": 900, "demand.scale": 30})
    markets = [scenario.market(0), scenario.override({"demand.scale": 25}).market(0)]
    joined = tf.clear(side_by_side(markets, ["a", "b"]))
    alone = [tf.clear(market) for market in markets]
    assert np.allclose(joined.price.values, np.concatenate([one.price.values for one in alone]), rtol=1e-9)
    assert joined.total_cost == pytest.approx(sum(one.total_cost for one in alone), rel=1e-12)
    with pytest.raises(tf.MarketError, match="market 1: has other labels than the first"):
        side_by_side([markets[0], tf.load_scenario("us20").market()])
