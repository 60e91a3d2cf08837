"""Cournot's reply in quantities: withholding against the residual demand of the last market."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.strategies.base import Floats, Ints, Offer, Strategy, View
from tokenflow_sim.strategies.reclearing import By, Rehearsal, clear_again, groups

Conjecture = Literal["quantities", "offers"]

_SAME = 1e-9
_INSIDE = 1e-9
"""How far inside a step of demand to end, as a share: on its very edge rounding would choose the price."""


class Cournot(Strategy):
    """Choose quantities, not prices: offer at true cost no more than what would have earned most in the last market.

    For each group of assets and class the last market is cleared again with shares of the capacity, on a grid that is
    refined around the best. Quantities are carried on to where the price would fall, since no other can be best where
    demand has steps. What is offered then lies part of the way from what was sold to the best reply.

    Rivals are believed to sell again what they sold, whatever the price: Cournot's conjecture. Against rivals that
    offer all they have at cost that is too bold; ``rivals: offers`` takes their offers as they were instead, so that
    they sell more where the price rises.

    Parameters
    ----------
    rivals : {'quantities', 'offers'}
        What is believed to stay: the quantities that rivals sold, or their offers.
    by : {'workload', 'node', 'asset'}
        What has one share of capacity on offer: a class at all assets, at those of one node, or at each asset.
    candidates : int
        Shares tried for each group and refinement, at least 2.
    refine : int
        How often the grid is refined around the best share.
    adjustment : float
        Part of the way to the best reply that is gone each period, above 0 and at most 1. Of n equal firms that
        all go the whole way at once, no more than two settle.
    start : float
        Share of capacity on offer in the first period, and while nothing is published.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Withholding pays where demand answers to the price, or where the next offer is dearer. Where all demand must be
    served, a quantity that leaves some unserved counts as impossible, yet two providers that withhold at once may
    still do so: give demand a value there.

    References
    ----------
    A. A. Cournot, "Recherches sur les principes mathématiques de la théorie des richesses" (1838), ch. 7.
    R. D. Theocharis, "On the Stability of the Cournot Solution on the Oligopoly Problem", Review of Economic
    Studies 27 (1960) 133-134: replies at once are unstable beyond three firms. F. H. Hahn, "The Stability of the
    Cournot Oligopoly Solution", Review of Economic Studies 29 (1962) 329-331: partial adjustment.
    """

    def __init__(
        self,
        rivals: Conjecture = "quantities",
        by: By = "workload",
        candidates: int = 4,
        refine: int = 1,
        adjustment: float = 0.5,
        start: float = 1.0,
    ) -> None:
        if rivals not in ("quantities", "offers"):
            raise ValueError(f"rivals must be 'quantities' or 'offers'; found {rivals!r}")
        if by not in ("workload", "node", "asset"):
            raise ValueError(f"by must be 'workload', 'node' or 'asset'; found {by!r}")
        if candidates < 2:
            raise ValueError(f"candidates must be at least 2; found {candidates!r}")
        if refine < 0:
            raise ValueError(f"refine must not be negative; found {refine!r}")
        if not 0 < adjustment <= 1:
            raise ValueError(f"adjustment must be above 0 and at most 1; found {adjustment!r}")
        if not 0 <= start <= 1:
            raise ValueError(f"start must lie between 0 and 1; found {start!r}")
        self.rivals: Conjecture = rivals
        self.by: By = by
        self.candidates = candidates
        self.refine = refine
        self.adjustment = adjustment
        self.start = start

    def offer(self, view: View) -> Offer:
        """Offer a share of capacity at true cost."""
        if view.last_market is None:
            return Offer(view.cost, self.start * view.capacity)
        sold = as_sold(view.last_market)
        believed = Rehearsal(view, [sold if self.rivals == "quantities" else view.last_market])
        offered = shares_of(view, believed, view.last_market)
        share = shares_of(view, believed, sold)
        for group in groups(view, self.by):
            # Each class is settled against one's own other quantities as they were, as against the rivals'.
            reply = self._best_share(believed, offered, group)
            share[group] += self.adjustment * (reply - share[group])
        return Offer(view.cost, share * view.capacity)

    def _best_share(self, rehearsal: Rehearsal, shares: Floats, group: tuple[Ints, int]) -> float:
        """Return the share of a group's capacity that would have earned most; of equal ones the largest."""
        tried: dict[float, float] = {}

        def attempt(share: float) -> Clearing | None:
            trial_shares = shares.copy()
            trial_shares[group] = share
            view = rehearsal.view
            trial = rehearsal.trial(view.cost, trial_shares * view.capacity)
            tried[share] = trial.profit
            return trial.clearings[0] if trial.clearings else None

        low, high = 0.0, 1.0
        for _ in range(1 + self.refine):
            grid = np.linspace(high, low, self.candidates + 1)
            for share in map(float, grid):
                if share in tried:
                    continue
                clearing = attempt(share)
                edge = None if clearing is None else edge_share(rehearsal, clearing, group, share)
                if edge is not None and edge not in tried:
                    attempt(edge)
            best = _best(tried)
            width = (high - low) / self.candidates
            low, high = max(0.0, best - width), min(1.0, best + width)
        return _best(tried)


