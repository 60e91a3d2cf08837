"""The market as a Gymnasium environment of one learner, its ids and its maps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import tokenflow_sim.env  # noqa: F401 - registers the ids
from tests.env.markets import market
from tokenflow_sim.env import MarketEnv, ParallelMarket
from tokenflow_sim.env.registration import IDS, KINDS
from tokenflow_sim.errors import InputError, ResultError


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Market-v0", {"scenario": market(), "agent": "ada"}),
        ("Owner-v0", {"scenario": market(), "owner": "wires", "actions": {"by": "arc"}, "reward": "profit"}),
        (
            "Region-v0",
            {"scenario": market(), "region": "upper", "actions": {"form": "discrete", "by": "bid"}},
        ),
        ("us5-v0", {}),
    ],
)
def test_it_passes_gymnasiums_test(name: str, given: dict[str, Any], tmp_path: Path) -> None:
    env = gymnasium.make(f"tokenflow_sim/{name}", render_to=tmp_path, **given)
    # Maps take most of the time: they are drawn in one case.
    check_env(env.unwrapped, skip_render_check=name != "Market-v0")
    assert (tmp_path / "period_0000.png").exists() == (name == "Market-v0")


def test_it_passes_gymnasiums_test_as_it_is_on_a_machine_without_windows() -> None:
    env = gymnasium.make("tokenflow_sim/Market-v0", scenario=market(), agent="ada")
    with pytest.warns(UserWarning, match="opens no windows, so that nothing is shown; give render_to=FOLDER"):
        check_env(env.unwrapped)


def test_stable_baselines_accepts_it() -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(MarketEnv(market(), "ada"), warn=True)
    checker.check_env(MarketEnv(market(), "ada", actions={"form": "discrete", "by": "asset"}), warn=True)


def test_every_id_makes_an_environment() -> None:
    names = {*IDS, *(f"tokenflow_sim/{kind}-v0" for kind in KINDS)}
    assert names == {name for name in gymnasium.registry if name.startswith("tokenflow_sim/")}
    env = gymnasium.make("tokenflow_sim/us20_oligopoly-v0", periods=1, disable_env_checker=True)
    assert env.unwrapped.encoding.name == "atlas"
    named = gymnasium.make("tokenflow_sim/Provider-v0", scenario=market(), provider="bob")
    assert named.unwrapped.encoding.name == "bob"
    assert MarketEnv(market()).encoding.name == "ada"
    with pytest.raises(InputError, match="name the owner that learns, as owner="):
        gymnasium.make("tokenflow_sim/Owner-v0", scenario=market())
    with pytest.raises(InputError, match="must be one agent; 'regions' means 2: upper, lower"):
        MarketEnv(market(), "regions")


def test_a_module_before_the_id_is_import_enough() -> None:
    code = (
        "import gymnasium as g; e = g.make('tokenflow_sim.env:tokenflow_sim/us5-v0', periods=2);"
        "e.reset(seed=1); print(e.step(e.action_space.sample())[3])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


def test_one_learner_sees_and_earns_what_it_does_among_others_that_are_truthful() -> None:
    one, some = MarketEnv(market(), "ada"), ParallelMarket(market(), ["ada", "bob"])
    seen, _ = one.reset(seed=2)
    others, _ = some.reset(seed=2)
    for action in ([0.5, 1.0], [-1.0, 0.0], [1.0, 1.0], [0.0, -1.0]):
        assert np.array_equal(seen, others["ada"])
        seen, reward, ended, cut, info = one.step(action)
        others, rewards, _, cuts, infos = some.step({"ada": action, "bob": [-1.0, 1.0]})
        assert reward == rewards["ada"]
        assert (ended, cut) == (False, cuts["ada"])
        assert np.array_equal(info["price"], infos["ada"]["price"])
    # After the last period it still sees the next one's numbers, for values of what would follow.
    assert np.array_equal(seen, others["ada"])
    assert cut


def test_where_no_numbers_follow_the_last_period_the_last_observation_stands(tmp_path: Path) -> None:
    table = tmp_path / "prices.csv"
    table.write_text("period,north\n0,0.05\n1,0.06\n2,0.07\n")
    known = market().override({"periods": 3, "electricity.series": str(table)})
    for periods, is_known in ((3, False), (2, True)):
        env = MarketEnv(known, "ada", periods=periods)
        seen = [env.reset(seed=1)[0]] + [env.step([-1.0, 1.0])[0] for _ in range(periods)]
        assert env.model.period == periods
        assert np.array_equal(seen[-1], seen[-2]) != is_known


def test_the_map_is_an_image_of_the_last_period() -> None:
    env = MarketEnv("us5", render_mode="rgb_array", periods=2)
    env.reset(seed=1)
    before = env.render()
    env.step([-1.0])
    after = env.render()
    assert before is not None
    assert after is not None
    assert before.shape == after.shape
    assert (before != after).any()
    spots = {f"nodes.{node}.{axis}": None for node in market().nodes for axis in ("latitude", "longitude")}
    nowhere = MarketEnv(market().override(spots), "ada", render_mode="rgb_array")
    nowhere.reset(seed=1)
    with pytest.raises(ResultError, match="needs latitude and longitude of the nodes; missing for all 3"):
        nowhere.render()
