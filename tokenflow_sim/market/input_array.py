"""One array as a user gives it -> labels and plain numbers, or its own faults.

xarray DataArrays are the common case; pandas tables say the same for one or two dimensions and are taken too.
Anything that has no labels is refused, since numbers are never matched by position. Coordinates along assets and arcs
(their nodes, providers and owners) is read from such arrays' coordinates, or from keywords.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Number, Real
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.market.arrays import number_faults
from tokenflow_sim.market.culprits import culprits
from tokenflow_sim.variables import COORDINATES, MARKET

# How many labels or entries a message lists.
_LISTED = 5
_SMALLEST = np.finfo(np.float64).tiny


@dataclass
class InputArray:
    """One array with its own labels, in its own order.

    Parameters
    ----------
    name : str
        Its name in the market's table.
    dims : tuple of str
        Its dimensions, a part of those the table gives it.
    labels : dict
        Labels of each dimension, without duplicates.
    values : ndarray
        float64, or bool for `allowed`.
    numeric : bool
        Whether it holds numbers at all; if not, `values` are zeros.
    along : dict
        Coordinates that say where assets and arcs are and whose.
    """

    name: str
    dims: tuple[str, ...]
    labels: dict[str, pd.Index[Any]]
    values: NDArray[Any]
    numeric: bool = True
    along: dict[str, xr.DataArray] = field(default_factory=dict)

    def aligned(self, order: dict[str, pd.Index[Any]], dims: tuple[str, ...]) -> NDArray[Any]:
        """Return the numbers in a common order of labels, with missing dims filled by repetition, read-only.

        Parameters
        ----------
        order : dict
            The common labels, of which this array's are a permutation; a dim that it lacks has length one.
        dims : tuple of str
            The dims wanted, in order.
        """
        values = self.values
        for axis, dim in enumerate(self.dims):
            values = values.take(self.labels[dim].get_indexer(order[dim]), axis=axis)
        kept = [dim for dim in dims if dim in self.dims]
        values = values.transpose([self.dims.index(dim) for dim in kept])
        values = values.reshape([len(order[dim]) if dim in kept else 1 for dim in dims])
        whole = np.array(
            np.broadcast_to(values, [len(order[dim]) if dim in order else 1 for dim in dims]), order="C"
        )
        whole.flags.writeable = False
        return whole


def read_array(name: str, value: Any, link_unit: str) -> tuple[InputArray | None, list[Fault]]:
    """Read one array.

    Parameters
    ----------
    name : str
        Its name in the market's table.
    value : object
        What the user gave for it.
    link_unit : str
        How links are measured.

    Returns
    -------
    array : InputArray or None
        None where its dims or labels do not allow to compare it with other arrays.
    faults : list of Fault
        Of its type, dims, labels and numbers: all that shows without looking at other arrays.
    """
    array = _labelled(name, value)
    if isinstance(array, Fault):
        return None, [array]
    dims = tuple(map(str, array.dims))
    faults = _dim_faults(name, dims)
    if len(set(dims)) < len(dims):
        return None, faults  # xarray cannot look into such an array
    sound = not faults
    labels: dict[str, pd.Index[Any]] = {}
    for dim, size in zip(dims, array.shape, strict=True):
        index = array.indexes.get(dim)
        labels[dim] = pd.RangeIndex(size) if index is None else index
        wrong = _label_faults(name, dim, index)
        sound = sound and not wrong
        faults += wrong
    numbers, wrong = _numbers(name, np.asarray(array.to_numpy()), dims, labels)
    numeric = not wrong
    faults += wrong if wrong else number_faults(name, numbers, dims, labels, link_unit)
    along = {key: array.coords[key] for key in COORDINATES if key in array.coords}
    return InputArray(name, dims, labels, numbers, numeric, along) if sound else None, faults


def _labelled(name: str, value: Any) -> xr.DataArray | Fault:
    """Bring pandas tables and single numbers into the form of a DataArray."""
    if isinstance(value, xr.DataArray):
        return value
    dims = MARKET[name].dims
    if isinstance(value, (pd.DataFrame, pd.Series)):
        axes = [value.index, *([value.columns] if isinstance(value, pd.DataFrame) else [])]
        if any(isinstance(axis, pd.MultiIndex) for axis in axes):
            return Fault("has labels of several levels; make it a DataArray with .to_xarray()", name)
        named = [str(axis.name) for axis in axes]
        if len(axes) == 2 and len(dims) == 2:
            turned = named[0] == dims[1] or named[1] == dims[0]
            return _dressed(value, dims[::-1] if turned else dims, axes)
        if len(axes) == 1 and (len(dims) == 1 or named[0] in dims):
            return _dressed(value, dims if len(dims) == 1 else (named[0],), axes)
    elif _is_number(value) and MARKET[name].may_broadcast:
        return xr.DataArray(value)
    found = type(value).__name__
    if isinstance(value, (np.ndarray, pd.DataFrame, pd.Series)):
        found += f" of shape {value.shape}"
    table = "DataFrame" if len(dims) == 2 else "Series"
    wanted = f"an xarray.DataArray with dims ({', '.join(dims)}), or a pandas {table}"
    return Fault(f"must be {wanted}; found {found}", name)


def _dressed(
    table: pd.DataFrame | pd.Series[Any], dims: tuple[str, ...], axes: list[pd.Index[Any]]
) -> xr.DataArray:
    coords = {dim: axis.rename(dim) for dim, axis in zip(dims, axes, strict=True)}
    return xr.DataArray(table.to_numpy(), coords, dims, attrs=table.attrs)


def listed(labels: Iterable[object], most: int = 5) -> str:
    """List the first of some labels, and say how many more there are."""
    names = [repr(str(label)) for label in labels]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_number(value: Any) -> bool:
    plain = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiub"
    return plain or isinstance(value, (Real, np.bool_))


def _dim_faults(name: str, dims: tuple[str, ...]) -> list[Fault]:
    needed = MARKET[name].dims
    optional = MARKET[name].extra
    wanted = (*needed, optional) if optional in dims else needed
    extra = [dim for dim in dims if dim not in wanted]
    missing = [dim for dim in needed if dim not in dims]
    twice = len(set(dims)) < len(dims)
    if extra or twice or (missing and not MARKET[name].may_broadcast):
        expected = ", ".join(needed) + (f"[, {optional}]" if optional else "")
        return [Fault(f"has dims ({', '.join(dims)}) where ({expected}) are needed", name)]
    return []


def _label_faults(name: str, dim: str, index: pd.Index[Any] | None) -> list[Fault]:
    if index is None:
        return [Fault(f"dimension `{dim}` has no labels", name)]
    if isinstance(index, pd.MultiIndex):
        return [
            Fault(f"dimension `{dim}` has labels of {index.nlevels} levels; flatten or unstack them", name)
        ]
    faults = []
    if not len(index) and dim != "arc":
        faults.append(Fault(f"dimension `{dim}` is empty; a market needs at least one", name))
    unnamed = np.asarray(index.isna())
    missing = int(unnamed.sum())
    if missing:
        faults.append(
            Fault(f"dimension `{dim}` has {missing} missing label{'s' if missing > 1 else ''}", name)
        )
    twice = index[np.asarray(index.duplicated()) & ~unnamed].unique()
    if len(twice):
        faults.append(Fault(f"dimension `{dim}` repeats {listed(twice)}", name))
    return faults


def _numbers(
    name: str, raw: NDArray[Any], dims: tuple[str, ...], labels: dict[str, pd.Index[Any]]
) -> tuple[NDArray[Any], list[Fault]]:
    """Return the entries as float64, or as bool for `allowed`."""
    kind = raw.dtype.kind
    if kind == "O":  # what pandas makes of mixed columns
        entries = [np.nan if _is_missing(entry) else entry for entry in raw.ravel()]
        bad = np.array([not _fits(name, entry) for entry in entries], dtype=np.bool_).reshape(raw.shape)
        if bad.any():
            rule = "must be true or false" if name == "allowed" else "must hold numbers"
            return np.zeros(raw.shape), [Fault(f"{rule}; found {culprits(bad, raw, dims, labels)}", name)]
        raw = np.array(entries, dtype=np.float64).reshape(raw.shape)
        kind = "f"
    if name == "allowed":
        if kind == "b" or (kind in "fiu" and ((raw == 0) | (raw == 1)).all()):
            return raw.astype(np.bool_), []
        return np.zeros(raw.shape, dtype=np.bool_), [
            Fault(f"must be true or false; found dtype {raw.dtype}", name)
        ]
    if kind in "fiu":
        numbers = raw.astype(np.float64)
        # What is too small for a double to hold precisely is nothing: no clearing of it could be proved.
        numbers[np.abs(numbers) < _SMALLEST] = 0.0
        return numbers, []
    return np.zeros(raw.shape), [Fault(f"must hold numbers; found dtype {raw.dtype}", name)]


def _is_missing(entry: object) -> bool:
    return entry is None or entry is pd.NA or entry is pd.NaT


def _fits(name: str, entry: Any) -> bool:
    boolean = isinstance(entry, (bool, np.bool_))
    return boolean if name == "allowed" else isinstance(entry, Real) and not boolean


def read_along(
    name: str, dim: str, keyword: Any, arrays: Iterable[InputArray], labels: pd.Index[Any], agreed: bool
) -> tuple[dict[Hashable, Any], list[Fault]]:
    """Find coordinates along assets or arcs.

    Parameters
    ----------
    name : str
        `asset_node`, `provider`, `origin`, `destination` or `owner`.
    dim : str
        `asset` or `arc`.
    keyword : object
        What the user gave by this name; None to read the arrays' coordinates.
    arrays : iterable of InputArray
        Arrays that may bring it as a coordinate.
    labels : Index
        The labels along `dim`.
    agreed : bool
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
        strange = [label for label in found if label not in labels] if agreed else []
        for label in strange[:_LISTED]:
            faults.append(Fault(unknown_name(dim, label, list(labels)), f"{name}[{str(label)!r}]"))
        return found, faults
    merged: dict[Hashable, Any] = {}
    faults, source = [], ""
    for array in arrays:
        if name not in array.along:
            continue
        place = f"{array.name}.{name}"
        own = array.labels.get(dim, labels)
        found, wrong = _by_label(place, dim, array.along[name], own)
        faults += wrong
        against = [label for label in found if label in merged and merged[label] != found[label]]
        if against:
            says = ", ".join(f"{str(found[label])!r} for {str(label)!r}" for label in against[:_LISTED])
            faults.append(
                Fault(f"says {says}, where {source} says {listed(merged[one] for one in against)}", place)
            )
        source = source or array.name
        merged = found | merged
    return merged, faults