def shares_of(view: View, rehearsal: Rehearsal, market: Market) -> Floats:
    """Return the shares of this period's capacity that one's own offers in a market come to, at most one.

    Parameters
    ----------
    view : View
        The provider's view.
    rehearsal : Rehearsal
        Where one's own rows are.
    market : Market
        The market.

    Returns
    -------
    ndarray
        Dims (asset, workload); zero where there is no capacity.
    """
    quantity = market.arrays.capacity[rehearsal.rows].sum(axis=2)
    share = np.divide(quantity, view.capacity, out=np.zeros_like(quantity), where=view.capacity > 0)
    return np.minimum(share, 1.0)


def as_sold(market: Market) -> Market:
    """Return the market in which everybody sells again what was sold, whatever the price.

    Parameters
    ----------
    market : Market
        A published market. Clearing it again tells what everybody sold; the same market where that fails.
    """
    clearing = clear_again(market)
    if clearing is None:
        return market
    arrays = market.arrays
    sold = arrays.with_(capacity=clearing.values.dispatch, offer_price=np.zeros_like(arrays.offer_price))
    return Market.from_arrays(market.layout, sold, market.hours, check=False)


def edge_share(
    rehearsal: Rehearsal, clearing: Clearing, group: tuple[Ints, int], share: float
) -> float | None:
    """Return the share of capacity up to which the local price would stay what it is.

    Parameters
    ----------
    rehearsal : Rehearsal
        The market.
    clearing : Clearing
        Its clearing at `share`.
    group : tuple
        Rows of assets, and the class.
    share : float
        Share of the group's capacity on offer.

    Returns
    -------
    float or None
        None where there is nothing on the margin to displace. What is on the margin is demand that goes unserved at
        its value, and rivals' offers taken at their price; with several nodes it is a guess, tried like any other.
    """
    rows, workload = group
    market, values = clearing.market, clearing.values
    arrays, layout = market.arrays, market.layout
    price = values.price[:, workload]
    tolerance = _SAME * (1 + np.abs(price))
    at_value = np.abs(arrays.value[:, workload] - price[:, None]) <= tolerance[:, None]
    slack = float(values.unserved[:, workload][at_value].sum())
    node = layout.asset_node
    at_offer = np.abs(arrays.offer_price[:, workload] - price[node][:, None]) <= tolerance[node][:, None]
    at_offer[rehearsal.rows[rows]] = False
    slack += float(values.dispatch[:, workload][at_offer].sum())
    capacity = float(rehearsal.view.capacity[rows, workload].sum())
    edge = min(1.0, share + slack / capacity * (1 - _INSIDE))
    return edge if edge > share else None


def _best(tried: dict[float, float]) -> float:
    """Return the share with most profit, the largest of equal ones."""
    top = max(tried.values())
    slack = _SAME * (1 + abs(top)) if np.isfinite(top) else 0.0
    return max(share for share, profit in tried.items() if profit >= top - slack)
