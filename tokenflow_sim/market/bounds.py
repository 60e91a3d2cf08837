"""The interval that each price can take among all optimal duals of a market."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import linearised
from tokenflow_sim.market.tangent import Tangent
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import Variable


def price_bounds(market: Market, values: Values) -> xr.Dataset:
    """Find each price's own interval: the left- and right-hand derivatives of the least cost in one demand.

    Parameters
    ----------
    market : Market
        The market.
    values : Values
        Its optimum.

    Returns
    -------
    Dataset
        `lower` and `upper`, dims (node, workload), in $/Mtok; infinite where no such change can be served.
    """
    engine = Engine(market, lazy=True)  # spares building a linopy model for a handful of solves
    program, problem = engine.program, engine.problem(market.arrays)
    point = point_of(program, values)
    costs = problem.costs
    if market.is_quadratic:
        load = (market.arrays.link_use * values.flow).sum(axis=1)
        costs = engine.problem(linearised(market.arrays, load)).costs
    tangent = Tangent(engine.solver, program, point / problem.scale.quantity, problem.upper, problem.rows)
    nodal = program.balance.stop
    bounds: dict[str, Floats] = {}
    for name, sign in (("upper", 1.0), ("lower", -1.0)):
        found = np.empty(nodal)
        for row in range(nodal):
            step = np.zeros(program.rows)
            step[row] = sign
            cost = tangent.cheapest(step, costs)
            found[row] = (
                np.inf * sign if cost is None else sign * cost * problem.scale.price + 0.0
            )  # no negative zero
        bounds[name] = found.reshape(program.nodal_shape)
    dims = ("node", "workload")
    return xr.Dataset(
        {
            name: market.layout.label(
                Variable(name, dims, "$/Mtok", f"{name} end of the price's interval"), bounds[name]
            )
            for name in ("lower", "upper")
        }
    )


def point_of(program: Program, values: Values) -> Floats:
    """Return the value of every column of a clearing's program, in Mtok/s (supply: in its row's unit)."""
    return np.concatenate(
        [
            values.dispatch.ravel(),
            values.flow.ravel(),
            values.unserved.ravel(),
            *(
                values.supplied[placed.limit.name].ravel() / placed.unit
                for placed in program.limits
                if placed.limit.supply is not None
            ),
            np.zeros(program.balance.stop),
        ]
    )
