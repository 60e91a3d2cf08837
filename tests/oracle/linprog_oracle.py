"""The market's program written a second time, on scipy's `linprog`, with plain loops.

Nothing is shared with `tokenflow_sim.market` but the arrays of a Market: no linopy, no solver options, no
tolerances. A link charge that grows with the load (the congestion-QP) is met by tangent cuts until the lower
and upper bound of the cost agree, so that no quadratic solver is trusted either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize
from scipy.sparse import coo_array, csr_array, vstack

from tokenflow_sim.market.market import Market

linprog: Any = optimize.linprog  # its stubs know no sparse matrices
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_MOST_CUTS = 200
_GAP = 5e-10  # relative, between the cost of the last dispatch and the bound that the tangents prove


@dataclass(frozen=True)
class Program:
    """min cost z  s.t.  balance z = demand,  limits z <= limit,  lower <= z <= upper, as plain arrays.

    The columns are dispatch (asset, workload, block), flow (arc, workload), unserved (node, workload, step),
    activities (label, tranche), then what is bought of limits, each in C order. The rows of `balance` are (node,
    workload), then those of further equalities; those of `limits` the links, then the assets' power, then further
    limits; rows whose limit is infinite are kept, and are given to the solver only where finite.
    """

    cost: np.ndarray[Any, Any]
    lower: np.ndarray[Any, Any]
    upper: np.ndarray[Any, Any]
    balance: csr_array
    demand: np.ndarray[Any, Any]
    limits: csr_array
    limit: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Optimum:
    """What the oracle found; shapes as in `tokenflow_sim.market.arrays.Arrays`, money in $/s."""

    cost: float
    dispatch: np.ndarray[Any, Any]
    flow: np.ndarray[Any, Any]
    unserved: np.ndarray[Any, Any]
    price: np.ndarray[Any, Any]
    scarcity_rent: np.ndarray[Any, Any]
    power_rent: np.ndarray[Any, Any]
    congestion_rent: np.ndarray[Any, Any]
    bought: np.ndarray[Any, Any]


def program(market: Market) -> Program:
    """Write the linear part of the market's program, formula by formula."""
    a, lay = market.arrays, market.layout
    S, K, B = a.capacity.shape
    N, _, T = a.demand.shape
    A = len(lay.arcs)
    flow_at, unserved_at = S * K * B, S * K * B + A * K
    columns = unserved_at + N * K * T
    cost, upper = np.zeros(columns), np.zeros(columns)
    balance: list[tuple[int, int, float]] = []
    limits: list[tuple[int, int, float]] = []
    for s in range(S):
        for k in range(K):
            for b in range(B):
                j = (s * K + k) * B + b
                cost[j], upper[j] = a.offer_price[s, k, b], a.capacity[s, k, b]
                balance.append((lay.asset_node[s] * K + k, j, 1.0))
                if a.power_use is not None:
                    limits.append((A + s, j, a.power_use[s, k]))
    for arc in range(A):
        for k in range(K):
            j = flow_at + arc * K + k
            cost[j] = a.route_cost[arc, k]
            upper[j] = np.inf if a.allowed[arc, k] else 0.0
            balance.append((lay.origin[arc] * K + k, j, 1.0))
            balance.append((lay.destination[arc] * K + k, j, -1.0))
            limits.append((arc, j, a.link_use[arc, k]))
    for n in range(N):
        for k in range(K):
            for t in range(T):
                j = unserved_at + (n * K + k) * T + t
                if np.isfinite(a.value[n, k, t]):
                    cost[j], upper[j] = a.value[n, k, t], a.demand[n, k, t]
                    if a.value_slope is not None:  # what is lost first is what the last unit is worth
                        cost[j] -= a.value_slope[n, k, t] * a.demand[n, k, t]
                balance.append((n * K + k, j, 1.0))
    done_at, lower = {}, np.zeros(columns)
    for activity in a.activities:
        done_at[activity.name] = (len(cost), activity.price.shape[1])
        cost = np.append(cost, activity.price.ravel())
        upper = np.append(upper, activity.most.ravel())
        least = np.zeros(activity.price.size) if activity.least is None else activity.least.ravel()
        lower = np.append(lower, least)
    demand = list(a.demand.sum(axis=2).ravel())
    limit = list(a.link_capacity) + (list(a.power_limit) if a.power_limit is not None else [])
    # Further limits: sum of use * quantity - what is bought <= what is free, one row a label.
    for own in a.limits:
        entries, row = (balance, len(demand)) if own.equality else (limits, len(limit))
        for term in own.terms:
            for i, *k in np.ndindex(*term.use.shape):
                label = i if term.member is None else term.member[i]
                if label < 0:
                    continue
                if term.on in done_at:
                    at, several = done_at[term.on]
                    places = [at + i * several + t for t in range(several)]
                elif term.on == "flow":
                    places = [flow_at + i * K + k[0]]
                elif term.on == "unserved":
                    places = [unserved_at + (i * K + k[0]) * T + t for t in range(T)]
                else:
                    places = [(i * K + k[0]) * B + b for b in range(B)]
                entries += [(row + label, place, term.use[(i, *k)]) for place in places]
        if own.equality:
            demand += list(own.capacity)
            continue
        for label, t in np.ndindex(*(own.supply.price.shape if own.supply is not None else (0, 0))):
            limits.append((len(limit) + label, len(cost), -1.0))
            cost = np.append(cost, own.supply.price[label, t])
            upper = np.append(upper, own.supply.quantity[label, t])
            lower = np.append(lower, 0.0)
        limit += list(own.capacity)
    columns = len(cost)
    return Program(
        cost=cost,
        lower=lower,
        upper=upper,
        balance=_matrix(balance, (len(demand), columns)),
        demand=np.array(demand),
        limits=_matrix(limits, (len(limit), columns)),
        limit=np.array(limit),
    )


