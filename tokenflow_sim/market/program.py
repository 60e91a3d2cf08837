"""The linear program as plain vectors: which column and row is what, and how a market's numbers fill them.

Columns stand in the order of `formulation.build`: dispatch, flow, unserved, shortfall; rows likewise: balance,
link limit, power limit. Every column meets at most three rows, which is kept as three index arrays instead of
a general sparse matrix.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokenflow_sim.market.arrays import Arrays, Bools, Floats, total
from tokenflow_sim.market.market import Market

Ints = NDArray[np.int64]
NO_ROW = -1
# Up to this many coefficients, zeros included, a dense matrix is faster than index arrays. A BLAS does products
# and factorisations of that size in one thread, so that their bits do not depend on how many there are.
_DENSE = 2**15


class Program:
    """Columns, rows and coefficients of the program of all markets with one layout and one set of coefficients.

    Parameters
    ----------
    market : Market
        Any market of that structure.

    Attributes
    ----------
    x, f, y, v : slice
        Columns of dispatch, flow, unserved and shortfall.
    balance, link, power : slice
        Rows; `power` is empty where power is not shared.
    first, second, third : ndarray of int
        Rows met by each column: its balance row (coefficient +1), for a flow the balance row at its destination
        (-1), and the link or power row (`weight`); -1 where there is none.
    weight : ndarray
        Coefficient in the third row: GB/Mtok (or 1) for flows, MW per Mtok/s for dispatch.
    met, coefficient : ndarray
        The same beside each other, dims (column, 3); where a column meets no row, `met` is the number of rows.
    dense : ndarray or None
        All coefficients of a small program, zeros included, dims (column, row); None for a large one.
    """

    def __init__(self, market: Market) -> None:
        layout, arrays = market.layout, market.arrays
        sizes = layout.sizes
        self.layout = layout
        self.link_use, self.power_use = arrays.link_use, arrays.power_use
        self.shares_power = market.has_shared_power
        n, k = sizes["node"], sizes["workload"]
        self.offers_shape = (sizes["asset"], k, sizes["block"])
        self.flow_shape = (sizes["arc"], k)
        self.unserved_shape = (n, k, sizes["step"])
        self.nodal_shape = (n, k)
        starts = np.cumsum([0, *(int(np.prod(shape)) for shape in self._shapes())])
        self.x, self.f, self.y, self.v = (slice(*pair) for pair in pairwise(map(int, starts)))
        self.columns = int(starts[-1])
        nodal, arcs = n * k, sizes["arc"]
        assets = sizes["asset"] if self.shares_power else 0
        self.balance = slice(0, nodal)
        self.link = slice(nodal, nodal + arcs)
        self.power = slice(nodal + arcs, nodal + arcs + assets)
        self.rows = nodal + arcs + assets
        self._set_incidence()
        self.met = np.stack([self.first, self.second, self.third], axis=1)
        self.met[self.met == NO_ROW] = self.rows
        self.coefficient = np.stack([np.ones(self.columns), -np.ones(self.columns), self.weight], axis=1)
        self._first, self._second, self._third = np.ascontiguousarray(self.met.T)
        small = self.rows * self.columns <= _DENSE
        self.dense: Floats | None = np.ascontiguousarray(self.matrix.toarray().T) if small else None
        self._open: tuple[Bools, Floats] | None = None

    @cached_property
    def offers_compete(self) -> bool:
        """Whether any node has more than one offer for a class."""
        return self.offers_shape[2] > 1 or bool((np.bincount(self.layout.asset_node) > 1).any())

    def _shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.offers_shape, self.flow_shape, self.unserved_shape, self.nodal_shape

    def _set_incidence(self) -> None:
        layout = self.layout
        n, k = self.nodal_shape
        row_of = np.arange(n * k).reshape(n, k)
        self.first = np.empty(self.columns, dtype=np.int64)
        self.second = np.full(self.columns, NO_ROW, dtype=np.int64)
        self.third = np.full(self.columns, NO_ROW, dtype=np.int64)
        self.weight = np.zeros(self.columns)
        self.first[self.x] = np.broadcast_to(row_of[layout.asset_node][:, :, None], self.offers_shape).ravel()
        self.first[self.f] = row_of[layout.origin].ravel()
        self.second[self.f] = row_of[layout.destination].ravel()
        self.first[self.y] = np.broadcast_to(row_of[:, :, None], self.unserved_shape).ravel()
        self.first[self.v] = row_of.ravel()
        links = np.arange(self.link.start, self.link.stop)
        self.third[self.f] = np.broadcast_to(links[:, None], self.flow_shape).ravel()
        self.weight[self.f] = self.link_use.ravel()
        if self.shares_power and self.power_use is not None:
            powers = np.arange(self.power.start, self.power.stop)
            self.third[self.x] = np.broadcast_to(powers[:, None, None], self.offers_shape).ravel()
            self.weight[self.x] = np.broadcast_to(self.power_use[:, :, None], self.offers_shape).ravel()

    def serves(self, market: Market) -> bool:
        """Whether a market has this structure: equal labels, incidence and coefficients."""
        arrays = market.arrays
        return (
            (market.layout is self.layout or market.layout == self.layout)
            and market.has_shared_power == self.shares_power
            and _same(arrays.link_use, self.link_use)
            and (not self.shares_power or _same(arrays.power_use, self.power_use))
        )

    @cached_property
    def matrix(self) -> sparse.csc_array:
        """The coefficients, rows by columns."""
        columns = np.arange(self.columns)
        has_second, has_third = self.second != NO_ROW, self.third != NO_ROW
        rows = np.concatenate([self.first, self.second[has_second], self.third[has_third]])
        places = np.concatenate([columns, columns[has_second], columns[has_third]])
        values = np.concatenate([np.ones(self.columns), -np.ones(has_second.sum()), self.weight[has_third]])
        return sparse.csc_array((values, (rows, places)), shape=(self.rows, self.columns))

    @cached_property
    def matrix_with_loads(self) -> sparse.csc_array:
        """The coefficients without shortfall, and for every link a column, its load, and a row that says so."""
        use = sparse.csc_array(
            (
                self.weight[self.f],
                (self.third[self.f] - self.link.start, np.arange(self.f.start, self.f.stop)),
            ),
            shape=(self.flow_shape[0], self.v.start),
        )
        none = sparse.csc_array((self.rows, self.flow_shape[0]))
        loads = sparse.eye_array(self.flow_shape[0], format="csc")
        matrix = sparse.vstack(
            [sparse.hstack([self.matrix[:, : self.v.start], none]), sparse.hstack([-use, loads])],
            format="csc",
        )
        matrix.eliminate_zeros()
        return sparse.csc_array(matrix)

    def fill_costs(self, arrays: Arrays, shortfall: float, out: Floats) -> Floats:
        """Write the cost of every column, in $/Mtok; zero for demand that must be served."""
        out[self.x] = arrays.offer_price.ravel()
        out[self.f] = arrays.route_cost.ravel()
        out[self.y] = arrays.value.ravel()
        if arrays.must_serve is not None:
            out[self.y][arrays.must_serve.ravel()] = 0.0
        out[self.v] = shortfall
        return out

    def fill_limits(self, arrays: Arrays, out: Floats) -> Floats:
        """Write the upper bound of every column, in Mtok/s; a link without capacity forbids its flows."""
        out[self.x] = arrays.capacity.ravel()
        if arrays.power_limit is not None and self.shares_power:
            out[self.x].reshape(self.offers_shape)[arrays.power_limit == 0] = 0.0
        out[self.f] = self._flow_limits(arrays.allowed)
        if (closed := arrays.link_capacity <= 0).any():
            out[self.f].reshape(self.flow_shape)[closed[:, None] & (arrays.link_use != 0)] = 0.0
        out[self.y] = arrays.demand.ravel()
        if arrays.must_serve is not None:
            out[self.y][arrays.must_serve.ravel()] = 0.0
        out[self.v] = 0.0
        return out

    def _flow_limits(self, allowed: Bools) -> Floats:
        """Return the upper bounds of flows where every link is open; nearly every period has the last one's."""
        if self._open is None or self._open[0] is not allowed:
            self._open = allowed, np.where(allowed, np.inf, 0.0).ravel()
        return self._open[1]

    def fill_rows(self, arrays: Arrays, out: Floats) -> Floats:
        """Write the right-hand sides: demand, link capacity and power.

        The rows of links and assets that can carry nothing are freed, since `fill_limits` already holds their
        columns at zero: an equation 0 <= 0 would only make the basis degenerate.
        """
        out[self.balance] = total(arrays.demand).ravel()
        out[self.link] = arrays.link_capacity
        if arrays.power_limit is not None and self.shares_power:
            out[self.power] = arrays.power_limit
        limits = out[self.balance.stop :]
        if (closed := limits <= 0).any():
            limits[closed] = np.inf
        return out

    def split(self, numbers: Floats) -> tuple[Floats, Floats, Floats]:
        """Return views of costs, upper bounds and right-hand sides, which stand in this order in the last dim."""
        columns = self.columns
        return numbers[..., :columns], numbers[..., columns : 2 * columns], numbers[..., 2 * columns :]

    def activity(self, values: Floats) -> Floats:
        """Return the value of every row at given column values."""
        rows: Floats = np.bincount(self.first, values, self.rows)
        flow = values[self.f]
        rows -= np.bincount(self.second[self.f], flow, self.rows)
        rows += np.bincount(self.third[self.f], self.weight[self.f] * flow, self.rows)
        if self.shares_power:
            rows += np.bincount(self.third[self.x], self.weight[self.x] * values[self.x], self.rows)
        return rows

    def moved_by(self, columns: Ints, values: Floats) -> Floats:
        """Return what some columns add to every row, dims (program, row), at given values (program, column)."""
        if self.dense is not None:
            moved: Floats = values @ self.dense.take(columns, axis=0)
            return moved
        added = self.coefficient.take(columns, axis=0) * values[:, :, None]
        width = self.rows + 1
        place = self.met.take(columns, axis=0)
        if len(values) > 1:
            place = place + (np.arange(len(values)) * width)[:, None, None]
        return np.bincount(place.ravel(), added.ravel(), len(values) * width).reshape(-1, width)[:, :-1]

    def reduced_costs(self, costs: Floats, duals: Floats) -> Floats:
        """Return cost less the rows' duals of every column, ``c - A' lambda``; any dims before the last."""
        if self.dense is not None:
            left: Floats = costs - duals @ self.dense.T
            return left
        padded = np.zeros((*duals.shape[:-1], self.rows + 1))  # where no row is met, the last entry is read
        padded[..., :-1] = duals
        reduced: Floats = costs - padded.take(self._first, axis=-1)
        reduced += padded.take(self._second, axis=-1)
        third = padded.take(self._third, axis=-1)
        third *= self.weight
        reduced -= third
        return reduced


def _same(one: Floats | None, other: Floats | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
