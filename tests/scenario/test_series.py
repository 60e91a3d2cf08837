"""Profiles by local hour and weekday, and tables by period."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.profile import Profile, cycle_length
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries
from tokenflow_sim.scenario.zone import offset_hours

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FACTORS = st.lists(st.floats(0, 10), min_size=24, max_size=24)


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("UTC", 0), ("America/Chicago", -6), ("America/Los_Angeles", -8), ("Asia/Kolkata", 5.5),
        ("UTC-06:00", -6), ("+5:30", 5.5), ("UTC+14", 14), ("GMT-3", -3),
    ],
)  # fmt: skip
def test_offsets(zone: str, hours: float) -> None:
    assert offset_hours(zone, MONDAY) == hours


def test_the_offset_is_that_of_the_start() -> None:
    assert offset_hours("America/Chicago", datetime(2026, 7, 6, tzinfo=UTC)) == -5


@pytest.mark.parametrize("zone", ["Mars/Base", "", "UTC+15", "UTC-06:60", "../etc/passwd", "America", "a\0b"])
def test_unknown_zones(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        offset_hours(zone, MONDAY)


@given(FACTORS, st.sampled_from([0.25, 0.5, 1.0, 2.0, 7.0, 24.0, 168.0, 400.0]), st.floats(-30, 500))
def test_a_period_has_the_mean_of_its_hours(hourly: list[float], hours: float, start: float) -> None:
    weekly = [1, 1, 1, 1, 1, 0.5, 0.25]
    start = round(start * 4) / 4
    quarters = np.arange(start, start + hours, 0.25)  # every quarter of an hour lies within one hour
    hour = np.floor(quarters).astype(int)
    expected = np.mean([hourly[h % 24] * weekly[h // 24 % 7] for h in hour])
    assert Profile(hourly, weekly).mean(np.array([start]), hours)[0] == pytest.approx(
        expected, rel=1e-9, abs=1e-9
    )


def test_whole_hours_are_free_of_rounding() -> None:
    hourly = np.random.default_rng(0).uniform(0, 2, 24)
    profile = Profile(hourly, np.ones(7))
    assert profile.mean(np.arange(200.0), 1.0).tolist() == [hourly[hour % 24] for hour in range(200)]


def test_cycles() -> None:
    flat, daily = Profile(np.ones(24), np.ones(7)), Profile(np.arange(24.0), np.ones(7))
    assert cycle_length(0.1, [flat]) == 1
    assert cycle_length(1.0, [flat, daily]) == 168
    assert cycle_length(24.0, [daily]) == 7
    assert cycle_length(5.0, [daily]) == 168  # five weeks
    assert cycle_length(0.3, [daily]) is not None
    assert cycle_length(np.pi, [daily]) is None
    assert cycle_length(1e-4, [daily]) is None


def profiled(us5: Scenario, **changes: object) -> Scenario:
    return us5.override(
        {
            "demand.hourly": {"chat": [float(hour) for hour in range(24)]},
            "demand.weekly": {"chat": [1, 1, 1, 1, 1, 0.5, 0]},
            "nodes.dallas.time_zone": "America/Chicago",
            "electricity.hourly": {"dallas": [1.0] * 12 + [2.0] * 12},
            **changes,
        }
    )


def test_demand_follows_the_local_hour_and_weekday(us5: Scenario) -> None:
    scenario = profiled(us5)
    chat = np.array([scenario.compiled.state(period).demand[:, 0] for period in range(168)])
    base = us5.compiled.state(0).demand[:, 0]
    assert chat[7, 0] == pytest.approx(7 * base[0])  # Ashburn is left at UTC here
    assert chat[7, 1] == pytest.approx(1 * base[1])  # 1 in the morning at Dallas
    assert chat[5, 1] == 0  # Dallas still has Sunday, whose factor is 0, at 23 o'clock
    assert chat[5 * 24 + 3, 0] == pytest.approx(1.5 * base[0])
    assert (scenario.compiled.state(40).demand[:, 1:] == us5.compiled.state(40).demand[:, 1:]).all()


def test_profiles_repeat_without_end(us5: Scenario) -> None:
    compiled = profiled(us5).compiled
    for period in (0, 17, 100):
        early, late = compiled.state(period), compiled.state(period + 168 * 52)
        assert early.demand is late.demand
        assert early.true_cost is late.true_cost


def test_periods_of_half_an_hour_and_of_a_day(us5: Scenario) -> None:
    hourly = profiled(us5).compiled
    half = profiled(us5, hours=0.5).compiled
    assert half.state(15).demand == pytest.approx(hourly.state(7).demand)
    daily = profiled(us5, hours=24).compiled
    mean = np.mean([hourly.state(period).demand for period in range(24, 48)], axis=0)
    assert daily.state(1).demand == pytest.approx(mean)


def test_an_odd_length_of_period_never_repeats_but_works(us5: Scenario) -> None:
    scenario = profiled(us5, hours=float(np.pi))
    week = [scenario.compiled.state(period).demand[0, 0] for period in range(200)]
    assert len(set(week)) > 150


def test_start_moves_the_clock(us5: Scenario) -> None:
    later = profiled(us5, start="2026-01-05 09:00")
    assert later.compiled.state(0).demand == pytest.approx(profiled(us5).compiled.state(9).demand)


def test_electricity_follows_the_local_hour(us5: Scenario) -> None:
    compiled = profiled(us5).compiled
    assert compiled.state(17).electricity_price[1] == 0.072  # 11 o'clock at Dallas
    assert compiled.state(18).electricity_price[1] == 0.144
    assert compiled.state(18).true_cost[1].tolist() == pytest.approx([0.144, 72.0, 0.288, 1.44])
    assert (compiled.state(18).electricity_price[[0, 2, 3, 4]] == [0.078, 0.18, 0.085, 0.052]).all()


def test_electricity_scale(us5: Scenario) -> None:
    doubled = us5.override({"electricity.scale": 2}).compiled.state(0)
    assert doubled.true_cost == pytest.approx(2 * us5.compiled.state(0).true_cost)


def test_tables_by_period_in_any_order(us5_folder: Path) -> None:
    yaml = us5_folder / "scenario.yaml"
    text = (
        yaml.read_text()
        .replace("periods: 168", "periods: 2")
        .replace("scale: 35.0", "scale: 2\n  series: d.csv")
    )
    yaml.write_text(text + "electricity: { series: prices.csv }\n")
    nodes = us5_folder / "nodes.csv"
    nodes.write_text(nodes.read_text().replace("1200,0.072", "1200,"))
    (us5_folder / "prices.csv").write_text("# made by hand\nperiod,dallas\n1,0.5\n\n0,0.1\n")
    (us5_folder / "d.csv").write_text(
        "node,period,image,chat\nseattle,1,0.01,0.2\ndallas,0,0.02,0.3\n"
        + ("dallas,1,0.03,0.4\nseattle,0,0.04,0.5\n")
    )
    scenario = load_scenario(us5_folder)
    first, second = (scenario.compiled.state(period) for period in (0, 1))
    assert (first.electricity_price[1], second.electricity_price[1]) == (0.1, 0.5)
    assert second.true_cost[1, 0] == 0.5
    assert first.demand[1].tolist() == [0.6, 0.04, 0, 0]
    assert second.demand[4].tolist() == [0.4, 0.02, 0, 0]
    assert first.demand[[0, 2, 3]].sum() == 0
    assert scenario.compiled.regions == ("dallas", "seattle")
    assert scenario.compiled.covered == 2
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario
    with pytest.raises(
        ScenarioError, match="there is no period 2; this scenario has whole numbers of periods from 0 to 1"
    ):
        scenario.market(2)
    with pytest.raises(ScenarioError, match="covers periods 0 to 1, where the scenario has 3 periods"):
        scenario.override({"periods": 3})


def test_no_period_before_the_first(us5: Scenario) -> None:
    with pytest.raises(ScenarioError, match="there is no period -1"):
        us5.market(-1)
    with pytest.raises(ScenarioError, match=r"there is no period 1\.5; this scenario has whole numbers"):
        us5.market(1.5)  # type: ignore[arg-type]


def test_outages(edited: Callable[..., Path]) -> None:
    outages = (
        "outages:\n  - { first: 10, last: 12, node: dallas, available: 0.5 }\n"
        "  - { first: 12, last: 20, provider: dallas_dc, hardware: fleet }\n"
        "  - { first: 12, last: 12, arc: seattle->silicon_valley, available: 0.25 }\n"
    )
    scenario = load_scenario(edited(scenario=[("owners:\n", outages + "owners:\n")]))
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario
    compiled = scenario.override({"market.shared_power": True}).compiled
    arc = list(compiled.layout.arcs).index("seattle->silicon_valley")
    power, links = [], []
    for period in (9, 10, 12, 13, 20, 21, 9):  # back again at the end
        state = compiled.state(period)
        assert state.power_limit is not None
        assert state.capacity[1, 0] == state.power_limit[1] * 5000 / 1e6
        power.append(state.power_limit[1])
        links.append(state.link_capacity[arc])
    assert power == [1200, 600, 0, 0, 0, 1200, 1200]
    assert links == [2.5, 2.5, 0.625, 2.5, 2.5, 2.5, 2.5]


@pytest.mark.parametrize(
    "series",
    [PeriodSeries(["a", "b"], [[1, 2], [3, 4]]), NodeSeries(["n"], ["a", "b"], [[[1, 2]], [[3, 4]]])],
    ids=["by period", "by period and node"],
)
def test_series_are_frozen_values(series: PeriodSeries | NodeSeries) -> None:
    again = pickle.loads(pickle.dumps(series))
    assert again == series
    assert hash(again) == hash(series)
    key = (1, "a") if isinstance(series, PeriodSeries) else (1, "n", "a")
    changed = series.with_cell(key, 9.0)
    assert changed != series
    assert changed.values.ravel()[2] == 9
    assert series.values.ravel()[2] == 3
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 1


@pytest.mark.parametrize("values", [[[1.0]], [], [[1, np.nan]], [[np.inf, 0]], [1, 2]])
def test_series_refuse_what_is_no_series(values: object) -> None:
    with pytest.raises(ValueError, match="a series"):
        PeriodSeries(["a", "b"], values)  # type: ignore[arg-type]
