"""One file of a series -> rows of times, places and numbers, by the form of its export and what the user says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.columns import chosen_column, find_column, find_measures
from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.importing.names import Nodes, listed
from tokenflow_sim.importing.price_exports import Export
from tokenflow_sim.importing.stamps import find_form, read_times
from tokenflow_sim.importing.text_table import TextTable, read_table
from tokenflow_sim.importing.time_series import Rows
from tokenflow_sim.numeric import Ints
from tokenflow_sim.scenario.time_axis import HOUR, Instants
from tokenflow_sim.scenario.units import UnitFamily

_UNIT = re.compile(r"(US\$|[$€£]|(?<![a-z])[a-z]{3})\s*(?:/|_per_|_)\s*([kmg])wh", re.IGNORECASE)
_SIZES = {"k": "kWh", "m": "MWh", "g": "GWh"}
_CURRENCIES = {"€": "EUR", "£": "GBP", "USD": "$", "US$": "$"}

Paths = str | Path | Sequence[str | Path]
"""A file, or several that are put together."""


@dataclass(frozen=True)
class Choices:
    """What the user says of the files; the parameters are those of :func:`~tokenflow_sim.importing.prices`."""

    time: str | None = None
    time_format: str | None = None
    time_zone: str | None = None
    stamp: Literal["begin", "end"] | None = None
    place: str | None = None
    value: str | None = None
    unit: str | None = None
    where: Mapping[str, str] | None = None
    decimal: Literal[".", ","] | None = None
    nodes: Nodes = None


@dataclass(frozen=True)
class Read:
    """What several files of one series hold.

    Parameters
    ----------
    parts : list of Rows
        The rows of each file.
    unit : str
        Unit of their numbers.
    title : str
        The files and their exports, for messages.
    count : int
        How many rows were read.
    notes, dropped : list of str
        What was assumed, and what was left out.
    """

    parts: list[Rows]
    unit: str
    title: str
    count: int
    notes: list[str]
    dropped: list[str]


def read_files(
    path: Paths,
    subject: str,
    choices: Choices,
    family: UnitFamily,
    export_of: Callable[[TextTable], Export],
    faults: Faults,
) -> Read:
    """Read the files of one series.

    Parameters
    ----------
    path : path, or several of them
        The files.
    subject : str
        What they hold, for messages.
    choices : Choices
        What the user says of them.
    family : UnitFamily
        What the numbers measure.
    export_of : callable
        Gives the form of a file.
    faults : Faults
        Takes what is wrong.

    Raises
    ------
    DataError
        If the files have faults, or are in several units.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        faults.add("no file is given")
    parts: list[Rows] = []
    units: list[str] = []
    titles: list[str] = []
    notes: list[str] = []
    dropped: list[str] = []
    count = 0
    for one in paths:
        text = read_table(one, subject)
        count += len(text)
        notes += text.notes
        export = export_of(text)
        titles.append(export.title)
        rows, unit = _read_rows(text, export, choices, family, faults, notes, dropped)
        if rows is not None and unit is not None:
            parts.append(rows)
            units.append(unit)
    stated = list(dict.fromkeys(units))
    if len(stated) > 1:
        faults.add(f"the files are in several units ({', '.join(stated)}): import them apart")
    faults.check()
    names = listed([Path(one).name for one in paths], 3)
    title = f"{names} ({' and '.join(dict.fromkeys(titles))})"
    return Read(parts, stated[0], title, count, list(dict.fromkeys(notes)), list(dict.fromkeys(dropped)))


def _read_rows(
    text: TextTable,
    export: Export,
    choices: Choices,
    family: UnitFamily,
    faults: Faults,
    notes: list[str],
    dropped: list[str],
) -> tuple[Rows | None, str | None]:
    """Read one file: its rows, and the unit of its numbers; None where there are faults."""
    text = _chosen_rows(text, export, choices, faults, dropped)
    time = chosen_column(text.columns, choices.time, export.time, "time (--time)", text.file, faults)
    if time is None:
        listed = ", ".join(text.columns)
        faults.add(
            f"has no column of times that is known; give time (--time); its columns: {listed}", file=text.file
        )
        return None, None
    place = chosen_column(text.columns, choices.place, export.place, "place (--place)", text.file, faults)
    values = _value_columns(text, export, choices, time, place, faults, dropped)
    if not values:
        return None, None
    unit = _unit(text, export, choices, values, family, faults)
    if place is not None and len(values) == 1:
        places = text.frame[place].tolist()
        for row in (row for row, name in enumerate(places) if not name):
            text.note(faults, row, place, "must be the name of a place; found nothing")
    else:
        places = [_place_of_file(text, export)] * len(text)
    groups = pd.factorize(np.array(places, dtype=object))[0].astype(np.int64)
    end = choices.stamp == "end"
    times = _times(text, export, choices, time, groups, faults, end)
    if choices.stamp is None and export.sub_hourly_end and _is_sub_hourly(times):
        end = True
        notes.append(f"times of {export.title} in steps below an hour are the ends of their intervals")
    numbers = {column: text.numbers(column, faults, choices.decimal) for column in values}
    for column, found in numbers.items() if not export.signed else ():
        for row in np.flatnonzero(found < 0).tolist():
            text.note(faults, row, column, f"must not be negative; found {found[row]:g}")
    if times is None or unit is None:
        return None, None
    order = np.arange(len(text))
    columns = (time, *([place] if place else []), *values)
    if len(values) == 1:
        return Rows(text, times, places, numbers[values[0]], order, columns, end), unit
    wide = [name for name in values for _ in range(len(text))]
    return (
        Rows(text, np.tile(times, len(values)), wide, np.concatenate(list(numbers.values())),
             np.tile(order, len(values)), columns, end),
        unit,
    )  # fmt: skip


