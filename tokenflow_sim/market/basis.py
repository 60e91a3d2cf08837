"""The basis that a solver ended with: factorised, checked, and turned into exact numbers.

The solver says which columns and rows are basic. One factorisation serves the shifted program and the true one,
which have one matrix: it is checked that the basis is the only optimal one of the first and optimal for the second.
Everything published is then computed afresh from the basis and the market's unshifted numbers, so that equal bases
give equal bits whatever the solver did before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.program import NO_ROW, Program
from tokenflow_sim.numeric import INFINITY, ZERO, Bools, Floats, Ints

# How far the shifted basis must stand from any other one, beyond rounding errors, to be the only one.
MARGIN = 1e-10
# How far off its bounds, in the solver's units, a true value may be to count as optimal.
TOLERANCE = 1e-8
# A shortfall this close to zero, in the solver's units, is none.
ON_BOUND = 1e-9
SHIFTED, TRUE = 0, 1
# What a true shortfall may be and still be rounding: relative to its demand, and absolute in the solver's units.
_OF_ROW, _NOISE = 1e-7, 1e-12
_NO_BASIS = "HiGHS gave a basis whose columns do not span its rows"


class BasisFactorization:
    """The factorised basis matrix of a program.

    Parameters
    ----------
    program : Program
        The structure.
    columns, tight : ndarray of int
        The basic columns, and the rows whose slack is not basic; as many, and in ascending order.

    Raises
    ------
    CertificateError
        If the columns are no basis of these rows.

    Notes
    -----
    Several programs that differ only in numbers are solved for at once, dims (program, ...). A BLAS may round a
    single right-hand side in another way than the same one beside others, so that what is published always has to
    be asked for in the same company.
    """

    def __init__(self, program: Program, columns: Ints, tight: Ints) -> None:
        self.program, self.columns, self.tight = program, columns, tight
        nodal = program.equations.stop
        # Limits whose slack is not basic, after the equations, and where shortfalls start among the basic columns.
        self.full: Ints = tight[nodal:]
        # And all other limits.
        is_loose = np.ones(program.rows, dtype=np.bool_)
        is_loose[:nodal] = is_loose[self.full] = False
        self.loose: Ints = is_loose.nonzero()[0]
        self.service = int(columns.searchsorted(program.v.start))
        # In both programs: an array of the same shape is met faster than one that is repeated.
        self.is_basic: Bools = np.zeros((2, program.columns), dtype=np.bool_)
        self.is_basic[:, columns] = True
        if program.dense is None:
            self._basic: Floats | None = None
            self._solve = _sparse(program, columns, tight)
        else:
            self._basic = program.dense.take(columns, axis=0)
            self._solve = _dense(self._basic.take(tight, axis=1))

    def primal(self, at_upper: Ints, upper: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Return the values of the basic columns, and what they leave of every right-hand side.

        Parameters
        ----------
        at_upper : ndarray of int
            Columns that stand at their upper bound; the others that are not basic are zero.
        upper, rows : ndarray
            Upper bounds and right-hand sides, dims (program, column) and (program, row).
        """
        left = rows - self.program.moved_by(at_upper, upper.take(at_upper, axis=1))
        basic = self._solve(left.take(self.tight, axis=1), False)
        left -= self.program.moved_by(self.columns, basic) if self._basic is None else basic @ self._basic
        return basic, left

    def dual(self, costs: Floats) -> Floats:
        """Return the duals of all rows.

        Parameters
        ----------
        costs : ndarray
            Dims (program, column).
        """
        duals, nodal = np.zeros((len(costs), self.program.rows)), self.tight.size - self.full.size
        solved = self._solve(costs.take(self.columns, axis=1), True)
        duals[:, :nodal] = solved[:, :nodal]
        if self.full.size:
            duals[:, self.full] = solved[:, nodal:]
        return duals

    def values(self, at_upper: Ints, upper: Floats, basic: Floats) -> Floats:
        """Return the values of all columns of one program."""
        values = np.zeros(self.program.columns)
        values[at_upper] = upper[at_upper]
        values[self.columns] = basic
        return values


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


# Solves for right-hand sides, dims (program, ...), of the basis matrix or of its transpose.
_Solve = Callable[[Floats, bool], Floats]


def _dense(transposed: Floats) -> _Solve:
    """Factorise a matrix given as its transpose, which LAPACK reads without copying."""
    if not transposed.size:
        return lambda right, of_transpose: right
    factors, pivots, info = dgetrf(transposed.T, overwrite_a=True)
    if info:
        raise CertificateError(_NO_BASIS)

    def solve(right: Floats, of_transpose: bool) -> Floats:
        # What LAPACK solves for stands in columns, one after the other in memory, as ours do in rows.
        solved: Floats = dgetrs(factors, pivots, right.T, trans=of_transpose, overwrite_b=True)[0]
        return solved.T

    return solve


def _sparse(program: Program, columns: Ints, tight: Ints) -> _Solve:
    size = tight.size
    place = np.full(program.rows + 1, NO_ROW, dtype=np.int64)
    place[tight] = np.arange(size)
    met = place.take(program.met.take(columns, axis=0))
    there = met != NO_ROW
    starts = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(there.sum(axis=1), out=starts[1:])
    coefficients = program.coefficient.take(columns, axis=0)[there]
    matrix = csc_matrix((coefficients, met[there].astype(np.int32), starts), shape=(size, size))
    try:
        factors = splu(matrix)
    except RuntimeError as error:  # SuperLU raises it for a singular matrix
        raise CertificateError(_NO_BASIS) from error
    return lambda right, of_transpose: factors.solve(right.T, trans="T" if of_transpose else "N").T


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
    """

    costs: Floats
    upper: Floats
    lower: Floats
    rows: Floats
    equations: int
    opens_below: bool = False

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
    # A link that lets nothing through, or all, has no row that could be full: no solver would end in such a basis.
    if alone and full.size and _least(-rows[SHIFTED].take(full)) == -np.inf:
        return None
    duals = factor.dual(costs)
    # Reduced costs, as distances from a change of basis: what is forbidden may be worth anything, and a basic column
    # stands between its bounds, so that neither of the two limits the distance.
    reduced = program.reduced_costs(costs, duals)
    unlimited = upper == ZERO
    unlimited |= factor.is_basic
    np.putmask(reduced, unlimited, INFINITY)
    if at_upper is None:
        worth = reduced[SHIFTED] < ZERO
        worth &= upper[SHIFTED] < INFINITY
        at_upper = worth.nonzero()[0]
        if at_upper.size:
            np.negative(reduced, out=reduced, where=worth)
    else:
        reduced[:, at_upper] *= -1
    # Primal values, as distances from their bounds.
    basic, rest = factor.primal(at_upper, upper, rows)
    room = upper.take(columns, axis=1) - basic
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
    distances = reduced, over, room, rents, slack
    if all(_least(some) >= MARGIN for some in distances):
        unique = optimal = fits = True
    else:
        far = np.concatenate(distances, axis=1)
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
