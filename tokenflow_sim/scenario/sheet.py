"""Files and objects of other tools -> one table of columns, with the line of each row."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.scenario.tables import Note, Table, from_records, read_csv

MISSING = ("", "nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "None")
"""What files write where there is no number."""


@dataclass
class Sheet:
    """A table of columns.

    Parameters
    ----------
    frame : DataFrame
        Its columns; times, nodes and classes among them, where it is long.
    lines : ndarray or None
        The line of each row of a text file.
    units : str or None
        The unit that the data itself states.
    time, axis : str or None
        The column of times, and that of period numbers, where the data itself says which.
    index : Index or None
        An index without a name.
    separator : str
        What parts the cells of a text file.
    is_unnamed : bool
        Whether its only column of numbers is of a Series or DataArray without a name.
    """

    frame: pd.DataFrame
    lines: NDArray[np.int64] | None = None
    units: str | None = None
    time: str | None = None
    axis: str | None = None
    index: pd.Index[Any] | None = None
    separator: str = ","
    is_unnamed: bool = False

    def line(self, row: int) -> int | None:
        """Return the line of a row, if it has one."""
        return None if self.lines is None else int(self.lines[row])


def is_table(value: object) -> bool:
    """Whether a value is a DataFrame, a Series or a DataArray."""
    return isinstance(value, (pd.DataFrame, pd.Series, xr.DataArray))


def table_label(value: pd.DataFrame | pd.Series | xr.DataArray) -> str:
    """Return what a study calls a table: its name, or a digest of what it holds."""
    name = value.attrs.get("name", None if isinstance(value, pd.DataFrame) else value.name)
    if name:
        return str(name)
    frame = from_object(value).frame
    digest = hashlib.sha256(repr(list(frame.columns)).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return f"table {digest.hexdigest()[:8]}"


def records(value: pd.DataFrame | pd.Series | xr.DataArray, key: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table object as mappings, its named index among the columns; empty cells are left out.

    Parameters
    ----------
    value : DataFrame, Series or DataArray
        The table.
    key : str, optional
        What an index without a name stands for; without it, such an index does not count.

    Raises
    ------
    ValueError
        If it is no table of rows.
    """
    sheet = from_object(value)
    frame = sheet.frame
    if key is not None and key not in frame.columns and sheet.index is not None:
        numbers = pd.api.types.is_integer_dtype(sheet.index.dtype)
        if not numbers or key == "hour":
            frame = frame.assign(**{key: sheet.index.to_numpy()})
    columns = [str(column) for column in frame.columns]
    rows = zip(*(_plain_column(frame.iloc[:, number]) for number in range(len(columns))), strict=True)
    return [
        {column: cell for column, cell in zip(columns, row, strict=True) if cell is not None} for row in rows
    ]


def _plain_column(column: pd.Series) -> list[Any]:
    """Return a column as Python objects, None where it has nothing."""
    empty = column.isna().to_numpy()
    cells = column.astype(object).tolist()
    return [None if bare else cell.item() if isinstance(cell, np.generic) else cell
            for bare, cell in zip(empty, cells, strict=True)]  # fmt: skip


def from_object(value: pd.DataFrame | pd.Series | xr.DataArray) -> Sheet:
    """Make a sheet of a DataFrame, a Series or a DataArray.

    Raises
    ------
    ValueError
        If it cannot be one table.
    """
    if isinstance(value, xr.DataArray):
        return _from_array(value)
    units = value.attrs.get("units", value.attrs.get("unit"))
    if isinstance(value, pd.Series):
        name = value.name if value.name is not None else "value"
        frame = value.to_frame(name)
    else:
        frame = value
    if isinstance(frame.index, pd.PeriodIndex):
        frame = frame.set_axis(frame.index.to_timestamp(), axis=0)
    if isinstance(frame.columns, pd.MultiIndex):
        frame = frame.set_axis(pd.Index(list(frame.columns), tupleize_cols=False), axis=1)
    time = axis = nameless = None
    index = frame.index
    if isinstance(index, pd.MultiIndex):
        frame = frame.reset_index()
    elif isinstance(index, pd.DatetimeIndex):
        time = str(index.name or "time")
        frame = frame.rename_axis(time).reset_index()
    elif index.name is not None:
        axis = "period" if index.name == "period" else None
        frame = frame.reset_index()
    else:
        nameless = index
        frame = frame.reset_index(drop=True)
    spans = {
        number: frame.iloc[:, number].dt.to_timestamp()
        for number, kind in enumerate(frame.dtypes)
        if isinstance(kind, pd.PeriodDtype)
    }
    for number, column in spans.items():  # a period begins where its timestamp is
        frame.isetitem(number, column)
    frame.columns = pd.Index(
        [column if isinstance(column, tuple) else str(column) for column in frame.columns],
        tupleize_cols=False,
    )
    if not frame.columns.is_unique:
        raise ValueError(f"repeats column {frame.columns[frame.columns.duplicated()][0]!r}")
    return Sheet(
        frame,
        units=None if units is None else str(units),
        time=time,
        axis=axis,
        index=nameless,
        is_unnamed=isinstance(value, pd.Series) and value.name is None,
    )


