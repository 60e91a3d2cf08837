"""The scenario users start from: its tables are what its script makes, and its numbers agree."""

from __future__ import annotations

import runpy
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.scenario.us20_oligopoly_case import (
    ACCELERATORS,
    CHECKOUT,
    FOLDER,
    PEAK,
    TROUGH,
    WEEK,
    limit_of,
    rows_of,
)
from tokenflow_sim.market import clear
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario, load_scenario

FIRST = CHECKOUT / "scenarios" / "us20_oligopoly_v1"
DRAW = 0.8  # share of nominal power that a fleet at full service draws, see the reference page
WAVELENGTH = 40.0  # GB/s: 400 Gbps, four fifths full


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us20_oligopoly")


@pytest.mark.parametrize(("version", "folder"), [(1, FIRST), (2, FOLDER)])
def test_the_script_makes_these_very_tables_byte_for_byte(version: int, folder: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(CHECKOUT / "experiments" / "data" / "make_us20_oligopoly.py"))
    first, second = script["write"](tmp_path / "a", version), script["write"](tmp_path / "b", version)
    kept = sorted(path.name for path in folder.glob("*.csv"))
    assert sorted(path.name for path in first) == kept
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes() == (folder / one.name).read_bytes(), one.name


def test_the_first_version_is_what_it_was() -> None:
    first = load_scenario("us20_oligopoly_v1")
    # Recorded from us20_oligopoly before the second version took its name: total cost in $/h, sum of all prices.
    for period, cost, prices in (
        (TROUGH, 2125761.431382111, 82.39782936343636),
        (PEAK, 3843128.581469935, 680.6692742881637),
    ):
        clearing = clear(first.market(period))
        assert float(clearing.total_cost) == pytest.approx(cost, rel=1e-12)
        assert float(clearing.price.sum()) == pytest.approx(prices, rel=1e-12)
    model = TokenMarket(first, rng=1, periods=3, record=("payment",))
    model.run()
    assert float(model.results().payment.sum()) == pytest.approx(12014291.866081271, rel=1e-12)


def test_the_script_refuses_fleets_that_do_not_add_up_to_a_site() -> None:
    script = runpy.run_path(str(CHECKOUT / "experiments" / "data" / "make_us20_oligopoly.py"))
    hubs = script["read_registry"]()
    script["check_fleets"](hubs)
    hubs[3]["power_mw"] = "1001"
    with pytest.raises(ValueError, match="chicago"):
        script["check_fleets"](hubs)


def test_the_hubs_are_the_registrys_with_time_zones_added() -> None:
    hubs, registry = rows_of(FOLDER / "nodes.csv"), rows_of(FOLDER.parent / "us20" / "nodes.csv")
    assert [{k: v for k, v in hub.items() if k != "time_zone"} for hub in hubs] == registry
    assert len({hub["time_zone"] for hub in hubs}) == 5  # four zones, and Arizona, which keeps its own


def test_fleets_add_up_to_each_hubs_power_exactly(scenario: Scenario) -> None:
    total: dict[str, float] = defaultdict(float)
    for provider in scenario.providers.values():
        for asset in provider.assets:
            assert asset.power_mw is not None
            total[asset.node] += asset.power_mw
    assert total == {name: node.power_mw for name, node in scenario.nodes.items()}


def test_six_providers_compete_nearly_everywhere_and_none_has_too_much(scenario: Scenario) -> None:
    at = {name: {asset.node for asset in item.assets} for name, item in scenario.providers.items()}
    rivals = [sum(node in nodes for nodes in at.values()) for node in scenario.nodes]
    assert len(at) == 6
    assert min(rivals) >= 2
    assert np.median(rivals) >= 3
    power = limit_of(scenario)
    shares = [power[mine].sum() / power.sum() for mine in scenario.compiled.provider_assets.values()]
    assert max(shares) < 0.3
    assert min(shares) < 0.1
    assert {item.strategy.name for item in scenario.providers.values()} == {"marginal_cost"}


def test_energy_follows_from_throughput(scenario: Scenario) -> None:
    for hardware in scenario.hardware.values():
        for workload, rate in hardware.throughput.items():
            hours = 1e6 / rate / 3600  # of one MW for a million tokens
            assert hardware.energy[workload] == pytest.approx(DRAW * 1000 * hours, rel=1e-4)


