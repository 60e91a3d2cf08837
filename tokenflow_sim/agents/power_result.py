"""What one period brought on the grid: who generated, carried and drew power, and who is paid what for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.carbon import RENT
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.grid_intensity import bus_intensity
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.grid_arrays import KWH_PER_MWH, GridState


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerResult:
    """One cleared period of the grid as plain read-only arrays; money is $ in the period.

    What local load and assets pay is what generators and the grid operator are paid.

    Parameters
    ----------
    bus_price, local_load, load_payment : ndarray
        Price of power in $/MWh, load beside the market's assets in MW, and what it pays, dims (bus,).
    generation, curtailment, generator_income, generation_cost : ndarray
        In MW and $, dims (generator,).
    line_flow, line_rent, line_income : ndarray
        In MW, $/MWh and $ (paid to the grid operator), dims (line,).
    power_drawn : ndarray
        In MW, dims (asset,).
    power_cost : ndarray
        What assets pay for power, dims (asset, workload).
    carrying_cost : float
        True cost of carrying power.
    bus_intensity : ndarray or None
        Carbon intensity of power in g/kWh, dims (bus,), where generators' emissions are known.
    generator_emissions, generator_carbon_payment : ndarray or None
        In t, where those of all generators are known, and what they pay for them as a price and for permits in $,
        where they pay anything, dims (generator,).
    marginal_intensity : ndarray or None
        Emissions of one more MWh taken in g/kWh, dims (bus,), where they are asked for.
    emissions : ndarray or None
        What assets' power emits in t, dims (asset, workload), alike.
    """

    bus_price: Floats
    local_load: Floats
    load_payment: Floats
    generation: Floats
    curtailment: Floats
    generator_income: Floats
    generation_cost: Floats
    line_flow: Floats
    line_rent: Floats
    line_income: Floats
    power_drawn: Floats
    power_cost: Floats
    carrying_cost: float
    bus_intensity: Floats | None = None
    generator_emissions: Floats | None = None
    generator_carbon_payment: Floats | None = None
    marginal_intensity: Floats | None = None
    emissions: Floats | None = None

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays by the names of `variables.GRID`."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: one for name, one in named.items() if isinstance(one, np.ndarray) and name != "emissions"
        }


def settle_power(state: GridState, values: Values, hours: float) -> PowerResult:
    """Work out what one period brought on the grid.

    Parameters
    ----------
    state : GridState
        The grid in the period.
    values : Values
        The clearing of the tokens, and of the grid too where that is joint; else the grid is cleared here.
    hours : float
        Length of the period.

    Raises
    ------
    InfeasibleError
        If the grid cannot supply what the market draws.
    """
    arrays, grid = state.arrays, state.grid
    try:
        outcome = arrays.outcome(grid, values)
    except InfeasibleError as error:
        error.add_note(
            "  The tokens were cleared first, and the grid cannot supply what the market draws (grid.clearing:"
            " sequential). Give lines or generators more capacity, or clear both together (grid.clearing: joint)."
        )
        raise
    drawn = arrays.power_use * values.dispatch.sum(axis=2)
    price = outcome.bus_price[arrays.asset_bus]
    intensity = emissions = emitted = paid = None
    if arrays.has_co2:
        emitted = outcome.emissions * hours
        if arrays.pays_carbon:
            permits = values.rents.get(RENT, np.zeros(1)).sum()  # every zone counts all generators
            paid = emitted * (state.charge + permits)
        intensity = bus_intensity(grid, outcome.generation, outcome.line_flow)
        at_asset = np.nan_to_num(intensity)[arrays.asset_bus]
        emissions = at_asset[:, None] * drawn * (hours / KWH_PER_MWH)
    unused = grid.available.sum(axis=1) - outcome.generation
    made = PowerResult(
        bus_price=outcome.bus_price,
        local_load=grid.load,
        load_payment=outcome.load_payment * hours,
        generation=outcome.generation,
        curtailment=np.where(arrays.curtailable, np.maximum(unused, 0.0), 0.0),
        generator_income=outcome.generator_income * hours,
        generation_cost=generation_cost(grid, outcome.generation) * hours,
        line_flow=outcome.line_flow,
        line_rent=outcome.line_rent,
        line_income=outcome.line_income * hours,
        power_drawn=drawn.sum(axis=1),
        power_cost=price[:, None] * drawn * hours,
        carrying_cost=float((grid.line_cost * np.abs(outcome.line_flow)).sum()) * hours,
        bus_intensity=intensity,
        generator_emissions=emitted,
        generator_carbon_payment=paid,
        emissions=emissions,
    )
    for array in (*made.arrays().values(), *([] if emissions is None else [emissions])):
        array.flags.writeable = False
    return made


def generation_cost(grid: Grid, generation: Floats) -> Floats:
    """Return what generation costs in $/h, dims (generator,): each generator's cheapest tranches run first."""
    order = np.argsort(grid.price, axis=1, kind="stable")
    price, size = (np.take_along_axis(array, order, axis=1) for array in (grid.price, grid.available))
    before = np.cumsum(size, axis=1) - size
    run = np.clip(generation[:, None] - before, 0.0, size)
    # What rounding leaves above the capacity is of the last tranche.
    run[:, -1] += generation - run.sum(axis=1)
    cost: Floats = (price * run).sum(axis=1)
    return cost
