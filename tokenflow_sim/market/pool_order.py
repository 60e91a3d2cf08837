"""Clearing of pools by one merit order a class, many at once: nodes round which arcs lead that cost and limit nothing.

With `bandwidth: none` every node reaches every other for nothing, so that all offers of a class stand in one stack, as
at one node (`merit_order.MeritOrder`), and all nodes have its price. What flows round the ring follows from what each
node lacks: f_j = f_(j-1) + lack_j, where some arc carries nothing, since to send something round costs a trifle in
the shifted program that decides what is published (`perturbation.Perturbation`).

The numbers are those of the engine to the bit. That takes more care than at separate nodes, since the shifts of the
program of a pool are others than those of one node: a market is certain here only where no offer or value comes close
to the price but those that are equal to it at one node, where the stack meets demand clear of its corners, or just at
one, and where all quantities are multiples of a power of two that add up without rounding, in whatever order. All
others are left to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.certificate import CERTIFIED, PRICE_SPAN, SPAN
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_certificate import least_positive, top
from tokenflow_sim.market.merit_order import MeritOrder
from tokenflow_sim.market.perturbation import scales_of
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints

# What the shifted program moves costs and quantities by, in the solver's units, is far below these.
_PRICE_GAP, _QUANTITY_GAP = 1e-3, 0.05
# Sums of multiples of a market's size times this are exact.
_EXACT = 2.0**-48


@dataclass(frozen=True, slots=True)
class PoolOutcome:
    """What pools clear at, as in `values.Values` with a leading dim `market`.

    Parameters
    ----------
    certain : ndarray of bool
        As of `merit_order.MeritOrderOutcome`; all other numbers of a market that is not certain are meaningless.
    price, dispatch, flow, unserved, scarcity_rent, cost, certificate : ndarray
        Likewise; `flow` in Mtok/s, dims (market, arc, workload).
    """

    certain: Bools
    price: Floats
    dispatch: Floats
    flow: Floats
    unserved: Floats
    scarcity_rent: Floats
    cost: Floats
    certificate: Floats


class PoolOrder:
    """Clears pools of one structure by sorting, any number of them at once.

    Parameters
    ----------
    market : Market
        Any market of the structure, that `fits`.
    """

    def __init__(self, market: Market) -> None:
        layout, arrays = market.layout, market.arrays
        self._layout, self._ring = layout, _ring(layout)
        nodes, _, steps = arrays.demand.shape
        one = replace(
            layout, nodes=pd.Index(["pool"], name="node"), arcs=layout.arcs[:0], owner=(),
            asset_node=np.zeros_like(layout.asset_node), origin=layout.origin[:0], destination=layout.origin[:0],
            steps=pd.RangeIndex(nodes * steps, name="step"),
        )  # fmt: skip
        pooled = arrays.with_(
            demand=_pooled(arrays.demand[None])[0], value=_pooled(arrays.value[None])[0],
            route_cost=arrays.route_cost[:0], link_use=arrays.link_use[:0], allowed=arrays.allowed[:0],
            link_capacity=arrays.link_capacity[:0], link_curvature=arrays.link_curvature[:0],
        )  # fmt: skip
        self._order = MeritOrder(Program(Market.from_arrays(one, pooled, market.hours, check=False)))
        # The node of every offer, then of every step, dims (column,), in the order of a class's columns.
        self._node = np.concatenate(
            [np.repeat(layout.asset_node, arrays.capacity.shape[2]), np.repeat(np.arange(nodes), steps)]
        )
        self._at: Floats = (self._node[:, None] == np.arange(nodes)).astype(np.float64)

    @staticmethod
    def fits(market: Market) -> bool:
        """Whether the arcs of a market are one ring round all its nodes, and nothing else joins classes and nodes."""
        layout = market.layout
        return (
            MeritOrder.fits(market) and layout.one is layout and len(_ring(layout)) == len(layout.nodes) > 1
        )

    def clear(self, arrays: Arrays, many: int) -> PoolOutcome:
        """Clear pools, as far as it is certain what they clear at.

        Parameters
        ----------
        arrays : Arrays
            Their numbers, the rows of the first before those of the second.
        many : int
            How many there are.
        """
        offer_price, capacity, demand, value, route_cost, link_use, link_capacity = (
            array.reshape(many, -1, *array.shape[1:])
            for array in (
                arrays.offer_price, arrays.capacity, arrays.demand, arrays.value, arrays.route_cost, arrays.link_use,
                arrays.link_capacity,
            )
        )  # fmt: skip
        allowed = arrays.allowed.reshape(many, -1)
        found = self._order.clear(offer_price, capacity, _pooled(demand), _pooled(value))
        _, nodes, classes, steps = demand.shape
        price = found.price[:, 0]
        unserved = found.unserved.reshape(many, classes, nodes, steps).swapaxes(1, 2)
        unserved = np.ascontiguousarray(unserved)
        # Offers, then steps, dims (market, class, column).
        shed, worth = np.where(value == np.inf, 0.0, demand), np.where(value == np.inf, 0.0, value)
        costs, bounds = (
            np.concatenate([_listed(offers), _listed(wanted)], axis=2)
            for offers, wanted in ((offer_price, worth), (capacity, shed))
        )
        quantity_unit, price_unit = scales_of(offer_price, capacity, demand, value, route_cost)
        there, apart = bounds > 0.0, costs - price[:, :, None]
        equal, cheaper = there & (apart == 0.0), there & (apart < 0.0)
        close = there & ~equal & (np.abs(apart) < _PRICE_GAP * price_unit[:, None, None])
        asked = demand.sum(axis=(1, 3))
        full, more = (np.where(which, bounds, 0.0).sum(axis=2) for which in (cheaper, equal))
        left, gap = asked - full, _QUANTITY_GAP * (1 + nodes) * quantity_unit[:, None]
        # Equal offers at one node share; of equal values, or an offer that equals one, other rules decide.
        offers = costs.shape[2] - nodes * steps
        node = np.where(equal, self._node, -1).max(axis=2)
        alone = (np.where(equal, self._node, nodes).min(axis=2) == node) & (
            (equal.sum(axis=2) == 1) | ~equal[:, :, offers:].any(axis=2)
        )
        certain = found.certain & (
            ~close.any(axis=2)
            & alone
            & (asked > 0.0)
            & ((left == 0.0) | (left >= gap))
            & (more - left >= gap)
        ).all(axis=1)
        certain &= _is_exact(capacity, demand)
        certain &= allowed.all(axis=1) & ~route_cost.any(axis=(1, 2)) & (link_use == 1.0).all(axis=(1, 2))
        certain &= np.isinf(link_capacity).all(axis=1)
        # What each node makes or lets go, as the engine has it: before equal offers share, which stand at one node.
        taken = np.where(cheaper, bounds, 0.0) @ self._at
        np.put_along_axis(
            taken,
            node[:, :, None],
            np.take_along_axis(taken, node[:, :, None], axis=2) + left[:, :, None],
            axis=2,
        )
        lack = demand.sum(axis=3) - taken.swapaxes(1, 2)
        along = np.cumsum(lack[:, self._layout.origin[self._ring]], axis=1)
        flow = np.empty((many, len(self._ring), classes))
        flow[:, self._ring] = along - along.min(axis=1, keepdims=True)
        cost = np.add.reduce((offer_price * found.dispatch).reshape(many, -1), axis=1)
        cost = cost + np.add.reduce((worth * unserved).reshape(many, -1), axis=1)
        prices = np.repeat(price[:, None], nodes, axis=1)
        scarcity = np.maximum(price[:, None, :, None] - offer_price, 0.0)
        outcome = PoolOutcome(
            certain, prices, found.dispatch, flow, unserved, scarcity, cost, np.empty((many, 4))
        )
        certain &= self._certify(outcome, offer_price, capacity, demand, worth, shed)
        return outcome

    def _certify(
        self,
        found: PoolOutcome,
        offer_price: Floats,
        capacity: Floats,
        demand: Floats,
        worth: Floats,
        shed: Floats,
    ) -> Bools:
        """Fill in the residuals, with the bits of `certificate.certify`; return where they are small enough."""
        many, (nodes, classes) = len(demand), found.price.shape[1:]

        def flat(array: Floats) -> Floats:
            return array.reshape(many, -1)

        wanted = flat(demand.sum(axis=3) if demand.shape[3] > 1 else demand[..., 0])
        made = flat(found.dispatch.sum(axis=3) if capacity.shape[3] > 1 else found.dispatch[..., 0])
        lost = flat(found.unserved.sum(axis=3) if demand.shape[3] > 1 else found.unserved[..., 0])
        moved, cells = flat(found.flow), nodes * classes
        spot = np.arange(many)[:, None] * cells + self._layout.cells.every
        each = np.concatenate([made, moved, -moved], axis=1)
        astray = np.bincount(spot.ravel(), each.ravel(), many * cells).reshape(many, cells) + (lost - wanted)
        load = found.flow.sum(axis=2)
        size = np.maximum.reduce([top(wanted), top(flat(found.dispatch)), top(moved), top(load)])
        size[size == 0.0] = 1.0
        offered = np.abs(flat(offer_price))
        level = np.maximum(top(np.abs(flat(found.price))), top(offered))
        level[level == 0.0] = 1.0
        money = np.maximum(np.abs(found.cost), size * level)
        at_asset = found.price[:, self._layout.asset_node, :, None]
        margin = offer_price + found.scarcity_rent - at_asset
        gain = found.price[..., None] - worth
        above = np.maximum(gain, 0.0)
        # Every quantity beside what a unit of it costs, every slack beside its rent; links have neither.
        idle = np.zeros((many, len(self._ring)))
        amounts = np.concatenate(
            [
                flat(found.dispatch),
                flat(found.unserved),
                flat(capacity - found.dispatch),
                flat(shed - found.unserved),
            ],
            axis=1,
        )
        rents = [flat(found.scarcity_rent), flat(above)]
        margins = np.concatenate([flat(margin), flat(above - gain), *rents], axis=1)
        due = np.concatenate([rents[0] * flat(capacity), idle, rents[1] * flat(shed)], axis=1)
        dual_cost = np.add.reduce(flat(found.price) * wanted, axis=1) - np.add.reduce(due, axis=1)
        residuals = found.certificate
        residuals[:, 0] = np.maximum(top(np.abs(astray)), top(-amounts)) / size
        residuals[:, 1] = top(-margins) / level
        residuals[:, 2] = top(np.abs(margins * amounts)) / money
        residuals[:, 3] = np.abs(found.cost - dual_cost) / money
        low = np.minimum.reduce([least_positive(one) for one in (flat(capacity), flat(shed), wanted)])
        apart = (low * SPAN < size) | (least_positive(offered) * PRICE_SPAN < level)
        small: Bools = ~apart & (residuals.max(axis=1) <= CERTIFIED)
        return small


def _pooled(steps: Floats) -> Floats:
    """Return demand by node and step as that of one node, dims (market, 1, workload, node x step)."""
    return _listed(steps)[:, None]


def _listed(rows: Floats) -> Floats:
    """Return an array by row, class and step or block by class, dims (market, class, row x step)."""
    return np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(len(rows), rows.shape[2], -1)


def _is_exact(*quantities: Floats) -> Bools:
    """Return in which markets all quantities are multiples of a power of two of which any sum is exact."""
    many = len(quantities[0])
    total = np.add.reduce([one.reshape(many, -1).sum(axis=1) for one in quantities])
    unit = np.exp2(np.ceil(np.log2(np.maximum(total, 2.0**-900)))) * _EXACT
    multiples = [one.reshape(many, -1) / unit[:, None] for one in quantities]
    exact: Bools = np.logical_and.reduce([(one == np.rint(one)).all(axis=1) for one in multiples])
    return exact


def _ring(layout: Layout) -> Ints:
    """Return the arcs that lead from node to node round all of them, from the first on; none where they do not."""
    nodes, none = len(layout.nodes), np.zeros(0, dtype=np.int64)
    if len(layout.origin) != nodes or len(np.unique(layout.origin)) != nodes:
        return none
    leaving, ring, at = np.argsort(layout.origin), list[int](), 0
    for _ in range(nodes):
        ring.append(int(leaving[at]))
        at = int(layout.destination[ring[-1]])
    found = np.array(ring, dtype=np.int64)
    return found if at == 0 and len(np.unique(found)) == nodes else none
