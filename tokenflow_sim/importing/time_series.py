"""Rows of times, places and numbers, from one or several files -> a table by time with a column a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.importing.names import Nodes, listed, name_nodes
from tokenflow_sim.importing.text_table import TextTable
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.time_axis import Instants, length, make_steps, shown

_FEW = 12
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class Rows:
    """Numbers of one file.

    Parameters
    ----------
    text : TextTable
        The file, of which each row here has one row.
    times : ndarray
        Begin of each interval, or its end, in ns since 1970 in UTC.
    places : list of str
        Place of each row; empty where the file has one series without a name.
    values : ndarray
        NaN where the file has no number.
    rows : ndarray
        Row of the file of each number.
    columns : tuple of str
        The columns of times, places and numbers, for messages.
    end : bool
        Whether the times are ends of intervals.
    """

    text: TextTable
    times: Instants
    places: list[str]
    values: Floats
    rows: np.ndarray
    columns: tuple[str, ...]
    end: bool = False


@dataclass(frozen=True, eq=False)
class Collected:
    """Numbers of all files by time and node.

    Parameters
    ----------
    table : DataFrame
        Index ``time`` (UTC, begin of each interval), one column a node.
    entries : mapping
        Span, step and gaps, for the summary.
    gaps : bool
        Whether a node lacks a number at some time of the span.
    notes : list of str
        What was left out, merged or renamed.
    start : str
        Begin of the first interval, as a scenario's `start` takes it.
    """

    table: pd.DataFrame
    entries: Mapping[str, str | Sequence[str]]
    gaps: bool
    notes: list[str]
    start: str


def collect(files: Sequence[Rows], nodes: Nodes, faults: Faults) -> Collected:
    """Put rows of several files on one axis of time.

    Raises
    ------
    DataError
        If two rows of a time and place differ, a name is unknown, or times follow each other irregularly.
    """
    first = files[0]
    single = next((file.text.stem for file in files if any(not place for place in file.places)), None)
    frame = pd.concat(
        [
            pd.DataFrame(
                {"time": part.times, "place": [place or part.text.stem for place in part.places], "value": part.values,
                 "file": number, "row": part.rows}
            )
            for number, part in enumerate(files)
        ],
        ignore_index=True,
    )  # fmt: skip
    notes: list[str] = []
    places = frame["place"].unique().tolist()
    if single is not None and len(places) == 1 and nodes is not None:
        asked = list(nodes.values()) if isinstance(nodes, Mapping) else list(nodes)
        nodes = {single: asked[0]} if len(asked) == 1 else nodes  # the only series needs no name in the file
    named, renamed = name_nodes(places, nodes, faults, first.text.file)
    notes += renamed
    faults.check()
    frame = frame[frame["place"].isin(named)]
    frame, merged = _without_repeats(frame, files, faults)
    notes += merged
    faults.check()
    wide = frame.pivot(index="time", columns="place", values="value").sort_index()[list(named)]
    times = wide.index.to_numpy(dtype=np.int64)
    try:
        steps = make_steps(times, first.end)
    except ValueError as error:
        faults.add(str(error), file=first.text.file, column=first.columns[0])
        raise faults.error() from None
    begins = steps.edges[steps.rows]
    table = pd.DataFrame(
        wide.to_numpy(),
        index=pd.DatetimeIndex(pd.to_datetime(begins, utc=True), name="time"),
        columns=[named[place] for place in wide.columns],
    )
    whole = np.full((len(steps.edges) - 1, len(named)), np.nan)
    whole[steps.rows] = table.to_numpy()
    holes = np.isnan(whole)
    sizes, counts = np.unique(np.diff(steps.edges), return_counts=True)
    many = ", ".join(f"{length(size)} ({count} times)" for size, count in zip(sizes, counts, strict=True))
    entries = {
        "span": f"{shown(steps.edges[0])} to {shown(steps.edges[-1])} UTC, {len(whole)} steps",
        "step": length(sizes[0]) if len(sizes) == 1 else many,
        "gaps": _gaps(holes, steps.edges, list(table.columns)) or "none",
    }
    return Collected(table, entries, bool(holes.any()), notes, shown(steps.edges[0]))


def _without_repeats(
    frame: pd.DataFrame, files: Sequence[Rows], faults: Faults
) -> tuple[pd.DataFrame, list[str]]:
    """Merge rows of one time and place that agree; those that differ are noted, with the column that may tell them."""
    keys = ["time", "place"]
    if not frame.duplicated(keys).any():
        return frame, []
    blank = frame["value"].isna()
    known = frame[~blank]
    distinct = known.drop_duplicates([*keys, "value"])
    clash = distinct[distinct.duplicated(keys, keep=False)]
    for (_, place), pair in clash.groupby(keys, sort=False):
        here, there = pair.iloc[0], pair.iloc[1]
        part, other = files[there["file"]], files[here["file"]]
        where = f"line {other.text.lines[here['row']]}" + (
            f" of {other.text.file}" if other.text.file != part.text.file else ""
        )
        message = (
            f"repeats {place} at {shown(there['time'])} UTC with {there['value']:g}, where {where} has"
            f" {here['value']:g}{_difference(part, other, int(there['row']), int(here['row']))}"
        )
        part.text.note(faults, int(there["row"]), part.columns[0], message)
    rest = frame[blank].merge(known[keys], on=keys, how="left", indicator=True)
    empty = rest[rest["_merge"] == "left_only"].drop(columns="_merge").drop_duplicates(keys)
    kept = pd.concat([known.drop_duplicates(keys), empty], ignore_index=True)
    return kept, [f"{len(frame) - len(kept)} rows that repeat others"]


def _difference(part: Rows, other: Rows, row: int, other_row: int) -> str:
    """Name a column in which two rows differ, by whose values rows can be chosen."""
    for column in part.text.columns:
        if column in part.columns or column not in other.text.columns:
            continue
        mine, theirs = part.text.frame[column].iloc[row], other.text.frame[column].iloc[other_row]
        if mine != theirs and part.text.frame[column].nunique() <= _FEW:
            return f"; they differ in {column}: choose by where (--where '{column}={theirs}')"
    return ""


def _gaps(holes: np.ndarray, edges: Instants, nodes: list[str]) -> list[str]:
    """Say where nodes lack numbers, stretches of steps put together, and nodes that lack the same."""
    by_gap: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for column, node in enumerate(nodes):
        marks = np.flatnonzero(np.diff(np.concatenate([[0], holes[:, column], [0]]).astype(np.int8)))
        stretches = tuple((int(a), int(b)) for a, b in zip(marks[::2], marks[1::2], strict=True))
        if stretches:
            by_gap.setdefault(stretches, []).append(node)
    gaps = []
    for stretches, lacking in by_gap.items():
        steps = sum(b - a for a, b in stretches)
        spans = [f"{shown(edges[a])} to {shown(edges[b])}" for a, b in stretches[:_SHOWN]]
        more = f" and {len(stretches) - _SHOWN} more" if len(stretches) > _SHOWN else ""
        who = f"{listed(lacking, _SHOWN)}: " if len(nodes) > 1 else ""
        gaps.append(f"{who}{steps} steps without a value: {', '.join(spans)}{more}")
    return gaps[:8] + ([f"and {len(gaps) - 8} more nodes with gaps of their own"] if len(gaps) > 8 else [])
