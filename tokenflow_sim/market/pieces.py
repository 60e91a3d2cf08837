"""Separable convex quadratic programs, by linear ones that show which bounds and rows hold the optimum.

The cost of every column with curvature is replaced by a piecewise-linear one that agrees with it at points about the
last value, which draw closer round by round. It is never too low, and right at the last value, so that the cost never
rises from one round to the next. Each linear program says where the columns stand, and what their prices are; from
there the optimum is solved for exactly (`active_set`), nearly always after the first or second. HiGHS keeps the
program from round to round, whose costs and bounds alone move, and forgets it afterwards, so that the result depends
on the program alone.

HiGHS's own quadratic solver takes minutes here: it holds a dense factor of all columns that stand between their
bounds, which are nearly all that have a slope.

References
----------
Dantzig (1963), Linear Programming and Extensions, chapter 24: convex separable costs as piecewise-linear ones.
"""

from __future__ import annotations

import highspy
import numpy as np
from scipy import sparse

from tokenflow_sim.market.active_set import Optimum, guess, settle
from tokenflow_sim.market.highs import column_program, new_highs
from tokenflow_sim.market.highs_run import run
from tokenflow_sim.market.separable import SeparableProgram
from tokenflow_sim.numeric import Floats, Ints

# Points about the last value, in widths.
_STEPS = np.array([-8.0, -1.0, 0.0, 1.0, 8.0])
# The first width as a share of what a column may be; by how much it narrows; and at what share it ends.
_FIRST, _NARROWER, _FINEST = 0.25, 0.25, 2.0**-36
_ROUNDS = 60
# A bound that is further away than so many times what all equations ask for is never met.
_FAR = 4.0


def optimum(program: SeparableProgram, start: Optimum | None = None) -> Optimum | None:
    """Solve a separable program.

    Parameters
    ----------
    program : SeparableProgram
        The program.
    start : Optimum, optional
        That of a program of the same rows and columns, in the same units, to try first.

    Returns
    -------
    Optimum or None
        The same bits with any start, and without; None where the program has no optimum.
    """
    if start is not None and start.certain:
        found = settle(program, start)
        if found is not None and found.certain:
            return found
    pieces, width = _Pieces(program), _FIRST
    for count in range(_ROUNDS):
        if not pieces.solve(width):
            return None
        found = settle(program, guess(program, pieces.values, pieces.duals))
        if found is not None:
            return found
        if width <= _FINEST:
            break
        # What has gone further than the points next to it may not be there yet.
        if not count or pieces.moved <= width * (1.0 + _FINEST):
            width *= _NARROWER
    # Where many optimal sets meet, none may be seen to be one: whoever publishes what the last program found certifies
    # it.
    return guess(program, pieces.values, pieces.duals)


class _Pieces:
    """The linear program whose last columns are the pieces of those with curvature.

    Attributes
    ----------
    values, duals : ndarray
        Of the program solved last, as columns and rows of the separable one.
    moved : float
        How far the last program moved any column with curvature, as a share of what that may be.
    """

    def __init__(self, program: SeparableProgram) -> None:
        self.program = program
        self._curved: Ints = np.flatnonzero(program.curvature > 0)
        self._flat: Ints = np.flatnonzero(program.curvature == 0)
        equal = program.floor == program.ceiling
        asked = float(np.abs(program.ceiling[equal]).sum())
        finite = np.isfinite(program.upper) & np.isfinite(program.lower)
        reach = _FAR * asked or float(np.abs(program.upper[finite]).max(initial=1.0))
        low, high = program.lower[self._curved], program.upper[self._curved]
        least = np.maximum(low, -reach)
        most = np.maximum(np.minimum(high, reach), least)
        self._span = np.maximum(most - least, _FINEST * reach)
        self.values = np.zeros(program.costs.size)
        self.values[self._curved] = 0.5 * (least + most)
        self.moved = 0.0
        self.duals: Floats = np.zeros(program.ceiling.size)
        own = program.coefficients.matrix[:, self._curved]
        # The first piece of a column reaches from its lower bound to the first point, the others from there on.
        self._count = _STEPS.size + 1
        matrix = sparse.hstack(
            [program.coefficients.matrix[:, self._flat], *[own] * self._count], format="csc"
        )
        nothing = np.zeros(self._curved.size * self._count)
        self._highs = new_highs()
        self._highs.passModel(
            column_program(
                np.concatenate([program.costs[self._flat], nothing]),
                np.concatenate([program.lower[self._flat], nothing]),
                np.concatenate([program.upper[self._flat], nothing]),
                program.floor,
                program.ceiling,
                sparse.csc_array(matrix),
            )
        )
        self._places = (self._flat.size + np.arange(nothing.size)).astype(np.int32)

    def solve(self, width: float) -> bool:
        """Solve it with points a share of the way about the last values; return whether it has an optimum."""
        program, curved = self.program, self._curved
        low, high = program.lower[curved], program.upper[curved]
        by = width * self._span * _STEPS[:, None]
        points = np.clip(self.values[curved] + by, low, high)
        start, end = np.vstack([low, points]), np.vstack([points, high])
        # The cost of a piece that does not end is that of its first unit.
        middle = 0.5 * (np.where(np.isinf(start), end, start) + np.where(np.isinf(end), start, end))
        costs = program.costs[curved] + program.curvature[curved] * middle
        end[1:] -= start[1:]
        start[1:] = 0.0
        self._highs.changeColsCost(self._places.size, self._places, costs.ravel())
        self._highs.changeColsBounds(self._places.size, self._places, start.ravel(), end.ravel())
        if run(self._highs) != highspy.HighsModelStatus.kOptimal:
            return False
        solution = self._highs.getSolution()
        values = np.array(solution.col_value, dtype=np.float64)
        self.values[self._flat] = values[: self._flat.size]
        now = values[self._flat.size :].reshape(self._count, -1).sum(axis=0)
        self.moved = float((np.abs(now - self.values[curved]) / self._span).max(initial=0.0))
        self.values[curved] = now
        self.duals = np.array(solution.row_dual, dtype=np.float64)
        return True
