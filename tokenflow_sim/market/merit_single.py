"""Clearing one market by merit order, in a few plain numbers.

A period of a node or two has a handful of offers, and each call of numpy on them takes as long as sorting them all
does. So the steps of `merit_order.MeritOrder` and `certificate.certify` stand here a second time, offer by offer on
Python's floats, which are the same numbers: what comes out has the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.basis import MARGIN, TOLERANCE
from tokenflow_sim.market.certificate import CERTIFIED, PRICE_SPAN, SPAN, Certificate
from tokenflow_sim.market.merit_order import CLEAR, LOOSE, ROUNDING, MeritOrder
from tokenflow_sim.market.perturbation import LEAST_MEAN, SMALL_PRICE, UNIT, Scale, power_of_two
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import quickly

# Up to so many offers and steps, numbers one by one are faster than arrays.
FEW = 64
# numpy adds fewer numbers than this one after the other, more in another order.
_IN_ORDER = 8
_APART, _SLACK = CLEAR * MARGIN, -TOLERANCE / CLEAR

# An offer, or step of demand, that has room: its shifted cost, by which it is sorted, its place, its upper bound in
# the true program and in the shifted one.
_Column = tuple[float, int, float, float]


class SmallMeritOrder:
    """Clears markets of one small structure without links by sorting, one after the other.

    Parameters
    ----------
    program : Program
        The structure, of a market that `MeritOrder.fits`, with at most `FEW` offers and steps.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        together = MeritOrder(program)
        self._offers = program.x.stop - program.x.start
        self._cells = together.columns_by_cell()
        self._asking: list[float] = together.asking.tolist()
        self._cell_of: list[int] = together.cell.tolist()
        self._cell_of_pair: list[int] = program.layout.cells.asset.tolist()
        self._none_shed = [0.0] * len(self._asking)
        # What is nothing in nearly every market is made once.
        self._no_flow, self._all_served = np.zeros(program.flow_shape), np.zeros(program.unserved_shape)
        self._no_rent = np.zeros(0)
        for array in (self._no_flow, self._all_served, self._no_rent):
            array.setflags(write=False)

    def clear(self, arrays: Arrays) -> tuple[Values, Certificate] | None:
        """Clear a market.

        Parameters
        ----------
        arrays : Arrays
            The market's numbers.

        Returns
        -------
        tuple of Values and Certificate, or None
            None where it is not certain what it clears at, or it cannot be served.
        """
        prices: list[float] = arrays.offer_price.ravel().tolist()
        bounds: list[float] = arrays.capacity.ravel().tolist()
        demand: list[float] = arrays.demand.ravel().tolist()
        asked = demand if arrays.demand.shape[2] == 1 else total(arrays.demand).ravel().tolist()
        quantity, unit = _units(arrays, prices, demand)
        for value, most in zip(arrays.value.ravel().tolist(), demand, strict=True):
            must_serve = value == math.inf
            prices.append(0.0 if must_serve else value)
            bounds.append(0.0 if must_serve else most)
        met = []
        for columns, asking, amount in zip(self._cells, self._asking, asked, strict=True):
            stack: list[_Column] = []
            for place, cost_shift, limit_shift in columns:
                upper = bounds[place] / quantity
                if upper > 0.0:
                    stack.append((prices[place] / unit + cost_shift, place, upper, upper + limit_shift))
            stack.sort()
            rank = _meet(stack, amount / quantity, asking)
            if rank is None:
                return None
            met.append((stack, rank))
        used = self._fill(met, asked, quantity, prices, bounds, unit)
        if used is None:
            return None
        price = [prices[stack[rank][1]] / unit * unit if rank >= 0 else 0.0 for stack, rank in met]
        return self._published(arrays, prices, bounds, asked, price, used)

    def _fill(
        self,
        met: list[tuple[list[_Column], int]],
        asked: list[float],
        quantity: float,
        prices: list[float],
        bounds: list[float],
        unit: float,
    ) -> list[float] | None:
        """Return what every offer makes and every step goes without; None where it is not certain."""
        offers, used, tied = self._offers, [0.0] * len(prices), 0
        moved = None
        for cell, (stack, rank) in enumerate(met):
            if rank < 0:  # nothing is asked for, and nothing offered
                continue
            for _, place, _, _ in stack[:rank]:
                used[place] = bounds[place]
            if rank > 2:
                if moved is None:
                    moved = self._moved(met)
                full = moved[cell]
            else:
                full = stack[0][2] + stack[1][2] if rank == 2 else stack[0][2] if rank else 0.0
            _, basic, upper, _ = stack[rank]
            left = asked[cell] / quantity - full
            if not (left >= _SLACK and upper - left >= _SLACK):
                return None
            used[basic] = min(max(left * quantity, 0.0), bounds[basic])
            kinds = _ties(stack, rank, prices, unit, offers)
            if kinds is None:
                return None
            if kinds:
                tied = 1
            if basic < offers:
                self._share(cell, basic, prices, bounds, used)
        # Where an offer equals a value, what is served may change at no cost, if anything is not.
        return None if tied and any(some > 0.0 for some in used[offers:]) else used

    def _moved(self, met: list[tuple[list[_Column], int]]) -> list[float]:
        """Return what full columns add to every balance, with the bits of the program's own product."""
        offers, first = self._offers, self.program.y.start
        full = sorted(
            (place if place < offers else first + place - offers, upper)
            for stack, rank in met
            if rank > 0
            for _, place, upper, _ in stack[:rank]
        )
        amounts = [upper for _, upper in full]
        # Two rows, as the shifted and the true program have there: a BLAS may add a single one in another way.
        moved = self.program.moved_by(np.array([place for place, _ in full]), np.array([amounts, amounts]))
        found: list[float] = moved[1].tolist()
        return found

    def _share(
        self, cell: int, basic: int, prices: list[float], bounds: list[float], used: list[float]
    ) -> None:
        """Share what is left to offers of the basic one's price by quantity: see `pro_rata`."""
        equal = [
            place
            for place, _, _ in self._cells[cell]
            if prices[place] == prices[basic] and place < self._offers and bounds[place] > 0.0
        ]
        if len(equal) > 1:
            made = offered = 0.0
            for place in equal:
                made += used[place]
                offered += bounds[place]
            share = min(made / offered, 1.0)
            for place in equal:
                used[place] = share * bounds[place]

    def _published(
        self,
        arrays: Arrays,
        prices: list[float],
        bounds: list[float],
        asked: list[float],
        price: list[float],
        used: list[float],
    ) -> tuple[Values, Certificate] | None:
        """Return the arrays of a clearing, and the residuals that `certificate.certify` finds in them."""
        program, offers = self.program, self._offers
        # Of every column: what a unit costs beside what it earns, and the rent of its bound.
        margin_low = slack_low = product = offered = highest = most = 0.0
        least = least_offer = math.inf
        scarcity, rents, made, together = [], [], [0.0] * len(price), program.offers_shape[2] == 1
        for cell, cost, bound, amount in zip(self._cell_of, prices, bounds, used[:offers], strict=False):
            there = price[cell]
            rent = there - cost
            if not rent > 0.0:
                rent = 0.0
            scarcity.append(rent)
            rents.append(rent * bound)
            margin, slack = cost + rent - there, bound - amount
            if margin:
                margin_low, product = min(margin_low, margin), max(product, abs(margin * amount))
            if slack < slack_low:
                slack_low = slack
            if rent and slack:
                product = max(product, abs(rent * slack))
            size = abs(cost)
            if size > offered:
                offered = size
            if 0.0 < size < least_offer:
                least_offer = size
            if amount > most:
                most = amount
            if 0.0 < bound < least:
                least = bound
            if together:
                made[cell] += amount
        for cell, worth, bound, amount in zip(
            self._cell_of[offers:], prices[offers:], bounds[offers:], used[offers:], strict=True
        ):
            gain = price[cell] - worth
            rent = gain if gain > 0.0 else 0.0
            rents.append(rent * bound)
            margin, slack = rent - gain, bound - amount
            if amount:
                product = max(product, abs(margin * amount))
            if rent and slack:
                product = max(product, abs(rent * slack))
            if slack < slack_low:
                slack_low = slack
            if 0.0 < bound < least:
                least = bound
        for amount in asked:
            if amount > most:
                most = amount
            if 0.0 < amount < least:
                least = amount
        for there in price:
            if abs(there) > highest:
                highest = abs(there)
        size, level = most or 1.0, max(highest, offered) or 1.0
        if least * SPAN < size or least_offer * PRICE_SPAN < level:
            return None
        dispatch = np.array(used[:offers]).reshape(program.offers_shape)
        cost = _sum([one * other for one, other in zip(prices, used[:offers], strict=False)])
        unserved, shed = self._all_served, self._none_shed
        if any(lost := used[offers:]):
            unserved = np.array(lost).reshape(program.unserved_shape)
            shed = lost if program.unserved_shape[2] == 1 else total(unserved).ravel().tolist()
            cost += _sum([one * other for one, other in zip(prices[offers:], lost, strict=True)])
        if not together:
            for cell, amount in zip(self._cell_of_pair, total(dispatch).ravel().tolist(), strict=True):
                made[cell] += amount
        astray = 0.0
        for some, less, amount in zip(made, shed, asked, strict=True):
            astray = max(astray, abs(some + (less - amount)))
        money = max(abs(cost), size * level)
        dual_cost = _sum([one * other for one, other in zip(price, asked, strict=True)]) - _sum(rents)
        certificate = Certificate(
            primal=max(astray / size, abs(slack_low) / size),
            dual=abs(margin_low) / level,
            complementarity=product / money,
            gap=abs(cost - dual_cost) / money,
        )
        if not certificate.worst <= CERTIFIED:
            return None
        values = quickly(
            Values,
            price=np.array(price).reshape(program.nodal_shape),
            dispatch=dispatch,
            flow=self._no_flow,
            unserved=unserved,
            scarcity_rent=np.array(scarcity).reshape(program.offers_shape),
            rents={"congestion_rent": self._no_rent},
            supplied={},
            cost=cost,
            done={},
        )
        return values, certificate


