"""The linear program of a market as a labelled linopy model, one function per group of constraints.

    min   sum_{s,k} p_sk x_sk + sum_{a,k} c_ak f_ak + sum_{n,k} rho_nk y_nk  [+ sum_a kappa_a/2 load_a^2]
          [+ sum_{s,k} s_sk/2 x_sk^2 + sum_{n,k} b_nk/2 y_nk^2, with rho_nk - b_nk d_nk in place of rho_nk]
    s.t.  sum_{a out of n} f_ak - sum_{a into n} f_ak + sum_{s at n} x_sk + y_nk = d_nk     (1b), (10b)
          x_sk <= C_sk                                                                      (1c), (10c)
          sum_k h_sk x_sk <= P_s                        where an asset's classes share its power
          sum_k u_ak f_ak <= B_a                                                            (1d), (10d)
          sum use * quantity <= or == capacity          further limits, of activities as well: least <= q <= most
          f_ak = 0 where the class may not use the arc                                      (latency rule)
          0 <= y_nk <= d_nk, y_nk = 0 where rho_nk is infinite                              (partial service)

All formulations of the paper differ in the data of the Market, never in code. The model built here is readable, and
slow to build: `labelled.check_labelled` compares the coefficients that HiGHS solves with it once for each structure,
and `program.Program` has costs, bounds and right-hand sides of each market as plain vectors.
"""

from __future__ import annotations

from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Term
from tokenflow_sim.market.market import Market
from tokenflow_sim.variables import CLEARING, MARKET

# One row per class and node, and one per link and asset, whatever the numbers, as in `program.Program`.
BALANCE = "balance"


def linopy_model(market: Market, *, shortfall_cost: float | None = None) -> linopy.Model:
    """Build the labelled linopy model of a market.

    Parameters
    ----------
    market : Market
        The data.
    shortfall_cost : float, optional
        If given, each balance row gets a variable `shortfall` at this cost, in $/Mtok: demand beyond what
        can be served, so that the program always has a solution and an infeasible market can say what it
        lacks.

    Returns
    -------
    linopy.Model
        With variables `dispatch` (asset, workload, block), `flow` (arc, workload), `unserved` (node, workload,
        step) and perhaps `shortfall` (node, workload), and constraints `balance` (node, workload), `link_limit`
        (arc,) and `power_limit` (asset,) as far as the market has them.

    Raises
    ------
    MarketError
        If the market has rules for whole paths.

    Notes
    -----
    It is built under linopy's strict alignment, whatever the user's own setting, which is left as it was: the older
    alignment by position cleared a mislabelled node with wrong prices, and only warned.
    """
    routing = market.arrays.routing
    if routing is not None and routing.needs_paths(len(market.layout.nodes)).any():
        rule = "a market with rules for whole paths has no labelled program: its paths are found when it is cleared"
        raise MarketError([Fault(rule, "routing")], "market")
    with linopy.options as options:
        options["semantics"] = "v1"
        return build(market, shortfall_cost=shortfall_cost)


def build(market: Market, *, shortfall_cost: float | None = None) -> linopy.Model:
    """Build the model under the alignment that linopy's options ask for; see `linopy_model`."""
    model = linopy.Model()
    add_dispatch(model, market)
    add_flow(model, market)
    add_unserved(model, market)
    limits = list(market.arrays.every_limit)
    for limit in limits:
        add_supply(model, limit)
    for activity in market.arrays.activities:
        add_activity(model, activity)
    # Equalities stand with the balances, before all that may have room left.
    equal = [limit for limit in limits if limit.equality]
    if shortfall_cost is not None:
        _variable(model, market, "shortfall", ("node", "workload"), np.inf)
        for limit in equal:
            endless = _of_limit(limit, np.full(limit.size, np.inf))
            model.add_variables(lower=xr.zeros_like(endless), upper=endless, name=_shortfall(limit))
    add_balance(model, market)
    for limit in [*equal, *(limit for limit in limits if not limit.equality)]:
        add_limit(model, market, limit)
    add_objective(model, market, shortfall_cost)
    return model


def add_dispatch(model: linopy.Model, market: Market) -> None:
    """Add the rates processed by every asset, ``0 <= x_sk <= C_sk``: equations (1c), (10c)."""
    _variable(model, market, "dispatch", CLEARING["dispatch"].full_dims, market.arrays.capacity)


