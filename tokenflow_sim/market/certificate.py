"""The optimality certificate of a clearing: how far its numbers are from the conditions that prove it optimal.

It is computed from the published arrays and the market's own, not from the solver's word: equations (3)-(6) of
the paper and their extensions to partial service, shared power, curvature and slopes.

Beside the whole market's size, a class or a node of a thousand-millionth of it could be served wrongly, or priced at
anything, without a residual that shows. So where numbers lie far apart, every balance is measured by its own node and
class, every price by its own class, every limit separately as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.further import Further
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import LINK, Supply
from tokenflow_sim.market.values import Values, dot
from tokenflow_sim.numeric import ZERO, Floats, quickly

CERTIFIED = 1e-7
"""The largest residual with which a clearing is published."""
# From these ratios of the largest to the smallest quantity, and price, on.
SPAN, PRICE_SPAN = 1e4, 1e7
_PRICES = ("offer_price", "value")
# Beside the whole market this is rounding, and no measure of anything.
_FLOOR = 1e-8
_WHOLE = np.dtype(np.uint64)
_ONE = np.ones((), _WHOLE)
_NONE: tuple[tuple[Floats, ...], ...] = ((),) * 5


@dataclass(frozen=True)
class Certificate:
    """Largest residuals of a clearing, each relative to the market's own size.

    Where the market's numbers lie further apart than 1e4, each is also taken relative to its own node and class, its
    own class's prices, its own limit (`fine_residuals`), and the larger counts.

    Parameters
    ----------
    primal : float
        Violation of balances, limits and bounds, relative to the market's largest quantity.
    dual : float
        Violation of dual feasibility, relative to the largest price or offer.
    complementarity : float
        Largest product of a slack and its dual, relative to the total cost, or to the largest quantity at the
        largest price where that is more.
    gap : float
        Difference between primal and dual objective, relative to the same.
    """

    primal: float
    dual: float
    complementarity: float
    gap: float

    @property
    def worst(self) -> float:
        """The largest of the four."""
        return max(self.primal, self.dual, self.complementarity, self.gap)

    def __str__(self) -> str:
        """List the residuals."""
        return (
            f"primal {self.primal:.2e}, dual {self.dual:.2e}, "
            f"complementarity {self.complementarity:.2e}, gap {self.gap:.2e}"
        )


@np.errstate(invalid="ignore", over="ignore")  # what is infinite becomes an infinite residual, not a warning
def certify(layout: Layout, arrays: Arrays, values: Values) -> Certificate:
    """Compute the certificate of a clearing.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        The clearing.

    Returns
    -------
    Certificate
        Not-a-number anywhere in the clearing shows as an infinite residual.
    """
    price, flow, dispatch, unserved = values.price, values.flow, values.dispatch, values.unserved
    # With slopes, the conditions are those of the prices and values of the next unit; the gap has their squares.
    curved = arrays.slope_cost(dispatch, unserved)
    arrays = arrays.at_margin(dispatch, unserved)
    scarcity = values.scarcity_rent
    cells, offers, demand = layout.cells, layout.cells.asset.size, total(arrays.demand)
    # What must be served has no value, and none of it may be shed.
    worth, shed = arrays.worth, arrays.sheddable
    # Balance (1b), (10b), and what flows where it may not.
    made, moved, sold = total(dispatch).ravel(), flow.ravel(), dispatch.ravel()
    astray = np.bincount(cells.every, np.concatenate((made, moved, -moved)), demand.size)
    # Of no cells at all, bincount makes whole numbers.
    astray = astray + (total(unserved) - demand).ravel()
    forbidden = None
    if np.count_nonzero(arrays.allowed) < flow.size:
        forbidden = ~arrays.allowed
        astray = np.concatenate((astray, flow[forbidden]))
    # Dual feasibility (5): every offer and every route at the prices of its ends.
    there = price.ravel().take(cells.every)
    margin = arrays.offer_price + scarcity - there[:offers].reshape(-1, price.shape[1], 1)
    between = (there[offers + flow.size :] - there[offers : offers + flow.size]).reshape(flow.shape)
    quantities = values.quantities
    load = arrays.links.used(quantities)
    curves = arrays.is_curved
    if curves:
        curved += 0.5 * dot(arrays.link_curvature, load * load)
    # Residuals are relative to the market's own size, whatever its units; to one where all is zero.
    size = max(_top(demand), _top(dispatch), _top(flow), _top(load)) or 1.0
    offered = np.abs(arrays.offer_price)
    level = max(_size(price), _top(offered)) or 1.0
    money = max(abs(values.cost), size * level)
    # Every limit: what it charges, what there is of it, and what is used of that.
    route, free_rent = arrays.route_cost, 0.0
    held: list[tuple[Floats, Floats, Floats]] = []
    bought: list[tuple[Floats, ...]] = []
    charges = {"dispatch": margin, "flow": route, "unserved": worth}
    charges |= {one.name: one.price for one in arrays.activities}
    further = Further(arrays, quantities, money)
    for limit in arrays.every_limit:
        rent = values.rents[limit.rent]
        limit.add_charges(rent, charges)
        is_link, most = limit.name == LINK, limit.capacity
        used = load if is_link else limit.used(quantities)
        if limit.equality:
            further.add_equality(limit, rent, used)
            continue
        if is_link and curves:
            rent = rent - arrays.link_curvature * load
        if limit.supply is not None:
            supply = values.supplied[limit.name]
            used = used - supply.sum(axis=1)
            bought.append(_bought(limit.supply, supply, rent))
            free_rent = max(free_rent, _top(bought[-1][3][limit.supply.quantity.ravel() == np.inf]))
        # An endless limit has no rent; its slack would be infinite in every sum.
        if _top(most) == np.inf:
            endless = most == np.inf
            free_rent = max(free_rent, _top(rent[endless]))
            most, used = np.where(endless, 0.0, most), np.where(endless, 0.0, used)
        held.append((most, used, rent))
    margin, route = charges["dispatch"], charges["flow"]
    if charges["unserved"] is not worth:  # some limit charges what is unserved
        worth = charges["unserved"]
        if arrays.must_serve is not None:
            worth = np.where(arrays.must_serve, 0.0, worth)
    for one in arrays.activities:
        further.add_activity(one, charges[one.name], values.done[one.name])
    route = route + between
    if forbidden is not None:
        route[forbidden] = 0.0
    (room, strain, eta), *others = held
    ceilings, drawn, powers = zip(*others, strict=True) if others else _NONE[:3]
    more, full, some, left, costs = zip(*bought, strict=True) if bought else _NONE
    # Demand whose price lies above its value is shed whole; the difference is the rent of that bound.
    gain = price[:, :, None] - worth
    above = np.maximum(gain, ZERO)
    # Every quantity beside what a unit of it costs, every slack beside its rent: none is negative, and the products
    # are zero (3)-(6).
    lost = unserved.ravel()
    limits = np.concatenate((arrays.capacity.ravel(), room, shed.ravel(), *ceilings, *more))
    slack = limits - np.concatenate((sold, strain, lost, *drawn, *full))
    amounts = np.concatenate((sold, moved, lost, *some, slack))
    rents = np.concatenate((scarcity.ravel(), eta, above.ravel(), *powers, *left))
    margins = np.concatenate((margin.ravel(), route.ravel(), (above - gain).ravel(), *costs, rents))
    products = margins * amounts
    dual_cost = dot(price, demand) - dot(rents, limits) - curved + further.dual_cost
    own = (0.0, 0.0, 0.0)
    # Where all demand may be shed, in one step, it is among the limits.
    apart = () if shed is arrays.demand and demand.size == shed.size else (demand,)
    if may_span((limits, *apart), offered, size, level) and spans(arrays):
        own = fine_residuals(layout, arrays, values)
    return quickly(
        Certificate,
        primal=max(
            _finite_or_inf(_size(astray) / size), _finite_or_inf(_low(amounts) / size), further.primal, own[0]
        ),
        dual=max(
            _finite_or_inf(_low(margins) / level), _finite_or_inf(free_rent / level), further.dual, own[1]
        ),
        complementarity=max(
            _finite_or_inf(max(_size(products), further.product) / money), further.fine, own[2]
        ),
        gap=_finite_or_inf(abs(values.cost - dual_cost) / money),
    )


def _bought(supply: Supply, some: Floats, rent: Floats) -> tuple[Floats, ...]:
    """Return, flat over all steps, what can be had, what was (twice), the rent of a full step, and its net cost."""
    endless = supply.quantity == np.inf
    left = np.maximum(rent[:, None] - supply.price, 0.0)
    more, full = np.where(endless, 0.0, supply.quantity), np.where(endless, 0.0, some)
    return (
        more.ravel(),
        full.ravel(),
        some.ravel(),
        left.ravel(),
        (supply.price + left - rent[:, None]).ravel(),
    )


# Where a number is, and then what it is, is found in half the time that a reduction takes. The first not-a-number
# counts as the largest, and as the least.
def _top(values: Floats) -> float:
    """Return the largest number, at least zero; not-a-number if there is one."""
    if not values.size:
        return 0.0
    top: float = values.item(values.argmax())
    return 0.0 if top < 0.0 else top


def _low(values: Floats) -> float:
    """Return the least number, at most zero; not-a-number if there is one."""
    if not values.size:
        return 0.0
    low: float = values.item(values.argmin())
    return 0.0 if low > 0.0 else low


def _size(values: Floats) -> float:
    """Return the largest number, whatever its sign; not-a-number if there is one, as the others do."""
    return _top(np.abs(values))


def _finite_or_inf(residual: float) -> float:
    return float(abs(residual)) if math.isfinite(residual) else float("inf")


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
    for one in arrays.activities:
        reach = np.maximum(np.where(one.most < np.inf, np.abs(one.most), 0.0), np.abs(one.lowest))
        low = float(np.minimum.reduce(reach, axis=None, initial=np.inf, where=reach > 0))
        high = float(np.maximum.reduce(reach, axis=None, initial=0.0))
        if high > SPAN * low:
            found[one.name] = (low, high)
    return found


def may_span(quantities: Sequence[Floats], offers: Floats, size: float, level: float) -> bool:
    """Whether `spans` has to be asked, which takes longer: some number is far below the market's size."""
    low = min(map(_least_positive, quantities))
    return low * SPAN < size or _least_positive(offers) * PRICE_SPAN < level


def _least_positive(values: Floats) -> float:
    """Return the least positive number, infinite without any."""
    if not values.size:
        return np.inf
    least: float = values.item(values.argmin())
    if least > 0.0:
        return least
    # The bits of positive numbers, read as integers, stand in their order, and those of others stand after them once
    # zero's have been wrapped round.
    bits = np.ascontiguousarray(values).view(_WHOLE)
    least = values.item((bits - _ONE).argmin())
    return least if least > 0.0 else np.inf


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
    endless = arrays.value == np.inf
    charges = {"dispatch": margin, "flow": route, "unserved": np.where(endless, 0.0, arrays.value)}
    for limit in arrays.every_limit:
        limit.add_charges(values.rents[limit.rent], charges)
    route = np.where(arrays.allowed, charges["flow"], 0.0) / level
    margin = charges["dispatch"] / level[:, None]
    worth = (np.where(endless, 0.0, charges["unserved"]) - price[:, :, None]) / level[:, None]
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
