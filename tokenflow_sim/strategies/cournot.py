"""Cournot's reply in quantities: withholding against the residual demand of the last market."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.market.earned_price import earned_price
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.filling import cheapest_first, fill
from tokenflow_sim.strategies.reclearing import By, Rehearsal, clear_again, groups

Conjecture = Literal["quantities", "offers"]

_SAME = 1e-9
_INSIDE = 1e-9
"""How far inside a step of demand to end, as a share: on its very edge rounding would choose the price."""
_TOPS = 2  # of how many candidates of a grid it is looked how far a quantity may go before the price falls


class Cournot(Strategy):
    """Choose quantities, not prices: offer at true cost no more than what would have earned most in the last market.

    A firm decides how much to sell of each class at each place, and makes it where it costs least: with its cheapest
    assets first, up to their capacity and what power they share. The last market is cleared again with quantities on a
    grid over the whole range, refined around the best and carried on to where the price would fall, since no other
    can be best where demand has steps; for a class at several places first with its total, made where that costs
    least, then place by place. What is offered then lies part of the way from what was sold to the best reply.

    Rivals are believed to sell again what they sold, whatever the price: Cournot's conjecture. Against rivals that
    offer all they have at cost that is too bold; ``rivals: offers`` takes their offers as they were instead, so that
    they sell more where the price rises.

    Parameters
    ----------
    rivals : {'quantities', 'offers'}
        What is believed to stay: the quantities that rivals sold, or their offers.
    by : {'workload', 'node', 'asset'}
        What has one quantity: a class at all places, at each node, or at each asset. With one for all places it is
        made where that costs least to make, wherever demand is.
    candidates : int
        Quantities tried for each group and refinement, at least 2.
    refine : int
        How often the grid is refined around the best quantity, each time half as many times closer as there are
        candidates.
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

    Where cost is negative, the quantity is offered at it, and what rivals sold is put below every offer, so
    that it is sold again. A provider that is paid to serve withholds less.

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
        by: By = "node",
        candidates: int = 6,
        refine: int = 3,
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
        """Offer quantities at true cost."""
        own = Portfolio(view, self.by)
        if view.last_market is None:
            return Offer(view.cost, own.made(self.start * own.capacity))
        sold = as_sold(view.last_market, float(view.cost.min(initial=0.0)))
        believed = Rehearsal(view, [sold if self.rivals == "quantities" else view.last_market])
        reply = self._reply(believed, own, own.quantities(believed, view.last_market))
        before = own.quantities(believed, sold)
        return Offer(view.cost, own.made(before + self.adjustment * (reply - before)))

    def _reply(self, rehearsal: Rehearsal, own: Portfolio, offered: Floats) -> Floats:
        """Return the quantities that would have earned most: first of each class in all, then place by place."""
        best = offered.copy()
        for workload in sorted({workload for _, workload in own.groups}):
            places = [place for place, (_, k) in enumerate(own.groups) if k == workload]
            if len(places) > 1:
                best = self._along(rehearsal, own, best, places)
            for place in places:
                best = self._along(rehearsal, own, best, [place])
        return best

    def _along(self, rehearsal: Rehearsal, own: Portfolio, now: Floats, places: list[int]) -> Floats:
        """Return the quantities with that of some places which would have earned most; of equal ones the largest."""
        tried: dict[float, float] = {}
        quantities: dict[float, Floats] = {}
        clearings: dict[float, Clearing] = {}
        most = own.most(rehearsal.markets[-1], places)

        def attempt(share: float) -> None:
            quantities[share] = own.spread(now, places, share * most)
            trial = rehearsal.trial(rehearsal.view.cost, own.made(quantities[share]))
            tried[share] = trial.profit
            if trial.clearings:
                clearings[share] = trial.clearings[0]

        def carry_on(shares: list[float]) -> None:
            for share in sorted(shares, key=lambda one: -tried[one])[:_TOPS]:
                if share in clearings and most > 0:
                    slack = max(slack_at(rehearsal, clearings[share], own.groups[place]) for place in places)
                    edge = min(1.0, share + slack / most * (1 - _INSIDE))
                    if edge not in tried:
                        attempt(edge)

        low, high = 0.0, 1.0
        for _ in range(1 + self.refine):
            new = [
                share
                for share in map(float, np.linspace(high, low, self.candidates + 1))
                if share not in tried
            ]
            for share in new:
                attempt(share)
            carry_on(new)
            best = _best(tried)
            width = (high - low) / self.candidates
            low, high = max(0.0, best - width), min(1.0, best + width)
        best = _best(tried)
        if len(places) > 1:  # as it was goes on, where the total made at least cost is no better
            as_it_was = rehearsal.trial(rehearsal.view.cost, own.made(now)).profit
            if as_it_was >= tried[best]:
                return now
        return quantities[best]


