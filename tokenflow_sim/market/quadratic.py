"""Quadratic markets: links whose charge grows with their load, offers whose price rises, demand whose value falls.

The quadratic program fixes the load of every such link, and what is taken of every such offer and demand. With its
charge, price or value frozen there each has a linear cost, and the market's prices are those of the linear program
with these costs: the two share their optimality conditions, and so the set of optimal duals among which the price rule
chooses. With slopes, the optimum is found exactly (`pieces`, `active_set`), so that prices, which are those of the
next unit, are as exact as a linear market's.

Where links alone have curvature, HiGHS's active-set solver finds the loads of nearly all markets. Where many vertices
are degenerate it can go round for minutes at the optimum without seeing that it is one. It is stopped after a number
of iterations, which depends on the market alone as a clock does not, and the loads are found by linear programs
instead: the charge of every link is replaced by a piecewise-linear one that agrees with it at points about the last
load, which draw closer round by round. Such a charge is never too low and is right at the last load, so that the cost
never rises from one round to the next, and the interval in which a load is uncertain shrinks geometrically.

References
----------
Dantzig (1963), Linear Programming and Extensions, chapter 24: convex separable costs as piecewise-linear ones.
"""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
from scipy import sparse

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.active_set import Optimum
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.highs import column_program, new_highs
from tokenflow_sim.market.highs_run import run
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.optimal_face import serve_first
from tokenflow_sim.market.perturbation import ScaledData
from tokenflow_sim.market.pieces import optimum
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.separable import IterationLimit, SeparableProgram
from tokenflow_sim.market.values import Values, link_loads, total_cost, values_of
from tokenflow_sim.numeric import Bools, Floats

# Iterations of the quadratic solver for every row and column: an active-set method that needs more goes round.
_ITERATIONS = 1.0
# Points of a piecewise-linear charge on either side of the last load, each this much further than the one before.
_POINTS, _WIDER = 10, 16.0
# By how much the points draw closer, from the largest load there can be to this share of it.
_CLOSER, _FINEST = 8.0, 2.0**-34
# Rounds at the finest distance until nothing changes any more.
_LAST_ROUNDS = 20


def linearised(
    arrays: Arrays, load: Floats, dispatch: Floats | None = None, unserved: Floats | None = None
) -> Arrays:
    """Return a market's numbers with each charge, price and value frozen at what is taken.

    Parameters
    ----------
    arrays : Arrays
        The market's numbers.
    load : ndarray
        Load of every link in GB/s (or Mtok/s), dims (arc,).
    dispatch, unserved : ndarray, optional
        In Mtok/s, dims as `capacity` and `demand`; without them, prices and values are those of the first offers.

    Returns
    -------
    Arrays
        Without curvature; the charge ``kappa * load`` per unit of load is part of the route cost.
    """
    if dispatch is not None and unserved is not None:
        arrays = arrays.at_margin(dispatch, unserved)
    charge = np.zeros(arrays.route_cost.shape)
    for term in arrays.links.terms:
        charge += term.charge(arrays.link_curvature * load)
    return arrays.with_(
        route_cost=arrays.route_cost + charge, link_curvature=np.zeros_like(arrays.link_curvature)
    )


class LastOptimum:
    """The optimum of the last market with slopes: where the next of its structure is tried first.

    Attributes
    ----------
    found : Optimum or None
        In Mtok/s and $/Mtok; None before the first.
    """

    def __init__(self) -> None:
        self.found: Optimum | None = None

    def of(self, program: SeparableProgram, data: ScaledData) -> Optimum | None:
        """Solve a program in the solver's units; None where it has no optimum."""
        start, scale = self.found, data.scale
        if start is not None and (start.low.size, start.tight.size) != program.coefficients.shape[::-1]:
            start = None
        if start is not None:
            start = start.rescaled(1.0 / scale.quantity, 1.0 / scale.price)
        found = optimum(program, start)
        self.found = None if found is None else found.rescaled(scale.quantity, scale.price)
        return found


