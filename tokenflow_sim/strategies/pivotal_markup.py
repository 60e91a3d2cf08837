"""Mark-ups from residual supply: ask for more, the less the market can do without one."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.pivotal import By, residual_supply
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.actions import marked_up, raised, within
from tokenflow_sim.strategies.base import Offer, Receipt, Strategy, View


class PivotalMarkup(Strategy):
    """Mark up by the residual supply index, and where nobody else can serve all, go for the value of lost service.

    Parameters
    ----------
    threshold : float
        Residual supply index from which on offers are at cost.
    slope : float
        Mark-up, as a share of cost, for each unit by which the index is less.
    step : float
        How far a pivotal provider goes above the last price, and stays under what lost service was worth; as a
        share, above 0 and below 1.
    highest : float
        Highest mark-up, as a share of cost.
    price_cap : float or None
        Highest offer price in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    For each class k, with the capacity that rivals offered in the last period and the demand bid in it,

        RSI_k = (sum of rivals' capacity + F_k) / sum of demand,        markup_k = slope max(0, threshold - RSI_k),

    where F_k is what the provider has sold forward of the class, net, up to the capacity that it offered: it gains
    nothing from a higher price on it.

    With RSI_k < 1 the provider is pivotal: some demand cannot be served without it, whatever rivals do. It then
    offers at no less than (1 + step) times the last price at each site, until service is lost there. The price at
    which that happened is remembered as what service is worth at most, and from then on offers stay a `step` under
    the lowest such price.

    This is the residual supply index of `tokenflow_sim.market.pivotal`, that of figures and measures too, of offered
    capacity. Rivals' offers are those of `view.last_market`. Where classes share power, the index is that by power,
    the same for all classes: rivals' power, no more than their offers can draw, is set against the power that all
    demand would draw, at the mean use of each class over what was offered. The network is left out: a provider can be
    pivotal at a site without being so in the whole market. Where a market does not publish offers, rivals' capacity
    is taken to be the most that they have been seen to serve, which is too little at first and grows as high offers
    leave more to them.

    Where cost is negative, a mark-up m asks ``cost + m |cost|``, above cost as everywhere. The step over a
    negative price and under a negative ceiling is a share of their size.

    References
    ----------
    A. Y. Sheffrin, J. Chen and B. F. Hobbs, "Watching Watts to Prevent Abuse of Power", IEEE Power and Energy
    Magazine 2 (2004) 58-65: the index, that mark-ups fall with it in a line, and 1.2 as the threshold. A. Sheffrin,
    "Predicting Market Power Using the Residual Supply Index", FERC Market Monitoring Workshop, 2002.
    """

    def __init__(
        self,
        threshold: float = 1.2,
        slope: float = 1.0,
        step: float = 0.05,
        highest: float = 10.0,
        price_cap: float | None = None,
    ) -> None:
        self.threshold = within("threshold", threshold, 0.0)
        self.slope = within("slope", slope, 0.0)
        if not 0.0 < step < 1.0:
            raise ValueError(f"step must be above 0 and below 1; found {step!r}")
        self.step = step
        self.highest = within("highest", highest, 0.0)
        self.price_cap = None if price_cap is None else within("price_cap", price_cap, 0.0)
        self.ceiling: Floats | None = None
        self.shown: Floats | None = None

    def offer(self, view: View) -> Offer:
        """Offer all capacity, at what the index allows."""
        # Kept for `learn`, which receives prices at the provider's sites, but not where these are.
        self.site = view.asset_node
        if self.ceiling is None:
            self.ceiling = np.full(view.cost.shape, np.inf)
        if view.last_price is None:
            return Offer(view.cost, view.capacity)
        index = self._index(view)
        markup = np.clip(self.slope * (self.threshold - index), 0.0, self.highest)
        wanted = raised(view.cost, markup)
        climbed = np.maximum(wanted, raised(view.last_price, self.step))
        wanted = np.where(index < 1.0, climbed, wanted)
        wanted = np.minimum(wanted, raised(self.ceiling, -self.step))
        cap = np.inf if self.price_cap is None else self.price_cap
        most = np.minimum(marked_up(view.cost, self.highest), np.maximum(cap, view.cost))
        return Offer(np.clip(wanted, view.cost, most), view.capacity)

    def _index(self, view: View) -> Floats:
        """Return the residual supply index of each class, dims (workload,); infinite where nothing is asked for."""
        if view.last_market is not None:
            return residual_supply_index(view.last_market, view.name, committed(view))
        asked = view.history.demand[-1].sum(axis=0)
        shown = np.zeros_like(asked) if self.shown is None else self.shown
        return _ratio(shown, asked)

    def learn(self, receipt: Receipt) -> None:
        """Remember what service was worth where some was lost, and what rivals have been seen to serve."""
        assert self.ceiling is not None, "a receipt follows an offer"
        public = receipt.history
        others = (public.demand[-1] - public.unserved[-1]).sum(axis=0) - receipt.dispatch.sum(axis=0)
        self.shown = others if self.shown is None else np.maximum(self.shown, others)
        lost = public.unserved[-1] > LOST * public.demand[-1]
        price = np.where(lost[self.site], receipt.price, np.inf)
        self.ceiling = np.minimum(self.ceiling, price)


LOST = 1e-6
"""Share of demand from which on it counts as lost rather than as the solver's rounding."""


def committed(view: View) -> Floats | None:
    """Return what the provider has sold forward of each class, net, in Mtok/s, dims (workload,); None without any."""
    return None if view.contracts is None else np.maximum(view.contracts.quantity.sum(axis=0), 0.0)


def residual_supply_index(market: Market, provider: str, sold: Floats | None = None) -> Floats:
    """Return the residual supply index of offered capacity: what all others offered, over what was asked for.

    Parameters
    ----------
    market : Market
        A market as submitted.
    provider : str
        Without whom.
    sold : ndarray, optional
        What it has sold forward of each class in Mtok/s, dims (workload,): it counts as the others' supply, up to what
        the provider offered.

    Returns
    -------
    ndarray
        Dims (workload,); infinite where nothing was asked for. Where power is shared, one number for all classes.
    """
    arrays = market.arrays
    demand = arrays.demand.sum(axis=(0, 2))
    by: By = "class" if arrays.power_limit is None else "power"
    own = np.array([name == provider for name in market.layout.provider], dtype=np.int64)
    offered = arrays.capacity.sum(axis=2)
    found = residual_supply(
        by, demand, offered, own, 2, power_use=arrays.power_use, power_limit=arrays.power_limit
    )  # fmt: skip
    index = np.broadcast_to(found.index[1], demand.shape)
    if sold is None:
        return index
    here = offered[own == 1].sum(axis=0)
    held = np.minimum(sold, here)
    if (
        arrays.power_use is not None and by == "power"
    ):  # in power: what it has sold, at the mean use of its offers
        use = (arrays.power_use * offered)[own == 1].sum(axis=0)
        drawn = np.divide(held * use, here, out=np.zeros_like(here), where=here > 0).sum()
        held = np.full_like(here, min(float(drawn), float(found.supply[1])))
    asked = np.broadcast_to(found.demand, demand.shape)
    more = np.divide(held, asked, out=np.zeros_like(held), where=asked > 0)
    counted: Floats = index + more
    return counted


def _ratio(supply: Floats, demand: Floats) -> Floats:
    """Return supply over demand, infinite where nothing is asked for."""
    ratio = np.full_like(demand, np.inf)
    np.divide(supply, demand, out=ratio, where=demand > 0)
    return ratio
