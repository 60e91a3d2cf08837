"""Physical withholding: keep the dearest capacity from the market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.actions import marked_up, one_plus_markup, within
from tokenflow_sim.strategies.base import Offer, Strategy, View


class CapacityWithholding(Strategy):
    """Keep a share of capacity from the market, the dearest sites first, and offer the rest at cost.

    Parameters
    ----------
    share : float
        Share of capacity that is kept back, from 0 to 1.
    above : float
        Keep it back only for classes whose last price was at least this many times cost; 0 does so always.
    markup : float
        Mark-up on what is offered, as a share of cost.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    For each class k with own capacity C_k over all assets, the assets are put in the order of cost, and the
    quantity offered is filled from the cheapest until (1 - share) C_k is reached; the asset where that happens
    offers a part. What is kept back would have earned least, so a given share is kept back at the least loss. What
    was sold forward, net, is never kept back, since nothing is gained on it.
    It pays where the price rises by more, on what is left, than is lost: where demand is close to all capacity, and
    the provider large.

    `above` looks at the mean of last price over cost at the provider's assets with capacity. In the first period,
    when there is no price, nothing is kept back unless `above` is 0.

    Where classes share an asset's power, the quantity of each class is limited, not power as such: an asset that is
    kept back wholly serves nothing, one that offers a part can still use all of its power on a mix of classes.

    Where cost is negative, the mark-up asks ``cost + markup |cost|``, and a price counts as `above` times cost
    where it is ``cost + (above - 1) |cost|``.

    References
    ----------
    P. L. Joskow and E. Kahn, "A Quantitative Analysis of Pricing Behavior in California's Wholesale Electricity
    Market During Summer 2000", The Energy Journal 23 (2002) 1-35: physical withholding, and why it pays.
    """

    def __init__(self, share: float = 0.1, above: float = 0.0, markup: float = 0.0) -> None:
        self.share = within("share", share, 0.0, 1.0)
        self.above = within("above", above, 0.0)
        self.markup = within("markup", markup, 0.0)

    def offer(self, view: View) -> Offer:
        """Offer the cheapest capacity."""
        share = np.full(len(view.workloads), self.share)
        if view.contracts is not None:
            exists = view.capacity.sum(axis=0)
            sold = np.divide(
                view.contracts.quantity.sum(axis=0), exists, out=np.zeros_like(exists), where=exists > 0
            )
            share = np.minimum(share, np.clip(1.0 - sold, 0.0, 1.0))
        quantity = np.where(self._pays(view), keep_cheapest(view.cost, view.capacity, share), view.capacity)
        return Offer(marked_up(view.cost, self.markup), quantity)

    def _pays(self, view: View) -> NDArray[np.bool_]:
        """Say for each class whether the last price was high enough."""
        if self.above == 0.0:
            return np.ones(len(view.workloads), dtype=bool)
        if view.last_price is None:
            return np.zeros(len(view.workloads), dtype=bool)
        there = (view.capacity > 0) & (view.cost != 0)
        ratio = one_plus_markup(view.last_price, view.cost, there)
        high: NDArray[np.bool_] = ratio.sum(axis=0) >= self.above * np.maximum(there.sum(axis=0), 1)
        return high


def keep_cheapest(cost: Floats, capacity: Floats, share: float | Floats) -> Floats:
    """Return the capacity in Mtok/s that is left when a share of each class's is kept back, dearest assets first.

    Parameters
    ----------
    cost, capacity : ndarray
        In $/Mtok and Mtok/s, dims (asset, workload).
    share : float or ndarray
        One for all classes, or one for each, dims (workload,).
    """
    order = np.argsort(cost, axis=0, kind="stable")
    ordered = np.take_along_axis(capacity, order, axis=0)
    cheaper = np.cumsum(ordered, axis=0) - ordered
    left = np.clip((1.0 - share) * ordered.sum(axis=0) - cheaper, 0.0, ordered)
    offered = np.empty_like(capacity)
    np.put_along_axis(offered, order, left, axis=0)
    return offered
