"""Labelled arrays as users give them -> a layout and plain arrays, with every fault found on the way.

Arrays are aligned by label, never by position: an array whose labels differ from the others' is a fault, not
something to fill up with missing values. All faults are gathered before any is raised; what a fault makes
unanswerable (the nodes of assets where no nodes are known) is not checked, so that each fault is reported once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.arrays import (
    Arrays,
    hours_faults,
    labels_of,
    pair_faults,
    power_faults,
    slope_faults,
)
from tokenflow_sim.market.input_array import (
    InputArray,
    gaps,
    listed,
    other_type,
    positions,
    read_along,
    read_array,
)
from tokenflow_sim.market.layout import Layout, LinkUnit
from tokenflow_sim.variables import MARKET

_ARC_ARRAYS = tuple(name for name, row in MARKET.items() if "arc" in row.dims)
_ALONG = {"asset_node": "asset", "provider": "asset", "origin": "arc", "destination": "arc", "owner": "arc"}
_LINK_UNITS: tuple[LinkUnit, ...] = ("GB/s", "Mtok/s")
_LISTED = 5


def read_arrays(
    given: Mapping[str, Any],
    along: Mapping[str, Any],
    link_unit: object,
    hours: object,
    order: Layout | None = None,
) -> tuple[Layout, Arrays]:
    """Read a user's arrays.

    Parameters
    ----------
    given : mapping
        Arrays by the names of the market's table; None where left out.
    along : mapping
        `asset_node`, `provider`, `origin`, `destination`, `owner`; None where an array brings them.
    link_unit : str or None
        ``GB/s``, ``Mtok/s``, or None to read it from `link_capacity`.
    hours : float
        Length of the period; checked with the rest.
    order : Layout, optional
        Whose order of labels to keep, where they are the same labels. By default it is that of the first array.

    Returns
    -------
    Layout, Arrays
        Labels and numbers, checked; the numbers are copies, and read-only.

    Raises
    ------
    MarketError
        With all faults of types, dims, labels, numbers and incidence.
    """
    return _Validation(given, along, link_unit, order).read(hours)


class _Validation:
    """One validation of a market's arrays, which gathers all faults before it raises any."""

    def __init__(
        self, given: Mapping[str, Any], along: Mapping[str, Any], link_unit: object, order: Layout | None
    ) -> None:
        self.given = {name: given[name] for name in MARKET if given.get(name) is not None}
        self.along = along
        self.order = labels_of(order) if order else {}
        self.faults: list[Fault] = []
        self.link_unit = self.unit(link_unit)
        self.arrays: dict[str, InputArray] = {}
        self.labels: dict[str, pd.Index[Any]] = {}
        self.disputed: set[str] = set()  # dims on whose labels arrays disagree
        self.unsure: set[str] = set()  # coordinates along assets or arcs and could not be read

    def read(self, hours: object) -> tuple[Layout, Arrays]:
        self.read_each()
        self.agree_on_labels()
        self.check_presence()
        self.labels.setdefault("arc", pd.Index([], dtype=object, name="arc"))
        along = {name: self.read_along(name, dim) for name, dim in _ALONG.items()}
        where = {name: self.where(name, along[name]) for name in ("asset_node", "origin", "destination")}
        self.check_loops(where["origin"], where["destination"])
        plain = self.align()
        self.faults += hours_faults(hours)
        if self.faults:
            raise MarketError(self.faults, "market")
        return self.layout(along, where), self.complete(plain)

    def fault(self, message: str, place: str) -> None:
        self.faults.append(Fault(message, place))

    def unit(self, given: object) -> LinkUnit:
        place = "link_unit"
        if given is None:
            place = "link_capacity.attrs['units']"
            given = getattr(self.given.get("link_capacity"), "attrs", {}).get("units", "GB/s")
        for unit in _LINK_UNITS:
            if isinstance(given, str) and given == unit:
                return unit
        self.fault(f"unknown unit {given!r}; known units: {', '.join(_LINK_UNITS)}", place)
        return "GB/s"

    def read_each(self) -> None:
        """Read each array separately."""
        for name in MARKET:
            if name in self.given:
                array, faults = read_array(name, self.given[name], self.link_unit)
                self.faults += faults
                if array is not None:
                    self.arrays[name] = array
            elif MARKET[name].required is True:
                self.fault(f"is needed, with dims ({', '.join(MARKET[name].dims)})", name)

    def agree_on_labels(self) -> None:
        """Take the labels of a dim that most arrays have, in the order of the first of these; others must agree."""
        source: dict[str, str] = {}
        for dim in dict.fromkeys(dim for array in self.arrays.values() for dim in array.dims):
            bearers = {name: array.labels[dim] for name, array in self.arrays.items() if dim in array.dims}
            kept = self.order.get(dim)
            source[dim] = max(
                bearers,
                key=lambda name: (
                    _same(bearers[name], kept),
                    sum(_same(bearers[name], other) for other in bearers.values()),
                ),
            )
            own = bearers[source[dim]]
            self.labels[dim] = kept if kept is not None and _same(own, kept) else own.rename(dim)
            for name, labels in bearers.items():
                self.compare(name, dim, labels, source[dim])
        for name, array in self.arrays.items():
            extra = MARKET[name].extra
            if extra in self.labels and extra not in array.dims and not MARKET[name].may_broadcast:
                self.disputed.add(extra)
                self.fault(f"needs the dimension `{extra}`, which {source[extra]} has", name)

    def compare(self, name: str, dim: str, own: pd.Index[Any], source: str) -> None:
        """Report how the labels of one array differ from those that another has set."""
        truth, place = self.labels[dim], f"{name}.{dim}"
        strange = own[truth.get_indexer(own) < 0]
        lacking = truth[own.get_indexer(truth) < 0]
        if len(strange) or len(lacking):
            self.disputed.add(dim)
        for label in strange[:_LISTED]:
            self.fault(
                f"{unknown_name(dim, label, list(truth))} (from {source}){other_type(label, truth)}", place
            )
        if len(strange) > _LISTED:
            self.fault(f"{len(strange) - _LISTED} more unknown {dim}s", place)
        if len(lacking) != len(strange):  # as many on both sides are the same ones, misspelt
            self.fault(f"lacks {dim} {listed(lacking)}, which {source} has", place)

    def check_presence(self) -> None:
        """Check that arrays that need each other are there."""
        self.faults += pair_faults("power_use" in self.given, "power_limit" in self.given)
        arc_arrays = [name for name in _ARC_ARRAYS if name in self.given]
        if not arc_arrays or "link_capacity" in self.given:
            return
        self.unsure |= {name for name, dim in _ALONG.items() if dim == "arc"}
        if "arc" in self.labels:
            self.fault("is needed where there are arcs (infinite where a link has no limit)", "link_capacity")
        elif all(name in self.arrays for name in arc_arrays):
            self.fault(
                f"is needed, with dims (arc): {', '.join(arc_arrays)} alone name no arcs", "link_capacity"
            )

    def read_along(self, name: str, dim: str) -> dict[Any, Any]:
        """Find coordinates along assets or arcs."""
        if dim not in self.labels:
            return {}
        whole = dim not in self.disputed
        labels = self.labels[dim]
        keyword = self.along.get(name)
        found, faults = read_along(name, dim, keyword, self.arrays.values(), labels, whole)
        self.faults += faults
        # An array that could not be read may be the one that says it: its own fault is reported, not this gap.
        unread = any(dim in MARKET[other].dims for other in self.given if other not in self.arrays)
        if faults or not whole or (unread and keyword is None):
            self.unsure.add(name)
        elif found and name in ("provider", "owner") and name not in self.unsure:
            self.faults += gaps(name, dim, labels, found)
        return found

    def where(self, name: str, along: Mapping[Any, Any]) -> NDArray[np.int64]:
        """Find the nodes of coordinates along assets or arcs."""
        dim = _ALONG[name]
        if "node" not in self.labels or dim not in self.labels:
            return np.empty(0, dtype=np.int64)
        labels, nodes = self.labels[dim], self.labels["node"]
        if not along and dim == "asset" and len(nodes) == 1:
            return np.zeros(len(labels), dtype=np.int64)
        found, faults = positions(name, dim, labels, along, nodes)
        self.faults += faults
        if name not in self.unsure:
            self.faults += gaps(name, dim, labels, along)
        return found

    def check_loops(self, origin: NDArray[np.int64], destination: NDArray[np.int64]) -> None:
        loops = self.labels["arc"][: origin.size][(origin == destination) & (origin >= 0)]
        if len(loops):
            self.fault(f"arc {listed(loops)} starts and ends at the same node", "origin")

    def align(self) -> dict[str, NDArray[Any]]:
        """Bring all arrays to full shape and common order, as far as labels agree."""
        plain: dict[str, NDArray[Any]] = {}
        for name, array in self.arrays.items():
            dims = MARKET[name].full_dims
            known_dims = all(dim in self.labels or dim in ("block", "step") for dim in dims)
            if known_dims and self.disputed.isdisjoint(dims):
                plain[name] = array.aligned(self.labels, dims)
        if all(name in plain and self.arrays[name].numeric for name in ("power_use", "capacity")):
            self.faults += power_faults(plain["power_use"], plain["capacity"], self.labels)
        if all(name in plain and self.arrays[name].numeric for name in ("value_slope", "demand")):
            value = plain.get("value", np.full(plain["demand"].shape, np.inf))
            if "value" in plain or "value" not in self.given:
                self.faults += slope_faults(plain["value_slope"], plain["demand"], value, self.labels)
        return plain

    def layout(
        self, along: Mapping[str, Mapping[Any, Any]], where: Mapping[str, NDArray[np.int64]]
    ) -> Layout:
        labels = self.labels
        return Layout(
            nodes=labels["node"],
            workloads=labels["workload"],
            assets=labels["asset"],
            arcs=labels["arc"],
            asset_node=where["asset_node"],
            provider=tuple(str(along["provider"].get(asset, asset)) for asset in labels["asset"]),
            origin=where["origin"],
            destination=where["destination"],
            owner=tuple(str(along["owner"].get(arc, "network")) for arc in labels["arc"]),
            blocks=labels.get("block"),
            steps=labels.get("step"),
            link_unit=self.link_unit,
        )

    def complete(self, plain: dict[str, Any]) -> Arrays:
        """Fill in what was left out."""
        for name, row in MARKET.items():
            if name not in plain and row.default is not None:
                shape = [len(self.labels[dim]) if dim in self.labels else 1 for dim in row.full_dims]
                plain[name] = np.full(shape, row.default, dtype=np.bool_ if name == "allowed" else np.float64)
                plain[name].flags.writeable = False
        plain.setdefault("link_capacity", np.empty(0))
        return Arrays(**plain)


def _same(labels: pd.Index[Any], others: pd.Index[Any] | None) -> bool:
    """Whether two indexes hold the same labels, in whatever order."""
    return others is not None and len(labels) == len(others) and bool((others.get_indexer(labels) >= 0).all())
