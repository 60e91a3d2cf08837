"""How much reserve is missing where demand that must be served leaves too little capacity free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.limits import SharedCapacity, Supply
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.reserve import RESERVE

_ROUNDING = 1e-9


def reserve_note(market: Market, clear: Callable[[Market], Clearing]) -> str:
    """Say how much of which reserve is missing at least; an empty text where it is not reserve that is missing.

    Parameters
    ----------
    market : Market
        A market that cannot be cleared.
    clear : callable
        Clears another market.
    """
    limits = market.arrays.limits
    if all(limit.name != RESERVE for limit in limits):
        return ""
    # Whatever else costs nothing: what is missing is as little as can be.
    arrays = market.arrays.with_(
        offer_price=np.zeros_like(market.arrays.offer_price),
        route_cost=np.zeros_like(market.arrays.route_cost),
        value=np.where(np.isinf(market.arrays.value), np.inf, 0.0),
        link_curvature=np.zeros_like(market.arrays.link_curvature),
        offer_slope=None,
        value_slope=None,
        limits=tuple(_open(limit) for limit in limits),
    )
    try:
        cleared = clear(Market.from_arrays(market.layout, arrays, market.hours, check=False))
    except InfeasibleError:
        return ""
    texts = []
    for limit in limits:
        if limit.name == RESERVE:
            unit = "MW" if limit.rent_unit.endswith("MW") else "Mtok/s"
            missing = cleared.values.supplied[RESERVE].sum(axis=1)
            texts += [
                f"reserve {label} lacks {amount:.6g} {unit} at least"
                for label, amount in zip(limit.labels, missing, strict=True)
                if amount > _ROUNDING * limit.capacity.sum()
            ]
    return f"All of it could be served without reserve: {'; '.join(texts)}." if texts else ""


def _open(limit: SharedCapacity) -> SharedCapacity:
    """Return a limit beyond which anything can be had, for one each where it is reserve and for nothing elsewhere."""
    if limit.name == RESERVE:
        return replace(limit, supply=Supply(np.ones((limit.size, 1)), np.full((limit.size, 1), np.inf)))
    if limit.supply is None:
        return limit
    return replace(limit, supply=Supply(np.zeros_like(limit.supply.price), limit.supply.quantity))
