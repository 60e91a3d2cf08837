"""The congestion-QP: links whose charge grows with their load.

The quadratic program fixes every link's load. With its charge frozen at that load a link has a linear cost, and
the market's prices are those of the linear program with these costs: the two share their optimality conditions,
and so the set of optimal duals among which the price rule chooses.

HiGHS's active-set solver finds the loads of nearly all markets. Where many vertices are degenerate it can go round for
minutes at the optimum without seeing that it is one. It is stopped after a number of iterations, which depends on the
market alone as a clock does not, and the loads are found by linear programs instead: the charge of every link is
replaced by a piecewise-linear one that agrees with it at points about the last load, which draw closer round by round.
Such a charge is never too low and is right at the last load, so that the cost never rises from one round to the next,
and the interval in which a load is uncertain shrinks geometrically.

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
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.highs import OPTIONS, column_program, new_highs
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.optimal_face import serve_first
from tokenflow_sim.market.perturbation import ScaledData
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.values import Values, link_loads, values_of
from tokenflow_sim.numeric import Floats

# HiGHS adds this to the curvature of every column by default (1e-7), which shows in the prices.
_QP_OPTIONS = OPTIONS | {"qp_regularization_value": 0.0}
# Iterations of the quadratic solver for every row and column: an active-set method that needs more goes round.
_ITERATIONS = 1.0
# Points of a piecewise-linear charge on either side of the last load, each this much further than the one before.
_POINTS, _WIDER = 10, 16.0
# By how much the points draw closer, from the largest load there can be to this share of it.
_CLOSER, _FINEST = 8.0, 2.0**-34
# Rounds at the finest distance until nothing changes any more.
_LAST_ROUNDS = 20


def linearised(arrays: Arrays, load: Floats) -> Arrays:
    """Return a market's numbers with each link's charge frozen at a load.

    Parameters
    ----------
    arrays : Arrays
        The market's numbers.
    load : ndarray
        Load of every link in GB/s (or Mtok/s), dims (arc,).

    Returns
    -------
    Arrays
        Without curvature; the charge ``kappa * load`` per unit of load is part of the route cost.
    """
    charge = np.zeros(arrays.route_cost.shape)
    for term in arrays.links.terms:
        charge += term.charge(arrays.link_curvature * load)
    return arrays.with_(
        route_cost=arrays.route_cost + charge, link_curvature=np.zeros_like(arrays.link_curvature)
    )


def solve_quadratic(engine: Engine, market: Market) -> Values:
    """Clear a market whose links have curvature.

    Parameters
    ----------
    engine : Engine
        Clears linear markets of the same structure.
    market : Market
        The market.

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
    data = engine.scaled(arrays)
    columns = _quadratic_columns(program, data, arrays.link_curvature)
    if columns is None:
        engine.solve(linearised(arrays, np.zeros(arrays.link_curvature.shape)))  # says what cannot be met
        raise CertificateError("HiGHS found no optimum of a quadratic market that has one")
    values = np.zeros(program.columns)
    values[: program.v.start] = np.maximum(columns[: program.v.start], 0.0)  # no flow below rounding
    values *= data.scale.quantity
    load = link_loads(arrays, values[program.f].reshape(program.flow_shape))
    flat = linearised(arrays, load)
    priced = engine.solve(flat)
    # What else costs as little leaves the loads of curved links, which are unique, as they are.
    scale, frozen = data.scale, engine.scaled(flat)
    curved = np.zeros(program.rows, dtype=np.bool_)
    curved[program.link] = arrays.link_curvature > 0
    optimum = BasicSolution(values / scale.quantity, priced.duals / scale.price)
    values = serve_first(program, frozen.costs, frozen.upper, frozen.rows, optimum, curved) * scale.quantity
    outcome = values_of(program, arrays, BasicSolution(values, priced.duals))
    rent = outcome.congestion_rent + arrays.link_curvature * load
    return replace(outcome, rents={**outcome.rents, "congestion_rent": rent})


def _quadratic_columns(program: Program, data: ScaledData, curvature: Floats) -> Floats | None:
    """Solve the quadratic program, always cold, in the solver's units; None if it has no optimum.

    Its columns are the linear program's without shortfall, then every link's load; its rows the linear program's, and
    one for each load. HiGHS is given vectors: rebuilding a linopy model takes a hundred times what a small
    one takes to solve.
    """
    used, links = program.v.start, curvature.size
    matrix = program.matrix_with_loads
    floor = np.full(program.rows, -np.inf)
    floor[program.equations] = data.rows[program.equations]
    lp = column_program(
        costs=np.concatenate([data.costs[:used], np.zeros(links)]),
        lower=np.zeros(used + links),
        upper=np.concatenate([data.upper[:used], np.full(links, np.inf)]),
        floor=np.concatenate([floor, np.zeros(links)]),
        ceiling=np.concatenate([data.rows, np.zeros(links)]),
        matrix=matrix,
    )
    # The objective is half of what the diagonal says: kappa / 2 * load^2, in the solver's units.
    hessian = highspy.HighsHessian()
    hessian.dim_ = used + links
    hessian.format_ = highspy.HessianFormat.kTriangular
    hessian.start_ = np.concatenate([np.zeros(used, dtype=np.int32), np.arange(links + 1, dtype=np.int32)])
    hessian.index_ = np.arange(used, used + links, dtype=np.int32)
    hessian.value_ = curvature * (data.scale.quantity / data.scale.price)
    model = highspy.HighsModel()
    model.lp_, model.hessian_ = lp, hessian
    highs = new_highs(_QP_OPTIONS | {"qp_iteration_limit": round(_ITERATIONS * (lp.num_col_ + lp.num_row_))})
    highs.passModel(model)
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kIterationLimit:
        return _by_pieces(program, data, curvature)
    if status != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(highs.getSolution().col_value, dtype=np.float64)


def _by_pieces(program: Program, data: ScaledData, curvature: Floats) -> Floats | None:
    """Solve the quadratic program by linear ones, in the solver's units; None if it has no optimum.

    Their columns are the program's without shortfall, then for every curved link the segments of its charge, each from
    one point to the next; a row for every curved link says that its segments add up to its load.
    """
    used, curved = program.v.start, np.flatnonzero(curvature > 0)
    slope = curvature[curved] * (data.scale.quantity / data.scale.price)
    use = sparse.csr_array(program.matrix)[program.link][curved, :used]
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
    most = np.minimum(use @ everywhere, data.rows[program.link][curved])
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
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
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
