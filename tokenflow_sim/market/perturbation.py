"""A market's numbers as the solver gets them: scaled to one size, and perturbed so that one basis is optimal.

Dual prices at a degenerate optimum are not unique, and neither is dispatch where costs tie. The published ones
are those of an optimal basis of a shifted program: every demand is raised by one and the same small step (so the
dual is the right-hand derivative, the cost of one more unit), and demands, limits and costs each by a far
smaller generic amount that breaks what ties are left. That shifted program has one optimal basis, which any
algorithm finds from any start; see docs/explanation/prices.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import SHIFTED, TRUE
from tokenflow_sim.market.placement import Placed, PlacedActivity
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import ZERO, Floats

# All in the solver's units, in which a market's mean demand and mean offer are UNIT. Its tolerance (1e-9) is absolute:
# the larger the unit, the finer it is. A step must stand clear of that tolerance and below the gaps in people's
# data; the generic part must stand clear of both, being broken down by cancellation.
UNIT = 64.0
DEMAND_STEP = 1e-4
GENERIC_SHARE = 1e-2
# By how much less, beside the generic part of others, a balance is asked for that nobody's demand stands in.
PASSING_SHARE = 0.1
COST_STEP = 1e-5


@dataclass(frozen=True)
class Scale:
    """Powers of two that bring every market's quantities and prices to one size, so that tolerances mean the same.

    Parameters
    ----------
    quantity : float
        Mtok/s of one unit in the solver.
    price : float
        $/Mtok of one unit in the solver.
    """

    quantity: float
    price: float

    @classmethod
    def of(cls, arrays: Arrays, done: Iterable[tuple[PlacedActivity, Activity]] = ()) -> Scale:
        """Read the scale off a market: its mean positive demand and the mean size of its offers.

        Where nobody asks for service, or offers any, the numbers of activities stand in, `Program.done_in`.
        """
        quantity = _mean_positive(arrays.demand) or _mean_positive(arrays.capacity)
        price = _mean_positive(np.abs(arrays.offer_price)) or _mean_positive(arrays.route_cost)
        own_prices = []
        for own, activity in done:
            own_prices.append(activity.price * own.unit)
            if not quantity:
                quantity = (
                    _mean_positive(np.where(activity.most < np.inf, np.abs(activity.most), 0.0)) / own.unit
                )
            if not price:
                price = _mean_positive(np.abs(activity.price)) * own.unit
        if price < SMALL_PRICE:  # looked at only then, since it takes time
            prices = (arrays.value, arrays.route_cost, arrays.offer_price, *own_prices)
            price = max(price, _NO_MEASURE * max(map(_largest, prices)))
        quantity, price = quantity or 1.0, price or 1.0
        return cls(power_of_two(quantity) / UNIT, power_of_two(price) / UNIT)


LEAST_MEAN = 2.0**-60
# A mean offer, in $/Mtok, that may be too small to scale by; and beside the market's largest price it is, below this.
SMALL_PRICE, _NO_MEASURE = 1e-3, 2.0**-30


def _largest(values: Floats) -> float:
    """Return the largest finite size of a number."""
    return float(np.abs(values).max(initial=0.0, where=values < np.inf))


def _mean_positive(values: Floats) -> float:
    """Return the mean of what is not zero; zero too where that is so small beside one that it is no measure."""
    flat = values.ravel()
    count = np.count_nonzero(flat)  # none is negative
    mean = float(np.add.reduce(flat)) / count if count else 0.0
    return mean if mean >= LEAST_MEAN else 0.0


def power_of_two(value: float) -> float:
    """Return the power of two next to a number, within 2^-60 and 2^60."""
    return math.ldexp(1.0, min(60, max(-60, round(math.log2(value)))))


def scales_of(
    offer_price: Floats, capacity: Floats, demand: Floats, value: Floats, route_cost: Floats | None = None
) -> tuple[Floats, Floats]:
    """Read the scales off many markets at once, as `Scale.of` does off one.

    Parameters
    ----------
    offer_price, capacity, demand, value, route_cost : ndarray
        The markets' arrays with a leading dim `market`.

    Returns
    -------
    tuple of ndarray
        Units of quantity and of price, dims (market,).
    """
    many = len(demand)
    routes = np.zeros((many, 0)) if route_cost is None else route_cost
    quantity, price = _means(demand), _means(np.abs(offer_price))
    for mean, instead in ((quantity, capacity), (price, routes)):
        if (none := mean == 0.0).any():
            mean[none] = _means(instead[none])
    if (small := price < SMALL_PRICE).any():
        largest = np.zeros(int(small.sum()))
        for prices in (value, routes, offer_price):
            size = np.abs(prices[small]).reshape(largest.size, -1)
            largest = np.maximum(largest, np.maximum.reduce(size, axis=1, initial=0.0, where=size < np.inf))
        price[small] = np.maximum(price[small], _NO_MEASURE * largest)
    for mean in (quantity, price):
        mean[mean == 0.0] = 1.0
    return _powers_of_two(quantity) / UNIT, _powers_of_two(price) / UNIT


def _means(values: Floats) -> Floats:
    flat = values.reshape(len(values), -1)
    counts = np.count_nonzero(flat, axis=1)
    means: Floats = np.add.reduce(flat, axis=1) / np.maximum(counts, 1)
    means[means < LEAST_MEAN] = 0.0
    return means


def _powers_of_two(values: Floats) -> Floats:
    exponents = np.log2(values)
    rounded = np.rint(exponents)
    # Another logarithm may round a value that stands between two powers to the other one.
    for close in (np.abs(np.abs(exponents - rounded) - 0.5) < 1e-9).nonzero()[0]:
        rounded[close] = round(math.log2(values[close]))
    return np.exp2(np.clip(rounded, -60.0, 60.0))


@dataclass(eq=False, slots=True)  # not frozen, since it is made in every period: see `basis.ShiftedData`
class ScaledData:
    """One market's numbers in the solver's units.

    Parameters
    ----------
    scale : Scale
        The units.
    numbers : ndarray
        Costs, upper bounds and right-hand sides one after the other.
    costs, upper : ndarray
        Views of them, dims (column,).
    rows : ndarray
        Likewise, dims (row,).
    asked : ndarray
        What may be lacking of every equation, dims (equation,).
    shifted : ndarray or None
        The numbers of the shifted program and these, dims (program, number), where they are known: see `steady`.
    bounds : object or None
        What is the same object where all upper bounds, and what there is of limits, are those of another market.
    """

    scale: Scale
    numbers: Floats
    costs: Floats
    upper: Floats
    rows: Floats
    asked: Floats
    shifted: Floats | None = None
    bounds: object = None

    @classmethod
    def of(cls, program: Program, arrays: Arrays, size: float = 1.0) -> ScaledData:
        """Bring a market's numbers into the solver's units.

        Parameters
        ----------
        program : Program
            The structure.
        arrays : Arrays
            The market's numbers.
        size : float
            By how much quantities are magnified beside the usual, a power of two.
        """
        scale = Scale.of(arrays, program.done_in(arrays))
        if size != 1.0:
            scale = Scale(scale.quantity / size, scale.price)
        numbers = program.fill(arrays)
        costs, _, _ = program.split(numbers)
        costs /= scale.price
        numbers[program.columns :] /= scale.quantity
        return cls.made(program, arrays, scale, numbers)

    @classmethod
    def made(cls, program: Program, arrays: Arrays, scale: Scale, numbers: Floats) -> ScaledData:
        """Name the parts of a market's numbers, which are in the solver's units already."""
        costs, upper, rows = program.split(numbers)
        asked = program.fill_asked(arrays, rows)
        if program.equations != program.balance:
            asked /= scale.quantity
        return cls(scale, numbers, costs, upper, rows, asked)

    def shift(
        self, perturbation: Perturbation, direction: Floats | None, share: float
    ) -> tuple[Floats, object]:
        """Return the numbers of the shifted program and these, which may be written into, and their `bounds`.

        Parameters
        ----------
        perturbation : Perturbation
            By what they are shifted.
        direction, share
            As in `Perturbation.add`.
        """
        both, self.shifted = self.shifted, None  # once, since it is written into
        if both is not None and direction is None and share == 1.0:
            return both, self.bounds
        both = np.empty((2, self.numbers.size))
        both[TRUE] = self.numbers
        perturbation.add(self.numbers, both[SHIFTED], direction, share)
        return both, None


class Perturbation:
    """The generic directions of one program, fixed by its size alone.

    Parameters
    ----------
    program : Program
        The program.

    Attributes
    ----------
    numbers : ndarray
        What is added to costs, upper bounds and right-hand sides, as in `Program.split`.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.numbers = numbers_of(program)
        costs, limits, rows = program.split(self.numbers)
        costs *= COST_STEP
        costs[program.v] = 0.0
        limits *= DEMAND_STEP * GENERIC_SHARE
        rows *= DEMAND_STEP * GENERIC_SHARE
        asked = rows[program.equations]
        more = asked + DEMAND_STEP * program.asking
        asked[:] = more if program.asked is None else np.where(program.asked, more, -PASSING_SHARE * asked)
        # Of equalities not even a generic part may be left out where it is to be known what can take more.
        self.asking = (
            program.asking if program.equations == program.balance else np.maximum(asked, 0.0) / DEMAND_STEP
        )
        # A limit's row is in its own units: it is shifted as far as a typical unit of service would load it. Of an
        # equality as much more is asked at all labels.
        for placed in program.limits:
            if placed.limit.equality:
                continue
            typical = _typical(program, placed)
            rows[placed.rows] *= typical
            if placed.limit.supply is not None:
                # The supply of a limit is measured in its row's unit, too, and priced per that unit.
                each = np.repeat(typical, placed.limit.supply.price.shape[1])
                limits[placed.supply] *= each
                costs[placed.supply] /= each
        self._demand = rows[program.equations]
        self._bounds = slice(program.columns, 2 * program.columns)

    def add(self, numbers: Floats, out: Floats, direction: Floats | None = None, share: float = 1.0) -> None:
        """Write a program's shifted numbers; upper bounds of zero, which forbid, stay zero.

        Parameters
        ----------
        numbers : ndarray
            Costs, upper bounds and right-hand sides, as in `Program.split`.
        out : ndarray
            Where to write them.
        direction : ndarray, optional
            +1 where one more unit is asked for, -1 where one less, dims (equation,); by default +1 everywhere.
        share : float
            Share of the usual step.
        """
        np.add(numbers, self.numbers if share == 1.0 else share * self.numbers, out=out)
        np.copyto(out[self._bounds], ZERO, where=numbers[self._bounds] <= ZERO)
        if direction is not None:
            rows = self.program.split(out)[2]
            demand = self.program.split(numbers)[2][self.program.equations]
            np.add(demand, share * direction * self._demand, out=rows[self.program.equations])

    def of_rows(self, direction: Floats) -> Floats:
        """Return the shift of every right-hand side in a direction as above."""
        rows = self.program.split(self.numbers)[2].copy()
        rows[self.program.equations] *= direction
        return rows


