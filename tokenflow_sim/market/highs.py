"""HiGHS, holding a program whose numbers are moved in bulk: whole, or only the arcs and link limits that matter.

Giving HiGHS a program costs more than solving a small one, so it is given once, and between solves only its numbers
move. `Solver` holds all of it. In a large network few arcs carry anything; the restricted program of `LazySolver`
holds all offers and all balances but only some flows and link limits. Its duals price the flows left out and its
flows load the links left out; what is worth adding is added, and when nothing is, the restricted optimum is the whole
program's (column and row generation; Ford and Fulkerson 1958, Dantzig and Wolfe 1960).
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokenflow_sim.market.basis import SHIFTED, ShiftedData
from tokenflow_sim.market.highs_model import change_entries, flags, read_basis, set_basis
from tokenflow_sim.market.highs_run import DUAL, PRIMAL, Pace, run
from tokenflow_sim.market.program import NO_ROW, Entries, Program
from tokenflow_sim.numeric import Floats, Ints

# HiGHS's tolerances are absolute; the numbers it gets are scaled to one size, see perturbation.Scale.
OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "log_to_console": False,
    "threads": 1,  # another number of threads may end in another optimum
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}
# A flow is worth adding from this much below zero of its reduced cost on, a link limit from this much overload on.
_WORTH = 1e-9
# How many of the arcs out of a node are added at once for a class.
_BEST = 3


def new_highs(options: dict[str, Any] = OPTIONS) -> Any:
    """Return a HiGHS object with options set; its type stubs lack half of its methods."""
    _silence_banner()
    make: Any = highspy.Highs
    highs = make()
    for name, value in options.items():
        highs.setOptionValue(name, value)
    return highs


def column_program(
    costs: Floats, lower: Floats, upper: Floats, floor: Floats, ceiling: Floats, matrix: Any
) -> Any:
    """Return a linear program as HiGHS takes it, its matrix given in columns (a csc array)."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = costs.size, ceiling.size
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, lower, upper
    lp.row_lower_, lp.row_upper_ = floor, ceiling
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    return lp