def solve(market: Market, more: np.ndarray[Any, Any] | None = None) -> Optimum | None:
    """Solve the market, with `more` on the right of its equations; None where it is infeasible."""
    p = program(market)
    demand = p.demand if more is None else p.demand + more
    columns = len(p.cost)
    kappa, loads = curved_parts(market, p)
    curved = np.flatnonzero(kappa > 0)
    # Each curved link has one more column, its charge, which lies above every tangent drawn so far.
    cost = np.concatenate([p.cost, np.ones(len(curved))])
    upper = np.concatenate([p.upper, np.full(len(curved), np.inf)])
    lower = np.concatenate([p.lower, np.zeros(len(curved))])
    balance = _widen(p.balance, len(curved))
    finite = np.flatnonzero(np.isfinite(p.limit))
    rows, limit = [_widen(p.limits[finite], len(curved))], [p.limit[finite]]
    tangents: list[tuple[int, float]] = []
    for _ in range(_MOST_CUTS if len(curved) else 1):
        stacked = vstack(rows) if len(finite) or tangents else None
        result = linprog(
            cost, A_ub=stacked, b_ub=np.concatenate(limit) if stacked is not None else None,
            A_eq=balance, b_eq=demand, bounds=np.column_stack([lower, upper]),
            method="highs", options=_EXACT,
        )  # fmt: skip
        if result.status == 2:
            return None
        if result.status != 0:
            raise RuntimeError(f"the oracle's solver: {result.message}")
        z, load = result.x[:columns], loads @ result.x[:columns]
        truth = p.cost @ z + (kappa / 2 * load**2).sum()
        if not len(curved) or truth - result.fun <= _GAP * max(1.0, abs(truth)):
            break
        for position, arc in enumerate(curved):
            slope = kappa[arc] * load[arc]
            cut = np.zeros((1, len(cost)))
            cut[0, :columns] = slope * loads[[arc]].toarray()
            cut[0, columns + position] = -1.0
            rows.append(csr_array(cut))
            limit.append(np.array([slope * load[arc] / 2]))
            tangents.append((int(arc), float(slope)))
    else:
        raise RuntimeError("the oracle's tangent cuts did not close the gap")
    return _optimum(market, p, result, finite, tangents, float(truth))


def curved_parts(market: Market, p: Program) -> tuple[np.ndarray[Any, Any], csr_array]:
    """Return the curvature of every link and of every column with a slope, and what each is of the columns."""
    a, arcs, columns = market.arrays, len(market.layout.arcs), len(p.cost)
    unit: list[tuple[int, int, float]] = []
    kappa = list(a.link_curvature)
    for slope, at in ((a.offer_slope, 0), (a.value_slope, a.capacity.size + a.route_cost.size)):
        for j, one in enumerate(slope.ravel() if slope is not None else ()):
            if one > 0:
                unit.append((len(unit), at + j, 1.0))
                kappa.append(one)
    return np.array(kappa), csr_array(vstack([p.limits[:arcs], _matrix(unit, (len(unit), columns))]))


