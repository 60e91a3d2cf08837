"""The scenario users start from: its tables are what its script makes, and its numbers make a sane market."""

from __future__ import annotations

import csv
import runpy
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tokenflow_sim.market import Clearer, Market, decompose
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.settlement import settle_values
from tokenflow_sim.scenario import Scenario, load_scenario

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "scenarios" / "us20_oligopoly"
DRAW = 0.8  # share of nominal power that a fleet at full service draws, see the reference page
WAVELENGTH = 12.5  # GB/s
TROUGH, PEAK = 35, 69  # Tuesday 11:00 UTC, before dawn; Wednesday 21:00 UTC, afternoon everywhere


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us20_oligopoly")


@pytest.fixture(scope="module")
def clearer(scenario: Scenario) -> Clearer:
    return Clearer(scenario.market())


@pytest.fixture(scope="module")
def week(scenario: Scenario, clearer: Clearer) -> dict[int, Clearing]:
    """Every seventh hour, which meets each hour of the day once, and the trough and the peak."""
    periods = sorted({*range(0, scenario.periods, 7), TROUGH, PEAK})
    return {period: clearer.clear(scenario.market(period)) for period in periods}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def power_of(clearing: Clearing) -> np.ndarray:
    """Return the MW that each asset runs at."""
    use = clearing.market.arrays.power_use
    assert use is not None
    return (clearing.values.dispatch[:, :, 0] * use).sum(axis=1)


def limit_of(scenario: Scenario) -> np.ndarray:
    limit = scenario.compiled.state(0).power_limit
    assert limit is not None
    return limit


def without(market: Market, scenario: Scenario, provider: str) -> Market:
    capacity = market.arrays.capacity.copy()
    capacity[scenario.compiled.provider_assets[provider]] = 0.0
    return Market.from_arrays(market.layout, market.arrays.with_(capacity=capacity), market.hours)


# The data


def test_the_script_makes_these_very_tables_byte_for_byte(tmp_path: Path) -> None:
    script = runpy.run_path(str(CHECKOUT / "experiments" / "data" / "make_us20_oligopoly.py"))
    first, second = script["write"](tmp_path / "a"), script["write"](tmp_path / "b")
    kept = sorted(path.name for path in FOLDER.glob("*.csv"))
    assert sorted(path.name for path in first) == kept
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes() == (FOLDER / one.name).read_bytes(), one.name


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
    # Cheap power turns the order round: an A100 in the Northwest undercuts an H100 in California.
    compiled = scenario.compiled
    mean = np.mean([compiled.state(period).true_cost for period in range(scenario.periods)], axis=0)
    cost = dict(zip(compiled.layout.assets, mean[:, list(scenario.workloads).index("batch")], strict=True))
    assert cost["cascade/seattle/a100"] < cost["harbor/los_angeles/h100"]


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


def test_lost_service_is_worth_more_than_any_cost_and_batch_gives_way_first(scenario: Scenario) -> None:
    values = {name: item.value or 0.0 for name, item in scenario.workloads.items()}
    cost = np.max([scenario.compiled.state(period).true_cost for period in range(24)], axis=(0, 1))
    assert (np.array(list(values.values())) > 2 * cost).all()
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


def test_power_is_well_used_but_not_exhausted(scenario: Scenario, week: dict[int, Clearing]) -> None:
    used = np.array([power_of(clearing).sum() for clearing in week.values()]) / limit_of(scenario).sum()
    assert 0.65 < used.mean() < 0.85
    assert used.min() > 0.4
    assert used.max() > 0.95


def test_little_goes_unserved_and_only_at_peaks_and_only_batch(
    scenario: Scenario, week: dict[int, Clearing]
) -> None:
    unserved = np.array([clearing.values.unserved.sum(axis=(0, 2)) for clearing in week.values()])
    demand = np.array([clearing.market.arrays.demand.sum(axis=(0, 2)) for clearing in week.values()])
    assert unserved.sum() < 0.02 * demand.sum()
    batch = list(scenario.workloads).index("batch")
    assert np.delete(unserved, batch, axis=1).max() == pytest.approx(0, abs=1e-6)
    used = np.array([power_of(clearing).sum() for clearing in week.values()]) / limit_of(scenario).sum()
    assert (used[unserved.sum(axis=1) > 1e-6] > 0.95).all()


def test_tight_demand_sheds_some_batch_and_prices_it_at_its_value(
    scenario: Scenario, clearer: Clearer
) -> None:
    batch = list(scenario.workloads).index("batch")
    market = scenario.override({"demand.scale": 36}).market(PEAK)
    clearing = clearer.clear(market)
    lost = clearing.values.unserved[:, batch, 0]
    asked = market.arrays.demand[:, batch, 0]
    assert 0 < lost.sum() < 0.8 * asked.sum()
    assert np.delete(clearing.values.unserved, batch, axis=1).max() == pytest.approx(0, abs=1e-6)
    in_part = (lost > 1e-6) & (lost < asked - 1e-6)
    assert in_part.any()
    price = clearing.values.price[:, batch]
    assert price[in_part] == pytest.approx(scenario.workloads["batch"].value, rel=1e-6)
    parts = decompose(market, clearing)
    assert (parts["scarcity"].max("node") > 0).all()  # every class pays for scarcity somewhere