@cache
def _silence_banner() -> None:
    """Let HiGHS print its copyright lines to nowhere.

    From 1.16 on, the first solver object that a process makes prints them to the file descriptor of standard
    output before any option can be set, where they would end up inside a table that somebody is piping on.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed: there is nothing to keep clean
        highspy.Highs()  # type: ignore[no-untyped-call]
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        highspy.Highs()  # type: ignore[no-untyped-call]
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class Solver:
    """HiGHS, holding a whole program; it gets whole vectors, since finding what differs costs more than sending all.

    Parameters
    ----------
    matrix : csc_array
        Its coefficients, rows by columns.
    shifted : bool
        Whether its optimum is unique, as that of a shifted program is: then it may be reached by whichever algorithm
        took fewer iterations of late. Which of several optima is found, and what is made of it, may not hang on that.
    """

    def __init__(self, matrix: sparse.csc_array, *, shifted: bool = False) -> None:
        rows, columns = matrix.shape
        nothing, endless = np.zeros(columns), np.full(rows, np.inf)
        self.highs = new_highs()
        self.highs.passModel(column_program(nothing, nothing, nothing, -endless, endless, matrix))
        # The shifted program is not degenerate, so that nothing is left for HiGHS to perturb, and to solve again.
        self.highs.setOptionValue("primal_simplex_bound_perturbation_multiplier", 0.0)
        if shifted:
            self.highs.setOptionValue("dual_simplex_cost_perturbation_multiplier", 0.0)
        self._pace, self._cold = Pace() if shifted else None, True
        self.upper = np.zeros(columns)
        self._rows = rows
        self._every = np.arange(max(columns, rows), dtype=np.int32)

    def change(self, program: Program, entries: Entries) -> None:
        """Go over to a program of the same rows and columns, some of whose coefficients are others."""
        change_entries(self.highs, *entries)

    def set_costs(self, costs: Floats) -> None:
        """Set the cost of every column."""
        self.highs.changeColsCost(costs.size, self._every[: costs.size], costs)

    def set_columns(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of every column."""
        self.highs.changeColsBounds(upper.size, self._every[: upper.size], lower, upper)
        self.upper = upper

    def set_rows(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of every row."""
        self.highs.changeRowsBounds(upper.size, self._every[: upper.size], lower, upper)

    def run(self) -> bool:
        """Solve from the last basis; return whether the optimum was found."""
        # What a cold start ends in may not hang on how earlier ones went.
        pace = None if self._cold else self._pace
        algorithm = PRIMAL if pace is None else pace.choose()
        self.highs.setOptionValue("simplex_strategy", algorithm)
        found = bool(run(self.highs) == highspy.HighsModelStatus.kOptimal)
        if found and pace is not None:
            pace.took(algorithm, self.highs.getInfoValue("simplex_iteration_count")[1])
        self._cold = False
        return found

    def forget(self) -> None:
        """Drop all that is known from earlier solves, so that the next starts cold."""
        self.highs.clearSolver()
        self._cold = True

    def start_from(self, columns: Ints, tight: Ints, at_upper: Ints) -> None:
        """Drop all that is known, and let the next solve start from a basis.

        Parameters
        ----------
        columns, tight : ndarray of int
            The basic columns, and the rows whose slack is not basic.
        at_upper : ndarray of int
            Columns at their upper bound.
        """
        self.forget()
        set_basis(self.highs, *flags(self.upper.size, columns, at_upper), *flags(self._rows, tight))

    def column_values(self) -> Floats:
        """Return the values of the columns."""
        return np.array(self.highs.getSolution().col_value, dtype=np.float64)

    def basis(self) -> tuple[Ints, Ints]:
        """Return the basic columns, and the rows whose slack is not basic, in ascending order."""
        return read_basis(self.highs, self.upper.size, self._rows)


class LazySolver:
    """Like `Solver`, with the flows and link limits of a large network brought in on demand.

    Parameters
    ----------
    program : Program
        The structure.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        limit = np.full(program.rows, np.inf)
        self.costs, self.lower = np.zeros(program.columns), np.zeros(program.columns)
        self.upper = np.zeros(program.columns)
        self.row_lower, self.row_upper = -limit, limit
        self.forget()

    def change(self, program: Program, entries: Entries) -> None:
        """Go over to a program of the same rows and columns, some of whose coefficients are others."""
        self.program = program
        rows, columns = self._row_place[entries.rows], self._column_place[entries.columns]
        held = (rows != NO_ROW) & (columns != NO_ROW)
        change_entries(self.highs, rows[held], columns[held], entries.values[held])

    def _bring_in_movable(self) -> None:
        """Bring in the flows that may fall below zero, as in directional programs, and the limits they meet.

        Pricing takes a flow left out to be zero and able only to rise.
        """
        flows, program = self.program.f, self.program
        movable = np.flatnonzero(self.lower[flows] < 0) + flows.start
        if movable.size:
            limits = np.unique(program.met[movable, 2:])
            limits = limits[limits < program.rows]
            limits = limits[np.isfinite(self.row_upper[limits]) & (self._row_place[limits] == NO_ROW)]
            self._add_rows(limits)
            self._add_columns(movable[self._column_place[movable] == NO_ROW])

    def forget(self) -> None:
        """Drop all that is known from earlier solves, the flows and limits brought in included."""
        program = self.program
        self.highs = new_highs()
        self._column_place = np.full(program.columns, NO_ROW, dtype=np.int64)
        # The last entry stands for "no row": what meets none is not held either.
        self._row_place = np.full(program.rows + 1, NO_ROW, dtype=np.int64)
        self._columns: Ints = np.zeros(0, dtype=np.int64)
        self._rows: Ints = np.zeros(0, dtype=np.int64)
        self._values: Floats = np.zeros(program.columns)
        # The links' rows come in on demand, all others are held from the start.
        self._add_rows(np.concatenate([_span(program.equations), np.arange(program.link.stop, program.rows)]))
        self._add_columns(
            np.concatenate([_span(part) for part in (program.x, program.y, program.w, program.z, program.v)])
        )

    def start_from(self, columns: Ints, tight: Ints, at_upper: Ints) -> None:
        """Drop all that is known, and let the next solve start from a basis and what it needs.

        Parameters
        ----------
        columns, tight : ndarray of int
            The basic columns, and the rows whose slack is not basic.
        at_upper : ndarray of int
            Columns at their upper bound.
        """
        self.forget()
        self._add_rows(tight[self._row_place[tight] == NO_ROW])
        self._add_columns(columns[self._column_place[columns] == NO_ROW])
        basic, high = flags(self.program.columns, columns, at_upper)
        (full,) = flags(self.program.rows, tight)
        set_basis(self.highs, basic[self._columns], high[self._columns], full[self._rows])

    def set_costs(self, costs: Floats) -> None:
        """Set the cost of every column."""
        where = self._moved(costs[self._columns] != self.costs[self._columns])
        if where.size:
            self.highs.changeColsCost(where.size, where, costs[self._columns[where]])
        self.costs = costs

    def set_columns(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of every column."""
        held = self._columns
        where = self._moved((upper[held] != self.upper[held]) | (lower[held] != self.lower[held]))
        if where.size:
            self.highs.changeColsBounds(where.size, where, lower[held[where]], upper[held[where]])
        self.lower, self.upper = lower, upper

    def set_rows(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of every row."""
        held = self._rows
        where = self._moved((upper[held] != self.row_upper[held]) | (lower[held] != self.row_lower[held]))
        if where.size:
            self.highs.changeRowsBounds(where.size, where, lower[held[where]], upper[held[where]])
        self.row_lower, self.row_upper = lower, upper

    def run(self) -> bool:
        """Solve from the last basis, bringing in what matters; return whether the optimum was found."""
        self._bring_in_movable()
        self._use(DUAL)
        while True:
            if run(self.highs) != highspy.HighsModelStatus.kOptimal:
                if self._columns.size == self.program.columns and self._rows.size == self.program.rows:
                    return False
                # The arcs held cannot serve what must be served, and no dual says which would: bring in everything.
                self._add_columns(np.flatnonzero(self._column_place == NO_ROW))
                self._add_rows(np.flatnonzero(self._row_place[:-1] == NO_ROW))
                self._use(DUAL)
                continue
            columns = self._worth_adding(self._read())
            if columns.size:
                # Overloads wait: with columns only added the basis stays primal feasible, and the primal simplex goes
                # on from it. Rows come once no column is missing, and leave the basis dual feasible.
                self._add_columns(columns)
                self._use(PRIMAL)
                continue
            rows = self._overloaded()
            if not rows.size:
                return True
            self._add_rows(rows)
            self._use(DUAL)

    def column_values(self) -> Floats:
        """Return the values of the columns."""
        return self._values

    def basis(self) -> tuple[Ints, Ints]:
        """Return the basic columns, and the rows whose slack is not basic, in ascending order."""
        columns, tight = read_basis(self.highs, self._columns.size, self._rows.size)
        return np.sort(self._columns[columns]), np.sort(self._rows[tight])

    def _use(self, strategy: int) -> None:
        self.highs.setOptionValue("simplex_strategy", strategy)

    def _read(self) -> Floats:
        solution = self.highs.getSolution()
        values = np.zeros(self.program.columns)
        values[self._columns] = solution.col_value
        self._values = values
        duals = np.zeros(self.program.rows)
        duals[self._rows] = solution.row_dual
        return duals

    def _worth_adding(self, duals: Floats) -> Ints:
        """Find the flows left out that would lower the cost: the best few out of each node for each class."""
        program = self.program
        flows = program.f
        reduced = program.reduced_costs(self.costs, duals)[flows]
        left_out = self._column_place[flows] == NO_ROW
        found = np.flatnonzero(left_out & (reduced < -_WORTH) & (self.upper[flows] > 0))
        if found.size > program.balance.stop:
            # Many at once: the best few out of each node for each class, by rank within the row they start at.
            start = program.met[flows, 0][found]
            found = found[np.lexsort((reduced[found], start))]
            start = program.met[flows, 0][found]
            rank = np.arange(found.size) - np.searchsorted(start, start)
            found = found[rank < _BEST]
        worth: Ints = found + flows.start
        return worth

    def _overloaded(self) -> Ints:
        links = self.program.link
        load = self.program.row_values(self._values)[links]
        left_out = self._row_place[links] == NO_ROW
        over: Ints = np.flatnonzero(left_out & (load > self.row_upper[links] + _WORTH)) + links.start
        return over

    def _add_rows(self, rows: Ints) -> None:
        if not rows.size:
            return
        program = self.program
        self._row_place[rows] = self._rows.size + np.arange(rows.size)
        self._rows = np.concatenate([self._rows, rows])
        # HiGHS wants row after row: the entries of columns already held, sorted by the new rows they meet.
        wanted = np.zeros(program.rows + 1, dtype=np.bool_)
        wanted[rows] = True
        which, slot = np.nonzero(
            wanted[program.met[self._columns]] & (program.coefficient[self._columns] != 0)
        )
        order = np.argsort(self._row_place[program.met[self._columns[which], slot]], kind="stable")
        held, slot = self._columns[which[order]], slot[order]
        counts = np.bincount(
            self._row_place[program.met[held, slot]] - self._row_place[rows[0]], minlength=rows.size
        )
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        self.highs.addRows(
            rows.size, self.row_lower[rows], self.row_upper[rows], held.size, starts,
            self._column_place[held].astype(np.int32), program.coefficient[held, slot],
        )  # fmt: skip

    def _add_columns(self, columns: Ints) -> None:
        if not columns.size:
            return
        program = self.program
        self._column_place[columns] = self._columns.size + np.arange(columns.size)
        self._columns = np.concatenate([self._columns, columns])
        place, weights = self._row_place[program.met[columns]], program.coefficient[columns]
        there = (place != NO_ROW) & (weights != 0)
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))[:-1]]).astype(np.int32)
        self.highs.addCols(
            columns.size, self.costs[columns], self.lower[columns], self.upper[columns], int(there.sum()), starts,
            place[there].astype(np.int32), weights[there],
        )  # fmt: skip

    @staticmethod
    def _moved(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
        return np.flatnonzero(mask).astype(np.int32)


def load_program(solver: Solver | LazySolver, numbers: ShiftedData, size: float = 1.0) -> None:
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


def _span(rows: slice) -> Ints:
    return np.arange(rows.start, rows.stop)
