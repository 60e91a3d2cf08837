"""Prices where demand can neither rise nor fall, in a market where some service is paid to be made.

A price is the cost of one more unit, or what one less saves where no more can be served. A node without demand whose
routes are all full, and that passes nothing on, allows neither: every price that its routes and offers leave is a
dual. Zero is published, or, where service reaches it from a price below that, as much below zero as that needs.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Floats

SHORTFALL_FACTOR = 1e3
"""By how much leaving demand unmet, or giving service away, costs more than anything else in a market."""


def pays(costs: Floats) -> bool:
    """Whether any column costs less than nothing."""
    return bool(np.minimum.reduce(costs, initial=0.0) < 0.0)


def far_cost(costs: Floats) -> float:
    """Return a cost beyond all others, in the solver's units."""
    most = float(np.maximum.reduce(costs, initial=0.0))
    return SHORTFALL_FACTOR * (max(most, -float(np.minimum.reduce(costs, initial=0.0))) or 1.0)


def price_idle(program: Program, costs: Floats, upper: Floats, duals: Floats) -> Floats:
    """Return the duals with those of idle rows at zero, or at the most below it that is a dual.

    Parameters
    ----------
    program : Program
        The structure.
    costs, upper : ndarray
        Cost and upper bound of every column, in the solver's units.
    duals : ndarray
        Duals of the rows, of an optimum in which giving service away costs `far_cost`: rows at that price can do
        nothing else.

    Returns
    -------
    ndarray
        Dims (row,).
    """
    idle = np.zeros(program.rows + 1, dtype=np.bool_)  # the last answers for what meets no row
    idle[program.balance] = duals[program.balance] <= -0.5 * far_cost(costs)
    if not idle.any():
        return duals
    duals = np.where(idle[:-1], 0.0, duals)
    used = program.v.start
    row = program.met[:used, 0]
    open_there = idle[row] & (upper[:used] > 0)
    # What a unit at such a row may cost at most is what the cheapest way to serve it costs: shortest paths among them.
    for _ in range(int(idle.sum()) + 1):
        over = np.zeros(program.rows)
        reduced = program.reduced_costs(costs, duals)[:used]
        np.minimum.at(over, row[open_there], reduced[open_there])
        if not over.any():
            break
        duals = duals + over
    return duals