def test_prices_are_of_the_order_of_public_ones(scenario: Scenario, week: dict[int, Clearing]) -> None:
    price = np.array([clearing.values.price for clearing in week.values()])
    median = dict(zip(scenario.workloads, np.median(price, axis=(0, 1)), strict=True))
    assert 0.2 < median["chat"] < 1
    assert 1 < median["image"] < 10
    assert median["chat"] < median["code"] < 2
    assert 0.1 < median["batch"] < median["chat"]
    value = np.array([item.value for item in scenario.workloads.values()])
    # Where all demand of a class is shed, one more unit costs what it displaces, which may be a little more.
    assert (price <= 1.05 * value).all()


def test_place_matters_more_at_the_coast_than_inland(scenario: Scenario, week: dict[int, Clearing]) -> None:
    price = np.mean([clearing.values.price for clearing in week.values()], axis=0)
    nodes, batch = list(scenario.nodes), list(scenario.workloads).index("batch")
    assert price[nodes.index("los_angeles"), batch] > 1.1 * price[nodes.index("seattle"), batch]


def test_some_links_are_congested_and_most_are_not(scenario: Scenario, week: dict[int, Clearing]) -> None:
    congested = np.array([(clearing.values.congestion_rent > 5e-3).sum() for clearing in week.values()])
    assert 3 <= np.median(congested) <= 20
    assert congested.max() < 0.25 * len(scenario.compiled.layout.arcs)


def test_several_vintages_are_at_the_margin(scenario: Scenario, week: dict[int, Clearing]) -> None:
    kinds, limit = np.array(scenario.compiled.asset_hardware), limit_of(scenario)
    partly = [
        set(kinds[(share > 1e-6) & (share < 1 - 1e-6)])
        for share in (power_of(clearing) / limit for clearing in week.values())
    ]
    assert np.mean([len(found) > 1 for found in partly]) > 0.3
    use = {
        kind: np.mean([power_of(clearing)[kinds == kind].sum() for clearing in week.values()])
        / limit[kinds == kind].sum()
        for kind in scenario.hardware
    }
    assert use["a100"] < use["h100"] < use["b200"]


def test_every_provider_earns_and_new_hardware_earns_most(
    scenario: Scenario, week: dict[int, Clearing]
) -> None:
    profit = np.zeros(len(scenario.compiled.layout.assets))
    for clearing in week.values():
        market, values = clearing.market, clearing.values
        profit += settle_values(market.layout, market.arrays, values).revenue.sum(axis=1)
        profit -= (market.arrays.offer_price * values.dispatch).sum(axis=(1, 2))
    assert all(profit[mine].sum() > 0 for mine in scenario.compiled.provider_assets.values())
    kinds, limit = np.array(scenario.compiled.asset_hardware), limit_of(scenario)
    per_mw = {kind: profit[kinds == kind].sum() / limit[kinds == kind].sum() for kind in scenario.hardware}
    assert 0 < per_mw["a100"] < per_mw["h100"] < per_mw["b200"]


def test_large_providers_are_pivotal_at_the_peak_and_nobody_is_at_night(
    scenario: Scenario, clearer: Clearer, week: dict[int, Clearing]
) -> None:
    for period, wanted in ((PEAK, {"atlas", "cardinal", "harbor", "ember"}), (TROUGH, set())):
        market, here = week[period].market, week[period].values.unserved.sum()
        demand = market.arrays.demand.sum()
        more = {
            name: clearer.clear(without(market, scenario, name)).values.unserved.sum() - here
            for name in scenario.providers
        }
        pivotal = {name for name, lost in more.items() if lost > 1e-3 * demand}
        assert wanted <= pivotal if wanted else not pivotal, (period, more)
    image = list(scenario.workloads).index("image")
    lone = clearer.clear(without(week[PEAK].market, scenario, "atlas")).values.unserved[:, image].sum()
    assert lone > 1e-3 * week[PEAK].market.arrays.demand[:, image].sum()


def test_the_experiment_prints_its_tables_and_draws_the_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "week.png"
    monkeypatch.setattr(sys, "argv", ["week", "--every", "100", "--seed", "2", "--figure", str(figure)])
    runpy.run_path(str(CHECKOUT / "experiments" / "us20_oligopoly_week.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for words in (
        "utilisation of power, %",
        "pivotal, % of hours",
        "los_angeles->phoenix",
        "$/accelerator-h",
    ):
        assert words in printed
    assert figure.stat().st_size > 10_000
