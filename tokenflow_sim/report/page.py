"""From a result file to one HTML page that needs nothing beside itself."""

from __future__ import annotations

import re
from base64 import b64encode
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.report.blocks import Page
from tokenflow_sim.results import load_results
from tokenflow_sim.results.files import FORMAT, refuse_existing, whole_file
from tokenflow_sim.study.zarr_files import NOTES, open_store

# Control characters, halves of surrogate pairs and non-characters: HTML may not hold them, a foreign file may.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)

_MARKS = {"scenario", "study", "tokenflow_sim_version"}
"""Attributes that studies leave in their results."""


def render(source: xr.Dataset | str | Path, file: str = "") -> str:
    """Make the report of a run, a comparison or a sweep.

    Parameters
    ----------
    source : Dataset, str or Path
        Results of a run or of a study, or the file that holds them.
    file : str
        What the page calls the file; the name of `source` if left out.

    Returns
    -------
    str
        One HTML page: figures are inside, no network and no scripts are needed.

    Raises
    ------
    ResultError
        If there is no such file, or it holds something else, or the extra of reports is not installed.
    """
    # Before any work: a missing extra should not be reported after a minute of drawing.
    template = _template()
    if isinstance(source, xr.Dataset):
        return _filled(template, page(source, file or "run.nc"))
    with open_results(Path(source)) as ds:
        return _filled(template, page(ds, file or str(source)))


def write_report(source: xr.Dataset | str | Path, out: str | Path, *, force: bool = False) -> Path:
    """Write the report of a run, a comparison or a sweep to a file, whole or not at all.

    Parameters
    ----------
    source : Dataset, str or Path
        Results of a run or of a study, or the file that holds them.
    out : str or Path
        The HTML file to write.
    force : bool
        Whether to replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        As `render` does, and if the file exists and `force` is false, or cannot be written.
    """
    target = Path(out)
    refuse_existing(target, force)
    return save_page(render(source), target, force=force)


def save_page(text: str, target: Path, *, force: bool) -> Path:
    """Write a page to a file, whole or not at all.

    Raises
    ------
    ResultError
        If the file exists and `force` is false, or cannot be written.
    """
    with whole_file(target, force) as draft:
        draft.write_text(text, encoding="utf-8")
    return target


def page(ds: xr.Dataset, file: str) -> Page:
    """Return what the report of these results says, before it is laid out.

    Raises
    ------
    ResultError
        If these are no results of this package.
    """
    if ds.attrs.get("format") == FORMAT and set(ds.dims) >= {"period", "node", "workload"}:
        from tokenflow_sim.report.run import run_page

        return run_page(ds, file)
    from tokenflow_sim.report.study import study_page

    return study_page(ds, file)


def _template() -> Any:
    try:
        jinja2 = import_module("jinja2")
    except ModuleNotFoundError as error:
        raise ResultError('a report needs jinja2: pip install "tokenflow-sim[report]"') from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tokenflow_sim.report"),
        autoescape=True,  # names come from files of anybody
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["saved"] = lambda text: (
        f"data:text/plain;charset=utf-8;base64,{b64encode(text.encode()).decode()}"
    )
    return environment.get_template("page.html")


def _filled(template: Any, content: Page) -> str:
    return _FORBIDDEN.sub("\ufffd", template.render(page=content, version=version("tokenflow-sim")))


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
        return load_results(source)  # which reports what the file is instead
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
