"""The optimal face of a market, and the optimum on it that serves most.

The face is all dispatch, flows and unserved demand of exactly the same least cost. A column may move on it where its
reduced cost is zero; a limit must stay tight where it has a rent (complementary slackness). A face of more than one
point is a tie. It is asked for only in the rare market that has one, by linear programs of the few columns that may
move.

Least cost does not decide whether demand is served by an offer, route and rent that together cost what the service is
worth: both ways cost the same. Volume goes first then. What cannot all be served is shared pro rata to demand, over
classes, nodes and steps, as far as the network allows: the least share that is served is as large as can be, then the
next (max-min fairness).

References
----------
Mangasarian (1979), Uniqueness of solution in linear programming, Linear Algebra and its Applications 25.
Bertsekas and Gallager (1992), Data Networks, 2nd edition, section 6.5.2: progressive filling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.basis import BasicSolution, Basis
from tokenflow_sim.market.perturbation import numbers_of
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints

# Relative to numbers that cancel: what is left of them below this is the rounding of equal costs.
_EQUAL = 1e-11
# Relative to what is compared: as much is rounding.
_NOTHING = 1e-9
# A cost of leaving a bound, in the solver's units, above which nothing has to be looked at more closely.
_LOOSE = 1e-7
# A sum of quantities may end that much above what the last program found it to be, relative.
_ROUNDING = 1e-12
# How much more a unit unserved weighs than one that is carried or made somewhere else.
_FIRST = 1e4
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Best:
    """The best point of a face.

    Parameters
    ----------
    values : ndarray
        Of all columns of the program.
    more : ndarray
        Of the columns beside, those of `Face.best`.
    rents : ndarray
        Of the limits beside, not negative.
    """

    values: Floats
    more: Floats
    rents: Floats


class Face:
    """What may move at no cost.

    Parameters
    ----------
    program : Program
        The structure.
    costs, upper, rows : ndarray
        The market's numbers, in the solver's units.
    solution : BasicSolution
        An optimum of it, in the same.
    held : ndarray of bool, optional
        Limits whose load must stay what it is, dims (row,).
    unique : ndarray of bool, optional
        Columns that are the same in every optimum, dims (column,).

    Attributes
    ----------
    free : ndarray of int
        The columns that may move; shortfall is not among them.
    open_columns, open_limits : ndarray of bool
        Columns that stand at a bound, and limits that are full, though nothing is lost by leaving it.
    """

    def __init__(
        self,
        program: Program,
        costs: Floats,
        upper: Floats,
        rows: Floats,
        solution: BasicSolution,
        held: Bools | None = None,
        unique: Bools | None = None,
    ) -> None:
        self.program, self.upper, self.solution = program, upper, solution
        values, duals = solution.values, solution.duals
        size = np.append(np.abs(duals), 0.0)
        beside = np.abs(costs) + np.vecdot(size.take(program.met), np.abs(program.coefficient))
        # A column may move where its reduced cost is zero up to the rounding of the terms that cancel in it.
        flat = (np.abs(program.reduced_costs(costs, duals)) <= _EQUAL * beside) & (upper > 0)
        flat[program.v] = False
        if unique is not None:
            flat &= ~unique
        self.free: Ints = flat.nonzero()[0]
        self._limits = np.arange(program.equations.stop, program.rows)
        # A rent is one where a unit of service that uses the limit would pay more than rounding for it.
        heaviest = np.zeros(program.rows + 1)
        np.maximum.at(heaviest, program.met[:, 2:], np.abs(program.coefficient[:, 2:]))
        dearest = _EQUAL * float(size[program.balance].max(initial=0.0))
        rent = size[self._limits] * heaviest[self._limits] > dearest
        self._rows = rows
        self._tight = rent if held is None else rent | held[self._limits]
        if solution.basis is None:
            at_bound = (values <= 0) | (values >= upper)
            full = rows[self._limits] - program.row_values(values)[self._limits] <= _EQUAL * np.abs(
                rows[self._limits]
            )
        else:
            at_bound = np.ones(program.columns, dtype=np.bool_)
            at_bound[solution.basis.factor.columns] = False
            full = np.zeros(program.rows, dtype=np.bool_)
            full[solution.basis.factor.tight] = True
            full = full[self._limits]
        # What stands at a bound, or is full, at no loss: an edge of the face starts there.
        self.open_columns: Bools = flat & at_bound
        self.open_limits: Bools = full & ~self._tight

    @property
    def is_point(self) -> bool:
        """Whether nothing can move."""
        return not self.free.size or not (self.open_columns.any() or self.open_limits.any())

    def best(
        self,
        objective: Floats,
        *,
        equal: Sequence[Floats] = (),
        most: Sequence[tuple[Floats, float]] = (),
        more: Floats | None = None,
    ) -> Best:
        """Find the point of the face where an objective is least.

        Parameters
        ----------
        objective : ndarray
            Dims (column,), then the columns beside.
        equal : sequence of ndarray
            Sums over the columns, dims (column,), that must stay what they are at the solution.
        most : sequence of (ndarray, float)
            Sums over the columns and those beside, and what they may be at most.
        more : ndarray, optional
            Upper bounds of columns beside the program's; not negative either.

        Raises
        ------
        CertificateError
            If HiGHS finds no optimum, which always exists.
        """
        from scipy.optimize import linprog  # takes longer to import than most markets to clear

        solve: Any = linprog  # its stubs know no sparse matrices
        program, free, now = self.program, self.free, self.solution.values
        extra = np.zeros(0) if more is None else more
        places = np.concatenate([free, program.columns + np.arange(extra.size)])
        matrix = sparse.csr_array(self.program.matrix[:, free])
        there = np.concatenate([np.arange(program.equations.stop), self._limits[self._tight]])
        below = self._limits[~self._tight & (self._rows[self._limits] < np.inf)]
        load = matrix @ now[free]
        # The optimum may break a limit by rounding; the face then allows as much, so that it contains that optimum.
        room = np.maximum(self._rows - program.row_values(now), 0.0)
        sums = np.array([row[free] for row in equal]).reshape(len(equal), free.size)
        fixed = sparse.vstack([matrix[there], sparse.csr_array(sums)])
        bounded = sparse.vstack(
            [
                sparse.hstack([matrix[below], sparse.csr_array((below.size, extra.size))]),
                sparse.csr_array(np.array([row[places] for row, _ in most]).reshape(len(most), places.size)),
            ]
        )
        stays = now.copy()
        stays[free] = 0.0
        beyond = [limit - float(row[: program.columns] @ stays) for row, limit in most]
        ceiling = np.concatenate([np.maximum(self.upper[free], now[free]), extra])
        found = solve(
            objective[places],
            A_ub=bounded if bounded.shape[0] else None,
            b_ub=np.concatenate([(load + room)[below], beyond]) if bounded.shape[0] else None,
            A_eq=sparse.hstack([fixed, sparse.csr_array((fixed.shape[0], extra.size))]),
            b_eq=np.concatenate([load[there], sums @ now[free]]),
            bounds=np.column_stack([np.zeros(places.size), ceiling]),
            method="highs-ds",
            options=_OPTIONS,
        )
        if found.x is None:
            raise CertificateError(f"HiGHS found no optimum among ties ({found.message})")
        values = now.copy()
        values[free] = np.clip(found.x[: free.size], 0.0, ceiling[: free.size])
        rents = -np.asarray(found.ineqlin.marginals)[below.size :] if bounded.shape[0] else np.zeros(0)
        return Best(values, found.x[free.size :], rents)


def serve_first(
    program: Program,
    costs: Floats,
    upper: Floats,
    rows: Floats,
    solution: BasicSolution,
    held: Bools | None = None,
    unique: Bools | None = None,
) -> Floats:
    """Return the optimum that serves most demand, and shares what is short.

    Parameters
    ----------
    program : Program
        The structure.
    costs, upper, rows : ndarray
        The market's numbers, in the solver's units.
    solution : BasicSolution
        Any optimum, in the same.
    held : ndarray of bool, optional
        Limits whose load must stay what it is, dims (row,).
    unique : ndarray of bool, optional
        Columns that are the same in every optimum, dims (column,).

    Returns
    -------
    ndarray
        Values of all columns: the solution's own, to the bit, where no other optimum serves more or less.

    Notes
    -----
    Prices are not touched: the optimal duals of a program are those of every optimum (complementary slackness).
    """
    values = solution.values
    # A quadratic program's values are known to rounding only.
    least = 0.0 if solution.basis is not None else _NOTHING * upper[program.y]
    if not np.count_nonzero(values[program.y] > least):
        return values
    if solution.basis is not None and not may_change_volume(program, solution.basis):
        return values
    face = Face(program, costs, upper, rows, solution, held, unique)
    return values if face.is_point else _fill(face)


def may_change_volume(program: Program, basis: Basis) -> bool:
    """Whether some edge out of an optimum leads, at no cost, to where more or less is served.

    Parameters
    ----------
    program : Program
        The structure.
    basis : Basis
        What the optimum rests on; some demand is not served in it.

    Notes
    -----
    Nearly all markets that are short have ties (who goes without, of two nodes that value service alike), and nearly
    none has an offer that equals a value; so this has to be quick.
    """
    columns = (basis.losses <= _LOOSE).nonzero()[0]
    limits = (basis.rents <= _LOOSE).nonzero()[0]
    if not columns.size + limits.size:
        return False
    unserved = np.zeros((1, program.columns))
    unserved[0, program.y] = 1.0
    # How much more is unserved along each edge: the edge's column less what the basis gives way for it. The last entry
    # stands for "no row".
    duals = np.zeros(program.rows + 1)
    duals[:-1] = basis.factor.dual(unserved)[0]
    met = duals.take(program.met.take(columns, axis=0))
    change = unserved[0, columns] - np.vecdot(met, program.coefficient.take(columns, axis=0))
    slack = duals.take(basis.factor.tight[program.equations.stop :].take(limits))
    return bool((np.abs(change) > _NOTHING).any() or (np.abs(slack) > _NOTHING).any())


def _fill(face: Face) -> Floats:
    """Serve most, then raise the least share served until nothing can rise."""
    program, columns = face.program, face.program.columns
    unserved = np.zeros(columns + 1)
    unserved[program.y] = 1.0
    demand = face.upper
    least, greatest = (float(unserved[:-1] @ face.best(sign * unserved[:-1]).values) for sign in (1.0, -1.0))
    if greatest - least <= _NOTHING * float(demand[program.y].sum()):
        return face.solution.values
    most = [(unserved, least + _ROUNDING * float(demand[program.y].sum()))]
    rising: Ints = face.free[(face.free >= program.y.start) & (face.free < program.y.stop)]
    share = np.zeros(columns + 1)
    share[-1] = -1.0
    # Each round raises the least share served as far as it goes; those whose limit has a rent cannot rise any more.
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
    # Who serves is decided by the generic direction, as everywhere; the weight of unserved demand keeps the room that
    # was left for rounding from being used.
    generic = np.append(numbers_of(program)[:columns], 0.0)
    generic[program.y] = _FIRST
    return face.best(generic, most=most, more=np.zeros(1)).values
