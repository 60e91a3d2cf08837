"""Labelled arrays as users give them -> a layout and plain arrays, with every fault found on the way.

Arrays are aligned by label, never by position: an array whose labels differ from the others' is a fault, not
something to fill up with missing values.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, known
from tokenflow_sim.market.arrays import Arrays, full_dims
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.variables import MARKET

_REQUIRED = ("offer_price", "capacity", "demand")
_STEPPED = {"offer_price": "block", "capacity": "block", "demand": "step", "value": "step"}
# Missing dims are filled by repetition, except where that would multiply a quantity.
_MAY_BROADCAST = set(MARKET) - {"capacity", "demand", "link_capacity", "power_limit"}
_ARC_ARRAYS = ("route_cost", "link_use", "allowed", "link_capacity", "link_curvature")
_DEFAULTS: dict[str, Any] = {
    "value": np.inf,
    "route_cost": 0.0,
    "link_use": 1.0,
    "allowed": True,
    "link_curvature": 0.0,
}


def read_arrays(
    given: Mapping[str, Any], along: Mapping[str, Any], link_unit: str | None
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

    Returns
    -------
    Layout, Arrays
        Labels and numbers; the numbers are not yet checked for sign and finiteness.

    Raises
    ------
    MarketError
        With all faults of dims, labels and incidence.
    """
    return _Intake(given, along, link_unit).read()


