"""A single clearing as results of one period, so that figures draw it like a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.market import Clearing, decompose, settle
from tokenflow_sim.market.wanted import wanted
from tokenflow_sim.variables import DECOMPOSITION, RESULT_COORDINATES, RESULTS, VARIABLES


def results_of(clearing: Clearing) -> xr.Dataset:
    """Return a clearing as results with one period.

    Parameters
    ----------
    clearing : Clearing
        What `clear` returned.

    Returns
    -------
    Dataset
        By the names of `variables.RESULTS`, money in $ a period; without what a market does not know: true costs,
        profits, the value of service.
    """
    market, values = clearing.market, clearing.values
    layout, arrays = market.layout, market.arrays
    demand, unserved = wanted(arrays, values.unserved)
    money, parts = settle(market, clearing), decompose(market, clearing)
    load = (arrays.link_use * values.flow).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(arrays.link_capacity > 0, load / arrays.link_capacity, 0.0)
    income = money.link_income.values * market.hours
    owners = list(dict.fromkeys(layout.owner))
    data: dict[str, Any] = {
        "price": values.price,
        **{f"price_{name}": part.values for name, part in parts.items()},
        "demand": demand.sum(axis=2),
        "unserved": unserved.sum(axis=2),
        "payment": money.payment.values * market.hours,
        "dispatch": values.dispatch,
        "offer_price": arrays.offer_price,
        "offer_quantity": arrays.capacity,
        "scarcity_rent": values.scarcity_rent,
        **{name: rent for name, rent in values.rents.items() if name in RESULTS},
        "power_rent": values.power_rent,
        "revenue": money.revenue.values * market.hours,
        "flow": values.flow,
        "link_income": income,
        "owner_income": [income[[name == owner for name in layout.owner]].sum() for owner in owners],
        "link_use_share": share,
        "total_cost": clearing.total_cost * market.hours,
        "certificate": clearing.certificate.worst,
    }
    if arrays.pricing is not None:
        data["operator_budget"] = money.budget * market.hours
    if arrays.offer_slope is not None:
        data["offer_slope"] = arrays.offer_slope
    if arrays.value_slope is not None:  # of steps the mean, as demand is their sum
        total, mean = demand.sum(axis=2), arrays.value_slope[:, :, 0].copy()
        np.divide((arrays.value_slope * demand).sum(axis=2), total, out=mean, where=total > 0)
        data["value_slope"] = mean if layout.steps is not None else arrays.value_slope[:, :, 0]
    if values.paid is not None:
        data["service_price"] = values.paid
    coords: dict[str, Any] = {
        "period": [0],
        "node": _text(layout.nodes),
        "workload": _text(layout.workloads),
        "asset": _text(layout.assets),
        "arc": _text(layout.arcs),
        "provider": list(dict.fromkeys(layout.provider)),
        "owner": owners,
        "asset_node": ("asset", _text(layout.nodes[layout.asset_node])),
        "asset_provider": ("asset", list(layout.provider)),
        "origin": ("arc", _text(layout.nodes[layout.origin])),
        "destination": ("arc", _text(layout.nodes[layout.destination])),
        "arc_owner": ("arc", list(layout.owner)),
    }
    ds = xr.Dataset(coords=coords, attrs={"hours": market.hours, "link_unit": layout.link_unit})
    for name, numbers in data.items():
        row = VARIABLES[name]
        array, dims = np.asarray(numbers, dtype=float)[None], row.dims
        if array.ndim > len(dims):  # offers have blocks inside, also where the market has none
            array, dims = (array[..., 0], dims) if layout.blocks is None else (array, row.full_dims)
        ds[name] = (dims, array, row.attrs(layout.link_unit))
    ds["price_energy"].attrs["long_name"] = DECOMPOSITION[
        "energy"
    ].long_name  # the whole offer, not electricity alone
    for name in coords:
        ds[name].attrs["long_name"] = RESULT_COORDINATES[name]
    return ds


def _text(labels: Any) -> list[str]:
    return [str(label) for label in labels]
