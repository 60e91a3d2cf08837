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

from tokenflow_sim.market.arrays import Bools, Floats
from tokenflow_sim.market.program import NO_ROW, Program

Ints = NDArray[np.int64]
# A value this close to its bound, in the solver's units, stands on it.
ON_BOUND = 1e-9
# Up to this many rows, dense arithmetic is faster than setting up a sparse factorisation.
_DENSE = 48


@dataclass(frozen=True)
class Basis:
    """An optimal basis: what is basic, and at which bound the other columns stand.

    Parameters
    ----------
    columns : ndarray of int
        The basic columns.
    tight : ndarray of int
        The rows whose slack is not basic: every balance row, and the limits that bind.
    at_upper : ndarray of bool
        Columns that stand at their upper bound, dims (columns,).
    """

    columns: Ints
    tight: Ints
    at_upper: Bools


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


def read_basis(program: Program, values: Floats, upper: Floats, rows: Floats) -> Basis | None:
    """Read the basis off a solution that is not degenerate: what lies between its bounds is basic.

    Parameters
    ----------
    program : Program
        The structure.
    values, upper : ndarray
        Values and upper bounds of the columns in the shifted program.
    rows : ndarray
        Its right-hand sides.

    Returns
    -------
    Basis or None
        None if the solution is degenerate, so that its basis cannot be seen from its values.
    """
    between = (values > ON_BOUND) & (values < upper - ON_BOUND)
    # A shortfall has no bounds that matter: it is basic wherever it is not zero.
    between[program.v] = np.abs(values[program.v]) > ON_BOUND
    limits = slice(program.balance.stop, program.rows)
    slack = rows[limits] - program.activity(values)[limits]
    binding = np.flatnonzero(slack <= ON_BOUND * np.clip(np.abs(rows[limits]), 1.0, 1e6))
    columns = np.flatnonzero(between)
    tight = np.concatenate([np.arange(program.balance.stop), binding + limits.start])
    if columns.size != tight.size:
        return None
    at_upper = ~between & (values > 0.5 * upper)
    at_upper[program.v] = False
    return Basis(columns, tight, at_upper)


class Factor:
    """The factorised basis matrix of a program."""

    def __init__(self, program: Program, basis: Basis) -> None:
        self.program, self.basis = program, basis
        columns = basis.columns
        place = np.full(program.rows + 1, NO_ROW, dtype=np.int64)  # its last entry answers for NO_ROW
        place[basis.tight] = np.arange(basis.tight.size)
        met = np.empty((columns.size, 3), dtype=np.int64)
        met[:, 0] = place[program.first[columns]]
        met[:, 1] = place[program.second[columns]]
        met[:, 2] = place[program.third[columns]]
        coefficients = np.empty((columns.size, 3))
        coefficients[:, 0] = 1.0
        coefficients[:, 1] = -1.0
        coefficients[:, 2] = program.weight[columns]
        there = met != NO_ROW
        size = basis.tight.size
        self._dense: Floats | None = None
        if size <= _DENSE:
            self._dense = np.zeros((size, size))
            self._dense[met[there], np.nonzero(there)[0]] = coefficients[there]
        else:
            starts = np.zeros(columns.size + 1, dtype=np.int32)
            np.cumsum(there.sum(axis=1), out=starts[1:])
            matrix = csc_matrix(
                (coefficients[there], met[there].astype(np.int32), starts), shape=(size, size)
            )
            self._lu = splu(matrix)

    def _solve(self, right: Floats) -> Floats:
        """Solve ``B z = right``."""
        solved: Floats = self._lu.solve(right) if self._dense is None else np.linalg.solve(self._dense, right)
        return solved

    def _solve_transposed(self, right: Floats) -> Floats:
        """Solve ``B' z = right``."""
        if self._dense is None:
            solved: Floats = self._lu.solve(right, trans="T")
            return solved
        return np.linalg.solve(self._dense.T, right)

    def primal(self, upper: Floats, rows: Floats) -> Floats:
        """Return the values of all columns for given upper bounds and right-hand sides."""
        program, basis = self.program, self.basis
        values = np.where(basis.at_upper, upper, 0.0)
        rest = (rows - program.activity(values))[basis.tight]
        values[basis.columns] = self._solve(rest)
        return values

    def dual(self, costs: Floats) -> Floats:
        """Return the duals of all rows for given costs."""
        duals = np.zeros(self.program.rows)
        duals[self.basis.tight] = self._solve_transposed(costs[self.basis.columns])
        return duals
