"""Bandits: learners that weigh what each arm has brought so far, by UCB1, epsilon-greedy or EXP3."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import MARKUPS, ArmLearner, By, within
from tokenflow_sim.strategies.base import Receipt, View
from tokenflow_sim.strategies.draws import draw, draw_evenly
from tokenflow_sim.strategies.rewards import LEVELS, Baseline, Context


class _MeanLearner(ArmLearner):
    """Keeps how often each arm was played, and what it brought on average."""

    def begin(self, tables: int, view: View) -> None:
        """Start with nothing played; dims (table, arm)."""
        self.count: Ints = np.zeros((tables, self.arms), dtype=np.int64)
        self.mean: Floats = np.zeros((tables, self.arms))

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Move the arm's mean towards its reward."""
        row, unit = self.row[group], self.unit_reward(group, reward)
        self.count[row, arm] += 1
        self.mean[row, arm] += (unit - self.mean[row, arm]) / self.count[row, arm]


class EpsilonGreedy(_MeanLearner):
    """Play the mark-up that paid best on average, and now and then another one, ever less often.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    exploration : float
        How much is tried, c in the formula; 0 never tries, once each arm was played.
    least : float
        Lowest probability of trying, from 0 to 1, for markets that change.
    by : {'provider', 'asset', 'class', 'offer'}
        The unit of a decision.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.
    context : {'none', 'hour', 'scarcity', 'both'}
        What it has a table of its own for: nothing, each hour of the day, each state of scarcity, or each pair.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising.
    baseline : {'truthful', 'none'}
        What is taken off the profit: what truthful offers would have earned in the same period, or nothing.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Every arm is played once. After that, with n plays done, an arm of the group is drawn uniformly with probability

        epsilon_n = min(1, max(c K / n, least)),

    where K is the number of arms, and otherwise the one with the highest mean reward is played. With `least` zero
    the regret on a fixed market grows with the logarithm of n if c is large enough: the source has c / d^2 in place of
    c, with a d no larger than what the best arm's reward is ahead of the next, and c > 5 for that bound.

    The reward is the profit less what truthful offers of all capacity would have earned in the same period, which the
    published market shows when it is cleared again. It is divided by the 90 % quantile of its size over the last 240
    periods, cut off there, and moved between 0 and 1: 1/2 is as good as truthful. So a scarce hour, in which every
    mark-up earns a hundred times what it does in others, does not end what is learnt from the others. With
    ``baseline: none``, or where the market publishes no offers, the reward is the profit over its 90 % quantile, cut
    off at 1. Theorems on the rule hold for this reward: where profits beyond the quantile decide which arm is best, it
    may favour another.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere. A price cap below
    cost leaves the offer at cost.

    References
    ----------
    P. Auer, N. Cesa-Bianchi and P. Fischer, "Finite-time Analysis of the Multiarmed Bandit Problem", Machine
    Learning 47 (2002) 235-256: the decreasing epsilon, theorem 3.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        exploration: float = 1.0,
        least: float = 0.0,
        by: By = "provider",
        price_cap: float | None = None,
        context: Context = "none",
        levels: Sequence[float] = LEVELS,
        baseline: Baseline = "truthful",
    ) -> None:
        super().__init__(markups, shares, by, price_cap, context, levels, baseline)
        self.exploration = within("exploration", exploration, 0.0)
        self.least = within("least", least, 0.0, 1.0)

    def choose(self, view: View) -> Ints:
        """Draw with probability epsilon, else play the best."""
        count, mean = self.count[self.row], self.mean[self.row]
        played = count.sum(axis=1)
        tried = self.exploration * self.arms / np.maximum(played, 1)
        epsilon = np.minimum(1.0, np.maximum(tried, self.least))
        # Both are drawn in every period, so that the stream does not depend on what was learnt.
        anything = view.rng.random(len(count)) < epsilon
        drawn = draw_evenly(self.arms, len(count), view.rng)
        chosen = np.where(anything, drawn, mean.argmax(axis=1))
        # Arms without a mean come first, in their order.
        fresh = count == 0
        return np.where(fresh.any(axis=1), fresh.argmax(axis=1), chosen)


class UCB1(_MeanLearner):
    """Play the mark-up that could be best: the highest upper confidence bound of the mean profit.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    width : float
        Width of the confidence bound; 1 is UCB1, less tries less.
    by : {'provider', 'asset', 'class', 'offer'}
        The unit of a decision.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.
    context : {'none', 'hour', 'scarcity', 'both'}
        What it has a table of its own for: nothing, each hour of the day, each state of scarcity, or each pair.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising.
    baseline : {'truthful', 'none'}
        What is taken off the profit: what truthful offers would have earned in the same period, or nothing.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Every arm is played once. After that, with n plays of the group done, the arm with the highest

        mean_j + width sqrt(2 ln n / n_j)

    is played, where n_j is how often arm j was and mean_j its mean reward. It draws no random numbers.

    The reward is the profit less what truthful offers of all capacity would have earned in the same period, which the
    published market shows when it is cleared again. It is divided by the 90 % quantile of its size over the last 240
    periods, cut off there, and moved between 0 and 1: 1/2 is as good as truthful. So a scarce hour, in which every
    mark-up earns a hundred times what it does in others, does not end what is learnt from the others. With
    ``baseline: none``, or where the market publishes no offers, the reward is the profit over its 90 % quantile, cut
    off at 1. Theorems on the rule hold for this reward: where profits beyond the quantile decide which arm is best, it
    may favour another.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere.

    References
    ----------
    P. Auer, N. Cesa-Bianchi and P. Fischer, "Finite-time Analysis of the Multiarmed Bandit Problem", Machine
    Learning 47 (2002) 235-256: UCB1, theorem 1.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        width: float = 1.0,
        by: By = "provider",
        price_cap: float | None = None,
        context: Context = "none",
        levels: Sequence[float] = LEVELS,
        baseline: Baseline = "truthful",
    ) -> None:
        super().__init__(markups, shares, by, price_cap, context, levels, baseline)
        self.width = within("width", width, 0.0)

    def choose(self, view: View) -> Ints:
        """Play each once, then the highest bound."""
        count, mean = self.count[self.row], self.mean[self.row]
        played = np.maximum(count.sum(axis=1, keepdims=True), 1)
        bound = mean + self.width * np.sqrt(2.0 * np.log(played) / np.maximum(count, 1))
        return np.where(count == 0, np.inf, bound).argmax(axis=1)


