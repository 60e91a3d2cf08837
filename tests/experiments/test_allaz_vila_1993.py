"""Forward trading before a Cournot market, against closed forms."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "allaz_vila_1993.py"))
A, C = SCRIPT["A"], SCRIPT["C"]


def test_the_closed_form_is_the_papers() -> None:
    theory = SCRIPT["theory"]
    assert theory(2, 0) == pytest.approx((A + 2 * C) / 3)
    assert theory(2, 1) == pytest.approx((A + 4 * C) / 5)
    assert theory(2, 7) == pytest.approx(C + (A - C) / 17)
    assert theory(5, 1) == pytest.approx(C + (A - C) / 26)
    assert theory(1, 3) == pytest.approx((A + C) / 2)  # a monopolist has nobody to be ahead of


@pytest.mark.parametrize(("firms", "rounds"), [(2, 0), (2, 2), (3, 1)])
def test_best_responses_over_positions_end_at_the_closed_form(firms: int, rounds: int) -> None:
    assert SCRIPT["Forwards"](firms).price(rounds) == pytest.approx(SCRIPT["theory"](firms, rounds), abs=1e-7)


def test_no_single_position_gains_on_the_equilibrium() -> None:
    game = SCRIPT["positions_game"](5)  # 0, 0.9, 1.8, 2.7, 3.6
    found = game.pure_equilibria()
    np.testing.assert_allclose(found.action.values, [[1.8, 1.8]])


def test_positions_that_both_learn_fall_short_of_those_that_one_learns() -> None:
    found = SCRIPT["positions_learned"](5, 40, 1e-2).set_index("positions learnt by").ours
    assert found["fictitious play"] == pytest.approx(1.8)
    assert found["Q-learning"] < found["Q-learning beside a rival that stays"] < 2.1


def test_learners_hold_the_contracts_and_their_price_counts_them() -> None:
    model = tf.TokenMarket(SCRIPT["scenario"]("epsilon_greedy", 8, True), rng=1)
    model.run()
    ds = model.results()
    price, made = ds.price.squeeze(), ds.dispatch.sum(("asset", "workload"))
    np.testing.assert_allclose(price, A - made, rtol=1e-6)
    expected = (SCRIPT["theory"](2, 1) - price) * 1.8 * 3600
    np.testing.assert_allclose(ds.contract_income.sel(provider="one"), expected, atol=1e-3)
