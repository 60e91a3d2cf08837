"""The basis that a solver ended with: factorised, checked, and turned into exact numbers.

The solver says which columns and rows are basic. One factorisation serves the shifted program and the true one,
which have one matrix: it is checked that the basis is the only optimal one of the first and optimal for the second.
Everything published is then computed afresh from the basis and the market's unshifted numbers, so that equal bases
give equal bits whatever the solver did before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import INFINITY, ZERO, Floats, Ints

# How far the shifted basis must stand from any other one, beyond rounding errors, to be the only one.
MARGIN = 1e-10
# How far off its bounds, in the solver's units, a true value may be to count as optimal.
TOLERANCE = 1e-8
# A shortfall this close to zero, in the solver's units, is none.
ON_BOUND = 1e-9
SHIFTED, TRUE = 0, 1
# What a true shortfall may be and still be rounding: relative to its demand, and absolute in the solver's units.
_OF_ROW, _NOISE = 1e-7, 1e-12


@dataclass(eq=False, slots=True)
class Basis:
    """What a basic solution rests on.

    Parameters
    ----------
    factor : BasisFactorization
        The factorised basis.
    losses : ndarray
        What leaving its bound costs for every column that is not basic, dims (column,); infinite for the others.
    duals : ndarray
        Duals of the rows, dims (row,).
    """

    factor: BasisFactorization
    losses: Floats
    duals: Floats

    @property
    def rents(self) -> Floats:
        """What leaving a limit costs whose slack is not basic, in the order of `factor.full`."""
        return -self.duals.take(self.factor.full)


@dataclass(eq=False, slots=True)
class BasicSolution:
    """A basic solution.

    Parameters
    ----------
    values : ndarray
        Value of every column.
    duals : ndarray
        Dual of every row; not positive for limits.
    basis : Basis, optional
        What both rest on; None where values and duals rest on different ones.
    """

    values: Floats
    duals: Floats
    basis: Basis | None = None


# These are not frozen, though nobody changes them: they are made in every period, and setting the fields of a frozen
# one takes three times as long.
@dataclass(eq=False, slots=True)
class ShiftedData:
    """The numbers of the shifted and of the true program, in this order along the first dimension.

    Parameters
    ----------
    costs, upper : ndarray
        Dims (program, column).
    lower : ndarray
        Lower bounds of the shifted program, dims (column,).
    rows : ndarray
        Right-hand sides, dims (program, row).
    equations : int
        How many rows, the first ones, are equations.
    opens_below : bool
        Whether any lower bound is below zero.
    bounds : object or None
        What is the same object where `upper` and the limits' part of `rows` are those of another market.
    """

    costs: Floats
    upper: Floats
    lower: Floats
    rows: Floats
    equations: int
    opens_below: bool = False
    bounds: object = None

    @property
    def floor(self) -> Floats:
        """Least values of the shifted program's rows, dims (row,): limits have none."""
        floor: Floats = self.rows[SHIFTED].copy()
        floor[self.equations :] = -np.inf
        return floor


@dataclass(eq=False, slots=True)
class BasisCheck:
    """Whether a basis is the only optimal one of the shifted program, and optimal for the true one.

    Parameters
    ----------
    columns, tight : ndarray of int
        The basis.
    at_upper : ndarray of int
        Columns at their upper bound.
    unique : bool
        Whether it is the shifted program's only optimal basis.
    optimal : bool
        Whether it is optimal for the shifted program within tolerance, though perhaps not the only one.
    short : bool
        Whether demand is left unmet in it.
    solution : BasicSolution or None
        The true program's, if the basis is optimal for that as well.
    duals : ndarray
        Duals of the rows of both programs, dims (program, row).
    factor : BasisFactorization
        The factorised basis.
    """

    columns: Ints
    tight: Ints
    at_upper: Ints
    unique: bool
    optimal: bool
    short: bool
    solution: BasicSolution | None
    duals: Floats
    factor: BasisFactorization