def _chosen_rows(
    text: TextTable, export: Export, choices: Choices, faults: Faults, dropped: list[str]
) -> TextTable:
    """Keep the rows that the user chooses, or else those that are prices of the export's kind."""
    if not choices.where:
        kept = export.keep(text) if export.keep else None
        if kept is not None:
            dropped.append(f"{int((~kept[0]).sum())} rows: {kept[1]}")
            text = text.take(kept[0])
        return text
    for name, wanted in choices.where.items():
        column = find_column(text.columns, [name])
        if column is None:
            faults.add(f"where (--where): {unknown_name('column', name, text.columns)}", file=text.file)
            continue
        rows = (text.frame[column] == wanted).to_numpy(dtype=bool)
        if not rows.any():
            message = unknown_name(f"value of {column}", wanted, text.frame[column].unique().tolist())
            faults.add(f"where (--where): {message}", file=text.file)
        elif not rows.all():
            dropped.append(f"{int((~rows).sum())} rows whose {column} is not {wanted}")
            text = text.take(rows)
    faults.check()
    return text


def _value_columns(
    text: TextTable,
    export: Export,
    choices: Choices,
    time: str,
    place: str | None,
    faults: Faults,
    dropped: list[str],
) -> list[str]:
    """Return the column of numbers; of a wide file of nobody's form, those of its nodes."""
    if choices.value is not None:
        found = chosen_column(text.columns, choices.value, (), "value (--value)", text.file, faults)
        return [found] if found else []
    usual = find_measures(text.columns, export.value)
    if len(usual) > 1:
        faults.add(
            f"has numbers in several columns ({', '.join(usual)}): choose by value (--value)", file=text.file
        )
        return []
    others = [column for column in text.columns if column not in (time, place)]
    if usual:
        if export.wide and len(others) > 1:
            dropped.append(f"columns: {', '.join(column for column in others if column not in usual)}")
        return usual
    if not export.wide or place is not None:
        columns = ", ".join(text.columns)
        message = f"has no column of numbers that is known; give value (--value); its columns: {columns}"
        faults.add(message, file=text.file)
        return []
    asked = list(choices.nodes or ())
    numeric = [column for column in others if column in asked or _mostly_numbers(text, column)]
    left = [column for column in others if column not in numeric]
    if left:
        dropped.append(f"columns that are no numbers: {', '.join(left)}")
    if not numeric:
        faults.add(
            f"has no column of numbers beside its times; its columns: {', '.join(text.columns)}",
            file=text.file,
        )
    return numeric


def _mostly_numbers(text: TextTable, column: str) -> bool:
    cells = text.frame[column].str.replace(",", ".", regex=False)
    return bool(pd.to_numeric(cells, errors="coerce").notna().mean() > 0.5)


def _place_of_file(text: TextTable, export: Export) -> str:
    """Return the name of a file's only series, where one of its columns is called by it; empty if not."""
    return next((column for column in text.columns if re.match(r"(BZN|CTA|CTY|MBA)\|", column)), "")


def _unit(
    text: TextTable,
    export: Export,
    choices: Choices,
    values: list[str],
    family: UnitFamily,
    faults: Faults,
) -> str | None:
    """Return the unit of a file: as told, as its header says, or as files of its export have it."""
    unit = choices.unit or _said_unit(text, values, family) or export.unit
    if not unit:
        message = f"has no unit: give unit (--unit), e.g. {' or '.join(family.factors)}"
        faults.add(message, file=text.file, column=values[0])
        return None
    try:
        family.factor(unit, 1.0)
    except ValueError as error:
        faults.add(f"unit (--unit): {error}", file=text.file)
        return None
    return unit


def _said_unit(text: TextTable, values: list[str], family: UnitFamily) -> str | None:
    """Return the unit that a header says, or, of money, a column of currencies."""
    for name in values:
        if family.money and (match := _UNIT.search(name)):
            code = match[1].upper()
            return f"{_CURRENCIES.get(code, code)}/{_SIZES[match[2].lower()]}"
        plain = unicodedata.normalize("NFKC", name).replace(" ", "").casefold()
        found = [unit for unit in family.factors if unit.casefold() in plain]
        if found and not family.money:
            return max(found, key=len)
    currency = find_column(text.columns, ("Currency",)) if family.money else None
    codes = text.frame[currency].unique().tolist() if currency else []
    if len(codes) == 1 and re.fullmatch(r"[A-Z]{3}", codes[0]):
        return f"{_CURRENCIES.get(codes[0], codes[0])}/MWh"
    return None


def _times(
    text: TextTable,
    export: Export,
    choices: Choices,
    column: str,
    groups: Ints,
    faults: Faults,
    end: bool,
) -> Instants | None:
    """Read the times of a file by what the user says of them, or as its export writes them."""
    if export.times is not None and choices.time is None and choices.time_format is None:
        return export.times(text, column, groups, faults)
    zone = choices.time_zone or export.zone
    if zone is None and re.search(r"utc|gmt", column, re.IGNORECASE):
        zone = "UTC"
    if zone is None and re.search(r"_ept$", column):
        zone = "America/New_York"
    before = len(faults)
    form = find_form(text, column, choices.time_format, export.forms, faults)
    if len(faults) > before:
        return None
    return read_times(text, column, faults, zone=zone, form=form, groups=groups, end=end)


def _is_sub_hourly(times: Instants | None) -> bool:
    steps = np.diff(np.unique(times)) if times is not None else np.zeros(0)
    return bool(len(steps) and np.median(steps) < HOUR)
