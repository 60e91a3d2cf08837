"""The live HiGHS model that linopy built, with numbers moved in bulk.

A linopy model costs some 200 ms to build and HiGHS well under one to solve, so it is built once, and between
solves its numbers are moved. See linopy's issues 198 and 718.
"""

from __future__ import annotations

from typing import Any

import highspy
import linopy
import numpy as np
from linopy.solvers import Solver as LinopySolver

from tokenflow_sim.market.formulation import build
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.quiet import silence_banner
from tokenflow_sim.numeric import Bools, Floats, Ints

# HiGHS's tolerances are absolute; the numbers it gets are scaled to one size, see shift.Scale.
OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "log_to_console": False,
    "threads": 1,  # another number of threads may end in another optimum
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}


_PRIMAL = 4  # of HiGHS's simplex_strategy


class Solver:
    """HiGHS, holding one program; numbers go in as whole vectors: to find what differs costs more than to send all.

    Parameters
    ----------
    market : Market
        Any market of the structure.
    """

    def __init__(self, market: Market) -> None:
        if market.is_quadratic:  # the curvature is another program's, see quadratic.py
            flat = market.arrays.with_(link_curvature=np.zeros_like(market.arrays.link_curvature))
            market = Market.from_arrays(market.layout, flat, market.hours, check=False)
        silence_banner()
        model = linopy_model(market, shortfall_cost=1.0)
        self._linopy = LinopySolver.from_name(
            "highs", model, io_api="direct", options=dict(OPTIONS), set_names=False
        )
        self.highs: Any = self._linopy.solver_model  # highspy's type stubs lack half of its methods
        for name, value in OPTIONS.items():
            self.highs.setOptionValue(name, value)
        # Where every number moves a little, neither feasibility of the last basis survives, and HiGHS's primal simplex
        # gets back to an optimum in half the iterations of its dual.
        self.highs.setOptionValue("simplex_strategy", _PRIMAL)
        # The shifted program is not degenerate, so that nothing is left for HiGHS to perturb, and to solve again.
        self.highs.setOptionValue("primal_simplex_bound_perturbation_multiplier", 0.0)
        self.upper = np.zeros(self.highs.getNumCol())
        self._rows = self.highs.getNumRow()
        self._every = np.arange(max(self.upper.size, self._rows), dtype=np.int32)

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
        self.highs.run()
        return bool(self.highs.getModelStatus() == highspy.HighsModelStatus.kOptimal)

    def forget(self) -> None:
        """Drop all that is known from earlier solves, so that the next starts cold."""
        self.highs.clearSolver()

    def start_from(self, columns: Ints, tight: Ints, at_upper: Ints) -> None:
        """Drop all that is known, and let the next solve start from a basis.

        Parameters
        ----------
        columns, tight : ndarray of int
            The basic columns, and the rows whose slack is not basic.
        at_upper : ndarray of int
            Columns at their upper bound.
        """
        self.highs.clearSolver()
        set_basis(self.highs, *flags(self.upper.size, columns, at_upper), *flags(self._rows, tight))

    def column_values(self) -> Floats:
        """Return the values of the columns."""
        return np.array(self.highs.getSolution().col_value, dtype=np.float64)

    def basis(self) -> tuple[Ints, Ints]:
        """Return the basic columns, and the rows whose slack is not basic, in ascending order."""
        return read_basis(self.highs, self.upper.size, self._rows)


def read_basis(highs: Any, columns: int, rows: int) -> tuple[Ints, Ints]:
    """Return the basic columns of a HiGHS model, and the rows whose slack is not basic, in ascending order."""
    _, basic = highs.getBasicVariables()  # columns by their number, rows by the one before its negative
    found = np.zeros(columns + rows, dtype=np.bool_)
    found[basic] = True  # rows count from the end
    return found[:columns].nonzero()[0], (~found[columns:][::-1]).nonzero()[0]


def flags(size: int, *sets: Ints) -> list[Bools]:
    """Return sets of positions as flags."""
    found = [np.zeros(size, dtype=np.bool_) for _ in sets]
    for flag, positions in zip(found, sets, strict=True):
        flag[positions] = True
    return found


def set_basis(highs: Any, basic: Bools, at_upper: Bools, tight: Bools) -> None:
    """Give a HiGHS model a basis: its basic columns, those at their upper bound, its rows with no basic slack."""
    status = highspy.HighsBasisStatus
    basis = highspy.HighsBasis()
    basis.col_status = [
        status.kBasic if b else status.kUpper if u else status.kLower
        for b, u in zip(basic.tolist(), at_upper.tolist(), strict=True)
    ]
    basis.row_status = [status.kUpper if t else status.kBasic for t in tight.tolist()]
    basis.valid = True
    highs.setBasis(basis)


def linopy_model(market: Market, shortfall_cost: float | None = None) -> linopy.Model:
    """Build the labelled model under linopy's strict alignment, leaving the user's own setting as it was.

    linopy's older alignment by position cleared a mislabelled node with wrong prices and only warned.
    """
    with linopy.options as options:
        options["semantics"] = "v1"
        return build(market, shortfall_cost=shortfall_cost)
