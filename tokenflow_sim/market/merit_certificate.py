"""The residuals of markets cleared by merit order, many at once: those of `certificate.certify`, cell by cell.

They are computed from the published arrays and the markets' own, like those of any clearing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.certificate import PRICE_SPAN, SPAN
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Routes:
    """The links of many markets, which are to carry nothing.

    Parameters
    ----------
    route_cost : ndarray
        In $/Mtok, dims (market, arc, workload).
    allowed : ndarray of bool
        Whether a class may use an arc, dims (market, arc, workload).
    link_capacity : ndarray
        In GB/s or Mtok/s, dims (market, arc).
    """

    route_cost: Floats
    allowed: Bools
    link_capacity: Floats


@dataclass(frozen=True, slots=True)
class Stacks:
    """Markets and what they clear at, by cell and by column: offers, then steps of demand.

    Parameters
    ----------
    prices, bounds : ndarray
        Offer price or value, and what is offered or may be shed, dims (market, column); zero where demand must be
        served.
    asked, price : ndarray
        Demand, and what it pays, dims (market, cell).
    dispatch, scarcity : ndarray
        Of the offers, dims (market, offer).
    unserved : ndarray
        Dims (market, step).
    cost : ndarray
        Total cost in $/s, dims (market,).
    """

    prices: Floats
    bounds: Floats
    asked: Floats
    price: Floats
    dispatch: Floats
    unserved: Floats
    scarcity: Floats
    cost: Floats

    @property
    def level(self) -> Floats:
        """The largest price or offer of every market, dims (market,); one where all is zero."""
        offered = np.abs(self.prices[:, : self.dispatch.shape[1]])
        level = np.maximum(top(np.abs(self.price)), top(offered))
        level[level == 0.0] = 1.0
        return level


def certify_stacks(stacks: Stacks, cell: Ints, place: Ints) -> tuple[Floats, Bools]:
    """Return the residuals of markets, and where numbers lie so far apart that `certificate.certify` looks closer.

    Parameters
    ----------
    stacks : Stacks
        The markets.
    cell : ndarray of int
        The cell of every column, dims (column,).
    place : ndarray of int
        The columns of every cell in ascending order, then one beyond all, dims (cell, rank).

    Returns
    -------
    residuals : ndarray
        Dims (market, residual): primal, dual, complementarity, gap.
    apart : ndarray of bool
        Dims (market,).
    """
    prices, bounds, asked, price = stacks.prices, stacks.bounds, stacks.asked, stacks.price
    many, offers = len(prices), stacks.dispatch.shape[1]
    used = np.zeros((many, prices.shape[1] + 1))  # the last column is none
    used[:, :offers], used[:, offers:-1] = stacks.dispatch, stacks.unserved
    size = np.maximum(top(asked), top(stacks.dispatch))
    size[size == 0.0] = 1.0
    level = stacks.level
    money = np.maximum(np.abs(stacks.cost), size * level)
    astray = np.add.accumulate(used[:, place], axis=2)[:, :, -1] - asked
    # What a unit costs beside what it earns, and the rent of a full column: one of the two is zero.
    there = price[:, cell]
    rents = np.maximum(there - prices, 0.0)
    rents[:, :offers] = stacks.scarcity
    margins = (prices + rents) - there
    slack = bounds - used[:, :-1]
    products = np.maximum(np.abs(margins * used[:, :-1]), np.abs(rents * slack))
    dual_cost = _total(price * asked) - _total(rents * bounds)
    residuals = np.empty((many, 4))
    residuals[:, 0] = np.maximum(top(np.abs(astray)), top(-slack)) / size
    residuals[:, 1] = top(-margins) / level
    residuals[:, 2] = top(products) / money
    residuals[:, 3] = np.abs(stacks.cost - dual_cost) / money
    low = np.minimum(least_positive(bounds), least_positive(asked))
    offered = np.abs(prices[:, :offers])
    return residuals, (low * SPAN < size) | (least_positive(offered) * PRICE_SPAN < level)


def certify_routes(residuals: Floats, stacks: Stacks, program: Program, routes: Routes) -> Bools:
    """Count what routes would gain in the dual residuals; return where a link is far below its market's size.

    Parameters
    ----------
    residuals : ndarray
        Of the same markets; changed.
    stacks : Stacks
        The markets.
    program : Program
        The structure.
    routes : Routes
        Their links.
    """
    layout, many = program.layout, len(residuals)
    price = stacks.price.reshape(many, *program.nodal_shape)
    lost = routes.route_cost + (price[:, layout.destination] - price[:, layout.origin])
    gained = top(np.where(routes.allowed, -lost, 0.0).reshape(many, -1)) / stacks.level
    residuals[:, 1] = np.maximum(residuals[:, 1], gained)
    apart: Bools = least_positive(routes.link_capacity) * SPAN < top(stacks.asked)
    return apart


def top(values: Floats) -> Floats:
    """Return the largest number of every market, at least zero."""
    largest: Floats = np.maximum.reduce(values, axis=1, initial=0.0)
    return largest


def least_positive(values: Floats) -> Floats:
    """Return the least positive number of every market, infinite without any."""
    least: Floats = np.minimum.reduce(values, axis=1, initial=np.inf, where=values > 0.0)
    return least


def _total(values: Floats) -> Floats:
    """Return the sum of every market's numbers, added one after the other."""
    if not values.shape[1]:
        return np.zeros(len(values))
    total: Floats = np.add.accumulate(values, axis=1)[:, -1]
    return total
