"""Stochastic bandits over mark-ups: epsilon-greedy and UCB1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenflow_sim.strategies.actions import MARKUPS, ArmLearner, By, within
from tokenflow_sim.strategies.base import Floats, Ints, Receipt, View


class _MeanLearner(ArmLearner):
    """Keeps how often each arm was played, and what it brought on average."""

    def begin(self, groups: int, view: View) -> None:
        """Start with nothing played; dims (group, arm)."""
        self.count: Ints = np.zeros((groups, self.arms), dtype=np.int64)
        self.mean: Floats = np.zeros((groups, self.arms))

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Move the arm's mean towards its reward."""
        self.count[group, arm] += 1
        self.mean[group, arm] += (reward - self.mean[group, arm]) / self.count[group, arm]


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
        What is decided for by itself.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Every arm is played once. After that, with n plays done, an arm of the group is drawn uniformly with probability

        epsilon_n = min(1, max(c K / n, least)),

    where K is the number of arms, and otherwise the one with the highest mean profit is played. With `least` zero
    the regret on a fixed market grows with the logarithm of n if c is large enough.

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
    ) -> None:
        super().__init__(markups, shares, by, price_cap)
        self.exploration = within("exploration", exploration, 0.0)
        self.least = within("least", least, 0.0, 1.0)

    def choose(self, view: View) -> Ints:
        """Draw with probability epsilon, else play the best."""
        groups = np.arange(len(self.mean))
        played = self.count.sum(axis=1)
        tried = self.exploration * self.arms / np.maximum(played, 1)
        epsilon = np.minimum(1.0, np.maximum(tried, self.least))
        # Both are drawn in every period, so that the stream does not depend on what was learnt.
        anything = view.rng.random(len(groups)) < epsilon
        drawn = view.rng.integers(self.arms, size=len(groups))
        chosen = np.where(anything, drawn, self.mean.argmax(axis=1))
        fresh = self.count == 0
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
        What is decided for by itself.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Every arm is played once. After that, with n plays of the group done, the arm with the highest

        mean_j / best + width sqrt(2 ln n / n_j)

    is played, where n_j is how often arm j was, and best the highest profit in any period so far, which brings
    rewards between 0 and 1. It draws no random numbers.

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
    ) -> None:
        super().__init__(markups, shares, by, price_cap)
        self.width = within("width", width, 0.0)

    def choose(self, view: View) -> Ints:
        """Play each once, then the highest bound."""
        unit = self.mean / np.where(self.best > 0, self.best, 1.0)[:, None]
        count = np.maximum(self.count, 1)
        played = np.maximum(self.count.sum(axis=1, keepdims=True), 1)
        bound = unit + self.width * np.sqrt(2.0 * np.log(played) / count)
        return np.where(self.count == 0, np.inf, bound).argmax(axis=1)
