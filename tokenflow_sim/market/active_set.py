"""The optimum of a separable convex quadratic program, exactly, from a guess of which bounds and rows hold it.

Given the columns at a bound and the rows that are full, the optimum solves a system of linear equations, whose
solution is exact up to rounding. Columns that it leads across a bound stand there next, those at a bound that would
gain by leaving it are let go, and rows likewise: a primal-dual active-set method, which is Newton's on the conditions
of optimality. From close by it ends after a few rounds; it need not from afar, which is told.

References
----------
Hintermüller, Ito and Kunisch (2002), The primal-dual active set strategy as a semismooth Newton method, SIAM Journal
on Optimization 13. Friedlander and Orban (2012), A primal-dual regularized interior-point method for convex quadratic
programs, Mathematical Programming Computation 4: the regularised system, which has a solution where the equations
depend on each other. Mangasarian (1979), Uniqueness of solution in linear programming, Linear Algebra and its
Applications 25.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tokenflow_sim.market.separable import SeparableProgram
from tokenflow_sim.numeric import Bools, Floats

# By how much columns without curvature, and rows, are regularised, and how often what is left of it is taken away.
_COLUMN, _ROW, _REFINEMENTS = 1e-7, 1e-9, 40
# Beside the size of quantities and of prices: what crosses a bound by less stands at it, and what gains less gains
# nothing.
_AT_BOUND, _NO_GAIN = 1e-10, 1e-10
# What is left of the equations is rounding; and what is more than that, no solution.
_ROUNDING, _CLOSE = 1e-15, 1e-11
# What stands neither at its bound nor this far from it may be either.
_CLEAR = 1e-7
# Rounds, and rounds without fewer changes than ever before.
_ROUNDS, _PATIENCE = 16, 3


@dataclass(frozen=True, eq=False)
class Optimum:
    """A solution of a separable program on its active set.

    Parameters
    ----------
    values, duals : ndarray
        Dims (column,) and (row,).
    low, high, tight : ndarray of bool
        Columns at their lower and upper bound, and rows that are full; equations are.
    certain : bool
        Whether the values were proved to be the only optimal ones, and to be those that this active set gives: then
        they have the same bits whatever the method started from.
    priced : bool
        Whether the duals likewise, where the values are.
    """

    values: Floats
    duals: Floats
    low: Bools
    high: Bools
    tight: Bools
    certain: bool = False
    priced: bool = False

    def rescaled(self, quantity: float, price: float) -> Optimum:
        """Return it in other units, of which one old unit is as many."""
        return replace(self, values=self.values * quantity, duals=self.duals * price)


def guess(program: SeparableProgram, values: Floats, duals: Floats) -> Optimum:
    """Guess an active set from values and duals close to an optimum's.

    Parameters
    ----------
    program : SeparableProgram
        The program.
    values, duals : ndarray
        Dims (column,) and (row,).
    """
    size, level = sizes(program, values)
    near, gain = _AT_BOUND * size, _NO_GAIN * level
    curved = program.curvature > 0
    # What is taken of a column with curvature follows from its price.
    left = program.coefficients.charged(duals) - program.costs
    at = np.where(curved, left / np.where(curved, program.curvature, 1.0), values)
    low = at <= program.lower + near
    return Optimum(
        values=values,
        duals=duals,
        low=low,
        high=~low & (at >= program.upper - near),
        tight=(program.floor == program.ceiling) | ((duals < -gain) & np.isfinite(program.ceiling)),
    )


def settle(program: SeparableProgram, start: Optimum) -> Optimum | None:
    """Change an active set until its solution is an optimum.

    Parameters
    ----------
    program : SeparableProgram
        The program.
    start : Optimum
        A guess, with values and duals close to those of an optimum where several are optimal.

    Returns
    -------
    Optimum or None
        None where the sets go round, or away.
    """
    low, high, tight = start.low, start.high, start.tight
    values, duals = start.values, start.duals
    equal = program.floor == program.ceiling
    fixed = program.upper <= program.lower
    # The start may be another program's, with other bounds.
    low = (low & np.isfinite(program.lower)) | fixed
    high, tight = high & np.isfinite(program.upper) & ~low, (tight & np.isfinite(program.ceiling)) | equal
    fewest, idle = low.size + tight.size + 1, 0
    for _ in range(_ROUNDS):
        values, duals, left = _on(program, low, high, tight, values, duals)
        if not left <= _CLOSE:
            return None
        size, level = sizes(program, values)
        near, gain = _AT_BOUND * size, _NO_GAIN * level
        slope = program.costs + program.curvature * values - program.coefficients.charged(duals)
        room = program.ceiling - program.coefficients.used(values)
        if (np.abs(room[equal]) > near).any() or (room[tight] < -near).any():
            return None  # none of what stands in a row may move
        free = ~(low | high)
        below, above = free & (values < program.lower - near), free & (values > program.upper + near)
        up, down = low & ~fixed & (slope < -gain), high & (slope > gain)
        over, loose = ~tight & (room < -near), tight & ~equal & ((duals > gain) | (room > near))
        changes = sum(map(np.count_nonzero, (below, above, up, down, over, loose)))
        if not changes:
            return _finished(program, Optimum(values, duals, low, high, tight), room, slope)
        fewest, idle = (changes, 0) if changes < fewest else (fewest, idle + 1)
        if idle > _PATIENCE:
            break
        low, high, tight = (low & ~up) | below, (high & ~down) | above, (tight & ~loose) | over
    return None


def sizes(program: SeparableProgram, values: Floats) -> tuple[float, float]:
    """Return what quantities and prices are measured by."""
    return max(1.0, _most(values)), max(1.0, _most(program.costs))


def _finished(program: SeparableProgram, found: Optimum, room: Floats, slope: Floats) -> Optimum:
    """Compute an optimum afresh from its active set alone, and say whether it is the only one."""
    values = found.values
    size, level = sizes(program, values)
    near, gain = _AT_BOUND * size, _NO_GAIN * level
    # What stands at a bound, or is full, counts as such whether anything holds it there: that depends on the optimum
    # alone, and not on the way to it.
    low = values <= program.lower + near
    high = ~low & (values >= program.upper - near)
    tight = (program.floor == program.ceiling) | (room <= near)
    nothing = np.zeros(program.ceiling.size)
    again, duals, left = _on(program, low, high, tight, np.zeros(values.size), nothing)
    if not (left <= _CLOSE and np.abs(again - values).max(initial=0.0) <= _CLEAR * size):
        return replace(found, values=np.clip(values, program.lower, program.upper))
    clear = _CLEAR * size
    inside = ~(low | high)
    between = inside & ((again < program.lower + clear) | (again > program.upper - clear))
    slack = ~tight & (room < clear)
    certain = not (between.any() or slack.any())
    if certain:
        # Columns without curvature that lose nothing by moving, and rows that pay for not giving way.
        still = np.where(inside, 0.0, np.where(high, -slope, slope))
        loose = (still <= 1e3 * gain) & (program.curvature == 0) & (program.upper > program.lower)
        held = (program.floor == program.ceiling) | (found.duals < -1e3 * gain)
        certain = program.coefficients.independent(loose, held)
    priced = certain and program.coefficients.independent(inside, tight, of_rows=True)
    again = np.clip(again, program.lower, program.upper)
    return Optimum(again, duals if priced else found.duals, low, high, tight, certain, priced)


def _on(
    program: SeparableProgram, low: Bools, high: Bools, tight: Bools, values: Floats, duals: Floats
) -> tuple[Floats, Floats, float]:
    """Solve the conditions of optimality with some columns at their bounds and some rows full.

    The regularised system is solved again for what it leaves of them, which is nothing after a few times; where they
    have several solutions, one close to the values and duals given is found. Returned is what is left at last,
    relative.
    """
    coefficients, (size, level) = program.coefficients, sizes(program, values)
    free, moved, charged = ~(low | high), values.copy(), np.where(tight, duals, 0.0)
    moved[low], moved[high] = program.lower[low], program.upper[high]
    # A row none of whose columns may move says nothing.
    rows = tight & coefficients.met_by(free)
    own, ceiling = program.curvature[free], program.ceiling[rows]
    if not own.size:
        return moved, charged, 0.0
    solve = coefficients.optimality(free, rows, np.where(own > 0, own, _COLUMN), _ROW)
    if solve is None:
        return moved, charged, np.inf
    count, least, kept = own.size, np.inf, (moved, charged)
    for _ in range(_REFINEMENTS):
        unmet = ceiling - coefficients.used(moved)[rows]
        slope = (program.costs + program.curvature * moved - coefficients.charged(charged))[free]
        left = max(_most(unmet) / size, _most(slope) / level)
        if not left < least:
            break
        least, kept = left, (moved, charged)
        if left <= _ROUNDING:
            break
        step = solve(np.concatenate((-slope, unmet)))
        moved, charged = moved.copy(), charged.copy()
        moved[free] += step[:count]
        charged[rows] -= step[count:]
    return *kept, least


def _most(values: Floats) -> float:
    return max(-float(values.min()), float(values.max())) if values.size else 0.0
