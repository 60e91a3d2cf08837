"""A grid as rows and columns of a market: `limits.SharedCapacity` and `activity.Activity`, no new solver.

With ``g`` generation, ``f`` flows of lines, ``x`` service and ``h`` what a unit of it draws at the meter, in MW:

    sum_{l out of b} f_l - sum_{l into b} eta_l f_l + sum_{s at b, k} h_sk x_sk - sum_{i at b} g_i = -load_b  bus price
    sum_{l in cycle c} (+-1) f_l / susceptance_l = 0                                         Kirchhoff's voltage law
    least_l <= f_l <= limit_l,     minimum_i <= sum_t g_it,   0 <= g_it <= available_it

The dual of the first is the bus price: the cost of one more MW taken there. Money inside is $/s, so that it is in $/s
per MW; `PER_MWH` times that is in $/MWh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tokenflow_sim.errors import MarketError
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_faults import find_grid_faults, find_node_faults
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Term
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints

BUS_BALANCE = "bus_balance"
CYCLE_LAW = "cycle_law"
GENERATION = "generation"
LINE_FLOW = "line_flow"
LOAD, GENERATORS, OPERATOR = "load", "generators", "grid operator"
"""Who pays and earns beside providers: the load at the buses, the generators, and the grid's operator."""
PER_MWH = SECONDS_PER_HOUR
"""From $/s per MW to $/MWh."""


@dataclass(frozen=True, eq=False)
class BoundGrid:
    """A grid beside the assets of a market, with all that follows from structure alone.

    Parameters
    ----------
    grid : Grid
        A grid of the structure; its numbers are those of one period.
    layout : Layout
        The market's labels.
    power_use : ndarray
        What a unit of service draws at the meter, the site's overhead (PUE) included, in MW per Mtok/s, dims (asset,
        workload).
    """

    grid: Grid
    layout: Layout
    power_use: Floats

    @cached_property
    def asset_bus(self) -> Ints:
        """Position of the bus that each asset draws from, dims (asset,); `NO_BUS` without a connection."""
        return self.grid.node_bus[self.layout.asset_node]

    @cached_property
    def _bus_terms(self) -> tuple[Term, ...]:
        grid = self.grid
        terms = (
            [Term(GENERATION, -np.ones(len(grid.generators)), grid.generator_bus)] if grid.generators else []
        )
        if grid.lines:
            terms.append(Term(LINE_FLOW, np.ones(len(grid.lines)), grid.from_bus))
            terms.append(Term(LINE_FLOW, -grid.efficiency, grid.to_bus))
        if len(self.layout.assets):
            member = np.where(self.asset_bus == NO_BUS, NOBODY, self.asset_bus)
            terms.append(Term("dispatch", self.power_use, member))
        return tuple(terms)

    @cached_property
    def _cycles(self) -> SharedCapacity | None:
        """Kirchhoff's voltage law round every cycle, each row of size one; a line in several has as many terms."""
        grid = self.grid
        cycles = grid.cycles
        if not len(cycles):
            return None
        drop = np.where(grid.is_dc, 1 / np.where(grid.is_dc, grid.susceptance, 1.0), 0.0)
        there = cycles != 0
        # Powers of two lose no bit.
        typical = (there * drop).sum(axis=1) / there.sum(axis=1)
        use = cycles * drop / 2.0 ** np.round(np.log2(typical))[:, None]
        terms = []
        for turn in range(int(there.sum(axis=0).max())):
            member = np.full(len(grid.lines), NOBODY)
            has = there.sum(axis=0) > turn
            member[has] = [np.flatnonzero(there[:, line])[turn] for line in np.flatnonzero(has)]
            terms.append(Term(LINE_FLOW, np.where(has, use[member, np.arange(len(member))], 0.0), member))
        return SharedCapacity(
            name=CYCLE_LAW,
            rent="cycle_rent",
            dim="cycle",
            labels=tuple(range(len(cycles))),
            capacity=np.zeros(len(cycles)),
            terms=tuple(terms),
            equality=True,
            law=True,
            payee=OPERATOR,
        )

    def at(
        self, grid: Grid, capacity: Floats | None = None
    ) -> tuple[tuple[SharedCapacity, ...], tuple[Activity, ...]]:
        """Return the limits and activities of a period.

        Parameters
        ----------
        grid : Grid
            The grid of that period, of the same structure.
        capacity : ndarray, optional
            What assets offer, in Mtok/s, dims (asset, workload, block). It narrows the bounds of flows that no limit
            bounds.
        """
        balance = SharedCapacity(
            name=BUS_BALANCE,
            rent="bus_price",
            dim="bus",
            labels=grid.buses,
            capacity=-grid.load,
            terms=self._bus_terms,
            equality=True,
            part="energy",
            payee=LOAD,
            unit="MW",
            rent_unit="$/MWs",
            meaning="price of power at a bus",
        )
        limits = (balance,) if self._cycles is None else (balance, self._cycles)
        activities = []
        if grid.generators:
            activities.append(
                Activity(
                    name=GENERATION,
                    dim="generator",
                    labels=grid.generators,
                    price=grid.price / PER_MWH,
                    most=grid.available.copy(),
                    least=_least(grid),
                    payee=GENERATORS,
                    unit="MW",
                    meaning="power generated",
                )
            )
        if grid.lines:
            drawn = np.inf if capacity is None else float((self.power_use * capacity.sum(axis=2)).sum())
            price, most, least = _line_tranches(grid, drawn)
            activities.append(
                Activity(
                    name=LINE_FLOW,
                    dim="line",
                    labels=grid.lines,
                    price=price / PER_MWH,
                    most=most,
                    least=least,
                    payee=OPERATOR,
                    unit="MW",
                    meaning="power carried by a line",
                )
            )
        return limits, tuple(activities)


