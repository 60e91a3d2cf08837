"""Among equally good dispatches the one that serves most: an offer that equals a value is served.

Least cost does not say whether demand is served by an offer, route and rent that together cost what the service is
worth: both ways cost the same. Volume goes first then. What cannot all be served is shared there pro rata to demand,
over classes, nodes and steps, as far as the network lets it: the least share that is served is as large as can be,
then the next (max-min fairness).

References
----------
Bertsekas and Gallager (1992), Data Networks, 2nd edition, section 6.5.2: progressive filling.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.face import Face
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.shift import generic_numbers
from tokenflow_sim.market.vertex import Basis, Vertex
from tokenflow_sim.numeric import Bools, Floats, Ints

# Relative to what is compared: as much is rounding.
_NOTHING = 1e-9
# A cost of leaving a bound, in the solver's units, above which nothing has to be looked at more closely.
_LOOSE = 1e-7
# A sum of quantities may end that much above what the last program found it to be, relative.
_ROUNDING = 1e-12
# How much more a unit unserved weighs than one that is carried or made somewhere else.
_FIRST = 1e4


def serve_first(
    program: Program,
    costs: Floats,
    upper: Floats,
    rows: Floats,
    vertex: Vertex,
    held: Bools | None = None,
) -> Floats:
    """Return the optimum that serves most demand, and shares what is short.

    Parameters
    ----------
    program : Program
        The structure.
    costs, upper, rows : ndarray
        The market's numbers, in the solver's units.
    vertex : Vertex
        Any optimum, in the same.
    held : ndarray of bool, optional
        Limits whose load must stay what it is, dims (row,).

    Returns
    -------
    ndarray
        Values of all columns: the vertex's own, to the bit, where no other optimum serves more or less.

    Notes
    -----
    Prices are not touched: the optimal duals of a program are those of every optimum (complementary slackness).
    """
    values = vertex.values
    # A quadratic program's values are known to rounding only.
    least = 0.0 if vertex.basis is not None else _NOTHING * upper[program.y]
    if not np.logical_or.reduce(values[program.y] > least):
        return values
    if vertex.basis is not None and not _may_change_volume(program, vertex.basis):
        return values
    face = Face(program, costs, upper, rows, vertex, held)
    return values if face.is_point else _fill(face)


def _may_change_volume(program: Program, basis: Basis) -> bool:
    """Whether some edge out of an optimum leads, at no cost, to where more or less is served.

    Nearly all markets that are short have ties (who goes without, of two nodes that value service alike), and nearly
    none has an offer that equals a value; so this has to be quick.
    """
    columns = (basis.losses <= _LOOSE).nonzero()[0]
    limits = (basis.rents <= _LOOSE).nonzero()[0]
    if not columns.size + limits.size:
        return False
    unserved = np.zeros((1, program.columns))
    unserved[0, program.y] = 1.0
    duals = np.zeros(program.rows + 1)  # where no row is met, the last entry is read
    duals[:-1] = basis.factor.dual(unserved)[0]
    met = duals.take(program.met.take(columns, axis=0))
    change = unserved[0, columns] - np.vecdot(met, program.coefficient.take(columns, axis=0))
    slack = duals.take(basis.factor.tight[program.balance.stop :].take(limits))
    return bool((np.abs(change) > _NOTHING).any() or (np.abs(slack) > _NOTHING).any())


def _fill(face: Face) -> Floats:
    """Serve most, then raise the least share served until nothing can rise."""
    program, columns = face.program, face.program.columns
    unserved = np.zeros(columns + 1)
    unserved[program.y] = 1.0
    demand = face.upper
    least, greatest = (float(unserved[:-1] @ face.best(sign * unserved[:-1]).values) for sign in (1.0, -1.0))
    if greatest - least <= _NOTHING * float(demand[program.y].sum()):
        return face.vertex.values
    most = [(unserved, least + _ROUNDING * float(demand[program.y].sum()))]
    rising: Ints = face.free[(face.free >= program.y.start) & (face.free < program.y.stop)]
    share = np.zeros(columns + 1)
    share[-1] = -1.0
    for _ in range(rising.size):
        rows = []
        for column in rising:
            row = np.zeros(columns + 1)
            row[column], row[-1] = 1.0 / demand[column], 1.0
            rows.append((row, 1.0))
        best = face.best(share, most=[*most, *rows], more=np.ones(1))
        full = best.rents[len(most) :] > _NOTHING
        if not full.any():
            break
        served = float(best.more[0])
        for column in rising[full]:
            row = np.zeros(columns + 1)
            row[column] = 1.0
            most.append((row, (1.0 - served) * float(demand[column])))
        rising = rising[~full]
        if not rising.size:
            break
    # Who serves is left to the generic direction, as it is everywhere; what rounding was allowed for is not used.
    generic = np.append(generic_numbers(columns), 0.0)
    generic[program.y] = _FIRST
    return face.best(generic, most=most, more=np.zeros(1)).values
