"""Cells of a table -> numbers: text with decimal points or commas, empty cells, and bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.fields import MOST
from tokenflow_sim.scenario.sheet import MISSING
from tokenflow_sim.scenario.tables import number

_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")


class NoNumbers(ValueError):
    """A column holds text in every row.

    Parameters
    ----------
    name : hashable
        The column.
    row : int
        The first row that holds something.
    found : str
        What stands there.
    distinct : int
        How many different texts the column holds.
    """

    def __init__(self, name: Hashable, row: int, found: str, distinct: int) -> None:
        super().__init__(f"column {label_of(name)!r} holds no numbers; found {found!r:.60}")
        self.name, self.row, self.is_key = name, row, distinct > 1

    def told(self, others: Sequence[Hashable], node: str | None) -> str:
        """Say what is wrong, and how the file is read if the column names nodes.

        Parameters
        ----------
        others : sequence
            The other columns that were taken for numbers.
        node : str or None
            The column of nodes that was given.
        """
        if not (self.is_key and others and node is None):
            return str(self)
        return (
            f"{self}; if it names nodes, the file is long: give a mapping with `node` and `value`, e.g."
            f" {{file: ..., node: {label_of(self.name)}, value: {label_of(others[0])}}}"
        )


CellNote = Callable[[str, int], None]
"""Takes what is wrong with a cell, and its row."""


def read_cells(
    name: Hashable, cells: pd.Series, least: float, separator: str, note: CellNote, notes: list[str]
) -> Floats:
    """Read the numbers of a column.

    Parameters
    ----------
    name : hashable
        The column.
    cells : Series
        What stands in it.
    least : float
        The least number that is taken.
    separator : str
        What stands between the cells of the file; with a comma there, none is a decimal mark.
    note : callable
        Takes every fault.
    notes : list of str
        Gets what a summary says of how the column was read.

    Returns
    -------
    Floats
        NaN where a cell is empty.

    Raises
    ------
    NoNumbers, ValueError
        If the column holds something else than numbers.
    """
    if cells.dtype == object or isinstance(cells.dtype, pd.StringDtype):
        return _parsed(name, cells.tolist(), least, separator, note, notes)
    if not pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_bool_dtype(cells.dtype):
        raise ValueError(f"column {name!r} holds {cells.dtype}, not numbers")
    read: Floats = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    for row in np.flatnonzero(np.isinf(read) | (read > MOST) | (read < least)):
        _note_cell(name, int(row), str(number(read[row], least)), note)
    return read


def _parsed(
    name: Hashable, cells: list[Any], least: float, separator: str, note: CellNote, notes: list[str]
) -> Floats:
    """Read the cells of a column that holds text."""
    values = np.full(len(cells), np.nan)
    commas = separator != "," and any(isinstance(cell, str) and _COMMA.fullmatch(cell) for cell in cells)
    points = commas and any(isinstance(cell, str) and _POINT.fullmatch(cell) for cell in cells)
    # A column with both marks has one of them by mistake, or between thousands: then a comma stays a fault.
    decimal_commas = commas and not points
    if decimal_commas:
        notes.append(f"decimal commas in {name}")
    wrong: list[tuple[int, str]] = []
    filled = 0
    for row, cell in enumerate(cells):
        if cell is None or cell is pd.NA or (isinstance(cell, str) and cell in MISSING) or cell != cell:
            continue
        filled += 1
        text = cell
        if decimal_commas and isinstance(cell, str) and _COMMA.fullmatch(cell):
            text = cell.replace(",", ".")
        read = number(text, least)
        if isinstance(read, str):
            wrong.append((row, read))
        else:
            values[row] = read
    if len(wrong) == filled > 2:  # one reason for all rows is one fault
        row, message = wrong[0]
        if all(message.startswith("must be a number") for _, message in wrong):
            raise NoNumbers(name, row, str(cells[row]), len({str(cell) for cell in cells}))
        wrong = [(row, f"{message}; no other row has a sound number either")]
    for row, message in wrong:
        _note_cell(name, row, message, note)
    return values


def _note_cell(name: Hashable, row: int, message: str, note: CellNote) -> None:
    note(f"column {label_of(name)!r}: {message}", row)


def label_of(name: Hashable) -> str:
    """Return what messages call a column."""
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def who_of(label: Hashable) -> str:
    """Return what messages call a series of a long file: its node, or its node and class."""
    return label_of(label) if isinstance(label, tuple) else f"node {label}"
