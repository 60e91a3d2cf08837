"""Whether a basis of the shifted program is its only optimal one, and optimal for the true numbers as well.

Both programs have one matrix, so that one factorisation and one pass over the columns answer for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.program import Program
from tokenflow_sim.market.vertex import Basis, Factor, Vertex
from tokenflow_sim.numeric import Floats, Ints

# How far the shifted basis must stand from any other one, beyond rounding errors, to be the only one.
MARGIN = 1e-10
# How far off its bounds, in the solver's units, a true value may be to count as optimal.
TOLERANCE = 1e-8
# A shortfall this close to zero, in the solver's units, is none.
ON_BOUND = 1e-9
SHIFTED, TRUE = 0, 1
# Of a demand, and in the solver's units: what a true shortfall may be and still be rounding.
_OF_ROW, _NOISE = 1e-7, 1e-12


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a shifted program and of the true one, in this order along the first dimension.

    Parameters
    ----------
    costs, upper : ndarray
        Dims (program, column).
    lower : ndarray
        Lower bounds of the shifted program, dims (column,).
    rows : ndarray
        Right-hand sides, dims (program, row).
    floor : ndarray
        Least values of the shifted program's rows, dims (row,).
    """

    costs: Floats
    upper: Floats
    lower: Floats
    rows: Floats
    floor: Floats


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a basis.

    Parameters
    ----------
    columns, tight : ndarray of int
        The basis.
    at_upper : ndarray of int
        Columns at their upper bound.
    only : bool
        Whether it is the shifted program's only optimal basis.
    lacks : bool
        Whether demand is left unmet in it.
    vertex : Vertex or None
        The true program's, if the basis is optimal for that as well.
    """

    columns: Ints
    tight: Ints
    at_upper: Ints
    only: bool
    lacks: bool
    vertex: Vertex | None


def judge(
    program: Program, numbers: Numbers, columns: Ints, tight: Ints, at_upper: Ints | None = None
) -> Verdict | None:
    """Judge a basis.

    Parameters
    ----------
    program : Program
        The structure.
    numbers : Numbers
        The numbers.
    columns, tight : ndarray of int
        The basic columns, and the rows whose slack is not basic, in ascending order.
    at_upper : ndarray of int, optional
        Columns at their upper bound, if the solver's word is to be taken for it; by default those that the shifted
        costs drive there.

    Returns
    -------
    Verdict or None
        None if this is no basis, or a balance of demand and supply is not among its equations.
    """
    nodal = program.balance.stop
    if columns.size != tight.size or (nodal and (tight.size < nodal or tight[nodal - 1] != nodal - 1)):
        return None
    factor = Factor(program, columns, tight)
    duals = factor.dual(numbers.costs)
    # What is forbidden may be worth anything; a basic column stands between its bounds.
    reduced = program.reduced_costs(numbers.costs, duals)
    np.copyto(reduced, np.inf, where=numbers.upper == 0)
    reduced[:, columns] = np.inf
    if at_upper is None:
        at_upper = ((reduced[SHIFTED] < 0) & (numbers.upper[SHIFTED] < np.inf)).nonzero()[0]
    reduced[:, at_upper] *= -1
    basic, rest = factor.primal(at_upper, numbers.upper, numbers.rows)
    room = numbers.upper.take(columns, axis=1) - basic
    # Of a limit, the slack, or the dual where there is none.
    rest[:, tight] = -duals.take(tight, axis=1)
    rest[:, program.balance] = np.inf
    over, lacks, taken = basic, False, False
    service = int(columns.searchsorted(program.v.start))
    if service < columns.size:  # behind it stand shortfalls, which have no lower bound that matters
        over = basic.copy()
        over[:, service:] = np.inf
        lacks = bool((basic[SHIFTED, service:] > ON_BOUND).any())
        # Of the true demand, a shortfall takes nothing but rounding: else the step asked for less than there is.
        asked = numbers.rows[TRUE].take(columns[service:] - program.v.start)
        taken = bool((np.abs(basic[TRUE, service:]) > _OF_ROW * asked + _NOISE).any())
    # How far the basis is from another one, and from not being optimal.
    far = np.concatenate((reduced, over, room, rest), axis=1)
    shifted, true = np.minimum.reduce(far, axis=1, initial=np.inf).tolist()
    vertex = None
    if not taken and (true >= -TOLERANCE or _within(far[TRUE], numbers.rows[TRUE], tight)):
        values = factor.values(at_upper, numbers.upper[TRUE], basic[TRUE])
        rents = -duals[TRUE].take(tight[nodal:])
        vertex = Vertex(values, duals[TRUE], Basis(factor, reduced[TRUE], rents))
    return Verdict(columns, tight, at_upper, shifted >= MARGIN, lacks, vertex)


def _within(far: Floats, rows: Floats, tight: Ints) -> bool:
    """Whether everything is kept within tolerance, which grows with a limit; never where there is a NaN."""
    tolerance = TOLERANCE * np.clip(np.abs(rows), 1.0, 1e6)
    tolerance[tight] = TOLERANCE
    others = far.size - rows.size
    return bool((far[:others] >= -TOLERANCE).all() and (far[others:] >= -tolerance).all())
