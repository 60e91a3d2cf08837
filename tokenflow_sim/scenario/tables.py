"""CSV text -> rows, with the line of every row and every fault of the table itself."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.fields import MOST
from tokenflow_sim.scenario.profile import DAYS, day_index
from tokenflow_sim.scenario.series import listed

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_GROUPED = re.compile(
    r"[-+]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,}|(?:\.\d{3})+,\d+|(?:\.\d{3}){2,}"
    r"|(?:['\u2019 ]\d{3})+(?:[.,]\d+)?)"
)
"""A number with marks between thousands, which a decimal comma alone is not."""
_WHOLE = re.compile(r"\d{1,9}")

Note = Callable[[str, str, int | None], None]
"""Takes a place within the table, a message and a line."""


@dataclass
class Table:
    """A table as text.

    Parameters
    ----------
    header : list of str
        Its columns.
    rows : list of list of str
        Its cells.
    lines : list of int
        The line of each row; empty where the rows come from no text.
    torn : list of list of str
        The cells of rows that have too many or too few, which are not among the rows.
    top : int or None
        The line of the header.
    """

    header: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    torn: list[list[str]] = field(default_factory=list)
    top: int | None = None

    def line(self, row: int) -> int | None:
        """Return the line of a row, if it has one."""
        return self.lines[row] if row < len(self.lines) else None


def read_csv(text: str, note: Note, separator: str = ",") -> Table | None:
    """Read CSV text; lines that are empty or start with ``#`` do not count.

    Parameters
    ----------
    text : str
        The text, with a header.
    note : callable
        Told of every fault.
    separator : str
        What parts the cells of a row.

    Returns
    -------
    Table or None
        None where there is no header to go by.
    """
    reader = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""),
        strict=True,
        skipinitialspace=True,
        delimiter=separator,
    )
    table: Table | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            cells = [cell.strip() for cell in cells]
            line = reader.line_num
            if table is None:
                table = _read_header(cells, line, note)
                if table is None:
                    return None
            elif len(cells) != len(table.header):
                hint = " (a number with a decimal comma?)" if len(cells) > len(table.header) else ""
                note("", f"has {len(cells)} cells where the header has {len(table.header)}{hint}", line)
                table.torn.append(cells)
            else:
                table.rows.append(cells)
                table.lines.append(line)
    except csv.Error as error:
        note("", f"is no valid CSV: {error}", reader.line_num)
        return None
    if table is None:
        note("", "is empty; a table needs a header and rows", None)
    elif not table.rows and not table.torn:
        note("", "has a header but no rows", None)
    return table


def _read_header(cells: list[str], line: int, note: Note) -> Table | None:
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
        note("", "separates its columns by semicolons or tabs; use commas (and decimal points)", line)
        return None
    for column in sorted({cell for cell in cells if cells.count(cell) > 1}):
        note("", f"repeats column {column!r}" if column else "has more than one column without a name", line)
    if len(set(cells)) < len(cells):
        return None
    if "" in cells:
        note("", "has a column without a name", line)
        return None
    return Table(cells, top=line)


def from_records(records: Sequence[Any], note: Note) -> Table | None:
    """Make a table of a list of mappings."""
    header: dict[str, None] = {}
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            note(f"[{number}]", f"must be a mapping of columns to values; found {record!r:.60}", None)
            return None
        header.update(dict.fromkeys(map(str, record)))
    if not header:
        note("", "has no rows", None)
        return None
    return Table(list(header), [[record.get(column, "") for column in header] for record in records])


def number(value: Any, least: float = 0.0) -> float | str:
    """Read a cell as a number of at least `least`, or say what is wrong with it."""
    if isinstance(value, bool) or value is None:
        return f"must be a number; found {value!r}"
    if isinstance(value, str):
        if not value:
            return "is empty"
        if _DECIMAL_COMMA.fullmatch(value):
            return f"has a decimal comma; write {value.replace(',', '.')}"
        if _GROUPED.fullmatch(value):
            return f"must be a number, without marks between thousands and with a decimal point; found {value!r:.60}"
    try:
        result = float(value) if "_" not in str(value) else float("x")
    except (TypeError, ValueError, OverflowError):
        return f"must be a number; found {value!r:.60}"
    if not np.isfinite(result):
        return f"must be finite; found {value}"
    if result < least:
        rule = f"be at least {least:g}" if least else "not be negative"
        return f"must {rule}; found {value!s:.60}"
    if result > MOST:
        return f"must be at most {MOST:g}; found {value!s:.60}"
    return result


def _columns(table: Table, keys: Sequence[str], note: Note) -> list[str] | None:
    """Return the columns of values, once the key columns are there."""
    lacking = [key for key in keys if key not in table.header]
    for key in lacking:
        note("", f"needs a column {key!r}; it has {', '.join(table.header)}", None)
    values = [column for column in table.header if column not in keys]
    if not values and not lacking:
        note("", "has no column of values", None)
    return values if values and not lacking else None


def _fill(
    table: Table,
    columns: list[str],
    note: Note,
    index_of: Callable[[int, list[Any]], int | None],
    length: int,
    least: float = 0.0,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Put the values of each row where its key says."""
    values = np.full((length, len(columns)), np.nan)
    spots = [table.header.index(column) for column in columns]
    for row, cells in enumerate(table.rows):
        index = index_of(row, cells)
        if index is None:
            continue
        for column, spot in enumerate(spots):
            cell = number(cells[spot], least)
            if isinstance(cell, str):
                note(f"[{index}].{columns[column]}", cell, table.line(row))
            else:
                values[index, column] = cell
    return values


def read_profile(table: Table, key: str, note: Note) -> dict[str, list[float]] | None:
    """Read a table by hour of the day (`key` ``hour``) or by weekday (``day``).

    Returns
    -------
    dict or None
        24 or 7 numbers by column; None where the table has faults, all of which were noted.
    """
    columns = _columns(table, (key,), note)
    if columns is None:
        return None
    wanted = [str(hour) for hour in range(24)] if key == "hour" else list(DAYS)
    seen: dict[int, int | None] = {}
    spot = table.header.index(key)
    sound = True

    def index_of(row: int, cells: list[Any]) -> int | None:
        nonlocal sound
        text = str(cells[spot])
        index = day_index(text) if key == "day" else int(text) if _WHOLE.fullmatch(text) else None
        if index is None or index >= len(wanted):
            note("", unknown_name(key, text, wanted, limit=24), table.line(row))
        elif index in seen:
            first = f", first on line {seen[index]}" if seen[index] else ""
            note("", f"repeats {key} {text}{first}", table.line(row))
        else:
            seen[index] = table.line(row)
            return index
        sound = False
        return None

    values = _fill(table, columns, note, index_of, len(wanted))
    missing = [name for index, name in enumerate(wanted) if index not in seen]
    if missing:
        note("", f"lacks {key} {listed(missing)}", None)
    if missing or not sound or np.isnan(values).any():
        return None
    return {column: values[:, index].tolist() for index, column in enumerate(columns)}


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write a table as CSV text: numbers exact, nothing for None."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            ["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in row]
        )
    return out.getvalue()
