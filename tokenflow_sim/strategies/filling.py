"""A quantity is made where it costs least: cheapest assets first, within their capacity and shared power."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.numeric import Floats, Ints

_ROUNDING = 1e-12
_SHORT = 1e3
"""How many times the highest cost a unit counts that shared power does not let one make."""


def cheapest_first(cost: Floats, capacity: Floats, quantity: float) -> Floats:
    """Fill a quantity from the cheapest capacity up.

    Parameters
    ----------
    cost : ndarray
        Marginal cost in $/Mtok, any dims.
    capacity : ndarray
        What there is of it in Mtok/s, same dims.
    quantity : float
        How much to make in Mtok/s; what exceeds all capacity is left out.

    Returns
    -------
    ndarray
        How much of each is used in Mtok/s, dims of `cost`. Of equal costs each is used in proportion to its
        capacity, as the market shares among equal offers.

    Notes
    -----
    The marginal cost of the quantity is thus the firm's merit order, a curve that never falls, which is what a firm's
    cost function means in Cournot's theory.
    """
    used = np.zeros_like(capacity)
    left = float(quantity)
    for level in np.unique(cost[capacity > 0]):
        same = (cost == level) & (capacity > 0)
        there = float(capacity[same].sum())
        if left >= there:
            used[same] = capacity[same]
            left -= there
            continue
        used[same] = capacity[same] * (left / there)
        break
    return used


def fill(
    cost: Floats,
    capacity: Floats,
    groups: list[tuple[Ints, int]],
    quantities: Floats,
    power_use: Floats | None = None,
    power_limit: Floats | None = None,
) -> Floats:
    """Make several quantities at once, each by some assets for one class, at least total cost.

    Parameters
    ----------
    cost, capacity : ndarray
        In $/Mtok and Mtok/s, dims (asset, workload, block).
    groups : list of tuple
        Rows of assets, and the class; no asset stands in two groups of one class.
    quantities : ndarray
        How much each group makes in Mtok/s, dims (group,).
    power_use, power_limit : ndarray, optional
        MW per Mtok/s, dims (asset, workload), and MW, dims (asset,), where an asset's power is shared by its classes.

    Returns
    -------
    ndarray
        Quantity in Mtok/s, dims (asset, workload, block); zero outside of the groups. Where shared power does not
        let all be made, as much as it does.
    """
    used = np.zeros_like(capacity)
    for (rows, workload), quantity in zip(groups, quantities, strict=True):
        used[rows, workload] = cheapest_first(cost[rows, workload], capacity[rows, workload], float(quantity))
    if power_use is None or power_limit is None:
        return used
    power = (power_use * used.sum(axis=2)).sum(axis=1)
    if (power <= power_limit * (1 + _ROUNDING)).all():
        return used  # each at least cost by itself, so that all are together
    return _at_least_cost(cost, capacity, groups, quantities, power_use, power_limit)


def _at_least_cost(
    cost: Floats,
    capacity: Floats,
    groups: list[tuple[Ints, int]],
    quantities: Floats,
    power_use: Floats,
    power_limit: Floats,
) -> Floats:
    """Solve for the cheapest way to make the quantities where classes compete for the power of assets."""
    assets, _, blocks = cost.shape
    columns = [
        (int(row), workload, block, place)
        for place, (rows, workload) in enumerate(groups)
        for row in rows
        for block in range(blocks)
        if capacity[row, workload, block] > 0
    ]
    count, makers = len(columns), len(groups)
    price = np.array([cost[column[:3]] for column in columns])
    most = np.array([capacity[column[:3]] for column in columns])
    # What cannot be made at all is bought from nobody at a price that nothing else comes near.
    short = _SHORT * (1.0 + np.abs(price).max(initial=0.0))
    made, drawn = np.zeros((makers, count + makers)), np.zeros((assets, count + makers))
    for place, (row, workload, _, group) in enumerate(columns):
        made[group, place] = 1.0
        drawn[row, place] = power_use[row, workload]
    made[:, count:] = np.eye(makers)
    bound = np.isfinite(power_limit)
    wanted = np.minimum(quantities, [capacity[rows, workload].sum() for rows, workload in groups])
    found = linprog(
        np.concatenate([price, np.full(makers, short)]),
        A_ub=drawn[bound],
        b_ub=power_limit[bound],
        A_eq=made,
        b_eq=wanted,
        bounds=[(0.0, top) for top in most] + [(0.0, None)] * makers,
        method="highs",
    )
    if found.x is None:  # making nothing is always possible: only a solver that fails comes here
        raise StrategyError(f"the cheapest way to make the quantities was not found: {found.message}")
    used = np.zeros_like(capacity)
    for (row, workload, block, _), quantity in zip(columns, found.x[:count], strict=True):
        used[row, workload, block] = min(max(float(quantity), 0.0), float(capacity[row, workload, block]))
    return used
