"""The optimality certificate of a clearing: how far its numbers are from the conditions that prove it optimal.

It is computed from the published arrays and the market's own, not from the solver's word: equations (3)-(6) of
the paper and their extensions to partial service, shared power and curvature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.fine import fine_residuals, may_span, spans
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import LINK
from tokenflow_sim.market.shared_capacity import Supply
from tokenflow_sim.market.values import Values, dot
from tokenflow_sim.numeric import Floats

CERTIFIED = 1e-7
"""The largest residual with which a clearing is published."""
_NONE = [np.zeros(0)] * 5
_MOST, _LEAST = np.maximum.reduce, np.minimum.reduce


@dataclass(frozen=True)
class Certificate:
    """Largest residuals of a clearing, each relative to the market's own size.

    Where the market's numbers lie further apart than 1e4, each is also taken relative to its own node and class, its
    own class's prices, its own limit (`tokenflow_sim.market.fine`), and the larger counts.

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
    scarcity = values.scarcity_rent
    cells, offers, demand = layout.cells, layout.cells.asset.size, total(arrays.demand)
    worth, shed = arrays.value, arrays.demand
    must_serve = arrays.must_serve
    if must_serve is not None:  # what must be served has no value, and none of it may be shed
        worth, shed = np.where(must_serve, 0.0, worth), np.where(must_serve, 0.0, shed)
    # Balance (1b), (10b), and what flows where it may not.
    supplied = np.bincount(cells.every, _joined(total(dispatch), flow, -flow), demand.size)
    forbidden = ~arrays.allowed
    astray = _joined(supplied, flow[forbidden])
    astray[: demand.size] += (total(unserved) - demand).ravel()
    # Dual feasibility (5): every offer and every route at the prices of its ends.
    there = price.ravel().take(cells.every)
    margin = arrays.offer_price + scarcity - there[:offers].reshape(-1, price.shape[1], 1)
    between = (there[offers + flow.size :] - there[offers : offers + flow.size]).reshape(flow.shape)
    load = np.vecdot(arrays.link_use, flow)
    curves = arrays.link_curvature.any()
    curved = 0.5 * dot(arrays.link_curvature, load * load) if curves else 0.0
    # Every limit: what it charges, what there is of it, and what is used of that.
    route, free_rent = arrays.route_cost, 0.0
    held: list[tuple[Floats, Floats, Floats]] = []
    bought: list[tuple[Floats, ...]] = []
    for limit in arrays.every_limit:
        rent = values.rents[limit.rent]
        for term in limit.terms:
            if term.on == "flow":
                route = route + term.charge(rent)
            else:
                margin += term.charge(rent)[:, :, None]
        most, used = limit.capacity, limit.used(dispatch, flow)
        if limit.name == LINK and curves:
            rent = rent - arrays.link_curvature * load
        if limit.supply is not None:
            some = values.supplied[limit.name]
            used = used - some.sum(axis=1)
            bought.append(_bought(limit.supply, some, rent))
            free_rent = max(free_rent, _top(bought[-1][3][limit.supply.quantity.ravel() == np.inf]))
        if _MOST(most, initial=0.0) == np.inf:  # such a limit has no rent
            endless = most == np.inf
            free_rent = max(free_rent, _top(rent[endless]))
            most, used = np.where(endless, 0.0, most), np.where(endless, 0.0, used)
        held.append((most, used, rent))
    route = route + between
    route[forbidden] = 0.0
    (room, strain, eta), *others = held
    ceiling, drawn, power = _columns(others, 3) if others else _NONE[:3]
    more, full, some, left, cost = _columns(bought, 5) if bought else _NONE
    # The rent of demand that is shed whole, where its price lies above its value.
    gain = price[:, :, None] - worth
    above = np.maximum(gain, 0.0)
    # Every quantity beside what a unit of it costs, every slack beside its rent: none is negative, and the products
    # are zero (3)-(6).
    limits = _joined(arrays.capacity, room, shed, ceiling, more)
    used = _joined(dispatch, strain, unserved, drawn, full)
    quantities = _joined(dispatch, flow, unserved, some, limits - used)
    rents = _joined(scarcity, eta, above, power, left)
    margins = _joined(margin, route, above - gain, cost, rents)
    products = margins * quantities
    dual_cost = dot(price, demand) - dot(rents, limits) - curved
    # Relative to the market's own size, whatever its units; to one where all is zero.
    size = _top(_joined(demand, dispatch, flow, load)) or 1.0
    level = max(_size(price), _size(arrays.offer_price)) or 1.0
    money = max(abs(values.cost), size * level)
    own = (0.0, 0.0, 0.0)
    if may_span(limits, demand, arrays.offer_price, size, level) and spans(arrays):
        own = fine_residuals(layout, arrays, values)
    return Certificate(
        primal=max(_told(_size(astray) / size), _told(_low(quantities) / size), own[0]),
        dual=max(_told(_low(margins) / level), _told(free_rent / level), own[1]),
        complementarity=max(_told(_size(products) / money), own[2]),
        gap=_told(abs(values.cost - dual_cost) / money),
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


def _columns(rows: Sequence[tuple[Floats, ...]], count: int) -> list[Floats]:
    """Join the arrays at each place of several tuples."""
    return [_joined(*(row[place] for row in rows)) for place in range(count)]


def _joined(*arrays: Floats) -> Floats:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _top(values: Floats) -> float:
    top: float = _MOST(values, axis=None, initial=0.0)
    return top


def _low(values: Floats) -> float:
    low: float = _LEAST(values, axis=None, initial=0.0)
    return low


def _size(values: Floats) -> float:
    """Return the largest number, whatever its sign; not-a-number if there is one, as the others do."""
    return max(_top(values), -_low(values))


def _told(residual: float) -> float:
    return float(abs(residual)) if math.isfinite(residual) else float("inf")
