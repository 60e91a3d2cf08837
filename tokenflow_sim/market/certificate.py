"""The optimality certificate of a clearing: how far its numbers are from the conditions that prove it optimal.

It is computed from the published arrays and the market's own, not from the solver's word: equations (3)-(6) of
the paper and their extensions to partial service, shared power and curvature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, Floats
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.values import Values, dot, total

CERTIFIED = 1e-7
"""The largest residual with which a clearing is published."""
_MOST, _LEAST = np.maximum.reduce, np.minimum.reduce


@dataclass(frozen=True)
class Certificate:
    """Largest residuals of a clearing, each relative to the market's own size.

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
    cells, workloads = layout.cells, price.shape[1]
    demand, bids = total(arrays.demand), arrays.demand
    congestion, curvature, scarcity = values.congestion_rent, arrays.link_curvature, values.scarcity_rent
    worth, shed = arrays.value, bids
    must_serve = worth == np.inf
    if must_serve.any():  # what must be served has no value, and none of it may be shed
        worth, shed = np.where(must_serve, 0.0, worth), np.where(must_serve, 0.0, bids)
    # Balance (1b), (10b).
    net = (total(unserved) - demand).ravel()
    net += np.bincount(cells.asset, total(dispatch).ravel(), net.size)
    flat = flow.ravel()
    net += np.bincount(cells.origin, flat, net.size) - np.bincount(cells.destination, flat, net.size)
    load = (arrays.link_use * flow).sum(axis=1)
    link_slack = arrays.link_capacity - load
    free = arrays.capacity - dispatch
    left = shed - unserved
    astray = np.where(arrays.allowed, 0.0, -flow)
    primal = [link_slack, dispatch, free, flow, astray, unserved, left]
    # Dual feasibility and complementarity (5), (6).
    every = price.ravel()
    margin = arrays.offer_price + scarcity - every.take(cells.asset).reshape(-1, workloads, 1)
    eta = congestion - curvature * load
    on_arc = arrays.route_cost + congestion[:, None] * arrays.link_use
    on_arc += (every.take(cells.destination) - every.take(cells.origin)).reshape(on_arc.shape)
    on_arc = np.where(arrays.allowed, on_arc, 0.0)
    # The rent of demand that is shed whole, where its price lies above its value.
    gain = np.where(shed > 0, price[:, :, None] - worth, 0.0)
    above = np.maximum(gain, 0.0)
    in_hand = above - gain
    limit = arrays.link_capacity
    endless = limit == np.inf
    dual = [on_arc, eta, scarcity, values.power_rent]
    if endless.any():
        dual.append(-eta[endless])
        limit, link_slack = np.where(endless, 0.0, limit), np.where(endless, 0.0, link_slack)
    rents = _joined(scarcity, eta, above, 0.5 * curvature * load)
    dual_cost = dot(price, demand) - dot(rents, _joined(arrays.capacity, limit, shed, load))
    power_slack: Floats = np.zeros(0)
    if arrays.power_use is not None and arrays.power_limit is not None:
        margin += (values.power_rent[:, None] * arrays.power_use)[:, :, None]
        power_slack = arrays.power_limit - np.einsum("ak,akb->a", arrays.power_use, dispatch)
        primal.append(power_slack)
        dual_cost -= dot(values.power_rent, _finite(arrays.power_limit))
        power_slack = _finite(power_slack) * values.power_rent
    products = _joined(
        margin * dispatch,
        scarcity * free,
        on_arc * flow,
        link_slack * eta,
        power_slack,
        in_hand * unserved,
        above * left,
    )
    # Relative to the market's own size, whatever its units; to one where all is zero.
    size = _top(_joined(demand, dispatch, flow, load)) or 1.0
    level = max(_size(price), _top(arrays.offer_price)) or 1.0
    money = max(abs(values.cost), size * level)
    return Certificate(
        primal=_told(_size(_joined(net, np.minimum(_joined(*primal), 0.0))) / size),
        dual=_told(-_low(_joined(margin, *dual)) / level),
        complementarity=_told(_size(products) / money),
        gap=_told(abs(values.cost - float(dual_cost)) / money),
    )


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)


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
