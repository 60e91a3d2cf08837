"""Optimality conditions of a clearing, written out from the equations, on plain arrays.

Each function returns the largest violation, relative to the size of the numbers it compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenflow_sim.market.market import Market


def _worst(*violations: Any) -> float:
    return max((float(np.max(v)) for v in violations if np.size(v)), default=0.0)


def net_supply(market: Market, values: Any) -> Any:
    """Return flow out less flow in, plus processing, plus unserved: the left side of (1b), (node, workload)."""
    lay = market.layout
    total = values.unserved.sum(axis=2)
    np.add.at(total, lay.asset_node, values.dispatch.sum(axis=2))
    np.add.at(total, lay.origin, values.flow)
    np.add.at(total, lay.destination, -values.flow)
    return total


def load(market: Market, values: Any) -> Any:
    """Return the load of every link, the left side of (1d) and (10d), (arc,)."""
    return (market.arrays.link_use * values.flow).sum(axis=1)


def power(market: Market, values: Any) -> Any:
    """Return the power drawn by every asset where it is shared, (asset,)."""
    return (market.arrays.power_use * values.dispatch.sum(axis=2)).sum(axis=1)


def primal_violation(market: Market, values: Any) -> float:
    a = market.arrays
    scale = max(1.0, float(a.demand.sum()))
    x, f, y = values.dispatch, values.flow, values.unserved
    must_serve = np.isinf(a.value)
    found = [
        np.abs(net_supply(market, values) - a.demand.sum(axis=2)),
        -x, x - a.capacity, -f, f[~a.allowed], -y, y - a.demand, y[must_serve],
        load(market, values) - a.link_capacity,
    ]  # fmt: skip
    if a.power_limit is not None:
        found.append(power(market, values) - a.power_limit)
    return _worst(*found) / scale


def marginal(market: Market, values: Any) -> tuple[Any, Any]:
    """Return what the next unit of each offer costs, and what the next unit of demand is worth."""
    a = market.arrays
    price, value = a.offer_price, a.value
    if a.offer_slope is not None:
        price = price + a.offer_slope * values.dispatch
    if a.value_slope is not None:
        value = value - a.value_slope * (a.demand - values.unserved)
    return price, value


def reduced_costs(market: Market, values: Any) -> tuple[Any, Any, Any]:
    """Return (4), (3) and the shedding condition as left side - right side; at an optimum none is negative.

    The scarcity rent stands in the first, the congestion rent (eta + kappa load) in the second. The third is
    value - price (node, workload, step), which may be negative where the step is wholly unserved.
    """
    a, lay = market.arrays, market.layout
    price, value = marginal(market, values)
    own = values.price[lay.asset_node][:, :, None]
    charge = np.zeros(a.capacity.shape[:2])
    if a.power_use is not None:
        charge = a.power_use * values.power_rent[:, None]
    dispatch = price + values.scarcity_rent + charge[:, :, None] - own
    carried = a.route_cost + a.link_use * values.congestion_rent[:, None]
    flow = carried - values.price[lay.origin] + values.price[lay.destination]
    return dispatch, flow, value - values.price[:, :, None]


def dual_violation(market: Market, values: Any) -> float:
    a = market.arrays
    scale = max(1.0, float(np.abs(values.price).max()))
    dispatch, flow, shed = reduced_costs(market, values)
    below = values.unserved < a.demand - 1e-9 * np.maximum(1.0, a.demand)
    own_charge = values.congestion_rent - a.link_curvature * load(market, values)
    signs = (-values.scarcity_rent, -values.power_rent, -own_charge)
    return _worst(*signs, -dispatch, -flow[a.allowed], -shed[below]) / scale


def complementarity_violation(market: Market, values: Any) -> float:
    """Return the largest product of a quantity and its slack condition, relative to money turned over."""
    a = market.arrays
    dispatch, flow, shed = reduced_costs(market, values)
    finite = np.isfinite(a.value)
    spare = a.link_capacity - load(market, values)
    eta = values.congestion_rent - a.link_curvature * load(market, values)
    limited = np.isfinite(spare)
    found = [
        np.abs(dispatch * values.dispatch),
        np.abs(values.scarcity_rent * (a.capacity - values.dispatch)),
        np.abs((flow * values.flow)[a.allowed]),
        np.abs(eta * np.where(limited, spare, 1.0)),
        # Partly shed: price is the value. Wholly shed: price may lie above it, never below.
        np.maximum(-shed[finite] * (a.demand - values.unserved)[finite], 0.0),
        np.maximum(shed[finite] * values.unserved[finite], 0.0),
    ]
    if a.power_limit is not None:
        slack = a.power_limit - power(market, values)
        found.append(np.abs(values.power_rent * np.where(np.isfinite(slack), slack, 1.0)))
    turnover = max(1.0, float(np.abs(values.price).max()) * max(1.0, float(a.demand.sum())))
    return _worst(*found) / turnover


def cost(market: Market, values: Any) -> float:
    """Return (1a) or (10a), with the charge of curved links, in $/s."""
    a = market.arrays
    value = np.where(np.isinf(a.value), 0.0, a.value)
    price, value = a.offer_price, np.broadcast_to(value, a.demand.shape)
    if a.offer_slope is not None:
        price = price + a.offer_slope * values.dispatch / 2
    if a.value_slope is not None:  # the mean of what the last and the first unit lost are worth
        value = value - a.value_slope * (a.demand - values.unserved / 2)
    total = (price * values.dispatch).sum() + (a.route_cost * values.flow).sum()
    return float(
        total + (value * values.unserved).sum() + (a.link_curvature / 2 * load(market, values) ** 2).sum()
    )
