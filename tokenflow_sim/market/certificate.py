"""The optimality certificate of a clearing: how far its numbers are from the conditions that prove it optimal.

It is computed from the published arrays and the market's own, not from the solver's word: equations (3)-(6) of
the paper and their extensions to partial service, shared power and curvature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, Floats
from tokenflow_sim.market.layout import IntArray, Layout
from tokenflow_sim.market.values import Values, dot

CERTIFIED = 1e-7
"""The largest residual with which a clearing is published."""


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
    demand = arrays.demand.sum(axis=2)
    must_serve = np.isinf(arrays.value)
    # Balance (1b), (10b).
    net = unserved.sum(axis=2) - demand
    net += _sum_at(layout.asset_node, dispatch.sum(axis=2), net)
    net += _sum_at(layout.origin, flow, net) - _sum_at(layout.destination, flow, net)
    load = (arrays.link_use * flow).sum(axis=1)
    link_slack = arrays.link_capacity - load
    shed = np.where(must_serve, 0.0, arrays.demand)
    primal = max(
        _top(np.abs(net)), _top(-link_slack), _top(-dispatch), _top(dispatch - arrays.capacity),
        _top(-flow), _top(flow[~arrays.allowed]), _top(-unserved), _top(unserved - shed),
    )  # fmt: skip
    # Dual feasibility and complementarity (5), (6).
    at_asset = price[layout.asset_node][:, :, None]
    margin = arrays.offer_price + values.scarcity_rent - at_asset
    eta = values.congestion_rent - arrays.link_curvature * load
    on_arc = arrays.route_cost + values.congestion_rent[:, None] * arrays.link_use
    on_arc = np.where(arrays.allowed, on_arc - price[layout.origin] + price[layout.destination], 0.0)
    # The rent of demand that is shed whole, where its price lies above its value.
    above = np.where(
        shed > 0, np.maximum(price[:, :, None] - np.where(must_serve, 0.0, arrays.value), 0.0), 0.0
    )
    in_hand = np.where(shed > 0, np.where(must_serve, 0.0, arrays.value) + above - price[:, :, None], 0.0)
    slack_value = _finite(link_slack) * eta
    dual_cost = dot(price, demand) - dot(values.scarcity_rent, arrays.capacity)
    dual_cost -= dot(eta, _finite(arrays.link_capacity)) + dot(above, shed)
    dual_cost -= 0.5 * dot(arrays.link_curvature, load * load)
    power_slack: Floats = np.zeros(0)
    if arrays.power_use is not None and arrays.power_limit is not None:
        margin = margin + (values.power_rent[:, None] * arrays.power_use)[:, :, None]
        power_slack = arrays.power_limit - np.einsum("ak,akb->a", arrays.power_use, dispatch)
        primal = max(primal, _top(-power_slack))
        dual_cost -= dot(values.power_rent, _finite(arrays.power_limit))
        power_slack = _finite(power_slack) * values.power_rent
    dual = max(
        _top(-margin), _top(-on_arc), _top(-eta), _top(-values.scarcity_rent), _top(-values.power_rent),
        _top(-in_hand), _top(eta[np.isinf(arrays.link_capacity)]),
    )  # fmt: skip
    complementarity = max(
        _top(np.abs(margin * dispatch)), _top(np.abs(values.scarcity_rent * (arrays.capacity - dispatch))),
        _top(np.abs(on_arc * flow)), _top(np.abs(slack_value)), _top(np.abs(power_slack)),
        _top(np.abs(in_hand * unserved)), _top(np.abs(above * (shed - unserved))),
    )  # fmt: skip
    # Relative to the market's own size, whatever its units; to one where all is zero.
    size = max(_top(demand), _top(dispatch), _top(flow), _top(load)) or 1.0
    level = max(_top(np.abs(price)), _top(arrays.offer_price)) or 1.0
    money = max(abs(values.cost), size * level)
    return Certificate(
        primal=_told(primal / size),
        dual=_told(dual / level),
        complementarity=_told(complementarity / money),
        gap=_told(abs(values.cost - float(dual_cost)) / money),
    )


def _sum_at(position: IntArray, values: Floats, like: Floats) -> Floats:
    """Sum rows of `values` by their position among the nodes."""
    nodes, workloads = like.shape
    flat = (position[:, None] * workloads + np.arange(workloads)).ravel()
    return np.bincount(flat, values.ravel(), nodes * workloads).reshape(like.shape)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)


def _top(values: Floats) -> float:
    top = float(values.max(initial=0.0))
    return top if top == top else float("inf")  # not-a-number differs from itself


def _told(residual: float) -> float:
    return abs(residual) if np.isfinite(residual) else float("inf")
