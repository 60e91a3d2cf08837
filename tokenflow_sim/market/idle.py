"""Prices where demand can neither rise nor fall, in a market where some service is paid to be made.

A price is the cost of one more unit, or what one less saves where no more can be served. A node without demand whose
routes are all full, and that passes nothing on, allows neither: every price that its routes and offers leave is a
dual. Of these the one closest to zero is published.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.directional import DirectionalProgram
from tokenflow_sim.market.highs import LazySolver, Solver
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats

SHORTFALL_FACTOR = 1e3
"""By how much leaving demand unmet, or giving service away, costs more than anything else in a market."""
IDLE_SHARE = 0.01
"""How much less an idle row is asked for, beside the unit of others: enough for a basis that is not degenerate."""
_NOTHING = 1e-7


def pays(costs: Floats) -> bool:
    """Whether any column costs less than nothing."""
    return bool(costs.size and costs.item(costs.argmin()) < 0.0)


def far_cost(costs: Floats) -> float:
    """Return a cost beyond all others, in the solver's units."""
    most = max(costs.item(costs.argmax()), -costs.item(costs.argmin())) if costs.size else 0.0
    return SHORTFALL_FACTOR * (most or 1.0)


def find_idle(
    solver: Solver | LazySolver,
    program: Program,
    values: Floats,
    upper: Floats,
    rows: Floats,
    unservable: Bools,
    asking: Floats,
) -> Bools:
    """Find which of the equations that can take no more can take no less either.

    Parameters
    ----------
    solver : Solver
        Its numbers are overwritten.
    program : Program
        The structure.
    values, upper, rows : ndarray
        Any solution that meets all demand, upper bounds and right-hand sides.
    unservable : ndarray of bool
        The rows that can take no more, dims (equation,).
    asking : ndarray
        How much less each is asked for, dims (equation,).

    Returns
    -------
    ndarray of bool
        Dims (balance row,). What can be asked less of one row and of another can be of both, since moves that a
        solution allows add up; so one program tells all, in which giving away costs one, and all else nothing.
    """
    nodal = program.equations.stop
    if not unservable.any():
        return np.zeros(nodal, dtype=np.bool_)
    costs, step = np.zeros(program.columns), np.zeros(program.rows)
    costs[program.v] = -1.0
    step[program.equations] = np.where(unservable, -asking, 0.0)
    given_away = np.where(unservable, -np.inf, 0.0), np.zeros(nodal)
    move = DirectionalProgram(solver, program, values, upper, rows).move(step, costs, given_away)
    if move is None:
        return unservable
    found: Bools = move.values[program.v] < -_NOTHING
    return found


def price_idle(program: Program, costs: Floats, upper: Floats, duals: Floats, idle: Bools) -> Floats:
    """Return the duals with those of idle rows at zero, or as close to it as a dual can be.

    Parameters
    ----------
    program : Program
        The structure.
    costs, upper : ndarray
        Cost and upper bound of every column, in the solver's units.
    duals : ndarray
        Duals of the rows, those of idle ones as low as can be.
    idle : ndarray of bool
        Which equations can take neither more nor less, dims (equation,).

    Returns
    -------
    ndarray
        Dims (row,).
    """
    low = np.zeros(program.rows + 1, dtype=np.bool_)  # the last answers for what meets no row
    low[program.balance] = idle[program.balance] & (duals[program.balance] < 0.0)
    if not low.any():
        return duals
    duals = np.where(low[:-1], 0.0, duals)
    used = program.v.start
    row = program.met[:used, 0]
    open_there = low[row] & (upper[:used] > 0)
    # What a unit at such a row may cost at most is what the cheapest way to serve it costs: shortest paths among them.
    for _ in range(int(low.sum()) + 1):
        over = np.zeros(program.rows)
        reduced = program.reduced_costs(costs, duals)[:used]
        np.minimum.at(over, row[open_there], reduced[open_there])
        if not over.any():
            break
        duals = duals + over
    return duals
