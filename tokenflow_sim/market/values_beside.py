"""The numbers of clearings of many markets at once, and their residuals: those of each market alone, to the bit.

`values.values_of` and `certificate.certify` say what is computed and why; here it is done for markets of one program
that have no limits but those of links, with a leading dim `market`. Sums are taken over each market's numbers in
the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.certificate import PRICE_SPAN, SPAN
from tokenflow_sim.market.data_beside import ManyMarkets
from tokenflow_sim.market.merit_certificate import least_positive, low, over_last, top
from tokenflow_sim.market.pro_rata import share_ties
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(eq=False, slots=True)
class ManyValues:
    """What markets clear at, as in `values.Values`, with a leading dim `market`.

    Parameters
    ----------
    price : ndarray
        Dims (market, node, workload).
    dispatch, scarcity_rent : ndarray
        Dims (market, asset, workload, block).
    flow : ndarray
        Dims (market, arc, workload).
    unserved : ndarray
        Dims (market, node, workload, step).
    congestion_rent : ndarray
        Dims (market, arc).
    cost : ndarray
        Dims (market,).
    """

    price: Floats
    dispatch: Floats
    flow: Floats
    unserved: Floats
    scarcity_rent: Floats
    congestion_rent: Floats
    cost: Floats


def values_beside(program: Program, markets: ManyMarkets, columns: Floats, duals: Floats) -> ManyValues:
    """Turn basic solutions into the numbers of clearings.

    Parameters
    ----------
    program : Program
        The structure.
    markets : ManyMarkets
        The markets.
    columns, duals : ndarray
        Values of all columns in Mtok/s, and duals of all rows in $/Mtok and $ per unit of a link, dims (market, ...).
    """
    many = len(columns)
    columns = np.maximum(columns, 0.0)
    price = duals[:, program.balance].reshape(many, *program.nodal_shape)
    dispatch = np.minimum(columns[:, program.x].reshape(many, *program.offers_shape), markets.capacity)
    flow = columns[:, program.f].reshape(many, *program.flow_shape)
    unserved = np.minimum(columns[:, program.y].reshape(many, *program.unserved_shape), markets.demand)
    at_asset = price.take(program.layout.asset_node, axis=1)
    for number in _tied(program, markets.offer_price).tolist():
        quantities = {"dispatch": dispatch[number], "flow": flow[number], "unserved": unserved[number]}
        held = np.zeros(program.offers_shape[0], dtype=np.bool_)
        dispatch[number] = share_ties(program, markets.one(program, number), quantities, held)
    cost = _dots(markets.offer_price, dispatch) + _dots(markets.route_cost, flow)
    lost = unserved.reshape(many, -1).any(axis=1)
    if lost.any():
        cost = np.where(lost, cost + _dots(markets.worth, unserved), cost)
    return ManyValues(
        price=price,
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=np.maximum(at_asset[..., None] - markets.offer_price, 0.0),
        congestion_rent=np.maximum(-duals[:, program.link], 0.0),
        cost=cost,
    )


def residuals_beside(program: Program, markets: ManyMarkets, values: ManyValues) -> tuple[Floats, Bools]:
    """Return the largest residual of each market, and where `certificate.certify` may have to look closer.

    Parameters
    ----------
    program : Program
        The structure.
    markets : ManyMarkets
        The markets.
    values : ManyValues
        Their clearings.

    Returns
    -------
    worst : ndarray
        The same bits as `Certificate.worst` of each, dims (market,); not-a-number where anything is.
    apart : ndarray of bool
        Where numbers lie so far apart that each may have to be measured by its own class and node, dims (market,).
    """
    many, cells = len(values.cost), program.layout.cells

    def flat(array: Floats) -> Floats:
        return array.reshape(many, -1)

    asked, price, offer_price = flat(markets.asked), flat(values.price), flat(markets.offer_price)
    dispatch, flow, unserved = flat(values.dispatch), flat(values.flow), flat(values.unserved)
    made = over_last(dispatch, program.offers_shape)
    places = np.arange(many)[:, None] * asked.shape[1] + cells.every
    passing = np.concatenate((made, flow, -flow), axis=1)
    astray = np.bincount(places.ravel(), passing.ravel(), asked.size).reshape(asked.shape)
    astray = astray + (over_last(unserved, program.unserved_shape) - asked)
    forbidden = ~markets.allowed.reshape(many, -1)
    there = price.take(cells.every, axis=1)
    offers = cells.asset.size
    charged = (
        there[:, :offers]
        if program.offers_shape[2] == 1
        else np.repeat(there[:, :offers], program.offers_shape[2], axis=1)
    )
    margin = offer_price + flat(values.scarcity_rent) - charged
    between = there[:, offers + flow.shape[1] :] - there[:, offers : offers + flow.shape[1]]
    (term,) = program.limits[0].limit.terms
    rent, most = values.congestion_rent, markets.link_capacity
    load = np.vecdot(term.use, values.flow)
    size = np.maximum.reduce([top(asked), top(dispatch), top(flow), top(load)])
    size[size == 0.0] = 1.0
    offered = np.abs(offer_price)
    level = np.maximum(top(np.abs(price)), top(offered))
    level[level == 0.0] = 1.0
    money = np.maximum(np.abs(values.cost), size * level)
    route = flat(markets.route_cost + rent[..., None] * term.use)
    endless = most == np.inf
    free_rent = top(np.where(endless, rent, 0.0))
    most, used = np.where(endless, 0.0, most), np.where(endless, 0.0, load)
    route = np.where(forbidden, 0.0, route + between)
    steps = program.unserved_shape[2]
    paid = price if steps == 1 else np.repeat(price, steps, axis=1)
    gain = paid - flat(markets.worth)
    above = np.maximum(gain, 0.0)
    limits = np.concatenate((flat(markets.capacity), most, flat(markets.sheddable)), axis=1)
    slack = limits - np.concatenate((dispatch, used, unserved), axis=1)
    amounts = np.concatenate((dispatch, flow, unserved, slack), axis=1)
    rents = np.concatenate((flat(values.scarcity_rent), rent, above), axis=1)
    margins = np.concatenate((margin, route, above - gain, rents), axis=1)
    dual_cost = np.add.reduce(price * asked, axis=1) - np.add.reduce(rents * limits, axis=1)
    lost = np.maximum(top(np.abs(astray)), top(np.where(forbidden, np.abs(flow), 0.0)))
    worst = np.maximum.reduce(
        [
            lost / size,
            np.abs(low(amounts)) / size,
            np.abs(low(margins)) / level,
            free_rent / level,
            top(np.abs(margins * amounts)) / money,
            np.abs(values.cost - dual_cost) / money,
        ]
    )
    least = np.minimum(least_positive(limits), least_positive(asked))
    return worst, (least * SPAN < size) | (least_positive(offered) * PRICE_SPAN < level)


def _tied(program: Program, offer_price: Floats) -> Ints:
    """Return the markets of which two offers for a class at a node are equal."""
    if not program.offers_compete:
        return np.zeros(0, dtype=np.int64)
    prices = offer_price.reshape(len(offer_price), -1)
    cells = np.broadcast_to(program.met[program.x, 0], prices.shape)
    order = np.lexsort((prices, cells), axis=-1)
    price, cell = np.take_along_axis(prices, order, axis=1), np.take_along_axis(cells, order, axis=1)
    equal = (price[:, 1:] == price[:, :-1]) & (cell[:, 1:] == cell[:, :-1])
    found: Ints = equal.any(axis=1).nonzero()[0]
    return found


def _dots(one: Floats, other: Floats) -> Floats:
    """Return the sum of products of every market: see `values.dot`."""
    products = one * other
    found: Floats = np.add.reduce(products.reshape(len(products), -1), axis=1)
    return found
