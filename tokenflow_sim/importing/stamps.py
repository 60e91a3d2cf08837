"""Times as exports write them -> instants in UTC, each faulty one with its row and column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.importing.text_table import TextTable
from tokenflow_sim.numeric import Bools, Ints
from tokenflow_sim.scenario.time_axis import Instants, read_stamps

MONTH_FIRST = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y")
DAY_FIRST = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d-%m-%Y %H:%M")
_ISO = r"\d{4}-?\d\d"


def find_form(
    text: TextTable, column: str, given: str | None, forms: Sequence[str], faults: Faults
) -> str | None:
    """Return how the times of a column are written, None for ISO 8601; a form that fits not all of them is noted.

    Parameters
    ----------
    text : TextTable
        The file.
    column : str
        Its column of times.
    given : str or None
        The user's choice, as `datetime.strptime` takes it.
    forms : sequence of str
        What the export is known to write, beside ISO 8601; where none is known, month-first and day-first both.
    faults : Faults
        Takes what is wrong.
    """
    cells = pd.Series(text.frame[column].unique(), dtype=object)
    if given is not None:
        return given
    if cells.str.match(_ISO).mean() > 0.5:
        return None
    fitting = [form for form in forms if pd.to_datetime(cells, format=form, errors="coerce").notna().all()]
    if not fitting:
        best = max(forms, key=lambda form: pd.to_datetime(cells, format=form, errors="coerce").notna().sum())
        return best if pd.to_datetime(cells, format=best, errors="coerce").notna().any() else None
    orders = {form.find("%d") < form.find("%m") for form in fitting}
    if len(orders) > 1:
        text.note(
            faults,
            0,
            column,
            f"may have the day or the month first ({cells.iloc[0]!r}): give time_format (--time-format)",
        )
    return fitting[0]


def read_times(
    text: TextTable,
    column: str,
    faults: Faults,
    *,
    zone: str | None,
    form: str | None = None,
    groups: Ints | None = None,
    end: bool = False,
) -> Instants | None:
    """Read a column of times; None where it has faults, which are noted.

    Parameters
    ----------
    text : TextTable
        The file.
    column : str
        Its column of times.
    faults : Faults
        Takes what is wrong.
    zone : str or None
        Zone of times that bear no offset.
    form : str or None
        How they are written; ISO 8601 if left out.
    groups : ndarray, optional
        Number of the place of each row: the order of a place's rows tells the passes of an hour that comes twice.
    end : bool
        Whether they are ends of intervals.
    """
    series = groups if groups is not None else np.zeros(len(text), dtype=np.int64)

    def refuse(row: int, message: str) -> None:
        for option in ("time_zone", "time_format"):  # here they are options, in a scenario they are fields
            message = message.replace(f"`{option}`", f"{option} (--{option.replace('_', '-')})")
        text.note(faults, row, column, message)

    return read_stamps(text.frame[column], series, zone, form, end, refuse)


def localized(
    text: TextTable, column: str, naive: pd.DatetimeIndex, later: Bools, zone: str, faults: Faults
) -> Instants | None:
    """Return local times as instants, where the file says which pass of a repeated hour a row belongs to.

    Parameters
    ----------
    text : TextTable
        The file.
    column : str
        Its column of times, for messages.
    naive : DatetimeIndex
        Local times.
    later : ndarray
        Whether a row belongs to the second pass of an hour that comes twice.
    zone : str
        The zone.
    faults : Faults
        Takes what is wrong.
    """
    aware = naive.tz_localize(zone, ambiguous=~later, nonexistent="NaT")
    bad = np.flatnonzero(np.asarray(aware.isna()))
    for row in bad.tolist():
        text.note(faults, row, column, f"time {naive[row]} does not exist in {zone}, where clocks go forward")
    if bad.size:
        return None
    return np.asarray(aware.tz_convert("UTC").tz_localize(None).as_unit("ns").asi8, dtype=np.int64)
