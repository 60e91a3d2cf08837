"""Tabular Q-learning over states of scarcity, or over the last prices of all players."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import MARKUPS, ArmLearner, By, totals, within
from tokenflow_sim.strategies.base import Receipt, View
from tokenflow_sim.strategies.draws import draw_evenly
from tokenflow_sim.strategies.rewards import LEVELS, Baseline, Context
from tokenflow_sim.strategies.rival_prices import PriceBins

Preset = Literal["short", "calvano"]


class _Values(NamedTuple):
    """What a preset says of those parameters that are not given."""

    rate: float
    discount: float
    decay: float
    context: Context


PRESETS: dict[Preset, _Values] = {
    "short": _Values(0.15, 0.5, 0.03, "scarcity"),
    "calvano": _Values(0.15, 0.95, 4e-6, "none"),
}


class QLearning(ArmLearner):
    """Learn which mark-up pays in which state of scarcity, or after which prices of all players, in the long run.

    Parameters
    ----------
    markups : sequence of float
        Mark-ups to choose among, as shares of cost, not negative.
    shares : sequence of float
        Shares of capacity to choose among; every mark-up is joined with every share.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over own cost, rising.
    rate : float or None
        Weight of the newest value, alpha, from 0 to 1; None takes the preset's, 0.15 in both.
    discount : float or None
        Worth of next period's profit today, delta, from 0 to less than 1; None takes the preset's: 0.5 in ``short``,
        0.95 in ``calvano``.
    decay : float or None
        How fast trying ends, beta, not negative; None takes the preset's: 0.03 in ``short``, 4e-6 in ``calvano``.
    by : {'provider', 'asset', 'class', 'offer'}
        The unit of a decision.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.
    context : {'none', 'hour', 'scarcity', 'both'} or None
        What is part of the state: nothing, the hour of the day, scarcity, or both; None takes the preset's:
        ``scarcity`` in ``short``, ``none`` in ``calvano``.
    baseline : {'truthful', 'none'}
        What is taken off the profit: what truthful offers would have earned in the same period, or nothing. The
        source takes nothing: what the provider's own choice does to rivals' later offers counts only so.
    preset : {'short', 'calvano'}
        State, start values and the parameters above: ``short`` for a week or two of hours, ``calvano`` as in the
        source.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Attributes
    ----------
    q : ndarray
        Values in $, dims (table, arm): one table for each state of each group.

    Notes
    -----
    When arm a was played in state s, brought the reward r in $ and led to s',

        Q(s, a) <- (1 - alpha) Q(s, a) + alpha (r + delta max_a' Q(s', a')).

    In the n-th period (from 0) an arm is drawn uniformly with probability exp(-beta n), else the one with the highest
    Q(s, a) is played. The two presets differ in the state and in the values to begin with.

    ``short``: s is the place of last period's price, over own cost, among the levels: the mean over a group's
    offers with capacity. A value that was never changed starts at the first reward over 1 - delta, what the arm would
    be worth if every period were like that one, and an arm of a state that was not yet played goes first.

    ``calvano``: s is what all players asked last: the provider's own arm, and for each rival the mark-up of the
    provider's own ladder, over the provider's own mean cost, that its mean offer price lies closest to. A value starts
    at what the arm would earn if rivals drew evenly among their prices, for ever:

        Q_0(s, a) = mean over rivals' prices of profit(a, prices) / (1 - delta).

    That mean is taken once, after the first period, in its published market cleared again: over all combinations of
    rivals' prices if there are at most 64, else over 64 that are drawn. Costs of rivals are not published; they are
    taken to choose among the provider's own prices. Where the market publishes no offers, the market's price at the
    provider's own assets stands for the rivals, and values start at the first reward over 1 - delta.

    What differs from the source with ``calvano``: its demand is logit, so that a dearer firm loses some of its buyers;
    here the cheapest offers go first, and a dearer firm with capacity to spare beside it loses all, as in Bertrand's
    competition, while one whose rivals are full loses none. Its firms have one product, constant cost and no limit
    of capacity; its fifteen prices are spaced evenly, from below Bertrand's price to above the monopoly's by a tenth
    of the difference between the two, where here mark-ups are given (``markups``). Its runs end when strategies have
    not changed for 100,000 periods, after hundreds of thousands; with its beta nine of ten choices are still trials
    after 25,000 periods, so that a run of weeks draws at random unless `decay` is raised. Play is simultaneous, as
    there.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere. Scarcity and rivals'
    bins are named by the mark-up that a price would be.

    References
    ----------
    E. Calvano, G. Calzolari, V. Denicolo and S. Pastorello, "Artificial Intelligence, Algorithmic Pricing, and
    Collusion", American Economic Review 110 (2020) 3267-3297. C. J. C. H. Watkins
    and P. Dayan, "Q-learning", Machine Learning 8 (1992) 279-292: the rule, and that it converges where every arm
    is tried for ever, rates fall and the world does not change, none of which holds here.
    """

    full: frozenset[int] = frozenset()
    """Tables of one group of which it is known that every arm was played."""

    def __init__(
        self,
        markups: Sequence[float] = MARKUPS,
        shares: Sequence[float] = (1.0,),
        levels: Sequence[float] = LEVELS,
        rate: float | None = None,
        discount: float | None = None,
        decay: float | None = None,
        by: By = "provider",
        price_cap: float | None = None,
        context: Context | None = None,
        baseline: Baseline = "none",
        preset: Preset = "short",
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be 'short' or 'calvano'; found {preset!r}")
        self.preset: Preset = preset
        settings = PRESETS[preset]
        super().__init__(
            markups, shares, by, price_cap, settings.context if context is None else context, levels, baseline
        )
        self.rate = within("rate", settings.rate if rate is None else rate, 0.0, 1.0)
        self.discount = within("discount", settings.discount if discount is None else discount, 0.0, 1.0)
        if self.discount == 1.0:
            raise ValueError("discount must be less than 1; found 1.0")
        self.decay = within("decay", settings.decay if decay is None else decay, 0.0)

    def begin(self, tables: int, view: View) -> None:
        """Start with an empty table, dims (table, arm)."""
        remembers = self.preset == "calvano"
        self.tables = 0 if remembers else tables
        # With room for states that are yet to be met, so that meeting one need not copy all the others.
        self.values: Floats = np.zeros((self.tables, self.arms))
        self.counts: Ints = np.zeros(self.values.shape, dtype=np.int64)
        self.played = 0
        self.full = frozenset()
        # What all players asked last, dims (group, player), and the table of each state that was met.
        self.asked: Ints = np.zeros((len(self.scarcity), 0), dtype=np.int64)
        self.states: dict[tuple[int, ...], int] = {}
        self.start: Floats | None = None

    @property
    def q(self) -> Floats:
        """Values in $, dims (table, arm): one table for each state of each group."""
        return self.values[: self.tables]

    @property
    def count(self) -> Ints:
        """How often each arm was played, likewise."""
        return self.counts[: self.tables]

    def rows(self, period: int) -> Ints:
        """Return the table of each group's state; a state that is met for the first time gets one."""
        context = super().rows(period)
        if self.preset != "calvano":
            return context
        keys = list(zip(range(len(context)), context.tolist(), *self.asked.T.tolist(), strict=True))
        if fresh := [key for key in keys if key not in self.states]:
            self._meet(fresh)
        return np.array([self.states[key] for key in keys], dtype=np.int64)

    def _meet(self, fresh: list[tuple[int, ...]]) -> None:
        """Give states that are met for the first time a table each, with start values."""
        first, self.tables = self.tables, self.tables + len(fresh)
        if self.tables > len(self.values):
            room = max(self.tables, 2 * len(self.values)) - len(self.values)
            self.values = np.concatenate([self.values, np.zeros((room, self.arms))])
            self.counts = np.concatenate([self.counts, np.zeros((room, self.arms), dtype=np.int64)])
        self.states.update(zip(fresh, range(first, self.tables), strict=True))
        if self.start is not None:
            self.values[first : self.tables] = self.start[[key[0] for key in fresh]]

    def choose(self, view: View) -> Ints:
        """Draw while young, then play the best of the state."""
        if len(self.row) == 1:
            return self._choose_one(int(self.row[0]), view.rng)
        q = self.q[self.row]
        # Both are drawn in every period, so that the stream does not depend on what was learnt.
        anything = view.rng.random(len(q)) < math.exp(-self.decay * self.played)
        drawn = draw_evenly(self.arms, len(q), view.rng)
        best = q.argmax(axis=1)
        if self.preset == "short":
            fresh = self.count[self.row] == 0
            best = np.where(fresh.any(axis=1), fresh.argmax(axis=1), best)
        self.played += 1
        return np.where(anything, drawn, best)

    def _choose_one(self, row: int, rng: np.random.Generator) -> Ints:
        """Choose for one group, as `choose` does for several, in numbers: arrays of one take several times as long."""
        anything = rng.random() < math.exp(-self.decay * self.played)
        drawn = draw_evenly(self.arms, 1, rng)
        self.played += 1
        if anything:
            return self.one[drawn] if self.one else np.array([drawn], dtype=np.int64)
        best = self.values[row].argmax()
        if self.preset == "short" and row not in self.full:
            least = self.counts[row].argmin()  # the first of those never played, if there is one
            best = least if self.counts[row, least] == 0 else best
        return self.one[best] if self.one else np.array([best], dtype=np.int64)

    def _reinforce_one(self, arm: int, reward: float, period: int) -> None:
        """Learn for one group, as `reinforce` does for several, in numbers."""
        before, after = int(self.row[0]), int(self.rows(period + 1)[0])
        values: list[float] = self.values[after].tolist()
        is_first, steady = False, reward / (1.0 - self.discount)
        if self.preset == "short":
            if after not in self.full:
                counts = self.counts[after].tolist()
                values = [value for value, count in zip(values, counts, strict=True) if count]
            is_first = before not in self.full and not self.counts[before, arm]
        ahead = max(values) if values else steady
        if is_first:
            moved = steady
        else:
            old = float(self.values[before, arm])
            moved = (1.0 - self.rate) * old + self.rate * (reward + self.discount * ahead)
        self.values[before, arm] = moved
        self.counts[before, arm] += 1
        if is_first and self.counts[before].all():
            self.full |= {before}

    def reinforce(self, group: Ints, arm: Ints, reward: Floats, receipt: Receipt) -> None:
        """Move Q towards the profit and what the next state is worth."""
        if self.preset == "calvano":
            self._remember(group, reward, receipt)
        if len(group) == len(self.row) == 1:
            self._reinforce_one(int(arm[0]), float(reward[0]), receipt.period)
            return
        before = self.row[group]
        after = self.rows(receipt.period + 1)[group]
        ahead = self.q[after].max(axis=1)
        # Arms of the next state that were never played have no value yet; where none was, the reward for ever has.
        if self.preset == "short":
            known = self.count[after] > 0
            steady = reward / (1.0 - self.discount)
            ahead = np.where(known, self.q[after], -np.inf).max(axis=1)
            ahead = np.where(known.any(axis=1), ahead, steady)
        moved = (1.0 - self.rate) * self.q[before, arm] + self.rate * (reward + self.discount * ahead)
        # The first reward replaces the start value instead of being averaged with it.
        if self.preset == "short":
            moved = np.where(self.count[before, arm] == 0, steady, moved)
        self.q[before, arm] = moved
        self.count[before, arm] += 1

    def _remember(self, group: Ints, reward: Floats, receipt: Receipt) -> None:
        """Keep what all players asked as the next state; after the first period, make the start values."""
        assert self.group is not None
        own = self.arm // len(self.shares)
        if receipt.market is None:
            ratio, _ = self.price_over_cost(receipt.price)
            seen = np.abs(1.0 + np.array(self.markups) - ratio[:, None]).argmin(axis=1)
            self.asked = np.stack([own, seen], axis=1)
        else:
            rows = self.own_rows(receipt.market)
            bins = PriceBins(receipt.market, rows, self.cost, self.capacity, self.markups, self.beside)
            self.asked = np.concatenate([own[:, None], bins.of(self.group, len(own))], axis=1)
        if self.start is None:
            count = len(self.scarcity)
            if receipt.market is None:
                first = np.zeros(count)
                first[group] = reward
                profit = np.repeat(first[:, None], self.arms, axis=1)
            else:
                by_arm = bins.expected_profit(self.shares, receipt.rng)
                profit = np.stack([totals(self.group, one, count) for one in by_arm], axis=1)
            self.start = profit / (1.0 - self.discount)
            # States that were met before start values were known get them now.
            for key, row in self.states.items():
                self.q[row] = self.start[key[0]]
