"""The market as a PettingZoo environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from tests.env.markets import market
from tokenflow_sim.env import ParallelMarket, parallel_env
from tokenflow_sim.errors import InputError, StrategyError
from tokenflow_sim.model import TokenMarket

EVERYBODY = ["providers", "wires", "regions"]
DISCRETE = {"form": "discrete", "shares": (0.5, 1.0)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("agents", "given"),
    [
        (None, {}),
        (EVERYBODY, {"reward": "cvar", "lags": 2}),
        (["ada", "wires", "lower"], {"actions": DISCRETE, "reward": "mean_variance"}),
    ],
)
def test_it_passes_pettingzoos_tests(agents: Any, given: dict[str, Any]) -> None:
    parallel_api_test(parallel_env(market(), agents, **given), num_cycles=6)
    parallel_seed_test(lambda: parallel_env(market(), agents, **given), num_cycles=6)


@pytest.mark.filterwarnings("error")
def test_bundled_scenarios_do_too() -> None:
    parallel_api_test(parallel_env("us5", periods=3), num_cycles=4)
    everybody = ["providers", "owners", "regions"]
    parallel_api_test(parallel_env("us20_oligopoly", everybody, periods=2), num_cycles=3)


def test_what_is_played_is_the_run_of_the_seed() -> None:
    env = ParallelMarket(market(), ["ada", "wires", "upper"], actions=DISCRETE, record=["price", "profit"])
    observed, infos = env.reset(seed=7)
    # The same offers by strategies: arm 5 is the third mark-up, 0.3, with all capacity.
    same = {"ada": {"name": "fixed_markup", "markup": 0.3}, "wires": {"name": "fixed_tariff", "markup": 0.3}}
    plain = TokenMarket(market(), rng=7, strategies=same)
    names = env.encoding("ada").observation.names
    while env.agents:
        cost = plain.view("ada").cost
        scale = env.encoding("ada").observation.quantities[0].scale
        expected = (cost / (np.abs(cost) + scale)).ravel()
        assert observed["ada"][: cost.size] == pytest.approx(expected, rel=1e-6)
        assert names[0] == "cost[ada/north/chip, chat]"
        observed, rewards, ended, cut, infos = env.step({"ada": 5, "wires": 5, "upper": 1})
        plain.step()
        result = plain.clearing_house.result
        assert result is not None
        money = {
            "ada": result.provider_profit[0],
            "wires": result.owner_income[0] - result.transport_cost.sum(),
            "upper": (result.service_value - result.payment)[:2].sum(),
        }
        for name, earned in money.items():
            assert infos[name]["money"] == pytest.approx(earned, rel=1e-12)
            assert rewards[name] == pytest.approx(earned / env.encoding(name).money, rel=1e-12)
            assert infos[name]["period"] == plain.period
        assert np.array_equal(infos["ada"]["price"], result.asset_price[plain.providers["ada"].rows])
        assert np.array_equal(infos["upper"]["price"], result.values.price[:2])
        assert set(ended.values()) == {False}
        assert set(cut.values()) == {plain.period == 4}
    assert env.model.results().price.equals(plain.results().price)
    with pytest.raises(InputError, match="the episode is over; call reset"):
        env.step({})


def test_what_forward_contracts_bring_is_earned_beside_the_market() -> None:
    sold = {
        "seller": "ada",
        "buyer": "upper",
        "node": "north",
        "workload": "chat",
        "quantity": 0.5,
        "price": 2,
    }
    env = parallel_env(market(), ["ada", "upper"], overrides={"contracts": {"ahead": sold}})
    env.reset(seed=1)
    infos = env.step({"ada": [-1, 1], "upper": [-1, 1]})[4]
    result = env.model.clearing_house.result
    assert result is not None
    brought = (2 - result.values.price[0, 0]) * 0.5 * 3600
    assert abs(brought) > 1
    assert infos["ada"]["money"] == pytest.approx(result.provider_profit[0] + brought)
    surplus = (result.service_value - result.payment)[:2].sum()
    assert infos["upper"]["money"] == pytest.approx(surplus - brought)


def test_a_seed_fixes_its_episode_and_all_after_it() -> None:
    def seeds(first: int | None) -> list[int]:
        env = parallel_env(market(), periods=1)
        return [env.reset(seed=first if number == 0 else None)[1]["ada"]["seed"] for number in range(3)]

    assert seeds(3) == seeds(3)
    assert seeds(3)[0] == 3
    assert len({*seeds(3), *seeds(4), *seeds(None), *seeds(None)}) == 12


def test_arms_without_capacity_are_masked_and_returned_arrays_are_the_callers() -> None:
    env = parallel_env(market(), ["cyd"], actions={"form": "discrete", "markups": (0.0, 1.0)})
    observed, infos = env.reset(seed=1)
    masks, kept = [], []
    for _ in range(3):
        masks.append(infos["cyd"]["action_mask"].tolist())
        kept.append(observed["cyd"].copy())
        observed["cyd"][:] = np.nan  # a learner may do what it likes with what it got
        observed, _, _, _, infos = env.step({"cyd": 0})
    assert masks == [[1, 1], [1, 1], [1, 0]]
    assert all(np.isfinite(one).all() for one in kept)


def test_the_state_shows_all_that_is_to_come() -> None:
    env = parallel_env(market())
    env.reset(seed=1)
    for _ in range(4):
        state = env.state()
        assert state in env.state_space
        upcoming = env.model.upcoming
        cost, scale = upcoming.true_cost, env._overview.encodings[0].quantities[0].scale
        assert state[: cost.size] == pytest.approx((cost / (cost + scale)).ravel(), rel=1e-6)
        env.step({name: env.action_space(name).sample() for name in env.agents})
    assert env.state() in env.state_space


def test_what_cannot_be_played_is_told_in_one_line() -> None:
    for given, said in [
        ({"agents": ["adda"]}, "unknown agent 'adda'; .*did you mean 'ada'"),
        ({"agents": []}, "there is no agent to play"),
        ({"agents": ["lower"], "overrides": {"market.must_serve": True}}, "region 'lower' has nothing to decide"),
        ({"agents": "regions", "overrides": {"market.must_serve": True}}, "regions 'upper', 'lower' have nothing"),
        ({"agents": 3}, "unknown agent '3'"),
        ({"strategies": {"cy": "q_learning"}}, "unknown agent 'cy'"),
        ({"strategies": "q_learning"}, "strategies: must be a mapping from agents to strategies; found 'q_learning'"),
        ({"record": ["prices"]}, "record: unknown variable 'prices'"),
        ({"actions": {"levers": "shading"}}, "unknown lever of a provider 'shading'; known levers of a provider: m"),
        ({"observe": "costs"}, "unknown quantity of a provider's observation 'costs'"),
        ({"reward": {"measure": "cvar", "aversion": "a"}}, "aversion: must be a finite number.*; found 'a'"),
        ({"reward": "sharpe"}, "measure: unknown measure 'sharpe'"),
        ({"render_mode": "ansi"}, "render_mode: must be 'rgb_array', 'human' or None; found 'ansi'"),
        ({"actions": {"form": "discrete", "markups": []}}, "markups: the grid is empty"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=said) as raised:
            parallel_env(market(), **given)  # type: ignore[arg-type]
        assert len(raised.value.faults) == 1
    env = parallel_env(market(), ["ada", "bob"])
    with pytest.raises(InputError, match="there is no episode yet; call reset"):
        env.step({})
    env.reset(seed=1)
    with pytest.raises(InputError, match="bob: has no action"):
        env.step({"ada": [0, 0]})
    with pytest.raises(InputError, match="must be a mapping from agents to actions; found None"):
        env.step(None)  # type: ignore[arg-type]
    for action, told in [
        ([0, 0, 0], r"has shape \(2,\); found \(3,\)"),
        ([[0, 0]], r"has shape \(2,\); found \(1, 2\)"),
        (None, r"has shape \(2,\); found None"),
        (["a", "b"], "is numbers; found"),
    ]:
        with pytest.raises(StrategyError, match=told):
            env.step({"ada": action, "bob": [0, 0]})
    both = r"^ada: an action of this provider must be finite; .*\nbob: an action of this provider has shape"
    with pytest.raises(StrategyError, match=both):
        env.step({"ada": [0, np.nan], "bob": [0]})
    with pytest.raises(InputError, match="unknown agent 'cy'; known agents: ada, bob"):
        env.action_space("cy")


def test_an_observation_that_is_not_finite_is_told_by_its_name() -> None:
    env = parallel_env(market(), ["ada"])
    env.reset(seed=1)
    player = env.setting.players[0]
    state = env.model.upcoming
    broken = np.array(state.true_cost)
    broken[player.rows[0], 1] = np.inf
    object.__setattr__(state, "true_cost", broken)
    env.model.providers["ada"]._ahead = None  # what was looked at before stands otherwise
    said = r"provider 'ada', period 0: cannot be observed: cost\[ada/north/chip, batch\] is inf; .* must be finite"
    with pytest.raises(StrategyError, match=said):
        env._now._look()
