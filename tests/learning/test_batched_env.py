"""Training in several markets at once: Stable-Baselines3 sees what its own vector of environments would show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.env.markets import market
from tests.learning.test_training import SMALL, _Stop, stop_at, written
from tokenflow_sim.cli import app
from tokenflow_sim.env import MarketEnv, MarketVectorEnv
from tokenflow_sim.errors import InputError
from tokenflow_sim.learning import train


@pytest.mark.filterwarnings("error")
def test_it_shows_what_stable_baselines3s_own_vector_shows() -> None:
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    from tokenflow_sim.learning.batched_env import BatchedEnv

    given: dict[str, Any] = {"agent": "cyd", "periods": 3, "actions": "discrete"}
    ours = BatchedEnv(MarketVectorEnv(3, market(), autoreset_mode="SameStep", **given))
    theirs = DummyVecEnv([lambda: Monitor(MarketEnv(market(), **given))] * 3)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    for one in (ours, theirs):
        one.seed(4)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    for _ in range(8):  # two episodes and a part, whose first seeds follow from those given
        actions = rng.integers(ours.action_space.n, size=3)  # type: ignore[attr-defined]
        (seen, rewards, dones, infos), wanted = ours.step(actions), theirs.step(actions)
        for mine, other in zip((seen, rewards, dones), wanted, strict=False):
            np.testing.assert_array_equal(mine, other)
            assert mine.dtype == other.dtype  # type: ignore[union-attr]
        for info, other in zip(infos, wanted[3], strict=True):
            assert info.keys() == other.keys()
            if "episode" in other:
                del other["episode"]["t"]  # time on the clock
            for name, value in other.items():
                np.testing.assert_array_equal(info[name], value, err_msg=name)
        assert [one["seed"] for one in ours.reset_infos] == [one["seed"] for one in theirs.reset_infos]


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_it_goes_on_to_the_same_bits(algorithm: Any, tmp_path: Path) -> None:
    parameters = SMALL | {"n_steps": 16} if algorithm == "ppo" else {"learning_starts": 20, "batch_size": 8}
    given: dict[str, Any] = {
        "algorithm": algorithm, "steps": 96, "seed": 5, "parameters": parameters, "checkpoint": 30,
        "environment": {"periods": 10}, "environments": 3, "tensorboard": False,
    }  # fmt: skip
    train("us5", "dallas_dc", out=tmp_path / "whole", **given)
    with pytest.raises(_Stop):
        train("us5", "dallas_dc", out=tmp_path / "parts", progress=stop_at(70), **given)
    train("us5", "dallas_dc", out=tmp_path / "parts", resume=True, **given)
    assert written(tmp_path / "parts") == written(tmp_path / "whole")
    with pytest.raises(InputError, match="environments: was 3 when training began, is 2"):
        train("us5", "dallas_dc", out=tmp_path / "parts", resume=True, **{**given, "environments": 2})


def test_what_does_not_go_together_is_one_line_each(tmp_path: Path) -> None:
    given: dict[str, Any] = {"steps": 8, "out": tmp_path / "p"}
    with pytest.raises(InputError, match="environments: must be a whole number of at least 1; found 0"):
        train("us5", "dallas_dc", environments=0, **given)
    with pytest.raises(InputError, match="market: is one already; several are made of a scenario"):
        train(MarketEnv("us5", "dallas_dc"), environments=2, **given)
    options = ["--agent", "providers", "--steps", "8", "--environments", "2", "--out", str(tmp_path / "q")]
    told = CliRunner().invoke(app, ["train", "us5", *options])
    assert told.exit_code == 2
    assert "--environments: several agents learn from one market" in told.output
