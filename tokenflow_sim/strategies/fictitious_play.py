"""The best reply to everything that rivals offered lately, not only to the last."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.strategies.base import Floats, Offer, Strategy, View
from tokenflow_sim.strategies.best_response import check_search, check_start
from tokenflow_sim.strategies.levels import best_prices
from tokenflow_sim.strategies.reclearing import By, Rehearsal

Belief = Literal["mix", "average"]


class FictitiousPlay(Strategy):
    """Offer what would have earned most on average over the last few markets.

    Rivals are believed to draw from what they did: either each of the last markets comes again with the same chance
    (``mix``), or one market comes in which everybody offers and bids their average of them (``average``). The
    search for the best offer is that of `BestResponse`.

    Parameters
    ----------
    memory : int
        How many of the last markets count, at least 1.
    belief : {'mix', 'average'}
        What is believed of rivals; a mix takes `memory` times as many clearings.
    by : {'workload', 'node', 'asset'}
        What has one price level: a class at all assets, at those of one node, or at each asset.
    candidates : int
        Prices tried for each group, at least 2.
    sweeps : int
        How often to go through the groups at most.
    under : float
        How far to stay under a rival's price or a value, as a share of it.
    markup : float
        Mark-up over true cost of the first offer, as a share, while nothing is published.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Where the market does not publish offers, it offers at the first mark-up throughout. An average is taken block by
    block and step by step, of prices and of quantities; a value that is infinite in any of the markets stays so.

    References
    ----------
    G. W. Brown, "Iterative Solution of Games by Fictitious Play", in T. C. Koopmans (ed.), Activity Analysis of
    Production and Allocation (1951) 374-376. J. Robinson, "An Iterative Method of Solving a Game", Annals of
    Mathematics 54 (1951) 296-301: it converges in zero-sum games. L. Thorlund-Petersen, "Iterative Computation of
    Cournot Equilibrium", Games and Economic Behavior 2 (1990) 61-75: replies to averages converge in Cournot's
    oligopoly where replies to the last quantities do not.
    """

    def __init__(
        self,
        memory: int = 4,
        belief: Belief = "average",
        by: By = "workload",
        candidates: int = 8,
        sweeps: int = 1,
        under: float = 0.001,
        markup: float = 0.0,
    ) -> None:
        if memory < 1:
            raise ValueError(f"memory must be at least 1; found {memory!r}")
        if belief not in ("mix", "average"):
            raise ValueError(f"belief must be 'mix' or 'average'; found {belief!r}")
        check_search(by, candidates, sweeps, under)
        check_start(markup, 0.0)
        self.memory = memory
        self.belief: Belief = belief
        self.by: By = by
        self.candidates = candidates
        self.sweeps = sweeps
        self.under = under
        self.markup = markup
        self.seen: list[Market] = []

    def offer(self, view: View) -> Offer:
        """Offer the best reply to the last few markets."""
        if view.last_market is None:
            return Offer(view.cost * (1 + self.markup), view.capacity)
        # The model may show fewer past prices than this strategy remembers markets.
        self.seen = [*self.seen, view.last_market][-min(self.memory, len(view.history)) :]
        prices = view.history.price[-len(self.seen) :]
        if self.belief == "average":
            believed, prices = [average(self.seen)], prices.mean(axis=0, keepdims=True)
        else:
            believed = self.seen
        reply = best_prices(
            Rehearsal(view, believed),
            prices,
            by=self.by,
            candidates=self.candidates,
            sweeps=self.sweeps,
            under=self.under,
        )
        return Offer(reply.price, reply.quantity)


def average(markets: list[Market]) -> Market:
    """Return the market of everybody's average offer, bid and tender.

    Parameters
    ----------
    markets : list of Market
        Markets of one layout.

    Returns
    -------
    Market
        What is structure (link use, allowed arcs, power use) as in the last. An offer's price is the mean over
        quantities offered, so that a price at which nothing was offered does not count.
    """
    last = markets[-1]
    if len(markets) == 1:
        return last
    all_arrays = [market.arrays for market in markets]
    price = np.stack([arrays.offer_price for arrays in all_arrays])
    quantity = np.stack([arrays.capacity for arrays in all_arrays])
    value = np.stack([arrays.value for arrays in all_arrays])
    demand = np.stack([arrays.demand for arrays in all_arrays])
    changes = {
        "offer_price": weighted_mean(price, quantity),
        "capacity": quantity.mean(axis=0),
        "value": weighted_mean(value, demand),
        "demand": demand.mean(axis=0),
        "route_cost": np.mean([arrays.route_cost for arrays in all_arrays], axis=0),
        "link_capacity": np.mean([arrays.link_capacity for arrays in all_arrays], axis=0),
    }
    limits = [arrays.power_limit for arrays in all_arrays if arrays.power_limit is not None]
    if limits:
        changes["power_limit"] = np.mean(limits, axis=0)
    return Market.from_arrays(last.layout, last.arrays.with_(**changes), last.hours, check=False)


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Return the mean over the first dim by weight, or the plain one where all weights are zero."""
    total = weights.sum(axis=0)
    shares = np.where(total > 0, weights / np.where(total > 0, total, 1.0), 1.0 / len(values))
    # zero times infinity is not a number: what has no weight must not count
    products = np.where(shares > 0, values, 0.0) * shares
    mean: Floats = products.sum(axis=0)
    return mean
