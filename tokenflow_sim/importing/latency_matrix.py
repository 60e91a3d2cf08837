"""Latencies between places, as a matrix or as rows of pairs -> arcs with their latency."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tokenflow_sim.importing.columns import find_column, folded
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import TABLE, Imported, Summary, comment
from tokenflow_sim.importing.names import Nodes, listed, name_nodes
from tokenflow_sim.importing.text_table import TextTable, read_table
from tokenflow_sim.numerals import counted
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.network import Network

SUBJECT = "the import of latencies"
_ORIGINS = (
    "origin",
    "source",
    "from",
    "src",
    "source_region",
    "from_region",
    "node_from",
    "region_from",
)
_DESTINATIONS = (
    "destination",
    "target",
    "to",
    "dst",
    "dest",
    "destination_region",
    "to_region",
    "node_to",
)
_VALUES = (
    "latency",
    "latency_ms",
    "rtt",
    "rtt_ms",
    "delay",
    "delay_ms",
    "ms",
    "ping",
    "average latency (ms)",
    "value",
)
_TO_MS = {"ms": 1.0, "us": 1e-3, "s": 1e3}
_ROUND_TRIP = re.compile(r"\brtt\b|round.?trip|ping", re.IGNORECASE)

_CAPACITY: float = Network.model_fields["capacity"].default

_COORDINATES = {"lat", "latitude", "lon", "lng", "long", "longitude", "x", "y"}
_NO_PLACE = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
"""A number, or a date: no name of a place."""

Unit = Literal["ms", "us", "s"]


@dataclass(frozen=True)
class _Pairs:
    """Latencies by pair, as the file has them; NaN where it has none."""

    origins: list[str]
    destinations: list[str]
    values: Floats
    form: str


def latency(
    path: str | Path,
    *,
    rtt: bool = False,
    unit: Unit = "ms",
    map: Nodes = None,
    capacity: float | None = None,
) -> Imported:
    """Read latencies between places.

    Parameters
    ----------
    path : str or Path
        A matrix, names in its first row and first column, or rows of an origin, a destination and a latency.
    rtt : bool
        Whether the file has round trips, which are halved.
    unit : {"ms", "us", "s"}
        Unit of the file.
    map : mapping or iterable of str, optional
        Nodes by name in the file, or the names to keep; all, if left out.
    capacity : float, optional
        Capacity of every link in GB/s, which such files do not tell; the default of the format if left out.

    Returns
    -------
    Imported
        `table` has columns ``origin``, ``destination`` and ``latency`` [ms], one row an arc.

    Raises
    ------
    DataError
        If the file has faults; all are listed, each with its row and column.

    Notes
    -----
    An entry is the latency from the place of its row to that of its column, and both directions are kept as they are.
    A blank entry takes that of the other direction; where both are blank there is no arc. The diagonal is left out: a
    node's own demand meets no arc.
    """
    faults = Faults(SUBJECT)
    text = read_table(path, SUBJECT)
    pairs = _long(text, faults) or _matrix(text, faults)
    faults.check()
    names, notes = name_nodes([*pairs.origins, *pairs.destinations], map, faults, text.file)
    faults.check()
    factor = _TO_MS[unit] * (0.5 if rtt else 1.0)
    given = {
        (origin, destination): value * factor
        for origin, destination, value in zip(pairs.origins, pairs.destinations, pairs.values, strict=True)
        if np.isfinite(value)
    }
    own = [value for (origin, destination), value in given.items() if origin == destination and value != 0]
    rows, turned = [], 0
    for origin, destination in dict.fromkeys(zip(pairs.origins, pairs.destinations, strict=True)):
        if origin == destination or origin not in names or destination not in names:
            continue
        value = given.get((origin, destination))
        if value is None:
            value = given.get((destination, origin))
            turned += value is not None
        if value is not None:
            rows.append((names[origin], names[destination], value))
    uneven = sum(1 for (a, b), value in given.items() if a < b and (b, a) in given and given[b, a] != value)
    table = pd.DataFrame(rows, columns=["origin", "destination", "latency"])
    half = "half of the round trip in the file" if rtt else "as in the file, taken to be one way"
    assumed = [f"latency in ms: {half}"]
    if not rtt and _ROUND_TRIP.search(" ".join([text.file, *text.columns])):
        assumed.append("the file speaks of round trips: rtt (--rtt) halves them")
    if turned:
        assumed.append(f"{turned} blank entries took the latency of the other direction")
    given_capacity = (
        f"capacity of every link: {capacity:g} GB/s, as given"
        if capacity is not None
        else (f"the file has no capacities: every link has the format's default of {_CAPACITY:g} GB/s")
    )
    assumed.append(given_capacity)
    dropped = [*notes, *([f"{len(own)} entries of the diagonal that are not zero"] if own else [])]
    lines = [
        comment(f"From {text.file}: {len(table)} arcs between {len(set(names.values()))} nodes."),
        "network:",
        *(comment(line, 2) for line in [*assumed, *(f"left out: {line}" for line in dropped)]),
        *([f"  capacity: {capacity:g} # GB/s"] if capacity is not None else []),
        f"  arcs: {TABLE}",
    ]
    entries = {
        "format": pairs.form,
        "rows read": str(len(text)),
        "arcs": f"{len(table)} between {len(set(names.values()))} nodes"
        + (f"; {counted(uneven, 'pair')} with a difference by direction" if uneven else ""),
        "unit": f"{unit}{', round trips halved' if rtt else ''}",
        "latency": f"{table.latency.min():g} to {table.latency.max():g} ms" if rows else "none",
        "dropped": dropped,
        "assumed": [*assumed, *text.notes],
    }
    summary = Summary(f"latencies of {text.file}", entries)
    return Imported("latency", {"latency.csv": table}, "\n".join(lines) + "\n", summary)


def _long(text: TextTable, faults: Faults) -> _Pairs | None:
    """Read rows of origin, destination and latency; None where the columns are no such thing."""
    origin, destination = find_column(text.columns, _ORIGINS), find_column(text.columns, _DESTINATIONS)
    value = find_column(text.columns, _VALUES)
    if origin is None or destination is None or value is None:
        return None
    if set(text.frame[text.columns[0]]) & set(text.columns[1:]):  # a matrix of places that are called so
        return None
    values = text.numbers(value, faults)
    origins, destinations = text.frame[origin].tolist(), text.frame[destination].tolist()
    seen: dict[tuple[str, str], int] = {}
    for row, pair in enumerate(zip(origins, destinations, strict=True)):
        for column, name in zip((origin, destination), pair, strict=True):
            if not name:
                text.note(faults, row, column, "must be the name of a place; found nothing")
        if pair in seen:
            message = f"repeats {pair[0]} to {pair[1]}, first on line {text.lines[seen[pair]]}"
            text.note(faults, row, destination, message)
        seen.setdefault(pair, row)
        if values[row] < 0:
            text.note(faults, row, value, f"a latency must not be negative; found {values[row]:g}")
    return _Pairs(origins, destinations, values, form="rows of origin, destination and latency")


def _why_no_matrix(text: TextTable, names: list[str], columns: list[str]) -> str:
    """Say by what a table without a place in rows and columns both is no matrix of regions by sites; else empty."""
    odd = next((name for name in names if _NO_PLACE.fullmatch(name)), None)
    if odd is not None:
        return f"{odd!r} is a time or a number"
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        return f"{twice!r} comes more than once"
    spots = [column for column in columns if folded(column) in _COORDINATES]
    if spots:
        return f"{spots[0]!r} is a coordinate"
    for column in columns:
        faults = Faults(SUBJECT)
        if np.isnan(text.numbers(column, faults)).all() and faults:
            return f"column {column!r} holds no numbers"
    return ""


def _matrix(text: TextTable, faults: Faults) -> _Pairs:
    """Read a matrix with names in its first row and column."""
    corner, *columns = text.columns
    names = text.frame[corner].tolist()
    for row, name in enumerate(names):
        if not name:
            text.note(faults, row, corner, "must be the name of a place; found nothing")
        elif name in names[:row]:
            text.note(faults, row, corner, f"repeats {name!r}, first on line {text.lines[names.index(name)]}")
    if not columns:
        faults.add(
            "is neither a matrix with names nor has columns of origin, destination and latency",
            file=text.file,
        )
    shared = set(names) & set(columns)
    if columns and not shared and (why := _why_no_matrix(text, names, columns)):
        raise refuse(
            SUBJECT,
            f"is no matrix: no name of column {corner!r} ({listed(names, 2)}) names a column"
            f" ({listed(columns, 4)}), and {why}. Latencies stand in a matrix with the same places as rows and"
            " columns, or in columns `origin`, `destination` and `latency`",
            file=text.file,
        )
    if shared:  # a matrix of one set of places: a name that only one side has is a slip
        for row, name in enumerate(names):
            if name and name not in columns:
                text.note(
                    faults, row, corner, f"row {name!r} has no column; columns: {', '.join(columns[:12])}"
                )
        for name in columns:
            if name not in names:
                faults.add("this column has no row of its name", file=text.file, column=name)
    values = np.full((len(names), len(columns)), np.nan)
    for number, column in enumerate(columns):
        values[:, number] = text.numbers(column, faults)
        for below in np.flatnonzero(values[:, number] < 0):
            row = int(below)
            text.note(faults, row, column, f"a latency must not be negative; found {values[row, number]:g}")
    origins = [name for name in names for _ in columns]
    shape = f"matrix of {len(names)} by {len(columns)}"
    return _Pairs(origins, columns * len(names), values.ravel(), form=shape)