def _from_array(array: xr.DataArray) -> Sheet:
    """Make a wide sheet of dims (time or period, node[, workload])."""
    first = next((str(dim) for dim in array.dims if dim in ("time", "period")), None)
    if first is None:
        first = next((str(d) for d in array.dims if array.coords.get(d) is not None
                      and array.coords[d].dtype.kind == "M"), None)  # fmt: skip
    if first is None:
        raise ValueError(
            f"needs a dim `time` or `period`; it has {', '.join(map(str, array.dims)) or 'none'}"
        )
    rest = [dim for dim in ("node", "workload") if dim in array.dims]
    odd = [str(dim) for dim in array.dims if dim not in (first, *rest)]
    if odd:
        raise ValueError(f"has a dim {odd[0]!r}; a series has dims (time or period, node, workload)")
    array = array.transpose(first, *rest)
    labels: list[Any] = [str(array.name or "value")]
    if rest:
        labels = [str(label) for label in array[rest[0]].values]
        if len(rest) == 2:
            labels = [(node, str(name)) for node in labels for name in array["workload"].values]
    values = np.asarray(array.values).reshape(array.sizes[first], -1)
    frame = pd.DataFrame(values, columns=pd.Index(labels, tupleize_cols=False))
    units = array.attrs.get("units")
    is_unnamed = not rest and not array.name
    if first in array.coords:
        frame.insert(0, first, array.coords[first].values)
        is_time = array.coords[first].dtype.kind == "M"
        time, axis = (first, None) if is_time else (None, first)
        return Sheet(frame, units=units, time=time, axis=axis, is_unnamed=is_unnamed)
    return Sheet(frame, units=units, index=frame.index, is_unnamed=is_unnamed)


def from_text(text: str, note: Note, keys: Sequence[str]) -> Sheet | None:
    """Read CSV text: by pandas where it is regular, row by row where it is not, so that faults have their line.

    Parameters
    ----------
    text : str
        The text, with a header; cells are parted by commas, semicolons or tabs.
    note : callable
        Told of every fault.
    keys : sequence of str
        Columns that are read as text.

    Returns
    -------
    Sheet or None
        None where there is no header to go by. Columns of numbers are numbers where all their cells are.
    """
    text = text.removeprefix("\ufeff")
    head = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = max(",;\t", key=head.count) if any(mark in head for mark in ",;\t") else ","
    regular = _read_regular(text, head, separator, keys)
    if regular is not None:
        return regular
    table: Table | None = read_csv(text, note, separator)
    if table is None:
        return None
    frame = pd.DataFrame(table.rows, columns=pd.Index(table.header), dtype=object)
    lines = np.array(table.lines, dtype=np.int64)
    return Sheet(frame, lines, separator=separator)


def _read_regular(text: str, head: str, separator: str, keys: Sequence[str]) -> Sheet | None:
    """Read text without quotes, comments and blank lines, whose rows are all of one length; None for any other."""
    names = [name.strip() for name in head.split(separator)]
    body = text.rstrip("\r\n")
    rows = body.count("\n")
    if (
        '"' in text or "#" in text or not rows or "\n\n" in body or "\n\r" in body or not text.startswith(head)
        or body.count(separator) != (rows + 1) * (len(names) - 1)
        or len(set(names)) < len(names) or "" in names
    ):  # fmt: skip
        return None
    text_columns = [name for name in names if name in keys]
    missing = {name: list(MISSING) for name in names if name not in text_columns}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer versions always read numbers exactly, and say so
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are too long
            frame = pd.read_csv(
                io.StringIO(text), sep=separator, header=0, names=names, index_col=False, keep_default_na=False,
                na_values=missing, dtype=dict.fromkeys(text_columns, str), float_precision="round_trip",
                skipinitialspace=True, skip_blank_lines=False, engine="c",
            )  # fmt: skip
    except (ValueError, Warning):
        return None
    if len(frame) != rows or frame[text_columns].isna().to_numpy().any():
        return None
    return Sheet(frame, np.arange(2, rows + 2), separator=separator)


def from_rows(rows: Sequence[Any], note: Note) -> Sheet | None:
    """Make a sheet of a list of mappings."""
    table = from_records(rows, note)
    if table is None:
        return None
    return Sheet(pd.DataFrame(table.rows, columns=pd.Index(table.header), dtype=object))


def from_file(path: Path, form: str, variable: str | None) -> Sheet:
    """Read a Parquet or NetCDF file.

    Parameters
    ----------
    path : Path
        The file.
    form : {'parquet', 'netcdf'}
        What it is.
    variable : str or None
        The variable of a NetCDF file; its only one if left out.

    Raises
    ------
    ValueError
        If it cannot be read, and why.
    """
    if form == "parquet":
        try:
            return from_object(pd.read_parquet(path, engine="pyarrow"))
        except ImportError:
            raise ValueError('Parquet needs pyarrow: pip install "tokenflow-sim[data]"') from None
        except Exception as error:
            raise ValueError(
                f"is no Parquet file that can be read: {' '.join(str(error).split())[:200]}"
            ) from None
    return _netcdf(path, variable)


def _netcdf(path: Path, variable: str | None) -> Sheet:
    try:
        opened = xr.open_dataset(path, engine="netcdf4")
    except Exception as error:
        raise ValueError(
            f"is no NetCDF file that can be read: {' '.join(str(error).split())[:200]}"
        ) from None
    with opened as data:
        names = [str(name) for name in data.data_vars]
        if variable is None and len(names) != 1:
            raise ValueError(f"has {len(names)} variables; give one as `value`: {', '.join(names[:12])}")
        name = names[0] if variable is None else variable
        if name not in names:
            raise ValueError(f"has no variable {name!r}; it has {', '.join(names[:12])}")
        return from_object(data[name].load())


FORMATS: dict[str, str] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".nc": "netcdf", ".nc4": "netcdf", ".netcdf": "netcdf",
}  # fmt: skip
"""What a file is, by the end of its name."""
