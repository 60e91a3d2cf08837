"""Files of results: NetCDF-4, written whole or not at all, opened lazily."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.disk import hidden_stem, machine, remove, temporary_name, writing
from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.lock import is_alive

FORMAT = "tokenflow_sim results"
FORMAT_VERSION = 1

_OWNER = re.compile(r"(?P<host>.+)-(?P<pid>[0-9]+)-[0-9a-f]{8}\.part(?:\.[a-z0-9]+)?")

COMPRESSION: dict[str, Any] = {"zlib": True, "complevel": 1, "shuffle": True}
"""Level 1 costs a third of level 4's time and saves nearly as much; every NetCDF reader knows zlib."""


def save_results(dataset: xr.Dataset, path: str | Path, force: bool = False) -> Path:
    """Write results to a NetCDF file, which appears whole or not at all.

    Parameters
    ----------
    dataset : Dataset
        What `TokenMarket.results` returned.
    path : str or Path
        The file to write.
    force : bool
        Whether to replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If there is such a file already and `force` is false, or it cannot be written.
    """
    target = Path(path)
    with whole_file(target, force) as temporary:
        encoding = {
            name: {**COMPRESSION, "_FillValue": None}
            for name, array in dataset.data_vars.items()
            if array.dtype.kind == "f"
        }
        dataset.to_netcdf(
            temporary,
            engine="netcdf4",
            encoding=encoding,
            unlimited_dims=["period"] if "period" in dataset.dims else None,
        )
    return target


def load_results(path: str | Path) -> xr.Dataset:
    """Open a result file; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        A file that `TokenMarket` or `save_results` wrote.

    Returns
    -------
    Dataset
        Lazy; close it, or use it in a ``with`` statement, to let go of the file.

    Raises
    ------
    ResultError
        If there is no such file, it is damaged, or it holds something else.
    """
    source = Path(path)
    if not source.is_file():
        if any((source / mark).is_file() for mark in ("zarr.json", ".zgroup")):
            raise ResultError(
                f"{source}: is the store of a study, not the file of a run: `tokenflow report {source}` shows it,"
                " tokenflow_sim.load_sweep opens it"
            )
        what = "is a folder" if source.is_dir() else "does not exist"
        near = (
            sorted(other.name for other in source.parent.glob("*.nc"))[:12] if source.parent.is_dir() else []
        )
        raise ResultError(f"{source}: {what}; result files in {source.parent}: {', '.join(near) or 'none'}")
    try:
        dataset = xr.open_dataset(source, engine="netcdf4")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ResultError(
            f"{source}: cannot be read as a result file ({error}); it is damaged, or no NetCDF-4 file at all"
        ) from error
    found, number = dataset.attrs.get("format"), dataset.attrs.get("format_version")
    if found != FORMAT or not isinstance(number, (int, np.integer)) or "period" not in dataset.dims:
        dataset.close()
        if study := dataset.attrs.get("study"):
            raise ResultError(
                f"{source}: is the file of a study ({study}), not of a run: `tokenflow report {source}` shows it,"
                " xarray.open_dataset reads it"
            )
        raise ResultError(
            f"{source}: is a NetCDF file, but not a result of tokenflow_sim (its attribute `format` is {found!r},"
            f" not {FORMAT!r}); `tokenflow run` writes such files"
        )
    if number > FORMAT_VERSION:
        dataset.close()
        raise ResultError(
            f"{source}: has format version {number}, this tokenflow_sim reads up to {FORMAT_VERSION}; it was"
            f" written by tokenflow_sim {dataset.attrs.get('tokenflow_sim_version', '(unknown)')}: update to that"
        )
    lost = [str(dim) for dim in dataset.dims if dim not in dataset.coords]
    if lost:
        dataset.close()
        raise ResultError(f"{source}: is damaged: it has no labels along {', '.join(lost)}")
    return dataset


def refuse_existing(path: Path, force: bool) -> None:
    """Refuse to overwrite.

    Raises
    ------
    ResultError
        If the file exists and `force` is false, its folder does not exist, or its name is too long.
    """
    with writing(path):
        if path.is_dir():
            raise ResultError(f"{path}: is a folder; name a file")
        if path.exists() and not force:
            raise ResultError(
                f"{path}: exists already; choose another name, or overwrite it with force (--force)"
            )
        if getattr(os.path, "isreserved", lambda _: False)(path):  # Windows: NUL.nc is no file
            raise ResultError(f"{path}: is a name that Windows keeps for itself; give another one")
        if not path.parent.is_dir():
            raise ResultError(f"{path}: its folder {path.parent} does not exist; make it first")


@contextmanager
def whole_file(path: Path, force: bool, ending: str = "") -> Iterator[Path]:
    """Give a name to write to, beside the file; on success it becomes the file, else it is removed.

    Parameters
    ----------
    path : Path
        The file.
    force : bool
        Whether to replace an existing one.
    ending : str
        What the name to write to ends in, for libraries that go by it, e.g. ``.gif``.

    Raises
    ------
    ResultError
        If the file exists and `force` is false, its folder does not exist, or it cannot be written.
    """
    refuse_existing(path, force)
    remove_stale(path)
    temporary = temporary_name(path, ending)
    try:
        with writing(path):
            yield temporary
        publish(temporary, path, force)
    finally:
        remove(temporary)


def remove_stale(path: Path) -> None:
    """Remove half-written files that processes of this machine left beside a file when they were killed."""
    stem = hidden_stem(path)
    for part in path.parent.glob(f".{glob.escape(stem)}.*.part*"):
        owner = _OWNER.fullmatch(part.name.removeprefix(f".{stem}."))
        if owner and owner["host"] == machine() and not is_alive(int(owner["pid"])):
            remove(part)


def publish(temporary: Path, path: Path, force: bool) -> None:
    """Give a finished file its name, in one step.

    Raises
    ------
    ResultError
        If the file exists and `force` is false.
    """
    with writing(path):
        if force:
            os.replace(temporary, path)
            return
        try:
            # Unlike a rename, a link never overwrites what another process put there meanwhile.
            os.link(temporary, path)
        except FileExistsError:
            raise ResultError(f"{path}: was written by somebody else meanwhile") from None
        except OSError:  # a file system without links
            refuse_existing(path, force)
            os.replace(temporary, path)
        else:
            temporary.unlink()