def positions(
    name: str, dim: str, labels: pd.Index[Any], node_of: Mapping[Hashable, Any], nodes: pd.Index[Any]
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
    node_of : mapping
        The node of each label.
    nodes : Index
        The nodes.

    Returns
    -------
    positions : ndarray of int
        -1 where a node is unknown or missing.
    faults : list of Fault
        One for each unknown node.
    """
    place = {node: position for position, node in enumerate(nodes)}
    found = np.array([place.get(node_of.get(label), -1) for label in labels], dtype=np.int64)
    strange: dict[str, tuple[Hashable, Hashable]] = {}
    for label, node in node_of.items():
        if node not in place:
            strange.setdefault(str(node), (label, node))
    faults = [
        Fault(
            unknown_name("node", node, list(nodes)) + other_type(node, nodes), f"{name}[{dim}={str(label)!r}]"
        )
        for label, node in list(strange.values())[:_LISTED]
    ]
    if len(strange) > _LISTED:
        faults.append(Fault(f"{len(strange) - _LISTED} more unknown nodes", name))
    return found, faults


def gaps(name: str, dim: str, labels: pd.Index[Any], found: Mapping[Hashable, Any]) -> list[Fault]:
    """Find the assets or arcs without an entry."""
    lacking = [label for label in labels if label not in found]
    if not lacking:
        return []
    return [
        Fault(
            f"nothing is said for {dim} {listed(lacking)}: give `{name}` as a coordinate along `{dim}`", name
        )
    ]


def other_type(label: object, truth: pd.Index[Any]) -> str:
    """Return a hint where an unknown label looks like a known one of another type, as 1 and '1' do."""
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


def _entries(place: str, entries: Mapping[Hashable, Any]) -> tuple[dict[Hashable, Any], list[Fault]]:
    """Leave out missing entries, and refuse those that are no names."""
    strange = [label for label, entry in entries.items() if not isinstance(entry, Hashable)]
    if strange:
        return {}, [Fault(f"must name one thing each; not so for {listed(strange)}", place)]
    return {label: entry for label, entry in entries.items() if not _says_nothing(entry)}, []


def _says_nothing(entry: Any) -> bool:
    return bool(pd.api.types.is_scalar(entry) and pd.isna(entry))
