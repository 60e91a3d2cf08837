"""A table of numbers over time -> a series: columns, names, units, times and gaps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.fields import MOST
from tokenflow_sim.scenario.gaps import filled
from tokenflow_sim.scenario.series import Series, listed
from tokenflow_sim.scenario.series_cells import NoNumbers, label_of, read_cells, who_of
from tokenflow_sim.scenario.series_file import SeriesFile
from tokenflow_sim.scenario.series_kinds import SeriesKind
from tokenflow_sim.scenario.series_made import made
from tokenflow_sim.scenario.series_names import Targets, find_targets
from tokenflow_sim.scenario.sheet import Sheet
from tokenflow_sim.scenario.tables import Note
from tokenflow_sim.scenario.time_axis import Steps, length, make_steps, read_stamps, shown


class _Refused(Exception):
    """The faults were noted; there is nothing to go on with."""


def read_series(sheet: Sheet, spec: SeriesFile, kind: SeriesKind, source: str, note: Note) -> Series | None:
    """Make a series of a table.

    Parameters
    ----------
    sheet : Sheet
        The table.
    spec : SeriesFile
        How it is read.
    kind : SeriesKind
        What the field takes.
    source : str
        What messages and summaries call the file.
    note : callable
        Told of every fault.

    Returns
    -------
    Series or None
        None where there are faults.
    """
    try:
        return _Reading(sheet, spec, kind, source, note).run()
    except _Refused:
        return None


@dataclass
class _Reading:
    sheet: Sheet
    spec: SeriesFile
    kind: SeriesKind
    source: str
    tell: Note
    notes: list[str] = field(default_factory=list)
    faults: int = 0
    is_misread: bool = False

    def note(self, message: str, row: int | None = None, place: str = "") -> None:
        """Tell of a fault, at the line of a row."""
        self.faults += 1
        self.tell(place, message, None if row is None else self.sheet.line(row))

    def refuse(self, message: str, row: int | None = None, place: str = "") -> _Refused:
        """Tell of a fault after which nothing can be read, and return what ends the reading."""
        self.note(message, row, place)
        return _Refused()

    def run(self) -> Series:
        self.keep_rows()
        factor = self.factor()
        when, by_period = self.axis()
        groups, labels, columns = self.layout(when)
        numbers = self.numbers(columns)
        if by_period:
            code, count = self.periods(when, len(labels))
            steps = None
        else:
            code, steps = self.times(when, groups)
            count = len(steps.rows)
        cube = self.pivot(code, groups, numbers, count, labels, columns, when, by_period)
        if self.faults:
            raise _Refused
        targets = self.targets(labels, columns)
        if steps is not None:
            values = np.full((len(steps.edges) - 1, *cube.shape[1:]), np.nan)
            values[steps.rows] = cube
            cube = values
        cube = self.fill(cube, None if steps is None else steps.edges)
        if by_period:
            self.whole(cube, labels, columns, code, groups, numbers)
        cube = cube * factor if factor != 1 else cube
        edges = None if steps is None else steps.edges
        return made(cube, targets, edges, self.kind.by_node, self.source, self.notes)

    # What is read

    def keep_rows(self) -> None:
        """Keep the rows that `where` asks for."""
        for column, wanted in (self.spec.where or {}).items():
            frame = self.sheet.frame
            if column not in frame.columns:
                raise self.refuse(unknown_name("column", column, list(frame.columns)), place=".where")
            options = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            kept = frame[column].astype(str).isin([str(one) for one in options]).to_numpy()
            if not kept.any():
                found = listed(map(repr, frame[column].unique()))
                raise self.refuse(f"no row has {column} {wanted!r}; found {found}", place=f".where.{column}")
            self.notes.append(f"{int(kept.sum())} of {len(kept)} rows, where {column} is {wanted}")
            self.sheet.frame = frame[kept].reset_index(drop=True)
            if self.sheet.lines is not None:
                self.sheet.lines = self.sheet.lines[kept]
        if not len(self.sheet.frame):
            raise self.refuse("has a header but no rows")

    def factor(self) -> float:
        """Return the factor to the format's own unit."""
        family, stated = self.kind.family, self.spec.unit
        try:
            factor = family.factor(stated if stated is not None else self.sheet.units, self.spec.rate)
            if stated is not None and self.sheet.units is not None:
                own = family.factor(self.sheet.units, self.spec.rate)
                if own != factor:
                    raise ValueError(f"unit {stated} is stated, but the data itself says {self.sheet.units}")
        except ValueError as error:
            self.note(str(error), place=".unit" if stated is not None else "")
            return 1.0
        unit = stated if stated is not None else self.sheet.units
        if factor != 1:
            rate = "" if self.spec.rate is None else f", at {self.spec.rate:g} $ each"
            self.notes.append(f"{unit or 'numbers'}{rate}, times {factor:g} to {family.base}")
        return factor

    def column(self, name: str, key: str) -> str:
        if name not in self.sheet.frame.columns:
            message = unknown_name("column", name, [str(column) for column in self.sheet.frame.columns])
            raise self.refuse(message, place=f".{key}")
        return name

    def axis(self) -> tuple[pd.Series, bool]:
        """Return the column that says when, and whether it counts periods."""
        sheet, frame = self.sheet, self.sheet.frame
        if self.spec.time is not None:
            return frame[self.column(self.spec.time, "time")], False
        if sheet.time is not None:
            return frame[sheet.time], False
        if sheet.axis:
            return frame[sheet.axis], True
        if "period" in frame.columns:
            return frame["period"], True
        if "time" in frame.columns:
            return frame["time"], False
        if sheet.index is not None and pd.api.types.is_integer_dtype(sheet.index.dtype):
            return pd.Series(sheet.index.to_numpy(), name=""), True
        shown_columns = listed(map(str, frame.columns))
        raise self.refuse(
            f"needs a column 'period' or 'time'; it has {shown_columns} (a mapping names its column:"
            " {file: ..., time: ...}; `tokenflow import` makes a table of files of operators)"
        )

    def layout(self, when: pd.Series) -> tuple[Ints, list[Hashable], list[Hashable]]:
        """Return which of the series each row belongs to, what they are called, and the columns of numbers."""
        spec, frame = self.spec, self.sheet.frame
        names: list[Hashable] = list(frame.columns)
        keys = [when.name] + (["end"] if spec.time is None and "end" in names else [])
        keys += [column for column in (spec.where or {}) if column not in keys]
        split = []
        for key in ("node", "workload") if self.kind.by_node else ("node",):
            given = getattr(spec, key)
            if given is not None:
                split.append((key, self.column(given, key)))
            elif key in names:
                split.append((key, key))
        if self.kind.by_node and [key for key, _ in split] == ["workload"]:
            raise self.refuse("needs a column of nodes beside that of classes; name it as `node`")
        rest = [name for name in names if name not in keys and name not in [column for _, column in split]]
        is_long = len(split) == (2 if self.kind.by_node else 1)
        if spec.columns is not None:
            columns: list[Hashable] = [self.column(name, "columns") for name in spec.columns]
        elif spec.value is not None and spec.value in names:
            columns = [spec.value]
        elif spec.value is not None and self.spec.format != "netcdf" and self.sheet.units is None:
            raise self.refuse(unknown_name("column", spec.value, list(map(str, names))), place=".value")
        elif spec.map is not None and not is_long and set(map(str, rest)) & set(spec.map):
            columns = [name for name in rest if str(name) in spec.map]
        else:
            columns = rest
        if is_long and len(columns) != 1:
            found = listed(map(str, columns)) or "none"
            raise self.refuse(f"needs one column of numbers; name it as `value`; there are: {found}")
        if not columns:
            raise self.refuse("has no column of values")
        if not split:
            return np.zeros(len(frame), dtype=np.int64), [None], columns
        parts = [frame[column].astype(str) for _, column in split]
        for (key, column), part in zip(split, parts, strict=True):
            empty = np.flatnonzero((part == "").to_numpy() | frame[column].isna().to_numpy())
            if empty.size:
                raise self.refuse(f"has a row without a {key}", int(empty[0]))
        if len(parts) == 1:
            codes, labels = pd.factorize(parts[0])
        else:
            codes, labels = pd.factorize(pd.MultiIndex.from_arrays(parts))
        return codes.astype(np.int64), list(labels), columns

    def numbers(self, columns: Sequence[Hashable]) -> Floats:
        """Return the numbers of each row, dims (row, column); NaN where a cell is empty."""
        sheet, least = self.sheet, -MOST if self.kind.family.signed else 0.0
        values = np.full((len(sheet.frame), len(columns)), np.nan)
        for place, name in enumerate(columns):
            try:
                values[:, place] = read_cells(
                    name, sheet.frame[name], least, sheet.separator, self.note, self.notes
                )
            except NoNumbers as error:
                self.is_misread = True
                self.note(
                    error.told([name for name in columns if name != error.name], self.spec.node), error.row
                )
            except ValueError as error:
                raise self.refuse(str(error)) from None
        return values

    # When

    def periods(self, when: pd.Series, width: int) -> tuple[Ints, int]:
        """Return the period of each row, and how many there are."""
        text = when.astype(str).str.strip()
        bad = np.flatnonzero(~text.str.fullmatch(r"\d{1,9}").to_numpy(dtype=bool))
        for row in bad:
            message = f"a period must be a whole number from 0 on; found {text.iloc[row]!r:.60}"
            self.note(message, int(row))
        if bad.size:
            raise _Refused
        code: Ints = text.to_numpy(dtype=np.int64)
        count = -(-len(code) // max(width, 1))
        late = np.flatnonzero(code >= count)
        if late.size:
            first = int(late[0])
            message = f"has period {code[first]}, but lacks earlier rows: periods count from 0 without gaps"
            raise self.refuse(message, first)
        return code, count

    def times(self, when: pd.Series, groups: Ints) -> tuple[Ints, Steps]:
        """Return the distinct time of each row, and the intervals."""
        spec, ends = self.spec, self.spec.stamp == "end"
        zone = spec.time_zone
        if zone is None and when.dtype.kind == "M" and not isinstance(when.dtype, pd.DatetimeTZDtype):
            zone = "UTC"  # as pandas, xarray and this package's own results have times without a zone
        read = read_stamps(when, groups, zone, spec.time_format, ends, lambda row, text: self.note(text, row))
        if read is None:
            raise _Refused
        if (np.diff(read) < 0).any() and len(np.unique(groups)) == 1:
            self.notes.append("rows put in order of time")
        times, code = np.unique(read, return_inverse=True)
        try:
            if spec.time is None and "end" in self.sheet.frame.columns:
                steps = self.given_ends(times, code, zone)
            else:
                steps = make_steps(times, ends)
        except ValueError as error:
            raise self.refuse(str(error)) from None
        span = f"{shown(steps.edges[0])} to {shown(steps.edges[-1])} UTC"
        sizes = np.unique(np.diff(steps.edges))
        many = length(sizes[0]) if len(sizes) == 1 else f"{length(sizes[0])} to {length(sizes[-1])}"
        self.notes.insert(0, f"{len(read)} rows in steps of {many}, {span}")
        if zone not in (None, "UTC"):
            self.notes.append(f"times of {zone}")
        return code, steps

    def given_ends(self, times: NDArray[np.int64], code: Ints, zone: str | None) -> Steps:
        """Return the intervals of rows that have a begin and an end."""
        column = self.sheet.frame["end"]
        read = read_stamps(
            column, np.zeros(len(column), np.int64), zone, None, True, lambda r, t: self.note(t, r)
        )
        if read is None:
            raise _Refused
        ends = np.zeros(len(times), dtype=np.int64)
        ends[code] = read
        edges = np.union1d(times, ends)
        rows = np.searchsorted(edges, times)
        if (edges[np.minimum(rows + 1, len(edges) - 1)] != ends).any():
            raise ValueError("has intervals that overlap, or end before they begin")
        return Steps(edges, rows)

    # Values by time and name

    def pivot(
        self,
        code: Ints,
        groups: Ints,
        numbers: Floats,
        count: int,
        labels: Sequence[Hashable],
        columns: Sequence[Hashable],
        when: pd.Series,
        by_period: bool,
    ) -> Floats:
        """Return the numbers by time, series and column."""
        if self.is_misread:
            raise _Refused  # times that repeat would only follow from it
        shape = count, len(labels), len(columns)
        flat = code * shape[1] + groups
        cube = np.full((shape[0] * shape[1], shape[2]), np.nan)
        cube[flat[::-1]] = numbers[::-1]  # the first of several rows stays
        counts = np.bincount(flat, minlength=1)
        if counts.max() > 1:
            differs = (cube[flat] != numbers) & ~(np.isnan(cube[flat]) & np.isnan(numbers))
            order = pd.Series(np.arange(len(flat))).groupby(flat)
            again = order.cumcount().to_numpy() > 0
            rows = np.flatnonzero(again & (differs.any(axis=1) | by_period))
            for row in rows:
                first = int(np.flatnonzero(flat == flat[row])[0])
                line = self.sheet.line(first)
                since = f", first on line {line}" if line else ""
                who = "" if labels[groups[row]] is None else f", {who_of(labels[groups[row]])}"
                what = f"period {code[row]}{who}" if by_period else f"time {when.iloc[row]}{who}"
                which = [repr(label_of(columns[k])) for k in np.flatnonzero(differs[row]).tolist()]
                where = (
                    f" in column {listed(which)}" if len(columns) > 1 or labels[groups[row]] is None else ""
                )
                more = (
                    ""
                    if by_period
                    else f", with another number{where} (to keep rows of one kind, give `where`)"
                )
                self.note(f"repeats {what}{since}{more}", int(row))
                if self.faults > 25:
                    break
            if not rows.size:
                self.notes.append(f"{int(again.sum())} repeated rows dropped")
        return cube.reshape(shape)

    def fill(self, cube: Floats, edges: NDArray[np.int64] | None) -> Floats:
        """Fill what is empty, as the file's reader was told."""
        if self.spec.fill is None:
            return cube
        empty = np.isnan(cube)
        done = filled(cube, edges, self.spec.fill)
        rows = np.flatnonzero((empty & ~np.isnan(done)).any(axis=(1, 2)))
        if rows.size:
            dates = [str(row) if edges is None else shown(edges[row]) for row in rows[:6]]
            dates += [""] * (len(rows) - len(dates))
            how = self.spec.fill if isinstance(self.spec.fill, str) else f"with {self.spec.fill:g}"
            self.notes.append(f"{len(rows)} steps filled ({how}): {listed(dates)}")
        return done

    def whole(
        self,
        cube: Floats,
        labels: Sequence[Hashable],
        columns: Sequence[Hashable],
        code: Ints,
        groups: Ints,
        numbers: Floats,
    ) -> None:
        """Refuse a table by period that lacks a number, at the row and column where it does."""
        if not np.isnan(cube).any():
            return
        given = np.zeros(cube.shape[:2], dtype=bool)
        given[code, groups] = True
        for row, column in np.argwhere(np.isnan(numbers)):
            if np.isnan(cube[code[row], groups[row], column]):
                label = labels[groups[row]]
                middle = "" if label is None else f".{label}"
                self.note("is empty", int(row), f"[{code[row]}]{middle}.{columns[column]}")
        lacking = np.argwhere(~given & np.isnan(cube).any(axis=2))
        if lacking.size:
            what = [f"{p}" + ("" if labels[g] is None else f" at {labels[g]}") for p, g in lacking]
            self.note(f"lacks period {listed(what)}")
        raise _Refused

    def targets(self, labels: Sequence[Hashable], columns: Sequence[Hashable]) -> Targets:
        """Return where the numbers of each node (and class) stand: series and column."""
        before = self.faults
        if (
            self.sheet.is_unnamed
            and self.spec.map is None
            and not self.kind.by_node
            and list(labels) == [None]
        ):
            raise self.refuse("needs the name of a node, as the name of the Series: series.rename('NODE')")
        found, dropped = find_targets(labels, columns, self.kind.by_node, self.spec.map, self.note)
        if dropped:
            self.notes.append(f"not read: {listed(dropped)}")
        if self.faults > before:
            raise _Refused
        return found
