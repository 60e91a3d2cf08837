"""The best reply to what rivals offered last, found by clearing the last market again."""

from __future__ import annotations

import math

import numpy as np

from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.levels import best_prices
from tokenflow_sim.strategies.reclearing import By, Rehearsal


def check_search(by: str, candidates: int, sweeps: int, under: float) -> None:
    """Check the parameters of a search.

    Raises
    ------
    ValueError
        If one is out of its range.
    """
    if by not in ("workload", "node", "asset"):
        raise ValueError(f"by must be 'workload', 'node' or 'asset'; found {by!r}")
    if candidates < 2:
        raise ValueError(f"candidates must be at least 2; found {candidates!r}")
    if sweeps < 1:
        raise ValueError(f"sweeps must be at least 1; found {sweeps!r}")
    if not 0 < under < 1:
        raise ValueError(f"under must lie between 0 and 1; found {under!r}")


def check_start(markup: float, inertia: float) -> None:
    """Check the first mark-up and the inertia.

    Raises
    ------
    ValueError
        If one is out of its range.
    """
    if not (math.isfinite(markup) and markup >= 0):
        raise ValueError(f"markup must be finite and not negative; found {markup!r}")
    if not 0 <= inertia < 1:
        raise ValueError(f"inertia must be at least 0 and less than 1; found {inertia!r}")


class BestResponse(Strategy):
    """Offer what would have earned most in the last market, had everybody else offered the same again.

    The last market is cleared again at candidate prices: true cost, and prices just under the offers of rivals and
    the values of demand, as they stand to the local price. Each group of assets and class is settled in turn with
    the others as they are. Of equally good offers the lowest is made.

    Parameters
    ----------
    by : {'workload', 'node', 'asset'}
        What has one price level: a class at all assets, at those of one node, or at each asset.
    candidates : int
        Prices tried for each group, at least 2; a period takes about as many clearings as groups times candidates.
    sweeps : int
        How often to go through the groups at most.
    under : float
        How far to stay under a rival's price or a value, as a share of it.
    shares : list of float
        Shares of capacity to try as well, each offered at true cost: physical withholding.
    markup : float
        Mark-up over true cost of the first offer, as a share, while nothing is published.
    inertia : float
        Probability of keeping the last offer in a period, which breaks cycles of simultaneous replies.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Where the market does not publish offers, it offers at the first mark-up throughout. Where all demand must be
    served and no rival offers, no level bounds the price, and it offers at true cost.

    Where cost is negative, so is the lowest offer; just under a level L that is negative means ``L - under
    |L|``, and the first mark-up asks ``cost + markup |cost|``.

    References
    ----------
    A. A. Cournot, "Recherches sur les principes mathématiques de la théorie des richesses" (1838), ch. 7: each
    replies to the others' last choice. J. Bertrand, Journal des Savants (1883) 499-508: in prices. B. F. Hobbs,
    C. B. Metzler and J.-S. Pang, "Strategic Gaming Analysis for Electric Power Systems: An MPEC Approach", IEEE
    Transactions on Power Systems 15 (2000) 638-645: against a network's clearing. H. P. Young, "The Evolution of
    Conventions", Econometrica 61 (1993) 57-84: inertia.
    """

    def __init__(
        self,
        by: By = "workload",
        candidates: int = 8,
        sweeps: int = 1,
        under: float = 0.001,
        shares: list[float] | None = None,
        markup: float = 0.0,
        inertia: float = 0.0,
    ) -> None:
        check_search(by, candidates, sweeps, under)
        check_start(markup, inertia)
        if any(not 0 <= share <= 1 for share in shares or ()):
            raise ValueError(f"shares must lie between 0 and 1; found {shares!r}")
        self.by: By = by
        self.candidates = candidates
        self.sweeps = sweeps
        self.under = under
        self.shares = shares
        self.markup = markup
        self.inertia = inertia

    def offer(self, view: View) -> Offer:
        """Offer the best reply to the last market."""
        if view.last_market is None:
            return Offer(raised(view.cost, self.markup), view.capacity)
        rehearsal = Rehearsal(view, [view.last_market])
        if self.inertia > 0 and view.rng.random() < self.inertia:
            price, quantity = rehearsal.last_offer()
            return Offer(np.maximum(view.cost, price), np.minimum(view.capacity, quantity))
        reply = best_prices(
            rehearsal,
            view.history.price[-1:],
            by=self.by,
            candidates=self.candidates,
            sweeps=self.sweeps,
            under=self.under,
            shares=tuple(self.shares or ()),
        )
        return Offer(reply.price, reply.quantity)
