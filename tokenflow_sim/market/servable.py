"""Which demand can take one more unit at all, and how much demand cannot be met.

Where one more unit cannot be served, a price is the value of one less. Which nodes and classes those are is a
property of the constraints alone; it is found, and proved, by linear programs whose only cost is shortfall.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.lazy import LazySolver
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.solver import Solver
from tokenflow_sim.market.tangent import AT_BOUND, Tangent
from tokenflow_sim.numeric import Bools, Floats

_POSITIVE = 1e-7


def least_shortfall(
    solver: Solver | LazySolver, program: Program, upper: Floats, rows: Floats
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

    Returns
    -------
    values, missing : ndarray
        A solution, and the unmet part of every balance row; both in the units of `rows`.

    Raises
    ------
    CertificateError
        If HiGHS finds no optimum, which always exists.
    """
    open_above = upper.copy()
    # Named where it is asked for: a node cannot lack more than its own demand.
    open_above[program.v] = rows[program.balance]
    floor = np.full(program.rows, -np.inf)
    floor[program.balance] = rows[program.balance]
    solver.set_costs(_only_shortfall(program))
    solver.set_columns(np.zeros(program.columns), open_above)
    solver.set_rows(floor, rows)
    solver.forget()
    if not solver.run():
        raise CertificateError("HiGHS could not tell how much demand can be met")
    values = solver.column_values()
    return values, values[program.v]


def find_unservable(
    solver: Solver | LazySolver, program: Program, values: Floats, upper: Floats, rows: Floats
) -> tuple[Bools, Floats]:
    """Find every balance row that can take no more demand.

    Each round asks for one more unit wherever that has not been ruled out; a shortfall then comes with a dual
    ray that rules out at least one row more, so the rounds end.

    Parameters
    ----------
    solver, program
        As above.
    values : ndarray
        Any solution that meets all demand.
    upper, rows : ndarray
        Upper bounds and right-hand sides.

    Returns
    -------
    unservable : ndarray of bool
        Dims (balance row,).
    ray : ndarray
        A proof, dims (row,): see `proves_unservable`.
    """
    tangent = Tangent(solver, program, values, upper, rows)
    costs = _only_shortfall(program)
    nodal = program.balance.stop
    none, open_above = np.zeros(nodal), np.full(nodal, np.inf)
    ruled_out = np.zeros(nodal, dtype=np.bool_)
    proof = np.zeros(program.rows)
    for _ in range(nodal + 1):
        step = np.zeros(program.rows)
        step[program.balance] = ~ruled_out
        move = tangent.move(step, costs, (none, open_above))
        if move is None or move.values[program.v].sum() < _POSITIVE:
            break
        proof += move.duals
        ruled_out |= move.duals[program.balance] > _POSITIVE
    return ruled_out, proof


def is_servable(
    solver: Solver | LazySolver, program: Program, values: Floats, upper: Floats, rows: Floats, asked: Bools
) -> bool:
    """Whether some balance rows can take more demand, all at once, while the others keep what they have.

    Parameters
    ----------
    solver, program, values, upper, rows
        As above.
    asked : ndarray of bool
        The rows that are asked for more, dims (balance row,).
    """
    if not asked.any():
        return True
    nodal = program.balance.stop
    step = np.zeros(program.rows)
    step[program.balance] = asked
    tangent = Tangent(solver, program, values, upper, rows)
    move = tangent.move(step, _only_shortfall(program), (np.zeros(nodal), np.full(nodal, np.inf)))
    return move is not None and bool(move.values[program.v].sum() < _POSITIVE)


def proves_unservable(program: Program, ray: Floats, values: Floats, upper: Floats, rows: Floats) -> bool:
    """Check that a ray of duals shows that its balance rows can take no more demand at a solution.

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
        True if no column can move, from where it stands, in a way the ray gains from.
    """
    reduced = program.reduced_costs(np.zeros(program.columns), ray)[: program.v.start]
    values, upper = values[: program.v.start], upper[: program.v.start]
    movable = upper > 0
    can_rise = movable & (values < upper - AT_BOUND)
    can_fall = movable & (values > AT_BOUND)
    if (reduced[can_rise] < -_POSITIVE).any() or (reduced[can_fall] > _POSITIVE).any():
        return False
    limits = slice(program.balance.stop, program.rows)
    everything = np.concatenate([values, np.zeros(program.columns - values.size)])
    slack = (rows - program.activity(everything))[limits]
    loose = slack > AT_BOUND * np.clip(np.abs(rows[limits]), 1.0, 1e6)
    return not ((np.abs(ray[limits]) > _POSITIVE) & loose).any()


def _only_shortfall(program: Program) -> Floats:
    costs = np.zeros(program.columns)
    costs[program.v] = 1.0
    return costs
