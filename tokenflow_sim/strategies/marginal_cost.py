"""Truthful offers: the competitive benchmark."""

from __future__ import annotations

from tokenflow_sim.strategies.base import Offer, Strategy, View


class MarginalCost(Strategy):
    """Offer all capacity at true marginal cost.

    The offer of a price taker, which maximises its profit where nobody can move the price; with all offers
    truthful the clearing is the welfare optimum.

    Notes
    -----
    Where cost is negative, the offer is: who is paid for the electricity that it draws pays to serve.

    References
    ----------
    F. C. Schweppe, M. C. Caramanis, R. D. Tabors and R. E. Bohn, "Spot Pricing of Electricity", Kluwer, 1988.
    """

    def offer(self, view: View) -> Offer:
        """Offer capacity at cost."""
        return Offer(price=view.cost, quantity=view.capacity)
