"""What an agent's observations are divided by: typical sizes of a scenario's prices and quantities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.scenario import Compiled
from tokenflow_sim.strategies.base import Kind

_DIGITS = 6
_SAMPLES = 24


def scales_of(compiled: Compiled, kind: Kind, rows: Ints) -> dict[str, Floats]:
    """Return what the quantities of an agent's observations are divided by.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.
    kind : {'provider', 'owner', 'region'}
        The agent's kind.
    rows : ndarray of int
        Positions of what it has.

    Returns
    -------
    dict of ndarray
        ``price``: mean size of true cost of all assets that can serve, in $/Mtok, dims (workload,), the same for all
        agents of a market. ``quantity``: mean expected demand of the nodes that have any, in Mtok/s, dims (workload,).
        ``installed``: most capacity, in Mtok/s, dims (row, workload). ``link``: link capacity, dims (row,). ``rent``:
        price over link use. ``money``: price times what is there times the seconds of a period, in $. ``agent``: money
        of all that the agent has, in $ a period. All are taken from 24 periods at equal distances, of expected demand.
    """
    span = compiled.periods if compiled.covered is None else min(compiled.periods, compiled.covered)
    states = [compiled.state(period) for period in sorted({n * span // _SAMPLES for n in range(_SAMPLES)})]
    cost = np.stack([np.abs(state.true_cost) for state in states])
    capacity = np.stack([state.capacity for state in states])
    demand, value = np.stack([state.demand for state in states]), states[0].value
    workloads = cost.shape[2]
    worth = np.array([_mean(value[:, k], np.isfinite(value[:, k]), 1.0) for k in range(workloads)])
    price = np.array(
        [
            _mean(cost[:, :, k], (capacity[:, :, k] > 0) & (cost[:, :, k] > 0), worth[k])
            for k in range(workloads)
        ]
    )
    price, quantity = (
        _rounded(price),
        _rounded(np.array([_mean(demand[:, :, k], demand[:, :, k] > 0, 1.0) for k in range(workloads)])),
    )
    seconds = SECONDS_PER_HOUR * compiled.hours
    one, total = np.ones(()), float((price * demand.mean(axis=0).sum(axis=0)).sum()) * seconds
    found = {"price": price, "quantity": quantity, "one": one, "money": _rounded(price * quantity * seconds)}
    if kind == "provider":
        installed = capacity.max(axis=0)[rows]
        found["installed"] = np.where(installed > 0, _rounded(installed), 1.0)
        found["money"] = np.where(installed > 0, _rounded(price * installed * seconds), 1.0)
        # Classes may share an asset: it earns by one of them at a time.
        total = float((price * installed).max(axis=1, initial=0.0).sum()) * seconds
    elif kind == "region":
        total = float((price * demand.mean(axis=0)[rows]).sum()) * seconds
    else:
        link, use = states[0].link_capacity[rows], states[0].link_use[rows]
        found["link"] = _rounded(np.where(np.isfinite(link) & (link > 0), link, 1.0))
        mean_use = use.sum(axis=0) / max(1, len(rows))
        found["rent"] = _rounded(np.mean(price / np.where(mean_use > 0, mean_use, 1.0)))
    found["agent"] = _rounded(np.array(total if total > 0 else 1.0))
    return found


def _mean(values: Floats, where: NDArray[np.bool_], otherwise: float) -> float:
    chosen = values[where]
    return float(chosen.mean()) if chosen.size else otherwise


def _rounded(values: ArrayLike) -> Floats:
    """Return numbers rounded to six digits, so that rounding in the last bit makes no other encoding."""
    array = np.asarray(values, dtype=np.float64)
    return np.array([float(f"{value:.{_DIGITS}g}") for value in array.ravel()]).reshape(array.shape)
