"""Clearing a linear market: one hot solve of the shifted program, and exact numbers from its basis.

Every step ends in something that is a function of the market alone, whatever was solved before: the shifted
program has one optimal basis, which is checked; where it cannot be checked, the solver starts cold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.arrays import Arrays, Bools, Floats
from tokenflow_sim.market.lazy import LazySolver
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.servable import find_unservable, is_servable, least_shortfall, proves_unservable
from tokenflow_sim.market.shift import SHORTFALL_FACTOR, Scale, Shift
from tokenflow_sim.market.solver import Solver
from tokenflow_sim.market.tangent import Tangent
from tokenflow_sim.market.vertex import ON_BOUND, Basis, Factor, Vertex, read_basis

# How far the shifted basis must stand from any other one, beyond rounding errors, to be the only one.
MARGIN = 1e-10
# From this many flows on, a program that holds few of them is faster than one that holds all.
MANY_FLOWS = 2000
# By how much a solution is magnified to be found more finely: a power of two, which keeps every bit.
FINER = 1024.0
# How far off its bounds, in the solver's units, a true value may be to count as optimal.
TOLERANCE = 1e-8


@dataclass(frozen=True)
class Problem:
    """One market's numbers in the solver's units.

    Parameters
    ----------
    scale : Scale
        The units.
    costs, upper : ndarray
        Dims (column,).
    rows : ndarray
        Right-hand sides, dims (row,).
    """

    scale: Scale
    costs: Floats
    upper: Floats
    rows: Floats


class Engine:
    """Clears linear markets of one structure, one after the other.

    Parameters
    ----------
    market : Market
        Any market of that structure.
    lazy : bool, optional
        Whether flows and link limits are brought in on demand; by default, in large networks. Both ways end in
        the same bits.
    """

    def __init__(self, market: Market, *, lazy: bool | None = None) -> None:
        self.program = Program(market)
        flows = self.program.f.stop - self.program.f.start
        self.solver: Solver | LazySolver
        if flows >= MANY_FLOWS if lazy is None else lazy:
            self.solver = LazySolver(self.program)
        else:
            self.solver = Solver(market)
        self.shift = Shift(self.program)
        nodal = self.program.balance.stop
        # A proof, kept from an earlier market, of which demand can take no more; tried first, never trusted.
        self._ray: Floats | None = None
        self._nothing: Bools = np.zeros(nodal, dtype=np.bool_)

    @cached_property
    def aside(self) -> LazySolver:
        """A second solver for the rare exact solves, so that the first stays hot."""
        return LazySolver(self.program)

    def problem(self, arrays: Arrays) -> Problem:
        """Bring a market's numbers into the solver's units."""
        program, scale = self.program, Scale.of(arrays)
        costs = program.fill_costs(arrays, 0.0, np.empty(program.columns))
        costs /= scale.price
        upper = program.fill_limits(arrays, np.empty(program.columns))
        upper /= scale.quantity
        rows = program.fill_rows(arrays, np.empty(program.rows))
        rows /= scale.quantity
        return Problem(scale, costs, upper, rows)

    def solve(self, arrays: Arrays) -> Vertex:
        """Clear a market.

        Parameters
        ----------
        arrays : Arrays
            Its numbers; `link_curvature` is ignored.

        Returns
        -------
        Vertex
            Values in Mtok/s and duals in $/Mtok (balance), $ per unit of the limit (others).

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be.
        CertificateError
            If HiGHS finds no optimum.
        """
        problem = self.problem(arrays)
        vertex = self._solve_scaled(problem)
        scale = problem.scale
        return Vertex(vertex.values * scale.quantity, vertex.duals * scale.price)

    def _solve_scaled(self, problem: Problem) -> Vertex:
        guess = self._nothing if self._ray is None else self._ray[self.program.balance] > TOLERANCE
        vertex = self._try(problem, guess)
        if vertex is not None and (not guess.any() or self._confirms(problem, vertex, guess)):
            return vertex
        if vertex is None or guess.any():
            unservable, missing = self._find_unservable(problem)
            vertex = self._try(problem, unservable, shortfall_forbidden=True)
            if vertex is None and missing.any():  # too little to be sure of, and yet too much to be served
                raise InfeasibleError(self._name_shortfall(missing * problem.scale.quantity))
        if vertex is None:
            raise CertificateError(
                "HiGHS found no optimum of a market that has one. Data that spans more than nine orders of magnitude "
                "does this; check the units of its arrays."
            )
        return vertex

    def _confirms(self, problem: Problem, vertex: Vertex, guess: Bools) -> bool:
        """Whether the guess names all demand that can take no more, and no other.

        That the rest could be given more is not seen from the shifted program: asking for less where nothing more
        can be served frees what may have served the rest.
        """
        program, ray, values = self.program, self._ray, vertex.values
        return (
            ray is not None
            and proves_unservable(program, ray, values, problem.upper, problem.rows)
            and is_servable(self.aside, program, values, problem.upper, problem.rows, ~guess)
        )

    def _find_unservable(self, problem: Problem) -> tuple[Bools, Floats]:
        """Find which demand can take no more, and how much is missing already, within tolerance."""
        program, solver = self.program, self.aside
        values, missing = least_shortfall(solver, program, problem.upper, problem.rows)
        if missing.sum() > TOLERANCE * max(1.0, float(problem.rows[program.balance].sum())):
            raise InfeasibleError(self._name_shortfall(missing * problem.scale.quantity))
        unservable, self._ray = find_unservable(solver, program, values, problem.upper, problem.rows)
        return unservable, missing

    def _name_shortfall(self, missing: Floats) -> dict[tuple[object, object], float]:
        layout = self.program.layout
        table = missing.reshape(self.program.nodal_shape)
        spots = np.argwhere(table > TOLERANCE * table.max())
        return {(layout.nodes[i], layout.workloads[j]): float(table[i, j]) for i, j in spots}

    def _try(
        self, problem: Problem, unservable: Bools, *, shortfall_forbidden: bool = False
    ) -> Vertex | None:
        """Solve with one more unit asked for where it can be served, and one less elsewhere."""
        program, solver, shift = self.program, self.solver, self.shift
        direction = np.where(unservable, -1.0, 1.0)
        costs = problem.costs.copy()
        top = float(costs.max(initial=0.0)) or 1.0
        # Where one less is asked for, giving it away costs nothing: a price below zero has no meaning.
        costs[program.v] = np.where(unservable, 0.0, SHORTFALL_FACTOR * top)
        lower = np.zeros(program.columns)
        lower[program.v] = np.where(unservable, -np.inf, 0.0)
        upper = shift.shifted_limits(problem.upper)
        upper[program.v] = np.where(unservable | shortfall_forbidden, 0.0, np.inf)
        rows = shift.shifted_rows(problem.rows, direction)
        shifted_costs = costs + shift.costs
        floor = np.full(program.rows, -np.inf)
        floor[program.balance] = rows[program.balance]
        solver.set_costs(shifted_costs)
        solver.set_columns(lower, upper)
        solver.set_rows(floor, rows)
        if not solver.run():
            solver.forget()
            if not solver.run():
                return (
                    self._exactly(problem, costs, direction, unservable, None)
                    if shortfall_forbidden
                    else None
                )
        values = solver.column_values()
        if values[program.v].max(initial=0.0) > ON_BOUND:
            return None
        factor = self._unique(values, upper, rows, shifted_costs)
        if factor is None:
            factor = self._refined(lower, upper, floor, rows, shifted_costs)
        if factor is None:
            return None
        vertex = Vertex(factor.primal(problem.upper, problem.rows), factor.dual(costs))
        if self._is_optimal(vertex, problem, costs, factor.basis):
            return vertex
        return self._exactly(problem, costs, direction, unservable, factor.basis)

    def _factor_of(self, solver: Solver | LazySolver, upper: Floats) -> Factor:
        """Factorise the basis that a solver ended with."""
        columns, slack_basic = solver.basic()
        values = solver.column_values()
        at_upper = ~columns & (values > 0.5 * upper)
        at_upper[self.program.v] = False
        return Factor(self.program, Basis(np.flatnonzero(columns), np.flatnonzero(~slack_basic), at_upper))

    def _unique(self, values: Floats, upper: Floats, rows: Floats, costs: Floats) -> Factor | None:
        """Factorise the basis of a solution of the shifted program, if it is the only optimal one."""
        basis = read_basis(self.program, values, upper, rows)
        if basis is None:
            return None
        factor = Factor(self.program, basis)
        return factor if self._is_unique(factor, upper, rows, costs) else None

    def _refined(
        self, lower: Floats, upper: Floats, floor: Floats, rows: Floats, costs: Floats
    ) -> Factor | None:
        """Solve the shifted program magnified, which makes the solver's absolute tolerances that much finer.

        Within its tolerance a solver may stop at the one optimal basis or next to it, depending on where it came
        from. Should the finer optimum not be seen to be the only one either, the answer is that of a cold start.
        """
        solver = self.solver
        solver.set_costs(costs * FINER)
        solver.set_columns(lower * FINER, upper * FINER)
        solver.set_rows(floor * FINER, rows * FINER)
        if solver.run():
            factor = self._unique(solver.column_values() / FINER, upper, rows, costs)
            if factor is not None:
                return factor
        solver.forget()
        return self._factor_of(solver, upper * FINER) if solver.run() else None

    def _is_unique(self, factor: Factor, upper: Floats, rows: Floats, costs: Floats) -> bool:
        """Whether the shifted program is optimal at this basis with room to spare, so that no other one is."""
        program, basis = self.program, factor.basis
        values = factor.primal(upper, rows)
        inner = values[basis.columns]
        free = basis.columns >= program.v.start
        room = np.minimum(inner, upper[basis.columns] - inner)
        if (room[~free] < MARGIN).any():
            return False
        slack = rows - program.activity(values)
        slack[basis.tight] = np.inf
        if (slack < MARGIN).any():
            return False
        duals = factor.dual(costs)
        if (duals[basis.tight[program.balance.stop :]] > -MARGIN).any():
            return False
        reduced = program.reduced_costs(costs, duals)
        reduced[basis.columns] = np.inf
        reduced[upper == 0] = np.inf  # forbidden, at any price
        reduced[basis.at_upper] *= -1
        return bool((reduced > MARGIN).all())

    def _is_optimal(self, vertex: Vertex, problem: Problem, costs: Floats, basis: Basis) -> bool:
        """Whether a basic solution is optimal for the true numbers, within tolerance."""
        program, values = self.program, vertex.values
        if (values[: program.v.start] < -TOLERANCE).any() or (values > problem.upper + TOLERANCE).any():
            return False
        limits = slice(program.balance.stop, program.rows)
        excess = (program.activity(values) - problem.rows)[limits]
        if (excess > TOLERANCE * np.clip(np.abs(problem.rows[limits]), 1.0, 1e6)).any():
            return False
        if (vertex.duals[limits] > TOLERANCE).any():
            return False
        reduced = program.reduced_costs(costs, vertex.duals)
        reduced[program.v] = 0.0
        reduced[problem.upper == 0] = 0.0
        return bool(
            (reduced[~basis.at_upper] > -TOLERANCE).all() and (reduced[basis.at_upper] < TOLERANCE).all()
        )

    def _exactly(
        self, problem: Problem, costs: Floats, direction: Floats, unservable: Bools, start: Basis | None
    ) -> Vertex | None:
        """Solve without a step size: the true program, then its exact directional derivative.

        Needed where the data has gaps smaller than the shift. The start is the shifted program's only optimal basis
        (or cold), so that this, too, depends on the market alone.
        """
        program, solver = self.program, self.aside
        lower, upper = np.zeros(program.columns), problem.upper.copy()
        upper[program.v] = 0.0
        floor = np.full(program.rows, -np.inf)
        floor[program.balance] = problem.rows[program.balance]
        solver.set_costs(costs)
        solver.set_columns(lower, upper)
        solver.set_rows(floor, problem.rows)
        if start is None:
            solver.forget()
        else:
            solver.start_from(start.columns, start.tight, start.at_upper)
        if not solver.run():
            return None
        values = self._factor_of(solver, upper).primal(upper, problem.rows)
        step = self.shift.shifted_rows(np.zeros(program.rows), direction)
        step /= np.abs(step).max()
        open_below = np.where(unservable, -np.inf, 0.0)
        move = Tangent(solver, program, values, problem.upper, problem.rows).move(
            step, costs, (open_below, np.zeros(unservable.size))
        )
        return None if move is None else Vertex(values, move.duals)
