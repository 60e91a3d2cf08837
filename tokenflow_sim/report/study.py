"""The report of a study: any table over labels such as strategies, seeds or swept values."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numerals import counted, significant
from tokenflow_sim.plot import registry
from tokenflow_sim.report.blocks import Block, Code, Facts, Note, Notes, Page, Section, Table
from tokenflow_sim.report.drawings import drawing
from tokenflow_sim.study.common import comparable
from tokenflow_sim.study.statistics import interval

REPLICATION = "seed"
"""The dim over which runs repeat one another, so that it gives means and intervals."""
CONFIDENCE = 0.95

_MOST_ROWS = 60
_MOST_COLUMNS = 10
_MOST_TABLES = 24
_LONG = 300  # characters of an attribute that is text of its own


def study_page(ds: xr.Dataset, file: str) -> Page:
    """Make the report of a study.

    Parameters
    ----------
    ds : Dataset
        What the study found: any variables over any dims. Along `seed` means are taken, with their intervals; where
        runs failed, over the seeds that all strategies or points finished.
    file : str
        What the file is called.
    """
    compared, note = comparable(ds, ds.attrs.get("baseline"))
    title = str(ds.attrs.get("title") or ds.attrs.get("study") or file)
    dims = ", ".join(f"{size:,} x {dim}" for dim, size in ds.sizes.items())
    sections = (
        Section("notes", "Notes", list(_notes(ds, note))),
        Section("figures", "Figures", list(_drawings(ds))),
        Section("tables", "Results", list(_tables(compared))),
        Section("run", "What was run", list(_provenance(ds, file))),
    )
    return Page(title, f"Study: {dims}" if dims else "Study", sections)


def mean_and_half(array: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return the mean over seeds and half the width of its confidence interval; None with fewer than two seeds.

    Notes
    -----
    Student's t at 95 %. Numbers that are missing are left out; the count that remains is used.
    """
    if REPLICATION not in array.dims:
        return array, None
    by_run = array.transpose(REPLICATION, ...)
    found = interval(by_run.values, CONFIDENCE)
    one = by_run.isel({REPLICATION: 0}, drop=True)
    mean = one.copy(data=found.mean)
    return mean, None if array.sizes[REPLICATION] < 2 else one.copy(data=found.upper - found.mean)


def _notes(ds: xr.Dataset, note: str) -> Iterator[Block]:
    items = []
    for name, array in ds.data_vars.items():
        if array.dtype.kind == "f" and (lost := int(array.isnull().sum())):
            items.append(Note("caution", f"{lost:,} of {array.size:,} numbers of {name} are missing."))
    if note:
        items.insert(0, Note("caution", f"{note[0].upper()}{note[1:]}."))
    if failed := _failed(ds):
        items.insert(0, Note("problem", failed))
    if items:
        yield Notes(items)


def _failed(ds: xr.Dataset) -> str:
    """Say how many runs failed, and the first cause; empty where none did."""
    if "status" in ds and "message" in ds:
        ended, messages = ds["status"].values.ravel(), ds["message"].values.ravel()
        causes = [str(text) for text in messages[(ended != "done") & (ended != "missing")]]
        return f"{len(causes)} of {ended.size} runs failed. The first: {causes[0]}" if causes else ""
    failures = ds.attrs.get("failures")
    if not isinstance(failures, str) or failures in ("", "[]", "{}", "null"):
        return ""
    try:
        (_, kind, message), *others = json.loads(failures)
    except (ValueError, TypeError):  # of a file of another program's making
        return f"Some runs failed: {failures}"
    return f"{counted(1 + len(others), 'run')} failed. The first: {kind}: {message}"


def _drawings(ds: xr.Dataset) -> Iterator[Block]:
    entries = registry.entries()
    for name in registry.figures(ds):
        if not entries[name].is_own:
            continue
        try:
            yield drawing(name, entries[name].summary, entries[name].draw, ds)
        except ResultError:  # a figure of single runs, which share names of variables with studies
            continue


def _tables(ds: xr.Dataset) -> Iterator[Block]:
    numbers = {name: array for name, array in ds.data_vars.items() if array.dtype.kind in "fiub"}
    shapes: dict[tuple[Hashable, ...], list[Hashable]] = {}
    for name, array in numbers.items():
        shapes.setdefault(tuple(dim for dim in array.dims if dim not in (REPLICATION, "period")), []).append(
            name
        )
    shown = 0
    for dims, names in shapes.items():
        arrays = [_over_periods(numbers[name].load()) for name in names]
        if not dims:
            yield _single(arrays)
        elif len(dims) == 1:
            for start in range(0, len(arrays), _MOST_COLUMNS):
                yield _side_by_side(str(dims[0]), arrays[start : start + _MOST_COLUMNS])
        else:
            for array in arrays:
                for table in _crossed(array, dims):
                    if shown < _MOST_TABLES:
                        yield table
                    shown += 1
    if shown > _MOST_TABLES:
        yield Notes(
            [Note("note", f"{shown - _MOST_TABLES:,} more tables are in the file and not shown here.")]
        )