def solve_quadratic(engine: Engine, market: Market, last: LastOptimum | None = None) -> Values:
    """Clear a market whose links have curvature, or whose offers or demand have slopes.

    Parameters
    ----------
    engine : Engine
        Clears linear markets of the same structure.
    market : Market
        The market.
    last : LastOptimum, optional
        That of markets with slopes cleared before, which changes no bit of what is found.

    Returns
    -------
    Values
        With the congestion rent ``eta + kappa * load``.

    Raises
    ------
    InfeasibleError
        If demand that must be served cannot be.
    CertificateError
        If HiGHS finds no optimum.
    """
    arrays, program = market.arrays, engine.program
    data = scaled_at_first_unit(program, arrays, engine.size)
    best = None
    if arrays.is_sloped:
        best = (last or LastOptimum()).of(smooth_program(program, data, arrays), data)
        columns = None if best is None else best.values
    else:
        columns = _quadratic_columns(program, data, arrays)
    if columns is None:
        nothing, demand = np.zeros_like(arrays.capacity), np.zeros_like(arrays.demand)
        # says what cannot be met
        engine.solve(linearised(arrays, np.zeros(arrays.link_curvature.shape), nothing, demand))
        raise CertificateError("HiGHS found no optimum of a quadratic market that has one")
    values = np.zeros(program.columns)
    values[: program.v.start] = np.maximum(columns[: program.v.start], 0.0)  # no flow below rounding
    values *= data.scale.quantity
    load = link_loads(arrays, values[program.f].reshape(program.flow_shape))
    if best is None:
        flat = linearised(arrays, load)
        outcome = values_of(program, arrays, _priced(engine, arrays, flat, values))
    else:
        dispatch = np.minimum(values[program.x].reshape(program.offers_shape), arrays.capacity)
        unserved = np.minimum(values[program.y].reshape(program.unserved_shape), arrays.demand)
        flat = linearised(arrays, load, dispatch, unserved)
        if best.priced:
            solution = BasicSolution(values, best.duals[: program.rows] * data.scale.price)
        else:
            solution = _priced(engine, arrays, flat, values)
        found = values_of(program, arrays.with_(offer_price=flat.offer_price, value_slope=None), solution)
        cost = total_cost(arrays, found.dispatch, found.flow, found.unserved, found.supplied, found.done)
        outcome = replace(found, cost=cost)
    rent = outcome.congestion_rent + arrays.link_curvature * load
    return replace(outcome, rents={**outcome.rents, "congestion_rent": rent})


def _priced(engine: Engine, arrays: Arrays, flat: Arrays, values: Floats) -> BasicSolution:
    """Price an optimum by the price rule, and share what is short where that costs nothing.

    Parameters
    ----------
    engine : Engine
        Clears linear markets of the same structure.
    arrays, flat : Arrays
        The market, and its linear one at the optimum.
    values : ndarray
        The optimum in Mtok/s, dims (column,).
    """
    program, unique = engine.program, unique_columns(engine.program, arrays)
    priced, frozen = engine.solve(flat, duals_only=unique is not None), engine.scaled(flat)
    scale = frozen.scale
    # What else costs as little leaves the loads of curved links, which are unique, as they are.
    curved = np.zeros(program.rows, dtype=np.bool_)
    curved[program.link] = arrays.link_curvature > 0
    optimum = BasicSolution(values / scale.quantity, priced.duals / scale.price)
    served = serve_first(program, frozen.costs, frozen.upper, frozen.rows, optimum, curved, unique)
    return BasicSolution(served * scale.quantity, priced.duals)


def unique_columns(program: Program, arrays: Arrays) -> Bools | None:
    """Return the columns with a slope, which are the same in every optimum, dims (column,); None where none has."""
    if not arrays.is_sloped:
        return None
    found = np.zeros(program.columns, dtype=np.bool_)
    for slope, columns in ((arrays.offer_slope, program.x), (arrays.value_slope, program.y)):
        if slope is not None:
            found[columns] = slope.ravel() > 0
    return found


def scaled_at_first_unit(program: Program, arrays: Arrays, size: float = 1.0) -> ScaledData:
    """Bring the numbers at the first unit into the solver's units, measured by those of what may be taken.

    Parameters
    ----------
    program : Program
        The structure.
    arrays : Arrays
        The market's numbers.
    size : float
        By how much quantities are magnified beside the usual, a power of two.

    Notes
    -----
    Where offers begin at nothing, as with quadratic costs, the first unit's price is no measure of anything.
    """
    if not arrays.is_sloped:
        return ScaledData.of(program, arrays, size)
    asked = np.add.reduce(arrays.demand, axis=None)
    nothing = np.zeros_like(arrays.demand)
    half = arrays.at_margin(0.5 * np.minimum(arrays.capacity, asked), nothing)
    data = ScaledData.of(program, half, size)
    first = arrays.at_margin(np.zeros_like(arrays.capacity), nothing)
    program.fill_costs(first, 0.0, data.costs)
    data.costs[:] /= data.scale.price
    return data


def _quadratic_columns(program: Program, data: ScaledData, arrays: Arrays) -> Floats | None:
    """Solve the quadratic program, always cold, in the solver's units; None if it has no optimum.

    Its columns are the linear program's without shortfall, then every link's load; its rows the linear program's, and
    one for each load. HiGHS is given vectors: rebuilding a linopy model takes a hundred times what a small
    one takes to solve.
    """
    used = program.v.start
    try:
        return smooth_program(program, data, arrays).solve(
            _ITERATIONS, always=slice(used, used + arrays.link_curvature.size)
        )
    except IterationLimit:
        return _by_pieces(program, data, arrays.link_curvature)


