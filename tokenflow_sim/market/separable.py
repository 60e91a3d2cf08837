"""Separable convex quadratic programs: solved by HiGHS, and then exactly on the active set that it finds.

HiGHS ends within its tolerance of an optimum. Which columns stand at a bound there, and which rows are full, is the
active set; given that, the optimum solves a system of linear equations, whose solution is exact up to rounding. Where
it leaves a bound, the set is changed and the system solved again.

References
----------
Nocedal and Wright (2006), Numerical Optimization, 2nd edition, sections 16.2 and 16.5. Friedlander and Orban (2012), A
primal-dual regularized interior-point method for convex quadratic programs, Mathematical Programming Computation 4:
the regularised system, which has a solution where the equations depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse import linalg

from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.highs import OPTIONS, column_program, new_highs
from tokenflow_sim.numeric import Bools, Floats

# HiGHS adds this to the curvature of every column by default (1e-7), which shows in the prices.
QP_OPTIONS = OPTIONS | {"qp_regularization_value": 0.0}
# What lies no further from a bound stands at it, beside the size of what it is compared with.
_AT_BOUND = 1e-8
# By how much columns without curvature, and rows, are regularised, and how often what is left of it is taken away.
_COLUMN, _ROW, _REFINEMENTS = 1e-7, 1e-9, 40
_ROUNDS = 30
# Relative: rounding, and what is left where a system has no solution.
_ROUNDING, _CLOSE = 1e-12, 1e-10
# Up to so many rows and columns a dense factorisation is faster.
_DENSE = 200


class IterationLimit(Exception):
    """The quadratic solver was stopped."""


@dataclass(frozen=True, eq=False)
class SeparableProgram:
    """min c z + 1/2 sum q_j z_j^2  s.t.  floor <= A z <= ceiling,  lower <= z <= upper.

    Parameters
    ----------
    costs, curvature, lower, upper : ndarray
        c, q (not negative), and bounds, dims (column,).
    floor, ceiling : ndarray
        Dims (row,); equal where a row is an equation, else the floor is minus infinity.
    matrix : csc_array
        A.
    """

    costs: Floats
    curvature: Floats
    lower: Floats
    upper: Floats
    floor: Floats
    ceiling: Floats
    matrix: Any

    def solve(self, iterations: float, always: slice = slice(0)) -> Floats | None:
        """Solve it by HiGHS, always cold; None where it has no optimum.

        Parameters
        ----------
        iterations : float
            How many the solver may take for every row and column.
        always : slice
            Columns whose curvature HiGHS is given even where it is zero.

        Raises
        ------
        IterationLimit
            If the solver takes more: an active-set method that does may go round.
        """
        lp = column_program(self.costs, self.lower, self.upper, self.floor, self.ceiling, self.matrix)
        curved = self.curvature > 0
        curved[always] = True
        # The objective is half of what the diagonal says.
        hessian = highspy.HighsHessian()
        hessian.dim_ = curved.size
        hessian.format_ = highspy.HessianFormat.kTriangular
        hessian.start_ = np.concatenate([[0], np.cumsum(curved)]).astype(np.int32)
        hessian.index_ = np.flatnonzero(curved).astype(np.int32)
        hessian.value_ = self.curvature[curved]
        model = highspy.HighsModel()
        model.lp_, model.hessian_ = lp, hessian
        most = round(iterations * (lp.num_col_ + lp.num_row_))
        highs = new_highs(QP_OPTIONS | {"qp_iteration_limit": most})
        highs.passModel(model)
        highs.run()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kIterationLimit:
            raise IterationLimit
        if status != highspy.HighsModelStatus.kOptimal:
            return None
        return np.array(highs.getSolution().col_value, dtype=np.float64)

    def polished(self, values: Floats) -> Floats:
        """Return the optimum on the active set of a solution close to it.

        Parameters
        ----------
        values : ndarray
            Close to an optimum, dims (column,).

        Returns
        -------
        ndarray
            The optimum up to rounding, within its bounds, dims (column,); the given values where the active set near
            them is that of no optimum. It is not asked whether multipliers have the right sign, which many may have
            where an optimum is degenerate: whoever publishes the optimum certifies it.
        """
        size = max(1.0, float(np.abs(values).max(initial=0.0)))
        level = max(1.0, float(np.abs(self.costs).max(initial=0.0)))
        near = _AT_BOUND * size
        low = values <= self.lower + near
        high = ~low & (values >= self.upper - near)
        tight = (self.floor == self.ceiling) | (self.matrix @ values >= self.ceiling - near)
        for _ in range(_ROUNDS):
            moved, left = self._on(values, low, high, tight, size, level)
            if left > _CLOSE:
                return values
            room = self.ceiling - self.matrix @ moved
            # A bound that the equations lead across is one where the column, or the row, ends.
            below, above = moved < self.lower - _ROUNDING * size, moved > self.upper + _ROUNDING * size
            over = ~tight & (room < -_ROUNDING * size)
            if not (below.any() or above.any() or over.any()):
                return np.clip(moved, self.lower, self.upper)
            low, high, tight = low | below, high | above, tight | over
        return values

    def duals(self, values: Floats) -> Floats | None:
        """Return duals of the rows at an optimum: those of the linear program with its costs there.

        Parameters
        ----------
        values : ndarray
            An optimum, dims (column,).

        Returns
        -------
        ndarray or None
            What one more on each right-hand side costs, dims (row,); None where HiGHS finds none.
        """
        highs = new_highs()
        costs = self.costs + self.curvature * values
        highs.passModel(column_program(costs, self.lower, self.upper, self.floor, self.ceiling, self.matrix))
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return np.array(highs.getSolution().row_dual, dtype=np.float64)

    def objective(self, values: Floats) -> float:
        """Return the objective at some values."""
        return float((self.costs * values).sum() + 0.5 * (self.curvature * values * values).sum())

    def residuals(self, values: Floats, duals: Floats) -> Certificate:
        """Return how far values and duals are from the conditions of an optimum, each relative to the program's size.

        Parameters
        ----------
        values : ndarray
            Dims (column,).
        duals : ndarray
            Dims (row,).
        """
        size = max(_most(values), np.finfo(float).tiny)
        level = max(_most(self.costs + self.curvature * values), _most(duals), np.finfo(float).tiny)
        used = self.matrix @ values
        slope = self.costs + self.curvature * values - self.matrix.T @ duals
        equal = self.floor == self.ceiling
        room = np.where(np.isfinite(self.ceiling), self.ceiling - used, 0.0)
        endless = np.where(np.isfinite(self.ceiling), 0.0, np.abs(duals))
        primal = [self.lower - values, values - self.upper, np.where(equal, np.abs(room), -room)]
        below = np.where(np.isfinite(self.lower), values - self.lower, 1.0)
        above = np.where(np.isfinite(self.upper), self.upper - values, 1.0)
        up, down = np.maximum(slope, 0.0), np.maximum(-slope, 0.0)
        # What could rise at a gain, or fall, and may.
        wrong = [np.where(np.isinf(self.upper), down, 0.0), np.where(np.isinf(self.lower), up, 0.0)]
        wrong += [np.where(equal, 0.0, np.maximum(duals, 0.0)), endless]
        products = [up * below, down * above, np.where(equal, 0.0, np.abs(duals * room))]
        return Certificate(
            primal=max(float(part.max(initial=0.0)) for part in primal) / size,
            dual=max(map(_most, wrong)) / level,
            complementarity=max(map(_most, products)) / (size * level),
            # What the objective is above that of the dual program.
            gap=float(sum(part.sum() for part in products)) / max(size * level, abs(self.objective(values))),
        )

    def _on(
        self, values: Floats, low: Bools, high: Bools, tight: Bools, size: float, level: float
    ) -> tuple[Floats, float]:
        """Solve the optimality conditions with some columns at their bounds and some rows full.

        The regularised system is solved again for what it leaves of them, which is nothing after a few times. Returned
        is what is left at last, relative.
        """
        free, moved = np.flatnonzero(~low & ~high), values.copy()
        moved[low], moved[high] = self.lower[low], self.upper[high]
        part = self.matrix[:, free]
        # A row none of whose columns may move says nothing.
        rows = np.flatnonzero(tight & (np.bincount(part.indices, minlength=tight.size) > 0))
        part, own = part[rows], self.curvature[free]
        if not free.size:
            return moved, 0.0
        solve = _solver(part, np.where(own > 0, own, _COLUMN))
        if solve is None:
            return moved, np.inf
        duals, least, kept = np.zeros(rows.size), np.inf, moved
        for _ in range(_REFINEMENTS):
            unmet = (self.ceiling - self.matrix @ moved)[rows]
            slope = self.costs[free] + own * moved[free] - duals @ part
            left = max(_most(unmet) / size, _most(slope) / level)
            if not left < least:
                break
            least, kept = left, moved.copy()
            if left == 0.0:
                break
            step = solve(np.concatenate([-slope, unmet]))
            moved[free] += step[: free.size]
            duals -= step[free.size :]
        return kept, least


def _solver(part: Any, regular: Floats) -> Callable[[Floats], Floats] | None:
    """Factorise the regularised system of optimality; None where it is singular all the same."""
    rows, columns = part.shape
    if rows + columns <= _DENSE:
        system = np.zeros((rows + columns, rows + columns))
        system[:columns, columns:] = (dense := part.toarray()).T
        system[columns:, :columns] = dense
        np.fill_diagonal(system, np.concatenate([regular, np.full(rows, -_ROW)]))
        factor, pivots, info = lapack.dgetrf(system, overwrite_a=True)
        return None if info else lambda right: lapack.dgetrs(factor, pivots, right)[0]
    blocks = [[sparse.diags_array(regular), part.T], [part, -_ROW * sparse.eye_array(rows)]]
    try:
        return linalg.splu(sparse.csc_matrix(sparse.bmat(blocks, format="csc"))).solve
    except RuntimeError:
        return None


def _most(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))