def least_unserved(market: Market, cost: float) -> float:
    """Return the least demand, in Mtok/s, that goes unserved at a given (least) cost; without curvature."""
    p = program(market)
    columns, finite = len(p.cost), np.flatnonzero(np.isfinite(p.limit))
    unserved = np.zeros(columns)
    unserved[columns - market.arrays.demand.size :] = 1.0
    result = linprog(
        unserved,
        A_ub=vstack([p.limits[finite], csr_array(p.cost[None])]),
        b_ub=np.append(p.limit[finite], cost + 1e-12 * abs(cost)),
        A_eq=p.balance,
        b_eq=p.demand,
        bounds=np.column_stack([p.lower, p.upper]),
        method="highs",
        options=_EXACT,
    )
    if result.status != 0:
        raise RuntimeError(f"the oracle's solver: {result.message}")
    return float(result.fun)


def least_shortfall(market: Market) -> float:
    """Return the least demand, in Mtok/s, that stays unmet beyond what may go unserved at a value."""
    p = program(market)
    extra = len(p.demand)
    finite = np.flatnonzero(np.isfinite(p.limit))
    wide = coo_array((np.ones(extra), (np.arange(extra), np.arange(extra))), shape=(extra, extra))
    columns = len(p.cost)
    balance = csr_array(np.hstack([p.balance.toarray(), wide.toarray()]))
    result = linprog(
        np.concatenate([np.zeros(columns), np.ones(extra)]),
        A_ub=_widen(p.limits[finite], extra) if len(finite) else None,
        b_ub=p.limit[finite] if len(finite) else None,
        A_eq=balance,
        b_eq=p.demand,
        bounds=np.column_stack([np.zeros(columns + extra), np.concatenate([p.upper, p.demand])]),
        method="highs",
        options=_EXACT,
    )
    if result.status != 0:
        raise RuntimeError(f"the oracle's solver: {result.message}")
    return float(result.fun)


def _optimum(
    market: Market, p: Program, result: Any, finite: Any, tangents: list[tuple[int, float]], cost: float
) -> Optimum:
    a, arcs = market.arrays, len(market.layout.arcs)
    S, K, B = a.capacity.shape
    N, _, T = a.demand.shape
    z, parts = result.x, (S * K * B, arcs * K, N * K * T)
    dispatch, flow, unserved = np.split(z[: sum(parts)], np.cumsum(parts)[:-1])
    bought = z[sum(parts) : len(p.cost)]
    rent = np.zeros(len(p.limit))
    if len(finite) or tangents:
        rows = -result.ineqlin.marginals
        rent[finite] = rows[: len(finite)]
        for (arc, slope), weight in zip(tangents, rows[len(finite) :], strict=True):
            if arc >= arcs:  # of an offer or of demand
                continue
            rent[arc] += slope * weight  # the charge's slope at the optimum is a mean of the tangents' slopes
    scarcity = -result.upper.marginals[: S * K * B].reshape(S, K, B)
    return Optimum(
        cost=cost,
        dispatch=dispatch.reshape(S, K, B),
        flow=flow.reshape(arcs, K),
        unserved=unserved.reshape(N, K, T),
        price=result.eqlin.marginals[: N * K].reshape(N, K),
        scarcity_rent=scarcity,
        power_rent=rent[arcs : arcs + S] if a.power_limit is not None else np.zeros(S),
        congestion_rent=rent[:arcs],
        bought=bought,
    )


def _matrix(entries: list[tuple[int, int, float]], shape: tuple[int, int]) -> csr_array:
    if not entries:
        return csr_array(shape)
    rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
    return csr_array(coo_array((values, (rows, columns)), shape=shape))


def _widen(matrix: Any, extra: int) -> csr_array:
    if not extra:
        return csr_array(matrix)
    return csr_array(np.hstack([matrix.toarray(), np.zeros((matrix.shape[0], extra))]))