def _typical(program: Program, placed: Placed) -> Floats:
    """Return what a unit of service uses of each label on average, in the row's unit; 1 where nothing uses it."""
    totals, counts = np.zeros(placed.limit.size), np.zeros(placed.limit.size)
    for term in placed.limit.measure.terms:
        use = term.use if term.use.ndim == 2 else term.use[:, None] * program.unit_of(term)
        totals += term.summed(np.abs(use).sum(axis=1), placed.limit.size)
        counts += term.summed((use != 0).sum(axis=1), placed.limit.size)
    return np.where(totals > 0, totals / np.maximum(counts, 1) / placed.unit, 1.0)


def numbers_of(program: Program) -> Floats:
    """Return the generic numbers of a program's costs, upper bounds and right-hand sides, as in `Program.split`.

    Those of paths are their own, and all others are the same whichever paths are known.
    """
    own = program.path_numbers
    if own is None:
        return generic_numbers(2 * program.columns + program.rows)
    costs, bounds = program.f.stop, program.columns - own.size + program.f.stop
    numbers = generic_numbers(2 * (program.columns - own.size) + program.rows)
    first, second = costs - own.size, bounds - own.size
    return np.concatenate([numbers[:first], own, numbers[first:second], own, numbers[second:]])


def generic_numbers(count: int) -> Floats:
    """Return numbers in (0.5, 1.5) without simple relations, the same on every machine: SplitMix64 of 1, 2, ...

    Parameters
    ----------
    count : int
        How many.

    Returns
    -------
    ndarray
        Dims (count,).

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    with np.errstate(over="ignore"):
        state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return 0.5 + (state >> np.uint64(11)).astype(np.float64) / 2.0**53
