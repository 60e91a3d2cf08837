"""Reinforcement learning after Roth and Erev, in the variant made for electricity markets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import MARKUPS, ArmLearner, By, within
from tokenflow_sim.strategies.base import Receipt, View
from tokenflow_sim.strategies.draws import draw
from tokenflow_sim.strategies.rewards import LEVELS, Baseline, Context


class RothErev(ArmLearner):
    """Draw mark-ups by propensities, which grow with what a mark-up brought and fade with time.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    experimentation : float
        Share of a reward that goes to the arms not played, e, from 0 to 1.
    recency : float
        Share of the propensities that is forgotten each period, r, from 0 to 1.
    propensity : float
        Propensity of every arm before the first period, above 0; 1 is a period's highest reward.
    cooling : float or None
        How evenly arms are drawn, C, above 0; None draws in proportion to the propensities.
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
    unit : float or None
        Reward in $ that counts as 1, above 0; None takes the 90 % quantile of the last rewards, and cuts off what is
        beyond. The sources' rule has a fixed one: rewards count in money, and start propensities in the same.
    variant : {'modified', 'original'}
        Whether arms not played keep a share of their own propensity (2001), or get a share of the reward (1998).

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    When arm j of K was played and brought the reward R, the propensities become

        q_i <- (1 - r) q_i + (1 - e) R            for i = j,
        q_i <- (1 - r) q_i + e q_i / (K - 1)      for the others (``original``: + e R / (K - 1)),

    and the next arm is drawn with probability q_j / sum_i q_i, or exp(q_j / C) / sum_i exp(q_i / C) where C is
    given, as AMES does.

    The reward is the profit less what truthful offers of all capacity would have earned in the same period, which the
    published market shows when it is cleared again; over the 90 % quantile of its size in the last 240 periods, and
    cut off at -1 and 1. So one set of parameters does for providers of any size, and one scarce hour does not
    drown the others. Less than truthful is a negative reward, and a propensity never falls below 0; the sources
    reward with the profit itself, which in their auctions is not negative. With ``baseline: none``, or where the
    market publishes no offers, the reward is the profit over its 90 % quantile.

    The variant's point is the second line: in the original of 1998, arms not played get e R / (K - 1) each, which is
    nothing where R is zero, so that all propensities fade alike and nothing is learnt from offers that were not taken.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere.

    References
    ----------
    J. Nicolaisen, V. Petrov and L. Tesfatsion, "Market Power and Efficiency in a Computational Electricity Market
    with Discriminatory Double-Auction Pricing", IEEE Transactions on Evolutionary Computation 5 (2001) 504-523:
    the variant. I. Erev and A. E. Roth, "Predicting How People Play Games", American Economic Review 88 (1998)
    848-881: the original with its three parameters, after A. E. Roth and I. Erev, "Learning in Extensive-Form
    Games", Games and Economic Behavior 8 (1995) 164-212. J. Sun and L. Tesfatsion, "Dynamic Testing of Wholesale
    Power Market Designs: An Open-Source Agent-Based Framework", Computational Economics 30 (2007) 291-327: AMES and
    its cooling.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        experimentation: float = 0.2,
        recency: float = 0.1,
        propensity: float = 1.0,
        cooling: float | None = None,
        by: By = "provider",
        price_cap: float | None = None,
        context: Context = "none",
        levels: Sequence[float] = LEVELS,
        baseline: Baseline = "truthful",
        unit: float | None = None,
        variant: Literal["modified", "original"] = "modified",
    ) -> None:
        super().__init__(markups, shares, by, price_cap, context, levels, baseline)
        self.experimentation = within("experimentation", experimentation, 0.0, 1.0)
        self.recency = within("recency", recency, 0.0, 1.0)
        for name, value in (("propensity", propensity), ("cooling", cooling), ("unit", unit)):
            if value is not None and not 0.0 < value < float("inf"):
                raise ValueError(f"{name} must be a finite number above 0; found {value!r}")
        if variant not in ("modified", "original"):
            raise ValueError(f"variant must be 'modified' or 'original'; found {variant!r}")
        self.variant = variant
        self.propensity = propensity
        self.cooling = cooling
        self.unit = unit

    def begin(self, tables: int, view: View) -> None:
        """Start with even propensities, dims (table, arm)."""
        self.q: Floats = np.full((tables, self.arms), self.propensity)

    def probability(self) -> Floats:
        """Return the probability of each arm, dims (table, arm)."""
        if self.cooling is None:
            weight = self.q
        else:
            # Less the largest, which changes no share and keeps exp from overflowing.
            weight = np.exp((self.q - self.q.max(axis=1, keepdims=True)) / self.cooling)
        total = weight.sum(axis=1, keepdims=True)
        # Where all propensities have faded to zero, all arms are drawn alike.
        even = np.full_like(weight, 1.0 / self.arms)
        return np.divide(weight, total, out=even, where=total > 0)

    def choose(self, view: View) -> Ints:
        """Draw by the probabilities."""
        return draw(self.probability()[self.row], view.rng)

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Forget a little, and reward the arm played."""
        row = self.row[group]
        unit = self.scale.share(row, reward) if self.unit is None else reward / self.unit
        old = self.q[row]
        spread = self.experimentation / max(1, self.arms - 1)
        if self.variant == "modified":
            new = (1.0 - self.recency + spread) * old
        else:
            new = (1.0 - self.recency) * old + (spread * unit)[:, None]
        every = np.arange(len(group))
        new[every, arm] = (1.0 - self.recency) * old[every, arm] + (1.0 - self.experimentation) * unit
        self.q[row] = np.maximum(new, 0.0)
