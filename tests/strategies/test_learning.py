"""Learning providers: each rule by hand-worked numbers, and what theory says of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies import History, Receipt, View
from tokenflow_sim.strategies.actions import ArmLearner, groups, marked_up
from tokenflow_sim.strategies.bandits import EXP3, UCB1, EpsilonGreedy
from tokenflow_sim.strategies.draws import draw
from tokenflow_sim.strategies.q_learning import QLearning
from tokenflow_sim.strategies.roth_erev import RothErev

LEARNERS: list[type[ArmLearner]] = [EpsilonGreedy, UCB1, EXP3, RothErev, QLearning]


def view_of(
    cost: Any = ((1.0,),),
    capacity: Any = ((10.0,),),
    *,
    rng: np.random.Generator | None = None,
    period: int = 0,
    periods: int = 100,
    assets: tuple[str, ...] | None = None,
) -> View:
    cost, capacity = np.array(cost), np.array(capacity)
    count, workloads = cost.shape
    return View(
        name="one",
        period=period,
        periods=periods,
        hours=1.0,
        assets=assets or tuple("abc"[:count]),
        workloads=tuple("xyz"[:workloads]),
        nodes=("here",),
        asset_node=np.zeros(count, dtype=np.int64),
        cost=cost,
        capacity=capacity,
        power_use=None,
        power_limit=None,
        last_price=None,
        last_dispatch=None,
        last_profit=None,
        history=History(*(np.zeros((0, 1, workloads)) for _ in range(3))),
        rng=rng or np.random.default_rng(1),
    )


def receipt_of(profit: Any, price: Any = None) -> Receipt:
    profit = np.array(profit, dtype=float)
    price = np.ones_like(profit) if price is None else np.array(price, dtype=float)
    blank = np.zeros_like(profit)
    history = History(*(np.zeros((1, 1, profit.shape[1])) for _ in range(3)))
    return Receipt(
        period=0,
        price=price,
        offer_price=blank,
        offer_quantity=blank,
        accepted=blank,
        dispatch=blank,
        revenue=profit,
        cost=blank,
        profit=profit,
        history=history,
        rng=np.random.default_rng(1),
    )


def played(
    learner: ArmLearner, arm: list[int], profit: Any, price: Any = None, view: View | None = None
) -> None:
    """Let a learner offer, and tell it that it had chosen these arms and what they brought."""
    learner.offer(view or view_of())
    learner.arm = np.array(arm)
    learner.learn(receipt_of(profit, price))


@cache
def profit_of_arms(markups: tuple[float, ...]) -> Floats:
    """Clear one fixed market at each mark-up: a rival at 2.5 $/Mtok with too little, and demand down to 4 $/Mtok."""
    profits = []
    for markup in markups:
        market = tf.Market(
            offer_price=table([[1.0 + markup], [2.5]]),
            capacity=table([[10.0], [3.0]]),
            demand=steps([2.0, 2.0, 4.0]),
            value=steps([8.0, 6.0, 4.0]),
        )
        clearing = tf.clear(market)
        sold = float(clearing.dispatch.sel(asset="own").sum())
        profits.append((float(clearing.price.sum()) - 1.0) * sold)
    return np.array(profits)


def table(values: Any) -> Any:
    import xarray as xr

    coords = {
        "asset": ["own", "rival"], "workload": ["x"], "asset_node": ("asset", ["here", "here"]),
        "provider": ("asset", ["own", "rival"]),
    }  # fmt: skip
    return xr.DataArray(values, dims=("asset", "workload"), coords=coords)


def steps(values: Any) -> Any:
    import xarray as xr

    coords = {"node": ["here"], "workload": ["x"], "step": range(len(values))}
    return xr.DataArray([[values]], dims=("node", "workload", "step"), coords=coords)


MARKUPS = (0.0, 1.0, 2.9, 4.9, 8.0)


def regret(learner: ArmLearner, profits: Floats, periods: int, seed: int) -> Floats:
    """Play a fixed market whose profits come with noise; return the regret summed up to each period."""
    rng = np.random.default_rng(seed)
    view = view_of(rng=np.random.default_rng([seed, 1]), periods=periods)
    chosen = np.empty(periods, dtype=np.int64)
    for period in range(periods):
        learner.offer(view)
        chosen[period] = arm = int(learner.arm[0])
        learner.learn(receipt_of([[profits[arm] * rng.uniform(0.5, 1.5)]]))
    return np.cumsum(profits.max() - profits[chosen])


def growth(cls: type[ArmLearner], periods: int, seeds: int, **given: Any) -> float:
    """Return by what factor the mean regret grows when there are four times as many periods."""
    profits = profit_of_arms(MARKUPS)
    short, long = (
        np.mean([regret(cls(MARKUPS, **given), profits, n, seed)[-1] for seed in range(seeds)])
        for n in (periods, 4 * periods)
    )
    return float(long / short)


def test_the_fixed_market_has_one_best_arm_inside_the_range() -> None:
    # At 2 the rival stays out and all 8 are sold; at 3.9 it sells its 3; above 4 half of demand is gone too.
    profits = profit_of_arms(MARKUPS)
    assert profits == pytest.approx([0.0, 1.0 * 8, 2.9 * 5, 4.9 * 1, 0.0])


@pytest.mark.parametrize(
    ("cls", "given"),
    [(UCB1, {}), (EpsilonGreedy, {"exploration": 5.0}), (EXP3, {})],
)
def test_the_regret_of_bandits_grows_slower_than_time(cls: type[ArmLearner], given: dict[str, Any]) -> None:
    # Logarithmic growth is well under 2, that of EXP3 about 2; whoever never learns is at 4.
    assert growth(cls, 150, 4, **given) < 2.8


@pytest.mark.parametrize(
    ("cls", "given"),
    [(EXP3, {"gamma": 1.0}), (EpsilonGreedy, {"least": 1.0}), (UCB1, {"width": 1e6})],
)
def test_the_regret_of_those_who_only_try_grows_with_time(
    cls: type[ArmLearner], given: dict[str, Any]
) -> None:
    assert growth(cls, 100, 6, **given) > 3.5


def test_the_regret_of_exp3_keeps_to_its_bound() -> None:
    profits, periods, count = profit_of_arms(MARKUPS), 400, len(MARKUPS)
    found = np.mean([regret(EXP3(MARKUPS), profits, periods, seed)[-1] for seed in range(4)])
    # corollary 3.2 holds for rewards between 0 and 1: those beyond the scale, the 90 % quantile, count as 1
    assert found / (1.5 * profits.max()) < 2.63 * np.sqrt(periods * count * np.log(count))


@pytest.mark.parametrize("cls", LEARNERS)
def test_a_learner_finds_the_best_mark_up_of_a_fixed_market(cls: type[ArmLearner]) -> None:
    profits = profit_of_arms(MARKUPS)
    rng = np.random.default_rng(5)
    late = []
    for seed in range(4):
        learner = cls(MARKUPS)
        view = view_of(rng=np.random.default_rng(seed), periods=400)
        for period in range(400):
            learner.offer(view)
            if period >= 250:
                late.append(profits[learner.arm[0]])
            learner.learn(receipt_of([[profits[learner.arm[0]] * rng.uniform(0.9, 1.1)]]))
    drawn = profits.mean()
    assert np.mean(late) > drawn + 0.5 * (profits.max() - drawn)


def test_roth_erev_changes_propensities_as_worked_by_hand() -> None:
    learner = RothErev((0.0, 1.0, 2.0), experimentation=0.2, recency=0.1)
    played(learner, [1], [[50.0]])  # the first profit is the highest so far: a reward of 1
    assert learner.q[0] == pytest.approx([0.9 + 0.2 / 2, 0.9 + 0.8, 1.0])
    played(learner, [0], [[25.0]])  # half of it
    assert learner.q[0] == pytest.approx([0.9 * 1.0 + 0.8 * 0.5, 1.7 * (0.9 + 0.1), 1.0])
    assert learner.probability()[0] == pytest.approx([1.3 / 4.0, 1.7 / 4.0, 1.0 / 4.0])
    learner.cooling = 0.5
    powers = np.exp([2.6, 3.4, 2.0])
    assert learner.probability()[0] == pytest.approx(powers / powers.sum())


def test_roth_erev_with_nothing_left_draws_evenly() -> None:
    learner = RothErev((0.0, 1.0), recency=1.0, experimentation=0.0)
    played(learner, [0], [[0.0]])
    assert learner.probability()[0] == pytest.approx([0.5, 0.5])


def test_exp3_changes_weights_as_worked_by_hand() -> None:
    learner = EXP3((0.0, 1.0), gamma=0.5)
    played(learner, [0], [[50.0]])
    weight = np.exp(0.5 * 1.0 / (0.5 * 2))
    first = 0.5 * weight / (weight + 1.0) + 0.25
    assert learner.probability()[0] == pytest.approx([first, 1.0 - first])
    played(learner, [1], [[10.0]])  # a fifth of the highest
    other = np.exp(0.5 * 0.2 / ((1.0 - first) * 2))
    assert learner.probability()[0, 1] == pytest.approx(0.5 * other / (weight + other) + 0.25)


def test_exp3_takes_its_rate_from_the_number_of_periods() -> None:
    learner = EXP3((0.0, 1.0, 2.0))
    learner.offer(view_of(periods=168))
    assert learner.rate == pytest.approx(np.sqrt(3 * np.log(3) / ((np.e - 1) * 168)))


def test_ucb1_plays_each_arm_once_and_then_the_highest_bound() -> None:
    learner = UCB1((0.0, 1.0, 2.0))
    order = []
    for profit in (20.0, 100.0, 60.0):
        learner.offer(view_of())
        order.append(int(learner.arm[0]))
        learner.learn(receipt_of([[profit]]))
    assert order == [0, 1, 2]
    for profit in (10.0, 10.0):
        learner.offer(view_of())
        order.append(int(learner.arm[0]))
        learner.learn(receipt_of([[profit]]))
    # The first two rewards are the largest so far, and 1; the third is 60 of 100. At n = 3 arm 0 is the first of two
    # with a mean of 1. At n = 4 it is at 0.55 + sqrt(2 ln 4 / 2) = 1.73, arm 1 at 1 + sqrt(2 ln 4) = 2.67.
    assert order[3:] == [0, 1]


def test_epsilon_greedy_that_tries_nothing_stays_with_the_best() -> None:
    learner = EpsilonGreedy((0.0, 1.0, 2.0), exploration=0.0)
    for profit in (3.0, 3.0, 1.5, 1.5):  # rewards of 1, 1, 1/2 and 1/2
        learner.offer(view_of())
        learner.learn(receipt_of([[profit]]))
    assert learner.mean[0] == pytest.approx([0.75, 1.0, 0.5])
    learner.offer(view_of())
    assert learner.arm[0] == 1
    learner.learn(receipt_of([[0.0]]))
    learner.offer(view_of())
    assert learner.mean[0] == pytest.approx([0.75, 0.5, 0.5])
    assert learner.arm[0] == 0


def test_q_learning_fills_a_table_as_worked_by_hand() -> None:
    learner = QLearning((0.0, 1.0), levels=(2.0,), rate=0.5, discount=0.5)
    played(learner, [1], [[10.0]], price=[[3.0]])  # from state 0 to 1; a fresh value is 10 / (1 - 0.5)
    assert learner.q.tolist() == [[0.0, 20.0], [0.0, 0.0]]
    played(learner, [0], [[4.0]], price=[[1.0]])  # from 1 to 0
    assert learner.q.tolist() == [[0.0, 20.0], [8.0, 0.0]]
    played(learner, [1], [[10.0]], price=[[3.0]])  # 0.5 20 + 0.5 (10 + 0.5 8)
    assert learner.q.tolist() == [[0.0, 17.0], [8.0, 0.0]]
    played(learner, [0], [[6.0]], price=[[2.5]])  # stays in 1: 0.5 8 + 0.5 (6 + 0.5 8)
    assert learner.q.tolist() == [[0.0, 17.0], [9.0, 0.0]]


def test_q_learning_finds_the_values_of_a_two_state_toy() -> None:
    # Arm 1 earns little at once and leads to the good state, where arm 0 earns much and leads back.
    profit, after = np.array([[2.0, 1.0], [9.0, 3.0]]), np.array([[0, 1], [0, 1]])
    learner = QLearning((0.0, 1.0), levels=(2.0,), rate=0.3, discount=0.8, decay=0.0)  # tries for ever
    state, rng = 0, np.random.default_rng(3)
    for _ in range(400):
        learner.offer(view_of(rng=rng))
        arm = int(learner.arm[0])
        learner.learn(receipt_of([[profit[state, arm]]], [[1.0 + 2.0 * after[state, arm]]]))
        state = after[state, arm]
    values = np.zeros((2, 2))
    for _ in range(200):  # value iteration
        values = profit + 0.8 * values.max(axis=1)[after]
    assert learner.q == pytest.approx(values, rel=1e-3)
    assert values.argmax(axis=1).tolist() == [1, 0]  # the greedy arm of state 0 would be 0


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("provider", [[0, 0], [0, 0], [0, 0]]),
        ("asset", [[0, 0], [1, 1], [2, 2]]),
        ("class", [[0, 1], [0, 1], [0, 1]]),
        ("offer", [[0, 1], [2, 3], [4, 5]]),
    ],
)
def test_offers_are_grouped(by: Any, expected: list[list[int]]) -> None:
    assert groups(by, 3, 2).tolist() == expected


def test_each_group_learns_from_its_own_profit_and_not_from_an_outage() -> None:
    learner = EpsilonGreedy((0.0, 1.0), by="asset")
    view = view_of([[1.0, 1.0], [1.0, 1.0]], [[5.0, 0.0], [0.0, 0.0]])  # the second asset is out
    played(learner, [1, 0], [[3.0, 4.0], [0.0, 0.0]], view=view)
    assert learner.mean.tolist() == [[0.0, 1.0], [0.0, 0.0]]  # 7 of 7
    assert learner.count.tolist() == [[0, 1], [0, 0]]


def test_an_arm_is_a_mark_up_joined_with_a_share() -> None:
    learner = UCB1((0.0, 1.0), shares=(1.0, 0.5))
    offers = []
    for _ in range(4):
        offer = learner.offer(view_of([[2.0]], [[10.0]]))
        offers.append((float(offer.price[0, 0]), float(offer.quantity[0, 0])))
        learner.learn(receipt_of([[1.0]]))
    assert offers == [(2.0, 10.0), (2.0, 5.0), (4.0, 10.0), (4.0, 5.0)]


def test_prices_stay_between_cost_and_the_cap() -> None:
    cost = np.array([1.0, 2.0, 5.0])
    assert marked_up(cost, 1.0, 3.0).tolist() == [2.0, 3.0, 5.0]


def test_arms_are_drawn_as_often_as_their_probability_says() -> None:
    probability = np.tile([0.2, 0.0, 0.5, 0.3], (20_000, 1))
    drawn = np.bincount(draw(probability, np.random.default_rng(1)), minlength=4) / 20_000
    assert drawn == pytest.approx([0.2, 0.0, 0.5, 0.3], abs=0.015)
    assert drawn[1] == 0.0


@pytest.mark.parametrize(
    ("cls", "given", "told"),
    [
        (UCB1, {"markups": ()}, "markups needs at least one number"),
        (UCB1, {"markups": (0.1, 0.1)}, "each only once"),
        (UCB1, {"markups": (-0.1,)}, "each of markups must be a finite number of at least 0; found -0.1"),
        (UCB1, {"shares": (1.5,)}, "each of shares must be a finite number of at least 0 and at most 1"),
        (UCB1, {"width": -1.0}, "width must be"),
        (EpsilonGreedy, {"least": 2.0}, "least must be"),
        (EXP3, {"gamma": 0.0}, "gamma must be above 0"),
        (RothErev, {"cooling": 0.0}, "cooling must be a finite number above 0"),
        (RothErev, {"recency": 1.1}, "recency must be"),
        (QLearning, {"levels": (3.0, 2.0)}, "levels must rise"),
        (QLearning, {"discount": 1.0}, "discount must be less than 1"),
        (QLearning, {"preset": "source"}, "preset must be 'short' or 'calvano'"),
        (UCB1, {"context": "weather"}, "context must be 'none', 'hour', 'scarcity' or 'both'"),
        (EXP3, {"baseline": "best"}, "baseline must be 'truthful' or 'none'"),
    ],
)
def test_parameters_out_of_range_are_told(cls: type[ArmLearner], given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        cls(**given)