def add_flow(model: linopy.Model, market: Market) -> None:
    """Add the flows, zero where a class may not use an arc: equations (1e), (10e) and the latency rule."""
    if len(market.layout.arcs):
        limit = np.where(market.arrays.allowed, np.inf, 0.0)
        _variable(model, market, "flow", ("arc", "workload"), limit)


def add_unserved(model: linopy.Model, market: Market) -> None:
    """Add unserved demand, ``0 <= y_nk <= d_nk``, zero where it must be served: section 2.2, partial service."""
    limit = np.where(np.isinf(market.arrays.value), 0.0, market.arrays.demand)
    _variable(model, market, "unserved", CLEARING["unserved"].full_dims, limit)


def add_balance(model: linopy.Model, market: Market) -> None:
    """Add the nodal balance of every class: equations (1b), (10b)."""
    layout, variables = market.layout, model.variables
    served = _summed(variables["unserved"], "step")
    if "shortfall" in variables:
        served = served + variables["shortfall"]
    supplied = _by_node(_summed(variables["dispatch"], "block"), "asset", layout.asset_node, market)
    balance = served + supplied
    if "flow" in variables:
        flow = 1 * variables["flow"]
        balance = balance + _by_node(flow, "arc", layout.origin, market)
        balance = balance - _by_node(flow, "arc", layout.destination, market)
    demand = _array(market, ("node", "workload"), market.arrays.demand.sum(axis=2))
    model.add_constraints(balance == demand, name=BALANCE)


def add_supply(model: linopy.Model, limit: SharedCapacity) -> None:
    """Add what more can be had of a limit, step by step, ``0 <= w_lt <= W_lt``."""
    if limit.supply is not None:
        quantity = _of_limit(limit, limit.supply.quantity)
        model.add_variables(lower=xr.zeros_like(quantity), upper=quantity, name=f"{limit.name}_supply")


def add_activity(model: linopy.Model, activity: Activity) -> None:
    """Add what is done beside service and flow, ``least <= q <= most``."""
    coords = {_label(activity.name): np.arange(activity.size), "tranche": np.arange(activity.price.shape[1])}
    bounds = [xr.DataArray(values, coords, tuple(coords)) for values in (activity.lowest, activity.most)]
    model.add_variables(lower=bounds[0], upper=bounds[1], name=activity.name)


def _label(name: str) -> str:
    """Return the dimension along the labels of a limit or an activity."""
    return f"{name}_label"


def _shortfall(limit: SharedCapacity) -> str:
    return f"{limit.name}_shortfall"


def add_limit(model: linopy.Model, market: Market, limit: SharedCapacity) -> None:
    """Add shared capacities, ``sum use * quantity <= capacity + supplied``: equations (1d), (10d), and all others."""
    parts = [
        _used(model.variables[term.on], market, limit, term)
        for term in limit.terms
        if term.on in model.variables
    ]
    if limit.supply is not None:
        parts.append(-1 * _summed(model.variables[f"{limit.name}_supply"], "tranche"))
    if _shortfall(limit) in model.variables:
        parts.append(-1 * model.variables[_shortfall(limit)])
    if parts:
        used = parts[0]
        for part in parts[1:]:
            used = used + part
        capacity = _of_limit(limit, limit.capacity)
        model.add_constraints(used == capacity if limit.equality else used <= capacity, name=limit.name)


def _used(
    variable: linopy.Variable, market: Market, limit: SharedCapacity, term: Term
) -> linopy.LinearExpression:
    """Return what a term uses of every label, under the dimension ``<name>_label``."""
    label = _label(limit.name)
    if term.use.ndim == 1:
        by = _label(term.on)
        use = xr.DataArray(term.use, {by: np.arange(term.use.size)}, (by,))
        users: pd.Index[Any] = pd.RangeIndex(term.use.size, name=by)
    else:
        by = {"dispatch": "asset", "flow": "arc", "unserved": "node"}[term.on]
        use, users = _array(market, (by, "workload"), term.use), _labels(market, by)
    load = (use * variable).sum([dim for dim in variable.dims if dim != by])
    member = np.arange(limit.size) if term.member is None else term.member
    there = np.flatnonzero(member != NOBODY)
    load = load.isel({by: there})
    group = xr.DataArray(member[there], dims=[by], coords={by: users[there]}, name=label)
    # A label that nobody uses is missing, which under linopy's v1 semantics would void the whole row, and linopy
    # leaves a row without variables out; a coefficient of zero keeps it, so that rows stand where `Program` has them.
    load = load.groupby(group).sum().reindex({label: np.arange(limit.size)}).fillna(0)
    first = variable.isel(dict.fromkeys(map(str, variable.dims), 0), drop=True)
    nothing = xr.DataArray(np.zeros(limit.size), dims=[label], coords={label: np.arange(limit.size)})
    used: linopy.LinearExpression = load + nothing * first
    return used


