"""What of a price goes to the payees of limits, and so not to the asset that serves."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats


def paid_charges(arrays: Arrays, values: Values) -> Floats:
    """Return what a unit of service pays to the payees of limits, in $/Mtok, dims (asset, workload).

    The price at its node less this is what an asset keeps: with a power grid in the program, the price less the power
    in it.

    Parameters
    ----------
    arrays : Arrays
        The market's numbers.
    values : Values
        The clearing's.
    """
    charges = np.zeros(values.dispatch.shape[:2])
    for limit in arrays.limits:
        if limit.paid_to is not None:
            for term in limit.terms:
                if term.on == "dispatch":
                    charges = charges + term.charge(values.rents[limit.rent])
    return charges
