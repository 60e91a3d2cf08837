"""The factorised matrix of a basis, dense in small programs and sparse in others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.program import NO_ROW, Program
from tokenflow_sim.numeric import INFINITY, ZERO, Bools, Floats, Ints

_NO_BASIS = "HiGHS gave a basis whose columns do not span its rows"


class Bounded:
    """What of a basis' place between its bounds hangs on upper bounds alone, in the shifted and the true program.

    Parameters
    ----------
    factor : BasisFactorization
        The basis.
    upper, rows : ndarray
        Upper bounds and right-hand sides, dims (program, column) and (program, row).

    Attributes
    ----------
    unlimited : ndarray of bool
        Columns whose reduced cost does not count, dims (program, column): they are basic, or forbidden.
    finite : ndarray of bool
        Columns that have a bound in the shifted program, dims (column,).
    upper : ndarray
        Bounds of the basic columns, dims (program, basic column).
    endless : bool
        Whether a row that should be full has no limit.
    """

    def __init__(self, factor: BasisFactorization, upper: Floats, rows: Floats) -> None:
        self._program, self._upper = factor.program, upper
        self.unlimited: Bools = upper == ZERO
        self.unlimited |= factor.is_basic
        self.finite: Bools = upper[0] < INFINITY
        self.upper = upper.take(factor.columns, axis=1)
        full = rows[0].take(factor.full)
        self.endless = bool(full.size) and full.item(full.argmax()) == np.inf
        self._worth, self._at_upper = b"", np.zeros(0, dtype=np.int64)
        self._moved: Floats | None = None

    def at_upper(self, worth: Bools) -> tuple[Ints, Floats]:
        """Return columns at their upper bound, given as flags, and what they add to every row.

        The last ones are mostly asked for again.
        """
        key = worth.tobytes()
        if self._moved is None or key != self._worth:
            self._worth, self._at_upper = key, worth.nonzero()[0]
            self._moved = self._program.moved_by(self._at_upper, self._upper.take(self._at_upper, axis=1))
        return self._at_upper, self._moved


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
    be asked for in the same company. Dims before these, of many markets, change nothing: a BLAS is asked for one
    market after the other.
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
        self._bounded: tuple[object, Bounded] | None = None
        if program.dense is None:
            self._basic: Floats | None = None
            self._solve = _sparse(program, columns, tight)
        else:
            self._basic = program.dense.take(columns, axis=0)
            self._solve = _dense(self._basic.take(tight, axis=1))

    def bounded(self, upper: Floats, rows: Floats, bounds: object) -> Bounded:
        """Return what hangs on upper bounds alone; where `bounds` is the object of last time, that of last time."""
        known = self._bounded
        if bounds is not None and known is not None and known[0] is bounds:
            return known[1]
        found = Bounded(self, upper, rows)
        self._bounded = None if bounds is None else (bounds, found)
        return found

    def primal(
        self, at_upper: Ints, upper: Floats, rows: Floats, moved: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return the values of the basic columns, and what they leave of every right-hand side.

        Parameters
        ----------
        at_upper : ndarray of int
            Columns that stand at their upper bound; the others that are not basic are zero.
        upper, rows : ndarray
            Upper bounds and right-hand sides, dims (program, column) and (program, row).
        moved : ndarray, optional
            What those at their upper bound add to every row, if it is known.
        """
        if moved is None:
            moved = self.program.moved_by(at_upper, upper.take(at_upper, axis=-1))
        left = rows - moved
        basic = self._solve(left.take(self.tight, axis=-1), False)
        left -= self.program.moved_by(self.columns, basic) if self._basic is None else basic @ self._basic
        return basic, left

    def dual(self, costs: Floats) -> Floats:
        """Return the duals of all rows.

        Parameters
        ----------
        costs : ndarray
            Dims (program, column).
        """
        duals = np.zeros((*costs.shape[:-1], self.program.rows))
        nodal = self.tight.size - self.full.size
        solved = self._solve(costs.take(self.columns, axis=-1), True)
        duals[..., :nodal] = solved[..., :nodal]
        if self.full.size:
            duals[..., self.full] = solved[..., nodal:]
        return duals

    def values(self, at_upper: Ints, upper: Floats, basic: Floats) -> Floats:
        """Return the values of all columns of one program."""
        values = np.zeros(self.program.columns)
        values[at_upper] = upper[at_upper]
        values[self.columns] = basic
        return values


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
        if right.ndim > 2:
            return _each(right, solve, of_transpose)
        solved: Floats = dgetrs(factors, pivots, right.T, trans=of_transpose, overwrite_b=True)[0]
        return solved.T

    return solve


def _each(right: Floats, solve: _Solve, of_transpose: bool) -> Floats:
    """Solve for one market after the other, dims (market, program, ...)."""
    found = np.empty(right.shape)
    for number, one in enumerate(right):
        found[number] = solve(one, of_transpose)
    return found


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

    def solve(right: Floats, of_transpose: bool) -> Floats:
        if right.ndim > 2:
            return _each(right, solve, of_transpose)
        solved: Floats = factors.solve(right.T, trans="T" if of_transpose else "N")
        return solved.T

    return solve
