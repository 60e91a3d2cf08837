"""Directional derivatives of a market's cost, exact, and which demand can take more.

How the least cost of a linear program changes with its right-hand side in a direction is itself the optimum of a
linear program: the least cost of a move that keeps every column and row on its side of the bounds that hold at the
optimum. Its duals are the optimal duals of the market that are largest in that direction. No step size is involved.

Where one more unit cannot be served, a price is the value of one less. Which nodes and classes those are is a
property of the constraints alone; it is found, and proved, by directional programs whose only cost is shortfall.

References
----------
Bonnans and Shapiro (2000), Perturbation Analysis of Optimization Problems, theorem 4.24.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.highs import LazySolver, Solver
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats

# In the solver's units: what is closer to a bound than this stands on it.
AT_BOUND = 1e-7
# A shortfall, or a dual of a ray, above this is one.
_POSITIVE = 1e-7


@dataclass(frozen=True)
class DirectionalSolution:
    """The optimum of one directional program.

    Parameters
    ----------
    values : ndarray
        Rate of change of every column.
    duals : ndarray
        Dual of every row.
    """

    values: Floats
    duals: Floats


class DirectionalProgram:
    """The program of the moves that an optimum allows.

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
        # A column moves only away from a bound that it stands on; a limit with room left does not bind small moves.
        fixed = upper <= 0
        low = values <= AT_BOUND
        high = (values >= upper - AT_BOUND) & ~fixed
        self.lower = np.where(low | fixed, 0.0, -np.inf)
        self.upper = np.where(high | fixed, 0.0, np.inf)
        slack = rows - program.row_values(values)
        self.binding: Bools = slack <= AT_BOUND * np.clip(np.abs(rows), 1.0, 1e6)
        self.binding[program.equations] = True

    def move(
        self,
        direction: Floats,
        costs: Floats,
        shortfall: tuple[Floats, Floats] | None = None,
    ) -> DirectionalSolution | None:
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
        DirectionalSolution or None
            None where no move in that direction exists.
        """
        if not self._run(direction, costs, shortfall):
            return None
        factor = BasisFactorization(self.program, *self.solver.basis())
        return DirectionalSolution(self.solver.column_values(), factor.dual(costs[None])[0])

    def supported_costs(self, costs: Floats, duals: Floats) -> Floats:
        """Return costs, a rounding away from the given ones, at which no move without a direction gains anything.

        Parameters
        ----------
        costs : ndarray
            Cost of every column.
        duals : ndarray
            Duals of an optimum, dual feasible up to the solver's tolerance.
        """
        program, duals = self.program, duals.copy()
        limits = slice(program.equations.stop, program.rows)
        duals[limits] = np.where(self.binding[limits], np.minimum(duals[limits], 0.0), 0.0)
        reduced = program.reduced_costs(costs, duals)
        # What can only rise must not gain by it, what can only fall neither, and what can do both costs nothing.
        exact = np.where(self.lower == 0, np.maximum(reduced, 0.0), 0.0)
        exact = np.where(self.upper == 0, np.minimum(reduced, 0.0), exact)
        supported = costs - reduced + np.where((self.lower == 0) & (self.upper == 0), reduced, exact)
        supported[program.v] = costs[program.v]
        return supported

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
        floor[self.program.equations] = limit[self.program.equations]
        self.solver.set_costs(costs)
        self.solver.set_columns(lower, upper)
        self.solver.set_rows(floor, limit)
        return self.solver.run()


def least_shortfall(
    solver: Solver | LazySolver, program: Program, upper: Floats, rows: Floats, asked: Floats | None = None
) -> tuple[Floats, Floats]:
    """Leave as little demand unmet as possible.

    Parameters
    ----------
    solver : Solver
        Its numbers are overwritten.
    program : Program
        The structure.
    upper, rows : ndarray
        Upper bounds of the columns and right-hand sides.
    asked : ndarray, optional
        How much may be lacking of each equation, dims (equation,); by default its right-hand side.

    Returns
    -------
    values, missing : ndarray
        A solution, and the unmet part of every equation; both in the units of `rows`.

    Raises
    ------
    CertificateError
        If HiGHS finds no optimum, which always exists where there are balances alone.
    """
    open_above = upper.copy()
    # A node cannot lack more than its own demand, so that a shortfall is reported where the demand is.
    open_above[program.v] = rows[program.equations] if asked is None else asked
    floor = np.full(program.rows, -np.inf)
    floor[program.equations] = rows[program.equations]
    solver.set_costs(_only_shortfall(program))
    solver.set_columns(np.zeros(program.columns), open_above)
    solver.set_rows(floor, rows)
    solver.forget()
    if not solver.run():
        raise CertificateError("HiGHS found no optimum of the program of how much demand can be met")
    values = solver.column_values()
    return values, values[program.v]


def find_unservable(
    solver: Solver | LazySolver,
    program: Program,
    values: Floats,
    upper: Floats,
    rows: Floats,
    asking: Floats | None = None,
) -> tuple[Bools, Floats]:
    """Find every equation that can take no more demand.

    Each round asks for one more unit wherever that has not been ruled out. A shortfall comes with a dual ray that
    rules out at least one row more, so that the rounds end.

    Parameters
    ----------
    solver, program
        As above.
    values : ndarray
        Any solution that meets all demand.
    upper, rows : ndarray
        Upper bounds and right-hand sides.
    asking : ndarray, optional
        How much more each is asked for, dims (equation,); by default `Program.asking`.

    Returns
    -------
    unservable : ndarray of bool
        Dims (equation,).
    ray : ndarray
        A proof, dims (row,): see `proves_unservable`.
    """
    tangent = DirectionalProgram(solver, program, values, upper, rows)
    costs = _only_shortfall(program)
    nodal = program.equations.stop
    none, open_above = np.zeros(nodal), np.full(nodal, np.inf)
    ruled_out = np.zeros(nodal, dtype=np.bool_)
    asking = program.asking if asking is None else asking
    proof = np.zeros(program.rows)
    for _ in range(nodal + 1):
        step = np.zeros(program.rows)
        step[program.equations] = np.where(ruled_out, 0.0, asking)
        move = tangent.move(step, costs, (none, open_above))
        if move is None or move.values[program.v].sum() < _POSITIVE:
            break
        proof += move.duals
        ruled_out |= (move.duals[program.equations] > _POSITIVE) & (asking > 0.0)
    return ruled_out, proof


def is_servable(
    solver: Solver | LazySolver,
    program: Program,
    values: Floats,
    upper: Floats,
    rows: Floats,
    asked: NDArray[Any],
) -> bool:
    """Whether some equations can take more demand, all at once, while the others keep what they have.

    Parameters
    ----------
    solver, program, values, upper, rows
        As above.
    asked : ndarray
        How much more each is asked for, dims (equation,); true is one unit.
    """
    if not asked.any():
        return True
    nodal = program.equations.stop
    step = np.zeros(program.rows)
    step[program.equations] = asked
    tangent = DirectionalProgram(solver, program, values, upper, rows)
    move = tangent.move(step, _only_shortfall(program), (np.zeros(nodal), np.full(nodal, np.inf)))
    return move is not None and bool(move.values[program.v].sum() < _POSITIVE)


def proves_unservable(program: Program, ray: Floats, values: Floats, upper: Floats, rows: Floats) -> bool:
    """Check that a ray of duals shows that its equations can take no more demand at a solution.

    Parameters
    ----------
    program : Program
        The structure.
    ray : ndarray
        Duals of the rows.
    values, upper, rows : ndarray
        The solution, its bounds and right-hand sides.

    Returns
    -------
    bool
        True if no column can move, from its present value, in a way that lowers the ray's cost.
    """
    # Dual feasibility: no move of a column gains. Complementarity: no limit with room left has a dual.
    reduced = program.reduced_costs(np.zeros(program.columns), ray)[: program.v.start]
    values, upper = values[: program.v.start], upper[: program.v.start]
    movable = upper > 0
    can_rise = movable & (values < upper - AT_BOUND)
    can_fall = movable & (values > AT_BOUND)
    if (reduced[can_rise] < -_POSITIVE).any() or (reduced[can_fall] > _POSITIVE).any():
        return False
    limits = slice(program.equations.stop, program.rows)
    everything = np.concatenate([values, np.zeros(program.columns - values.size)])
    slack = (rows - program.row_values(everything))[limits]
    loose = slack > AT_BOUND * np.clip(np.abs(rows[limits]), 1.0, 1e6)
    return not ((np.abs(ray[limits]) > _POSITIVE) & loose).any()


def _only_shortfall(program: Program) -> Floats:
    costs = np.zeros(program.columns)
    costs[program.v] = 1.0
    return costs
