"""The experiment of independent PPO trains, resumes and reports."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "independent_ppo.py"


def test_trains_in_pieces_and_plays_what_was_learnt(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("independent_ppo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    ppo = importlib.util.module_from_spec(spec)
    sys.modules["independent_ppo"] = ppo
    spec.loader.exec_module(ppo)
    ppo.HOUR, ppo.DEVIATIONS = 1, (0.0, 8.0)
    size = ppo.Size({"us5": 512}, 2, 2, 0)
    first = ppo.train("us5", size, 256, 0, tmp_path)
    rows = ppo.train("us5", size, 512, 0, tmp_path)
    pd.testing.assert_frame_equal(rows[rows.step == 256], first)
    assert sorted(rows.step.unique()) == [256, 512]
    assert len(rows) == 2 * 5 * 2
    assert rows.markup.between(0, ppo.HIGHEST * (1 + 1e-6)).all()
    again = ppo.train("us5", size, 512, 0, tmp_path)
    pd.testing.assert_frame_equal(again, rows, rtol=1e-12)
    left = ppo.exploitability("us5", 0, 2, tmp_path)
    assert list(left.index) == sorted(rows.provider.unique())
    assert (left["could gain, k$/h"] >= 0).all()
    # Where profit rises to a mark-up of 2 and collapses beyond, who draws widely stays clear of it.
    cliff = {0.0: 10.0, 1.0: 10.5, 2.0: 11.0, 3.0: 5.0, 8.0: 0.0}
    assert ppo.best_mean(cliff, 0.7) < 0.1 < 1.5 < ppo.best_mean(cliff, 0.05) < 2.0
    assert ppo.best_mean({0.0: 0.0, 8.0: 1.0}, 0.7) == pytest.approx(8.0)
    truthful = ppo.played("us5", {"providers": "marginal_cost"}, 2)
    responses = truthful[truthful.hour == 1].set_index("provider")[["markup", "profit"]]
    rows = rows.assign(seed=0)
    assert len(ppo.table("us5", rows, truthful, responses)) == 5
    day = ppo.course(truthful.assign(step=0, seed=0), truthful)
    assert day.to_numpy().tolist() == [[0.0, 0.0, 0.0]]
    # Where all must be served, whatever is not truthful costs more.
    costs = ppo.course(
        ppo.held("us5", responses.assign(markup=[8.0, 0.0, 0.0, 0.0, 0.0]), 2).assign(step=0, seed=0),
        truthful,
    )
    assert costs["welfare, % more"].item() < 0 < costs["price, % more"].item()
    assert len(ppo.draw({"us5": ppo.Found(rows, truthful, responses, truthful)}).axes) == 3
