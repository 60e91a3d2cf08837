"""us5 and us20 hold the paper's data: reproduction.md is the list of what must come out."""

from __future__ import annotations

import numpy as np
import pytest

from tokenflow_sim.market.clearer import clear
from tokenflow_sim.scenario import Scenario, load_scenario

OVERHEADS = {"chat": 1.02, "image": 1.11, "code": 1.03, "batch": 1.20}


def cost(scenario: Scenario) -> float:
    return float(clear(scenario.market()).total_cost)


def test_us5_arrays(us5: Scenario) -> None:
    state = us5.compiled.state(0)
    assert list(us5.compiled.layout.nodes) == ["ashburn", "dallas", "silicon_valley", "chicago", "seattle"]
    assert list(us5.compiled.layout.workloads) == ["chat", "image", "code", "batch"]
    assert state.demand.sum() == pytest.approx(16.2925, rel=1e-12)
    # 35 x 1.2 x 5 000 tok/s of images at Dallas; 1 200 MW x 200 tok/s per MW
    assert state.demand[1, 1] == 35 * 1.2 * 5000 / 1e6
    assert state.capacity[1].tolist() == [6.0, 0.24, 4.8, 1.2]
    assert state.true_cost[1].tolist() == pytest.approx([0.072, 36.0, 0.144, 0.72])
    assert np.isinf(state.value).all()
    assert state.power_use is None
    assert state.power_limit is None


def test_us5_network(us5: Scenario) -> None:
    compiled, state = us5.compiled, us5.compiled.state(0)
    arcs = list(compiled.layout.arcs)
    # Four tier-1 metros all joined both ways, and Seattle to the only hub within 2 500 km.
    assert len(arcs) == 14
    assert {arc for arc in arcs if "seattle" in arc} == {"silicon_valley->seattle", "seattle->silicon_valley"}
    fast = ["seattle" not in arc for arc in arcs]
    # W / min_k a_k, with 12.5 and 1.25 GB/s and 0.5 GB/Mtok
    assert state.link_capacity.tolist() == [25.0 if tier1 else 2.5 for tier1 in fast]
    assert (state.link_use == 1).all()
    assert state.route_cost[0].tolist() == pytest.approx([0.005, 1.0, 0.01, 0.1])
    assert state.allowed.all()  # the slowest arc takes 23 ms
    assert compiled.link_unit == "Mtok/s"


def test_us20_arrays(us20: Scenario) -> None:
    compiled = us20.compiled
    assert compiled.state(0).demand.sum() == pytest.approx(43.89, rel=1e-12)
    assert compiled.layout.sizes["arc"] == 278
    assert len(compiled.providers) == len(compiled.layout.assets) == 20


def test_us5_is_the_first_five_rows_of_us20(us5: Scenario, us20: Scenario) -> None:
    assert dict(list(us20.nodes.items())[:5]) == dict(us5.nodes)
    assert us5.workloads == us20.workloads
    assert us5.hardware == us20.hardware


@pytest.mark.parametrize(
    ("overrides", "paper"),
    [
        ({}, 123_635.32),
        ({"market.opex_adder": 4.38762}, 163_140.36),
        ({"market.bandwidth": "physical"}, 126_675.20),
        (
            {"market.bandwidth": "physical"}
            | {f"workloads.{name}.overhead": f for name, f in OVERHEADS.items()},
            127_006.98,
        ),
        ({"market.must_serve": False}, 123_635.32),
        ({"workloads.chat.latency_limit": 15, "workloads.code.latency_limit": 20}, 123_635.32 * 1.002869),
    ],
    ids=["baseline", "opex adder", "transfer-aware", "with overheads", "partial service", "tight latency"],
)
def test_us5_costs_what_the_paper_says(us5: Scenario, overrides: dict[str, object], paper: float) -> None:
    assert cost(us5.override(overrides)) == pytest.approx(paper, rel=1e-6)


def test_us20_costs_what_the_paper_says(us20: Scenario) -> None:
    assert cost(us20) == pytest.approx(353_699.55, rel=1e-7)


def test_economic_dispatch_costs_least(us5: Scenario) -> None:
    free = cost(us5.override({"market.bandwidth": "none"}))
    state = us5.compiled.state(0)
    by_hand = 0.0
    for k in range(4):  # merit order over all assets
        left = state.demand[:, k].sum()
        for asset in np.argsort(state.true_cost[:, k]):
            taken = min(left, state.capacity[asset, k])
            by_hand += 3600 * taken * state.true_cost[asset, k]
            left -= taken
        assert left == pytest.approx(0, abs=1e-12)
    assert free == pytest.approx(by_hand, rel=1e-9)
    assert free < cost(us5)


def test_every_bundled_scenario_has_a_market_in_every_period_of_its_first_day() -> None:
    from tokenflow_sim.scenario import list_scenarios

    names = list_scenarios()
    assert {"us5", "us20"} <= set(names)
    assert all(names.values())  # each is described
    for name in names:
        scenario = load_scenario(name)
        assert scenario.name == name
        for period in range(min(24, scenario.periods)):
            scenario.market(period)  # checked by Market itself
