"""From objects to arrays: formulations, owners, agents, and what stays the same object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tokenflow_sim.market.clearer import clear
from tokenflow_sim.scenario import Scenario, load_scenario, write_template

PAYLOAD = [0.5, 100.0, 1.0, 10.0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return load_scenario(write_template(tmp_path_factory.mktemp("small") / "market"))


def test_physical_bandwidth(us5: Scenario) -> None:
    overhead = {"workloads.image.overhead": 1.11, "workloads.batch.overhead": 1.2}
    compiled = us5.override({"market.bandwidth": "physical", **overhead}).compiled
    state, tokens = compiled.state(0), us5.compiled.state(0)
    gamma = [0.5, 111.0, 1.0, 12.0]
    assert state.link_use == pytest.approx(np.tile(gamma, (14, 1)))
    assert state.route_cost == pytest.approx(0.01 * state.link_use)
    assert state.link_capacity == pytest.approx(tokens.link_capacity * 0.5)  # W itself, not W / min_k a_k
    assert compiled.link_unit == compiled.layout.link_unit == "GB/s"
    assert compiled.market().layout.link_unit == "GB/s"


def test_overhead_does_not_touch_token_equivalents(us5: Scenario) -> None:
    changed = us5.override({"workloads.image.overhead": 2.0}).compiled.state(0)
    assert (changed.route_cost == us5.compiled.state(0).route_cost).all()
    assert (changed.link_capacity == us5.compiled.state(0).link_capacity).all()


def test_token_equivalents_of_a_class_without_data_have_no_limit(us5: Scenario) -> None:
    state = us5.override({"workloads.chat.payload": 0}).compiled.state(0)
    assert np.isinf(state.link_capacity).all()


def test_no_network_keeps_the_arcs_but_frees_them(us5: Scenario) -> None:
    compiled = us5.override({"market.bandwidth": "none", "workloads.chat.latency_limit": 1}).compiled
    state = compiled.state(0)
    assert list(compiled.layout.arcs) == list(us5.compiled.layout.arcs)  # they connect all nodes already
    assert not state.route_cost.any()
    assert not compiled.tariff.any()
    assert np.isinf(state.link_capacity).all()
    assert state.allowed.all()


@pytest.mark.parametrize(("limit", "arcs"), [(None, 5), (1000, 7)])
def test_no_network_connects_what_is_apart(us5: Scenario, limit: float | None, arcs: int) -> None:
    apart = us5.override({"network.max_distance": limit, "network.tier1": None, "market.bandwidth": "none"})
    layout = apart.compiled.layout
    # Within 1000 km there are Ashburn and Chicago only: a pair of arcs beside the ring of five.
    assert len(set(layout.arcs)) == len(layout.arcs)
    reached = np.linalg.matrix_power(np.eye(5, dtype=int) + _adjacency(layout.origin, layout.destination), 5)
    assert (reached > 0).all()
    assert len(layout.arcs) == arcs
    price = clear(apart.market()).price.values
    assert price == pytest.approx(np.tile(price[0], (5, 1)))  # one pool, one price a class


def _adjacency(origin: np.ndarray, destination: np.ndarray) -> np.ndarray:
    joined = np.zeros((5, 5), dtype=int)
    joined[origin, destination] = 1
    return joined


def test_latency_rules(us5: Scenario) -> None:
    tight = {"workloads.chat.latency_limit": 15, "workloads.code.latency_limit": 20}
    compiled = us5.override(tight).compiled
    allowed = compiled.state(0).allowed
    assert (allowed[:, 0] == (compiled.latency <= 15)).all()
    assert (allowed[:, 2] == (compiled.latency <= 20)).all()
    assert allowed[:, [1, 3]].all()
    assert us5.override({**tight, "market.latency_rule": "none"}).compiled.state(0).allowed.all()


def test_an_arc_at_the_limit_may_be_used(us5: Scenario) -> None:
    limit = float(us5.compiled.latency[0])
    assert us5.override({"workloads.chat.latency_limit": limit}).compiled.state(0).allowed[0, 0]


def test_values_curvature_and_shared_power(us5: Scenario) -> None:
    state = us5.override(
        {"market.must_serve": False, "market.congestion_curvature": 0.5, "market.shared_power": True}
    ).compiled.state(0)
    assert (state.value == [10, 500, 15, 5]).all()
    assert (state.link_curvature == 0.5).all()
    assert state.power_limit is not None
    assert state.power_use is not None
    assert state.power_limit.tolist() == [2000, 1200, 800, 1000, 600]
    assert state.power_use[0].tolist() == [200, 5000, 250, 1000]  # 1e6 / throughput
    # Running at full capacity takes all of the power, whatever the class.
    assert state.capacity * state.power_use == pytest.approx(np.tile(state.power_limit[:, None], 4))


def test_true_cost_adds_electricity_running_cost_and_adder(us5: Scenario) -> None:
    state = us5.override({"hardware.fleet.running_cost": 10, "market.opex_adder": 4}).compiled.state(0)
    per_mtok = 14 / (np.array([5000, 200, 4000, 1000]) * 3600 / 1e6)
    assert state.true_cost == pytest.approx(us5.compiled.state(0).true_cost + per_mtok)


def test_hardware_that_cannot_run_a_class(us5: Scenario) -> None:
    none = us5.override(
        {"hardware.fleet.throughput": {"chat": 5000, "image": 0}, "hardware.fleet.energy": {"chat": 1}}
    )
    state = none.compiled.state(0)
    assert not state.capacity[:, 1:].any()
    assert np.isfinite(state.true_cost).all()
    assert not state.true_cost[:, 1:].any()
    none.market()


def test_several_assets_and_providers_at_a_node(small: Scenario) -> None:
    compiled = small.compiled
    assert list(compiled.layout.assets) == [
        "alpha/coast/new", "alpha/plains/old", "beta/coast/old", "beta/lakes/new",
    ]  # fmt: skip
    assert compiled.layout.asset_node.tolist() == [0, 1, 0, 2]
    assert {name: rows.tolist() for name, rows in compiled.provider_assets.items()} == {
        "alpha": [0, 1],
        "beta": [2, 3],
    }
    assert compiled.asset_hardware == ("new", "old", "old", "new")
    assert {name: rows.tolist() for name, rows in compiled.region_nodes.items()} == {
        "east": [0],
        "inland": [1, 2],
    }
    state = compiled.state(0)
    assert state.power_limit is not None
    assert state.power_limit.tolist() == [90, 120, 60, 90]


def test_without_regions_each_node_with_demand_is_one(us5: Scenario) -> None:
    fewer = us5.override({"nodes.dallas.demand_weight": 0}).compiled
    assert fewer.regions == ("ashburn", "silicon_valley", "chicago", "seattle")
    assert {name: rows.tolist() for name, rows in fewer.region_nodes.items()} == {
        "ashburn": [0], "silicon_valley": [2], "chicago": [3], "seattle": [4],
    }  # fmt: skip


def test_owners_by_rule_and_by_table(us5: Scenario) -> None:
    owned = us5.override(
        {
            "owners": {
                "backbone": {"owns": "tier1", "tariff": 0.02},
                "north": {"owns": ["seattle", "chicago"], "tariff": 0.03},
                "other": {"owns": "rest"},
            },
            "network.arcs.ashburn->dallas": {"origin": "ashburn", "destination": "dallas", "owner": "other"},
            "network.arcs.dallas->ashburn.tariff": 0.5,
        }
    )
    compiled = owned.compiled
    owner = dict(zip(compiled.layout.arcs, compiled.layout.owner, strict=True))
    tariff = dict(zip(compiled.layout.arcs, compiled.tariff.tolist(), strict=True))
    assert owner["chicago->dallas"] == "backbone"  # the backbone comes before the nodes
    assert owner["seattle->silicon_valley"] == "north"
    assert owner["silicon_valley->seattle"] == "other"
    assert owner["ashburn->dallas"] == "other"
    assert tariff["chicago->dallas"] == 0.02
    assert tariff["seattle->silicon_valley"] == 0.03
    assert tariff["silicon_valley->seattle"] == 0.01  # the network's
    assert tariff["dallas->ashburn"] == 0.5  # the arc's own
    assert sorted(np.concatenate(list(compiled.owner_arcs.values())).tolist()) == list(range(14))
    expected = compiled.base_route_cost + compiled.tariff[:, None] * compiled.transfer
    assert compiled.state(0).route_cost == pytest.approx(expected)


def test_route_cost_by_class_and_by_arc(us5: Scenario) -> None:
    changed = us5.override(
        {"network.route_cost": {"image": 2.0}, "network.arcs.dallas->ashburn.route_cost": 3.0}
    ).compiled
    arc = list(changed.layout.arcs).index("dallas->ashburn")
    assert changed.base_route_cost[0].tolist() == [0, 2, 0, 0]
    assert changed.base_route_cost[arc].tolist() == [3, 3, 3, 3]
    assert changed.state(0).route_cost[0].tolist() == pytest.approx([0.005, 3.0, 0.01, 0.1])


def test_arcs_by_table_alone(edited: Callable[..., Path]) -> None:
    folder = edited(
        scenario=[("  max_distance: 2500 # km\n", "  arcs: arcs.csv\n"), ("  tier1: { capacity: 12.5 }", "")],
        arcs="arc,origin,destination,capacity,latency\n"
        "north,ashburn,dallas,3,7\nsouth,ashburn,dallas,4,9\n,dallas,ashburn,5,\n",
    )
    compiled = load_scenario(folder).compiled
    assert list(compiled.layout.arcs) == ["north", "south", "dallas->ashburn"]
    assert compiled.state(0).link_capacity.tolist() == [6, 8, 10]
    assert compiled.latency[:2].tolist() == [7, 9]
    assert compiled.latency[2] == pytest.approx(compiled.distance[2] / 200 + 5)


def test_no_arcs_at_all(us5: Scenario) -> None:
    alone = us5.override({"network.max_distance": None, "network.tier1": None, "market.must_serve": False})
    assert len(alone.compiled.layout.arcs) == 0
    assert clear(alone.market()).status == "optimal"


def test_nodes_without_coordinates_need_latencies_only_where_a_limit_holds(us5: Scenario) -> None:
    bare = {
        name: {**node.model_dump(), "latitude": None, "longitude": None} for name, node in us5.nodes.items()
    }
    changes = {
        "nodes": bare,
        "network.max_distance": None,
        "network.tier1": None,
        "network.arcs": {"a": {"origin": "dallas", "destination": "seattle"}},
    }
    with pytest.raises(ValueError, match=r"network.arcs.a: has no latency"):
        us5.override(changes)
    free = us5.override({**changes, "market.latency_rule": "none"})
    assert np.isnan(free.compiled.latency).all()
    limited = us5.override(
        {**changes, "network.arcs": {"a": {**changes["network.arcs"]["a"], "latency": 150}}}
    )
    assert limited.compiled.state(0).allowed.tolist() == [[False, True, True, True]]


def test_what_does_not_change_stays_the_same_object(us5: Scenario, small: Scenario) -> None:
    first, second = us5.compiled.state(0), us5.compiled.state(100)
    for name in first.__slots__:
        if name != "period":
            assert getattr(first, name) is getattr(second, name), name
    early, late = small.compiled.state(1), small.compiled.state(2)
    changing = {"period", "demand", "true_cost", "electricity_price", "availability"}  # an outage begins
    assert {name for name in early.__slots__ if getattr(early, name) is not getattr(late, name)} <= changing


def test_strategies_of_agents(small: Scenario) -> None:
    compiled = small.compiled
    assert compiled.strategy_of("provider", "alpha") == {"name": "marginal_cost"}
    assert compiled.strategy_of("provider", "beta") == {"name": "fixed_markup", "markup": 0.1}
    assert compiled.strategy_of("owner", "fibre") == {"name": "fixed_tariff"}
    assert compiled.strategy_of("region", "east") == {"name": "inelastic"}
    with pytest.raises(KeyError, match="unknown provider 'gamma'; known providers: alpha, beta"):
        compiled.strategy_of("provider", "gamma")
    with pytest.raises(KeyError, match="unknown kind of agent 'broker'"):
        compiled.strategy_of("broker", "x")


def test_the_market_is_truthful_and_expected(small: Scenario) -> None:
    market, state = small.market(20), small.compiled.state(20)
    assert (market.arrays.offer_price[:, :, 0] == state.true_cost).all()
    assert (market.arrays.demand[:, :, 0] == state.demand).all()
    assert market.hours == small.hours
    assert market.layout is small.compiled.layout
