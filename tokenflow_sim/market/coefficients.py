"""Coefficients of a program, and the systems of equations that some of its rows and columns make.

Small programs are dense, since an operation of a sparse matrix takes longer than all of their arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse import linalg

from tokenflow_sim.numeric import Bools, Floats, Ints

# Up to so many entries a dense matrix is faster, and up to so many rows and columns a dense factorisation.
_DENSE, _FACTORED = 4096, 120
# A pivot below this, beside the largest, is that of a column that depends on the others.
_INDEPENDENT = 1e-8


class Coefficients:
    """A matrix of coefficients.

    Parameters
    ----------
    matrix : csc_array
        Rows by columns.
    """

    def __init__(self, matrix: sparse.csc_array) -> None:
        self.matrix, self.shape = matrix, matrix.shape
        self.rows: Ints = matrix.indices.astype(np.int64)
        self.columns: Ints = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
        self.entries: Floats = matrix.data
        small = matrix.shape[0] * matrix.shape[1] <= _DENSE
        self._dense: Floats | None = matrix.toarray() if small else None

    @cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix.T)

    def used(self, values: Floats) -> Floats:
        """Return what some columns use of every row, ``A z``."""
        found: Floats = self.matrix @ values if self._dense is None else self._dense @ values
        return found

    def charged(self, duals: Floats) -> Floats:
        """Return what the duals of the rows charge every column, ``A' y``."""
        found: Floats = self._transposed @ duals if self._dense is None else duals @ self._dense
        return found

    def met_by(self, free: Bools) -> Bools:
        """Return the rows that some of the columns stand in, dims (row,)."""
        found = np.zeros(self.shape[0], dtype=np.bool_)
        if self._dense is not None:
            return np.asarray((self._dense[:, free] != 0).any(axis=1))
        found[self.rows[free[self.columns]]] = True
        return found

    def optimality(
        self, free: Bools, tight: Bools, curvature: Floats, give: float
    ) -> Callable[[Floats], Floats] | None:
        """Factorise the system of optimality of some columns and rows, regularised.

        Parameters
        ----------
        free : ndarray of bool
            Columns that may move, dims (column,).
        tight : ndarray of bool
            Rows that are equations, dims (row,).
        curvature : ndarray
            Positive, of the free columns.
        give : float
            By how much the rows give way, positive.

        Returns
        -------
        callable or None
            Solves ``[Q A'; A -give] [z; y] = right``; None where that is singular all the same.
        """
        columns, rows = curvature.size, int(np.count_nonzero(tight))
        if self._dense is not None and rows + columns <= _FACTORED:
            system = np.zeros((rows + columns, rows + columns))
            part = self._dense[tight][:, free]
            system[:columns, columns:], system[columns:, :columns] = part.T, part
            system.ravel()[:: rows + columns + 1] = np.concatenate([curvature, np.full(rows, -give)])
            factor, pivots, info = lapack.dgetrf(system, overwrite_a=True)
            return None if info else lambda right: lapack.dgetrs(factor, pivots, right)[0]
        row, column, entries = self._part(free, tight)
        every = np.arange(rows + columns)
        diagonal = np.concatenate([curvature, np.full(rows, -give)])
        whole = sparse.coo_array(
            (
                np.concatenate([entries, entries, diagonal]),
                (
                    np.concatenate([row + columns, column, every]),
                    np.concatenate([column, row + columns, every]),
                ),
            ),
            shape=(rows + columns, rows + columns),
        )
        try:
            return linalg.splu(sparse.csc_matrix(whole)).solve
        except RuntimeError:
            return None

    def independent(self, columns: Bools, rows: Bools, *, of_rows: bool = False) -> bool:
        """Whether some columns are linearly independent in some rows, as far as a factorisation shows it.

        Parameters
        ----------
        columns, rows : ndarray of bool
            Dims (column,) and (row,).
        of_rows : bool
            Whether it is asked of the rows instead.
        """
        count, height = int(np.count_nonzero(columns)), int(np.count_nonzero(rows))
        few, many = (height, count) if of_rows else (count, height)
        if not 0 < few <= many:
            return few == 0
        if self._dense is not None:
            part = self._dense[rows][:, columns]
            factor, info = lapack.dpotrf(part @ part.T if of_rows else part.T @ part)
            if info:
                return False
            pivots = factor.diagonal() ** 2
        else:
            row, column, entries = self._part(columns, rows)
            within = sparse.csc_array((entries, (row, column)), shape=(height, count))
            square = within @ within.T if of_rows else within.T @ within
            try:
                pivots = np.abs(linalg.splu(sparse.csc_matrix(square)).U.diagonal())
            except RuntimeError:  # SuperLU raises it for a singular matrix
                return False
        return bool(pivots.min() > _INDEPENDENT * pivots.max())

    def _part(self, columns: Bools, rows: Bools) -> tuple[Ints, Ints, Floats]:
        """Return rows, columns and values of the entries of some columns and rows, counted among these."""
        kept = columns[self.columns] & rows[self.rows]
        row, column = np.cumsum(rows) - 1, np.cumsum(columns) - 1
        return row[self.rows[kept]], column[self.columns[kept]], self.entries[kept]