def test_newer_hardware_serves_more_costs_more_to_run_and_less_a_token(scenario: Scenario) -> None:
    old, middle, new = (scenario.hardware[name] for name in ("a100", "h100", "b200"))
    price = (
        np.mean([node.electricity_price for node in scenario.nodes.values()]) * 1000 * DRAW
    )  # $ per MW-hour
    for worse, better in ((old, middle), (middle, new)):
        assert worse.running_cost < better.running_cost
        for workload in scenario.workloads:
            less, more = worse.throughput[workload], better.throughput[workload]
            assert less < more
            assert (better.running_cost + price) / more < (worse.running_cost + price) / less


def test_throughput_is_of_the_order_of_public_benchmarks_of_70b_models(scenario: Scenario) -> None:
    # Tokens/s of an accelerator: InferenceX, Llama 3.3 70B on B200 at 76 tok/s a user, in FP8 and FP4 (read in 2026);
    # MLPerf Inference 5.1 offline, Llama 2 70B on eight B200; 4.1, the same on eight H100 and A100.
    chat = {name: item.throughput["chat"] / ACCELERATORS[name] for name, item in scenario.hardware.items()}
    for kind, benchmarks in {"b200": (4431, 5971, 103_000 / 8), "h100": (3050,), "a100": (1160,)}.items():
        for benchmark in benchmarks:
            assert 0.3 * benchmark < chat[kind] < benchmark, kind
    first = load_scenario("us20_oligopoly_v1").hardware["b200"].throughput["chat"] / ACCELERATORS["b200"]
    assert chat["b200"] > 4 * first


def test_running_cost_is_wear_and_water_only(scenario: Scenario) -> None:
    for name, hardware in scenario.hardware.items():
        wear = 0.045 * WEEK["REPLACEMENT"][name] / 8760 * ACCELERATORS[name]
        assert hardware.running_cost == pytest.approx(wear + 5, abs=1), name


def test_profiles_have_mean_one(scenario: Scenario) -> None:
    for profile in (scenario.demand.hourly, scenario.demand.weekly, scenario.electricity.hourly):
        for name, factors in profile.items():
            assert np.mean(factors) == pytest.approx(1, abs=1e-4), name
    assert set(scenario.demand.hourly) == set(scenario.demand.weekly) == set(scenario.workloads)
    assert set(scenario.electricity.hourly) == set(scenario.nodes)


def test_the_week_has_every_periods_demand_at_its_weekly_mean(scenario: Scenario) -> None:
    demand = np.array([scenario.compiled.state(period).demand for period in range(scenario.periods)])
    weight = np.array([node.demand_weight for node in scenario.nodes.values()])
    rate = np.array([item.base_demand for item in scenario.workloads.values()]) * scenario.demand.scale / 1e6
    assert demand.mean(axis=0) == pytest.approx(np.outer(weight, rate), rel=1e-3)
    assert 1e-3 < demand.min() < demand.max() < 1e3


def test_demand_follows_the_local_hour_and_the_weekday(scenario: Scenario) -> None:
    demand = np.array([scenario.compiled.state(period).demand for period in range(scenario.periods)])
    nodes, classes = list(scenario.nodes), list(scenario.workloads)

    def series(node: str, workload: str) -> np.ndarray:
        return demand[:, nodes.index(node), classes.index(workload)]

    east, west = series("new_york", "code"), series("los_angeles", "code")
    wednesday = slice(53, 77)  # of the east; the west is there three hours later
    assert np.allclose(east[wednesday] / east.mean(), west[56:80] / west.mean())
    assert east[wednesday].argmax() == 15  # three in the afternoon
    assert 17 <= series("new_york", "image")[wednesday].argmax() <= 21
    assert series("new_york", "batch")[wednesday].argmax() <= 5
    weekend, midweek = slice(125, 173), slice(53, 101)
    assert east[weekend].mean() < 0.85 * east[midweek].mean()
    assert series("new_york", "image")[weekend].mean() > series("new_york", "image")[midweek].mean()


