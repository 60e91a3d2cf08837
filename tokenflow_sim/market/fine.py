"""The certificate of a market whose numbers lie far apart: each residual beside what it is about.

Beside the whole market's size, a class or a node of a thousand-millionth of it could be served wrongly, or priced at
anything, without a residual that shows. So every balance is measured by its own node and class, every price by its own
class, every limit by itself.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats

# From these ratios of the largest to the smallest quantity, and price, on.
SPAN, PRICE_SPAN = 1e4, 1e7
_PRICES = ("offer_price", "value")
# Beside the whole market this is rounding, and no measure of anything.
_FLOOR = 1e-8


def spans(arrays: Arrays) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest number of the arrays whose numbers lie far apart, by name."""
    found = {}
    for name in ("demand", "capacity", "link_capacity", "power_limit", "offer_price", "value"):
        values = getattr(arrays, name)
        if values is None or not values.size:
            continue
        if name == "offer_price":
            values = np.abs(values)
        low = float(np.minimum.reduce(values, axis=None, initial=np.inf, where=values > 0))
        high = float(np.maximum.reduce(values, axis=None, initial=0.0, where=values < np.inf))
        if high > (PRICE_SPAN if name in _PRICES else SPAN) * low:
            found[name] = (low, high)
    return found


def may_span(limits: Floats, demand: Floats, offers: Floats, size: float, level: float) -> bool:
    """Whether `spans` has to be asked, which takes longer: some number is far below the market's size."""
    low = np.minimum.reduce(limits, initial=np.inf, where=limits > 0)
    low = min(low, np.minimum.reduce(demand, axis=None, initial=np.inf, where=demand > 0))
    sizes = np.abs(offers)
    least = np.minimum.reduce(sizes, axis=None, initial=np.inf, where=sizes > 0)
    return bool(low * SPAN < size or least * PRICE_SPAN < level)


@np.errstate(invalid="ignore", over="ignore")
def fine_residuals(layout: Layout, arrays: Arrays, values: Values) -> tuple[float, float, float]:
    """Return the largest primal, dual and complementarity residual, each relative to its own row or column.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        The clearing.
    """
    price, flow = values.price, values.flow
    demand = total(arrays.demand)
    passing, leaving, made = demand.copy(), np.zeros(price.shape), np.zeros(price.shape)
    np.add.at(passing, layout.destination, flow)
    np.add.at(leaving, layout.origin, flow)
    np.add.at(made, layout.asset_node, total(values.dispatch))
    size = np.maximum(passing, _FLOOR * (float(passing.max(initial=0.0)) or 1.0))
    # Where nothing comes and goes, no larger number leaves its rounding behind.
    size = np.where((demand > 0) & (passing == demand) & (leaving == 0), demand, size)
    primal = _most(np.abs(made + leaving + total(values.unserved) - passing) / size)
    by_class = (
        np.abs(price).max(axis=0, initial=0.0),
        np.abs(arrays.offer_price).max(axis=(0, 2), initial=0.0),
    )
    level = np.maximum(*by_class)
    level = np.maximum(level, _FLOOR * (float(level.max(initial=0.0)) or 1.0))
    margin = arrays.offer_price + values.scarcity_rent - price[layout.asset_node][:, :, None]
    route = arrays.route_cost + price[layout.destination] - price[layout.origin]
    for limit in arrays.every_limit:
        for term in limit.terms:
            if term.on == "flow":
                route = route + term.charge(values.rents[limit.rent])
            else:
                margin = margin + term.charge(values.rents[limit.rent])[:, :, None]
    route = np.where(arrays.allowed, route, 0.0) / level
    margin = margin / level[:, None]
    endless = arrays.value == np.inf
    worth = (np.where(endless, 0.0, arrays.value) - price[:, :, None]) / level[:, None]
    kept = np.divide(
        arrays.capacity - values.dispatch,
        arrays.capacity,
        out=np.zeros(margin.shape),
        where=arrays.capacity > 0,
    )
    going = np.divide(
        arrays.demand - values.unserved, arrays.demand, out=np.zeros(worth.shape), where=arrays.demand > 0
    )
    lost = np.divide(values.unserved, arrays.demand, out=np.zeros(worth.shape), where=arrays.demand > 0)
    products = (
        margin * values.dispatch / size[layout.asset_node][:, :, None],
        values.scarcity_rent / level[:, None] * kept,
        route * flow / size[layout.origin],
        # What is unserved is worth no more than its price, what is served no less.
        np.where(endless, 0.0, np.maximum(worth, 0.0) * lost),
        np.where(endless, 0.0, np.maximum(-worth, 0.0) * going),
    )
    dual = max(_most(-margin), _most(-route))
    return primal, dual, max(_most(np.abs(product)) for product in products)


def _most(values: Floats) -> float:
    most = float(values.max(initial=0.0))
    return most if np.isfinite(most) else float("inf")
