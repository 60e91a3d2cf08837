"""What learning providers choose among: mark-ups and shares of capacity, for all they own or part by part.

A learner has one table of arms for each of its groups: one for the whole provider, or one an asset, a workload
class, or both. An arm is a mark-up over cost joined with the share of capacity that is offered. Costs move by the
hour, so mark-ups are learnt, not prices. What is common to all learners stands here; what differs, how an arm is
chosen and how its reward changes that, stands with each.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.strategies.base import Floats, Ints, Offer, Receipt, Strategy, View

By = Literal["provider", "asset", "class", "offer"]
"""What is decided for by itself: all of a provider, each asset, each workload class, or each class at each asset."""

MARKUPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Mark-ups to choose among, as shares of cost, unless others are given: truthful, then doubling."""


def groups(by: By, assets: int, workloads: int) -> Ints:
    """Return the group that each offer belongs to, dims (asset, workload); groups count from 0."""
    shape = (assets, workloads)
    rows, columns = np.indices(shape)
    if by == "provider":
        return np.zeros(shape, dtype=np.int64)
    if by == "asset":
        return rows
    return columns if by == "class" else rows * workloads + columns


def totals(group: Ints, values: Floats, count: int) -> Floats:
    """Add up values, dims (asset, workload), within each group."""
    return np.bincount(group.ravel(), values.ravel(), count)


def marked_up(cost: Floats, markup: Floats | float, price_cap: float | None = None) -> Floats:
    """Return offer prices in $/Mtok: cost times one plus a mark-up, no more than the cap, never less than cost."""
    price = cost * (1.0 + markup)
    if price_cap is not None:
        price = np.minimum(price, price_cap)
    return np.maximum(price, cost)


def within(name: str, value: float, low: float, high: float = math.inf) -> float:
    """Return a parameter's value as it is.

    Raises
    ------
    ValueError
        If it is not a finite number from `low` to `high`.
    """
    if not (math.isfinite(value) and low <= value <= high):
        most = "" if math.isinf(high) else f" and at most {high:g}"
        raise ValueError(f"{name} must be a finite number of at least {low:g}{most}; found {value!r}")
    return value


def ladder(name: str, values: Sequence[float], high: float = math.inf) -> tuple[float, ...]:
    """Return the values of a list of choices, once each and in their order.

    Raises
    ------
    ValueError
        If there is none, one comes twice, or one is not a finite number from 0 to `high`.
    """
    found = tuple(float(within(f"each of {name}", value, 0.0, high)) for value in values)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} needs at least one number, and each only once; found {list(values)!r}")
    return found


class ArmLearner(Strategy):
    """A provider that chooses among mark-ups, and is told what each brought.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    by : {'provider', 'asset', 'class', 'offer'}
        What is decided for by itself.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Attributes
    ----------
    arm : ndarray of int
        Arm played last, dims (group,).
    best : ndarray
        Highest profit in $ a period that a group has had, dims (group,): what rewards are divided by where a rule
        needs them between 0 and 1.

    Notes
    -----
    A group's reward is its profit in the period. A group without any capacity in a period (an outage) learns
    nothing from it.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        by: By = "provider",
        price_cap: float | None = None,
    ) -> None:
        self.markups = ladder("markups", markups)
        self.shares = ladder("shares", shares, 1.0)
        self.by = by
        self.price_cap = None if price_cap is None else within("price_cap", price_cap, 0.0)
        self.group: Ints | None = None
        self.live: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self.arm: Ints = np.zeros(0, dtype=np.int64)
        self.best: Floats = np.zeros(0)

    @property
    def arms(self) -> int:
        """How many there are to choose among."""
        return len(self.markups) * len(self.shares)

    @abstractmethod
    def begin(self, groups: int, view: View) -> None:
        """Make the tables, before the first offer."""

    @abstractmethod
    def choose(self, view: View) -> Ints:
        """Return the arm that each group plays, dims (group,)."""

    @abstractmethod
    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Change the tables of the given groups: each played the arm beside it and got the reward in $."""

    def offer(self, view: View) -> Offer:
        """Offer at the mark-ups of the arms that were chosen."""
        if self.group is None:
            self.group = groups(self.by, *view.cost.shape)
            count = int(self.group.max()) + 1
            self.best = np.zeros(count)
            self.begin(count, view)
        self.arm = self.choose(view)
        self.live = totals(self.group, view.capacity, len(self.best)) > 0
        markup, share = np.divmod(self.arm[self.group], len(self.shares))
        price = marked_up(view.cost, np.array(self.markups)[markup], self.price_cap)
        return Offer(price, view.capacity * np.array(self.shares)[share])

    def learn(self, receipt: Receipt) -> None:
        """Learn from the profit of each group that had capacity."""
        assert self.group is not None, "a receipt follows an offer"
        reward = totals(self.group, receipt.profit, len(self.best))
        self.best = np.maximum(self.best, reward)
        group = np.flatnonzero(self.live)
        self.reinforce(group, self.arm[group], reward[group], receipt)

    def unit_reward(self, group: Ints, reward: Floats) -> Floats:
        """Return rewards as shares of the best one so far, from 0 to 1; a loss counts as 0."""
        best = self.best[group]
        return np.divide(np.maximum(reward, 0.0), best, out=np.zeros_like(reward), where=best > 0)


def draw(probability: Floats, rng: np.random.Generator) -> Ints:
    """Draw one arm for each row of probabilities, dims (group, arm), by inversion."""
    ladder = np.cumsum(probability, axis=1)
    point = rng.random(len(probability)) * ladder[:, -1]
    drawn: Ints = np.minimum((ladder <= point[:, None]).sum(axis=1), probability.shape[1] - 1)
    return drawn