def _meet(stack: list[_Column], asked: float, asking: float) -> int | None:
    """Return where a stack meets demand in the shifted program; -1 where there is neither; None if not certain."""
    offered = shifted = 0.0
    for _, _, upper, more in stack:
        offered += upper
        shifted += more
    aimed = asked + asking
    margin = _APART + ROUNDING * (abs(asked) + shifted)
    exact = abs(offered - asked) <= ROUNDING * (asked + offered)
    if shifted - aimed >= margin:
        if exact:
            return None
    elif exact and aimed - shifted >= margin:
        if asked == 0.0 and offered == 0.0:
            return -1
        aimed = asked - asking
    else:
        return None
    bottom, rank = 0.0, 0
    for _, _, _, more in stack:
        top = bottom + more
        if not top <= aimed:
            break
        bottom = top
        rank += 1
    else:
        return None
    apart = aimed - bottom >= margin and top - aimed >= margin
    if apart and rank:
        apart = stack[rank][0] - stack[rank - 1][0] >= _APART
    if apart and rank + 1 < len(stack):
        apart = stack[rank + 1][0] - stack[rank][0] >= _APART
    return rank if apart else None


def _ties(stack: list[_Column], rank: int, prices: list[float], unit: float, offers: int) -> bool | None:
    """Return whether an offer equals a value where a stack meets demand; None where its order is not certain."""
    basic = stack[rank][1]
    marginal = prices[basic] / unit
    if marginal == 0.0 and math.copysign(1.0, marginal) < 0.0:
        return None
    tied = False
    for position, (_, place, _, _) in enumerate(stack):
        if position == rank:
            continue
        cost = prices[place] / unit
        beyond = marginal - cost if position < rank else cost - marginal
        if beyond <= LOOSE:
            if not beyond >= _SLACK:
                return None
            if (place < offers) != (basic < offers):
                if basic >= offers:
                    return None
                tied = True
    return tied


def _units(arrays: Arrays, offers: list[float], demand: list[float]) -> tuple[float, float]:
    """Return the units of quantity and price: see `Scale.of`."""
    quantity, price = _mean_size(demand), _mean_size(offers)
    if quantity < LEAST_MEAN or price < SMALL_PRICE:  # it looks at other numbers then
        scale = Scale.of(arrays)
        return scale.quantity, scale.price
    return power_of_two(quantity) / UNIT, power_of_two(price) / UNIT


def _mean_size(values: list[float]) -> float:
    """Return the mean size of what is not zero."""
    count = len(values) - values.count(0.0)
    return _sum([abs(value) for value in values]) / count if count else 0.0


def _sum(values: list[float]) -> float:
    """Return a sum with the bits of numpy's."""
    if len(values) < _IN_ORDER:
        found = 0.0
        for value in values:
            found += value
        return found
    return float(np.add.reduce(np.array(values)))
