"""The market of us20_oligopoly: prices, rents, congestion and power are those that its reference page tells."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scenario.us20_oligopoly_case import (
    ACCELERATORS,
    CHECKOUT,
    PEAK,
    TROUGH,
    WEEK,
    clearings,
    limit_of,
    power_of,
    profit_of,
    served_of,
    spread,
    totals,
    without,
)
from tokenflow_sim.market import Clearer
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.scenario import Scenario, load_scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us20_oligopoly")


@pytest.fixture(scope="module")
def week(scenario: Scenario) -> dict[int, Clearing]:
    """Every seventh hour, which meets each hour of the day once, and the trough and the peak; expected demand."""
    periods = {*range(0, scenario.periods, 7), TROUGH, PEAK}
    kept = {}
    for period, clearing in enumerate(clearings(scenario)):
        if period in periods:
            kept[period] = clearing
    return kept


@pytest.fixture(scope="module")
def unbound(scenario: Scenario) -> list[Clearing]:
    """A day without latency limits."""
    return list(clearings(scenario.override({"market.latency_rule": "none", "periods": 24})))


def test_power_is_well_used_but_not_always_exhausted(scenario: Scenario, week: dict[int, Clearing]) -> None:
    used = np.array([power_of(clearing).sum() for clearing in week.values()]) / limit_of(scenario).sum()
    assert 0.9 < used.mean() < 0.999
    assert used.min() < 0.93
    assert used.max() > 0.99


def test_whoever_would_pay_any_price_is_served(week: dict[int, Clearing]) -> None:
    for clearing in week.values():
        assert clearing.values.unserved[:, :, 0].max() < 1e-6
        arrays = clearing.market.arrays
        in_part = (clearing.values.unserved > 1e-6) & (clearing.values.unserved < arrays.demand - 1e-6)
        price = np.broadcast_to(clearing.values.price[:, :, None], in_part.shape)
        assert price[in_part] == pytest.approx(arrays.value[in_part], rel=1e-6)


def test_prices_agree_with_throughput_rentals_and_public_prices(
    scenario: Scenario, week: dict[int, Clearing]
) -> None:
    sold = np.sum([served_of(clearing) for clearing in week.values()], axis=(0, 1))
    paid = np.sum([clearing.values.price * served_of(clearing) for clearing in week.values()], axis=(0, 1))
    mean = dict(zip(scenario.workloads, paid / sold, strict=True))
    # Llama 3.3 70B is hosted at 0.13 $/Mtok in and 0.38 out; a picture of 1,000 tokens costs 0.003 $ and more.
    assert 0.13 < mean["chat"] < 0.38
    assert mean["chat"] < mean["code"] < 0.5
    assert 1.5 < mean["image"] < 25
    assert 0.4 < mean["batch"] / mean["chat"] < 0.7  # batch interfaces give half off
    # What an hour of each accelerator brings in chat lies around what it costs to own, and below list prices of 2026.
    for kind, listed in {"a100": 1.5, "h100": 3.0, "b200": 6.0}.items():
        hour = mean["chat"] * scenario.hardware[kind].throughput["chat"] / ACCELERATORS[kind] * 3600 / 1e6
        assert 0.7 * sum(WEEK["hourly_capital"](kind)) < hour < listed, kind


def test_rents_are_near_the_cost_of_capital(scenario: Scenario, week: dict[int, Clearing]) -> None:
    kinds, limit = np.array(scenario.compiled.asset_hardware), limit_of(scenario)
    profit = np.mean([profit_of(clearing) for clearing in week.values()], axis=0)
    count = {kind: limit[kinds == kind].sum() * ACCELERATORS[kind] for kind in ACCELERATORS}
    fleet = sum(count[kind] * WEEK["hourly_capital"](kind)[0] for kind in count)
    whole = sum(count[kind] * sum(WEEK["hourly_capital"](kind)) for kind in count)
    assert 0.95 * fleet < profit.sum() < 1.05 * whole
    value = sum(count[kind] * WEEK["REPLACEMENT"][kind] for kind in count)
    assert 0.25 < profit.sum() * 8760 / value < 0.32
    for kind in count:
        earned = profit[kinds == kind].sum() / count[kind]
        assert 0.6 < earned / sum(WEEK["hourly_capital"](kind)) < 1.3, kind
    assert all(profit[mine].sum() > 0 for mine in scenario.compiled.provider_assets.values())


def test_an_annuity_pays_back_with_interest() -> None:
    left = 1.0
    for _ in range(WEEK["LIFE"]):
        left = left * (1 + WEEK["INTEREST"]) - WEEK["annuity"](WEEK["LIFE"])
    assert left == pytest.approx(0, abs=1e-12)


def test_neighbouring_seeds_are_alike(scenario: Scenario) -> None:
    hours = scenario.override({"periods": 10})
    payment, profit = np.array([totals(hours, seed) for seed in (1, 2, 3)]).T
    assert abs(payment / payment.mean() - 1).max() < 0.15
    assert abs(profit / profit.mean() - 1).max() < 0.15


def test_profit_rises_smoothly_with_demand(scenario: Scenario) -> None:
    hours = scenario.override({"periods": 20, "demand.noise": None})
    profit = np.array([totals(hours, 0, **{"demand.scale": scale})[1] for scale in (30, 35, 40)])
    assert (np.diff(profit) > 0).all()
    assert profit[-1] < 4 * profit[0]
    assert (profit[1:] / profit[:-1]).max() < 2.5


def test_place_matters_and_latency_limits_are_why(
    scenario: Scenario, week: dict[int, Clearing], unbound: list[Clearing]
) -> None:
    names, nodes = list(scenario.workloads), list(scenario.nodes)
    whole = dict(zip(names, spread(week.values()), strict=True))
    assert 0.15 < whole["chat"] < 0.4
    assert 0.15 < whole["code"] < 0.4
    first_day = [clearing for period, clearing in week.items() if period < 24]
    with_limits, without = spread(first_day), spread(unbound[::7])
    for name in ("chat", "code"):
        assert with_limits[names.index(name)] > 1.3 * without[names.index(name)], name
    # Dear are the load pockets whose own power is small; cheap are the hubs that have more than they need.
    mean = np.mean([clearing.values.price[:, names.index("chat")] for clearing in week.values()], axis=0)
    need = np.array([node.demand_weight for node in scenario.nodes.values()])
    power = np.array([node.power_mw for node in scenario.nodes.values()])
    pockets = [nodes.index(name) for name in ("houston", "miami", "los_angeles")]
    assert set(np.argsort(mean)[-3:]) == set(pockets)
    assert (power[pockets] / need[pockets] < np.median(power / need)).all()


def test_some_links_are_congested_and_most_are_not(scenario: Scenario, week: dict[int, Clearing]) -> None:
    congested = np.array([(clearing.values.congestion_rent > 5e-3).sum() for clearing in week.values()])
    assert 5 <= np.median(congested) <= 25
    assert congested.max() < 0.25 * len(scenario.compiled.layout.arcs)


def test_newer_vintages_are_used_more_and_earn_more(scenario: Scenario, week: dict[int, Clearing]) -> None:
    kinds, limit = np.array(scenario.compiled.asset_hardware), limit_of(scenario)
    profit = np.sum([profit_of(clearing) for clearing in week.values()], axis=0)
    power = np.sum([power_of(clearing) for clearing in week.values()], axis=0)
    per_mw = [profit[kinds == kind].sum() / limit[kinds == kind].sum() for kind in ("a100", "h100", "b200")]
    assert 0 < per_mw[0] < per_mw[1] < per_mw[2]
    newest = power[kinds == "b200"].sum() / limit[kinds == "b200"].sum()
    assert newest == pytest.approx(len(week), rel=1e-6)  # never idle


def test_without_a_large_provider_all_pay_more_at_the_peak(
    scenario: Scenario, week: dict[int, Clearing]
) -> None:
    clearing = week[PEAK]
    clearer = Clearer(clearing.market)
    served, price = served_of(clearing), clearing.values.price
    dearer = {
        name: (clearer.clear(without(clearing.market, scenario, name)).values.price * served).sum()
        / (price * served).sum()
        - 1
        for name in scenario.providers
    }
    assert min(dearer.values()) > 0.05
    assert max(dearer, key=dearer.__getitem__) == "atlas"


def test_the_experiment_prints_its_tables_and_draws_the_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "week.png"
    monkeypatch.setattr(
        sys, "argv", ["week", "--every", "6", "--periods", "7", "--seed", "2", "--figure", str(figure)]
    )
    runpy.run_path(str(CHECKOUT / "experiments" / "us20_oligopoly_week.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for words in (
        "utilisation of power, %",
        "pivotal, % of hours",
        "los_angeles->phoenix",
        "$/accelerator-h",
        "capital of accelerators and buildings",
    ):
        assert words in printed
    assert figure.stat().st_size > 10_000
