"""What learning providers choose among: mark-ups and shares of capacity, for all they own or part by part.

A learner has one table of arms for each of its groups: one for the whole provider, or one an asset, a workload
class, or both. An arm is a mark-up over cost joined with the share of capacity that is offered. Costs move by the
hour, so mark-ups are learnt, not prices. What is common to all learners stands here; what differs, how an arm is
chosen and how its reward changes that, stands with each.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.base import Offer, Receipt, Strategy, View
from tokenflow_sim.strategies.draws import singles
from tokenflow_sim.strategies.rewards import LEVELS, Baseline, Context, Contexts, Scale, gain, truthful_profit

# Offers that are kept to be made again, and the largest that are.
_KEPT, _MOST_KEPT = 256, 64

By = Literal["provider", "asset", "class", "offer"]
"""The unit of a decision: all of a provider, each asset, each workload class, or each class at each asset."""

MARKUPS = (0.0, 0.1, 0.3, 1.0, 3.0, 8.0)
"""Mark-ups to choose among, as shares of the size of cost, unless others are given: truthful, then about threefold."""


def groups(by: By, assets: int, workloads: int, beside: int = 1) -> Ints:
    """Return the group that each offer belongs to, dims (asset, workload); groups count from 0.

    Of several markets beside each other, each has its own.
    """
    rows, columns = np.indices((assets, workloads))
    market = rows // (assets // beside)
    if by == "provider":
        return market
    if by == "asset":
        return rows
    return market * workloads + columns if by == "class" else rows * workloads + columns


def totals(group: Ints, values: Floats, count: int) -> Floats:
    """Add up values, dims (asset, workload), within each group."""
    return np.bincount(group.ravel(), values.ravel(), count)


def added(values: Floats) -> float:
    """Return the sum of values, added one after the other: the total of `totals` where there is one group."""
    found = 0.0
    for value in values.ravel().tolist():
        found += value
    return found


def raised(value: Floats, share: Floats | float) -> Floats:
    """Return ``value + share |value|``: raised by a share of its size, also where it is below zero.

    ``value (1 + share)`` would lower a negative cost by its mark-up, and leave what is just under a negative price
    above it. Where the value is not negative, the two are the same to the bit.
    """
    moved: Floats = value * (1.0 + share * np.sign(value))
    return moved


def markups_to(price: Floats | float, cost: Floats) -> Floats:
    """Return the mark-ups at which costs that are not zero are raised to prices."""
    ratio = price / cost
    return np.where(cost < 0, 1.0 - ratio, ratio - 1.0)


def one_plus_markup(price: Floats, cost: Floats, where: NDArray[np.bool_]) -> Floats:
    """Return one plus the mark-up of a price as a share of the size of cost: the inverse of `raised`.

    That is price over cost where cost is positive, and 2 less that where it is negative; 0 outside of `where`.
    """
    ratio = np.divide(price, cost, out=np.zeros(price.shape), where=where)
    below = cost < 0
    return np.where(where & below, 2.0 - ratio, ratio) if below.any() else ratio


def marked_up(cost: Floats, markup: Floats | float, price_cap: float | None = None) -> Floats:
    """Return offer prices in $/Mtok: cost raised by a mark-up, no more than the cap, never less than cost."""
    price = raised(cost, markup)
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


class _Made(NamedTuple):
    """An offer, and what else follows from costs and capacities.

    Parameters
    ----------
    offer : Offer
        The offer.
    live : ndarray of bool
        Which groups have capacity, dims (group,).
    all_live : bool
        Whether all have.
    there : ndarray of bool
        Offers with capacity and a cost that is not zero, dims (asset, workload).
    offers : ndarray
        How many of these each group has, dims (group,), 1 where none.
    has : ndarray of bool
        Whether it has any, dims (group,).
    all_there : bool
        Whether all have.
    costs : list of tuple of int and float
        Place and cost of these offers, for one group; see `ArmLearner.one`.
    """

    offer: Offer
    live: NDArray[np.bool_]
    all_live: bool
    there: NDArray[np.bool_]
    offers: Floats
    has: NDArray[np.bool_]
    all_there: bool
    costs: list[tuple[int, float]]


class ArmLearner(Strategy):
    """A provider that chooses among mark-ups, and learns what each brought.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of the size of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    by : {'provider', 'asset', 'class', 'offer'}
        The unit of a decision.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.
    context : {'none', 'hour', 'scarcity', 'both'}
        What a group has a table of its own for.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising; where cost is
        negative, one plus the mark-up that the price would be.
    baseline : {'truthful', 'none'}
        What is taken off the profit: what truthful offers would have earned in the same period, or nothing.

    Attributes
    ----------
    arm : ndarray of int
        Arm played last, dims (group,).
    row : ndarray of int
        Table that it was chosen from, dims (group,): a group's tables follow each other, one a context.

    Notes
    -----
    A group's reward is its profit in the period, less what it would have earned had the whole provider offered all
    capacity at true cost. That comes from clearing the published market again, and is left at the profit where the
    market publishes no offers. Rules that need rewards between 0 and 1 get them from `rewards.Scale`. A group without
    any capacity in a period (an outage) learns nothing from it, and nobody does from one whose truthful market
    cannot be cleared.
    """

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        by: By = "provider",
        price_cap: float | None = None,
        context: Context = "none",
        levels: Sequence[float] = LEVELS,
        baseline: Baseline = "truthful",
    ) -> None:
        self.markups = ladder("markups", markups)
        self.shares = ladder("shares", shares, 1.0)
        self.by = by
        self.price_cap = None if price_cap is None else within("price_cap", price_cap, 0.0)
        self.levels = ladder("levels", levels)
        self.contexts = Contexts(context, self.levels)
        if baseline not in ("truthful", "none"):
            raise ValueError(f"baseline must be 'truthful' or 'none'; found {baseline!r}")
        self.context: Context = context
        self.baseline: Baseline = baseline
        self.group: Ints | None = None
        self.kept: dict[bytes, _Made] = {}
        self.arm: Ints = np.zeros(0, dtype=np.int64)
        self.row: Ints = np.zeros(0, dtype=np.int64)

    @property
    def arms(self) -> int:
        """How many there are to choose among."""
        return len(self.markups) * len(self.shares)

    @abstractmethod
    def begin(self, tables: int, view: View) -> None:
        """Make the tables, before the first offer."""

    @abstractmethod
    def choose(self, view: View) -> Ints:
        """Return the arm that each group plays by its table, `row`; dims (group,)."""

    @abstractmethod
    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Change the tables of the given groups: each played the arm beside it and got the reward in $."""

    def rows(self, period: int) -> Ints:
        """Return the table of each group in a period, as far as it is known before the offer; dims (group,)."""
        if self.contexts.is_one:
            return self.every
        if self.one:
            return self.one[self.contexts.of_one(period, self.hours, int(self.scarcity[0]))]
        context = self.contexts.at(period, self.hours, self.scarcity)
        return self.every * self.contexts.count + context

    def offer(self, view: View) -> Offer:
        """Offer at the mark-ups of the arms that were chosen."""
        if self.group is None:
            self.group = groups(self.by, len(view.cost), view.cost.shape[1], self.beside)
            count = int(self.group.max()) + 1
            self.scarcity: Ints = np.zeros(count, dtype=np.int64)
            self.every: Ints = np.arange(count)
            self.by_arm = np.divmod(np.arange(self.arms), len(self.shares))
            self.scale = Scale(count * self.contexts.count)
            self.name, self.assets, self.hours = view.name, view.assets, view.hours
            self.place: Ints | None = None
            # Arrays of one number take several times as long as the number: with one group and few offers, states and
            # profits are worked out in numbers, and the arrays of every row and arm are made once.
            few = count == 1 and self.beside == 1 and view.cost.size <= _MOST_KEPT
            self.one = singles(max(self.contexts.count, self.arms)) if few else []
            self.begin(count * self.contexts.count, view)
        # Kept for `learn`, which receives prices but neither cost nor capacity, and no contracts.
        self.cost, self.capacity, self.contracts = view.cost, view.capacity, view.contracts
        self.row = self.rows(view.period)
        self.arm = self.choose(view)
        if view.cost.size > _MOST_KEPT:
            self.made = self._make(view)
            return self.made.offer
        # What is offered depends on arms, costs and capacities alone, and these often come again.
        key = self.arm.tobytes() + view.cost.tobytes() + view.capacity.tobytes()
        found = self.kept.get(key)
        if found is None:
            if len(self.kept) >= _KEPT:
                self.kept.clear()
            found = self.kept[key] = self._make(view)
        self.made = found
        return found.offer

    def _make(self, view: View) -> _Made:
        """Make the offer of the arms that were chosen."""
        assert self.group is not None
        count = len(self.scarcity)
        markup, share = (which[self.arm[self.group]] for which in self.by_arm)
        price = marked_up(view.cost, np.array(self.markups)[markup], self.price_cap)
        quantity = view.capacity * np.array(self.shares)[share]
        live = totals(self.group, view.capacity, count) > 0
        there = (view.capacity > 0) & (view.cost != 0)
        offers = totals(self.group, there.astype(np.float64), count)
        has, offers = offers > 0, np.maximum(offers, 1.0)
        for array in (price, quantity, live, there, offers, has):
            array.flags.writeable = False
        offer = Offer(price, quantity)
        costs = []
        if self.one:
            cost, is_there = view.cost.ravel().tolist(), there.ravel().tolist()
            costs = [(place, cost[place]) for place in range(len(cost)) if is_there[place]]
        return _Made(offer, live, bool(live.all()), there, offers, has, bool(has.all()), costs)

    def get_state(self) -> dict[str, Any]:
        """Return everything the strategy remembers, parameters included, but what can be made again."""
        kept, self.kept = self.kept, {}
        state = super().get_state()
        self.kept = kept
        return state

    def learn(self, receipt: Receipt) -> None:
        """Learn from what each group that had capacity brought."""
        assert self.group is not None, "a receipt follows an offer"
        if self.one:
            self._see_one(receipt.price)
            reward = np.array([added(receipt.earnings)])
        else:
            self._see(receipt.price)
            reward = totals(self.group, receipt.earnings, len(self.scarcity))
        live = self.made.live
        self.compared = self.baseline == "truthful" and receipt.market is not None
        if self.compared:
            truthful = totals(self.group, self._truthful(receipt), len(self.scarcity))
            known = ~np.isnan(truthful)
            if not known.any():
                return
            reward, live = gain(reward, truthful), live & known
        if self.made.all_live if live is self.made.live else live.all():
            self.reinforce(self.every, self.arm, reward, receipt)
            return
        group = live.nonzero()[0]
        self.reinforce(group, self.arm[group], reward[group], receipt)

    def _see(self, price: Floats) -> None:
        """Note how scarce service was at the prices of a period."""
        if not self.contexts.by_scarcity:
            return
        ratio, there = self.price_over_cost(price)
        scarcity = self.contexts.scarcity(ratio)
        self.scarcity = scarcity if self.made.all_there else np.where(there, scarcity, self.scarcity)

    def _see_one(self, price: Floats) -> None:
        """Note it for one group, as `_see` does for several, in numbers."""
        costs = self.made.costs
        if not (costs and self.contexts.by_scarcity):
            return
        paid, ratios = price.ravel().tolist(), 0.0
        for place, cost in costs:
            ratio = paid[place] / cost
            ratios += 2.0 - ratio if cost < 0 else ratio
        self.scarcity = self.one[bisect_right(self.contexts.ladder, ratios / len(costs))]

    def unit_reward(self, group: Ints, reward: Floats) -> Floats:
        """Return rewards between 0 and 1; where truthful profit is taken off them, 1/2 is as good as truthful."""
        share = self.scale.share(self.row[group], reward)
        return (share + 1.0) / 2.0 if self.compared else np.maximum(share, 0.0)

    def price_over_cost(self, price: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the mean price over own cost of each group's offers with capacity, and whether it has any."""
        assert self.group is not None
        made = self.made
        ratio = one_plus_markup(price, self.cost, made.there)
        return totals(self.group, ratio, len(self.scarcity)) / made.offers, made.has

    def own_rows(self, market: Market) -> Ints:
        """Return the positions of the provider's own assets in a published market, dims (asset,)."""
        if self.place is None:
            self.place = market.layout.assets.get_indexer(pd.Index(self.assets)).astype(np.int64)
        return self.place

    def _truthful(self, receipt: Receipt) -> Floats:
        """Return what truthful offers would have earned, dims (asset, workload); NaN where that is not known."""
        assert receipt.market is not None
        told: NDArray[np.bool_] = np.zeros(self.beside, dtype=bool)
        if 0.0 in self.markups and 1.0 in self.shares:
            arm = self.markups.index(0.0) * len(self.shares) + self.shares.index(1.0)
            told = (self.arm == arm).reshape(self.beside, -1).all(axis=1)
            if told.all():
                return receipt.earnings
        rows = self.own_rows(receipt.market)
        found = truthful_profit(receipt.market, rows, self.cost, self.capacity, self.contracts)
        if not told.any():
            return found
        return np.where(told.repeat(len(found) // self.beside)[:, None], receipt.earnings, found)