def smooth_program(program: Program, data: ScaledData, arrays: Arrays) -> SeparableProgram:
    """Return the quadratic program of a market in the solver's units.

    Its columns are the linear program's without shortfall; with curvature of links, every link's load follows, with a
    row for each.

    Parameters
    ----------
    program : Program
        The structure.
    data : ScaledData
        The market's numbers at the first unit.
    arrays : Arrays
        The market.
    """
    used = program.v.start
    floor = np.full(program.rows, -np.inf)
    floor[program.equations] = data.rows[program.equations]
    slopes = slopes_of(program, data, arrays)
    if not np.count_nonzero(arrays.link_curvature):
        costs, upper = data.costs[:used], data.upper[:used]
        return SeparableProgram(costs, slopes, np.zeros(used), upper, floor, data.rows, program.served)
    links = np.zeros(arrays.link_curvature.size)
    return SeparableProgram(
        costs=np.concatenate([data.costs[:used], links]),
        curvature=np.concatenate([slopes, arrays.link_curvature * (data.scale.quantity / data.scale.price)]),
        lower=np.zeros(used + links.size),
        upper=np.concatenate([data.upper[:used], np.full(links.size, np.inf)]),
        floor=np.concatenate([floor, links]),
        ceiling=np.concatenate([data.rows, links]),
        coefficients=program.served_with_loads,
    )


def slopes_of(program: Program, data: ScaledData, arrays: Arrays) -> Floats:
    """Return the slope of every column but shortfall in the solver's units, dims (column,)."""
    slopes = np.zeros(program.v.start)
    for slope, columns in ((arrays.offer_slope, program.x), (arrays.value_slope, program.y)):
        if slope is not None:
            slopes[columns] = slope.ravel() * (data.scale.quantity / data.scale.price)
    return slopes


def _by_pieces(program: Program, data: ScaledData, curvature: Floats) -> Floats | None:
    """Solve the quadratic program by linear ones, in the solver's units; None if it has no optimum.

    Their columns are the program's without shortfall, then for every curved link the segments of its charge, each from
    one point to the next; a row for every curved link says that its segments add up to its load.
    """
    used, curved = program.v.start, np.flatnonzero(curvature > 0)
    slope = curvature[curved] * (data.scale.quantity / data.scale.price)
    use = sparse.csr_array(program.matrix)[program.link][curved, :used]
    limits = data.rows[program.link][curved]
    segments = 2 * _POINTS + 2
    count, zeros = curved.size * segments, np.zeros(curved.size)
    matrix = sparse.vstack(
        [
            sparse.hstack([program.matrix[:, :used], sparse.csc_array((program.rows, count))]),
            sparse.hstack([-use, sparse.kron(sparse.eye_array(curved.size), np.ones((1, segments)))]),
        ],
        format="csc",
    )
    floor = np.full(program.rows, -np.inf)
    floor[program.equations] = data.rows[program.equations]
    highs = new_highs()
    highs.passModel(
        column_program(
            costs=np.concatenate([data.costs[:used], np.zeros(count)]),
            lower=np.zeros(used + count),
            upper=np.concatenate([data.upper[:used], np.zeros(count)]),
            floor=np.concatenate([floor, zeros]),
            ceiling=np.concatenate([data.rows, zeros]),
            matrix=sparse.csc_array(matrix),
        )
    )
    # A link carries no more of a class than all its demand, unless going in circles pays; a load beyond the last point
    # has the charge there.
    everywhere = np.zeros(used)
    demand = data.rows[program.balance].reshape(program.nodal_shape).sum(axis=0)
    everywhere[program.f] = np.broadcast_to(demand, program.flow_shape).ravel()
    most = np.minimum(use @ everywhere, limits)
    load, width, rounds = zeros, 0.25, 0
    places = np.arange(used, used + count, dtype=np.int32)
    apart = np.append(0.0, _WIDER ** np.arange(_POINTS))
    steps = np.concatenate([-apart[:0:-1], apart])  # the last load itself is a point
    while rounds < _LAST_ROUNDS:
        points = np.clip(load[:, None] + width * most[:, None] * steps, 0.0, most[:, None])
        ends = np.column_stack([zeros, points, np.full(curved.size, np.inf)])
        last = np.where(np.isinf(ends[:, 1:]), ends[:, :-1], ends[:, 1:])
        prices = slope[:, None] * 0.5 * (ends[:, :-1] + last)
        highs.changeColsCost(count, places, prices.ravel())
        highs.changeColsBounds(count, places, np.zeros(count), np.diff(ends, axis=1).ravel())
        if run(highs) != highspy.HighsModelStatus.kOptimal:
            return None
        columns = np.array(highs.getSolution().col_value, dtype=np.float64)
        before, load = load, columns[used:].reshape(curved.size, segments).sum(axis=1)
        if width > _FINEST:
            width /= _CLOSER
        elif (np.abs(load - before) <= _FINEST * most).all():
            break
        else:
            rounds += 1
    return columns[:used]
