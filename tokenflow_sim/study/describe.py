"""Summary statistics of many runs, without holding them all in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

Array = np.ndarray[Any, Any]
MOMENTS = ("mean", "std", "count")


def described(array: xr.DataArray, over: Sequence[str], quantiles: Sequence[float]) -> xr.DataArray:
    """Return mean, standard deviation, count and quantiles along some dims, NaNs left out.

    Parameters
    ----------
    array : DataArray
        The numbers; where they are lazy, so is the answer, and they are read a piece of the other dims at a time.
    over : sequence of str
        The dims to summarise over; with none, the array is returned as it is.
    quantiles : sequence of float
        Which quantiles; linear between order statistics (type 7 of Hyndman and Fan, 1996).

    Returns
    -------
    DataArray
        With a last dim ``statistic``: mean, std (of a sample: one less in the denominator), count, q5, q50, ...
    """
    if not over:
        return array
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(over, -1))  # a quantile needs all the numbers that it is of
    names = [*MOMENTS, *(f"q{100 * q:g}" for q in quantiles)]
    found: xr.DataArray = xr.apply_ufunc(
        _describe,
        array,
        kwargs={"dims": len(over), "quantiles": tuple(quantiles)},
        input_core_dims=[list(over)],
        output_core_dims=[["statistic"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"statistic": len(names)}},
    )
    return found.assign_coords(statistic=names).assign_attrs(array.attrs)


def _describe(values: Array, dims: int, quantiles: tuple[float, ...]) -> Array:
    """Describe the numbers along the last so many dims."""
    rows = np.sort(values.reshape(*values.shape[: values.ndim - dims], -1), axis=-1)  # NaNs come last
    there = ~np.isnan(rows)
    count = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, rows, 0.0).sum(axis=-1) / count
        squares = np.where(there, (rows - mean[..., None]) ** 2, 0.0).sum(axis=-1)
        std = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    parts = [mean, std, count.astype(float)]
    for q in quantiles:
        place = q * np.maximum(count - 1, 0)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below, above = (np.take_along_axis(rows, at[..., None], axis=-1)[..., 0] for at in (low, high))
        parts.append(below + (place - low) * (above - below))
    return np.stack(parts, axis=-1)
