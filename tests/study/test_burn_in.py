"""Periods left out of the measures: their sums with the rest are those of whole runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.study.compare import compare
from tokenflow_sim.study.tournament import tournament

TWO = ["marginal_cost", "fixed_markup"]


def test_measures_are_of_the_periods_that_are_left() -> None:
    found = compare(tiny(), TWO, "b", 2, 3, burn_in=2)
    assert found.dataset.attrs["burn_in"] == 2
    model = tf.TokenMarket(tiny(), rng=1, periods=3, strategies={"providers.b": "fixed_markup"})
    model.run()
    last = model.results().isel(period=2)
    run = found.dataset.sel(strategy="fixed_markup", seed=1)
    np.testing.assert_allclose(run["profit_rate"], last["profit"], rtol=1e-12)
    assert float(run["welfare_rate"]) == pytest.approx(float(last["welfare"]))
    weight = last["demand"] / last["demand"].sum("node")
    np.testing.assert_allclose(run["mean_price"], (last["price"] * weight).sum("node"))
    split = run["consumer_surplus_rate"] + run["producer_surplus_rate"] + run["network_surplus_rate"]
    assert float(split) == pytest.approx(float(run["welfare_rate"]))


def test_a_tournament_leaves_them_out_too() -> None:
    whole = tournament(tiny(), TWO, 1, 3, provider="a").dataset["payoff"]
    first = tournament(tiny(), TWO, 1, 1, provider="a").dataset["payoff"]
    rest = tournament(tiny(), TWO, 1, 3, provider="a", burn_in=1).dataset
    assert rest.attrs["burn_in"] == 1
    np.testing.assert_allclose(first + 2 * rest["payoff"], 3 * whole, rtol=1e-12)


@pytest.mark.parametrize("burn_in", [-1, 3, 1.0, True, "1"])
@pytest.mark.parametrize("study", [compare, tournament])
def test_as_many_as_are_played_cannot_be_left_out(study: object, burn_in: object) -> None:
    with pytest.raises(
        tf.InputError, match=r"burn_in: must be a whole number from 0 to 2, less than the 3 periods"
    ):
        study(tiny(), TWO, seeds=1, periods=3, burn_in=burn_in)  # type: ignore[operator]


def test_runs_of_another_burn_in_are_not_gone_on_with(tmp_path: Path) -> None:
    compare(tiny(), TWO, "b", 1, 2, store=tmp_path / "runs")
    with pytest.raises(tf.ResultError, match="holds the runs of another study"):
        compare(tiny(), TWO, "b", 1, 2, store=tmp_path / "runs", burn_in=1)
