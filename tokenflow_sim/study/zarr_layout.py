"""What a study's Zarr store looks like before its first run: coordinates, arrays and their chunks."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.files import write_whole
from tokenflow_sim.study.frame import Frame
from tokenflow_sim.variables import MEASURES

ZARR_FORMAT = 2  # every reader knows it, and text has a settled form there

_CHUNK_NUMBERS = 500_000


def write_layout(zarr: Any, folder: Path, frame: Frame, attrs: Mapping[str, Any]) -> None:
    """Write coordinates and arrays without any values to a folder.

    Parameters
    ----------
    zarr : module
        Zarr.
    folder : Path
        Where.
    frame : Frame
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
            raise ResultError(f"{file}: is damaged ({error}); start the study anew (--force)") from None
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


def open_arrays(zarr: Any, path: Path, frame: Frame) -> dict[str, Any]:
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
        raise ResultError(f"{path}: cannot be read as Zarr ({error}); start anew (--force)") from error
