"""Undercutting: a little below the last price, down to cost."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.strategies.actions import marked_up, raised, within
from tokenflow_sim.strategies.base import Offer, Strategy, View


class Undercutting(Strategy):
    """Offer all capacity a little under the last price at each site, never under cost.

    Parameters
    ----------
    step : float
        How far under, as a share of the price, from 0 to less than 1.
    start : float
        Mark-up in the first period, as a share of cost.
    floor : float
        Least mark-up, as a share of cost.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    At every asset, for every class, with the published price pi and the cost c,

        p_t = max(c_t (1 + floor), (1 - step) pi_(t-1)),       p_0 = c_0 (1 + start).

    Where everyone has capacity to spare, prices fall by `step` a period until they reach cost: Bertrand's
    competition. Where capacity binds, the price is set by demand or by a rival, all capacity is sold, and an offer
    under the price does no harm; a high price then lingers in the offers for as long as undercutting takes.

    Where the last price P is negative, the offer under it is ``P - step |P|``, but no less than cost; `floor`
    and `start` ask ``cost + markup |cost|``.

    References
    ----------
    J. Bertrand, review of Cournot's "Theorie mathematique de la richesse sociale", Journal des Savants (1883)
    499-508. F. Y. Edgeworth, "The Pure Theory of Monopoly", in "Papers Relating to Political Economy", Macmillan
    1925: prices cycle where capacity is limited.
    """

    def __init__(
        self, step: float = 0.02, start: float = 0.5, floor: float = 0.0, price_cap: float | None = None
    ) -> None:
        self.step = within("step", step, 0.0)
        if step >= 1.0:
            raise ValueError(f"step must be below 1; found {step!r}")
        self.start = within("start", start, 0.0)
        self.floor = within("floor", floor, 0.0)
        self.price_cap = None if price_cap is None else within("price_cap", price_cap, 0.0)

    def offer(self, view: View) -> Offer:
        """Offer under the last price."""
        if view.last_price is None:
            return Offer(marked_up(view.cost, self.start, self.price_cap), view.capacity)
        price = raised(view.last_price, -self.step)
        if self.price_cap is not None:
            price = np.minimum(price, self.price_cap)
        return Offer(np.maximum(marked_up(view.cost, self.floor, self.price_cap), price), view.capacity)
