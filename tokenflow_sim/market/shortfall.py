"""What is lacking where a market has no solution: which demand, and which limit where, by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.basis import TOLERANCE
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Floats

# How little leaving demand unmet counts beside breaking a limit: as much of it is met as can be.
_LAST = 1e-4


def name_missing(program: Program, missing: Floats) -> InfeasibleError:
    """Return the error that names what is lacking.

    Parameters
    ----------
    program : Program
        The structure.
    missing : ndarray
        What is lacking of every row, in Mtok/s and in the rows' units, dims (row,) or (equation,); below zero where
        there is too much, of an equality.
    """
    layout = program.layout
    table = missing[program.balance].reshape(program.nodal_shape)
    least = TOLERANCE * np.abs(missing).max(initial=0.0)
    demand = {
        (layout.nodes[i], layout.workloads[j]): float(table[i, j]) for i, j in np.argwhere(table > least)
    }
    limits: dict[tuple[str, object], float] = {}
    units: dict[str, str] = {}
    for placed in program.limits:
        limit = placed.limit
        for place, amount in enumerate(missing[placed.rows]):
            if abs(amount) > least:
                labels = limit.labels or (layout.index(limit.dim) if limit.dim else ("the market",))
                limits[limit.name, labels[place]] = float(amount) * abs(placed.unit)
                units[limit.name] = limit.unit
    return InfeasibleError(demand, limits, units)


def least_violation(program: Program, upper: Floats, rows: Floats, asked: Floats) -> Floats:
    """Return by how much rows have to be broken at least, where leaving demand unmet does not do.

    Parameters
    ----------
    program : Program
        The structure.
    upper, rows : ndarray
        Upper bounds of the columns and right-hand sides.
    asked : ndarray
        How much may be lacking of each equation, dims (equation,).

    Returns
    -------
    ndarray
        What is lacking of every row beyond `asked`, dims (row,); below zero where there is too much of an equation.
    """
    from scipy.optimize import linprog  # takes longer to import than most markets to clear

    solve: Any = linprog  # its stubs know no sparse matrices
    equations, used, count = program.equations.stop, program.v.start, program.rows
    finite = np.flatnonzero(np.isfinite(rows))
    finite = finite[finite >= equations]
    # Beside the columns: what may be lacking of each equation, then what is lacking beyond, or too much, of every row.
    own = program.matrix[:, :used]
    each = sparse.eye_array(count, format="csc")
    sign = np.where(np.arange(count) < equations, 1.0, -1.0)
    matrix = sparse.csr_array(
        sparse.hstack([own, each[:, :equations], sparse.diags_array(sign), -each[:, :equations]])
    )
    costs = np.concatenate([np.zeros(used), np.full(equations, _LAST), np.ones(count + equations)])
    ceiling = np.concatenate([upper[:used], asked, np.full(count + equations, np.inf)])
    found = solve(
        costs,
        A_ub=matrix[finite] if finite.size else None,
        b_ub=rows[finite] if finite.size else None,
        A_eq=matrix[:equations],
        b_eq=rows[:equations],
        bounds=np.column_stack([np.zeros(costs.size), ceiling]),
        method="highs-ds",
    )
    if found.x is None:
        return np.zeros(count)
    missing: Floats = found.x[used + equations : used + equations + count].copy()
    missing[:equations] -= found.x[used + equations + count :]
    return missing
