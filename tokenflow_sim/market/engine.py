"""Clearing a linear market: one hot solve of the shifted program, and exact numbers from its basis.

Every step ends in something that is a function of the market alone, whatever was solved before: the shifted
program has one optimal basis, which is checked; where it cannot be checked, the solver starts cold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.idle import far_cost, pays, price_idle
from tokenflow_sim.market.judge import ON_BOUND, SHIFTED, TOLERANCE, TRUE, Numbers, Verdict, judge
from tokenflow_sim.market.lazy import LazySolver
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.servable import find_unservable, is_servable, least_shortfall, proves_unservable
from tokenflow_sim.market.service import serve_first
from tokenflow_sim.market.shift import Scale, Shift
from tokenflow_sim.market.solver import Solver
from tokenflow_sim.market.tangent import Tangent
from tokenflow_sim.market.vertex import Factor, Vertex
from tokenflow_sim.numeric import Bools, Floats, Ints

# From this many flows on, a program that holds few of them is faster than one that holds all.
MANY_FLOWS = 2000
# By how much a solution is magnified to be found more finely: a power of two, which keeps every bit.
FINER = 1024.0
# The share of the usual step that is tried where the data has gaps which that step jumps over.
FINE_STEP = 2.0**-6


@dataclass(frozen=True)
class Problem:
    """One market's numbers in the solver's units.

    Parameters
    ----------
    scale : Scale
        The units.
    numbers : ndarray
        Costs, upper bounds and right-hand sides one after the other.
    costs, upper : ndarray
        Views of them, dims (column,).
    rows : ndarray
        Likewise, dims (row,).
    """

    scale: Scale
    numbers: Floats
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
    size : float
        By how much quantities are magnified beside the usual, a power of two: for those far below the mean.
    """

    def __init__(self, market: Market, *, lazy: bool | None = None, size: float = 1.0) -> None:
        self.size = size
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
        self._zeros: Floats = np.zeros(self.program.columns)

    @cached_property
    def aside(self) -> LazySolver:
        """A second solver for the rare exact solves, so that the first stays hot."""
        return LazySolver(self.program)

    def problem(self, arrays: Arrays) -> Problem:
        """Bring a market's numbers into the solver's units."""
        program, scale = self.program, Scale.of(arrays)
        if self.size != 1.0:
            scale = Scale(scale.quantity / self.size, scale.price)
        numbers = np.empty(2 * program.columns + program.rows)
        costs, upper, rows = program.split(numbers)
        program.fill_costs(arrays, 0.0, costs)
        costs /= scale.price
        program.fill_limits(arrays, upper)
        program.fill_rows(arrays, rows)
        numbers[program.columns :] /= scale.quantity
        return Problem(scale, numbers, costs, upper, rows)

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
        if pays(problem.costs):
            duals = price_idle(self.program, problem.costs, problem.upper, vertex.duals)
            vertex = replace(vertex, duals=duals)
        values = serve_first(self.program, problem.costs, problem.upper, problem.rows, vertex)
        return Vertex(values * scale.quantity, vertex.duals * scale.price)

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
        numbers = self._numbers(problem, unservable, shortfall_forbidden)
        self._load(self.solver, numbers)
        if not self.solver.run():
            self.solver.forget()
            if not self.solver.run():
                return self._exactly(problem, numbers, unservable, None) if shortfall_forbidden else None
        verdict = self._judge(numbers)
        if verdict is None or not verdict.only:
            if self.solver.column_values()[self.program.v].max(initial=0.0) > ON_BOUND:
                return None
            verdict = self._refined(numbers)
        if verdict is None or verdict.lacks:
            return None
        if verdict.vertex is not None:
            return verdict.vertex
        # The step has jumped over a gap in the data: a finer one may not. It starts from the usual one's only optimal
        # basis, so that what it ends in does not depend on the past.
        finer = self._numbers(problem, unservable, shortfall_forbidden, FINE_STEP)
        self._load(self.aside, finer, FINER)
        self.aside.start_from(verdict.columns, verdict.tight, verdict.at_upper)
        if self.aside.run():
            closer = judge(self.program, finer, *self.aside.basis())
            if closer is not None and closer.only and closer.vertex is not None:
                return closer.vertex
        return self._exactly(problem, numbers, unservable, verdict)

    def _numbers(
        self, problem: Problem, unservable: Bools, shortfall_forbidden: bool, step: float = 1.0
    ) -> Numbers:
        """Shift a problem's numbers, by a share of the usual step."""
        program, few = self.program, bool(unservable.any())
        numbers = np.empty((2, problem.numbers.size))
        numbers[TRUE] = problem.numbers
        direction = np.where(unservable, -1.0, 1.0) if few else None
        self.shift.add(problem.numbers, numbers[SHIFTED], direction, step)
        costs, upper, rows = program.split(numbers)
        costs[:, program.v] = far_cost(problem.costs)
        upper[SHIFTED, program.v] = 0.0 if shortfall_forbidden else np.inf
        lower = self._zeros
        if few:
            # Where one less is asked for, it may be given away, for what cannot take less either. Service that costs
            # nothing or more is given away free. Where some is paid to be made, giving it away would earn without end:
            # then it costs more than all else, so that only what can do nothing else does it.
            costs[:, program.v][:, unservable] = -far_cost(problem.costs) if pays(problem.costs) else 0.0
            upper[SHIFTED, program.v][unservable] = 0.0
            lower = np.zeros(program.columns)
            lower[program.v][unservable] = -np.inf
        floor = np.full(program.rows, -np.inf)
        floor[program.balance] = rows[SHIFTED, program.balance]
        return Numbers(costs, upper, lower, rows, floor)

    @staticmethod
    def _load(solver: Solver | LazySolver, numbers: Numbers, size: float = 1.0) -> None:
        """Give a solver the shifted program, magnified to a size."""
        parts = (
            numbers.costs[SHIFTED],
            numbers.lower,
            numbers.upper[SHIFTED],
            numbers.floor,
            numbers.rows[SHIFTED],
        )
        costs, lower, upper, floor, rows = parts if size == 1.0 else (part * size for part in parts)
        solver.set_costs(costs)
        solver.set_columns(lower, upper)
        solver.set_rows(floor, rows)

    def _judge(self, numbers: Numbers) -> Verdict | None:
        return judge(self.program, numbers, *self.solver.basis())

    def _refined(self, numbers: Numbers) -> Verdict | None:
        """Solve the shifted program magnified, which makes the solver's absolute tolerances that much finer.

        Within its tolerance a solver may stop at the one optimal basis or next to it, depending on where it came
        from. Should the finer optimum not be seen to be the only one either, the answer is that of a cold start.
        """
        self._load(self.solver, numbers, FINER)
        if self.solver.run():
            verdict = self._judge(numbers)
            if verdict is not None and verdict.only:
                return verdict
        self.solver.forget()
        if not self.solver.run():
            return None
        columns, tight = self.solver.basis()
        return judge(self.program, numbers, columns, tight, self._at_upper(self.solver, columns))

    def _at_upper(self, solver: Solver | LazySolver, columns: Ints) -> Ints:
        """Read off a solver's values which columns stand at their upper bound."""
        high = solver.column_values() > 0.5 * solver.upper
        high[columns] = False
        high[self.program.v] = False
        return np.flatnonzero(high)

    def _exactly(
        self, problem: Problem, numbers: Numbers, unservable: Bools, start: Verdict | None
    ) -> Vertex | None:
        """Solve without a step size: the true program, then its exact directional derivative.

        Needed where the data has gaps smaller than the shift. The start is the shifted program's only optimal basis
        (or cold), so that this, too, depends on the market alone.
        """
        program, solver, costs = self.program, self.aside, numbers.costs[TRUE]
        upper = problem.upper.copy()
        upper[program.v] = 0.0
        floor = np.full(program.rows, -np.inf)
        floor[program.balance] = problem.rows[program.balance]
        solver.set_costs(costs)
        solver.set_columns(self._zeros, upper)
        solver.set_rows(floor, problem.rows)
        if start is None:
            solver.forget()
        else:
            solver.start_from(start.columns, start.tight, start.at_upper)
        if not solver.run():
            return None
        columns, tight = solver.basis()
        at_upper, factor = self._at_upper(solver, columns), Factor(program, columns, tight)
        basic, _ = factor.primal(at_upper, upper[None], problem.rows[None])
        values = factor.values(at_upper, upper, basic[0])
        step = self.shift.of_rows(np.where(unservable, -1.0, 1.0))
        step /= np.abs(step).max()
        open_below = np.where(unservable, -np.inf, 0.0)
        move = Tangent(solver, program, values, problem.upper, problem.rows).move(
            step, costs, (open_below, np.zeros(unservable.size))
        )
        return None if move is None else Vertex(values, move.duals)
