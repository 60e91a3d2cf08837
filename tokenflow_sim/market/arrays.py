"""The numbers of a market as plain arrays of full shape: what the solver and the period loop work on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.variables import MARKET

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# `block` and `step` always exist here, with length one where the layout has none.
_DIMS: dict[str, tuple[str, ...]] = {
    "offer_price": ("asset", "workload", "block"),
    "capacity": ("asset", "workload", "block"),
    "demand": ("node", "workload", "step"),
    "value": ("node", "workload", "step"),
    "route_cost": ("arc", "workload"),
    "link_use": ("arc", "workload"),
    "allowed": ("arc", "workload"),
    "link_capacity": ("arc",),
    "link_curvature": ("arc",),
    "power_use": ("asset", "workload"),
    "power_limit": ("asset",),
}
_MAY_BE_INFINITE = {"value", "link_capacity", "power_limit"}
_LISTED_CULPRITS = 5


@dataclass(frozen=True)
class Arrays:
    """All numbers of one market; see the table in `Market` for meanings and units.

    Parameters
    ----------
    offer_price, capacity : ndarray
        Dims (asset, workload, block).
    demand, value : ndarray
        Dims (node, workload, step).
    route_cost, link_use : ndarray
        Dims (arc, workload).
    allowed : ndarray of bool
        Dims (arc, workload).
    link_capacity, link_curvature : ndarray
        Dims (arc,).
    power_use, power_limit : ndarray or None
        Dims (asset, workload) and (asset,); None where power is not shared between classes.
    """

    offer_price: Floats
    capacity: Floats
    demand: Floats
    value: Floats
    route_cost: Floats
    link_use: Floats
    allowed: Bools
    link_capacity: Floats
    link_curvature: Floats
    power_use: Floats | None = None
    power_limit: Floats | None = None

    def with_(self, **changes: Any) -> Arrays:
        """Return a copy with some arrays exchanged, unchecked."""
        return replace(self, **changes)

    def items(self) -> list[tuple[str, NDArray[Any]]]:
        """Return names and values of the arrays that are present."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, values) for name, values in pairs if values is not None]


def full_dims(name: str) -> tuple[str, ...]:
    """Return the dims of an array of `Arrays`, `block` and `step` included."""
    return _DIMS[name]


def find_faults(layout: Layout, arrays: Arrays) -> list[Fault]:
    """Find every number that no market can have.

    Parameters
    ----------
    layout : Layout
        The labels, to name the culprits by.
    arrays : Arrays
        The numbers.

    Returns
    -------
    list of Fault
        One per array and kind of fault, naming the first culprits.
    """
    faults: list[Fault] = []
    for name, values in arrays.items():
        dims = _DIMS[name]
        shape = tuple(layout.sizes[dim] for dim in dims)
        if values.shape != shape:
            faults.append(Fault(f"shape {values.shape} where {shape} ({', '.join(dims)}) is needed", name))
            continue
        if values.dtype == np.bool_:
            continue
        if name in _MAY_BE_INFINITE:
            _note(faults, layout, name, np.isnan(values), values, "must be a number")
            _note(faults, layout, name, values < 0, values, "must not be negative")
        else:
            finite = np.isfinite(values)
            _note(faults, layout, name, ~finite, values, "must be finite")
            _note(faults, layout, name, finite & (values < 0), values, "must not be negative")
    if arrays.power_use is not None and not faults:
        runs = arrays.capacity.sum(axis=2) > 0
        _note(
            faults, layout, "power_use", runs & (arrays.power_use == 0), arrays.power_use,
            "must be positive where the asset offers capacity, since its power is shared",
        )  # fmt: skip
    return faults


def _note(
    faults: list[Fault], layout: Layout, name: str, bad: Bools, values: NDArray[Any], rule: str
) -> None:
    if not bad.any():
        return
    spots = np.argwhere(bad)
    shown = ", ".join(_place(layout, name, spot, values[tuple(spot)]) for spot in spots[:_LISTED_CULPRITS])
    more = f" and {len(spots) - _LISTED_CULPRITS} more" if len(spots) > _LISTED_CULPRITS else ""
    faults.append(Fault(f"{rule} ({MARKET[name].unit_for(layout.link_unit)}); found {shown}{more}", name))


def _place(layout: Layout, name: str, spot: NDArray[np.int64], value: float) -> str:
    labels = []
    for dim, position in zip(_DIMS[name], spot, strict=True):
        if (dim == "block" and layout.blocks is None) or (dim == "step" and layout.steps is None):
            continue
        labels.append(f"{dim}={str(layout.index(dim)[position])!r}")
    return f"{value:g} at [{', '.join(labels)}]"
