"""Opening what a report is made of: the file of a run or a study, or the store of a sweep."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.results import load_results
from tokenflow_sim.results.files import FORMAT
from tokenflow_sim.study.opening import NOTES, open_store

_MARKS = {"scenario", "study", "tokenflow_sim_version"}
"""Attributes that studies leave in their results."""


def open_results(source: Path) -> xr.Dataset:
    """Open results of a run or a study; values are read when they are used.

    Parameters
    ----------
    source : Path
        A NetCDF file, or a Zarr store.

    Raises
    ------
    ResultError
        If there is no such file, it is damaged, holds something else, or needs an extra that is not installed.
    """
    if source.suffix == ".zarr":
        return _open_store(source)
    if not source.is_file():
        return load_results(source)  # which says what is there instead
    try:
        ds = xr.open_dataset(source, engine="netcdf4")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ResultError(
            f"{source}: cannot be read as results ({error}); it is damaged, or no NetCDF-4 file at all"
        ) from error
    if ds.attrs.get("format") == FORMAT or not is_study(ds):
        ds.close()
        return load_results(source)  # which says what is wrong with it
    return ds


def is_study(ds: xr.Dataset) -> bool:
    """Return whether a Dataset says that a study of this package made it."""
    said = str(ds.attrs.get("format", ""))
    return said.startswith("tokenflow_sim") or not _MARKS.isdisjoint(ds.attrs)


def _open_store(source: Path) -> xr.Dataset:
    if not source.is_dir():
        raise ResultError(f"{source}: there is no such Zarr store; `tokenflow sweep` writes them")
    if find_spec("zarr") is None:
        raise ResultError(f'{source}: a Zarr store needs zarr: pip install "tokenflow-sim[study]"')
    if (source / NOTES).is_dir():
        return open_store(source)  # a sweep's, which may be unfinished
    try:
        ds: xr.Dataset = xr.open_zarr(source, chunks=None, consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise ResultError(f"{source}: cannot be read as a Zarr store ({error})") from error
    if not is_study(ds):
        ds.close()
        raise ResultError(f"{source}: is a Zarr store, but no results of tokenflow_sim")
    return ds
