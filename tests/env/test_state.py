"""Environments stand where those stood whose state they are given, and go on to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from tests.env.markets import market
from tokenflow_sim.env import MarketEnv, MarketVectorEnv, ParallelMarket

DISCRETE = {"form": "discrete", "by": "class"}


def plain(thing: Any) -> Any:
    """Return a state as JSON has it: there is nothing in it but numbers, names and arrays."""
    return json.loads(json.dumps(thing, default=lambda array: array.tolist()))


def parallel() -> ParallelMarket:
    return ParallelMarket(market(), ["ada", "wires", "upper"], lags=2, reward="cvar")


def single() -> MarketEnv:
    return MarketEnv(market(), "cyd", actions=DISCRETE, reward="mean_variance")


def vector() -> MarketVectorEnv:
    return MarketVectorEnv(3, market(), "ada", reward="cvar")


def at_random(env: Any) -> Any:
    if isinstance(env, ParallelMarket):
        return {agent: env.action_space(agent).sample() for agent in env.agents}
    return env.action_space.sample()


@pytest.mark.parametrize("make", [parallel, single, vector])
@pytest.mark.parametrize("played", [0, 3])
def test_it_goes_on_from_its_state(make: Callable[[], Any], played: int) -> None:
    env = make()
    env.reset(seed=4)
    seen = env.reset()[0]  # an episode of the seed's stream, whose next ones are to come as well
    for _ in range(played):
        seen = env.step(at_random(env))[0]
    state = env.get_state()
    text = plain(state)
    assert sorted(text) in (["actions", "random", "seed"], ["actions", "random", "seeds"])
    other = make()
    assert data_equivalence(other.set_state(state), seen)
    assert plain(other.get_state()) == text
    actions = at_random(env)
    assert data_equivalence(other.step(actions), env.step(actions))
    assert data_equivalence(other.reset(), env.reset())
    assert data_equivalence(other.step(actions), env.step(actions))
    np.testing.assert_equal(plain(other.get_state()), plain(env.get_state()))
