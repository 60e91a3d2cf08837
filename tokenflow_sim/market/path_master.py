"""The shifted program of known paths in HiGHS, to which paths are added one lot after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.expansion import Expansion
from tokenflow_sim.market.highs import Solver
from tokenflow_sim.market.highs_model import read_basis
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.path_pool import NO_ARC, Paths
from tokenflow_sim.market.perturbation import COST_STEP
from tokenflow_sim.numeric import Floats, Ints


@dataclass(frozen=True, eq=False)
class KnownPaths:
    """The paths that are known, and the engine of the market that they make.

    Parameters
    ----------
    paths : Paths
        The paths.
    numbers : ndarray
        Their generic numbers.
    layout : Layout
        The expanded layout.
    engine : Engine
        Its engine.
    flow_rows : csr_array
        What a unit on each arc uses of every row, dims (arc and workload, row).
    """

    paths: Paths
    numbers: Floats
    layout: Layout
    engine: Engine
    flow_rows: sparse.csr_array


class Master:
    """The shifted program in HiGHS, to which paths are added one lot after the other."""

    def __init__(self, expansion: Expansion, known: KnownPaths, solver: Solver, costs: Floats) -> None:
        self.expansion, self.known, self.solver, self.costs = expansion, known, solver, costs
        self.added: list[Paths] = []
        self._finite = np.where(np.isfinite(costs), costs, 0.0)

    def duals(self) -> Floats:
        """Return the duals of the rows."""
        return np.array(self.solver.highs.getSolution().row_dual)

    def add(self, paths: Paths) -> bool:
        """Add paths and solve; return whether any of them was new."""
        for one in self.added:
            paths = paths.without(one) or paths.taken(np.zeros(len(paths), dtype=np.bool_))
        if not len(paths):
            return False
        self.added.append(paths)
        costs = paths.summed(self._finite) + COST_STEP * paths.generic_numbers(self.expansion.classes)
        matrix = self._columns(paths)
        count = len(paths)
        self.solver.highs.addCols(
            count, costs, np.zeros(count), np.full(count, np.inf), matrix.nnz,
            matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32), matrix.data,
        )  # fmt: skip
        self.solver.run()
        return True

    def _columns(self, paths: Paths) -> sparse.csr_array:
        """Return what a unit on every path adds to every row, dims (path, row)."""
        cells, classes = self.expansion.cells, self.expansion.classes
        path, hop = np.nonzero(paths.arcs != NO_ARC)
        place = paths.arcs[path, hop] * classes + paths.workload[path]
        arcs, rows = self.known.flow_rows.shape
        on_arcs = sparse.csr_array((np.ones(path.size), (path, place)), shape=(len(paths), arcs))
        every = np.arange(len(paths))
        start = cells.home[paths.origin, paths.workload]
        end = cells.server[paths.server, paths.workload]
        signs = np.concatenate([np.ones(every.size), -np.ones(every.size)])
        places = np.concatenate([every, every]), np.concatenate([start, end])
        return sparse.csr_array(
            on_arcs @ self.known.flow_rows + sparse.csr_array((signs, places), (len(paths), rows))
        )

    def end(self) -> tuple[Paths, tuple[Ints, Ints, Ints]]:
        """Return all paths, and the basis that was reached as `Solver.start_from` takes it in their program."""
        known, program = self.known, self.known.engine.program
        whole = known.paths
        for one in self.added:
            whole = whole.joined(one)
        highs = self.solver.highs
        count = program.columns + sum(map(len, self.added))
        columns, tight = read_basis(highs, count, program.rows)
        first = program.f.stop - len(known.paths)
        place = np.arange(count)
        grown = len(whole) - len(known.paths)
        place[program.f.stop : program.columns] += grown
        place[first : program.f.stop] = first + known.paths.places_in(whole)
        place[program.columns :] = first + np.concatenate([one.places_in(whole) for one in self.added])
        values = np.array(highs.getSolution().col_value)[: program.columns]
        high = values > 0.5 * self.solver.upper
        high[columns[columns < program.columns]] = False
        high[program.v] = False
        basis = np.sort(place[columns]), tight, np.sort(place[np.flatnonzero(high)])
        return whole, basis
