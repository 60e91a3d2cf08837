"""From an optimal basis to exact numbers: the market's own vertex, with its primal and dual values.

The solver says which columns and rows are basic. Everything published is then computed afresh from that basis
and the market's unshifted numbers, so that equal bases give equal bits whatever the solver did before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from tokenflow_sim.market.arrays import Floats
from tokenflow_sim.market.program import NO_ROW, Program

Ints = NDArray[np.int64]
# A value this close to its bound, in the solver's units, stands on it.
ON_BOUND = 1e-9
# Up to this many rows, dense arithmetic is faster than setting up a sparse factorisation.
_DENSE = 48


@dataclass(frozen=True)
class Vertex:
    """A basic solution.

    Parameters
    ----------
    values : ndarray
        Value of every column.
    duals : ndarray
        Dual of every row; not positive for limits.
    """

    values: Floats
    duals: Floats


class Factor:
    """The factorised basis matrix of a program.

    Parameters
    ----------
    program : Program
        The structure.
    columns, tight : ndarray of int
        The basic columns, and the rows whose slack is not basic; as many, and in ascending order.

    Notes
    -----
    Several programs that differ only in numbers are solved for at once, dims (program, ...). A BLAS may round a
    single right-hand side in another way than the same one beside others, so that what is published always has to
    be asked for in the same company.
    """

    def __init__(self, program: Program, columns: Ints, tight: Ints) -> None:
        self.program, self.columns, self.tight = program, columns, tight
        size = tight.size
        place = np.full(program.rows + 1, NO_ROW, dtype=np.int64)
        place[tight] = np.arange(size)
        met = place.take(program.met.take(columns, axis=0))
        coefficients = program.coefficient.take(columns, axis=0)
        self._dense: Floats | None = None
        if size <= _DENSE:
            # What meets no tight row is written to a row too many.
            padded = np.zeros((size + 1, size))
            padded[met, np.arange(size)[:, None]] = coefficients
            self._dense = padded[:size]
        else:
            there = met != NO_ROW
            starts = np.zeros(size + 1, dtype=np.int32)
            np.cumsum(there.sum(axis=1), out=starts[1:])
            matrix = csc_matrix(
                (coefficients[there], met[there].astype(np.int32), starts), shape=(size, size)
            )
            self._lu = splu(matrix)

    def primal(self, at_upper: Ints, upper: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Return the values of the basic columns, and the value of every row without them.

        Parameters
        ----------
        at_upper : ndarray of int
            Columns that stand at their upper bound; the others that are not basic are zero.
        upper, rows : ndarray
            Upper bounds and right-hand sides, dims (program, column) and (program, row).
        """
        fixed = self.program.moved_by(at_upper, upper.take(at_upper, axis=1))
        right = (rows - fixed).take(self.tight, axis=1).T
        solved = self._lu.solve(right) if self._dense is None else np.linalg.solve(self._dense, right)
        return solved.T, fixed

    def dual(self, costs: Floats) -> Floats:
        """Return the duals of all rows.

        Parameters
        ----------
        costs : ndarray
            Dims (program, column).
        """
        right = costs.take(self.columns, axis=1).T
        solved = (
            self._lu.solve(right, trans="T") if self._dense is None else np.linalg.solve(self._dense.T, right)
        )
        duals = np.zeros((len(costs), self.program.rows))
        duals[:, self.tight] = solved.T
        return duals

    def values(self, at_upper: Ints, upper: Floats, basic: Floats) -> Floats:
        """Return the values of all columns of one program."""
        values = np.zeros(self.program.columns)
        values[at_upper] = upper[at_upper]
        values[self.columns] = basic
        return values
