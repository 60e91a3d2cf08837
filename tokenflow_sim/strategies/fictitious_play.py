"""The best reply to everything that rivals have offered, not only to the last."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import Floats, Offer, Strategy, View
from tokenflow_sim.strategies.beliefs import RunningAverage, Tally, average
from tokenflow_sim.strategies.best_response import check_search, check_start
from tokenflow_sim.strategies.levels import best_prices
from tokenflow_sim.strategies.reclearing import By, Rehearsal

Belief = Literal["mix", "average"]


class FictitiousPlay(Strategy):
    """Offer what would have earned most on average over all markets so far.

    Rivals are believed to draw from what they did: either each market so far comes again with the same chance
    (``mix``), or one market comes in which everybody offers and bids their average (``average``). The search for the
    best offer is that of `BestResponse`.

    Parameters
    ----------
    memory : int or None
        How many of the last markets count, at least 1; None counts all since the first.
    belief : {'mix', 'average'}
        What is believed of rivals; a mix takes a clearing for each different market where the average takes one.
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
    profiles : int
        How many different markets a mix without a window keeps, at least 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Where the market does not publish offers, it offers at the first mark-up throughout. An average is taken block by
    block and step by step, of prices and of quantities; a value that is infinite in any of the markets stays so.

    The source's rule is the ``mix`` over all that came: a best reply to the empirical distribution of rivals' choices,
    here of all that others submitted in a period together. It is counted exactly while no more than `profiles`
    different markets came; where demand or costs move by the hour, so that no market comes twice, a uniform sample of
    `profiles` of them stands for all, and a period's cost stays bounded. The ``average`` keeps sums alone. It is the
    same in Cournot's oligopoly with linear demand, where profit is linear in rivals' quantities; with prices it is
    not, and the mean of two prices at which rivals take turns may be one that none of them ever asked.

    Where cost is negative, the search is that of `BestResponse`, and the first mark-up asks ``cost + markup
    |cost|``.

    References
    ----------
    G. W. Brown, "Iterative Solution of Games by Fictitious Play", in T. C. Koopmans (ed.), Activity Analysis of
    Production and Allocation (1951) 374-376: the whole past counts. J. Robinson, "An Iterative Method of Solving a
    Game", Annals of Mathematics 54 (1951) 296-301: it converges in zero-sum games. L. Thorlund-Petersen,
    "Iterative Computation of Cournot Equilibrium", Games and Economic Behavior 2 (1990) 61-75: replies to averages
    converge in Cournot's oligopoly where replies to the last quantities do not.
    """

    def __init__(
        self,
        memory: int | None = None,
        belief: Belief = "average",
        by: By = "workload",
        candidates: int = 8,
        sweeps: int = 1,
        under: float = 0.001,
        markup: float = 0.0,
        profiles: int = 16,
    ) -> None:
        if memory is not None and memory < 1:
            raise ValueError(f"memory must be at least 1, or None; found {memory!r}")
        if belief not in ("mix", "average"):
            raise ValueError(f"belief must be 'mix' or 'average'; found {belief!r}")
        if profiles < 1:
            raise ValueError(f"profiles must be at least 1; found {profiles!r}")
        check_search(by, candidates, sweeps, under)
        check_start(markup, 0.0)
        self.memory = memory
        self.belief: Belief = belief
        self.by: By = by
        self.candidates = candidates
        self.sweeps = sweeps
        self.under = under
        self.markup = markup
        self.profiles = profiles
        self.seen: list[tuple[Market, Floats]] = []
        self.average = RunningAverage()
        self.tally = Tally(profiles)

    def offer(self, view: View) -> Offer:
        """Offer the best reply to the markets that count."""
        if view.last_market is None:
            return Offer(raised(view.cost, self.markup), view.capacity)
        rehearsal, prices = self._believed(view, view.last_market, view.history.price[-1])
        reply = best_prices(
            rehearsal,
            prices,
            by=self.by,
            candidates=self.candidates,
            sweeps=self.sweeps,
            under=self.under,
        )
        return Offer(reply.price, reply.quantity)

    def _believed(self, view: View, last: Market, price: Floats) -> tuple[Rehearsal, Floats]:
        """Take in the last market; return the markets that may come, and their prices."""
        if self.memory is not None:
            self.seen = [*self.seen, (last, price)][-self.memory :]
            markets, past = [one for one, _ in self.seen], np.stack([one for _, one in self.seen])
            if self.belief == "average":
                return Rehearsal(view, [average(markets)]), past.mean(axis=0, keepdims=True)
            return Rehearsal(view, markets), past
        if self.belief == "average":
            self.average.add(last, price)
            return Rehearsal(view, [self.average.market(last)]), self.average.price[None]
        self.tally.add(last, price, Rehearsal(view, [last]).rows, view.rng)
        seen = self.tally.believed(last, price)
        rehearsal = Rehearsal(view, [one.market for one in seen], [one.times for one in seen])
        return rehearsal, np.stack([one.price for one in seen])
