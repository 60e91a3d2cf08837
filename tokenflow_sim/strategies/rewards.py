"""What learners see and what counts for them: contexts, and profits made comparable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.paid_price import paid_price
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.positions import Positions, by_asset
from tokenflow_sim.strategies.reclearing import SECONDS_PER_HOUR, values_again

Context = Literal["none", "hour", "scarcity", "both"]
"""What a learner has a table of its own for: nothing, each hour of the day, each state of scarcity, or each pair."""

LEVELS = (1.5, 3.0)
"""Last price over own cost at which one state of scarcity ends and the next begins, unless others are given."""

HOURS = 24


class Contexts:
    """Numbers the contexts that a learner distinguishes.

    Parameters
    ----------
    context : {'none', 'hour', 'scarcity', 'both'}
        What is distinguished.
    levels : sequence of float
        Where one state of scarcity ends and the next begins, rising.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, context: Context, levels: Sequence[float]) -> None:
        if context not in ("none", "hour", "scarcity", "both"):
            raise ValueError(f"context must be 'none', 'hour', 'scarcity' or 'both'; found {context!r}")
        if list(levels) != sorted(levels):
            raise ValueError(f"levels must rise; found {list(levels)!r}")
        self.levels = np.array(levels, dtype=np.float64)
        self.ladder: list[float] = self.levels.tolist()
        self.by_hour, self.by_scarcity = context in ("hour", "both"), context in ("scarcity", "both")
        self.is_one = not (self.by_hour or self.by_scarcity)
        self._states = len(self.levels) + 1 if self.by_scarcity else 1

    @property
    def count(self) -> int:
        """How many contexts there are."""
        return (HOURS if self.by_hour else 1) * self._states

    def at(self, period: int, hours: float, scarcity: Ints) -> Ints:
        """Return the context that each group is in, dims (group,).

        Parameters
        ----------
        period : int
            The period, from 0.
        hours : float
            Length of a period. Hours of the day count from the first period on.
        scarcity : ndarray of int
            State of scarcity of each group.
        """
        hour = int(period * hours) % HOURS if self.by_hour else 0
        return hour * self._states + (scarcity if self.by_scarcity else np.zeros_like(scarcity))

    def of_one(self, period: int, hours: float, scarcity: int) -> int:
        """Return the context that one group is in, as `at` does for several."""
        hour = int(period * hours) % HOURS if self.by_hour else 0
        return hour * self._states + (scarcity if self.by_scarcity else 0)

    def scarcity(self, ratio: Floats) -> Ints:
        """Return the state of scarcity for last prices over own cost."""
        return np.searchsorted(self.levels, ratio, side="right").astype(np.int64)


Baseline = Literal["truthful", "none"]
"""What is taken off the profit: what truthful offers would have earned in the same period, or nothing."""

WINDOW = 240
"""Rewards of a table that its scale is made of: the last ones, ten days of hours."""

TENTHS = 9
"""Tenths of these rewards that are no larger than the scale."""

_SAME = 1e-9


def truthful_profit(
    market: Market, rows: Ints, cost: Floats, capacity: Floats, contracts: Positions | None = None
) -> Floats:
    """Clear a published market again with all of a provider's capacity at true cost.

    Parameters
    ----------
    market : Market
        The market as submitted.
    rows : ndarray of int
        Positions of the provider's own assets in it, dims (asset,).
    cost, capacity : ndarray
        True cost in $/Mtok and all that could have been served in Mtok/s, dims (asset, workload).
    contracts : Positions, optional
        The provider's forward contracts.

    Returns
    -------
    ndarray
        Profit in $ a period, with what contracts bring at the prices, dims (asset, workload); NaN where that market
        cannot be cleared.
    """
    arrays = market.arrays
    price, quantity = arrays.offer_price.copy(), arrays.capacity.copy()
    price[rows] = cost[:, :, None]
    quantity[rows] = 0.0
    quantity[rows, :, 0] = capacity
    changed = arrays.with_offers(rows, offer_price=price, capacity=quantity)
    values = values_again(Market.from_arrays(market.layout, changed, market.hours, check=False))
    if values is None:
        return np.full(cost.shape, np.nan)
    paid = paid_price(market.layout, changed, values, rows)
    served = values.dispatch[rows].sum(axis=2)
    profit: Floats = (paid - cost) * served * SECONDS_PER_HOUR * market.hours
    if contracts is None:
        return profit
    layout = market.layout
    return profit + by_asset(contracts.income(values.price), layout.asset_node[rows], layout.many)


def gain(profit: Floats, truthful: Floats) -> Floats:
    """Return profit less truthful profit in $; what is no more than the rounding of either is 0."""
    difference = profit - truthful
    rounding = _SAME * (np.abs(profit) + np.abs(truthful))
    return np.where(np.abs(difference) > rounding, difference, 0.0)


class Scale:
    """Puts rewards between -1 and 1, by a running quantile of their size.

    Parameters
    ----------
    rows : int
        How many tables there are, each with a scale of its own.

    Notes
    -----
    The scale s of a table is the 90 % quantile of the size of its last 240 rewards, the present one included: the
    least of them that nine tenths do not exceed, or the largest where that is 0. A larger reward counts as s, so that
    what happens in less than a tenth of periods cannot make all others small.
    """

    def __init__(self, rows: int) -> None:
        # Sizes are not negative, so that -1 marks places that are still empty and sorts before them.
        self.seen: Floats = np.full((rows, WINDOW), -1.0)
        self.count: Ints = np.zeros(rows, dtype=np.int64)

    def share(self, row: Ints, reward: Floats) -> Floats:
        """Take in one reward for each of some tables, and return what share of the scale each is, from -1 to 1.

        Parameters
        ----------
        row : ndarray of int
            The tables, each once.
        reward : ndarray
            In $.
        """
        self.seen[row, self.count[row] % WINDOW] = np.abs(reward)
        self.count[row] += 1
        rising = np.sort(self.seen[row], axis=1)
        known = np.minimum(self.count[row], WINDOW)
        below = (TENTHS * known + 9) // 10
        quantile = rising[np.arange(len(row)), WINDOW - known + below - 1]
        scale = np.where(quantile > 0, quantile, rising[:, -1])
        share = np.divide(reward, scale, out=np.zeros_like(reward), where=scale > 0)
        return np.clip(share, -1.0, 1.0)
