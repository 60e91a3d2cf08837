"""Marginal emissions, exact: by how much what is emitted changes with one more unit demanded.

The optimal dispatch is a piecewise linear function of demand. Its right-hand derivative in the demand of one node and
class is the cheapest of the moves that the optimum allows, `directional.DirectionalProgram`; of equally cheap ones the
one that the generic direction of the price rule prefers, as for the dispatch itself. Where the optimum is not
degenerate, that move is the one of its basis, and one solve with the factorised basis has those of all nodes and
classes.

References
----------
Bonnans and Shapiro (2000), Perturbation Analysis of Optimization Problems, theorem 4.24. Of power such derivatives are
known as locational marginal carbon intensities: Rudkevich and Ruiz (2012), Locational Carbon Footprint of the Power
Industry, in Handbook of CO2 in Power Systems.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.clearing import Clearing, require_market
from tokenflow_sim.market.directional import AT_BOUND, DirectionalProgram
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.grid_rows import BUS_BALANCE, PER_MWH
from tokenflow_sim.market.highs import LazySolver
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.perturbation import ScaledData
from tokenflow_sim.market.pro_rata import offer_groups
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import EMISSIONS, Variable

# Relative to what equal offers add up to: a smaller difference from an equal share is the rounding of a solver.
_EVEN = 1e-9
GRAMS_PER_KILOGRAM = 1000.0


def marginal_emissions(clearing: Clearing, emission_rate: Any) -> xr.DataArray:
    """Return what one more unit demanded would emit.

    Parameters
    ----------
    clearing : Clearing
        A clearing.
    emission_rate : DataArray or ndarray
        What a unit of service emits in t/Mtok, dims (asset, workload); `Scenario.emission_rate` has a scenario's.

    Returns
    -------
    DataArray
        In t/Mtok, dims (node, workload): the right-hand derivative of emissions in the demand there, of one more unit
        that must be served, as for prices. Below zero where it moves other service to a cleaner site; NaN where no
        more can be served.

    Raises
    ------
    MarketError
        If it is no clearing, the market has charges that grow with a link's load or demand that takes paths of its
        own, or the rates do not fit its assets and classes.
    """
    if not isinstance(clearing, Clearing):
        require_market(clearing)
        raise MarketError([Fault("must be a Clearing: clear the market first", "clearing")], "argument")
    market = clearing.market
    faults = []
    if market.is_quadratic:
        faults.append(
            Fault("has charges that grow with a link's load; marginal emissions need a linear market")
        )
    if clearing.values.along is not None:
        faults.append(Fault("has demand that takes paths of its own, which have no marginal emissions yet"))
    layout = market.layout
    shape = len(layout.assets), len(layout.workloads)
    try:
        if isinstance(emission_rate, xr.DataArray):
            emission_rate = emission_rate.sel(asset=layout.assets, workload=layout.workloads)
            emission_rate = emission_rate.transpose("asset", "workload").to_numpy()
        rate = np.broadcast_to(np.asarray(emission_rate, dtype=float), shape)
    except (KeyError, ValueError, TypeError) as error:
        rate = np.zeros(shape)
        faults.append(Fault(f"must have dims (asset, workload), {shape} here ({error})", "emission_rate"))
    if not np.isfinite(rate).all():
        faults.append(Fault("must be finite (t/Mtok)", "emission_rate"))
    if faults:
        raise MarketError(faults, "marginal emissions")
    row = EMISSIONS["marginal_emissions"]
    with one_thread():
        engine = Engine(market)
        found = by_node(engine.program, marginal_rows(engine, market, clearing.values, rate))
    return layout.label(Variable(row.name, row.dims[1:], row.unit, row.long_name), found)


def by_node(program: Program, rows: Floats) -> Floats:
    """Return what one more Mtok at each node and class would emit in t/Mtok, dims (node, workload).

    Parameters
    ----------
    program : Program
        The market's program.
    rows : ndarray
        What `marginal_rows` returns.
    """
    return rows[program.balance].reshape(program.nodal_shape)


def marginal_intensity(program: Program, rows: Floats) -> Floats:
    """Return what one more MWh taken at each bus would emit in g/kWh, dims (bus,).

    Parameters
    ----------
    program : Program
        Of a market with a grid.
    rows : ndarray
        What `marginal_rows` returns.
    """
    placed = next(one for one in program.limits if one.limit.name == BUS_BALANCE)
    # From t/s per MW, in the unit of the row, whose sign is turned.
    found: Floats = rows[placed.rows] / -placed.unit * PER_MWH * GRAMS_PER_KILOGRAM
    return found


def marginal_rows(
    engine: Engine,
    market: Market,
    values: Values,
    rate: Floats | None,
    done: Mapping[str, Floats] | None = None,
) -> Floats:
    """Return what one more unit asked of every equation would emit, dims (equation,).

    Parameters
    ----------
    engine : Engine
        An engine of the market's structure; it solves the market once more.
    market : Market
        The market.
    values : Values
        Its clearing.
    rate : ndarray or None
        What a unit of service emits in t/Mtok, dims (asset, workload); None where it emits nothing itself.
    done : mapping of ndarray, optional
        What a unit of an activity emits in t/s, dims (label,), by its name: ``generation`` of a grid for example.
    """
    program, arrays = engine.program, market.arrays
    emitted = np.zeros(program.columns)
    if rate is not None:
        emitted[program.x] = np.broadcast_to(rate[:, :, None], program.offers_shape).ravel()
    for own in program.activities:
        if done is not None and own.activity.name in done:
            each = done[own.activity.name][:, None] * own.unit
            emitted[own.columns] = np.broadcast_to(each, own.activity.price.shape).ravel()
    if program.offers_compete:
        _share(program, market, values, emitted)
    data = engine.scaled(arrays)
    solution = engine.solve(arrays)
    asked = program.equations.stop
    if solution.basis is not None and not _is_degenerate(program, data, solution):
        # What the basis gives way, in emissions instead of costs.
        found: Floats = solution.basis.factor.dual(emitted[None])[0, :asked]
        return found
    costs = data.costs + program.split(engine.perturbation.numbers)[0]
    solver = LazySolver(program)
    # From the vertex that the engine found: what ties is not yet shared there, so that no equal offers can be swapped.
    point = solution.values / data.scale.quantity
    moves = DirectionalProgram(solver, program, point, data.upper, data.rows)
    supported: Floats | None = None
    found = np.empty(asked)
    for row in range(asked):
        step = np.zeros(program.rows)
        step[row] = 1.0
        move = moves.move(step, costs)
        if move is None:  # there is none, or equal costs let one gain without end: at these they cannot
            if supported is None:
                supported = moves.supported_costs(data.costs, solution.duals / data.scale.price)
            move = moves.move(step, supported)
        found[row] = np.nan if move is None else float(emitted @ move.values)
    return found


def _share(program: Program, market: Market, values: Values, emitted: Floats) -> None:
    """Let equal offers at a node count at the mean of their rates, since they share pro rata."""
    held = np.zeros(len(values.dispatch), dtype=np.bool_)
    for _, limit in program.numbers_of(market.arrays):
        for term in limit.terms:
            if term.on == "dispatch":
                held |= term.of_members(values.rents[limit.rent]) != 0
    part = np.broadcast_to(~held[:, None, None], program.offers_shape).ravel()
    groups, count = offer_groups(program, market.arrays), emitted.size
    offered = np.where(part, market.arrays.capacity.ravel(), 0.0)
    whole = np.bincount(groups, offered, count)
    # Where a limit of one of them stands in the way of equal shares, each serves what the basis gives it.
    served = values.dispatch.ravel()
    share = np.bincount(groups, np.where(part, served, 0.0), count)
    share = np.divide(share, whole, out=np.zeros(count), where=whole > 0)
    uneven = part & (np.abs(served - share[groups] * offered) > _EVEN * whole[groups])
    part = part & (np.bincount(groups, uneven, count)[groups] == 0)
    mean = np.bincount(groups, offered * emitted[program.x], count)
    mean = np.divide(mean, whole, out=np.zeros(count), where=whole > 0)
    emitted[program.x] = np.where(part & (whole[groups] > 0), mean[groups], emitted[program.x])


def _is_degenerate(program: Program, data: ScaledData, solution: BasicSolution) -> bool:
    """Whether something basic stands at a bound, so that the basis's move may lead out of what is feasible."""
    if solution.basis is None:
        return True
    columns, tight = solution.basis.factor.columns, solution.basis.factor.tight
    values = solution.values / data.scale.quantity
    basic = values[columns]
    if (columns >= program.v.start).any() or (basic <= AT_BOUND).any():
        return True
    if (basic >= data.upper[columns] - AT_BOUND).any():
        return True
    free = np.ones(program.rows, dtype=np.bool_)
    free[tight], free[program.equations] = False, False
    slack = (data.rows - program.row_values(values))[free]
    return bool((slack <= AT_BOUND * np.clip(np.abs(data.rows[free]), 1.0, 1e6)).any())
