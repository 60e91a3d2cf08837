"""The linear program as plain vectors: which column and row is what, and how a market's numbers fill them.

Columns stand in the order of `formulation.build`: dispatch, flow, unserved, supply of limits, activities, shortfall;
rows likewise: balance, then equalities, then one group of limits after the other. Every column meets few rows, which
is kept as a few index arrays instead of a general sparse matrix.

An equality stands here as a balance does, with its sign turned, so that one more unit taken is one more on the right:
what gives less what uses, and a shortfall, is what is asked for. An activity starts at its least: the column is
what is done beyond that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.coefficients import Coefficients
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Term
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.placement import Placed, PlacedActivity, alike, place_activities, place_limits
from tokenflow_sim.market.units import units_of
from tokenflow_sim.numeric import Bools, Floats, Ints

NO_ROW = -1
# How much more is asked of a law by the price rule, beside one unit of all else: what ties it leaves are broken.
_OF_LAW = 0.01
# Up to this many coefficients, zeros included, a dense matrix is faster than index arrays. A BLAS does products
# and factorisations of that size in one thread, so that their bits do not depend on how many there are.
_DENSE = 2**15


class Entries(NamedTuple):
    """Some coefficients of a program: the row, the column and the value of each."""

    rows: Ints
    columns: Ints
    values: Floats


class Program:
    """Columns, rows and coefficients of the program of all markets with one layout and one set of coefficients.

    Parameters
    ----------
    market : Market
        Any market of that structure.

    Attributes
    ----------
    x, f, y, w, z, v : slice
        Columns of dispatch, flow, unserved, supply of limits, activities, and shortfall, one of each equation.
    balance : slice
        Rows of the nodal balances, the first ones.
    equations : slice
        Rows of the balances and of all equalities.
    limits : tuple of Placed
        Every group of limits that the market has, that of the links first.
    activities : tuple of PlacedActivity
        Every activity that it has.
    asked : ndarray of bool or None
        The equations that are asked for one more unit, dims (equation,); None where all are, as in every market that
        was not made from another.
    asking : ndarray
        How much more the price rule asks of each equation, dims (equation,): one unit, of a law next to nothing.
    path_numbers : ndarray or None
        Generic numbers of the costs of the last flows, which are paths: functions of the paths, whatever their place.
    met, coefficient : ndarray
        Rows that each column meets, and with which coefficient, dims (column, 2 + terms): its balance row (+1), for a
        flow the balance row at its destination (-1), then its limits (use); where it meets no other, `met` is the
        number of rows.
    dense : ndarray or None
        All coefficients of a small program, zeros included, dims (column, row); None for a large one.
    """

    def __init__(self, market: Market) -> None:
        layout = market.layout
        limits = list(market.arrays.every_limit)
        sizes = layout.sizes
        self.layout = layout
        n, k = sizes["node"], sizes["workload"]
        self.offers_shape = (sizes["asset"], k, sizes["block"])
        self.flow_shape = (sizes["arc"], k)
        self.unserved_shape = (n, k, sizes["step"])
        self.nodal_shape = (n, k)
        activities = market.arrays.activities
        supplied = sum(0 if limit.supply is None else limit.supply.price.size for limit in limits)
        equal = sum(limit.size for limit in limits if limit.equality)
        counts = [
            *(int(np.prod(shape)) for shape in (self.offers_shape, self.flow_shape, self.unserved_shape)),
            supplied,
            sum(one.price.size for one in activities),
            n * k + equal,
        ]
        starts = np.cumsum([0, *counts])
        self.x, self.f, self.y, self.w, self.z, self.v = (slice(*pair) for pair in pairwise(map(int, starts)))
        self.columns = int(starts[-1])
        self.balance, self.equations = slice(0, n * k), slice(0, n * k + equal)
        units, own = units_of(limits, activities)
        self.limits = tuple(place_limits(limits, units, n * k, self.w.start))
        self.activities = tuple(place_activities(activities, own, self.z.start))
        self._by_rows = sorted(range(len(limits)), key=lambda place: self.limits[place].rows.start)
        self._none = np.zeros(n * k + equal)
        self._made_of = market.arrays.every_limit, activities
        self.rows = self.equations.stop + sum(limit.size for limit in limits if not limit.equality)
        self.asking = np.ones(self.equations.stop)
        for placed in self.limits:
            if placed.limit.law:
                self.asking[placed.rows] = _OF_LAW
        expanded = market.arrays.expanded
        self.asked: Bools | None = None
        self.path_numbers: Floats | None = None
        if expanded is not None:
            self.asked = np.append(expanded.asked, np.ones(equal, dtype=np.bool_))
            self.asking[~self.asked] = 0.0
            self.path_numbers = expanded.path_numbers
        self._set_incidence()
        self._met = np.ascontiguousarray(self.met.T)
        # How many paths are known may not decide how a basis is factorised.
        unnamed = 0 if self.path_numbers is None else self.path_numbers.size
        small = self.rows * (self.columns - unnamed) <= _DENSE
        self.dense: Floats | None = np.ascontiguousarray(self.matrix.toarray().T) if small else None
        self._open: tuple[Bools, Floats] | None = None

    @property
    def link(self) -> slice:
        """Rows of the links' limits."""
        return self.limits[0].rows

    @cached_property
    def offers_compete(self) -> bool:
        """Whether any node has more than one offer for a class."""
        return self.offers_shape[2] > 1 or bool((np.bincount(self.layout.asset_node) > 1).any())

    def _set_incidence(self) -> None:
        layout = self.layout
        n, k = self.nodal_shape
        row_of = np.arange(n * k).reshape(n, k)
        self._of = {"dispatch": self.x, "flow": self.f, "unserved": self.y}
        self._of |= {placed.activity.name: placed.columns for placed in self.activities}
        self._own_unit = {placed.activity.name: placed.unit for placed in self.activities}
        on = [term.on for placed in self.limits for term in placed.limit.terms]
        slots = max(*(on.count(one) for one in self._of), 1 if self.w.stop > self.w.start else 0)
        self.met = np.full((self.columns, 2 + slots), self.rows, dtype=np.int64)
        self.coefficient = np.zeros(self.met.shape)
        self.coefficient[:, 0], self.coefficient[:, 1] = 1.0, -1.0
        self.met[self.x, 0] = np.broadcast_to(
            row_of[layout.asset_node][:, :, None], self.offers_shape
        ).ravel()
        self.met[self.f, 0] = row_of[layout.origin].ravel()
        self.met[self.f, 1] = row_of[layout.destination].ravel()
        self.met[self.y, 0] = np.broadcast_to(row_of[:, :, None], self.unserved_shape).ravel()
        self.met[self.v, 0] = np.arange(self.equations.stop)
        self._terms: list[tuple[slice, int]] = []
        taken = dict.fromkeys(self._of, 2)
        for placed in self.limits:
            for term in placed.limit.terms:
                columns, slot = self.of(term), taken[term.on]
                taken[term.on] += 1
                label = np.arange(placed.limit.size) if term.member is None else term.member
                row = np.where(label == NOBODY, self.rows, placed.rows.start + label)
                self.met[columns, slot] = self.spread(term, row if term.use.ndim == 1 else row[:, None])
                used = self.spread(term, term.use * (self.unit_of(term) / placed.unit))
                self.coefficient[columns, slot] = np.where(self.met[columns, slot] < self.rows, used, 0.0)
                self._merge(columns, slot)
                self._terms.append((columns, slot))
            if placed.limit.supply is not None:
                each = np.arange(placed.rows.start, placed.rows.stop)
                self.met[placed.supply, 2] = np.repeat(each, placed.limit.supply.price.shape[1])
                self.coefficient[placed.supply, 2] = -1.0
        if self.w.stop > self.w.start:
            self._terms.append((self.w, 2))

    def _merge(self, columns: slice, slot: int) -> None:
        """Add a term's coefficients to those of earlier terms in the same rows: a solver takes each entry once."""
        for earlier in range(2, slot):
            both = self.met[columns, slot] == self.met[columns, earlier]
            twice = np.flatnonzero(both & (self.met[columns, slot] < self.rows)) + columns.start
            self.coefficient[twice, earlier] += self.coefficient[twice, slot]
            self.coefficient[twice, slot], self.met[twice, slot] = 0.0, self.rows

    def of(self, term: Term) -> slice:
        """Return the columns that a term of a limit is about."""
        return self._of[term.on]

    def unit_of(self, term: Term) -> float:
        """Return what one unit of a term's columns stands for: 1 for service, an activity's own for that."""
        return self._own_unit.get(term.on, 1.0)

    def spread(self, term: Term, values: NDArray[Any]) -> NDArray[Any]:
        """Return values with the dims of a term's use, or broadcast to them, as values by its columns."""
        if term.on == "flow":
            return np.broadcast_to(values, self.flow_shape).ravel()
        if values.ndim == 1:
            columns = self.of(term)
            return np.repeat(values, (columns.stop - columns.start) // max(values.size, 1))
        shape = self.offers_shape if term.on == "dispatch" else self.unserved_shape
        return np.broadcast_to(values[:, :, None], shape).ravel()

    def serves(self, market: Market) -> bool:
        """Whether a market has this structure: equal labels, incidence and coefficients."""
        made_of = market.arrays.every_limit, market.arrays.activities
        same_labels = market.layout is self.layout or market.layout == self.layout
        found = same_labels and alike(self._made_of, made_of)
        if found:  # the next market mostly shares this one's coefficients, which then need not be compared
            self._made_of = made_of
        return found

    def moved_from(self, other: Program) -> Entries | None:
        """Return the coefficients that differ from those of another program; None where rows or columns do."""
        slices = [(one.x, one.f, one.y, one.w, one.z, one.v, one.equations) for one in (self, other)]
        if slices[0] != slices[1] or not np.array_equal(self.met, other.met):
            return None
        columns, slots = np.nonzero((self.coefficient != other.coefficient) & (self.met < self.rows))
        return Entries(self.met[columns, slots], columns, self.coefficient[columns, slots])

    def numbers_of(self, arrays: Arrays) -> Iterator[tuple[Placed, SharedCapacity]]:
        """Yield where each group of limits stands, with a market's own numbers of it."""
        return zip(self.limits, arrays.every_limit, strict=True)

    def done_in(self, arrays: Arrays) -> Iterator[tuple[PlacedActivity, Activity]]:
        """Yield where each activity stands, with a market's own numbers of it."""
        if not self.activities:
            return iter(())
        return zip(self.activities, arrays.activities, strict=True)

    @cached_property
    def matrix(self) -> sparse.csc_array:
        """The coefficients, rows by columns."""
        there = self.met < self.rows
        places = np.broadcast_to(np.arange(self.columns)[:, None], there.shape)[there]
        return sparse.csc_array(
            (self.coefficient[there], (self.met[there], places)), shape=(self.rows, self.columns)
        )

    @cached_property
    def matrix_with_loads(self) -> sparse.csc_array:
        """The coefficients without shortfall, and for every link a column, its load, and a row that says so."""
        use = self.matrix[self.link, : self.v.start]
        links = self.limits[0].limit.size
        none = sparse.csc_array((self.rows, links))
        loads = sparse.eye_array(links, format="csc")
        matrix = sparse.vstack(
            [sparse.hstack([self.matrix[:, : self.v.start], none]), sparse.hstack([-use, loads])],
            format="csc",
        )
        matrix.eliminate_zeros()
        return sparse.csc_array(matrix)

    @cached_property
    def served(self) -> Coefficients:
        """The coefficients without shortfall."""
        return Coefficients(sparse.csc_array(self.matrix[:, : self.v.start]))

    @cached_property
    def served_with_loads(self) -> Coefficients:
        """Those of `matrix_with_loads`."""
        return Coefficients(self.matrix_with_loads)

    def fill(self, arrays: Arrays) -> Floats:
        """Return a market's costs, upper bounds and right-hand sides, as in `split`, in its own units.

        Demand that must be served is worth nothing here; shortfalls cost nothing, and are forbidden. A limit without
        capacity forbids what uses it; its row is freed, since an equation 0 <= 0 would only make the basis degenerate.
        """
        costs, limits = self._costs(arrays), self._limits(arrays)
        numbers = np.concatenate([*costs, self._none, *limits, self._none, *self._right_hand_sides(arrays)])
        for placed, limit in self.numbers_of(arrays):
            if placed.closes and np.count_nonzero(limit.capacity) < limit.size:
                self._close(placed, limit, numbers)
        for own, activity in self.done_in(arrays):
            if activity.least is not None:  # what is done at least already uses its share
                values = np.zeros(self.columns)
                values[own.columns] = activity.least.ravel() / own.unit
                numbers[2 * self.columns :] -= self.row_values(values)
        return numbers

    def fill_costs(self, arrays: Arrays, shortfall: float, out: Floats) -> Floats:
        """Write the cost of every column, in $/Mtok; zero for demand that must be served."""
        out[: self.v.start] = np.concatenate(self._costs(arrays))
        out[self.v] = shortfall
        return out

    def fill_limits(self, arrays: Arrays, out: Floats) -> Floats:
        """Write the upper bound of every column, in Mtok/s."""
        np.copyto(out, self.split(self.fill(arrays))[1])
        return out

    def fill_rows(self, arrays: Arrays, out: Floats) -> Floats:
        """Write the right-hand sides: demand, and what there is of every limit."""
        np.copyto(out, self.split(self.fill(arrays))[2])
        return out

    def _costs(self, arrays: Arrays) -> list[Floats]:
        """Return the costs of all columns but shortfalls, group by group."""
        parts = [arrays.offer_price.ravel(), arrays.route_cost.ravel(), arrays.worth.ravel()]
        if arrays.limits:
            for placed, limit in self.numbers_of(arrays):
                if limit.supply is not None:
                    parts.append(limit.supply.price.ravel() * placed.unit)
        for own, activity in self.done_in(arrays):
            parts.append(activity.price.ravel() * own.unit)
        return parts

    def _limits(self, arrays: Arrays) -> list[Floats]:
        """Return the upper bounds of all columns but shortfalls, group by group, as if no limit were closed."""
        parts = [arrays.capacity.ravel(), self._flow_limits(arrays.allowed), arrays.sheddable.ravel()]
        if arrays.limits:
            for placed, limit in self.numbers_of(arrays):
                if limit.supply is not None:
                    parts.append(limit.supply.quantity.ravel() / placed.unit)
        for own, activity in self.done_in(arrays):
            most = activity.most if activity.least is None else activity.most - activity.least
            parts.append(most.ravel() / own.unit)
        return parts

    def _right_hand_sides(self, arrays: Arrays) -> list[Floats]:
        """Return the right-hand sides of all rows, group by group, as if activities started at zero."""
        limits = arrays.every_limit
        own = (self.limits[place].capacity(limits[place]) for place in self._by_rows)
        return [total(arrays.demand).ravel(), *own]

    def _close(self, placed: Placed, limit: SharedCapacity, numbers: Floats) -> None:
        """Forbid what uses labels without capacity, and free their rows."""
        _, upper, rows = self.split(numbers)
        closed = limit.capacity == 0
        rows[placed.rows][closed] = np.inf
        for term in limit.terms:
            shut = (term.of_members(closed)[:, None] != 0) & (term.use != 0)
            upper[self.of(term)][self.spread(term, shut)] = 0.0

    def _flow_limits(self, allowed: Bools) -> Floats:
        """Return the upper bounds of flows where every link is open; nearly every period has the last one's."""
        if self._open is None or self._open[0] is not allowed:
            self._open = allowed, np.where(allowed, np.inf, 0.0).ravel()
        return self._open[1]

    def fill_asked(self, arrays: Arrays, rows: Floats) -> Floats:
        """Return what may be lacking of every equation, dims (equation,): its demand, its load, nothing of a law."""
        if self.equations == self.balance:
            return rows[self.balance]
        asked = np.concatenate(
            [total(arrays.demand).ravel(), np.zeros(self.equations.stop - self.balance.stop)]
        )
        for placed, limit in self.numbers_of(arrays):
            if limit.equality and not limit.law:
                asked[placed.rows] = np.maximum(placed.capacity(limit), 0.0)
        return asked

    def split(self, numbers: Floats) -> tuple[Floats, Floats, Floats]:
        """Return views of costs, upper bounds and right-hand sides, which stand in this order in the last dim."""
        columns = self.columns
        return numbers[..., :columns], numbers[..., columns : 2 * columns], numbers[..., 2 * columns :]

    def row_values(self, values: Floats) -> Floats:
        """Return the value of every row at given column values."""
        width = self.rows + 1  # the last place takes what meets no row
        rows: Floats = np.bincount(self._met[0], values, width)
        rows -= np.bincount(self._met[1, self.f], values[self.f], width)
        for columns, slot in self._terms:
            used = self.coefficient[columns, slot] * values[columns]
            rows += np.bincount(self._met[slot, columns], used, width)
        return rows[:-1]

    def moved_by(self, columns: Ints, values: Floats) -> Floats:
        """Return what some columns add to every row, dims (..., program, row), at values (..., program, column)."""
        if self.dense is not None:
            moved: Floats = values @ self.dense.take(columns, axis=0)
            return moved
        if values.ndim > 2:
            each = self.moved_by(columns, values.reshape(-1, values.shape[-1]))
            return each.reshape(*values.shape[:-1], self.rows)
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
        reduced: Floats = costs - padded.take(self._met[0], axis=-1)
        reduced += padded.take(self._met[1], axis=-1)
        for slot in range(2, len(self._met)):
            charge = padded.take(self._met[slot], axis=-1)
            charge *= self.coefficient[:, slot]
            reduced -= charge
        return reduced
