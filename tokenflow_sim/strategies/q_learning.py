"""Tabular Q-learning over states of scarcity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tokenflow_sim.strategies.actions import MARKUPS, ArmLearner, By, ladder, totals, within
from tokenflow_sim.strategies.base import Floats, Ints, Receipt, View


class QLearning(ArmLearner):
    """Learn which mark-up pays in which state of scarcity, in the long run.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising.
    rate : float
        Weight of the newest value, alpha, from 0 to 1.
    discount : float
        Worth of next period's profit today, delta, from 0 to less than 1.
    decay : float
        How fast trying ends, beta, not negative.
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
    The state s is the place of last period's price, over own cost, among the levels: the mean over a group's
    offers with capacity. When arm a was played in s, brought the profit r and led to s',

        Q(s, a) <- (1 - alpha) Q(s, a) + alpha (r + delta max_a' Q(s', a')).

    In the group's n-th period (from 0) an arm is drawn uniformly with probability exp(-beta n), else the one
    with the highest Q(s, a) is played, an arm of that state not yet played first. A value that was never changed
    starts at the first reward over 1 - delta, what the arm would be worth if every period were like that one.

    As in the source, the state is made of past prices, so that rivals which learn can answer each other, and the
    profits of a period count with all that they lead to. The source's runs take a million periods; the defaults
    here are for a week or two of hours.

    References
    ----------
    E. Calvano, G. Calzolari, V. Denicolo and S. Pastorello, "Artificial Intelligence, Algorithmic Pricing, and
    Collusion", American Economic Review 110 (2020) 3267-3297. C. J. C. H. Watkins and P. Dayan, "Q-learning",
    Machine Learning 8 (1992) 279-292.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        levels: Sequence[float] = (1.5, 3.0),
        rate: float = 0.15,
        discount: float = 0.5,
        decay: float = 0.03,
        by: By = "provider",
        price_cap: float | None = None,
    ) -> None:
        super().__init__(markups, shares, by, price_cap)
        self.levels = ladder("levels", levels)
        if list(self.levels) != sorted(self.levels):
            raise ValueError(f"levels must rise; found {list(levels)!r}")
        self.rate = within("rate", rate, 0.0, 1.0)
        self.discount = within("discount", discount, 0.0, 1.0)
        if discount == 1.0:
            raise ValueError("discount must be less than 1; found 1.0")
        self.decay = within("decay", decay, 0.0)

    def begin(self, groups: int, view: View) -> None:
        """Start with an empty table, dims (group, state, arm)."""
        self.q: Floats = np.zeros((groups, len(self.levels) + 1, self.arms))
        self.count: Ints = np.zeros(self.q.shape, dtype=np.int64)
        self.state: Ints = np.zeros(groups, dtype=np.int64)
        self.played = 0

    def choose(self, view: View) -> Ints:
        """Draw while young, then play the best of the state."""
        groups = np.arange(len(self.q))
        # Kept for `learn`, which is told prices but neither cost nor capacity.
        self.cost, self.room = view.cost, view.capacity
        anything = view.rng.random(len(groups)) < math.exp(-self.decay * self.played)
        drawn = view.rng.integers(self.arms, size=len(groups))
        fresh = self.count[groups, self.state] == 0
        best = np.where(fresh.any(axis=1), fresh.argmax(axis=1), self.q[groups, self.state].argmax(axis=1))
        self.played += 1
        return np.where(anything, drawn, best)

    def scarcity(self, price: Floats) -> Ints:
        """Return the state that prices at one's own assets put each group in, dims (group,)."""
        assert self.group is not None
        there = (self.room > 0) & (self.cost > 0)
        ratio = np.divide(price, self.cost, out=np.zeros_like(price), where=there)
        offers = totals(self.group, there.astype(np.float64), len(self.q))
        mean = totals(self.group, ratio, len(self.q)) / np.maximum(offers, 1.0)
        return np.where(offers > 0, np.searchsorted(self.levels, mean, side="right"), self.state)

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Move Q towards the profit and what the next state is worth."""
        before, self.state = self.state[group], self.scarcity(receipt.price)
        after = self.state[group]
        known = self.count[group, after] > 0
        ahead = np.where(known, self.q[group, after], -np.inf).max(axis=1)
        steady = reward / (1.0 - self.discount)
        ahead = np.where(known.any(axis=1), ahead, steady)
        moved = (1.0 - self.rate) * self.q[group, before, arm] + self.rate * (reward + self.discount * ahead)
        fresh = self.count[group, before, arm] == 0
        self.q[group, before, arm] = np.where(fresh, steady, moved)
        self.count[group, before, arm] += 1
