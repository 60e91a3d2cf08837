"""Network owners who offer less capacity than they have."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import StrategyError, known
from tokenflow_sim.strategies.base import Floats
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender
from tokenflow_sim.strategies.response import check_numbers


class LinkWithholding(NetworkStrategy):
    """Hold back a share of link capacity, at the true cost of transport.

    Parameters
    ----------
    share : float
        Share of capacity held back, from 0 to 1.
    arcs : list of str or None
        Links of which it is held back; None means all.

    Raises
    ------
    ValueError
        If the share is out of range.

    References
    ----------
    P. L. Joskow and J. Tirole, "Transmission rights and market power on electric power networks", RAND Journal of
    Economics 31 (2000) 450-487: who earns congestion rent gains by making links scarce.
    """

    def __init__(self, share: float = 0.1, arcs: list[str] | None = None) -> None:
        check_numbers("share", share, 0.0, 1.0)
        self.share = share
        self.arcs = arcs

    def tender(self, view: NetworkView) -> Tender:
        """Offer the rest."""
        strange = [name for name in self.arcs or () if name not in view.arcs]
        if strange:
            raise StrategyError("; ".join(f"arcs: {known('arc', name, view.arcs)}" for name in strange))
        offered = offer_share(view.capacity, 1 - self.share)
        if self.arcs is not None:
            offered = np.where([name in self.arcs for name in view.arcs], offered, view.capacity)
        return Tender(view.route_cost, offered)


class AdaptiveLinkWithholding(NetworkStrategy):
    """Offer a share of link capacity that follows profit: go on while it rises, turn round when it falls.

    Derivative following with the capacity offered as the quantity: after every trial of some periods the share of
    capacity offered on all links moves by a step, in the direction of the last move if profit (income less true
    cost) did not fall, else back; from a bound it moves inwards. It starts at all capacity.

    Parameters
    ----------
    step : float
        Change of the share offered after a trial, above 0 and at most 1.
    least : float
        Least share offered, from 0 to 1.
    every : int
        Periods of a trial; a day's worth keeps the daily cycle of demand out of the comparison.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    A. R. Greenwald and J. O. Kephart, "Shopbots and pricebots", IJCAI (1999) 506-511: derivative followers. P. L.
    Joskow and J. Tirole, "Transmission rights and market power on electric power networks", RAND Journal of
    Economics 31 (2000) 450-487.
    """

    def __init__(self, step: float = 0.05, least: float = 0.2, every: int = 6) -> None:
        check_numbers("step", step, 0.0, 1.0)
        check_numbers("least", least, 0.0, 1.0)
        if step == 0:
            raise ValueError("step must be positive; found 0")
        if every < 1:
            raise ValueError(f"every must be at least 1; found {every!r}")
        self.step, self.least, self.every = step, least, every
        self.offered = 1.0
        """Share of capacity offered at present."""
        self._direction = -1.0
        self._earned = 0.0
        self._periods = 0
        self._before: float | None = None

    def tender(self, view: NetworkView) -> Tender:
        """Offer the present share at the true cost of transport."""
        return Tender(view.route_cost, offer_share(view.capacity, self.offered))

    def learn(self, receipt: NetworkReceipt) -> None:
        """Count the profit; at the end of a trial move on or turn round."""
        self._earned += float((receipt.income - receipt.cost).sum())
        self._periods += 1
        if self._periods < self.every:
            return
        if self.offered <= self.least or self.offered >= 1.0:
            # At a bound there is one way only; to stay would compare a trial with itself.
            self._direction = 1.0 if self.offered <= self.least else -1.0
        elif self._before is not None and self._earned < self._before:
            self._direction = -self._direction
        self._before, self._earned, self._periods = self._earned, 0.0, 0
        self.offered = min(max(self.offered + self._direction * self.step, self.least), 1.0)


def offer_share(capacity: Floats, share: float) -> Floats:
    """Return a share of capacity; none of an endless one at zero."""
    return np.zeros_like(capacity) if share == 0 else capacity * share
