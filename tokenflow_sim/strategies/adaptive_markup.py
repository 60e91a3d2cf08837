"""Derivative following: move the mark-up on while that pays, else turn round."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.strategies.actions import By, groups, marked_up, totals, within
from tokenflow_sim.strategies.base import Floats, Ints, Offer, Receipt, Strategy, View


class AdaptiveMarkup(Strategy):
    """Raise or lower the mark-up as long as profit grows; turn round when it falls.

    Parameters
    ----------
    markup : float
        Mark-up at first, as a share of cost, from 0 to `highest`.
    step : float
        Largest change of one plus the mark-up at a time, as a share of it, above 0 and below 1.
    highest : float
        Highest mark-up.
    hold : int
        Periods that a mark-up is kept for before its profit is judged, at least 1; 24 compares days of hours.
    by : {'provider', 'asset', 'class', 'offer'}
        What is decided for by itself.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Every `hold` periods, with the profit Pi_t that the last mark-up m_t brought and the one before,

        direction <- -direction               if Pi_t < Pi_(t-1),
        1 + m_(t+1) = (1 + m_t) (1 + direction u step),   u uniform from 1/3 to 1,

    kept between 0 and `highest`; at an end it turns round. It needs to know nothing of demand, of rivals, or of how
    many there are. It cannot tell a change of demand from one of its own mark-up: where demand has a daily course,
    `hold: 24` compares like with like, at the price of moving once a day.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere.

    References
    ----------
    A. R. Greenwald and J. O. Kephart, "Shopbots and Pricebots", Proceedings of the 16th International Joint
    Conference on Artificial Intelligence (1999) 506-511: the derivative-following pricebot.
    """

    def __init__(
        self,
        markup: float = 0.1,
        step: float = 0.25,
        highest: float = 10.0,
        hold: int = 1,
        by: By = "provider",
        price_cap: float | None = None,
    ) -> None:
        self.highest = within("highest", highest, 0.0)
        self.markup = within("markup", markup, 0.0, highest)
        if not 0.0 < step < 1.0:
            raise ValueError(f"step must be above 0 and below 1; found {step!r}")
        if hold < 1:
            raise ValueError(f"hold must be at least 1; found {hold!r}")
        self.step, self.hold, self.by = step, hold, by
        self.price_cap = None if price_cap is None else within("price_cap", price_cap, 0.0)
        self.group: Ints | None = None
        self.held = 0

    def offer(self, view: View) -> Offer:
        """Offer all capacity at the mark-up of each group."""
        if self.group is None:
            self.group = groups(self.by, *view.cost.shape)
            count = int(self.group.max()) + 1
            self.now: Floats = np.full(count, float(self.markup))
            self.direction: Floats = np.ones(count)
            self.sum: Floats = np.zeros(count)
            self.before: Floats = np.full(count, -np.inf)
        return Offer(marked_up(view.cost, self.now[self.group], self.price_cap), view.capacity)

    def learn(self, receipt: Receipt) -> None:
        """Add up the profit; when the mark-up was held long enough, judge and move it."""
        assert self.group is not None, "a receipt follows an offer"
        self.sum += totals(self.group, receipt.profit, len(self.now))
        self.held += 1
        if self.held < self.hold:
            return
        self.direction[self.sum < self.before] *= -1.0
        # The step is drawn anew each time, lest two followers keep in step or one go round in circles.
        step = self.step * receipt.rng.uniform(1 / 3, 1.0, len(self.now))
        moved = (1.0 + self.now) * (1.0 + self.direction * step) - 1.0
        self.now = np.clip(moved, 0.0, self.highest)
        self.direction[moved >= self.highest] = -1.0
        self.direction[moved <= 0.0] = 1.0
        self.before, self.sum = self.sum, np.zeros_like(self.sum)
        self.held = 0
