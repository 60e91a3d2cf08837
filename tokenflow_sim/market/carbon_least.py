"""Caps on emissions that cannot be met where demand must be served: by how much, and the least that can be emitted.

The least is the optimum of the same market in which nothing costs anything but emitting beyond a cap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tokenflow_sim.errors import CarbonCapError, CertificateError, InfeasibleError
from tokenflow_sim.market.carbon import RENT, WINDOW_RENT
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.limits import Supply
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import SECONDS_PER_HOUR

# Relative to a cap: a smaller excess is the rounding of a solver.
_ROUNDING = 1e-9


def find_cap_error(market: Market, clear: Callable[[Market], Clearing]) -> CarbonCapError | None:
    """Return which caps an infeasible market cannot meet, and what it emits at least.

    Parameters
    ----------
    market : Market
        A market that cannot be cleared.
    clear : callable
        Clears another market.

    Returns
    -------
    CarbonCapError or None
        None where the market has no such cap, or could not be cleared without it either.
    """
    arrays = market.arrays
    capped = [limit for limit in arrays.limits if limit.rent in (RENT, WINDOW_RENT)]
    if not capped:
        return None
    one, endless = {}, {}
    for limit in capped:
        one[limit.name], endless[limit.name] = np.ones((limit.size, 1)), np.full((limit.size, 1), np.inf)
    limits = tuple(
        replace(limit, supply=Supply(one[limit.name], endless[limit.name]))
        if limit.name in one
        else limit
        if limit.supply is None
        else replace(limit, supply=Supply(np.zeros_like(limit.supply.price), limit.supply.quantity))
        for limit in arrays.limits
    )
    free = arrays.with_(
        offer_price=np.zeros_like(arrays.offer_price),
        route_cost=np.zeros_like(arrays.route_cost),
        value=np.where(arrays.value < np.inf, 0.0, np.inf),
        link_curvature=np.zeros_like(arrays.link_curvature),
        offer_slope=None,
        value_slope=None,
        limits=limits,
        activities=tuple(replace(each, price=np.zeros_like(each.price)) for each in arrays.activities),
    )
    relaxed = Market.from_arrays(market.layout, free, market.hours, check=False)
    try:
        supplied = clear(relaxed).values.supplied
    except (InfeasibleError, CertificateError):
        return None
    seconds = market.hours * SECONDS_PER_HOUR
    found: dict[str, tuple[float, float]] = {}
    for limit in capped:
        for name, cap, excess in zip(limit.labels, limit.capacity, supplied[limit.name][:, 0], strict=True):
            if excess > _ROUNDING * max(cap, excess):
                found[str(name)] = cap * seconds, (cap + excess) * seconds
    return CarbonCapError(found) if found else None