class _Intake:
    """One reading: gathers faults as it goes, and stops where nothing sensible can follow."""

    def __init__(self, given: Mapping[str, Any], along: Mapping[str, Any], link_unit: str | None) -> None:
        self.given = {name: array for name, array in given.items() if array is not None}
        self.along = along
        self.link_unit = link_unit
        self.faults: list[Fault] = []
        self.labels: dict[str, pd.Index[Any]] = {}

    def read(self) -> tuple[Layout, Arrays]:
        for name in _REQUIRED:
            if name not in self.given:
                self.fault(f"is needed, with dims ({', '.join(MARKET[name].dims)})", name)
        arrays = {name: self.as_array(name, array) for name, array in self.given.items()}
        self.stop_at_faults()
        self.settle_labels(arrays)
        self.stop_at_faults()
        has_arcs = "arc" in self.labels
        for name in _ARC_ARRAYS:
            if name in self.given and not has_arcs:
                self.fault("needs a dimension `arc`, which no array of this market has", name)
        if has_arcs and "link_capacity" not in arrays:
            self.fault("is needed where there are arcs (infinite where a link has no limit)", "link_capacity")
        if ("power_use" in arrays) != ("power_limit" in arrays):
            self.fault("power_use and power_limit come together: one is missing", "power_use")
        self.labels.setdefault("arc", pd.Index([], name="arc"))
        plain = {name: self.align(name, array) for name, array in arrays.items()}
        layout = self.layout(arrays)
        self.stop_at_faults()
        return layout, self.complete(layout, plain)

    def fault(self, message: str, place: str) -> None:
        self.faults.append(Fault(message, place))

    def stop_at_faults(self) -> None:
        if self.faults:
            raise MarketError(self.faults, "market")

    def as_array(self, name: str, value: Any) -> xr.DataArray:
        """Take DataArrays and scalars; check dims, kind of numbers and that labels exist once."""
        if not isinstance(value, xr.DataArray):
            if np.ndim(value) == 0 and not isinstance(value, str) and name in _MAY_BROADCAST:
                value = xr.DataArray(value)
            else:
                self.fault(
                    f"must be an xarray.DataArray with dims ({', '.join(MARKET[name].dims)}); "
                    f"found {type(value).__name__}",
                    name,
                )
                return xr.DataArray(0.0)
        wanted: tuple[str, ...] = MARKET[name].dims
        if name in _STEPPED and _STEPPED[name] in value.dims:
            wanted = (*wanted, _STEPPED[name])
        extra = [str(dim) for dim in value.dims if dim not in wanted]
        missing = [dim for dim in wanted if dim not in value.dims]
        if extra or (missing and name not in _MAY_BROADCAST):
            found = ", ".join(str(dim) for dim in value.dims)
            self.fault(f"has dims ({found}) where ({', '.join(wanted)}) are needed", name)
        if value.dtype.kind not in "fiub":
            self.fault(f"must hold numbers; found dtype {value.dtype}", name)
        for dim in value.dims:
            if dim not in value.indexes:
                self.fault(f"dimension `{dim}` has no labels", name)
                continue
            index = value.indexes[str(dim)]
            twice = index[index.duplicated()].unique()
            if len(twice):
                self.fault(f"dimension `{dim}` repeats {', '.join(map(repr, map(str, twice[:5])))}", name)
        return value

    def settle_labels(self, arrays: Mapping[str, xr.DataArray]) -> None:
        """Let the first array that has a dim set its labels; the others must have the same."""
        first: dict[str, str] = {}
        for name in sorted(arrays, key=list(MARKET).index):
            for dim in map(str, arrays[name].dims):
                index = arrays[name].indexes[dim]
                if dim not in self.labels:
                    self.labels[dim], first[dim] = index, name
                elif not index.equals(self.labels[dim]):
                    self.compare(name, dim, index, first[dim])
        for dim in ("node", "workload", "asset"):
            if dim in self.labels and not len(self.labels[dim]):
                self.fault("has no labels: a market needs at least one", f"dimension `{dim}`")

    def compare(self, name: str, dim: str, index: pd.Index[Any], source: str) -> None:
        truth = self.labels[dim]
        place = f"{name}.{dim}"
        for label in index.difference(truth, sort=False)[:5]:
            self.fault(known(dim, label, list(truth)) + f" (from {source})", place)
        lacking = truth.difference(index, sort=False)
        if len(lacking):
            listed = ", ".join(repr(str(label)) for label in lacking[:5])
            more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
            self.fault(f"lacks {dim} {listed}{more}, which {source} has", place)

    def align(self, name: str, array: xr.DataArray) -> np.ndarray[Any, Any]:
        """Bring an array to full shape and the common order."""
        dims = [dim for dim in full_dims(name) if dim in self.labels or dim not in ("block", "step")]
        if name in _STEPPED and _STEPPED[name] in self.labels and _STEPPED[name] not in array.dims:
            step = _STEPPED[name]
            if name not in _MAY_BROADCAST:
                self.fault(f"needs the dimension `{step}` that another array of this market has", name)
        if self.faults:
            return np.empty(0)
        array = array.reindex({dim: self.labels[dim] for dim in map(str, array.dims)})
        for dim in dims:
            if dim not in array.dims:
                array = array.expand_dims({dim: self.labels[dim]})
        array = array.transpose(*dims)
        kind = np.bool_ if name == "allowed" else np.float64
        return np.ascontiguousarray(array.to_numpy().astype(kind)).reshape(
            tuple(len(self.labels[dim]) if dim in self.labels else 1 for dim in full_dims(name))
        )

    def layout(self, arrays: Mapping[str, xr.DataArray]) -> Layout:
        nodes, assets, arcs = self.labels["node"], self.labels["asset"], self.labels["arc"]
        default_node = nodes[0] if len(nodes) == 1 else None
        asset_node = self.coordinate("asset_node", "asset", arrays, default=[default_node] * len(assets))
        provider = self.coordinate("provider", "asset", arrays, default=list(assets))
        origin = self.coordinate("origin", "arc", arrays, default=[None] * len(arcs))
        destination = self.coordinate("destination", "arc", arrays, default=[None] * len(arcs))
        owner = self.coordinate("owner", "arc", arrays, default=["network"] * len(arcs))
        where = {
            name: self.positions(name, labels, dim)
            for name, labels, dim in (
                ("asset_node", asset_node, "asset"),
                ("origin", origin, "arc"),
                ("destination", destination, "arc"),
            )
        }
        loops = where["origin"] == where["destination"]
        for arc in arcs[loops & (where["origin"] >= 0)][:5]:
            self.fault(f"arc {str(arc)!r} starts and ends at the same node", "origin")
        return Layout(
            nodes=nodes.rename("node"),
            workloads=self.labels["workload"].rename("workload"),
            assets=assets.rename("asset"),
            arcs=arcs.rename("arc"),
            asset_node=where["asset_node"],
            provider=tuple(map(str, provider)),
            origin=where["origin"],
            destination=where["destination"],
            owner=tuple(map(str, owner)),
            blocks=self.labels.get("block"),
            steps=self.labels.get("step"),
            link_unit=self.unit(arrays),
        )

    def coordinate(
        self, name: str, dim: str, arrays: Mapping[str, xr.DataArray], default: list[Any]
    ) -> list[Any]:
        """Find what stands along assets or arcs: the keyword first, then any array's coordinate."""
        labels = self.labels[dim]
        value = self.along[name]
        if value is None:
            bearers = (array.coords[name] for array in arrays.values() if name in array.coords)
            value = next(bearers, None)
        if value is None:
            return default
        if isinstance(value, Mapping):
            lookup: Mapping[Hashable, Any] = value
        elif isinstance(value, xr.DataArray) and value.dims == (dim,) and dim in value.indexes:
            lookup = dict(zip(value.indexes[dim], value.to_numpy(), strict=True))
        else:
            listed = list(np.asarray(value, dtype=object).ravel())
            if len(listed) != len(labels):
                self.fault(f"has {len(listed)} entries for {len(labels)} {dim}s", name)
                return default
            return listed
        lacking = [label for label in labels if label not in lookup]
        if lacking:
            self.fault(f"says nothing for {dim} {', '.join(repr(str(label)) for label in lacking[:5])}", name)
        return [lookup.get(label) for label in labels]

    def positions(self, name: str, labels: list[Any], dim: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        nodes = self.labels["node"]
        found = nodes.get_indexer(pd.Index(labels, dtype=object)) if len(labels) else np.empty(0, dtype=int)
        told: set[str] = set()
        for label, element, position in zip(labels, self.labels[dim], found, strict=True):
            if position >= 0 or str(label) in told or len(told) >= 5:
                continue
            told.add(str(label))
            place = f"{name}[{dim}={str(element)!r}]"
            if label is None:
                self.fault(f"every {dim} needs a node: give `{name}` as a coordinate along `{dim}`", place)
            else:
                self.fault(known("node", label, list(nodes)), place)
        return np.asarray(found, dtype=np.int64)

    def unit(self, arrays: Mapping[str, xr.DataArray]) -> Any:
        unit = self.link_unit
        if unit is None:
            unit = arrays["link_capacity"].attrs.get("units", "GB/s") if "link_capacity" in arrays else "GB/s"
        if unit not in ("GB/s", "Mtok/s"):
            self.fault(f"unknown unit {unit!r}; known units: GB/s, Mtok/s", "link_unit")
            return "GB/s"
        return unit

    def complete(self, layout: Layout, plain: dict[str, np.ndarray[Any, Any]]) -> Arrays:
        """Fill in what was left out."""
        for name, default in _DEFAULTS.items():
            if name not in plain:
                shape = tuple(layout.sizes[dim] for dim in full_dims(name))
                plain[name] = np.full(shape, default, dtype=np.bool_ if name == "allowed" else np.float64)
        plain.setdefault("link_capacity", np.empty(0))
        return Arrays(**plain)
