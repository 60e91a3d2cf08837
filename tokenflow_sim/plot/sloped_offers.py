"""Offers of one period for a class as figures draw them: what rises along a line in steps."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.registry import Results

# Steps of a line: more are finer than print.
_STEPS = 24


def offers_of(results: Results, workload: int) -> tuple[Floats, Floats, Floats]:
    """Return the offers of the first period for a class.

    Parameters
    ----------
    results : Results
        With `offer_price`, `offer_quantity`, `dispatch`, and `offer_slope` where offers rise along lines.
    workload : int
        Position of the class.

    Returns
    -------
    price, quantity, used : ndarray
        In $/Mtok and Mtok/s, dims (asset, block); a line is as many blocks of equal quantity, each at its mean price.
    """
    names = ("offer_price", "offer_quantity", "dispatch")
    price, quantity, used = (np.atleast_3d(results.raw(name).values[0])[:, workload] for name in names)
    if "offer_slope" not in results.ds:
        return price, quantity, used
    slope = np.atleast_3d(results.raw("offer_slope").values[0])[:, workload, :, None]
    step = quantity[:, :, None] / _STEPS
    start = step * np.arange(_STEPS)
    price = price[:, :, None] + slope * (start + 0.5 * step)
    used = np.clip(used[:, :, None] - start, 0.0, step)
    whole = (len(price), -1)
    return price.reshape(whole), np.broadcast_to(step, price.shape).reshape(whole), used.reshape(whole)
