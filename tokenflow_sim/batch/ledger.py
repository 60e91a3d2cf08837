"""What happened in markets beside each other, period by period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.batch.labelled import labelled
from tokenflow_sim.market.beside import LayoutBeside
from tokenflow_sim.numeric import Floats
from tokenflow_sim.results import Plan
from tokenflow_sim.results.ledger import PARTS
from tokenflow_sim.results.parts import Split, price_parts

_CHUNK_BYTES = 64_000_000
_CHUNK_PERIODS = 168

_Table = dict[str, np.ndarray[Any, Any]]


class LedgerBeside:
    """Keeps what happened in memory.

    Parameters
    ----------
    plan : Plan
        What the results of one market look like.
    layout : LayoutBeside
        The markets.
    seeds : sequence of int
        Their seeds.
    """

    def __init__(self, plan: Plan, layout: LayoutBeside, seeds: Sequence[int]) -> None:
        self.plan, self._layout, self._seeds = plan, layout, tuple(seeds)
        self.first = 0
        self._shapes = {name: (len(self._seeds), *plan.full_shape(name)) for name in plan.variables}
        self._asked = [name for name in plan.variables if name not in PARTS]
        self._parts = [name for name in plan.variables if name in PARTS]
        a_period = 8 * sum(int(np.prod(shape)) for shape in self._shapes.values())
        self._chunk_periods = int(np.clip(_CHUNK_BYTES // max(a_period, 1), 1, _CHUNK_PERIODS))
        self._full: list[_Table] = []
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        self._chunk: _Table = {
            name: np.empty((self._chunk_periods, *shape)) for name, shape in self._shapes.items()
        }
        self._splits: list[Split] = []
        self._rows = 0

    def append(self, result: PeriodResult, waiting: Mapping[str, Floats]) -> None:
        """Record the next period, and what waits in the regions at its end, by the names of `variables.BACKLOG`."""
        row = self._rows
        for name in self._asked:
            found = waiting[name] if name in waiting else result.recorded(name)
            # A number that is the same in all markets stands for each.
            self._chunk[name][row] = np.reshape(found, self._shapes[name]) if np.ndim(found) else found
        if self._parts:
            costs = result.true_cost, result.running_cost, result.carbon_cost
            self._splits.append((result.arrays, result.values, costs))
        self._rows = row + 1
        if self._rows == self._chunk_periods:
            self._full.append(self._rest())
            self._begin_chunk()

    def _rest(self) -> _Table:
        """Return what is not yet in a full chunk, with the parts of its prices."""
        if self._splits:
            parts = price_parts(self._layout, self._splits, len(self._seeds))
            for name in self._parts:
                shape = (self._rows, *self._shapes[name])
                self._chunk[name][: self._rows] = parts[PARTS[name]].reshape(shape)
        return {name: kept[: self._rows] for name, kept in self._chunk.items()}

    def dataset(self) -> xr.Dataset:
        """Return what was recorded so far."""
        tables = [*self._full, self._rest()]
        values = {}
        for name in self.plan.variables:
            whole = np.concatenate([table[name] for table in tables])
            own = (len(whole), len(self._seeds), *self.plan.shape(name))
            values[name] = np.ascontiguousarray(whole.reshape(own).swapaxes(0, 1))
        return labelled(self.plan, self._seeds, values, self.first)