def _of_limit(limit: SharedCapacity, values: Any) -> xr.DataArray:
    """Return numbers of a limit, dims (label,) or (label, tranche)."""
    label = _label(limit.name)
    coords = {label: np.arange(limit.size), "tranche": np.arange(np.shape(values)[-1])}
    dims = (label, "tranche")[: np.ndim(values)]
    return xr.DataArray(values, dims=dims, coords={dim: coords[dim] for dim in dims})


def add_objective(model: linopy.Model, market: Market, shortfall_cost: float | None) -> None:
    """Add the cost of processing, routing and lost service: equations (1a), (10a), in $/s."""
    arrays, variables = market.arrays, model.variables
    first = arrays.at_margin(np.zeros_like(arrays.capacity), np.zeros_like(arrays.demand))
    value = np.where(np.isinf(arrays.value), 0.0, first.value)  # must serve: fixed at zero, at any price
    offers = _array(market, MARKET["offer_price"].full_dims, arrays.offer_price)
    cost: Any = (offers * variables["dispatch"]).sum()
    cost = cost + (_array(market, MARKET["value"].full_dims, value) * variables["unserved"]).sum()
    for name, slope, on in (
        ("offer_slope", arrays.offer_slope, "dispatch"), ("value_slope", arrays.value_slope, "unserved"),
    ):  # fmt: skip
        if slope is not None and slope.any():
            half = _array(market, MARKET[name].full_dims, slope / 2)
            cost = cost + (half * variables[on] * variables[on]).sum()
    if "flow" in variables:
        route_cost = _array(market, ("arc", "workload"), arrays.route_cost)
        cost = cost + (route_cost * variables["flow"]).sum()
        if (arrays.link_curvature > 0).any():
            load = _variable(model, market, "load", ("arc",), np.inf)
            use = _array(market, ("arc", "workload"), arrays.link_use)
            model.add_constraints(load - (use * variables["flow"]).sum("workload") == 0, name="load_is_use")
            cost = cost + (_array(market, ("arc",), arrays.link_curvature / 2) * load * load).sum()
    for limit in market.arrays.limits:
        if limit.supply is not None:
            price = _of_limit(limit, limit.supply.price)
            cost = cost + (price * variables[f"{limit.name}_supply"]).sum()
    for activity in market.arrays.activities:
        done = variables[activity.name]
        cost = cost + (xr.DataArray(activity.price, done.coords, done.dims) * done).sum()
    if shortfall_cost is not None:
        for name in ["shortfall", *(_shortfall(limit) for limit in market.arrays.limits)]:
            if name in variables:
                cost = cost + shortfall_cost * variables[name].sum()
    model.add_objective(cost)


def _labels(market: Market, dim: str) -> pd.Index[Any]:
    layout = market.layout
    if (dim == "block" and layout.blocks is None) or (dim == "step" and layout.steps is None):
        return pd.RangeIndex(1, name=dim)
    return layout.index(dim).rename(dim)


def _array(market: Market, dims: tuple[str, ...], values: Any) -> xr.DataArray:
    coords = {dim: _labels(market, dim) for dim in dims}
    shape = tuple(len(index) for index in coords.values())
    return xr.DataArray(np.broadcast_to(values, shape), dims=dims, coords=coords)


def _variable(
    model: linopy.Model, market: Market, name: str, dims: tuple[str, ...], upper: Any
) -> linopy.Variable:
    limit = _array(market, dims, upper)
    return model.add_variables(lower=xr.zeros_like(limit, dtype=float), upper=limit, name=name)


def _summed(variable: linopy.Variable, dim: str) -> linopy.LinearExpression:
    return (1 * variable).sum(dim)


def _by_node(
    expression: linopy.LinearExpression, dim: str, position: np.ndarray[Any, Any], market: Market
) -> linopy.LinearExpression:
    """Sum an expression over the assets or arcs of every node; nodes without any get an empty sum."""
    nodes = _labels(market, "node")
    group = xr.DataArray(
        nodes.to_numpy()[position], dims=[dim], coords={dim: _labels(market, dim)}, name="node"
    )
    # A node without any is missing, which under linopy's v1 semantics would void the whole row.
    return expression.groupby(group).sum().reindex({"node": nodes}).fillna(0)
