"""Many markets at once are, to the bit, so many environments one by one."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from tests.env.markets import market
from tokenflow_sim.env import MarketVectorEnv
from tokenflow_sim.errors import InputError, StrategyError

AHEAD = {"seller": "cyd", "buyer": "upper", "node": "north", "workload": "chat", "quantity": 0.5, "price": 2}
MODES = [mode.value for mode in AutoresetMode]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "given",
    [
        {"agent": "cyd", "actions": {"form": "discrete", "by": "class"}, "reward": "cvar"},
        {"agent": "wires", "reward": "profit", "lags": 2},
        {"agent": "upper", "reward": "mean_variance", "overrides": {"contracts": {"ahead": AHEAD}}},
    ],
)
def test_it_is_what_gymnasiums_own_vector_environment_is(mode: str, given: dict[str, Any]) -> None:
    name = "tokenflow_sim/Market-v0"
    ours = gymnasium.make_vec(name, num_envs=3, scenario=market(), autoreset_mode=mode, **given)
    theirs = gymnasium.make_vec(
        name, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode},
        scenario=market(), **given,
    )  # fmt: skip
    assert isinstance(ours, MarketVectorEnv)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert same(ours.reset(seed=5), theirs.reset(seed=5))
    ours.action_space.seed(1)
    steps = 4 if mode == "Disabled" else 10
    for _ in range(steps):
        actions = ours.action_space.sample()
        found = ours.step(actions)
        assert same(found, theirs.step(actions))
        assert found[0] in ours.observation_space
    if mode == "Disabled":
        assert found[3].all()
        with pytest.raises(InputError, match="the episodes are over; call reset"):
            ours.step(actions)
        mask = {"reset_mask": np.ones(3, dtype=bool)}
        assert same(ours.reset(options=dict(mask)), theirs.reset(options=dict(mask)))
    assert same(ours.reset(seed=[9, 8, 7]), theirs.reset(seed=[9, 8, 7]))
    assert same(ours.reset(), theirs.reset())
    ours.close()


def same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(data_equivalence(mine, theirs, exact=True) for mine, theirs in zip(one, other, strict=True))


def test_what_it_cannot_do_is_told() -> None:
    for given, said in [
        ({"num_envs": 0}, "num_envs: must be a whole number of at least 1; found 0"),
        ({"autoreset_mode": "Always"}, "autoreset_mode: unknown mode 'Always'; known modes: NextStep, SameStep"),
        ({"strategies": {"adda": "q_learning"}}, "unknown agent 'adda'"),
        ({"render_mode": "rgb_array"}, "many markets at once draw nothing; use vectorization_mode='sync'"),
        ({"observe": ["published_offers"]}, "observe: many markets at once do not show 'published_offers'"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=said):
            MarketVectorEnv(**{"num_envs": 2, "scenario": market(), "agent": "ada", **given})
    env = MarketVectorEnv(2, market(), "ada")
    with pytest.raises(InputError, match="call reset"):
        env.step(None)
    with pytest.raises(InputError, match=r"seed: must be one whole number, or 2; found \[1, 2, 3"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(InputError, match=r"or 2; found 1\.5"):
        env.reset(seed=1.5)  # type: ignore[arg-type]
    assert env.reset(seed=np.array([4, 5]))[1]["seed"].tolist() == [4, 5]  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reset_mask: all markets are over together"):
        env.reset(options={"reset_mask": np.array([True, False])})
    env.reset(seed=1)
    # One action for all, or too few: neither is spread over the markets.
    for actions in (np.zeros(2), np.zeros((1, 2)), np.zeros((3, 2))):
        with pytest.raises(StrategyError, match=r"has shape \(2, 2\); found"):
            env.step(actions)


def test_it_goes_on_from_a_pickle() -> None:
    env = MarketVectorEnv(2, market(), "ada", actions="discrete")
    env.reset(seed=3)
    for _ in range(2):
        env.step(np.array([1, 2]))
    other = pickle.loads(pickle.dumps(env))
    for _ in range(4):
        assert same(env.step(np.array([3, 0])), other.step(np.array([3, 0])))
