"""From an optimal basis to exact numbers: the market's own vertex, with its primal and dual values.

The solver says which columns and rows are basic. Everything published is then computed afresh from that basis
and the market's unshifted numbers, so that equal bases give equal bits whatever the solver did before.
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
from tokenflow_sim.numeric import Floats, Ints

_NO_BASIS = "HiGHS gave a basis whose columns do not span its rows"


class Factor:
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
        duals = np.zeros((len(costs), self.program.rows))
        duals[:, self.tight] = self._solve(costs.take(self.columns, axis=1), True)
        return duals

    def values(self, at_upper: Ints, upper: Floats, basic: Floats) -> Floats:
        """Return the values of all columns of one program."""
        values = np.zeros(self.program.columns)
        values[at_upper] = upper[at_upper]
        values[self.columns] = basic
        return values


@dataclass(frozen=True, slots=True)
class Basis:
    """What a basic solution rests on.

    Parameters
    ----------
    factor : Factor
        The factorised basis.
    losses : ndarray
        What leaving its bound costs for every column that is not basic, dims (column,); infinite for the others.
    rents : ndarray
        Likewise for limits whose slack is not basic, in the order of `factor.tight` less the balances.
    """

    factor: Factor
    losses: Floats
    rents: Floats


@dataclass(frozen=True)
class Vertex:
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
    """Factorise a matrix given as its transpose, which is how LAPACK reads it without copying."""
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
    except RuntimeError as error:  # how SuperLU tells a singular matrix
        raise CertificateError(_NO_BASIS) from error
    return lambda right, of_transpose: factors.solve(right.T, trans="T" if of_transpose else "N").T
