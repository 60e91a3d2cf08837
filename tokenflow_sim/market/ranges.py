"""What an optimum leaves open: the interval of each price, and of what each provider earns.

Each price has an interval among all optimal duals, between the left- and right-hand derivatives of the least cost
in that demand. Prices are those of every optimal dispatch; which dispatch is published is a convention where offers
tie across nodes: it can move money between providers though it moves no price and no cost.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.directional import DirectionalProgram
from tokenflow_sim.market.highs import LazySolver
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.optimal_face import Face
from tokenflow_sim.market.perturbation import ScaledData
from tokenflow_sim.market.pro_rata import offer_groups
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import linearised, unique_columns
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Bools, Floats, Ints
from tokenflow_sim.variables import Variable

# Of all that is paid: revenues that differ by less are the same; as much is what a certificate lets pass.
_SAME = 1e-7


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
        `lower` and `upper`, dims (node, workload), in $/Mtok; infinite where no such change can be served. For the
        dual of every equality that is no law, likewise ``<its name>_lower`` and ``<its name>_upper``.
    """
    program = Program(market)
    data = ScaledData.of(program, market.arrays)
    point = point_of(program, market.arrays, values)
    costs = data.costs
    if market.is_quadratic:
        load = (market.arrays.link_use * values.flow).sum(axis=1)
        frozen = linearised(market.arrays, load, values.dispatch, values.unserved)
        data = ScaledData.of(program, frozen)  # in the units of the prices at the margin
        costs = data.costs
    directional = DirectionalProgram(
        LazySolver(program), program, point / data.scale.quantity, data.upper, data.rows
    )
    dims, found = ("node", "workload"), xr.Dataset()
    for name, sign in (("lower", -1.0), ("upper", 1.0)):

        def ends(rows: slice, sign: float = sign) -> Floats:
            moves = [
                directional.cheapest(sign * _one(program, row), costs) for row in range(rows.start, rows.stop)
            ]
            ends = [np.inf * sign if cost is None else sign * cost * data.scale.price for cost in moves]
            return np.array(ends) + 0.0  # no negative zero

        variable = Variable(name, dims, "$/Mtok", f"{name} end of the price's interval")
        found[name] = market.layout.label(variable, ends(program.balance).reshape(program.nodal_shape))
        for placed, limit in program.numbers_of(market.arrays):
            if limit.equality and not limit.law:
                values_there = ends(placed.rows) / abs(placed.unit)
                found[f"{limit.rent}_{name}"] = limit.label(values_there, market.layout)
    return found


def _one(program: Program, row: int) -> Floats:
    step = np.zeros(program.rows)
    step[row] = 1.0
    return step


def point_of(program: Program, arrays: Arrays, values: Values) -> Floats:
    """Return the value of every column of a clearing's program, in Mtok/s (supply and activities: in their own)."""
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
            *(
                (values.done[own.activity.name] - activity.lowest).ravel() / own.unit
                for own, activity in program.done_in(arrays)
            ),
            np.zeros(program.equations.stop),
        ]
    )


def revenue_ranges(market: Market, values: Values) -> xr.Dataset:
    """Return the least and the most that providers could earn at the same prices and the same least cost.

    Parameters
    ----------
    market : Market
        The market.
    values : Values
        Its clearing.

    Returns
    -------
    Dataset
        `least`, `revenue` (as published) and `most`, dims (provider,), in $/h, of those providers alone for whom the
        ends differ; of length zero where the optimal dispatch decides who earns.

    Raises
    ------
    CertificateError
        If HiGHS finds no optimum of the program behind an end, which always exists.
    """
    with one_thread():
        return _ranges(market, values)


