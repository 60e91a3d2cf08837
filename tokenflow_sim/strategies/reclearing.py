"""Clearing published markets again at other offer of the provider: what model-based strategies share.

A market that publishes its offers lets everybody compute what another offer would have earned, as long as nobody
else had changed theirs. `Rehearsal` does that; `groups` says which assets and classes move together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tokenflow_sim.errors import CertificateError, InfeasibleError, StrategyError
from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.market.beside import LayoutBeside, clearer_beside
from tokenflow_sim.market.paid_price import paid_price
from tokenflow_sim.market.shared_clearer import shared_clearer
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR as SECONDS_PER_HOUR
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.base import View

By = Literal["workload", "node", "asset"]
"""What moves together: a class at all of a provider's assets, at those of one node, or at one asset."""


def clear_again(market: Market) -> Clearing | None:
    """Clear a market with this thread's Clearer for its layout; None where it cannot be cleared.

    Parameters
    ----------
    market : Market
        The market.

    Returns
    -------
    Clearing or None
        None if demand that must be served cannot be, or no optimum can be certified.
    """
    try:
        return shared_clearer(market).clear(market)
    except (InfeasibleError, CertificateError):
        return None


def values_again(market: Market) -> Values | None:
    """Clear a market, or the markets of a batch beside each other, likewise; return the numbers alone.

    Parameters
    ----------
    market : Market
        The market.

    Returns
    -------
    Values or None
        None where a market cannot be cleared; of markets beside each other, NaN in the rows of one that cannot.
    """
    layout = market.layout
    if isinstance(layout, LayoutBeside):
        return clearer_beside(layout).clear(market).values
    clearing = clear_again(market)
    return None if clearing is None else clearing.values


@dataclass(frozen=True, eq=False)
class Trial:
    """What an offer would have brought, in one market or on average over several.

    Parameters
    ----------
    profit : float
        Revenue less true cost in $ a period, with what the provider's forward contracts bring at the prices; minus
        infinity where a market could not have been cleared.
    clearings : tuple of Clearing
        The clearings, empty where one failed.
    """

    profit: float
    clearings: tuple[Clearing, ...]


class Rehearsal:
    """Published markets with the provider's own rows left open.

    Parameters
    ----------
    view : View
        What the provider sees now: this period's true cost and shared power count, and its own assets' names.
    markets : sequence of Market
        The markets that may come again, each as likely as the others.
    weights : sequence of float or None
        How likely each is, against the others; those of weight 0 are not cleared.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the provider's own assets in the markets, dims (asset,).
    clears : int
        How many markets were cleared so far.

    Raises
    ------
    StrategyError
        If the markets lack one of the provider's assets.
    """

    def __init__(self, view: View, markets: Sequence[Market], weights: Sequence[float] | None = None) -> None:
        layout = markets[-1].layout
        self.rows: Ints = layout.assets.get_indexer(pd.Index(view.assets)).astype(np.int64)
        if (self.rows < 0).any():
            lost = ", ".join(
                name for name, row in zip(view.assets, self.rows.tolist(), strict=True) if row < 0
            )
            raise StrategyError(f"the published market lacks the agent's own assets {lost}")
        self.view, self.markets, self.clears = view, tuple(markets), 0
        self.weights = (1.0,) * len(self.markets) if weights is None else tuple(weights)

    def market(self, number: int, price: Floats, quantity: Floats, slope: Floats | None = None) -> Market:
        """Return one of the markets with another offer of the provider in it.

        Parameters
        ----------
        number : int
            Which market.
        price, quantity : ndarray
            The offer in $/Mtok and Mtok/s, dims (asset, workload) or (asset, workload, block).
        slope : ndarray, optional
            By how much its price rises in $/Mtok per Mtok/s, dims (asset, workload), where it has no blocks.
        """
        market, rows = self.markets[number], self.rows
        arrays = market.arrays
        offer_price, capacity = arrays.offer_price.copy(), arrays.capacity.copy()
        offer_price[rows] = price[:, :, None] if price.ndim == 2 else price[:, :, -1:]
        capacity[rows] = 0.0
        if price.ndim == 2:
            capacity[rows, :, 0] = quantity
        else:
            offer_price[rows, :, : price.shape[2]] = price
            capacity[rows, :, : price.shape[2]] = quantity
        changed = arrays.with_offers(rows, offer_price=offer_price, capacity=capacity)
        if slope is not None:
            rises = np.zeros_like(capacity) if changed.offer_slope is None else changed.offer_slope.copy()
            rises[rows, :, 0] = slope
            changed = changed.with_(offer_slope=rises)
        if arrays.power_limit is not None and self.view.power_limit is not None:
            # An outage of one's own is known at once, and the shared power goes with it.
            power_limit = arrays.power_limit.copy()
            power_limit[rows] = self.view.power_limit
            changed = changed.with_(power_limit=power_limit)
        return Market.from_arrays(market.layout, changed, market.hours, check=False)

    def trial(self, price: Floats, quantity: Floats, slope: Floats | None = None) -> Trial:
        """Clear the markets at an offer of the provider.

        Parameters
        ----------
        price, quantity, slope : ndarray
            As of `market`.
        """
        total, clearings = 0.0, []
        for number, weight in enumerate(self.weights):
            if weight == 0.0:
                continue
            self.clears += 1
            clearing = clear_again(self.market(number, price, quantity, slope))
            if clearing is None:
                return Trial(-np.inf, ())
            clearings.append(clearing)
            total += weight * self._profit(clearing)
        return Trial(total / sum(self.weights), tuple(clearings))

    def _profit(self, clearing: Clearing) -> float:
        market, values = clearing.market, clearing.values
        dispatch = values.dispatch[self.rows].sum(axis=2)
        earned = paid_price(market.layout, market.arrays, values, self.rows)
        rate = float(((earned - self.view.cost) * dispatch).sum())
        profit, contracts = rate * SECONDS_PER_HOUR * market.hours, self.view.contracts
        return profit if contracts is None else profit + float(contracts.income(values.price).sum())

    def last_offer(self) -> tuple[Floats, Floats]:
        """Return the provider's own offer in the latest market.

        Returns
        -------
        price, quantity : ndarray
            The dearest price of those blocks that offer anything, and the sum of quantities; dims (asset,
            workload). Where nothing was offered, the price is the first block's.
        """
        arrays = self.markets[-1].arrays
        price, quantity = arrays.offer_price[self.rows], arrays.capacity[self.rows]
        dearest = np.where(quantity > 0, price, -np.inf).max(axis=2)
        return np.where(np.isfinite(dearest), dearest, price[:, :, 0]), quantity.sum(axis=2)


def groups(view: View, by: By) -> list[tuple[Ints, int]]:
    """Return what moves together: the rows of assets and the column of a class, where there is capacity.

    Parameters
    ----------
    view : View
        The provider's view.
    by : {'workload', 'node', 'asset'}
        One group for each class; for each class and node; for each class and asset.
    """
    rows = np.arange(len(view.assets), dtype=np.int64)
    if by == "workload":
        members = [rows]
    elif by == "node":
        members = [rows[view.asset_node == node] for node in np.unique(view.asset_node)]
    else:
        members = [rows[[row]] for row in rows]
    found = []
    for workload in range(len(view.workloads)):
        for own in members:
            able = own[view.capacity[own, workload] > 0]
            if able.size:
                found.append((able, workload))
    return found
