"""Offers at a fixed mark-up over cost."""

from __future__ import annotations

import math

from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import Offer, Strategy, View


class FixedMarkup(Strategy):
    """Offer all capacity at true marginal cost times one plus a mark-up.

    Parameters
    ----------
    markup : float
        Mark-up as a share of cost, at least -1; 0.1 asks ten per cent more than cost.

    Raises
    ------
    ValueError
        If the mark-up is not a number of at least -1.

    Notes
    -----
    Where cost is negative, the price is ``cost + markup |cost|``: a mark-up raises an offer, and ``cost (1 +
    markup)`` would lower it.

    References
    ----------
    R. L. Hall and C. J. Hitch, "Price Theory and Business Behaviour", Oxford Economic Papers 2 (1939) 12-45:
    full-cost pricing.
    """

    def __init__(self, markup: float = 0.1) -> None:
        if not (math.isfinite(markup) and markup >= -1):
            raise ValueError(f"markup must be a finite number of at least -1; found {markup!r}")
        self.markup = markup

    def offer(self, view: View) -> Offer:
        """Offer capacity at marked-up cost."""
        return Offer(price=raised(view.cost, self.markup), quantity=view.capacity)
