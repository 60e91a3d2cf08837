"""Pricing by Q-learning: the games are those of the paper, and its measures count what they say."""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "calvano_2020.py"))


def test_the_duopoly_is_the_papers() -> None:
    """Prices and profits as in the input and output files of the paper's replication package, to five decimals."""
    setting = SCRIPT["logit"]()
    assert setting.nash == pytest.approx(0.22293, abs=5e-6)
    assert setting.most == pytest.approx(0.33749, abs=5e-6)
    printed = [
        1.4277250, 1.4664721, 1.5052193, 1.5439664, 1.5827136, 1.6214607, 1.6602079, 1.6989550, 1.7377021,
        1.7764493, 1.8151964, 1.8539436, 1.8926907, 1.9314379, 1.9701850,
    ]  # fmt: skip
    np.testing.assert_allclose(setting.price, printed, atol=5e-6)
    # Both at the third price, Nash by excess, is already a gain of 12 %, as the paper notes.
    third = setting.game.payoff.values[2, 2].mean()
    assert (third - setting.nash) / (setting.most - setting.nash) == pytest.approx(0.12, abs=0.005)


def test_the_market_is_bertrands() -> None:
    setting = SCRIPT["market"]()
    price = setting.price
    for first, second in ((2, 2), (3, 9), (9, 3), (14, 5), (14, 14), (0, 0)):
        low = min(price[first], price[second])
        share = 0.5 if first == second else float(first < second)
        expected = 3600.0 * (low - 1.0) * share * (low <= 2.0)
        assert float(setting.game.payoff[first, second, 0]) == pytest.approx(expected, abs=1e-9)
    assert setting.game.pure_equilibria().place.values.tolist() == [[2, 2], [3, 3]]


def test_tables_measure_what_sessions_do() -> None:
    """Measures of deviations against single paths of play, followed period by period."""
    given = argparse.Namespace(full=False, haste=400.0, sessions=6, others=2, seed=0, workers=1, store=None)
    setting, case = SCRIPT["logit"](), SCRIPT["CASES"][0]
    played = SCRIPT["play"](setting, case, given)
    found = SCRIPT["deviations"](setting, played, 0.95)
    end, payoff = played.dataset["end"].values, setting.game.payoff.values
    assert found.sizes["case"] == 2 * (end >= 0).sum()
    for row in (0, found.sizes["case"] - 1):
        session, firm, action = int(found.session[row]), int(found.firm[row]), 4
        home = [divmod(int(one), 15) for one in end[session] if one >= 0]
        start = home[0] if row == 0 else home[-1]
        worth, paths = [], []
        for deviates in (False, True):
            at, total, path = start, 0.0, []
            for period in range(400):
                at = tuple(int(own[session, 15 * at[0] + at[1]]) for own in played.policies)  # type: ignore[assignment]
                if deviates and not period:
                    at = (action, at[1]) if firm == 0 else (at[0], action)
                total += 0.95**period * payoff[at[0], at[1], firm]
                path.append(at)
            worth.append(total)
            paths.append(path)
        assert float(found.gain[row, action]) == pytest.approx(worth[1] - worth[0], abs=1e-9)
        if int(found.best[row]) == action:
            back = [place for place, one in enumerate(paths[1][:40], 1) if one in home]
            assert int(found.length[row]) == (back[0] if back else 0)
    table = SCRIPT["check"](setting, played, SCRIPT["PRINTED"][0])
    assert table.loc["profit gain", "here"] == pytest.approx(SCRIPT["gain_of"](setting, played).mean())
    assert table.loc["profit gain", "paper"] == 0.849
    assert set(SCRIPT["PRINTED"][0]) <= set(table.index)
    assert SCRIPT["_row"](np.array([]), 5.7) == {
        "paper": 5.7, "here": None, "+-": None, "5 %": None, "95 %": None
    }  # fmt: skip
