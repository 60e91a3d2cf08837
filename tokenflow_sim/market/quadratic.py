"""The congestion-QP: links whose charge grows with their load.

The quadratic program fixes every link's load. With its charge frozen at that load a link has a linear cost, and
the market's prices are those of the linear program with these costs: the two share their optimality conditions,
and so the set of optimal duals among which the price rule chooses.
"""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.highs import OPTIONS, column_program, new_highs
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.optimal_face import serve_first
from tokenflow_sim.market.perturbation import ScaledData
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.values import Values, values_of
from tokenflow_sim.numeric import Floats

# HiGHS adds this to the curvature of every column by default (1e-7), which shows in the prices.
_QP_OPTIONS = OPTIONS | {"qp_regularization_value": 0.0}


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
    charge = (arrays.link_curvature * load)[:, None] * arrays.link_use
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
    problem = engine.scaled(arrays)
    columns = _quadratic_columns(program, problem, arrays.link_curvature)
    if columns is None:
        engine.solve(linearised(arrays, np.zeros(program.flow_shape[0])))  # says what cannot be met
        raise CertificateError("HiGHS found no optimum of a quadratic market that has one")
    values = np.zeros(program.columns)
    values[: program.v.start] = np.maximum(columns[: program.v.start], 0.0)  # no flow below rounding
    values *= problem.scale.quantity
    load = (arrays.link_use * values[program.f].reshape(program.flow_shape)).sum(axis=1)
    flat = linearised(arrays, load)
    priced = engine.solve(flat)
    # What else costs as little leaves the loads of curved links, which are unique, as they are.
    scale, frozen = problem.scale, engine.scaled(flat)
    curved = np.zeros(program.rows, dtype=np.bool_)
    curved[program.link] = arrays.link_curvature > 0
    optimum = BasicSolution(values / scale.quantity, priced.duals / scale.price)
    values = serve_first(program, frozen.costs, frozen.upper, frozen.rows, optimum, curved) * scale.quantity
    outcome = values_of(program, arrays, BasicSolution(values, priced.duals))
    rent = outcome.congestion_rent + arrays.link_curvature * load
    return replace(outcome, rents={**outcome.rents, "congestion_rent": rent})


def _quadratic_columns(program: Program, problem: ScaledData, curvature: Floats) -> Floats | None:
    """Solve the quadratic program, always cold, in the solver's units; None if it has no optimum.

    Its columns are the linear program's without shortfall, then every link's load; its rows the linear program's, and
    one for each load. HiGHS is given vectors: to build a linopy model anew takes a hundred times what a small
    one takes to solve.
    """
    used, links = program.v.start, curvature.size
    matrix = program.matrix_with_loads
    floor = np.full(program.rows, -np.inf)
    floor[program.balance] = problem.rows[program.balance]
    lp = column_program(
        costs=np.concatenate([problem.costs[:used], np.zeros(links)]),
        lower=np.zeros(used + links),
        upper=np.concatenate([problem.upper[:used], np.full(links, np.inf)]),
        floor=np.concatenate([floor, np.zeros(links)]),
        ceiling=np.concatenate([problem.rows, np.zeros(links)]),
        matrix=matrix,
    )
    # The objective is half of what the diagonal says: kappa / 2 * load^2, in the solver's units.
    hessian = highspy.HighsHessian()
    hessian.dim_ = used + links
    hessian.format_ = highspy.HessianFormat.kTriangular
    hessian.start_ = np.concatenate([np.zeros(used, dtype=np.int32), np.arange(links + 1, dtype=np.int32)])
    hessian.index_ = np.arange(used, used + links, dtype=np.int32)
    hessian.value_ = curvature * (problem.scale.quantity / problem.scale.price)
    model = highspy.HighsModel()
    model.lp_, model.hessian_ = lp, hessian
    highs = new_highs(_QP_OPTIONS)
    highs.passModel(model)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(highs.getSolution().col_value, dtype=np.float64)
