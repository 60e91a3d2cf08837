"""Separable convex quadratic programs: their numbers, the conditions of their optimum, and HiGHS's solver for them.

HiGHS is quick where few columns have curvature, as links alone. Where most do, as offers with slopes, see `pieces`.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.coefficients import Coefficients
from tokenflow_sim.market.highs import OPTIONS, column_program, new_highs
from tokenflow_sim.market.highs_run import run
from tokenflow_sim.numeric import Floats

# HiGHS adds this to the curvature of every column by default (1e-7), which shows in the prices.
QP_OPTIONS = OPTIONS | {"qp_regularization_value": 0.0}


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
    coefficients : Coefficients
        A.
    """

    costs: Floats
    curvature: Floats
    lower: Floats
    upper: Floats
    floor: Floats
    ceiling: Floats
    coefficients: Coefficients

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
        lp = column_program(
            self.costs, self.lower, self.upper, self.floor, self.ceiling, self.coefficients.matrix
        )
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
        status = run(highs)
        if status == highspy.HighsModelStatus.kIterationLimit:
            raise IterationLimit
        if status != highspy.HighsModelStatus.kOptimal:
            return None
        return np.array(highs.getSolution().col_value, dtype=np.float64)

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
        used = self.coefficients.used(values)
        slope = self.costs + self.curvature * values - self.coefficients.charged(duals)
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


def _most(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))
