"""What of a price goes to the payees of limits, and so not to the asset that serves."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints

_ROUNDING = 1e-12


def earned_price(arrays: Arrays, values: Values, node: Ints, rows: Ints | slice = slice(None)) -> Floats:
    """Return what assets keep of a price: the price less what it pays to the payees of limits.

    With a power grid in the program, that is the price less the power in it: what compares with offers. What is no
    more than the rounding of the two is zero.

    Parameters
    ----------
    arrays : Arrays
        The market's numbers.
    values : Values
        The clearing's.
    node : ndarray of int
        Where the assets stand, dims (asset,).
    rows : ndarray of int or slice
        Which of the market's assets they are; all by default.

    Returns
    -------
    ndarray
        In $/Mtok, dims (asset, workload).
    """
    price = values.service_price[node]
    charges: Floats | None = None
    for limit in arrays.limits:
        if limit.paid_to is not None:
            for term in limit.terms:
                if term.on == "dispatch":
                    charge = term.charge(values.rents[limit.rent])
                    charges = charge if charges is None else charges + charge
    if charges is None or not charges.any():
        return price
    earned = price - charges[rows]
    return np.where(np.abs(earned) <= _ROUNDING * np.abs(price), 0.0, earned)
