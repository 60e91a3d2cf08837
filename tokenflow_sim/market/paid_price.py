"""What assets are paid for a unit of what they serve, whatever the pricing rule."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.earned_price import earned_price
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.pricing_rules import settle_values
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints


def paid_price(layout: Layout, arrays: Arrays, values: Values, rows: Ints) -> Floats:
    """Return what some assets are paid on average for what they serve, less what payees of limits get of it.

    Parameters
    ----------
    layout : Layout
        Labels of the market.
    arrays : Arrays
        The market's numbers.
    values : Values
        The clearing's.
    rows : ndarray of int
        Which assets, all of one provider.

    Returns
    -------
    ndarray
        In $/Mtok, dims (asset, workload): the price at their nodes (`earned_price`), or, by another pricing rule,
        revenue over service where they serve.

    Raises
    ------
    InfeasibleError
        Under `vcg`, if demand that must be served cannot be without the provider.
    """
    price = earned_price(arrays, values, layout.asset_node[rows], rows)
    if arrays.pricing is None:
        return price
    money = settle_values(layout, arrays, values, own=rows)
    revenue = money.revenue if money.reserve_payment is None else money.revenue - money.reserve_payment
    served = values.dispatch[rows].sum(axis=2)
    return np.divide(revenue[rows], served, out=price.copy(), where=served > 0)
