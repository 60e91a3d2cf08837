"""Request traces, read in batches: each batch becomes sums by period and class, and is then forgotten."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import DataError, unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.trace_bins import Bins, Counts
from tokenflow_sim.importing.trace_formats import (
    SECONDS,
    STAMP,
    TraceFormat,
    first_lines,
    header_of,
    open_text,
)
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.scenario.extra import load_extra

BLOCK_BYTES = 1 << 20
"""Bytes of a file that are read at a time."""
_FARTHEST = 1e12  # periods from time zero: beyond, a time is a stray value
_DAY = 86_400 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_CLASSES = 1000

NO_TIME, NO_TOKENS, FAILED = "no time", "no token count", "failed (no output tokens)"


@dataclass
class Grid:
    """Where periods begin.

    Parameters
    ----------
    hours : float
        Length of a period.
    start : datetime or None
        When period 0 begins; if left out, dates are counted from a full period after midnight UTC.
    zone : str
        Time zone of dates that name none.
    unit : str
        Unit of the time of the trace; of all its files.
    anchor : int
        Nanoseconds from 1970 to period 0, where times are dates.
    first, last : int or float or None
        First and last time of all rows, in nanoseconds since 1970 or in `unit`.
    """

    hours: float
    start: datetime | None
    zone: str
    unit: str = ""
    anchor: int | None = None
    first: float | int | None = None
    last: float | int | None = None
    zoned: bool | None = field(default=None)

    @property
    def length(self) -> int:
        """Length of a period in nanoseconds."""
        return round(self.hours * SECONDS_PER_HOUR * 10**9)

    def period_of(self, time: NDArray[Any]) -> NDArray[np.int64]:
        """Return the period of each time, and widen the span.

        Raises
        ------
        DataError
            If a time is too far away.
        """
        low, high = time.min(), time.max()
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)
        if self.unit == STAMP:
            if self.anchor is None:
                self.anchor = self._anchor(int(low))
            return np.asarray((time - self.anchor) // self.length, dtype=np.int64)
        # One division, as whoever checks the sums would do it.
        period = np.floor(time / (self.hours * SECONDS_PER_HOUR / SECONDS[self.unit]))
        if max(abs(period[0]), abs(period.min()), abs(period.max())) > _FARTHEST:
            raise refuse("the trace", f"has a time of {high:g} {self.unit}: check time_unit (--time-unit)")
        return np.asarray(period, dtype=np.int64)

    def _anchor(self, first: int) -> int:
        if self.start is not None:
            return (self.start - _EPOCH) // timedelta(microseconds=1) * 1000
        return first // _DAY * _DAY if _DAY % self.length else 0

    def at(self, period: int) -> datetime | None:
        """Return when a period begins; None where that is unknown."""
        if self.unit == STAMP:
            ns = (self.anchor or 0) + period * self.length
            return _EPOCH + timedelta(microseconds=ns // 1000)
        return None if self.start is None else self.start + timedelta(hours=period * self.hours)

    def edges(self, low: int, high: int) -> tuple[float, float]:
        """Return the shares of the first and the last period that lie within the span of the rows."""
        assert self.first is not None
        assert self.last is not None
        if self.unit == STAMP:
            begin = (int(self.first) - (self.anchor or 0)) / self.length
            end = (int(self.last) - (self.anchor or 0)) / self.length
        else:
            length = self.hours * SECONDS_PER_HOUR / SECONDS[self.unit]
            begin, end = self.first / length, self.last / length
        if high - low == 1:
            return (end - begin,) * 2
        return low + 1 - begin, end - (high - 1)

    def words(self) -> tuple[str, str]:
        """Return the first and the last time in words."""
        if self.unit == STAMP:
            first, last = (
                f"{_EPOCH + timedelta(seconds=int(time) // 10**9):%Y-%m-%d %H:%M:%S} UTC"
                for time in (self.first or 0, self.last or 0)
            )
            return first, last
        return f"{self.first:g} {self.unit}", f"{self.last:g} {self.unit}"


def read_requests(files: list[tuple[Path, TraceFormat, str]], grid: Grid, by: str | None) -> Counts:
    """Count the requests of traces.

    Parameters
    ----------
    files : list of tuple
        Path, format and class of each file.
    grid : Grid
        The periods.
    by : str or None
        Column whose values are the classes, in place of the files' classes.

    Raises
    ------
    DataError
        With file, row and column, if a file has faults.
    ResultError
        If pyarrow is not installed.
    """
    bins, dropped, rows = Bins(), Counter[str](), 0
    for path, form, workload in files:
        if grid.unit and (grid.unit == STAMP) != (form.unit == STAMP):
            raise refuse("the trace", "counts time otherwise than the files before it", file=path)
        if grid.unit not in ("", form.unit):
            raise refuse(
                "the trace", f"counts time in {form.unit}, the files before it in {grid.unit}", file=path
            )
        grid.unit = form.unit
        for batch in _batches(path, form, grid, by):
            rows += batch.num_rows
            _add(batch, path, form, grid, bins, dropped, workload, by)
    if not bins.sums.size:
        reasons = ", ".join(f"{count} with {reason}" for reason, count in dropped.items())
        raise refuse("the trace", f"has no request{f': {reasons}' if reasons else ''}", file=files[0][0])
    sums, low = bins.sums, bins.low
    return Counts(
        title=" and ".join(dict.fromkeys(form.title for _, form, _ in files)),
        classes=list(bins.classes),
        sums=sums,
        hours=grid.hours,
        start=grid.at(low),
        since=low * grid.hours,
        covered=grid.edges(low, low + sums.shape[1]),
        rows=rows,
        span=grid.words(),
        dropped=dict(dropped),
    )


def _add(
    batch: Any,
    path: Path,
    form: TraceFormat,
    grid: Grid,
    bins: Bins,
    dropped: Counter[str],
    workload: str,
    by: str | None,
) -> None:
    """Add a batch to the sums."""
    pa, pc = load_extra("pyarrow", "a trace"), load_extra("pyarrow.compute", "a trace")
    time, *tokens = (batch.column(name) for name in (form.time, *form.numbers))
    has_time = pc.is_valid(time).to_numpy(zero_copy_only=False)
    has_tokens = pc.and_(pc.is_valid(tokens[0]), pc.is_valid(tokens[1])).to_numpy(zero_copy_only=False)
    kept = has_time & has_tokens
    named = None
    if by is not None:
        named = pc.fill_null(pc.not_equal(batch.column(by), ""), False).to_numpy(zero_copy_only=False)
    dropped_now = {NO_TIME: int((~has_time).sum()), NO_TOKENS: int((has_time & ~has_tokens).sum())}
    tokens_in, tokens_out = (column.to_numpy(zero_copy_only=False) for column in tokens)
    if form.failed:
        failed = kept & (tokens_out == 0)
        dropped_now[FAILED] = int(failed.sum())
        kept &= ~failed
    if named is not None:
        dropped_now[f"no {by}"] = int((kept & ~named).sum())
        kept &= named
    dropped.update({reason: count for reason, count in dropped_now.items() if count})
    if not kept.any():
        return
    tokens_in, tokens_out = tokens_in[kept], tokens_out[kept]
    for values in (tokens_in, tokens_out):
        if not (np.isfinite(values).all() and values.min() >= 0):
            raise _fault(path, form, "has token counts below zero or beyond all numbers")
    if form.unit == STAMP:
        if not grid.zoned and grid.zone != "UTC":
            time = pc.assume_timezone(time, grid.zone, ambiguous="earliest", nonexistent="latest")
        ticks = time.cast(pa.int64()).to_numpy(zero_copy_only=False)[kept].astype(np.int64)
    else:
        ticks = time.to_numpy(zero_copy_only=False)[kept]
        if not np.isfinite(ticks).all():
            raise _fault(path, form, "has a time that is no number")
    code: Any = 0
    if by is None:
        code = bins.code_of(workload)
    else:
        coded = batch.column(by).filter(pa.array(kept)).dictionary_encode()
        codes = np.array([bins.code_of(name) for name in coded.dictionary.to_pylist()], dtype=np.int64)
        code = codes[coded.indices.to_numpy(zero_copy_only=False)]
        if len(bins.classes) > _MOST_CLASSES:
            raise refuse(
                "the trace",
                f"has more than {_MOST_CLASSES} values, too many for classes: name another column as by (--by)",
                file=path,
                column=by,
            )
    bins.add(grid.period_of(ticks), code, tokens_in, tokens_out)


def _batches(path: Path, form: TraceFormat, grid: Grid, by: str | None) -> Iterator[Any]:
    """Yield a file's columns batch by batch.

    Raises
    ------
    DataError
        If a row cannot be read.
    """
    pa = load_extra("pyarrow", "a trace")
    names = list(dict.fromkeys([form.time, *form.numbers, *([by] if by else [])]))
    types = {name: pa.float64() for name in form.numbers}
    types[form.time] = _time_type(path, form, grid)
    if by:
        types[by] = pa.string()
    header = header_of(path, form)
    if by is not None and by not in header:
        raise refuse("the trace", unknown_name("column", by, header), file=path, line=1)
    with _located(path, form):
        if form.lines:
            json_reader = load_extra("pyarrow.json", "a trace")
            reader = json_reader.open_json(
                path,
                read_options=json_reader.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=json_reader.ParseOptions(
                    explicit_schema=pa.schema([(name, types[name]) for name in names]),
                    unexpected_field_behavior="ignore",
                ),
            )
        else:
            reading = load_extra("pyarrow.csv", "a trace")
            reader = reading.open_csv(
                path,
                read_options=reading.ReadOptions(block_size=BLOCK_BYTES),
                parse_options=reading.ParseOptions(delimiter=form.delimiter),
                convert_options=reading.ConvertOptions(include_columns=names, column_types=types),
            )
        with reader:
            yield from reader


def _time_type(path: Path, form: TraceFormat, grid: Grid) -> Any:
    """Return the type of the column of time; dates of a trace either all name a zone, or none does."""
    pa = load_extra("pyarrow", "a trace")
    if form.unit != STAMP:
        return pa.float64()
    *_, line = first_lines(path)
    header = header_of(path, form)
    if form.lines:
        cell = str(json.loads(line).get(form.time, ""))
    else:
        cells = next(csv.reader([line], delimiter=form.delimiter))
        cell = str(dict(zip(header, cells, strict=False)).get(form.time, ""))
    zoned = cell.strip().upper().endswith("Z") or "+" in cell or cell.count("-") > 2
    if grid.zoned is None:
        grid.zoned = zoned
    return pa.timestamp("ns", tz="UTC" if zoned else None)


@contextmanager
def _located(path: Path, form: TraceFormat) -> Iterator[None]:
    """Say which row and column a library could not read."""
    pa = load_extra("pyarrow", "a trace")
    try:
        yield
    except pa.ArrowInvalid as error:
        raise _fault(path, form, f"cannot be read: {' '.join(str(error).split())[:200]}") from None
    except OSError as error:
        raise refuse("the trace", f"cannot be read: {error.strerror or error}", file=path) from None


def _fault(path: Path, form: TraceFormat, otherwise: str) -> DataError:
    """Return the error that names the first rows at fault, found by reading the file once more, row by row."""
    faults = Faults("the trace")
    with open_text(path) as file:
        for line, cells in _rows(file, form):
            if isinstance(cells, str):
                faults.add(cells, file=path, line=line)
            else:
                for column, message in _cell_faults(cells, form):
                    faults.add(message, file=path, line=line, column=column)
            if faults:
                return faults.error()
    return refuse("the trace", otherwise, file=path)


def _rows(file: Any, form: TraceFormat) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the line and the cells of each row, or what is wrong with it."""
    if form.lines:
        for line, text in enumerate(file, start=1):
            if text.strip():
                try:
                    found = json.loads(text)
                except ValueError as error:
                    found = f"is no JSON: {error}"
                yield line, found if isinstance(found, (dict, str)) else "is no JSON object"
        return
    reader = csv.reader(file, delimiter=form.delimiter)
    header = next(reader)
    for row in reader:
        if len(row) not in (0, len(header)):
            yield reader.line_num, f"has {len(row)} cells where the header has {len(header)}"
        elif row:
            yield reader.line_num, dict(zip(header, row, strict=True))


_EMPTY = {"", "na", "nan", "null", "n/a", "none"}


def _cell_faults(cells: dict[str, Any], form: TraceFormat) -> Iterator[tuple[str, str]]:
    """Yield column and message of each cell that is no time or no count of tokens."""
    for column in (form.time, *form.numbers):
        value = cells.get(column)
        if value is None or str(value).strip().lower() in _EMPTY:
            continue
        if column == form.time and form.unit == STAMP:
            try:
                datetime.fromisoformat(str(value).strip())
            except ValueError:
                yield column, f"must be a date and time such as 2024-05-10 00:00:00; found {value!r}"
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        what = f"a time in {form.unit}" if column == form.time else "a number of tokens"
        if not math.isfinite(number) or (column != form.time and number < 0):
            yield column, f"must be {what}; found {value!r}"
