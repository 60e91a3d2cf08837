"""Markets small enough to be solved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

import tokenflow_sim as tf


def array(values: Any, /, **labels: Any) -> xr.DataArray:
    """Label an array: ``array([[1.0]], node=["west"], workload=["chat"])``."""
    return xr.DataArray(np.asarray(values), coords=labels, dims=tuple(labels))


def small(
    *,
    assets: Sequence[tuple[str, Any, Any]],
    demand: Any,
    nodes: Sequence[str] = ("west", "east"),
    workloads: Sequence[str] = ("chat",),
    arcs: Sequence[tuple[str, str, float]] = (),
    **more: Any,
) -> tf.Market:
    """Make a market by its public door.

    `assets` are (node, price, capacity), each number one per workload (and block); `demand` is one row per node;
    `arcs` are (origin, destination, capacity); arrays among `more` are as in Arrays, without labels.
    """
    names = [f"{node}{i}" for i, (node, _, _) in enumerate(assets)]
    lines = [f"{a}>{b}" for a, b, _ in arcs]
    arc_names = [f"{name}#{i}" if lines.count(name) > 1 else name for i, name in enumerate(lines)]
    K = len(workloads)
    labels: dict[str, Any] = {
        "node": list(nodes), "workload": list(workloads), "asset": names, "arc": arc_names,
        "block": ["b0", "b1", "b2"], "step": ["s0", "s1", "s2"],
    }  # fmt: skip

    def dressed(values: Any, first: str, stepped: str = "block") -> xr.DataArray:
        plain = np.asarray(values, dtype=float)
        plain = plain.reshape((len(labels[first]), K, *plain.shape[2:]))
        dims = (first, "workload", stepped)[: plain.ndim]
        return array(plain, **{dim: labels[dim][: plain.shape[i]] for i, dim in enumerate(dims)})

    given: dict[str, Any] = {
        "offer_price": dressed([price for _, price, _ in assets], "asset"),
        "capacity": dressed([capacity for _, _, capacity in assets], "asset"),
        "demand": dressed(demand, "node", "step"),
        "asset_node": [node for node, _, _ in assets],
    }
    if arcs:
        given["link_capacity"] = array([float(limit) for _, _, limit in arcs], arc=arc_names)
        given["origin"], given["destination"] = [a for a, _, _ in arcs], [b for _, b, _ in arcs]
    for name, values in more.items():
        if name == "value":
            given[name] = values if np.ndim(values) == 0 else dressed(values, "node", "step")
        elif name in ("route_cost", "link_use", "allowed"):
            given[name] = array(
                np.asarray(values).reshape(len(arcs), K), arc=arc_names, workload=list(workloads)
            )
        elif name == "link_curvature":
            given[name] = array(values, arc=arc_names)
        elif name == "power_use":
            given[name] = dressed(values, "asset")
        elif name == "power_limit":
            given[name] = array(values, asset=names)
        else:
            given[name] = values
    return tf.Market(**given)


_CLEARERS: dict[Any, tf.Clearer] = {}


def cleared(market: tf.Market) -> tf.Clearing:
    """Clear a market, with the Clearer of an earlier one of the same structure if there was any.

    Building the labelled model takes a hundred times as long as clearing such a market; that both ways end in
    the same bits is what test_history and test_clearing hold.
    """
    power = market.arrays.power_use
    key = (market.layout, market.arrays.link_use.tobytes(), None if power is None else power.tobytes())
    if key not in _CLEARERS:
        _CLEARERS[key] = tf.Clearer(market)
    return _CLEARERS[key].clear(market)


def cleared_lazily(market: tf.Market) -> tf.Clearing:
    """Clear a market of a structure that no other test has, as large ones are: without a labelled model."""
    return tf.Clearer(market, lazy=True).clear(market)
