"""Directional derivatives of a market's cost, exact: the linear program of small moves around an optimum.

How the least cost of a linear program changes with its right-hand side in a direction is itself the optimum of a
linear program: least cost of a move that keeps every column and row on its side of the bounds that hold at the
optimum. Its duals are the optimal duals of the market that are largest in that direction. No step size is involved.

References
----------
Bonnans and Shapiro (2000), Perturbation Analysis of Optimization Problems, theorem 4.24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.lazy import LazySolver
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.solver import Solver
from tokenflow_sim.market.vertex import Factor
from tokenflow_sim.numeric import Bools, Floats

# In the solver's units: what is closer to a bound than this stands on it.
AT_BOUND = 1e-7


@dataclass(frozen=True)
class Move:
    """The answer of one directional program.

    Parameters
    ----------
    values : ndarray
        Rate of change of every column.
    duals : ndarray
        Dual of every row.
    """

    values: Floats
    duals: Floats


class Tangent:
    """The moves that an optimum allows.

    Parameters
    ----------
    solver : Solver
        Its numbers are overwritten.
    program : Program
        The structure.
    values, upper, rows : ndarray
        The optimum, its upper bounds and right-hand sides, in the solver's units.
    """

    def __init__(
        self, solver: Solver | LazySolver, program: Program, values: Floats, upper: Floats, rows: Floats
    ) -> None:
        self.solver, self.program = solver, program
        fixed = upper <= 0
        low = values <= AT_BOUND
        high = (values >= upper - AT_BOUND) & ~fixed
        self.lower = np.where(low | fixed, 0.0, -np.inf)
        self.upper = np.where(high | fixed, 0.0, np.inf)
        slack = rows - program.activity(values)
        self.binding: Bools = slack <= AT_BOUND * np.clip(np.abs(rows), 1.0, 1e6)
        self.binding[program.balance] = True

    def move(
        self,
        direction: Floats,
        costs: Floats,
        shortfall: tuple[Floats, Floats] | None = None,
    ) -> Move | None:
        """Find the cheapest move in a direction.

        Parameters
        ----------
        direction : ndarray
            Change of every right-hand side; entries of limits that do not bind are ignored.
        costs : ndarray
            Cost of every column.
        shortfall : tuple of ndarray, optional
            Lower and upper bounds of the shortfall columns; zero by default.

        Returns
        -------
        Move or None
            None where no move in that direction exists.
        """
        if not self._run(direction, costs, shortfall):
            return None
        factor = Factor(self.program, *self.solver.basis())
        return Move(self.solver.column_values(), factor.dual(costs[None])[0])

    def cheapest(self, direction: Floats, costs: Floats) -> float | None:
        """Return what the cheapest move in a direction costs, None where there is none.

        Parameters
        ----------
        direction, costs : ndarray
            As in `move`.
        """
        return float(costs @ self.solver.column_values()) if self._run(direction, costs, None) else None

    def _run(self, direction: Floats, costs: Floats, shortfall: tuple[Floats, Floats] | None) -> bool:
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[self.program.v], upper[self.program.v] = (0.0, 0.0) if shortfall is None else shortfall
        limit = np.where(self.binding, direction, np.inf)
        floor = np.full(limit.shape, -np.inf)
        floor[self.program.balance] = limit[self.program.balance]
        self.solver.set_costs(costs)
        self.solver.set_columns(lower, upper)
        self.solver.set_rows(floor, limit)
        return self.solver.run()
