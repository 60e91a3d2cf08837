"""The files of a study's Zarr store: what they are before the first run, and how they are opened."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.disk import is_begun, write_whole
from tokenflow_sim.errors import ResultError
from tokenflow_sim.study.frame import DatasetShape
from tokenflow_sim.study.journal import Journal
from tokenflow_sim.variables import MEASURES

ZARR_FORMAT = 2  # every reader knows it, and text has a settled form there

_CHUNK_NUMBERS = 500_000


def write_layout(zarr: Any, folder: Path, frame: DatasetShape, attrs: Mapping[str, Any]) -> None:
    """Write coordinates and arrays without any values to a folder.

    Parameters
    ----------
    zarr : module
        Zarr.
    folder : Path
        Where.
    frame : DatasetShape
        The shape of the results.
    attrs : mapping
        Attributes of the Dataset.
    """
    runs = tuple(frame.runs)
    coords = frame.coordinates().assign_attrs({**attrs, "complete": 0})
    packing = {
        name: {**array.encoding, "compressors": (compressor(),)} for name, array in coords.coords.items()
    }
    coords.to_zarr(folder, mode="w", zarr_format=ZARR_FORMAT, consolidated=False, encoding=packing)
    group = zarr.open_group(folder, mode="r+", zarr_format=ZARR_FORMAT)
    for name in frame.variables:
        shape = frame.shape(name)
        single = (1,) * len(runs)
        chunks = tuple(frame.runs.values()) + shape if name in MEASURES else single + chunks_of(shape)
        group.create_array(
            name,
            shape=tuple(frame.runs.values()) + shape,
            chunks=tuple(max(1, size) for size in chunks),
            dtype="float64",
            fill_value=np.nan,
            compressors=compressor(),
            attributes={
                "_ARRAY_DIMENSIONS": [*runs, *frame.dims[name]],
                "coordinates": " ".join(_beside(coords, {*runs, *frame.dims[name]})),
                **frame.attrs[name],
            },
        )


def consolidate(path: Path, without: Sequence[str] = ()) -> None:
    """Gather the metadata of all arrays in one file, in one step, by which the store is opened.

    Zarr's own function warns of the folder with the journal, which is no array.
    """
    files = [
        file
        for folder in (path, *sorted(path.iterdir()))
        if folder.name not in without
        for file in (folder / ".zarray", folder / ".zattrs")
    ]
    files = [path / ".zgroup", *(file for file in files if file.is_file())]
    gathered = {}
    for file in files:
        try:
            gathered[file.relative_to(path).as_posix()] = json.loads(file.read_bytes())
        except ValueError as error:
            raise ResultError(f"{file}: is damaged ({error}); start the study over (--force)") from None
    content = {"zarr_consolidated_format": 1, "metadata": gathered}
    write_whole(path / ".zmetadata", json.dumps(content, indent=1).encode())


def compressor() -> Any:
    """Return a compressor whose chunks carry a checksum, so that readers notice damage; Zarr's own does not."""
    return importlib.import_module("numcodecs").Zstd(level=0, checksum=True)


def chunks_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunks of one run of a variable: whole, or some periods of it where that would be large."""
    if not shape:
        return ()
    rest = max(1, int(np.prod(shape[1:])))
    return (max(1, min(shape[0], _CHUNK_NUMBERS // rest)), *shape[1:])


def _beside(coords: xr.Dataset, dims: set[str]) -> list[str]:
    """Return the coordinates that are no dims themselves, of those dims."""
    return [
        str(name)
        for name, array in coords.coords.items()
        if name not in array.dims and set(map(str, array.dims)) <= dims
    ]


def open_arrays(zarr: Any, path: Path, frame: DatasetShape) -> dict[str, Any]:
    """Open the arrays of a store for writing.

    Raises
    ------
    ResultError
        If one of them is missing or damaged.
    """
    try:
        group = zarr.open_group(path, mode="r+", zarr_format=ZARR_FORMAT)
        return {name: group[name] for name in frame.variables}
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ResultError(f"{path}: cannot be read as Zarr ({error}); start over (--force)") from error


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
    return all(map(is_begun, found))


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
        The store that a study wrote.

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
        what = "it is damaged: resume the study (--resume), or start over (--force)"
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
        dataset = _with_checked_reads(dataset, source)
    except _UNREADABLE as error:
        raise ResultError(
            f"{source}: the description of an array is damaged ({error}); resume the study (--resume), or start over"
            " (--force)"
        ) from error
    return dataset if dataset.attrs.get("complete") else _overlaid(dataset, source)


class _CheckedArray:
    """An array of a store whose reads name the damaged values and the remedy.

    Parameters
    ----------
    array : zarr.Array
        The array.
    place : Path
        Where it is, for the message.
    """

    def __init__(self, array: Any, place: Path) -> None:
        self.array, self.place = array, place
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: Any) -> Any:
        """Read a slice.

        Raises
        ------
        ResultError
            If a chunk of it is damaged: its checksum or its length is wrong.
        """
        try:
            return self.array[key]
        except (OSError, RuntimeError, ValueError) as error:
            raise ResultError(
                f"{self.place}: values there are damaged ({error}); resume the study (--resume), which plays damaged"
                " runs again"
            ) from error


def _with_checked_reads(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Replace the variables of a Dataset by arrays that report damage.

    Measures are small and read at once, unless the journal replaces them. Whatever else a run recorded is read in the
    chunks in which it is stored, when it is used; at once where Dask is not installed.
    """
    group = zarr_module().open_group(path, mode="r", zarr_format=2)
    replaced, complete = {}, bool(dataset.attrs.get("complete"))
    for name, held in dataset.data_vars.items():
        if name in MEASURES and not complete:
            continue
        array = group[str(name)]
        checked = _CheckedArray(array, path / str(name))
        values = checked[...] if name in MEASURES else _lazily(checked, array.chunks)
        replaced[name] = xr.Variable(held.dims, values, held.attrs)
    return dataset.assign(replaced)


def _lazily(array: _CheckedArray, chunks: tuple[int, ...]) -> Any:
    try:
        da: Any = importlib.import_module("dask.array")
    except ImportError:
        return array[...]
    # Without `fancy`, Dask asks for slices alone, which is all that the array takes.
    meta = np.empty((0,) * array.ndim, array.dtype)
    return da.from_array(array, chunks=chunks, name=False, fancy=False, meta=meta)


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
