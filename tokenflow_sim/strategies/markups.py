"""Strategies of providers that add to cost by a rule: none, a fixed or an adaptive mark-up, undercutting."""

from __future__ import annotations

import math

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import By, groups, marked_up, raised, totals, within
from tokenflow_sim.strategies.base import Offer, Receipt, Strategy, View


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

    follows_state = True

    def offer(self, view: View) -> Offer:
        """Offer capacity at cost."""
        return Offer(price=view.cost, quantity=view.capacity)


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

    follows_state = True

    def __init__(self, markup: float = 0.1) -> None:
        if not (math.isfinite(markup) and markup >= -1):
            raise ValueError(f"markup must be a finite number of at least -1; found {markup!r}")
        self.markup = markup

    def offer(self, view: View) -> Offer:
        """Offer capacity at marked-up cost."""
        return Offer(price=raised(view.cost, self.markup), quantity=view.capacity)


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
        The unit of a decision.
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
    many there are. It cannot distinguish a change of demand from one of its own mark-up: where demand has a daily
    course, `hold: 24` compares like with like, at the price of moving once a day.

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
            self.group = groups(self.by, len(view.cost), view.cost.shape[1], self.beside)
            count = int(self.group.max()) + 1
            self.now: Floats = np.full(count, float(self.markup))
            self.direction: Floats = np.ones(count)
            self.sum: Floats = np.zeros(count)
            self.before: Floats = np.full(count, -np.inf)
        return Offer(marked_up(view.cost, self.now[self.group], self.price_cap), view.capacity)

    def learn(self, receipt: Receipt) -> None:
        """Add up the profit; when the mark-up was held long enough, judge and move it."""
        assert self.group is not None, "a receipt follows an offer"
        self.sum += totals(self.group, receipt.earnings, len(self.now))
        self.held += 1
        if self.held < self.hold:
            return
        self.direction[self.sum < self.before] *= -1.0
        # The step is redrawn each time, lest two followers keep in step or one go round in circles.
        step = self.step * receipt.rng.uniform(1 / 3, 1.0, len(self.now))
        moved = (1.0 + self.now) * (1.0 + self.direction * step) - 1.0
        self.now = np.clip(moved, 0.0, self.highest)
        self.direction[moved >= self.highest] = -1.0
        self.direction[moved <= 0.0] = 1.0
        self.before, self.sum = self.sum, np.zeros_like(self.sum)
        self.held = 0


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
