"""The prices at which an offer's fortune turns: just under what rivals ask, and under what demand would pay.

Between two such levels a higher price loses nothing, so a best price lies just under one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.path_limits import takes_paths
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import View
from tokenflow_sim.strategies.reclearing import By, Rehearsal, clear_again, groups

_SAME = 1e-9


class Reply(NamedTuple):
    """The offer that a search ended with.

    Parameters
    ----------
    price, quantity : ndarray
        In $/Mtok and Mtok/s, dims (asset, workload).
    profit : float
        What it would have earned in $ a period.
    """

    price: Floats
    quantity: Floats
    profit: float


def paid_prices(market: Market, price: Floats) -> Floats:
    """Return what assets were paid in a published market in $/Mtok, dims (node, workload).

    That is its price, except where demand takes paths: the price of an origin is then not that of service there, which
    is known when the market is cleared again.

    Parameters
    ----------
    market : Market
        The market.
    price : ndarray
        Its prices in $/Mtok, dims (node, workload).
    """
    clearing = clear_again(market) if takes_paths(market) else None
    return price if clearing is None else clearing.values.service_price


def critical_gaps(market: Market, price: Floats, paid: Floats, own: Ints, workload: int) -> Floats:
    """Return how far rivals' offers and demand's values lie from the price at their own node.

    Parameters
    ----------
    market : Market
        A published market.
    price : ndarray
        Its prices in $/Mtok, dims (node, workload).
    paid : ndarray
        What assets were paid there, likewise; see `paid_prices`.
    own : ndarray of int
        Positions of the provider's own assets, which are left out.
    workload : int
        The class.

    Returns
    -------
    ndarray
        In $/Mtok, rising, each once. What rivals ask at another node thus counts as if it were asked at one's
        own, with the difference of the two prices for transport and congestion.
    """
    arrays, layout = market.arrays, market.layout
    offered = arrays.capacity[:, workload] > 0
    offered[own] = False
    asked = arrays.offer_price[:, workload] - paid[layout.asset_node, workload][:, None]
    worth = arrays.value[:, workload] - price[:, workload][:, None]
    wanted = (arrays.demand[:, workload] > 0) & np.isfinite(worth)
    return np.unique(np.concatenate([asked[offered], worth[wanted]]))


def thin(gaps: Floats, count: int) -> Floats:
    """Choose some of rising numbers: half of them those nearest to zero, the rest evenly by rank.

    Parameters
    ----------
    gaps : ndarray
        Rising numbers.
    count : int
        How many at most.
    """
    if len(gaps) <= count:
        return gaps
    near = np.argsort(np.abs(gaps), kind="stable")[: count // 2]
    rest = np.setdiff1d(np.arange(len(gaps)), near)
    far = rest[np.linspace(0, len(rest) - 1, count - len(near)).round().astype(np.int64)]
    return gaps[np.union1d(near, far)]


def candidate_prices(
    view: View, prices: Floats, gaps: Floats, group: tuple[Ints, int], under: float
) -> Floats:
    """Return the offer prices of a group that are worth a trial, lowest first; true cost is the first.

    Parameters
    ----------
    view : View
        The provider's view.
    prices : ndarray
        What assets were paid in $/Mtok, dims (node, workload).
    gaps : ndarray
        Distances from the local price in $/Mtok, rising.
    group : tuple
        Rows of assets, and the class.
    under : float
        How far under a level to stay, as a share of it.

    Returns
    -------
    ndarray
        In $/Mtok, dims (candidate, asset of the group).
    """
    rows, workload = group
    cost = view.cost[rows, workload]
    local = prices[view.asset_node[rows], workload]
    levels = np.maximum(cost, raised(local + gaps[:, None], -under))
    return np.unique(np.vstack([cost, levels]), axis=0)


def best_prices(
    rehearsal: Rehearsal,
    prices: Floats,
    *,
    by: By,
    candidates: int,
    sweeps: int,
    under: float,
    shares: tuple[float, ...] = (),
) -> Reply:
    """Search the offer that would have earned most, one group after the other.

    Parameters
    ----------
    rehearsal : Rehearsal
        The markets.
    prices : ndarray
        Their prices in $/Mtok, dims (market, node, workload).
    by : {'workload', 'node', 'asset'}
        What moves together.
    candidates : int
        How many prices to try for each group.
    sweeps : int
        How often to go through the groups; it ends sooner where nothing changes.
    under : float
        How far under a rival's price or a value to stay, as a share.
    shares : tuple of float
        Shares of capacity to try as well, offered at true cost.

    Returns
    -------
    Reply
        Of equally good offers the lowest.

    Notes
    -----
    Coordinate ascent from the last offer: each step keeps the best for one group with the others as they stand, so
    that profit never falls, and the end is a best response in each group separately.
    """
    view = rehearsal.view
    paid = [paid_prices(market, price) for market, price in zip(rehearsal.markets, prices, strict=True)]
    offered, _ = rehearsal.last_offer()
    price, quantity = np.maximum(view.cost, offered), view.capacity.copy()
    profit = rehearsal.trial(price, quantity).profit
    for _ in range(sweeps):
        before = profit
        for rows, workload in groups(view, by):
            found = _options(rehearsal, prices, paid, (rows, workload), candidates, under, shares)
            start = price[rows, workload].copy(), quantity[rows, workload].copy()
            best, best_profit = start, profit
            for option in found:
                price[rows, workload], quantity[rows, workload] = option
                trial = rehearsal.trial(price, quantity).profit
                slack = _SAME * (1 + abs(best_profit)) if np.isfinite(best_profit) else 0.0
                lower = bool((option[0] <= best[0]).all()) and bool((option[1] >= best[1]).all())
                if trial > best_profit + slack or (lower and trial >= best_profit - slack):
                    best, best_profit = option, trial
            price[rows, workload], quantity[rows, workload] = best
            profit = best_profit
        if profit <= before + _SAME * abs(before):
            break
    return Reply(price, quantity, profit)


def _options(
    rehearsal: Rehearsal,
    prices: Floats,
    paid: Sequence[Floats],
    group: tuple[Ints, int],
    candidates: int,
    under: float,
    shares: tuple[float, ...],
) -> list[tuple[Floats, Floats]]:
    """Return the prices and quantities to try for a group."""
    view, (rows, workload) = rehearsal.view, group
    gaps = np.unique(
        np.concatenate(
            [
                critical_gaps(market, price, earned, rehearsal.rows, workload)
                for market, price, earned in zip(rehearsal.markets, prices, paid, strict=True)
            ]
        )
    )
    local = paid[-1]
    # Levels that lie under the cheapest unit's cost cannot be used, and are no reason to leave others out.
    floor = (view.cost[rows, workload] - local[view.asset_node[rows], workload]).min()
    gaps = thin(gaps[gaps > floor], candidates - 1)
    capacity = view.capacity[rows, workload]
    tried = candidate_prices(view, local, gaps, group, under)
    withheld = [(view.cost[rows, workload], share * capacity) for share in shares]
    return [(one, capacity) for one in tried] + withheld
