"""Contexts of learners: how they are numbered, and a market in which the best mark-up differs by them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.strategies.test_learning import LEARNERS, receipt_of, view_of
from tokenflow_sim.strategies.actions import ArmLearner
from tokenflow_sim.strategies.bandits import EXP3, EpsilonGreedy
from tokenflow_sim.strategies.rewards import Context, Contexts


@pytest.mark.parametrize(
    ("context", "count", "numbers"),
    [("none", 1, [0, 0]), ("hour", 24, [2, 2]), ("scarcity", 3, [2, 0]), ("both", 72, [2 * 3 + 2, 2 * 3])],
)
def test_contexts_are_numbered(context: Context, count: int, numbers: list[int]) -> None:
    contexts = Contexts(context, (1.5, 3.0))
    assert contexts.count == count
    # two groups; the 53rd half-hour is at 02:30 of the second day
    assert contexts.at(53, 0.5, np.array([2, 0])).tolist() == numbers
    assert contexts.scarcity(np.array([1.49, 1.5, 2.9, 3.0])).tolist() == [0, 1, 1, 2]


# Mark-ups 1 and 4 earn something, each more than the other in half of the hours; over a day both earn the same.
SECOND = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1])
PROFIT = np.zeros((24, 6))
PROFIT[:, 1], PROFIT[:, 4] = np.where(SECOND, 2.0, 10.0), np.where(SECOND, 10.0, 2.0)


def share_of_best(learner: ArmLearner, days: int) -> float:
    """Play days of 24 hours; return how often the better arm was played in the last third of them."""
    rng, best = np.random.default_rng(3), []
    for period in range(24 * days):
        learner.offer(view_of(rng=rng, period=period, periods=24 * days))
        arm, hour = int(learner.arm[0]), period % 24
        best.append(arm == PROFIT[hour].argmax())
        # The price of each hour shows what the next one is like.
        receipt = receipt_of([[PROFIT[hour, arm]]], [[5.0 if SECOND[(hour + 1) % 24] else 1.0]])
        receipt.period = period
        learner.learn(receipt)
    return float(np.mean(best[-8 * days :]))


@pytest.mark.parametrize("context", ["hour", "scarcity", "both"])
@pytest.mark.parametrize("cls", LEARNERS)
def test_with_context_both_of_two_best_mark_ups_are_found(cls: type[ArmLearner], context: Context) -> None:
    share = share_of_best(cls(context=context), 80)  # type: ignore[call-arg]
    # In a day's hours EXP3 has 80 periods a table, and spreads gamma = 0.28 of its draws.
    assert share > (0.53 if cls is EXP3 and context != "scarcity" else 0.75)


@pytest.mark.parametrize("cls", LEARNERS)
def test_without_context_one_of_them_is_missed(cls: type[ArmLearner]) -> None:
    # One mark-up alone is the better one in half of the hours.
    assert share_of_best(cls(context="none"), 30) <= 0.52  # type: ignore[call-arg]


def test_each_context_has_a_table_of_its_own_in_each_group() -> None:
    learner = EpsilonGreedy((0.0, 1.0), by="asset", context="hour")
    view = view_of([[1.0], [1.0]], [[5.0], [5.0]], period=26)
    learner.offer(view)
    assert learner.row.tolist() == [2, 24 + 2]
    learner.arm = np.array([0, 1])
    learner.learn(receipt_of([[3.0], [4.0]]))
    assert np.argwhere(learner.count).tolist() == [[2, 0], [26, 1]]
