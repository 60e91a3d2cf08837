"""Offers just under the price that is forecast from the history of local prices."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import Offer, Strategy, View


class PriceForecast(Strategy):
    """Offer at a low quantile of the forecast local price, or at true cost where that is dearer.

    The price at each asset's node is forecast by exponential smoothing with a season: a level, and what each hour of
    the season lies above it. Errors of the forecasts so far give its quantiles.

    Parameters
    ----------
    season : int
        Periods of a season, at least 1; 24 for a day of hours. One means no season.
    smoothing : float
        Weight of the newest price in the level, between 0 and 1.
    seasonal_smoothing : float
        Weight of the newest price in the hour's part of the season, between 0 and 1.
    quantile : float
        Quantile of the forecast price to offer at, between 0 and 1.
    under : float
        How far under that quantile to offer, as a share, at least 0 and less than 1.
    errors : int
        How many of the last forecast errors count, at least 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    With y the price, l the level, s the season of length m, smoothing a and c:

        forecast of y_t:  l_(t-1) + s_(t-m)
        l_t = a (y_t - s_(t-m)) + (1 - a) l_(t-1)
        s_t = c (y_t - l_t) + (1 - c) s_(t-m)

    Until an hour was seen its s is zero; the first time it is taken as seen. With c = 1 each hour repeats what the
    last season brought above the level (seasonal naive); with a season of one it is exponential smoothing alone. An
    offer under the price is taken and earns it, so that who is too small to move the price loses nothing; who sets
    the price is paid the forecast in place of cost. Only published prices are used, no offers.

    Where the forecast price P is negative, the offer is ``P - under |P|``, or cost where that is dearer.

    References
    ----------
    P. R. Winters, "Forecasting Sales by Exponentially Weighted Moving Averages", Management Science 6 (1960)
    324-342. R. J. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed. (2021), ch. 8.
    A. J. Conejo, F. J. Nogales and J. M. Arroyo, "Price-Taker Bidding Strategy Under Price Uncertainty", IEEE
    Transactions on Power Systems 17 (2002) 1081-1088: offers from forecast prices and their spread.
    """

    def __init__(
        self,
        season: int = 24,
        smoothing: float = 0.2,
        seasonal_smoothing: float = 0.3,
        quantile: float = 0.25,
        under: float = 0.01,
        errors: int = 48,
    ) -> None:
        for name, value, least in (("season", season, 1), ("errors", errors, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}; found {value!r}")
        shares = {"smoothing": smoothing, "seasonal_smoothing": seasonal_smoothing, "quantile": quantile}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must lie between 0 and 1; found {share!r}")
        if not 0 <= under < 1:
            raise ValueError(f"under must be at least 0 and less than 1; found {under!r}")
        self.season = season
        self.smoothing = smoothing
        self.seasonal_smoothing = seasonal_smoothing
        self.quantile = quantile
        self.under = under
        self.errors = errors
        self.level: Floats | None = None
        self.pattern: Floats | None = None
        self.missed: list[Floats] = []

    def offer(self, view: View) -> Offer:
        """Offer all capacity under the forecast price."""
        if view.last_price is None:
            return Offer(view.cost, view.capacity)
        level, pattern = self._take_in(view.period - 1, view.last_price)
        price = level + pattern[view.period % self.season]
        if self.missed:
            price = price + np.quantile(np.stack(self.missed), self.quantile, axis=0)
        return Offer(np.maximum(view.cost, raised(price, -self.under)), view.capacity)

    def _take_in(self, period: int, price: Floats) -> tuple[Floats, Floats]:
        """Take in the price of a period; return level and season after it."""
        if self.level is None or self.pattern is None:
            self.level, self.pattern = price.copy(), np.zeros((self.season, *price.shape))
            return self.level, self.pattern
        hour, before = period % self.season, self.level
        season = self.pattern[hour]
        self.missed = [*self.missed, price - before - season][-self.errors :]
        self.level = self.smoothing * (price - season) + (1 - self.smoothing) * before
        if self.season > 1:
            # An hour that is seen for the first time has no season to smooth with.
            weight = self.seasonal_smoothing if period >= self.season else 1.0
            self.pattern = self.pattern.copy()
            self.pattern[hour] = weight * (price - self.level) + (1 - weight) * season
        return self.level, self.pattern