def _ranges(market: Market, values: Values) -> xr.Dataset:
    program = Program(market)
    arrays, load = market.arrays, (market.arrays.link_use * values.flow).sum(axis=1)
    held, unique = np.zeros(program.rows, dtype=np.bool_), None
    if market.is_quadratic:
        held[program.link] = arrays.link_curvature > 0  # their loads are unique
        unique = unique_columns(program, arrays)
        arrays = linearised(arrays, load, values.dispatch, values.unserved)
    data = ScaledData.of(program, arrays)
    scale = data.scale
    duals = np.zeros(program.rows)
    duals[program.balance] = values.price.ravel()
    bound = np.zeros(len(values.dispatch), dtype=np.bool_)
    for placed, limit in program.numbers_of(arrays):
        rent = values.rents[limit.rent]
        if placed.rows == program.link and market.is_quadratic:
            # The published rent has the curvature's charge in it, which is a cost in the linearised program.
            rent = np.maximum(rent - market.arrays.link_curvature * load, 0.0)
        for term in limit.terms:
            if term.on == "dispatch" and not limit.equality:
                bound |= term.of_members(rent) > 0
        # A limit without capacity is left out of the program, and its published rent is no dual of it.
        duals[placed.rows] = np.where(
            (limit.capacity > 0) | ~np.bool_(placed.closes), -rent * placed.unit, 0.0
        )
    point = point_of(program, market.arrays, values) / scale.quantity
    face = Face(
        program, data.costs, data.upper, data.rows, BasicSolution(point, duals / scale.price), held, unique
    )
    # Demand is served as published: the question is who serves it.
    face.free = face.free[(face.free < program.y.start) | (face.free >= program.y.stop)]
    moves = face.free[face.free < program.x.stop]
    names = tuple(dict.fromkeys(market.layout.provider))
    found: dict[str, tuple[float, float, float]] = {}
    earned = values.price[market.layout.asset_node] * values.dispatch.sum(axis=2)
    scope = _SAME * max(float(np.abs(earned).sum()), np.finfo(float).tiny)
    for name in names if moves.size else ():
        own = np.array([owner == name for owner in market.layout.provider])
        rate, fixed = _rates(market, values, program, own, moves, bound)
        if not rate.any():
            continue
        now = float(earned[own].sum())
        ends = [float(rate @ face.best(sign * rate).values) * scale.quantity + fixed for sign in (1.0, -1.0)]
        if ends[1] - ends[0] > scope:
            found[name] = min(ends[0], now), now, max(ends[1], now)
    table = np.array(list(found.values())).reshape(-1, 3) * SECONDS_PER_HOUR
    meanings = (
        "least of all dispatches of least cost",
        "as published",
        "most of all dispatches of least cost",
    )
    return xr.Dataset(
        {
            name: ("provider", table[:, i], {"units": "$/h", "long_name": f"revenue, {meanings[i]}"})
            for i, name in enumerate(("least", "revenue", "most"))
        },
        coords={"provider": np.array(list(found), dtype=object)},
    )


def _rates(
    market: Market, values: Values, program: Program, own: Bools, moves: Ints, bound: Bools
) -> tuple[Floats, float]:
    """Return what some provider earns by a unit of each column that may move, and by all that may not, in $/s.

    Equal offers for a class at one node share by quantity, so that a unit of any of them earns it its share; where
    a limit that binds is shared they do not, and each earns its own.
    """
    layout, shape = market.layout, program.offers_shape
    asset = np.broadcast_to(np.arange(shape[0])[:, None, None], shape).ravel()
    price = np.broadcast_to(values.price[layout.asset_node][:, :, None], shape).ravel()
    capacity, dispatch = market.arrays.capacity.ravel(), values.dispatch.ravel()
    moving = np.zeros(price.size, dtype=np.bool_)
    moving[moves] = True
    share = own[asset].astype(np.float64)
    fixed = float((price * dispatch)[~moving & own[asset]].sum())
    grouped = moves[~bound[asset[moves]]]
    if program.equations == program.balance:
        cell = layout.cells.asset.repeat(shape[2])[grouped]
        cells = layout.sizes["node"] * layout.sizes["workload"]
    else:  # who pays alike shares alike
        every = offer_groups(program, market.arrays)
        cell, cells = every[grouped], int(every.max()) + 1
    whole = np.bincount(cell, capacity[grouped], cells)
    part = np.bincount(cell, capacity[grouped] * share[grouped], cells)
    share[grouped] = (part / np.where(whole > 0, whole, 1.0))[cell]
    rate = np.zeros(program.columns)
    rate[moves] = price[moves] * share[moves]
    return rate, fixed
