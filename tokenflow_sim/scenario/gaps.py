"""Filling steps without a value, as a scenario says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats


def filled(values: Floats, edges: NDArray[np.int64] | None, how: str | float) -> Floats:
    """Fill what is empty between the first and the last value of each column.

    Parameters
    ----------
    values : ndarray
        One row a step; NaN is empty.
    edges : ndarray or None
        Begin of each step and the end of the last; None for steps of one length.
    how : {'hold', 'interpolate'} or float
        Repeat the last value; go straight from the middle of the step before to that of the step after; or a number.

    Returns
    -------
    ndarray
        What lies before the first value stays empty, unless a number is given.
    """
    if not np.isnan(values).any():
        return values
    flat = values.reshape(len(values), -1).copy()
    if not isinstance(how, str):
        flat[np.isnan(flat)] = how
        return flat.reshape(values.shape)
    middle = (
        np.arange(len(flat), dtype=float) if edges is None else (edges[:-1] - edges[0] + np.diff(edges) / 2)
    )
    for column in np.flatnonzero(np.isnan(flat).any(axis=0)):
        has = np.flatnonzero(~np.isnan(flat[:, column]))
        if not has.size:
            continue
        empty = np.flatnonzero(np.isnan(flat[:, column]))
        empty = empty[empty > has[0]] if how == "hold" else empty[(empty > has[0]) & (empty < has[-1])]
        if how == "hold":
            flat[empty, column] = flat[has[np.searchsorted(has, empty) - 1], column]
        else:
            flat[empty, column] = np.interp(middle[empty], middle[has], flat[has, column])
    return flat.reshape(values.shape)


def beyond_ends(values: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> str:
    """Say, where empty steps lie before the first or after the last value of their column, what fills those.

    Parameters
    ----------
    values : ndarray
        One row a step; NaN is empty.
    rows, columns : ndarray
        Where the empty ones are, the dims after the first taken as one.
    """
    known = ~np.isnan(values).reshape(len(values), -1)
    heads, tails = known.argmax(axis=0), len(known) - 1 - known[::-1].argmax(axis=0)
    is_outside = ~known.any(axis=0)[columns] | (rows < heads[columns]) | (rows > tails[columns])
    if not is_outside.any():
        return ""
    return (
        " (before the first and after the last value of a column, `interpolate` fills nothing, and `hold` only what"
        " comes after; a number fills both)"
    )
