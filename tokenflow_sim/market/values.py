"""The plain numbers of a clearing, and how they follow from the program's vertex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, Floats
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.ties import share_ties
from tokenflow_sim.market.vertex import Vertex


@dataclass(frozen=True, eq=False)
class Values:
    """A clearing's numbers without labels; `block` and `step` always exist, with length one where unused.

    Parameters
    ----------
    price : ndarray
        Locational marginal price in $/Mtok, dims (node, workload).
    dispatch : ndarray
        Dispatch in Mtok/s, dims (asset, workload, block).
    flow : ndarray
        Flow in Mtok/s, dims (arc, workload).
    unserved : ndarray
        Unserved demand in Mtok/s, dims (node, workload, step).
    scarcity_rent : ndarray
        Scarcity rent in $/Mtok, dims (asset, workload, block).
    power_rent : ndarray
        Power rent in $/s per MW, dims (asset,); zero where power is not shared.
    congestion_rent : ndarray
        The link's whole marginal charge beyond route cost, eta + kappa * load, in $/GB or $/Mtok, dims (arc,).
    cost : float
        Total cost as offered, in $/s.
    """

    price: Floats
    dispatch: Floats
    flow: Floats
    unserved: Floats
    scarcity_rent: Floats
    power_rent: Floats
    congestion_rent: Floats
    cost: float

    def freeze(self) -> None:
        """Make the arrays read-only."""
        for array in (
            self.price, self.dispatch, self.flow, self.unserved, self.scarcity_rent, self.power_rent,
            self.congestion_rent,
        ):  # fmt: skip
            array.setflags(write=False)


def values_of(program: Program, arrays: Arrays, vertex: Vertex) -> Values:
    """Turn a vertex of the program into a clearing's numbers.

    Parameters
    ----------
    program : Program
        The structure.
    arrays : Arrays
        The market's numbers.
    vertex : Vertex
        Values in Mtok/s and duals in $/Mtok and $ per unit of each limit.

    Returns
    -------
    Values
        With offers that tie at a node sharing pro rata.
    """
    columns = np.maximum(vertex.values, 0.0)
    price = vertex.duals[program.balance].reshape(program.nodal_shape)
    dispatch = np.minimum(columns[program.x].reshape(program.offers_shape), arrays.capacity)
    flow = columns[program.f].reshape(program.flow_shape)
    unserved = np.minimum(columns[program.y].reshape(program.unserved_shape), arrays.demand)
    congestion = _congestion_rent(program, arrays, vertex, price)
    at_asset = price.take(program.layout.asset_node, axis=0)
    margin = at_asset[:, :, None] - arrays.offer_price
    power, charge = _power_rent(program, arrays, vertex, margin)
    # The power rent of what a class draws comes off before the scarcity rent of its own limit (equation 8).
    scarcity = np.maximum(margin if charge is None else margin - charge[:, :, None], 0.0)
    dispatch = share_ties(program, arrays, dispatch, power)
    return Values(
        price=price,
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=scarcity,
        power_rent=power,
        congestion_rent=congestion,
        cost=total_cost(program.layout, arrays, dispatch, flow, unserved),
    )


def total_cost(layout: Layout, arrays: Arrays, dispatch: Floats, flow: Floats, unserved: Floats) -> float:
    """Return the cost of processing, routing, lost service and curvature in $/s: equations (1a), (10a)."""
    value = arrays.value
    if arrays.must_serve is not None:  # none of which is unserved
        value = np.where(arrays.must_serve, 0.0, value)
    cost = dot(arrays.offer_price, dispatch) + dot(arrays.route_cost, flow) + dot(value, unserved)
    if arrays.link_curvature.any():
        load = (arrays.link_use * flow).sum(axis=1)
        cost += 0.5 * dot(arrays.link_curvature, load * load)
    return float(cost)


def dot(one: Floats, other: Floats) -> float:
    """Return the sum of products, summed by numpy itself: a BLAS may split it over threads, and change its bits."""
    return float(np.add.reduce(one * other, axis=None))


def _congestion_rent(program: Program, arrays: Arrays, vertex: Vertex, price: Floats) -> Floats:
    rent = np.maximum(-vertex.duals[program.link], 0.0)
    closed = arrays.link_capacity == 0
    if closed.any():
        # A link without capacity is left out of the program; its rent is the least that keeps everybody off it.
        layout = program.layout
        gain = price[layout.origin] - price[layout.destination] - arrays.route_cost
        usable = arrays.allowed & (arrays.link_use > 0)
        worth = np.where(usable, gain / np.where(usable, arrays.link_use, 1.0), 0.0).max(axis=1, initial=0.0)
        rent = np.where(closed, np.maximum(worth, 0.0), rent)
    return rent


def _power_rent(
    program: Program, arrays: Arrays, vertex: Vertex, margin: Floats
) -> tuple[Floats, Floats | None]:
    """Return the power rent of every asset, and its charge on a unit of every class, None where there is none."""
    if not program.shares_power or arrays.power_use is None or arrays.power_limit is None:
        return np.zeros(program.offers_shape[0]), None
    rent = np.maximum(-vertex.duals[program.power], 0.0)
    dark = arrays.power_limit == 0
    if dark.any():
        offered = (arrays.capacity > 0) & (arrays.power_use > 0)[:, :, None]
        per_power = np.where(
            offered, margin / np.where(arrays.power_use > 0, arrays.power_use, 1.0)[:, :, None], 0.0
        )
        rent = np.where(dark, np.maximum(per_power.max(axis=(1, 2), initial=0.0), 0.0), rent)
    return rent, rent[:, None] * arrays.power_use