def _over_periods(array: xr.DataArray) -> xr.DataArray:
    if "period" not in array.dims:
        return array
    mean = array.mean("period", skipna=True)
    return mean.assign_attrs(
        array.attrs | {"long_name": f"{array.attrs.get('long_name', array.name)}, mean over periods"}
    )


def _single(arrays: Sequence[xr.DataArray]) -> Facts:
    items = []
    for array in arrays:
        mean, half = mean_and_half(array)
        items.append((_named(array), _cell(float(mean), None if half is None else float(half))))
    return Facts(items)


def _side_by_side(dim: str, arrays: Sequence[xr.DataArray]) -> Table:
    labels = _labels(arrays[0], dim)
    columns = []
    for array in arrays:
        mean, half = mean_and_half(array)
        halves: Any = [None] * mean.size if half is None else half.to_numpy()
        columns.append(
            [_cell(float(value), part) for value, part in zip(mean.to_numpy(), halves, strict=True)]
        )
    rows = [[label, *cells] for label, *cells in zip(labels, *columns, strict=True)]
    note = f"The first {_MOST_ROWS} of {len(rows):,}. " if len(rows) > _MOST_ROWS else ""
    heads = [dim, *(_headed(array) for array in arrays)]
    return Table(f"By {dim}", heads, rows[:_MOST_ROWS], note=note + _interval_note(arrays))


def _crossed(array: xr.DataArray, dims: tuple[Hashable, ...]) -> Iterator[Table]:
    """Give a table of the last two dims for each label of the dims before, the longer one downwards."""
    *outer, first, second = sorted(dims, key=lambda dim: array.sizes[dim])
    row, column = second, first
    mean, half = mean_and_half(array)
    for labels in product(*(range(array.sizes[dim]) for dim in outer)):
        place = dict(zip(outer, labels, strict=True))
        at_place = ", ".join(f"{dim} {_labels(array, dim)[at]}" for dim, at in place.items())
        values = mean.isel(place).transpose(row, column)
        halves = None if half is None else half.isel(place).transpose(row, column).to_numpy()
        width, height = min(values.sizes[column], _MOST_COLUMNS), min(values.sizes[row], _MOST_ROWS)
        rows = [
            [
                _labels(array, row)[i],
                *(_cell(float(values[i, j]), None if halves is None else halves[i, j]) for j in range(width)),
            ]
            for i in range(height)
        ]
        note = _interval_note([array])
        if (height, width) != values.shape:
            note = f"The first {height} x {width} of {values.shape[0]:,} x {values.shape[1]:,}. {note}"
        caption = _named(array) + (f"; {at_place}" if at_place else "")
        heads = [f"{row} \\ {column}", *_labels(array, column)[:width]]
        yield Table(caption, heads, rows, note=note)


def _provenance(ds: xr.Dataset, file: str) -> Iterator[Block]:
    short, long = [("File", file)], []
    for key, value in ds.attrs.items():
        text = str(value)
        if len(text) > _LONG or "\n" in text:
            long.append(Code(text, summary=str(key)))
        elif text and key not in ("title", "format", "format_version", "failures"):
            short.append((str(key).replace("_", " "), text))
    short += [(f"along {dim}", _listed(_labels_of(ds, dim))) for dim in ds.sizes]
    yield Facts(short)
    yield from long


def _labels(array: xr.DataArray, dim: Hashable) -> list[str]:
    return [_label(value) for value in array[dim].to_numpy()]


def _labels_of(ds: xr.Dataset, dim: Hashable) -> list[str]:
    return [_label(value) for value in ds[dim].to_numpy()]


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _listed(labels: list[str]) -> str:
    if len(labels) <= 12:
        return ", ".join(labels)
    return f"{', '.join(labels[:5])}, ..., {labels[-1]} ({counted(len(labels), 'label')})"


def _cell(value: float, half: float | None) -> str:
    if half is None or not np.isfinite(half):
        return significant(value)
    return f"{significant(value)} ± {significant(float(half), 2)}"


def _named(array: xr.DataArray) -> str:
    name, unit = str(array.attrs.get("long_name", array.name)), str(array.attrs.get("units", ""))
    name = name.replace("_", " ")
    return f"{name} [{unit}]" if unit not in ("", "1") else name


def _headed(array: xr.DataArray) -> str:
    name, unit = str(array.name).replace("_", " "), str(array.attrs.get("units", ""))
    return f"{name}\n{unit}" if unit not in ("", "1") else name


def _interval_note(arrays: Sequence[xr.DataArray]) -> str:
    seeds = max((array.sizes.get(REPLICATION, 0) for array in arrays), default=0)
    if seeds < 2:
        return ""
    return f"Means over {seeds} seeds ± half of the 95 % confidence interval (Student's t)."