def bind_grid(grid: Grid, layout: Layout, power_use: Floats) -> BoundGrid:
    """Validate a grid beside a market, and prepare what all periods of one structure share.

    Parameters
    ----------
    grid, layout, power_use
        As in `BoundGrid`.

    Raises
    ------
    MarketError
        If the grid has faults, or assets draw power at a node without a bus; all are listed.
    """
    faults = find_grid_faults(grid) or find_node_faults(grid, layout, power_use)
    if faults:
        raise MarketError(faults, "grid")
    return BoundGrid(grid, layout, power_use)


def _least(grid: Grid) -> Floats:
    """Return what of each tranche runs at least, dims (generator, tranche): the cheapest first, up to the minimum."""
    least = np.zeros(grid.available.shape)
    left = grid.minimum.copy()
    order = np.argsort(grid.price, axis=1, kind="stable")
    rows = np.arange(len(left))
    for tranche in order.T:
        least[rows, tranche] = np.minimum(left, grid.available[rows, tranche])
        left = left - least[rows, tranche]
    return least


def _line_tranches(grid: Grid, drawn: float) -> tuple[Floats, Floats, Floats]:
    """Return price, most and least of flows, dims (line, tranche): there, and back where that costs as well."""
    least = np.maximum(grid.least, -_most_flow(grid, drawn))
    if not ((grid.line_cost > 0) & (grid.least < 0)).any():
        return grid.line_cost[:, None], grid.limit[:, None].copy(), least[:, None]
    # A flow back is negative, and costs as much: its price is minus the cost. Both together would only cost more.
    price = np.column_stack([grid.line_cost, -grid.line_cost])
    most = np.column_stack([grid.limit, np.zeros(len(grid.lines))])
    return price, most, np.column_stack([np.maximum(least, 0.0), np.minimum(least, 0.0)])


def _most_flow(grid: Grid, drawn: float) -> Floats:
    """Return more than any optimum needs of a line that has no losses, dims (line,).

    A flow that goes round a circle of lossless lines changes nobody's power, so that an optimum without any exists
    where flows are free; where they follow from susceptances there is none, since power flows from the higher angle to
    the lower. What is left goes from where power enters to where it leaves: it is no more than all that enters the
    island or leaves it, counting what transport lines bring to the ``dc`` lines. Power that is burnt in a circle with
    losses, at negative prices, is bounded by these. Twice that never binds. A transport line without a limit beside
    ``dc`` lines could circulate more; `grid_faults` refuses it.
    """
    island, count = grid.island, int(grid.island.max()) + 1
    fed = np.bincount(island, np.maximum(-grid.load, 0.0), count)
    fed += np.bincount(island[grid.generator_bus], grid.available.sum(axis=1), count)
    taken = np.bincount(island, np.maximum(grid.load, 0.0), count) + drawn
    lossy = grid.efficiency < 1
    at_line = island[grid.from_bus]
    burnt = np.zeros(count)
    np.maximum.at(burnt, at_line[lossy], 1 / (1 - grid.efficiency[lossy]))
    carried = np.where(np.isfinite(grid.limit) & ~grid.is_dc, grid.limit, 0.0)
    through = np.where(burnt > 0, fed * np.maximum(burnt, 1.0), np.minimum(fed, taken))
    bound = 2 * (through + np.bincount(at_line, carried, count)) + 1.0
    # Only lines whose flow follows, or that have no limit, are bounded by it.
    follows = grid.is_dc | ~np.isfinite(grid.limit)
    return np.where(follows, bound[at_line], np.inf)