def test_electricity_has_each_regions_shape_around_the_registrys_level(scenario: Scenario) -> None:
    prices = np.array(
        [scenario.compiled.state(period).electricity_price for period in range(scenario.periods)]
    )
    registry = {row["node"]: float(row["electricity_price"]) for row in rows_of(FOLDER / "nodes.csv")}
    assert prices.mean(axis=0) == pytest.approx(list(registry.values()), rel=1e-3)
    assert 0.02 < prices.min() < prices.max() < 0.5
    shape = {name: np.array(factors) for name, factors in scenario.electricity.hourly.items()}
    duck = shape["los_angeles"]
    assert 9 <= duck.argmin() <= 15
    assert 17 <= duck.argmax() <= 20
    assert duck[10:14].mean() < duck[1:5].mean()
    for name in ("dallas", "houston"):
        assert 17 <= shape[name].argmax() <= 20
        assert shape[name].max() > 1.8
    assert shape["seattle"].max() / shape["seattle"].min() < 1.4
    boston = shape["boston"]
    assert boston[5:9].max() > 1.2 < boston[16:21].max()  # two humps, as in winter
    assert len({tuple(factors) for factors in scenario.electricity.hourly.values()}) == len(shape)


def test_three_owners_share_a_network_of_pairs_that_joins_every_hub(scenario: Scenario) -> None:
    compiled = scenario.compiled
    layout, state = compiled.layout, compiled.state(0)
    capacity = dict(
        zip(zip(layout.origin, layout.destination, strict=True), state.link_capacity, strict=True)
    )
    assert all(capacity[b, a] == size for (a, b), size in capacity.items())
    assert all((size / WAVELENGTH).is_integer() for size in capacity.values())
    assert {name: len(arcs) > 0 for name, arcs in compiled.owner_arcs.items()} == {
        "transcon": True,
        "sierra": True,
        "piedmont": True,
    }
    tier1 = {number for number, node in enumerate(scenario.nodes.values()) if node.tier1}
    mesh = {(a, b) for a in tier1 for b in tier1 if a != b}
    owned = {(layout.origin[arc], layout.destination[arc]) for arc in compiled.owner_arcs["transcon"]}
    assert owned == mesh
    reached = {0}
    for _ in scenario.nodes:
        reached |= {b for a, b in capacity if a in reached}
    assert len(reached) == len(scenario.nodes)


def test_latency_limits_bar_arcs_from_chat_and_code_only(scenario: Scenario) -> None:
    open_to = dict(zip(scenario.workloads, scenario.compiled.state(0).allowed.mean(axis=0), strict=True))
    assert open_to["image"] == open_to["batch"] == 1
    assert open_to["chat"] < 0.5 < open_to["code"] < 1


def test_users_would_pay_in_steps_that_never_lie_below_the_cost_of_serving_them(scenario: Scenario) -> None:
    cost = np.min([scenario.compiled.state(period).true_cost for period in range(24)], axis=(0, 1))
    cheapest = dict(zip(scenario.workloads, cost, strict=True))
    for region in scenario.regions.values():
        for name, steps in region.strategy.model_dump()["schedule"].items():
            prices = [scenario.workloads[name].value if price is None else price for _, price in steps]
            assert len(prices) >= 5
            assert prices == sorted(prices, reverse=True)
            assert prices[-1] > cheapest[name]
            assert sum(share for share, _ in steps) >= 1
    values = {name: item.value or 0.0 for name, item in scenario.workloads.items()}
    per_mw_hour = {
        name: value * scenario.hardware["h100"].throughput[name] * 3600 / 1e6
        for name, value in values.items()
    }
    assert min(per_mw_hour, key=per_mw_hour.__getitem__) == "batch"


def test_runs_may_be_longer_than_the_week(scenario: Scenario) -> None:
    year = scenario.override({"periods": 8760}).compiled
    assert np.array_equal(year.state(8759).demand, scenario.compiled.state(8759 % 168).demand)
    assert np.array_equal(year.state(8759).true_cost, scenario.compiled.state(8759 % 168).true_cost)


def test_noise_moves_demand_by_a_few_percent_together_and_apart(scenario: Scenario) -> None:
    noise = scenario.compiled.demand_noise()
    common, *own = np.random.default_rng(7).spawn(1 + len(scenario.nodes))
    factors = np.log([noise.step(common, own) for _ in range(4000)])
    spread = factors.std(axis=(0, 1))
    assert (spread > 0.03).all()
    assert (spread < 0.08).all()
    together = np.corrcoef(factors[:, 0, 0], factors[:, 7, 0])[0, 1]
    assert 0.15 < together < 0.65


# The market
