"""The congestion-QP: links whose charge grows with their load.

The quadratic program fixes every link's load. With its charge frozen at that load a link has a linear cost, and
the market's prices are those of the linear program with these costs: the two share their optimality conditions,
and so the set of optimal duals among which the price rule chooses.
"""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
from linopy.solvers import Solver as LinopySolver

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.arrays import Arrays, Floats
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.quiet import silence_banner
from tokenflow_sim.market.shift import Scale
from tokenflow_sim.market.solver import OPTIONS, linopy_model
from tokenflow_sim.market.values import Values, values_of
from tokenflow_sim.market.vertex import Vertex

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
    columns = _quadratic_columns(market)
    if columns is None:
        engine.solve(linearised(arrays, np.zeros(program.flow_shape[0])))  # says what cannot be met
        raise CertificateError("HiGHS found no optimum of a quadratic market that has one")
    values = np.zeros(program.columns)
    values[: program.v.start] = np.maximum(columns[: program.v.start], 0.0)  # no flow below rounding
    load = (arrays.link_use * values[program.f].reshape(program.flow_shape)).sum(axis=1)
    priced = engine.solve(linearised(arrays, load))
    outcome = values_of(program, arrays, Vertex(values, priced.duals))
    return replace(outcome, congestion_rent=outcome.congestion_rent + arrays.link_curvature * load)


def _quadratic_columns(market: Market) -> Floats | None:
    """Solve the quadratic program cold, in scaled units; None if it has no optimum."""
    silence_banner()
    scale = Scale.of(market.arrays)
    scaled = Market.from_arrays(market.layout, _scaled(market.arrays, scale), market.hours, check=False)
    solver = LinopySolver.from_name(
        "highs", linopy_model(scaled), io_api="direct", options=dict(_QP_OPTIONS), set_names=False
    )
    highs: highspy.Highs = solver.solver_model
    for name, value in _QP_OPTIONS.items():
        highs.setOptionValue(name, value)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    values: Floats = np.array(highs.getSolution().col_value, dtype=np.float64)
    return values * scale.quantity


def _scaled(arrays: Arrays, scale: Scale) -> Arrays:
    quantity, price = scale.quantity, scale.price
    limit = arrays.power_limit
    return arrays.with_(
        offer_price=arrays.offer_price / price,
        capacity=arrays.capacity / quantity,
        demand=arrays.demand / quantity,
        value=arrays.value / price,
        route_cost=arrays.route_cost / price,
        link_capacity=arrays.link_capacity / quantity,
        link_curvature=arrays.link_curvature * quantity / price,
        power_limit=None if limit is None else limit / quantity,
    )
