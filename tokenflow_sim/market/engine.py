"""Clearing a linear market: one hot solve of the shifted program, and exact numbers from its basis.

Every step ends in something that is a function of the market alone, whatever was solved before: the shifted
program has one optimal basis, which is checked; where it cannot be checked, the solver starts cold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import (
    ON_BOUND,
    SHIFTED,
    TOLERANCE,
    TRUE,
    BasicSolution,
    BasisCheck,
    ShiftedData,
    check_basis,
)
from tokenflow_sim.market.directional import (
    DirectionalProgram,
    find_unservable,
    is_servable,
    least_shortfall,
    proves_unservable,
)
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.highs import LazySolver, Solver, load_program
from tokenflow_sim.market.idle import IDLE_SHARE, far_cost, find_idle, pays, price_idle
from tokenflow_sim.market.labelled import check_labelled
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.optimal_face import serve_first
from tokenflow_sim.market.perturbation import Perturbation, ScaledData
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.remembered_bases import RememberedBases
from tokenflow_sim.market.shortfall import least_violation, name_missing
from tokenflow_sim.market.steady import SteadyNumbers
from tokenflow_sim.numeric import Bools, Floats, Ints

# From this many flows on, a program that holds few of them is faster than one that holds all.
MANY_FLOWS = 2000
# By how much a solution is magnified to be found more finely: a power of two, which keeps every bit.
FINER = 1024.0
# The share of the usual step that is tried where the data has gaps which that step jumps over.
FINE_STEP = 2.0**-6


class Engine:
    """Clears linear markets of one structure, one after the other.

    Parameters
    ----------
    market : Market
        Any market of that structure.
    lazy : bool, optional
        Whether flows and link limits are brought in on demand, to the same bits; by default, in large networks.
    size : float
        By how much quantities are magnified beside the usual, a power of two: for those far below the mean.
    """

    def __init__(self, market: Market, *, lazy: bool | None = None, size: float = 1.0) -> None:
        self.size = size
        # Duals of shifted programs that decided what was published, each with its share of the usual step.
        self.shown: list[tuple[float, Floats]] = []
        # Whether it rests on a basis that is the only optimal one of the shifted program.
        self.is_unique = True
        # The basic columns of what was published.
        self.basic: Ints = np.zeros(0, dtype=np.int64)
        self.program = Program(market)
        flows = self.program.f.stop - self.program.f.start
        self.solver: Solver | LazySolver
        if flows >= MANY_FLOWS if lazy is None else lazy:
            self.solver = LazySolver(self.program)
        else:
            # Paths come and go by duals found on the way, and have no labelled program; tests compare the two.
            if market.arrays.expanded is None:
                check_labelled(market, self.program)
            self.solver = Solver(self.program.matrix, shifted=market.arrays.expanded is None)
        self.perturbation = Perturbation(self.program)
        self._steady = SteadyNumbers(self.program, self.perturbation)
        self._aside: LazySolver | None = None
        self.bases = RememberedBases()
        # What a remembered basis was proved for, and no solver has seen.
        self._unsolved: ShiftedData | None = None
        equations = self.program.equations.stop
        # Where equalities tie quantities together, less may cost more, as where some service is paid to be made.
        self._tied = equations > self.program.balance.stop
        # Proof of an earlier market that some demand can take no more: tried first, and checked each time.
        self._ray: Floats | None = None
        self._nothing: Bools = np.zeros(equations, dtype=np.bool_)
        self._idle: Bools = self._nothing
        self._zeros: Floats = np.zeros(self.program.columns)

    @property
    def ray(self) -> Floats | None:
        """The proof of which demand can take no more, dims (row,), of the market solved last; None without any."""
        return self._ray

    @property
    def aside(self) -> LazySolver:
        """A second solver for the rare exact solves, so that the first stays hot."""
        if self._aside is None:
            self._aside = LazySolver(self.program)
        return self._aside

    @property
    def shifted_values(self) -> Floats:
        """Values of the shifted program solved last, dims (column,), as the solver has them."""
        if self._unsolved is not None:
            load_program(self.solver, self._unsolved)
            self._unsolved = None
            self.solver.run()
        return self.solver.column_values()

    def turn_to(self, market: Market) -> bool:
        """Take up the coefficients of a market to be solved next, if its rows and columns are those of this engine.

        Building the labelled program again would cost a hundred times what a period does. The live models get the new
        coefficients instead, and keep their bases.

        Returns
        -------
        bool
            False where it takes another engine.
        """
        if self.program.serves(market):
            return True
        program = Program(market)
        moved = program.moved_from(self.program)
        if moved is None:
            return False
        self.program, self.perturbation = program, Perturbation(program)
        self._steady = SteadyNumbers(program, self.perturbation)
        self.bases.forget()
        for solver in (self.solver, self._aside):
            if solver is not None:
                solver.change(program, moved)
        return True

    def scaled(self, arrays: Arrays) -> ScaledData:
        """Bring a market's numbers into the solver's units."""
        return self._steady.of(arrays) if self.size == 1.0 else ScaledData.of(self.program, arrays, self.size)

    def solve(self, arrays: Arrays, *, duals_only: bool = False) -> BasicSolution:
        """Clear a market.

        Parameters
        ----------
        arrays : Arrays
            Its numbers; `link_curvature` and slopes are ignored.
        duals_only : bool
            Whether the values may be any of least cost, since they are not used.

        Returns
        -------
        BasicSolution
            Values in Mtok/s and duals in $/Mtok (balance), $ per unit of the limit (others).

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be.
        CertificateError
            If HiGHS finds no optimum.
        """
        data = self.scaled(arrays)
        paid = pays(data.costs)
        solution = self._solve_scaled(data, paid or self._tied)
        scale = data.scale
        idle, asked = self._idle, self.program.asked
        if asked is not None:
            # Where nobody can take even the trifle that a server is asked for less, giving it away set the dual.
            given_away = solution.duals[self.program.equations] < -0.5 * far_cost(data.costs)
            idle = idle | (given_away & ~asked)
        if paid or (asked is not None and idle.any()):
            duals = price_idle(self.program, data.costs, data.upper, solution.duals, idle)
            solution = replace(solution, duals=duals)
        values = solution.values
        if not duals_only:
            values = serve_first(self.program, data.costs, data.upper, data.rows, solution)
        basis = solution.basis if values is solution.values else None
        return BasicSolution(values * scale.quantity, solution.duals * scale.price, basis)

    def _solve_scaled(self, data: ScaledData, paid: bool) -> BasicSolution:
        """Solve; where serving more may cost less (`paid`), no earlier proof of what can take no more is tried."""
        self._idle = self._nothing
        guess = self._nothing if self._ray is None or paid else self._ray[self.program.equations] > TOLERANCE
        if self.program.asked is not None:
            guess = guess & self.program.asked
        solution = self._try(data, guess)
        guessed = guess is not self._nothing and bool(guess.any())
        if solution is not None and (not guessed or self._confirms(data, solution, guess)):
            return solution
        # The guess was wrong, or there was none: the demand that can take no more is found by exact programs.
        if solution is None or guessed:
            unservable, missing = self._find_unservable(data, paid)
            solution = self._try(data, unservable, shortfall_forbidden=True)
            # What is missing was within tolerance; that nothing clears the rest shows that it is real.
            if solution is None and missing.any():
                raise name_missing(self.program, missing * data.scale.quantity)
        if solution is None:
            raise CertificateError(
                "HiGHS found no optimum of a market that has one. Data that spans more than nine orders of magnitude "
                "does this; check the units of its arrays."
            )
        return solution

    def _confirms(self, data: ScaledData, solution: BasicSolution, guess: Bools) -> bool:
        """Whether the guess names all demand that can take no more, and no other.

        The shifted program does not show that the rest can take more: asking for less where no more can be served
        frees what may have served the rest.
        """
        program, ray, values = self.program, self._ray, solution.values
        rest = ~guess if program.asked is None else program.asked & ~guess
        return (
            ray is not None
            and proves_unservable(program, ray, values, data.upper, data.rows)
            and is_servable(
                self.aside,
                program,
                values,
                data.upper,
                data.rows,
                np.where(rest, self.perturbation.asking, 0.0),
            )
        )

    def _find_unservable(self, data: ScaledData, paid: bool) -> tuple[Bools, Floats]:
        """Find which demand can take no more, and how much is missing already, within tolerance.

        Where some service is paid to be made, find which of that demand can take no less either.
        """
        program, solver = self.program, self.aside
        try:
            values, missing = least_shortfall(solver, program, data.upper, data.rows, data.asked)
        except CertificateError:
            # Leaving demand unmet does not do: some limit is broken by what has to be done, or there is too much.
            broken = least_violation(program, data.upper, data.rows, data.asked)
            if np.abs(broken).max(initial=0.0) > TOLERANCE:
                raise name_missing(self.program, broken * data.scale.quantity) from None
            raise
        if missing.sum() > TOLERANCE * max(1.0, float(data.asked.sum())):
            raise name_missing(self.program, missing * data.scale.quantity)
        unservable, self._ray = find_unservable(
            solver, program, values, data.upper, data.rows, self.perturbation.asking
        )
        if paid:
            self._idle = find_idle(
                solver, program, values, data.upper, data.rows, unservable, self.perturbation.asking
            )
        return unservable, missing

    def _direction(self, unservable: Bools) -> Floats:
        """Return what each equation is asked for: one unit more, one less, or a trifle less where idle."""
        return np.where(self._idle, -IDLE_SHARE, np.where(unservable, -1.0, 1.0))

    def _try(
        self, data: ScaledData, unservable: Bools, *, shortfall_forbidden: bool = False
    ) -> BasicSolution | None:
        """Solve with one more unit asked for where it can be served, and one less elsewhere."""
        numbers = self.perturbed(data, unservable, shortfall_forbidden)
        self.shown, self.is_unique = [], True
        check = self.bases.find(self.program, numbers)
        self._unsolved = numbers if check is not None else None
        if check is None:
            load_program(self.solver, numbers)
            if not self.solver.run():
                self.solver.forget()
                if not self.solver.run():
                    return self._exactly(data, numbers, unservable, None) if shortfall_forbidden else None
            check = self._check(numbers)
            if check is None or not check.unique:
                # Where demand is short, no finer solve helps: some of it can take no more, and has to be found first.
                if self.solver.column_values()[self.program.v].max(initial=0.0) > ON_BOUND:
                    return None
                check = self._refined(numbers)
        if check is None or check.short:
            return None
        if check.unique and self._unsolved is None:
            self.bases.keep(check.factor)
        self.shown.append((1.0, check.duals[SHIFTED]))
        self.is_unique, self.basic = check.unique, check.columns
        if check.optimal and check.solution is not None:
            return check.solution
        # The step has jumped over a gap in the data, which a finer one may not. It starts from the only optimal basis
        # of the usual step, so that its result does not depend on the past.
        finer = self.perturbed(data, unservable, shortfall_forbidden, FINE_STEP)
        load_program(self.aside, finer, FINER)
        self.aside.start_from(check.columns, check.tight, check.at_upper)
        if self.aside.run():
            closer = check_basis(self.program, finer, *self.aside.basis())
            if closer is not None and closer.unique and closer.solution is not None:
                self.shown.append((FINE_STEP, closer.duals[SHIFTED]))
                self.basic = closer.columns
                return closer.solution
        return self._exactly(data, numbers, unservable, check)

    def perturbed(
        self, data: ScaledData, unservable: Bools, shortfall_forbidden: bool, step: float = 1.0
    ) -> ShiftedData:
        """Perturb a market's numbers, by a share of the usual step."""
        program, few = self.program, unservable is not self._nothing and bool(unservable.any())
        # What nobody's demand stands in may give away the trifle that it is asked for less.
        open_below = unservable if program.asked is None else unservable | ~program.asked
        numbers, bounds = data.shift(self.perturbation, self._direction(unservable) if few else None, step)
        costs, upper, rows = program.split(numbers)
        costs[:, program.v] = far_cost(data.costs)
        upper[SHIFTED, program.v] = 0.0 if shortfall_forbidden else np.inf
        lower = self._zeros
        if few or program.asked is not None:
            # Where one unit less is asked for, what cannot take less either may give service away: the shortfall, open
            # below, takes it. That is free where all service costs something, so that no price falls below zero. Where
            # some is paid to be made, giving it away would earn without end; then it costs more than all else, as it
            # does where less may cost more. What can take neither more nor less has no derivative: zero will do.
            paid = pays(data.costs)
            worth = open_below & ~self._idle if self._tied and not paid else open_below
            costs[:, program.v][:, open_below] = 0.0
            if self._tied or paid:
                costs[:, program.v][:, worth] = -far_cost(data.costs)
            upper[SHIFTED, program.v][open_below] = 0.0
            lower = np.zeros(program.columns)
            lower[program.v][open_below] = -np.inf
        opens_below, bounds = lower is not self._zeros, None if shortfall_forbidden else bounds
        return ShiftedData(costs, upper, lower, rows, program.equations.stop, opens_below, bounds)

    def _check(self, numbers: ShiftedData) -> BasisCheck | None:
        basis = self.solver.basis()
        return check_basis(self.program, numbers, *basis, factor=self.bases.factor_of(*basis))

    def _refined(self, numbers: ShiftedData) -> BasisCheck | None:
        """Solve the shifted program magnified, which makes the solver's absolute tolerances that much finer.

        Within its tolerance a solver may stop at the only optimal basis or next to it, depending on where it started.
        Where the finer optimum is not seen to be the only one either, the result is that of a cold start.
        """
        load_program(self.solver, numbers, FINER)
        if self.solver.run():
            check = self._check(numbers)
            if check is not None and check.unique:
                return check
        self.solver.forget()
        if not self.solver.run():
            return None
        columns, tight = self.solver.basis()
        return check_basis(self.program, numbers, columns, tight, self.at_upper(self.solver, columns))

    def at_upper(self, solver: Solver | LazySolver, columns: Ints) -> Ints:
        """Read off a solver's values which columns stand at their upper bound."""
        high = solver.column_values() > 0.5 * solver.upper
        high[columns] = False
        high[self.program.v] = False
        return np.flatnonzero(high)

    def _exactly(
        self, data: ScaledData, numbers: ShiftedData, unservable: Bools, start: BasisCheck | None
    ) -> BasicSolution | None:
        """Solve without a step size: the true program, then its exact directional derivative.

        Needed where the data has gaps smaller than the shift. It starts from the shifted program's only optimal basis,
        or cold, so that this result, too, depends on the market alone.
        """
        program, solver, costs = self.program, self.aside, numbers.costs[TRUE]
        self.is_unique = False
        upper = data.upper.copy()
        upper[program.v] = 0.0
        floor = np.full(program.rows, -np.inf)
        floor[program.equations] = data.rows[program.equations]
        solver.set_costs(costs)
        solver.set_columns(self._zeros, upper)
        solver.set_rows(floor, data.rows)
        if start is None:
            solver.forget()
        else:
            solver.start_from(start.columns, start.tight, start.at_upper)
        if not solver.run():
            return None
        columns, tight = solver.basis()
        self.basic = columns
        at_upper, factor = self.at_upper(solver, columns), BasisFactorization(program, columns, tight)
        basic, _ = factor.primal(at_upper, upper[None], data.rows[None])
        values = factor.values(at_upper, upper, basic[0])
        # The optimal duals that are largest in the direction of the shift are those of the price rule.
        step = self.perturbation.of_rows(self._direction(unservable))
        step /= np.abs(step).max()
        passes = unservable if program.asked is None else unservable | ~program.asked
        open_below = np.where(passes, -np.inf, 0.0)
        shortfall = open_below, np.zeros(unservable.size)
        directional = DirectionalProgram(solver, program, values, data.upper, data.rows)
        move = directional.move(step, costs, shortfall)
        if move is None:
            # Costs that tie up to rounding can make a move gain without end: at these it cannot.
            supported = directional.supported_costs(costs, factor.dual(costs[None])[0])
            move = directional.move(step, supported, shortfall)
        return None if move is None else BasicSolution(values, move.duals)
