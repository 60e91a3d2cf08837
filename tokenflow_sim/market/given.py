"""One array as a user gives it -> labels and plain numbers, or the faults that it has by itself.

xarray DataArrays are the common case; pandas tables say the same for one or two dimensions and are taken too.
Anything that has no labels is refused, since numbers are never matched by position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.arrays import culprits, number_faults
from tokenflow_sim.variables import COORDINATES, MARKET

_SMALLEST = np.finfo(np.float64).tiny


@dataclass
class Given:
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


def take(name: str, value: Any, link_unit: str) -> tuple[Given | None, list[Fault]]:
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
    given : Given or None
        None where its dims or labels do not allow to compare it with other arrays.
    faults : list of Fault
        Of its type, dims, labels and numbers, all that can be told without looking at other arrays.
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
    return Given(name, dims, labels, numbers, numeric, along) if sound else None, faults


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
        told = ", ".join(needed) + (f"[, {optional}]" if optional else "")
        return [Fault(f"has dims ({', '.join(dims)}) where ({told}) are needed", name)]
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
