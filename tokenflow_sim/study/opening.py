"""Opening what a study wrote, finished or not, without reading it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from tokenflow_sim.errors import ResultError
from tokenflow_sim.study.journal import Journal
from tokenflow_sim.variables import MEASURES

_UNREADABLE = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError)
"""What Zarr and xarray raise where metadata or chunks are damaged."""
FORMAT = "tokenflow_sim study"
FORMAT_VERSION = 1
NOTES = ".tokenflow"
"""The hidden folder of a store with its journal."""
BEGUN = "begun"
"""A file in it while a store is begun, which is when an older one in its place is removed."""


def zarr_module() -> Any:
    """Import Zarr.

    Raises
    ------
    ResultError
        If it is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise ResultError(
            f'studies are kept as Zarr, which is not installed ({error}): pip install "tokenflow-sim[study]"'
        ) from error
    return zarr


def is_blank(path: Path) -> bool:
    """Say whether nothing is in a folder but what a process left that was killed before it had begun."""
    if not path.is_dir():
        return False
    found = [part for part in path.iterdir() if part.name != NOTES]
    if (path / NOTES).is_dir():
        found += (path / NOTES).iterdir()
    return all(part.name.startswith(".") and part.suffix in {".part", ".partial"} for part in found)


def is_ours(path: Path) -> bool:
    """Say whether a folder is the store of a study, begun or damaged perhaps, or blank: it may be replaced."""
    if is_blank(path) or any((path / NOTES / name).is_file() for name in ("study.json", BEGUN)):
        return True
    try:
        attrs = json.loads((path / ".zattrs").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(attrs, dict) and attrs.get("format") == FORMAT


def open_store(path: str | Path) -> xr.Dataset:
    """Open the results of a study, finished or not; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        What a study was told to write.

    Returns
    -------
    Dataset
        Lazy. Of an unfinished study, runs that are missing are NaN and their `status` is ``missing``.

    Raises
    ------
    ResultError
        If there is no such store, it is damaged, or it holds something else.
    """
    zarr_module()
    source = Path(path)
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        near = (
            sorted(other.name for other in source.parent.glob("*.zarr"))[:12]
            if source.parent.is_dir()
            else []
        )
        raise ResultError(f"{source}: {what}; studies in {source.parent}: {', '.join(near) or 'none'}")
    try:
        dataset = xr.open_dataset(source, engine="zarr", chunks=None, consolidated=True)
    except _UNREADABLE as error:
        what = "it is damaged: resume the study (--resume), or start anew (--force)"
        raise ResultError(
            f"{source}: cannot be read as a study ({error});"
            f" {what if (source / NOTES).is_dir() else 'it is damaged, or no Zarr store'}"
        ) from error
    if dataset.attrs.get("format") != FORMAT:
        raise ResultError(
            f"{source}: is a Zarr store, but no study of tokenflow_sim (its attribute `format` is"
            f" {dataset.attrs.get('format')!r}, not {FORMAT!r})"
        )
    if int(dataset.attrs.get("format_version", 0)) > FORMAT_VERSION:
        raise ResultError(
            f"{source}: has format version {dataset.attrs['format_version']}, this tokenflow_sim reads up to"
            f" {FORMAT_VERSION}; it was written by {dataset.attrs.get('versions')}: update to that"
        )
    try:
        dataset = _guarded(dataset, source)
    except _UNREADABLE as error:
        raise ResultError(
            f"{source}: the description of an array is damaged ({error}); resume the study (--resume), or start anew"
            " (--force)"
        ) from error
    if not dataset.attrs.get("complete"):
        return _overlaid(dataset, source)
    for name in dataset:
        if name in MEASURES:
            dataset[name] = dataset[name].load()
    return dataset


class _Guarded(BackendArray):
    """An array of a store that tells what to do where values of it are damaged.

    Parameters
    ----------
    array : zarr.Array
        The array.
    place : Path
        Where it is, for the message.
    """

    def __init__(self, array: Any, place: Path) -> None:
        self.array, self.place = array, place
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read what an indexer wants."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        try:
            return self.array.oindex[key]
        except (OSError, RuntimeError, ValueError) as error:
            raise ResultError(
                f"{self.place}: values there are damaged ({error}); resume the study (--resume), which plays damaged"
                " runs again"
            ) from error


def _guarded(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Let every array tell where values of it are damaged; in chunks as they are stored where Dask is installed."""
    group, chunked = zarr_module().open_group(path, mode="r", zarr_format=2), _has_dask()
    guarded = {}
    for name, held in dataset.variables.items():
        if name in dataset.coords:
            continue
        array = group[str(name)]
        lazy = indexing.LazilyIndexedArray(_Guarded(array, path / str(name)))
        variable = xr.Variable(held.dims, lazy, held.attrs)
        if chunked and name not in MEASURES:
            variable = variable.chunk(dict(zip(held.dims, array.chunks, strict=True)))
        guarded[name] = variable
    return dataset.assign(guarded)


def _has_dask() -> bool:
    try:
        import dask.array  # noqa: F401
    except ImportError:
        return False
    return True


def _overlaid(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Take measures and statuses of an unfinished study from its journal: its arrays may lag behind."""
    lines = Journal(path / NOTES / "journal.jsonl").read()
    runs = [str(dim) for dim in json.loads(dataset.attrs["runs"])]
    shape = tuple(dataset.sizes[dim] for dim in runs)
    status = np.full(shape, "missing", dtype="<U10")
    texts: dict[Any, str] = {}
    values = {name: np.full(dataset[name].shape, np.nan) for name in MEASURES if name in dataset}
    for line in lines:
        if not 0 <= line["position"] < status.size:
            continue  # damaged, though it can be read
        place = np.unravel_index(line["position"], shape)
        status[place] = line["status"]
        if line["status"] == "done":
            for name, found in line["measures"].items():
                values[name][place] = np.array(found, dtype=float)
        else:
            texts[place] = f"{line['kind']}: {line['message']}"
    message = np.full(shape, "", dtype=f"<U{max([1, *map(len, texts.values())])}")
    for place, text in texts.items():
        message[place] = text
    for name, array in values.items():
        dataset[name] = dataset[name].copy(data=array)
    dataset["status"] = (runs, status, {"long_name": "how the run ended"})
    dataset["message"] = (runs, message, {"long_name": "what the run said where it failed"})
    return dataset
