"""Pay as bid: each is paid what it asked for, and what a price would have paid on top goes back to demand."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.money import Money
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.values import Values, link_loads
from tokenflow_sim.numeric import Floats, Ints


class PayAsBid:
    """Assets are paid their offers block by block, links what their owners ask; rents go back to demand.

    Notes
    -----
    With dispatch x at offers p, flow f at route cost c, load l of a link of use u and curvature kappa,

        asset: sum_b p_b x_b,    link: (c + kappa l u / 2) f,

    of which the last is the cost of curvature in the objective. What a price pays beyond that, scarcity and congestion
    rents, is taken off the payments of the class that it stands in, the same amount for each Mtok served: at one node
    all pay the mean of the offers taken. Nobody pays more than the price, and hence than the own bid, and the operator
    keeps nothing. What payees of further limits, generators and reserve get stays at its price.

    References
    ----------
    A. E. Kahn, P. C. Cramton, R. H. Porter and R. D. Tabors, "Uniform Pricing or Pay-as-Bid Pricing: A Dilemma for
    California and Beyond", The Electricity Journal 14(6) (2001) 70-79: sellers are paid their bids, and buyers pay the
    mean of these. G. Federico and D. Rahman, "Bidding in an Electricity Pay-as-Bid Auction", Journal of Regulatory
    Economics 24 (2003) 175-211. That what an operator collects beyond what it pays goes back by quantity is how PJM
    allocates its surplus from marginal losses.
    """

    def faults(self, layout: Layout, arrays: Arrays) -> list[str]:
        """Return why a market cannot be settled so: never."""
        return []

    def money(
        self,
        layout: Layout,
        arrays: Arrays,
        values: Values,
        at_price: Money,
        pricing: Pricing,
        own: Ints | None,
    ) -> Money:
        """Return who pays and is paid how much."""
        revenue = offered_cost(arrays, values)
        if at_price.reserve_payment is not None:
            revenue = revenue + at_price.reserve_payment
        income = asked_by_links(arrays, values)
        each = layout.by_market
        rents = each(at_price.revenue - revenue).sum(axis=1) + each(at_price.link_income - income).sum(axis=1)
        served = each((arrays.demand - values.unserved).sum(axis=2))
        total = served.sum(axis=1)
        back = np.divide(rents, total, out=np.zeros_like(rents), where=total > 0)
        return Money(
            payment=at_price.payment - (back[:, None] * served).reshape(at_price.payment.shape),
            revenue=revenue,
            link_income=income,
            limit_income=at_price.limit_income,
            activity_income=at_price.activity_income,
            reserve_payment=at_price.reserve_payment,
        )


def offered_cost(arrays: Arrays, values: Values) -> Floats:
    """Return what was asked for what is served, in $/s, dims (asset, workload)."""
    offered = arrays.offer_price * values.dispatch
    if arrays.offer_slope is not None:  # each unit at its own price
        offered = offered + 0.5 * arrays.offer_slope * values.dispatch * values.dispatch
    asked: Floats = offered.sum(axis=2)
    return asked


def asked_by_links(arrays: Arrays, values: Values) -> Floats:
    """Return route cost, and cost of curvature shared by load, in $/s, dims (arc, workload)."""
    asked = arrays.route_cost * values.flow
    if arrays.link_curvature.any():
        load = link_loads(arrays, values.flow)
        asked = asked + 0.5 * (arrays.link_curvature * load)[:, None] * arrays.link_use * values.flow
    return asked