def check_basis(
    program: Program,
    numbers: ShiftedData,
    columns: Ints,
    tight: Ints,
    at_upper: Ints | None = None,
    *,
    factor: BasisFactorization | None = None,
    alone: bool = False,
) -> BasisCheck | None:
    """Check a basis against the shifted and the true program.

    Parameters
    ----------
    program : Program
        The structure.
    numbers : ShiftedData
        The numbers.
    columns, tight : ndarray of int
        The basic columns, and the rows whose slack is not basic, in ascending order.
    at_upper : ndarray of int, optional
        Columns at their upper bound, where they are read off the solver's values; by default those that the shifted
        costs drive there.
    factor : BasisFactorization, optional
        The basis, if it is factorised already.
    alone : bool
        Whether no solver has found the basis, so that what a solver sees to by itself is checked as well: that full
        rows have a limit, that shortfalls keep their lower bounds, that nothing is gained by giving service away.

    Returns
    -------
    BasisCheck or None
        None if this is no basis, or an equation, a balance of demand and supply for example, has a slack; and where it
        stands `alone`, if shortfalls do not keep to their bounds, or it is not certain that they do.
    """
    nodal = program.equations.stop
    if columns.size != tight.size or (nodal and (tight.size < nodal or tight[nodal - 1] != nodal - 1)):
        return None
    if factor is None:
        factor = BasisFactorization(program, columns, tight)
    full, service = factor.full, factor.service
    costs, upper, rows = numbers.costs, numbers.upper, numbers.rows
    bounded = factor.bounded(upper, rows, numbers.bounds)
    # A link that lets nothing through, or all, has no row that could be full: no solver would end in such a basis.
    if alone and bounded.endless:
        return None
    duals = factor.dual(costs)
    # Reduced costs, as distances from a change of basis: what is forbidden may be worth anything, and a basic column
    # stands between its bounds, so that neither of the two limits the distance.
    reduced = program.reduced_costs(costs, duals)
    np.putmask(reduced, bounded.unlimited, INFINITY)
    moved = None
    if at_upper is None:
        worth = reduced[SHIFTED] < ZERO
        worth &= bounded.finite
        at_upper, moved = bounded.at_upper(worth)
        if at_upper.size:
            np.negative(reduced, out=reduced, where=worth)
    else:
        reduced[:, at_upper] *= -1
    # Primal values, as distances from their bounds.
    basic, rest = factor.primal(at_upper, upper, rows, moved)
    room = bounded.upper - basic
    # A limit counts by its slack, or by its dual where its slack is not basic; an equation has none.
    slack, rents = rest.take(factor.loose, axis=1), -duals.take(full, axis=1)
    over, short, taken = basic, False, False
    if (alone and (service < columns.size or numbers.opens_below)) and not _keeps_bounds(
        program, numbers, columns[service:], basic[SHIFTED, service:], duals
    ):
        return None
    if service < columns.size:
        # The last columns are shortfalls: basic ones mean unmet demand, and never limit the distance from below.
        over = basic.copy()
        over[:, service:] = np.inf
        short = bool((basic[SHIFTED, service:] > ON_BOUND).any())
        # In the true program a shortfall may be rounding and no more, else the solution leaves true demand unmet.
        asked = rows[TRUE].take(columns[service:] - program.v.start)
        taken = bool((np.abs(basic[TRUE, service:]) > _OF_ROW * np.abs(asked) + _NOISE).any())
    # The least of all distances: above MARGIN no other basis is optimal (shifted), and not below zero by more than the
    # tolerance means optimal (true). Mostly both programs stand above MARGIN, as is seen without telling them apart.
    far = np.concatenate((reduced, over, room, rents, slack), axis=1)
    if _least(far) >= MARGIN:
        unique = optimal = fits = True
    else:
        shifted, true = _least(far[SHIFTED]), _least(far[TRUE])
        unique = shifted >= MARGIN
        optimal = shifted >= -TOLERANCE or _within(far[SHIFTED], rows[SHIFTED].take(factor.loose))
        fits = true >= -TOLERANCE or _within(far[TRUE], rows[TRUE].take(factor.loose))
    solution = None
    if fits and not taken:
        values = factor.values(at_upper, upper[TRUE], basic[TRUE])
        solution = BasicSolution(values, duals[TRUE], Basis(factor, reduced[TRUE], duals[TRUE]))
    return BasisCheck(columns, tight, at_upper, unique, optimal, short, solution, duals, factor)


def _least(values: Floats) -> float:
    """Return the least of some numbers; not-a-number if there is one."""
    return float(values.item(values.argmin())) if values.size else np.inf


def _keeps_bounds(program: Program, numbers: ShiftedData, basic: Ints, values: Floats, duals: Floats) -> bool:
    """Whether basic shortfalls stand clear of their lower bounds, and no other is worth lowering where it is open."""
    if basic.size and not (values - numbers.lower.take(basic) >= MARGIN).all():
        return False
    if numbers.opens_below:
        falls = numbers.lower[program.v] < 0.0
        falls[basic - program.v.start] = False
        lost = duals[SHIFTED, program.equations] - numbers.costs[SHIFTED, program.v]
        return bool((lost[falls] >= MARGIN).all())
    return True


def _within(far: Floats, limits: Floats) -> bool:
    """Whether everything is kept within tolerance, which grows with a limit; never where there is a NaN.

    Slacks of the limits come last.
    """
    tolerance = TOLERANCE * np.clip(np.abs(limits), 1.0, 1e6)
    others = far.size - limits.size
    return bool((far[:others] >= -TOLERANCE).all() and (far[others:] >= -tolerance).all())
