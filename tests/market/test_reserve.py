"""Reserve by hand, against the same program on scipy, and in runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tests.market.secured import CLASSES, HOME, LAYOUT, NODES, Extensive, random_market
from tests.study.tiny import TEXT
from tokenflow_sim.errors import InfeasibleError, ScenarioError
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.reserve import Requirement, ReserveRows
from tokenflow_sim.scenario import Scenario

ALL = np.ones(CLASSES, dtype=np.bool_)


def by_hand(demand: float, price: float | None, must: bool = False) -> tf.Clearing:
    """One node, offers of 3 Mtok/s at 1 and at 3 $/Mtok, and a reserve of half of what is served."""
    market = tf.Market(
        offer_price=pd.DataFrame({"chat": [1.0, 3.0]}, index=["cheap", "dear"]),
        capacity=pd.DataFrame({"chat": [3.0, 3.0]}, index=["cheap", "dear"]),
        demand=pd.DataFrame({"chat": [demand]}, index=["here"]),
        value=np.inf if must else 50.0,
    )
    one = np.ones(1, dtype=np.bool_)
    rows = ReserveRows(market.layout, [Requirement("spin", 0.5, one, one, price)], np.ones((2, 1)), False)
    limits = (rows.at(market.arrays.capacity[:, :, 0], None),)
    return tf.clear(Market.from_arrays(market.layout, market.arrays.with_(limits=limits)))


@pytest.mark.parametrize(
    ("demand", "price", "rent", "served"),
    [(3.5, None, 0.0, 3.5), (4.5, None, 47 / 1.5, 4.0), (4.5, 10.0, 10.0, 4.5), (4.5, 40.0, 47 / 1.5, 4.0)],
)
def test_by_hand(demand: float, price: float | None, rent: float, served: float) -> None:
    clearing = by_hand(demand, price)
    assert clearing.limit_rents["reserve_rent"].item() == pytest.approx(rent, abs=1e-9)
    assert clearing.price.item() == pytest.approx(3.0 + 1.5 * rent, abs=1e-9)
    assert demand - float(clearing.unserved.sum()) == pytest.approx(served, abs=1e-9)
    settled = tf.settle(clearing.market, clearing)
    assert settled.residual == pytest.approx(0.0, abs=1e-6)
    # Service is paid the price less what demand pays for reserve, and what is kept free the rent.
    sold = clearing.dispatch.squeeze("workload").values
    expected = (3.0 + rent) * sold + rent * (3.0 - sold)
    assert settled.revenue.squeeze("workload").values / 3600 == pytest.approx(expected)
    missing = max(0.0, 0.5 * served - (6.0 - served))
    assert settled.limit_income.item() / 3600 == pytest.approx(rent * missing, abs=1e-9)


def test_what_cannot_be_held_is_named() -> None:
    with pytest.raises(InfeasibleError) as caught:
        by_hand(4.5, None, must=True)
    notes = "\n".join(getattr(caught.value, "__notes__", ()))
    assert "reserve spin" in notes
    assert "0.75" in notes  # half of 4.5 less the 1.5 that are free


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_against_scipy(seed: int, power: bool) -> None:
    market = random_market(seed, power=power, load=0.75)
    zone = np.array([True, True, False])
    requirements = [
        Requirement("all", 0.6, np.ones(NODES, dtype=np.bool_), ALL, 20.0),
        Requirement("zone", 0.9, zone, np.array([True, False])),
    ]
    use = np.ones((len(HOME), CLASSES)) if market.arrays.power_use is None else market.arrays.power_use
    rows = ReserveRows(LAYOUT, requirements, use, power)
    limit = rows.at(market.arrays.capacity[:, :, 0], market.arrays.power_limit)
    held = Market.from_arrays(LAYOUT, market.arrays.with_(limits=(limit,)))
    clearing = tf.clear(held)

    def cost(demand: Any) -> float:
        program = Extensive(market, demand)
        for one in requirements:
            inside = one.nodes[HOME]
            for k in [None] if power else np.flatnonzero(one.workloads).tolist():
                row: dict[int, float] = {}
                right = 0.0
                for s in np.flatnonzero(inside):
                    for kk in range(CLASSES):
                        if power:
                            row[program.x(s, kk)] = use[s, kk] * (1 + one.margin * one.workloads[kk])
                        elif kk == k:
                            row[program.x(s, kk)] = 1.0
                            right += market.arrays.capacity[s, kk, 0]
                    right += market.arrays.power_limit[s] if power else 0.0
                if not power:  # the headroom is a share of what is served, by definition
                    for n in np.flatnonzero(one.nodes):
                        row[program.y(n, k)] = -one.margin
                        right -= one.margin * program.demand[n, k]
                if one.price is not None:
                    program.cost.append(one.price)
                    program.upper.append(np.inf)
                    row[len(program.cost) - 1] = -1.0
                program.most.append((row, right))
        return float(program.solve().fun)

    base = market.arrays.demand[:, :, 0]
    assert clearing.values.cost == pytest.approx(cost(base), rel=1e-9)
    assert clearing.values.rents["reserve_rent"].max() > 0
    step = 1e-4
    for n in range(NODES):
        for k in range(CLASSES):
            more = base.copy()
            more[n, k] += step
            assert clearing.values.price[n, k] == pytest.approx((cost(more) - cost(base)) / step, rel=1e-4)
    assert tf.settle(held, clearing).residual == pytest.approx(0.0, abs=1e-6 * clearing.total_cost)
    parts = tf.decompose(held, clearing)
    total = sum(parts[name] for name in parts.data_vars)
    assert total.values == pytest.approx(clearing.values.price)


def test_reserve_in_a_run_follows_outages_and_adds_up() -> None:
    reserve = {"spin": {"margin": 0.5, "zone": "east", "price": 30}}
    process = {"wear": {"mttf_hours": 2, "mttr_hours": 2, "available": 0.4, "hardware": "h"}}
    changes = {"reserve": reserve, "outage_processes": process, "market.must_serve": False, "demand.scale": 3}
    for shared in (False, True):
        scenario = Scenario.from_yaml(TEXT).override(changes | {"market.shared_power": shared})
        model = tf.TokenMarket(scenario, rng=1, periods=16)
        model.run()
        ds = model.results()
        out = ds["asset_availability"].sel(asset="a/east/h")
        rent = ds["reserve_rent"].squeeze("reserve")
        assert (rent > 0).any()
        assert out.min() == 0.4
        paid = ds["payment"].sum(("node", "workload"))
        received = ds["revenue"].sum(("asset", "workload")) + ds["owner_income"].sum("owner")
        assert (received + ds["limit_income"].sum("limit")).values == pytest.approx(paid.values, rel=1e-9)
        free = out * 4.0 - ds["dispatch"].sel(asset="a/east/h").squeeze("workload")
        unit = 10.0 if shared else 1.0  # MW per Mtok/s
        owed = ds["reserve_payment"].sel(asset="a/east/h") / 3600
        assert owed.values == pytest.approx((rent * free * unit).values, abs=1e-9)


def test_faults_come_together() -> None:
    wrong = {
        "a": {"margin": 0.1, "zone": "nowhere"},
        "b": {"margin": 0.1, "workloads": ["chatt"]},
        "c": {"margin": 0},
    }
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_yaml(TEXT).override({"reserve": wrong})
    text = str(caught.value)
    assert "reserve.a.zone: unknown zone 'nowhere'" in text
    assert "reserve.b.workloads: unknown workload 'chatt'" in text
    assert "reserve.c.margin" in text


def test_reserve_of_a_zone_is_refused_on_loading_exactly_where_paths_could_not_be_cleared() -> None:
    zone, home = {"margin": 0.1, "zone": "east"}, {"chat": {"east": ["east"]}}
    path = {"market.latency_rule": "path", "workloads.chat.latency_limit": 50.0}
    for changes, refused in (
        (path, True),
        ({"residency": home}, True),
        ({"market.latency_rule": "path"}, False),  # nobody has a limit
        ({"residency": {"chat": {"east": ["all"]}}}, False),
        (path | {"market.shared_power": True}, False),  # power is counted where it is drawn
        (path | {"reserve": {"spin": {"margin": 0.1}}}, False),  # no arc leads into it
        (path | {"network.arcs": {"e-w": {"origin": "east", "destination": "west", "capacity": 100}}}, False),
    ):
        whole = {"reserve": {"spin": zone}, "market.must_serve": False} | changes
        if refused:
            said = r"reserve\.spin\.zone: the reserve of east is not defined beside rules for whole paths"
            with pytest.raises(ScenarioError, match=said):
                Scenario.from_yaml(TEXT).override(whole)
        else:
            model = tf.TokenMarket(Scenario.from_yaml(TEXT).override(whole), rng=1, periods=1)
            model.run()
