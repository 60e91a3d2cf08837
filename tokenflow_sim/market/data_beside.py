"""The numbers of many markets of one program as the solver would get them: scaled, and shifted.

They are, to the bit, those of `perturbation.ScaledData` and `Engine.perturbed` of each market alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import SHIFTED, TRUE
from tokenflow_sim.market.idle import SHORTFALL_FACTOR
from tokenflow_sim.market.perturbation import Perturbation, scales_of
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(eq=False, slots=True)
class ManyMarkets:
    """The arrays of markets of one program, which have no limits but those of links, with a leading dim `market`.

    Parameters
    ----------
    offer_price, capacity : ndarray
        In $/Mtok and Mtok/s, dims (market, asset, workload, block).
    demand, worth, sheddable : ndarray
        As in `Arrays`, dims (market, node, workload, step).
    asked : ndarray
        Demand over all steps, dims (market, node, workload).
    route_cost, allowed : ndarray
        Dims (market, arc, workload).
    link_capacity : ndarray
        Dims (market, arc).
    value : ndarray
        What lost service is worth, infinite where demand must be served; dims as `demand`.
    """

    offer_price: Floats
    capacity: Floats
    demand: Floats
    worth: Floats
    sheddable: Floats
    asked: Floats
    route_cost: Floats
    allowed: Bools
    link_capacity: Floats
    value: Floats

    @classmethod
    def of(cls, arrays: Arrays, many: int, which: Ints) -> ManyMarkets:
        """Take some of the markets whose rows follow each other."""

        def each[A: (Floats, Bools)](array: A) -> A:
            own: A = array.reshape(many, -1, *array.shape[1:])
            return own if which.size == many else own.take(which, axis=0)

        demand, value = each(arrays.demand), each(arrays.value)
        endless = value == np.inf
        return cls(
            offer_price=each(arrays.offer_price),
            capacity=each(arrays.capacity),
            demand=demand,
            worth=np.where(endless, 0.0, value),
            sheddable=np.where(endless, 0.0, demand),
            asked=demand[..., 0] if demand.shape[-1] == 1 else demand.sum(axis=-1),
            route_cost=each(arrays.route_cost),
            allowed=each(arrays.allowed),
            link_capacity=each(arrays.link_capacity),
            value=value,
        )

    def take(self, which: Ints) -> ManyMarkets:
        """Return some of the markets."""
        return ManyMarkets(*(getattr(self, name).take(which, axis=0) for name in self.__slots__))

    def one(self, program: Program, number: int) -> Arrays:
        """Return the arrays of one of the markets, which are of a program."""
        (term,) = program.limits[0].limit.terms
        names = ("offer_price", "capacity", "demand", "value", "route_cost", "allowed", "link_capacity")
        own = {name: getattr(self, name)[number] for name in names}
        return Arrays(**own, link_use=term.use, link_curvature=np.zeros(len(term.use)))


@dataclass(eq=False, slots=True)
class ManyData:
    """The numbers of many markets in the solver's units, those of the shifted and of the true program.

    Parameters
    ----------
    quantity, price : ndarray
        The units, in Mtok/s and $/Mtok, dims (market,).
    costs, upper : ndarray
        Dims (market, program, column).
    rows : ndarray
        Dims (market, program, row).
    """

    quantity: Floats
    price: Floats
    costs: Floats
    upper: Floats
    rows: Floats

    @classmethod
    def of(cls, program: Program, perturbation: Perturbation, markets: ManyMarkets) -> ManyData:
        """Bring markets into the solver's units, and shift them, one more unit being asked for everywhere."""
        quantity, price = scales_of(
            markets.offer_price, markets.capacity, markets.demand, markets.value, markets.route_cost
        )
        many, columns = len(quantity), program.columns
        numbers = np.zeros((many, 2, 2 * columns + program.rows))
        true, shifted = numbers[:, TRUE], numbers[:, SHIFTED]
        costs, upper, rows = program.split(true)
        costs[:, program.x] = markets.offer_price.reshape(many, -1)
        costs[:, program.f] = markets.route_cost.reshape(many, -1)
        costs[:, program.y] = markets.worth.reshape(many, -1)
        upper[:, program.x] = markets.capacity.reshape(many, -1)
        upper[:, program.f] = np.where(markets.allowed, np.inf, 0.0).reshape(many, -1)
        upper[:, program.y] = markets.sheddable.reshape(many, -1)
        rows[:, program.balance] = markets.asked.reshape(many, -1)
        rows[:, program.link] = markets.link_capacity
        costs /= price[:, None]
        true[:, columns:] /= quantity[:, None]
        np.add(true, perturbation.numbers, out=shifted)
        bounds = slice(columns, 2 * columns)
        np.copyto(shifted[:, bounds], 0.0, where=true[:, bounds] <= 0.0)
        # What shortfalls cost: see `idle.far_cost`.
        most = np.maximum(costs.max(axis=1), -costs.min(axis=1))
        most[most == 0.0] = 1.0
        both = program.split(numbers)
        both[0][..., program.v] = (SHORTFALL_FACTOR * most)[:, None, None]
        both[1][:, SHIFTED, program.v] = np.inf
        return cls(quantity, price, *both)

    def take(self, which: Ints) -> ManyData:
        """Return the numbers of some of the markets."""
        return ManyData(*(getattr(self, name).take(which, axis=0) for name in self.__slots__))
