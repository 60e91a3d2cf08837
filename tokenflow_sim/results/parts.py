"""The parts of the prices of many periods at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.market import Arrays, Layout
from tokenflow_sim.market.prices import Charges, Costs, decompose_values, limit_charges
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats

TrueCost = tuple[Floats, Floats, Floats | None]
"""True cost of every asset's service, and what of it is running cost and what is paid for emissions (None without a
carbon price), in $/Mtok, dims (asset, workload)."""
Split = tuple[Arrays, Values, TrueCost]
"""What the prices of one period are split by: its market, its clearing and its true costs."""


def price_parts(layout: Layout, periods: Sequence[Split], beside: int = 1) -> dict[str, Floats]:
    """Split the prices of several periods into their parts, those of `variables.PRICE_PARTS`.

    Parameters
    ----------
    layout : Layout
        The market's labels, the same in every period.
    periods : sequence of (Arrays, Values, TrueCost)
        Each period's market, its clearing and its true costs.
    beside : int
        How many markets stand beside each other in the layout, those of a batch.

    Returns
    -------
    dict of ndarray
        By part, dims (period, node, workload), in $/Mtok.

    Notes
    -----
    The periods are stood beside each other as one large market whose periods do not touch, since splitting is
    array work whose cost is nearly all overhead. Splitting compares prices up to a tolerance relative to the
    largest one; so that one period's prices do not change another's parts, each is scaled by a power of two,
    which is exact, to have its largest price between a half and one (or below, if that is below one).
    """
    if any(values.along is not None for _, values, _ in periods):
        return _along_paths(layout, periods)
    # With slopes, prices are explained by what the next unit costs and is worth.
    periods = [
        (arrays.at_margin(values.dispatch, values.unserved), values, costs)
        for arrays, values, costs in periods
    ]
    count = len(periods)
    stacked = _beside_each_other(layout, count)
    scale = np.concatenate([_scales(values.price, beside) for _, values, _ in periods])
    first = periods[0]

    def stack(source: int, *names: str, by: Floats | None = None) -> dict[str, Any]:
        return {name: _stack([getattr(pair[source], name) for pair in periods], by) for name in names}

    arrays = first[0].with_(
        **stack(0, "offer_price", "route_cost", by=scale),
        **stack(0, "capacity", "demand", "value", "link_use", "allowed", "link_capacity", "link_curvature"),
        power_use=None,
        power_limit=None,
        limits=(),
        activities=(),
    )
    values = replace(
        first[1],
        **stack(1, "price", "scarcity_rent", by=scale),
        rents={name: _stack([pair[1].rents[name] for pair in periods], scale) for name in first[1].rents},
        **stack(1, "dispatch", "flow", "unserved"),
    )
    whole = _stack([pair[2][0] for pair in periods], scale)
    running = _stack([pair[2][1] for pair in periods], scale)
    costs = Costs(electricity=whole - running, running=running)
    paid = [pair[2][2] for pair in periods]
    if charged := [one for one in paid if one is not None]:
        carbon = _stack(charged, scale)
        costs = Costs(electricity=costs.electricity - carbon, running=running, carbon=carbon)
    charges = None
    if first[0].limits:
        found = [limit_charges(one, other) for one, other, _ in periods]
        kept = [one for one in found if one is not None]
        charges = Charges(*(_stack(list(each), scale) for each in zip(*kept, strict=True)))
    parts = decompose_values(stacked, arrays, values, costs, charges)
    shape, by_market = (count, *first[1].price.shape), (count * beside, -1, first[1].price.shape[1])
    return {
        name: (part.reshape(by_market) * scale[:, None, None]).reshape(shape) for name, part in parts.items()
    }


def _along_paths(layout: Layout, periods: Sequence[Split]) -> dict[str, Floats]:
    """Split the prices of periods in which demand takes paths, whose paths differ: one by one."""
    found = [decompose_values(layout, arrays, values, _costs(*costs)) for arrays, values, costs in periods]
    return {name: np.stack([parts[name] for parts in found]) for name in found[0]}


def _costs(whole: Floats, running: Floats, carbon: Floats | None) -> Costs:
    if carbon is None:
        return Costs(electricity=whole - running, running=running)
    return Costs(electricity=whole - running - carbon, running=running, carbon=carbon)


def _scales(price: Floats, beside: int) -> Floats:
    """Return for each market the least power of two that is no less than its largest price and one."""
    largest = np.abs(price).reshape(beside, -1).max(axis=1, initial=1.0)
    scales: Floats = 2.0 ** np.ceil(np.log2(largest))
    return scales


def _stack(arrays: Sequence[Floats], scale: Floats | None) -> Floats:
    stacked = np.concatenate(arrays)
    if scale is not None:
        by_row = np.repeat(1.0 / scale, len(stacked) // len(scale))
        stacked = stacked * by_row.reshape(-1, *(1,) * (stacked.ndim - 1))
    return stacked


def _beside_each_other(layout: Layout, count: int) -> Layout:
    """Return a layout with all nodes, assets and arcs once a period."""
    nodes, assets, arcs = len(layout.nodes), len(layout.assets), len(layout.arcs)
    shift = np.arange(count) * nodes
    return Layout(
        nodes=pd.RangeIndex(count * nodes),
        workloads=layout.workloads,
        assets=pd.RangeIndex(count * assets),
        arcs=pd.RangeIndex(count * arcs),
        asset_node=(shift[:, None] + layout.asset_node).ravel(),
        provider=(),
        origin=(shift[:, None] + layout.origin).ravel(),
        destination=(shift[:, None] + layout.destination).ravel(),
        owner=(),
        blocks=layout.blocks,
        steps=layout.steps,
        link_unit=layout.link_unit,
    )
