"""The double auction of Nicolaisen, Petrov and Tesfatsion: its benchmarks by other means, and a few rounds of it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import tokenflow_sim as tf

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "nicolaisen_2001.py"))
CELLS = SCRIPT["CELLS"]


@pytest.mark.parametrize("where", CELLS)
def test_the_competitive_benchmark_is_the_best_that_trade_can_bring(where: tuple[float, float]) -> None:
    sellers, buyers, offered, asked = cell = CELLS[where]
    assert (sellers / buyers, buyers * asked / (sellers * offered)) == where
    fair, truthful, price = SCRIPT["benchmark"](cell)
    worth, cost = SCRIPT["units"](cell)
    # Least cost less worth of what each unit trades, by a linear program.
    best: Any = linprog(
        np.concatenate([-worth, cost]),
        A_eq=np.concatenate([np.ones(worth.size), -np.ones(cost.size)])[None],
        b_eq=[0.0],
        bounds=(0.0, 1.0),
    )
    assert fair.buyers + fair.sellers == pytest.approx(-best.fun)
    assert truthful.buyers + truthful.sellers == pytest.approx(-best.fun)
    # At the price nobody wants to trade more or less: what each would earn alone at it adds up to the same.
    assert np.maximum(worth - price, 0).sum() == pytest.approx(fair.buyers)
    assert np.maximum(price - cost, 0).sum() == pytest.approx(fair.sellers)


@pytest.mark.parametrize("where", [(2.0, 2.0), (0.5, 0.5)])
def test_truthful_traders_earn_what_the_rule_gives_them_by_hand(where: tuple[float, float]) -> None:
    model = tf.TokenMarket(SCRIPT["scenario"](CELLS[where], None, 1), rng=1)
    model.run()
    earned = SCRIPT["reduce"](model.results())
    _, truthful, _ = SCRIPT["benchmark"](CELLS[where])
    assert float(earned.buyers) == pytest.approx(truthful.buyers)
    assert float(earned.sellers) == pytest.approx(truthful.sellers)


def test_learners_trade_well_but_not_perfectly_and_the_original_rule_worse() -> None:
    cell = (1.0, 1.0)
    runs: pd.DataFrame = SCRIPT["play"]({"modified": [cell], "original": [cell]}, 1, 120)
    efficiency = runs.set_index("rule").E
    assert 80.0 < efficiency["modified"] < 100.0
    assert efficiency["original"] < efficiency["modified"]
    table = SCRIPT["table"](runs)
    assert list(table["E: paper"].unique()) == ["n/a"]
    assert "variance" in SCRIPT["claims"](runs)["measured by"].iloc[1]


def test_sessions_that_are_stepped_together_are_those_of_single_runs() -> None:
    market = SCRIPT["scenario"](CELLS[0.5, 2.0], SCRIPT["RULES"]["modified"], 12)
    record = (*SCRIPT["RECORD"], "price", "dispatch", "unserved", "flow", "certificate", "total_cost")
    batch = tf.Batch(market, seeds=(0, 7), record=record)
    assert batch.unvectorised == ()
    batch.run()
    for seed in batch.seeds:
        model = tf.TokenMarket(market, rng=seed, record=record)
        model.run()
        for name, array in model.results().data_vars.items():
            np.testing.assert_array_equal(batch.results()[name].sel(seed=seed), array, err_msg=str(name))
    assert batch._markets.sorted > 12  # type: ignore[union-attr]  # of 24; the others by the engine
