"""The parts of a price: energy, scarcity, routing and congestion, adding up to it along an active path.

Equation (8) at a node that serves itself, equations (9) and (11) along the path to the node that serves it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.market.arrays import Arrays, Floats
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.values import Values
from tokenflow_sim.variables import DECOMPOSITION

PARTS = ("energy", "scarcity", "routing", "congestion")
# Relative to the largest price: a condition that holds with equality up to this is tight.
_TIGHT = 1e-7
_ACTIVE = 1e-9
_ROUNDING = 1e-12


def decompose(market: Market, clearing: Clearing) -> xr.Dataset:
    """Split every price into its parts.

    Parameters
    ----------
    market : Market
        What was cleared.
    clearing : Clearing
        Its outcome.

    Returns
    -------
    Dataset
        `energy`, `scarcity`, `routing`, `congestion`, dims (node, workload), $/Mtok; they sum to the price.

    Raises
    ------
    MarketError
        If the clearing is of a market with other labels or numbers.

    Notes
    -----
    A node that serves a class itself has the parts of its own dearest running offer, the one on the margin
    (equation 8). Another takes those of the node it is served from along the active path of fewest arcs, plus
    that path's route cost and congestion rents (equations 9 and 11). Where nothing is served or routed, arcs and
    offers at which the price would just pay stand in for active ones; what no offer explains (demand shed at its
    value) is scarcity.
    """
    clearing.check_belongs_to(market)
    parts = decompose_values(market.layout, market.arrays, clearing.values)
    return xr.Dataset(
        {name: market.layout.label(DECOMPOSITION[name], parts[name]) for name in PARTS},
        attrs={"description": "parts of the locational marginal price; they sum to it"},
    )


def decompose_values(layout: Layout, arrays: Arrays, values: Values) -> dict[str, Floats]:
    """Split prices given as plain arrays.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        Its clearing.

    Returns
    -------
    dict of ndarray
        By part, dims (node, workload), in $/Mtok.
    """
    price = values.price
    parts = {name: np.full(price.shape, np.nan) for name in PARTS}
    charge = values.congestion_rent[:, None] * arrays.link_use
    tolerance = _TIGHT * max(1.0, float(np.abs(price).max(initial=0.0)))
    running = values.dispatch > _ACTIVE
    _serve_at_home(layout, arrays, price, running, parts)
    _follow(layout, arrays, charge, values.flow > _ACTIVE, parts)
    # Nothing active reaches the rest: take what would be active first.
    cost = arrays.route_cost + charge
    gain = price[layout.origin] - price[layout.destination] if len(layout.arcs) else cost
    would_flow = arrays.allowed & (np.abs(cost - gain) <= tolerance)
    _follow(layout, arrays, charge, would_flow, parts)
    worth = price[layout.asset_node][:, :, None] - arrays.offer_price
    _serve_at_home(layout, arrays, price, (arrays.capacity > 0) & (worth >= -tolerance), parts)
    _follow(layout, arrays, charge, would_flow, parts)
    unexplained = np.isnan(parts["energy"])
    for name in ("energy", "routing", "congestion"):
        parts[name][unexplained] = 0.0
    # Scarcity is what the others leave, so that the parts sum to the price; less than rounding is nothing.
    scarcity = price - parts["energy"] - parts["routing"] - parts["congestion"]
    parts["scarcity"] = np.where(
        np.abs(scarcity) <= _ROUNDING * np.maximum(1.0, np.abs(price)), 0.0, scarcity
    )
    return parts


def _serve_at_home(
    layout: Layout, arrays: Arrays, price: Floats, running: NDArray[np.bool_], parts: dict[str, Floats]
) -> None:
    """Explain prices by the dearest of the node's own offers that run: equation (8)."""
    dearest = np.where(running, arrays.offer_price, -np.inf).max(axis=2, initial=-np.inf)
    at_node = np.full(price.shape, -np.inf)
    np.maximum.at(at_node, layout.asset_node, dearest)
    here = np.isfinite(at_node) & np.isnan(parts["energy"])
    parts["energy"][here] = at_node[here]
    parts["routing"][here] = 0.0
    parts["congestion"][here] = 0.0


def _follow(
    layout: Layout, arrays: Arrays, charge: Floats, active: NDArray[np.bool_], parts: dict[str, Floats]
) -> None:
    """Explain prices from the far end of active arcs, one arc further each round: equations (9), (11)."""
    if not active.any():
        return
    arc, workload = np.nonzero(active)
    start, end = layout.origin[arc], layout.destination[arc]
    for _ in range(len(layout.nodes)):
        ready = np.isnan(parts["energy"][start, workload]) & ~np.isnan(parts["energy"][end, workload])
        if not ready.any():
            return
        a, k = arc[ready][::-1], workload[ready][::-1]  # of several arcs the first is written last, and stays
        i, j = layout.origin[a], layout.destination[a]
        step = {
            "energy": parts["energy"][j, k],
            "routing": parts["routing"][j, k] + arrays.route_cost[a, k],
            "congestion": parts["congestion"][j, k] + charge[a, k],
        }
        for name, new in step.items():
            parts[name][i, k] = new
