"""The optimal face of a market: all dispatch, flows and unserved demand of exactly the same least cost.

A column may move on it where its reduced cost is zero, a limit must stay tight where it has a rent (complementary
slackness). A face of more than one point is what is called a tie. It is asked only in the rare market that has one, by
linear programs of the few columns that may move.

References
----------
Mangasarian (1979), Uniqueness of solution in linear programming, Linear Algebra and its Applications 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.vertex import Vertex
from tokenflow_sim.numeric import Bools, Floats, Ints

# What is left of numbers that cancel, relative to them: as much is the rounding of equal costs.
_EQUAL = 1e-11
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
    vertex : Vertex
        An optimum of it, in the same.
    held : ndarray of bool, optional
        Limits whose load must stay what it is, dims (row,).

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
        vertex: Vertex,
        held: Bools | None = None,
    ) -> None:
        self.program, self.upper, self.vertex = program, upper, vertex
        values, duals = vertex.values, vertex.duals
        size = np.append(np.abs(duals), 0.0)
        beside = np.abs(costs) + np.vecdot(size.take(program.met), np.abs(program.coefficient))
        flat = (np.abs(program.reduced_costs(costs, duals)) <= _EQUAL * beside) & (upper > 0)
        flat[program.v] = False
        self.free: Ints = flat.nonzero()[0]
        self._limits = np.arange(program.balance.stop, program.rows)
        heaviest = np.zeros(program.rows + 1)
        np.maximum.at(heaviest, program.met[:, 2:], np.abs(program.coefficient[:, 2:]))
        dearest = _EQUAL * float(size[program.balance].max(initial=0.0))
        rent = size[self._limits] * heaviest[self._limits] > dearest
        self._rows = rows
        self._tight = rent if held is None else rent | held[self._limits]
        if vertex.basis is None:
            at_bound = (values <= 0) | (values >= upper)
            full = rows[self._limits] - program.activity(values)[self._limits] <= _EQUAL * np.abs(
                rows[self._limits]
            )
        else:
            at_bound = np.ones(program.columns, dtype=np.bool_)
            at_bound[vertex.basis.factor.columns] = False
            full = np.zeros(program.rows, dtype=np.bool_)
            full[vertex.basis.factor.tight] = True
            full = full[self._limits]
        self.open_columns: Bools = flat & at_bound
        self.open_limits: Bools = full & ~self._tight

    @property
    def is_point(self) -> bool:
        """Whether nothing can move."""
        return not (self.open_columns.any() or self.open_limits.any())

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
            Sums over the columns, dims (column,), that must stay what they are at the vertex.
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
        program, free, now = self.program, self.free, self.vertex.values
        extra = np.zeros(0) if more is None else more
        places = np.concatenate([free, program.columns + np.arange(extra.size)])
        matrix = sparse.csr_array(self.program.matrix[:, free])
        there = np.concatenate([np.arange(program.balance.stop), self._limits[self._tight]])
        below = self._limits[~self._tight & (self._rows[self._limits] < np.inf)]
        load = matrix @ now[free]
        # What the vertex breaks by rounding is not to be mended: it stays on the face.
        room = np.maximum(self._rows - program.activity(now), 0.0)
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
