"""Intervals of time: from the stamps of a file to edges in UTC, and from edges to the periods of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.time_advice import UNIX, why_no_times
from tokenflow_sim.scenario.times import PeriodTimes
from tokenflow_sim.scenario.zone import zone_of

Instants = NDArray[np.int64]
"""Nanoseconds since 1970 in UTC."""

HOUR = 3_600_000_000_000
_DAY = 24 * HOUR
_RUN = 12  # so many equal steps in a row are a resolution of their own
_FIRST, _LAST = -(2**63) // 1000 + 1, 2**63 // 1000 - 1  # microseconds that nanoseconds can count
_MOST_STEPS = 20_000_000
_OFFSET = r"(?:Z|[+-]\d\d:?\d\d|\d:\d\d(?::\d\d(?:\.\d+)?)?[+-]\d\d)$"

Refuse = Callable[[int, str], None]
"""Takes the number of a row and what is wrong with it."""


def shown(at: int | np.int64) -> str:
    """Write an instant."""
    stamp = pd.Timestamp(int(at), unit="ns")
    return f"{stamp:%Y-%m-%d %H:%M}" + (f":{stamp:%S}" if stamp.second else "")


def length(ns: int | np.int64) -> str:
    """Write a length of time, e.g. ``15 min``, ``1 h``."""
    minutes = int(ns) / (HOUR / 60)
    if minutes >= 60 and minutes % 60 == 0:
        return f"{minutes / 60:g} h"
    return f"{minutes:g} min"


def read_stamps(
    stamps: pd.Series,
    groups: NDArray[np.int64],
    zone: str | None,
    form: str | None,
    end: bool,
    refuse: Refuse,
) -> Instants | None:
    """Read the stamps of a file.

    Parameters
    ----------
    stamps : Series
        Text, or datetimes with or without a zone.
    groups : ndarray
        Which series each row belongs to: what tells the two passes of an hour that comes twice is the order of rows
        within a series.
    zone : str or None
        The zone of stamps that bear none.
    form : str or None
        How text is written, as `datetime.strptime` takes it; ISO 8601 if left out.
    end : bool
        Whether stamps are ends of intervals.
    refuse : callable
        Told of every fault.

    Returns
    -------
    ndarray or None
        None where there are faults.
    """
    try:
        return _read(stamps, groups, zone, form, end, refuse)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        refuse(0, "has times before 1678 or after 2261")
        return None


def _read(
    stamps: pd.Series,
    groups: NDArray[np.int64],
    zone: str | None,
    form: str | None,
    end: bool,
    refuse: Refuse,
) -> Instants | None:
    if isinstance(stamps.dtype, pd.DatetimeTZDtype):
        return _nanoseconds(pd.DatetimeIndex(stamps))
    if stamps.dtype.kind == "M":
        naive = pd.DatetimeIndex(stamps)
        days = np.zeros(len(stamps), dtype=np.int64)
    else:
        text = stamps.astype(str).str.strip()
        if form == UNIX:
            return _counted(text, refuse)
        offsets = text.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool)
        if offsets.any() and not offsets.all():
            bare = text[~offsets]
            no_time = pd.to_datetime(bare, format=form or "ISO8601", errors="coerce").isna().to_numpy()
            for row in np.flatnonzero(~offsets)[no_time] if form is None else ():
                refuse(int(row), f"must be a time, as in other rows; found {stamps.iloc[row]!r:.60}")
            if form is None and no_time.any():
                return None
            odd = int(np.flatnonzero(offsets != offsets[0])[0])
            refuse(
                odd, f"time {text.iloc[odd]!r} {'has' if offsets[odd] else 'lacks'} an offset, unlike others"
            )
            return None
        days = np.zeros(len(text), dtype=np.int64)
        if form is None:
            # Hour-ending files call midnight 24:00 of the day that ends.
            late = text.str.fullmatch(r".*[ T]24:00(?::00)?").to_numpy(dtype=bool)
            if late.any():
                text = text.mask(late, text.str.replace("24:00", "00:00", n=1))
                days[late] = _DAY
        read = pd.to_datetime(text, format=form or "ISO8601", utc=bool(offsets.any()), errors="coerce")
        wrong = np.flatnonzero(read.isna().to_numpy())
        if wrong.size == len(text) > 1:  # one reason for all rows is one fault
            refuse(0, why_no_times(text, form))
            return None
        for row in wrong:
            how = form or "an ISO 8601 time such as 2026-01-05 00:00; for another form give `time_format`"
            refuse(int(row), f"time must be {how}; found {stamps.iloc[row]!r:.60}")
        if wrong.size:
            return None
        naive = pd.DatetimeIndex(read)
        if offsets.any():
            return _nanoseconds(naive) + days
    if naive.hasnans:
        refuse(int(np.flatnonzero(naive.isna())[0]), "has no time")
        return None
    if zone is None:
        refuse(
            0,
            f"time {naive[0]} has no zone: give `time_zone`, e.g. UTC or America/Chicago, or times with an offset",
        )
        return None
    found = _localized(naive, groups, zone, end, refuse)
    return None if found is None else found + days


def _counted(text: pd.Series, refuse: Refuse) -> Instants | None:
    """Return seconds since 1970 as instants."""
    seconds = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    sound = np.isfinite(seconds) & (np.abs(seconds) <= _LAST // 1_000_000)
    for row in np.flatnonzero(~sound)[: 1 if not sound.any() else None]:
        message = "must be seconds since 1970, before the year 2262 (divide milliseconds by 1000)"
        refuse(int(row), f"{message}; found {text.iloc[row]!r:.60}")
    return np.rint(seconds * 1e6).astype(np.int64) * 1000 if sound.all() else None


def _nanoseconds(index: pd.DatetimeIndex) -> Instants:
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    return np.asarray(utc.as_unit("ns").asi8, dtype=np.int64)


def _localized(
    naive: pd.DatetimeIndex, groups: NDArray[np.int64], zone: str, end: bool, refuse: Refuse
) -> Instants | None:
    """Return local times as instants, through hours that clocks skip and hours that they repeat."""
    where = zone_of(zone)
    aware = naive.tz_localize(where, ambiguous="NaT", nonexistent="NaT")
    odd = np.asarray(aware.isna())
    if not odd.any():
        return _nanoseconds(aware)
    rows = np.flatnonzero(odd)
    part = naive[rows]
    skipped = np.asarray(
        part.tz_localize(where, ambiguous=np.ones(len(rows), bool), nonexistent="NaT").isna()
    )
    forward = part[skipped].tz_localize(where, ambiguous="NaT", nonexistent="shift_forward")
    bad = False
    for row, moved in zip(rows[skipped], forward, strict=True):
        # The end of an hour may be written as the instant at which clocks go forward.
        before = (moved - pd.Timedelta(1, "ns")).tz_localize(None) + pd.Timedelta(1, "ns")
        if not (end and before == naive[row]):
            refuse(int(row), f"time {naive[row]} does not exist in {zone}, where clocks go forward over it")
            bad = True
    repeated = rows[~skipped]
    first = _passes(naive, repeated, groups, zone, refuse)
    if bad or first is None:
        return None
    flags = np.ones(len(naive), dtype=bool)
    flags[repeated] = first
    return _nanoseconds(naive.tz_localize(where, ambiguous=flags, nonexistent="shift_forward"))


def _passes(
    naive: pd.DatetimeIndex, repeated: NDArray[np.intp], groups: NDArray[np.int64], zone: str, refuse: Refuse
) -> NDArray[np.bool_] | None:
    """Say which rows of a repeated hour belong to its first pass: the order of the rows around them decides."""
    if not repeated.size:
        return np.zeros(0, dtype=bool)
    walls = naive.asi8
    keys = pd.DataFrame({"at": walls[repeated], "group": groups[repeated]})
    counts = keys.groupby(["at", "group"])["at"].transform("size").to_numpy()
    if (counts != 2).any():
        row = int(repeated[np.flatnonzero(counts != 2)[0]])
        what = "once" if counts[counts != 2][0] == 1 else "more than twice"
        refuse(
            row,
            f"time {naive[row]} comes twice in {zone} (clocks go back), and the file has it {what}; {_UTC}",
        )
        return None
    earlier = keys.groupby(["at", "group"]).cumcount().to_numpy() == 0
    first = np.zeros(len(repeated), dtype=bool)
    days = walls[repeated] // _DAY
    for (group, _), part in pd.Series(np.arange(len(repeated))).groupby([groups[repeated], days]):
        members = part.to_numpy()
        around = np.flatnonzero(groups[repeated[members[0]] : repeated[members[-1]] + 1] == group)
        around += repeated[members[0]]
        inside = np.searchsorted(around, repeated[members])
        for passes in (earlier[members], ~earlier[members]):  # rows that go up, rows that go down
            instants = walls[around].copy()
            instants[inside] += np.where(passes, 0, HOUR)  # the second pass lies an hour after the first
            steps = np.diff(instants)
            if (steps > 0).all() or (steps < 0).all():
                first[members] = passes
                break
        else:
            row = int(repeated[members[0]])
            refuse(
                row,
                f"time {naive[row]} comes twice in {zone} (clocks go back), and rows are unordered; {_UTC}",
            )
            return None
    return first


_UTC = "give times in UTC or with their offset"


@dataclass(frozen=True)
class Steps:
    """Intervals without a gap between them, and which of them a file has rows for.

    Parameters
    ----------
    edges : ndarray
        Begin of each interval, and the end of the last.
    rows : ndarray
        The interval of each distinct time of the file.
    """

    edges: Instants
    rows: NDArray[np.int64]


def make_steps(times: Instants, end: bool) -> Steps:
    """Tell how long each row lasts, and make the rows that are missing.

    Parameters
    ----------
    times : ndarray
        Distinct times, ascending.
    end : bool
        Whether they are ends of intervals.

    Notes
    -----
    A row lasts as long as most rows do. Where a dozen rows or more follow each other in another step, that is theirs;
    calendar months and local days with 23 or 25 hours are what they are. What is longer has a gap in it, which is made
    into steps without a value.

    Raises
    ------
    ValueError
        If a single row does not tell how long it lasts, or rows follow each other more closely than the file's step.
    """
    if len(times) < 2:
        raise ValueError("has one time only, which does not tell how long it lasts; give two or more")
    gaps = np.diff(times)
    values, counts = np.unique(gaps, return_counts=True)
    step = int(values[np.argmax(counts)])
    whole = gaps == step
    begins_of_runs = np.flatnonzero(np.diff(gaps, prepend=0) != 0)
    lengths = np.diff(np.append(begins_of_runs, len(gaps)))
    whole |= np.repeat(lengths >= _RUN, lengths)
    if step >= _DAY:
        whole |= np.abs(gaps - step) <= HOUR
    if step >= 28 * _DAY:
        whole |= np.abs(gaps - step) <= 3 * _DAY + HOUR
    close = np.flatnonzero(~whole & (gaps < step))
    if close.size:
        at = int(close[0])
        raise ValueError(
            f"has {shown(times[at + 1])} only {length(gaps[at])} after {shown(times[at])} UTC, where its rows are"
            f" {length(step)} apart"
        )
    if end:  # the same, seen backwards
        edges, rows = _laid_out(-times[::-1], gaps[::-1], whole[::-1], step)
        edges, rows = -edges[::-1], len(edges) - 2 - rows[::-1]
        edges[0] = _month_from(times[0], -step, edges[0])
    else:
        edges, rows = _laid_out(times, gaps, whole, step)
        edges[-1] = _month_from(times[-1], step, edges[-1])
    return Steps(edges, rows)


def _month_from(time: int, step: int, otherwise: int) -> int:
    """Return the other end of an interval at the edge of a file, where its steps are calendar months or years."""
    months = round(step / (30.44 * _DAY))
    if abs(step) < 28 * _DAY or abs(abs(step) - abs(months) * 30.44 * _DAY) > 3 * _DAY:
        return otherwise
    return int((pd.Timestamp(int(time), unit="ns") + pd.DateOffset(months=months)).as_unit("ns").value)


def _laid_out(
    times: Instants, gaps: Instants, whole: NDArray[np.bool_], step: int
) -> tuple[Instants, NDArray[np.int64]]:
    """Return edges without a gap between them, and the interval of each time."""
    # How long a row lasts: to the next one; before a gap, and at the end, as long as the row before it.
    lasting = np.append(np.where(whole, gaps, 0), 0)
    before = np.where(lasting > 0, np.arange(len(lasting)), 0)
    np.maximum.accumulate(before, out=before)
    lasting = np.where(lasting > 0, lasting, np.where(lasting[before] > 0, lasting[before], step))
    missing = np.zeros(len(times), dtype=np.int64)
    missing[:-1] = np.where(whole, 0, -(-(gaps - lasting[:-1]) // lasting[:-1])).clip(min=0)
    total = len(times) + int(missing.sum())
    if total > _MOST_STEPS:
        raise ValueError(f"has gaps that would make {total} steps of {length(step)}; cut the file")
    rows = np.arange(len(times)) + np.append(0, np.cumsum(missing[:-1]))
    begins = np.repeat(times, missing + 1)
    inside = np.arange(total) - np.repeat(rows, missing + 1)
    begins += inside * np.repeat(lasting, missing + 1)
    return np.append(begins, times[-1] + lasting[-1]), rows.astype(np.int64)


def period_edges(start: datetime, hours: float, periods: int) -> Instants:
    """Return the begin of each period of a run, and the end of the last."""
    times = PeriodTimes(start, hours).at(np.arange(periods + 1)).astype("datetime64[us]").view(np.int64)
    return np.asarray(np.clip(times, _FIRST, _LAST) * 1000)


def over_periods(values: Floats, edges: Instants, periods: Instants) -> Floats:
    """Average values over periods, weighted by time; a value that lasts longer than a period is held.

    Parameters
    ----------
    values : ndarray
        One row an interval.
    edges, periods : ndarray
        Edges of the intervals, which cover the periods, and of the periods.

    Returns
    -------
    ndarray
        One row a period.
    """
    inner = edges[np.searchsorted(edges, periods[0], "right") : np.searchsorted(edges, periods[-1], "left")]
    cuts = np.union1d(periods, inner)
    row = np.searchsorted(edges, cuts[:-1], "right") - 1
    if len(cuts) == len(periods):
        return np.asarray(values[row])
    period = np.searchsorted(periods, cuts[:-1], "right") - 1
    weight = np.diff(cuts) / np.diff(periods)[period]
    pieces = values[row] * weight.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(np.add.reduceat(pieces, np.searchsorted(period, np.arange(len(periods) - 1)), axis=0))
