"""What a clearing says of the grid: bus prices, generation, flows, rents, emissions, and who pays whom for power.

The load at the buses and the assets pay the bus price, generators earn it, and the operator of the grid keeps the
difference, which is the congestion rent of the lines and what carrying costs:

    sum_b price_b (load_b + drawn_b) = sum_i price_b(i) g_i + sum_l rent_l |f_l| + cost of carrying
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW, GENERATION, LINE_FLOW, PER_MWH, BoundGrid
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats

# Relative to a line's limit, or to one MW: what is no nearer to a bound does not hold the line there.
_AT_BOUND = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class GridOutcome:
    """The grid's part of a clearing, as plain arrays.

    Parameters
    ----------
    bus_price : ndarray
        Cost of one more MWh taken at each bus, in $/MWh, dims (bus,).
    drawn : ndarray
        What assets draw at each bus, in MW, dims (bus,).
    generation : ndarray
        In MW, dims (generator,).
    line_flow : ndarray
        In MW at its `from_bus`, negative against its direction, dims (line,).
    line_rent : ndarray
        Dual of each line's limit: what one more MW of it would save, in $/MWh, dims (line,); where a least flow holds
        it, what one MW less of that would. Zero for a line within its limits.
    emissions : ndarray
        In t/h, dims (generator,).
    cost : float
        Cost of generation, as offered, and of carrying, in $/h.
    load_payment, drawn_payment : ndarray
        What the load, and what the assets pay for power, in $/h, dims (bus,).
    generator_income : ndarray
        In $/h, dims (generator,).
    line_income : ndarray
        What the operator earns by each line: its rent times the limit that holds it, and the cost of carrying, in $/h,
        dims (line,).
    """

    bus_price: Floats
    drawn: Floats
    generation: Floats
    line_flow: Floats
    line_rent: Floats
    emissions: Floats
    cost: float
    load_payment: Floats
    drawn_payment: Floats
    generator_income: Floats
    line_income: Floats

    @property
    def residual(self) -> float:
        """Money in less money out, in $/h; zero up to rounding."""
        paid = self.load_payment.sum() + self.drawn_payment.sum()
        return float(paid - self.generator_income.sum() - self.line_income.sum())


def grid_outcome(bound: BoundGrid, grid: Grid, values: Values) -> GridOutcome:
    """Return the grid's part of a clearing.

    Parameters
    ----------
    bound : BoundGrid
        The grid beside the market, as it was given to the market's arrays.
    grid : Grid
        The grid of the period.
    values : Values
        The clearing's.
    """
    limits, activities = bound.at(grid)
    rents = {limit.name: values.rents[limit.rent] for limit in limits}
    bus_price = rents[BUS_BALANCE] * PER_MWH
    buses, lines = len(grid.buses), len(grid.lines)
    tranches = values.done.get(GENERATION, np.zeros((0, 1)))
    generation = tranches.sum(axis=1)
    flow = values.done.get(LINE_FLOW, np.zeros((0, 1)))
    drawn = np.zeros(buses)
    bus, there = bound.asset_bus, bound.asset_bus != NO_BUS
    each = (bound.power_use[:, :, None] * values.dispatch).sum(axis=(1, 2))
    np.add.at(drawn, bus[there], each[there])
    prices = {activity.name: activity.price for activity in activities}
    cost = float((prices[GENERATION] * tranches).sum()) if GENERATION in prices else 0.0
    rent, carrying = np.zeros(lines), np.zeros(lines)
    if lines:
        carrying = (prices[LINE_FLOW] * flow).sum(axis=1) * PER_MWH
        rent = _line_rent(grid, limits, rents, flow.sum(axis=1), prices[LINE_FLOW])
    return GridOutcome(
        bus_price=bus_price,
        drawn=drawn,
        generation=generation,
        line_flow=flow.sum(axis=1),
        line_rent=np.abs(rent),
        emissions=grid.co2 * generation,
        cost=cost * PER_MWH + float(carrying.sum()),
        load_payment=bus_price * grid.load,
        drawn_payment=bus_price * drawn,
        generator_income=bus_price[grid.generator_bus] * generation,
        line_income=rent * flow.sum(axis=1) + carrying,
    )


def _line_rent(
    grid: Grid, limits: tuple[SharedCapacity, ...], rents: dict[str, Floats], flow: Floats, price: Floats
) -> Floats:
    """Return what one more MW along each line is worth beyond its cost, in $/MWh; zero for a line within its limits.

    It is positive at the limit, and negative where the limit of the other direction, or a least flow, holds the line:
    times the flow it is what the operator earns. Over a cycle the duals of Kirchhoff's law take from one line what
    they give to another.
    """
    worth = np.zeros(len(flow))
    for limit in limits:
        if limit.name in (BUS_BALANCE, CYCLE_LAW):
            for term in limit.terms:
                if term.on == LINE_FLOW:
                    worth -= term.charge(rents[limit.name])
    slack = _AT_BOUND * np.maximum(1.0, np.abs(flow))
    at_most = flow >= grid.limit - slack
    at_least = flow <= grid.least + slack
    # At a price that depends on the direction, a line at rest lies between both.
    there, back = worth - price[:, 0], worth - price[:, -1]
    ahead = np.where(at_most, np.maximum(there, 0.0), 0.0)
    against = np.where(at_least, np.minimum(back, 0.0), 0.0)
    return (ahead + against) * PER_MWH
