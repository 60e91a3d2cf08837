"""The experiments of six learners and of independent PPO, on tiny sizes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def test_six_learners_are_ordinary_runs_summed_up_by_week(tmp_path: Path) -> None:
    six = load("six_learners_year")
    runs = six.play(1, 2, 1, tmp_path / "new" / "store")
    model = tf.TokenMarket("us20_oligopoly", rng=0, periods=2, strategies={"providers": "q_learning"})
    model.run()
    ds, mine = model.results(), runs.isel(seed=0, week=0)
    one = mine.sel(rule="q_learning")
    for name, total in (("welfare", ds.welfare), ("tariffs", ds.owner_income.sum("owner"))):
        assert float(one[name]) == pytest.approx(float(total.sum()), rel=1e-12)
    pd.testing.assert_series_equal(
        one.profit.to_series(), ds.profit.sum("period").to_series(), check_names=False, rtol=1e-12
    )
    # Every provider plays one mark-up of its list for all that it has; truthful ones none.
    truthful = mine.sel(rule="truthful")
    np.testing.assert_allclose(truthful.asked / truthful.cost, 1.0, rtol=1e-9)
    assert (one.asked >= one.cost * (1 - 1e-12)).all()
    assert float(one.asked.sum()) > float(one.cost.sum())
    # Truth is the welfare optimum; a basket at its own prices is no dearer.
    assert (mine.welfare <= truthful.welfare * (1 + 1e-12)).all()
    assert float(abs(six.dearer(runs, "week", "node", "workload").sel(rule="truthful")).max()) < 1e-9
    for table, rows in (
        (six.money_table(runs), 8),
        (six.market_table(runs), 12),
        (six.provider_table(runs), 6),
        (six.place_table(runs), 20),
    ):
        assert len(table) == rows
        assert not table.isna().any().any()
    assert len(six.draw(runs).axes) == 3


def test_independent_ppo_compares_without_pytorch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ppo = load("independent_ppo")
    strategies: Any = {"providers": "marginal_cost", "ashburn_dc": {"name": "fixed_markup", "markup": 3.0}}
    frame = ppo.played("us5", strategies, 2)
    markup = frame.groupby("provider").markup.mean()
    assert markup["ashburn_dc"] == pytest.approx(3.0)
    assert markup.drop("ashburn_dc").abs().max() < 1e-12
    truthful = ppo.played("us5", {"providers": "marginal_cost"}, 2).assign(step=0, seed=0)
    assert np.allclose(ppo.course(truthful, truthful), 0.0)
    # The market of best responses has the regions' own bids: users give way step by step.
    assert ppo.market_at("us20_oligopoly", 0).arrays.demand.shape[2] > 1

    monkeypatch.setattr(ppo, "can_train", lambda: False)
    monkeypatch.setattr(ppo, "HOUR", 1)
    monkeypatch.setattr(ppo, "SHORT", ppo.Size({"us5": 0}, 1, 2, 0))
    responses = pd.DataFrame({"markup": markup, "profit": 1.0, "gain": 0.0})
    monkeypatch.setattr(ppo, "best_responses", lambda *_: ("found", responses))
    monkeypatch.setattr(sys, "argv", ["independent_ppo.py", "--markets", "us5"])
    ppo.main()
    out = capsys.readouterr().out
    assert "Best responses: found" in out
    assert "Nothing was trained: PyTorch" in out