class Portfolio:
    """A provider's capacity as a firm in theory has it: quantities of each class by place, each made at least cost.

    Parameters
    ----------
    view : View
        The provider's view.
    by : {'workload', 'node', 'asset'}
        What has one quantity.

    Attributes
    ----------
    groups : list of tuple
        Rows of assets, and the class.
    capacity : ndarray
        Of each group in Mtok/s, dims (group,).
    """

    def __init__(self, view: View, by: By) -> None:
        self.view, self.groups = view, groups(view, by)
        self.capacity = np.array([view.capacity[rows, k].sum() for rows, k in self.groups])

    def made(self, quantities: Floats) -> Floats:
        """Return what each asset makes in Mtok/s, dims (asset, workload), for quantities by group."""
        view = self.view
        cost, capacity = view.cost[:, :, None], view.capacity[:, :, None]
        return fill(cost, capacity, self.groups, quantities, view.power_use, view.power_limit)[:, :, 0]

    def quantities(self, rehearsal: Rehearsal, market: Market) -> Floats:
        """Return the provider's own quantities in a market by group, in Mtok/s, at most this period's capacity."""
        there = market.arrays.capacity[rehearsal.rows].sum(axis=2)
        found = np.array([there[rows, k].sum() for rows, k in self.groups])
        least: Floats = np.minimum(found, self.capacity)
        return least

    def most(self, market: Market, places: list[int]) -> float:
        """Return the most that some groups of one class can sell: their capacity, or all demand where that is less."""
        demand = float(market.arrays.demand[:, self.groups[places[0]][1]].sum())
        return min(float(self.capacity[places].sum()), demand)

    def spread(self, now: Floats, places: list[int], quantity: float) -> Floats:
        """Return quantities with that of some groups of one class made where it costs least among them."""
        found = now.copy()
        if len(places) == 1:
            found[places] = quantity
            return found
        rows, k = np.concatenate([self.groups[place][0] for place in places]), self.groups[places[0]][1]
        used = cheapest_first(self.view.cost[rows, k], self.view.capacity[rows, k], quantity)
        home = np.repeat(np.arange(len(places)), [len(self.groups[place][0]) for place in places])
        found[places] = np.bincount(home, used, minlength=len(places))
        return found


def as_sold(market: Market, least: float = 0.0) -> Market:
    """Return the market in which everybody sells again what was sold, whatever the price.

    Parameters
    ----------
    market : Market
        A published market. Clearing it again shows what everybody sold; the same market where that fails.
    least : float
        The lowest price in $/Mtok that any other offer may come to have. What was sold is offered below all others:
        at zero where none is negative.
    """
    clearing = clear_again(market)
    if clearing is None:
        return market
    arrays = market.arrays
    lowest = 2.0 * min(0.0, least, float(arrays.offer_price.min(initial=0.0)))
    price = np.full_like(arrays.offer_price, lowest)
    sold = arrays.with_(capacity=clearing.values.dispatch, offer_price=price, offer_slope=None)
    return Market.from_arrays(market.layout, sold, market.hours, check=False)


def slack_at(rehearsal: Rehearsal, clearing: Clearing, group: tuple[Ints, int]) -> float:
    """Return how much more could be sold before the local price falls, in Mtok/s.

    Parameters
    ----------
    rehearsal : Rehearsal
        The market.
    clearing : Clearing
        Its clearing.
    group : tuple
        Rows of assets, and the class.

    Returns
    -------
    float
        What is on the margin: demand that goes unserved at its value, and rivals' offers taken at their price, at all
        nodes. With several nodes it is a guess, tried like any other.
    """
    rows, workload = group
    market, values = clearing.market, clearing.values
    arrays, layout = market.arrays, market.layout
    price = values.price[:, workload]
    tolerance = _SAME * (1 + np.abs(price))
    at_value = np.abs(arrays.value[:, workload] - price[:, None]) <= tolerance[:, None]
    slack = float(values.unserved[:, workload][at_value].sum())
    node = layout.asset_node
    paid = earned_price(arrays, values, node)[:, workload]
    close = _SAME * (1 + np.abs(paid))
    at_offer = np.abs(arrays.offer_price[:, workload] - paid[:, None]) <= close[:, None]
    at_offer[rehearsal.rows[rows]] = False
    return slack + float(values.dispatch[:, workload][at_offer].sum())


def _best(tried: dict[float, float]) -> float:
    """Return the share with most profit, the largest of equal ones."""
    top = max(tried.values())
    slack = _SAME * (1 + abs(top)) if np.isfinite(top) else 0.0
    return max(share for share, profit in tried.items() if profit >= top - slack)
