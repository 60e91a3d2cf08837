"""Long series stand once in results, compressed, apart from the scenario's text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tokenflow_sim.scenario.packed import LONG, is_long, pack, unpack
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries

HOURS = LONG // 5 + 500  # a series of that length for the five nodes of us5 is long


def _with_prices(periods: int, step: str = "h") -> tf.Scenario:
    us5 = tf.load_scenario("us5")
    times = pd.date_range("2026-01-05", periods=HOURS * (1 if step == "h" else 2), freq=step, tz="UTC")
    prices = np.random.default_rng(1).uniform(0.02, 0.2, (len(times), 5))
    frame = pd.DataFrame(prices, times, list(us5.nodes))
    return us5.override({"start": "2026-01-05", "periods": periods, "electricity.series": frame})


@pytest.mark.parametrize("nodes", [None, ("a", "b")])
def test_packed_numbers_come_back_bit_for_bit(nodes: tuple[str, str] | None) -> None:
    numbers = np.random.default_rng(2)
    series: PeriodSeries | NodeSeries
    if nodes is None:
        series = PeriodSeries(["x", "y.z"], numbers.normal(size=(50, 2)))
    else:
        series = NodeSeries(nodes, ["x", "y.z", "w"], numbers.normal(size=(50, 2, 3)))
    assert unpack(pack(series)) == series


def test_a_short_run_carries_its_rows_in_the_text_alone() -> None:
    model = tf.TokenMarket(_with_prices(HOURS), rng=1, periods=6)
    model.run()
    results = model.results()
    assert "scenario_series" not in results.attrs
    assert len(results.attrs["scenario"]) < 20_000
    again = tf.TokenMarket.from_results(results)
    again.run()
    assert again.results().identical(results)
    assert tf.Scenario.from_yaml(results.attrs["scenario"]).periods == 6


@pytest.mark.parametrize("step", ["h", "30min"])
def test_a_long_run_carries_its_series_once_and_plays_again(step: str, tmp_path: Path) -> None:
    scenario = _with_prices(HOURS, step)
    assert is_long(scenario.electricity.series)
    model = tf.TokenMarket(scenario, rng=1)
    for _ in range(3):
        model.step()
    results = model.results()
    assert len(results.attrs["scenario"]) < 20_000
    # The numbers are random, so that seven eighths of their bits remain.
    assert 0.8 * 4 / 3 < len(results.attrs["scenario_series"]) / (HOURS * 5 * 8) < 4 / 3
    results.to_netcdf(tmp_path / "run.nc")
    loaded = tf.load_results(tmp_path / "run.nc")
    restored = tf.Scenario.from_results(loaded)
    for period in (0, 7, HOURS - 1):
        np.testing.assert_array_equal(
            restored.market(period).arrays.offer_price, scenario.market(period).arrays.offer_price
        )
    again = tf.TokenMarket.from_results(loaded)
    for _ in range(3):
        again.step()
    assert again.results().identical(results)


def test_text_and_numbers_that_do_not_belong_together_are_refused() -> None:
    attrs = _with_prices(HOURS).packed
    with pytest.raises(
        tf.ScenarioError, match=r"has 1 fault:.*\n.*electricity\.series.*apart from this text.*from_results"
    ):
        tf.Scenario.from_yaml(attrs["scenario"])
    other = _with_prices(HOURS, "30min").packed
    mixed = {"scenario": attrs["scenario"], "scenario_series": other["scenario_series"]}
    with pytest.raises(tf.ScenarioError, match="not those of this text"):
        tf.Scenario.from_results(_Bare(mixed))
    damaged = {**attrs, "scenario_series": attrs["scenario_series"].replace("A", "B")}
    with pytest.raises(tf.ScenarioError, match=r"damaged|not those"):
        tf.Scenario.from_results(_Bare(damaged))
    with pytest.raises(tf.ScenarioError, match="carry none"):
        tf.Scenario.from_results(_Bare({}))


class _Bare:
    def __init__(self, attrs: dict[str, str]) -> None:
        self.attrs = attrs


def test_a_sweep_of_long_series_says_how_to_be_made_again() -> None:
    swept = tf.sweep(_with_prices(HOURS), vary={"periods": [2, 3]}, seeds=1)
    assert tf.Scenario.from_results(swept.dataset).electricity.series.values.shape == (HOURS, 5)
