"""The residuals of markets cleared by merit order, many at once: those of `certificate.certify`, cell by cell.

They are computed from the published arrays and the markets' own, like those of any clearing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.certificate import PRICE_SPAN, SPAN
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats


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


def certify_stacks(program: Program, stacks: Stacks, routes: Routes | None) -> tuple[Floats, Bools]:
    """Return the residuals of markets, and where numbers lie so far apart that `certificate.certify` may look closer.

    Parameters
    ----------
    program : Program
        The structure.
    stacks : Stacks
        The markets.
    routes : Routes or None
        Their links; None where the structure has none.

    Returns
    -------
    residuals : ndarray
        Dims (market, residual): primal, dual, complementarity, gap. The same bits as `certificate.certify` gives.
    apart : ndarray of bool
        Dims (market,).
    """
    prices, bounds, asked, price = stacks.prices, stacks.bounds, stacks.asked, stacks.price
    dispatch, unserved, scarcity = stacks.dispatch, stacks.unserved, stacks.scarcity
    many, offers = dispatch.shape
    layout, cells = program.layout, asked.shape[1]
    size = np.maximum(top(asked), top(dispatch))
    size[size == 0.0] = 1.0
    offered = np.abs(prices[:, :offers])
    level = np.maximum(top(np.abs(price)), top(offered))
    level[level == 0.0] = 1.0
    money = np.maximum(np.abs(stacks.cost), size * level)
    # Balances: what all offers of a cell make, one after the other, and what is not served.
    made = over_last(dispatch, program.offers_shape)
    spot = np.arange(many)[:, None] * cells + layout.cells.asset
    astray = np.bincount(spot.ravel(), made.ravel(), many * cells).reshape(many, cells)
    astray += over_last(unserved, program.unserved_shape) - asked
    # What a unit costs beside what it earns.
    margin = prices[:, :offers] + scarcity - price[:, program.met[program.x, 0]]
    gain = price[:, program.met[program.y, 0]] - prices[:, offers:]
    above = np.maximum(gain, 0.0)
    slack = bounds - np.concatenate((dispatch, unserved), axis=1)
    least = np.minimum(low(margin), low(above - gain))
    small = np.minimum(least_positive(bounds), least_positive(asked))
    # The sum of rents has a place for every link, though they have none: the order of a sum decides its last bit.
    links = program.flow_shape[0]
    rents = np.zeros((many, offers + links + unserved.shape[1]))
    rents[:, :offers] = scarcity * bounds[:, :offers]
    rents[:, offers + links :] = above * bounds[:, offers:]
    if routes is not None:
        each = price.reshape(many, *program.nodal_shape)
        lost = routes.route_cost + (each[:, layout.destination] - each[:, layout.origin])
        least = np.minimum(least, low(np.where(routes.allowed, lost, 0.0).reshape(many, -1)))
        small = np.minimum(small, least_positive(routes.link_capacity))
    products = (
        margin * dispatch,
        (above - gain) * unserved,
        scarcity * slack[:, :offers],
        above * slack[:, offers:],
    )
    dual_cost = np.add.reduce(price * asked, axis=1) - np.add.reduce(rents, axis=1)
    residuals = np.empty((many, 4))
    residuals[:, 0] = np.maximum(top(np.abs(astray)) / size, np.abs(low(slack)) / size)
    residuals[:, 1] = np.abs(least) / level
    residuals[:, 2] = np.maximum.reduce([top(np.abs(product)) for product in products]) / money
    residuals[:, 3] = np.abs(stacks.cost - dual_cost) / money
    return residuals, (small * SPAN < size) | (least_positive(offered) * PRICE_SPAN < level)


def over_last(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Return sums over blocks or steps of every market, flat; see `arrays.total`."""
    if shape[-1] == 1:
        return values
    summed: Floats = values.reshape(len(values), *shape).sum(axis=-1)
    return summed.reshape(len(values), -1)


def top(values: Floats) -> Floats:
    """Return the largest number of every market, at least zero."""
    largest: Floats = np.maximum.reduce(values, axis=1, initial=0.0)
    return largest


def least_positive(values: Floats) -> Floats:
    """Return the least positive number of every market, infinite without any."""
    least: Floats = np.minimum.reduce(values, axis=1, initial=np.inf, where=values > 0.0)
    return least


def low(values: Floats) -> Floats:
    """Return the least number of every market, at most zero."""
    least: Floats = np.minimum.reduce(values, axis=1, initial=0.0)
    return least