class EXP3(ArmLearner):
    """Draw the mark-up by exponential weights, which holds up against rivals that react in any way.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    gamma : float or None
        Share of the probability that is spread evenly, above 0 and at most 1; None takes the one that bounds the
        regret best over the run's periods.
    by : {'provider', 'asset', 'class', 'offer'}
        The unit of a decision.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.
    context : {'none', 'hour', 'scarcity', 'both'}
        What it has a table of its own for: nothing, each hour of the day, each state of scarcity, or each pair.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising.
    baseline : {'truthful', 'none'}
        What is taken off the profit: what truthful offers would have earned in the same period, or nothing.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    With weights w_j, all 1 at first, arm j of K is drawn with probability

        p_j = (1 - gamma) w_j / sum_i w_i + gamma / K,

    and when arm j was played and brought the reward r, w_j is multiplied by exp(gamma r / (p_j K)). For T periods of
    rewards between 0 and 1, gamma = min(1, sqrt(K ln K / ((e - 1) T))), and the expected regret is at most
    2.63 sqrt(T K ln K). With contexts, T is a run's periods over the number of contexts. Whichever arm is best is
    played with probability 1 - gamma (K - 1) / K at most.

    The reward is the profit less what truthful offers of all capacity would have earned in the same period, which the
    published market shows when it is cleared again. It is divided by the 90 % quantile of its size over the last 240
    periods, cut off there, and moved between 0 and 1: 1/2 is as good as truthful. So a scarce hour, in which every
    mark-up earns a hundred times what it does in others, does not end what is learnt from the others. With
    ``baseline: none``, or where the market publishes no offers, the reward is the profit over its 90 % quantile, cut
    off at 1. Theorems on the rule hold for this reward: where profits beyond the quantile decide which arm is best, it
    may favour another.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, Y. Freund and R. E. Schapire, "The Nonstochastic Multiarmed Bandit Problem", SIAM
    Journal on Computing 32 (2002) 48-77: figure 1, corollary 3.2.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        gamma: float | None = None,
        by: By = "provider",
        price_cap: float | None = None,
        context: Context = "none",
        levels: Sequence[float] = LEVELS,
        baseline: Baseline = "truthful",
    ) -> None:
        super().__init__(markups, shares, by, price_cap, context, levels, baseline)
        if gamma is not None and not 0.0 < gamma <= 1.0:
            raise ValueError(f"gamma must be above 0 and at most 1, or None; found {gamma!r}")
        self.gamma = gamma

    def begin(self, tables: int, view: View) -> None:
        """Start with even weights; they are kept as logarithms, dims (table, arm), lest they overflow."""
        count = self.arms
        # Each context has a share of the periods; how large those of scarcity are is not known beforehand.
        periods = max(1.0, view.periods / self.contexts.count)
        tuned = math.sqrt(count * math.log(count) / ((math.e - 1.0) * periods))
        self.rate = min(1.0, tuned) if self.gamma is None else self.gamma
        self.log_weight: Floats = np.zeros((tables, count))

    def probability(self) -> Floats:
        """Return the probability of each arm, dims (table, arm)."""
        weight = np.exp(self.log_weight - self.log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        return (1.0 - self.rate) * weight + self.rate / self.arms

    def choose(self, view: View) -> Ints:
        """Draw by the probabilities."""
        return draw(self.probability()[self.row], view.rng)

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Raise the weight by the reward over the probability it was drawn with."""
        row = self.row[group]
        estimate = self.unit_reward(group, reward) / self.probability()[row, arm]
        self.log_weight[row, arm] += self.rate / self.arms * estimate
