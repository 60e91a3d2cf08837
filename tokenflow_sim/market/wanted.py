"""How much of demand was wanted at the price: of demand that falls along a line, what was served."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.numeric import Floats


def wanted(arrays: Arrays, unserved: Floats) -> tuple[Floats, Floats]:
    """Return demand that was wanted at the price, and what of it was not served, dims (node, workload, step) each.

    Parameters
    ----------
    arrays : Arrays
        The market's numbers.
    unserved : ndarray
        What of the demand that was bid was not served in Mtok/s, dims (node, workload, step).

    Notes
    -----
    Demand with a slope is bid up to the end of its line, where it is worth least. Beyond what is served nobody would
    have paid the price, so that nothing of it is missed.
    """
    if arrays.value_slope is None:
        return arrays.demand, unserved
    falls = arrays.value_slope > 0
    return np.where(falls, arrays.demand - unserved, arrays.demand), np.where(falls, 0.0, unserved)
