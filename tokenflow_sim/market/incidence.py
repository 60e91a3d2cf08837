"""What stands along assets and arcs: their nodes, providers and owners, from coordinates or keywords."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault, known
from tokenflow_sim.market.given import Given, listed

_LISTED = 5


def read_along(
    name: str, dim: str, keyword: Any, arrays: Iterable[Given], labels: pd.Index[Any], settled: bool
) -> tuple[dict[Hashable, Any], list[Fault]]:
    """Find what stands along assets or arcs.

    Parameters
    ----------
    name : str
        `asset_node`, `provider`, `origin`, `destination` or `owner`.
    dim : str
        `asset` or `arc`.
    keyword : object
        What the user gave by this name; None to read the arrays' coordinates.
    arrays : iterable of Given
        Arrays that may bring it as a coordinate.
    labels : Index
        The labels along `dim`.
    settled : bool
        Whether all arrays agree on these labels.

    Returns
    -------
    found : dict
        By label; lacks those of which nothing is said.
    faults : list of Fault
        Of their form, and where arrays contradict each other.
    """
    if keyword is not None:
        found, faults = _by_label(name, dim, keyword, labels)
        strange = [label for label in found if label not in labels] if settled else []
        for label in strange[:_LISTED]:
            faults.append(Fault(known(dim, label, list(labels)), f"{name}[{str(label)!r}]"))
        return found, faults
    told: dict[Hashable, Any] = {}
    faults, source = [], ""
    for array in arrays:
        if name not in array.along:
            continue
        place = f"{array.name}.{name}"
        own = array.labels.get(dim, labels)
        found, wrong = _by_label(place, dim, array.along[name], own)
        faults += wrong
        against = [label for label in found if label in told and told[label] != found[label]]
        if against:
            says = ", ".join(f"{str(found[label])!r} for {str(label)!r}" for label in against[:_LISTED])
            faults.append(
                Fault(f"says {says}, where {source} says {listed(told[one] for one in against)}", place)
            )
        source = source or array.name
        told = found | told
    return told, faults


def positions(
    name: str, dim: str, labels: pd.Index[Any], told: Mapping[Hashable, Any], nodes: pd.Index[Any]
) -> tuple[NDArray[np.int64], list[Fault]]:
    """Find where assets stand, or arcs start or end, among the nodes.

    Parameters
    ----------
    name : str
        `asset_node`, `origin` or `destination`.
    dim : str
        `asset` or `arc`.
    labels : Index
        The labels along `dim`.
    told : mapping
        The node of each label.
    nodes : Index
        The nodes.

    Returns
    -------
    positions : ndarray of int
        -1 where a node is unknown or not told.
    faults : list of Fault
        One for each unknown node.
    """
    place = {node: position for position, node in enumerate(nodes)}
    found = np.array([place.get(told.get(label), -1) for label in labels], dtype=np.int64)
    strange: dict[str, tuple[Hashable, Hashable]] = {}
    for label, node in told.items():
        if node not in place:
            strange.setdefault(str(node), (label, node))
    faults = [
        Fault(known("node", node, list(nodes)) + other_type(node, nodes), f"{name}[{dim}={str(label)!r}]")
        for label, node in list(strange.values())[:_LISTED]
    ]
    if len(strange) > _LISTED:
        faults.append(Fault(f"{len(strange) - _LISTED} more unknown nodes", name))
    return found, faults


def gaps(name: str, dim: str, labels: pd.Index[Any], told: Mapping[Hashable, Any]) -> list[Fault]:
    """Find the assets or arcs of which nothing is said."""
    lacking = [label for label in labels if label not in told]
    if not lacking:
        return []
    return [
        Fault(
            f"nothing is said for {dim} {listed(lacking)}: give `{name}` as a coordinate along `{dim}`", name
        )
    ]


def other_type(label: object, truth: pd.Index[Any]) -> str:
    """Say so where an unknown label looks like a known one and is of another type, as 1 and '1' do."""
    twin = next((other for other in truth if str(other) == str(label)), None)
    if twin is None:
        return ""
    return f"; here it is of type {type(label).__name__}, there of type {type(twin).__name__}"


def _by_label(
    place: str, dim: str, value: Any, labels: pd.Index[Any]
) -> tuple[dict[Hashable, Any], list[Fault]]:
    """Return what is said of each label; a missing entry says nothing."""
    if isinstance(value, (xr.DataArray, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (str, Number)):
        return _entries(place, dict.fromkeys(labels, value))
    if isinstance(value, xr.DataArray):
        if value.ndim == 1 and dim in value.indexes:
            value = pd.Series(value.to_numpy(), value.indexes[dim], dtype=object)
        elif value.ndim == 1 and value.dims != (dim,):
            return {}, [Fault(f"has dims ({value.dims[0]}) where ({dim}) are needed", place)]
        else:
            value = value.to_numpy()
    if isinstance(value, pd.Series):
        if not value.index.is_unique:
            return {}, [
                Fault(
                    f"says more than one thing of {dim} {listed(value.index[value.index.duplicated()])}",
                    place,
                )
            ]
        value = value.to_dict()
    if isinstance(value, Mapping):
        return _entries(place, value)
    shape = value.shape if isinstance(value, (np.ndarray, pd.Index)) else None
    if isinstance(value, (list, tuple)):
        shape = (len(value),)
    if shape is None or len(shape) != 1:
        found = type(value).__name__ + ("" if shape is None else f" of shape {shape}")
        return {}, [Fault(f"must name one thing for each {dim}; found {found}", place)]
    if shape[0] != len(labels):
        return {}, [Fault(f"has {shape[0]} entries for {len(labels)} {dim}s", place)]
    return _entries(place, dict(zip(labels, value, strict=True)))


def _entries(place: str, told: Mapping[Hashable, Any]) -> tuple[dict[Hashable, Any], list[Fault]]:
    """Leave out missing entries, and refuse those that are no names."""
    strange = [label for label, entry in told.items() if not isinstance(entry, Hashable)]
    if strange:
        return {}, [Fault(f"must name one thing each; not so for {listed(strange)}", place)]
    return {label: entry for label, entry in told.items() if not _is_missing(entry)}, []


def _is_missing(entry: Any) -> bool:
    return bool(pd.api.types.is_scalar(entry) and pd.isna(entry))
