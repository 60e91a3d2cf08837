"""Periods of results by their dates: which one is meant, and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.scenario.times import EXAMPLE, Times, moment_of, written

Period = int | str | datetime | np.datetime64
"""A period: its number, or a date in it. Text without an offset is in the zone of the results, other dates in UTC."""

_NO_DATES = "these results have no dates, since their scenario has no `start`; give periods by number"


def moments(ds: xr.Dataset) -> Times | None:
    """Return when each period begins, in UTC; None where results have no dates, or not one for every period."""
    time = ds.coords.get("time")
    if time is None or time.dims not in ((), ("period",)) or time.dtype.kind != "M":
        return None
    values = np.atleast_1d(time.values)
    return None if np.isnat(values).any() else values


def zone_of_dates(ds: xr.Dataset) -> str:
    """Return the zone in which the dates of results are shown."""
    return str(ds.coords["time"].attrs.get("time_zone", "UTC"))


def by_period(ds: xr.Dataset) -> xr.Dataset:
    """Return results along `period` also where their user put them along `time`.

    What was taken together over time (``resample``) has periods of its own, numbered from 0.
    """
    if "time" not in ds.dims or "period" in ds.dims:
        return ds
    if "period" not in ds.coords:
        ds = ds.assign_coords(period=("time", np.arange(ds.sizes["time"])))
    return ds.swap_dims(time="period")


def when(ds: xr.Dataset, position: int) -> str:
    """Say when a period begins: ``2026-01-06 14:00`` in the zone of the results, or ``period 38``."""
    begins = moments(ds)
    if begins is None:
        return f"period {np.atleast_1d(ds['period'].values)[position]}"
    return written(begins[position], zone_of_dates(ds))


def named(ds: xr.Dataset, number: int) -> str:
    """Say which period a number means: ``2026-01-06 14:00`` in the zone of the results, or ``period 38``."""
    found = np.flatnonzero(np.atleast_1d(ds["period"].values) == number)
    return when(ds, int(found[0])) if found.size else f"period {number}"


def cell(ds: xr.Dataset, number: int) -> str:
    """Return what `named` says without the word `period`, for a column under `when_head`."""
    return named(ds, number).removeprefix("period ")


def when_head(ds: xr.Dataset) -> str:
    """Return the head of a column that says which period is meant, in the words of `cell`."""
    return "period" if moments(ds) is None else f"time [{zone_of_dates(ds)}]"


def position_of(ds: xr.Dataset, period: Period, subject: str) -> int:
    """Return the position of a period along the results.

    Parameters
    ----------
    ds : Dataset
        Results along `period`.
    period : int, str or datetime
        Its number, or a date in it.
    subject : str
        Who asks, for messages.

    Raises
    ------
    ResultError
        If there is no such period, or it is asked for by a date and results have none.
    """
    labels = np.atleast_1d(ds["period"].values).tolist() if "period" in ds.coords else []
    number = _number(period)
    if number is not None:
        if number not in labels:
            raise ResultError(f"{subject}: {unknown_name('period', number, labels)}")
        return int(labels.index(number))
    begins, first, _ = _asked(ds, period, subject)
    position = int(np.searchsorted(begins, first, side="right")) - 1
    if position < 0 or first >= begins[position] + _length(ds, begins):
        raise ResultError(f"{subject}: no period at {period}; {_span(ds)}")
    return position


def positions_within(ds: xr.Dataset, first: Period | None, last: Period | None, subject: str) -> list[int]:
    """Return the positions of the periods from one to another, both included; a day as the last one counts wholly.

    Raises
    ------
    ResultError
        If a bound is a date and results have none.
    """
    labels = np.atleast_1d(ds["period"].values)
    kept = np.ones(len(labels), dtype=bool)
    for bound, is_first in ((first, True), (last, False)):
        if bound is None:
            continue
        number = _number(bound)
        if number is not None:
            kept &= labels >= number if is_first else labels <= number
            continue
        begins, start, after = _asked(ds, bound, subject)
        # A period counts where any of it lies between the bounds.
        kept &= begins + _length(ds, begins) > start if is_first else begins < after
    return [int(position) for position in np.flatnonzero(kept)]


def _number(period: Period) -> int | None:
    if isinstance(period, int | np.integer):
        return int(period)
    if isinstance(period, str) and period.strip().lstrip("-").isdigit():
        return int(period)
    return None


def _asked(ds: xr.Dataset, period: Period, subject: str) -> tuple[Times, np.datetime64, np.datetime64]:
    """Return when periods begin, and the first moment that a date means and the first one after it."""
    begins = moments(ds)
    if begins is None:
        raise ResultError(f"{subject}: period {period!s}: {_NO_DATES}")
    text: Any = period
    if isinstance(period, np.datetime64):
        text = f"{np.datetime64(period, 'us')}Z"
    elif isinstance(period, datetime):
        text = (period if period.tzinfo else period.replace(tzinfo=UTC)).isoformat()
    try:
        found = moment_of(str(text), zone_of_dates(ds))
    except ValueError as error:
        raise ResultError(
            f"{subject}: a period is a number such as 38, or {_but(error)}; {_span(ds)}"
        ) from None
    first, after = (np.datetime64(one.replace(tzinfo=None), "us") for one in found)
    return begins, first, after


def _but(error: ValueError) -> str:
    return f"a date such as {EXAMPLE}; {str(error).partition('; ')[2]}"


def _length(ds: xr.Dataset, begins: Times) -> np.timedelta64:
    """Return how long a period lasts: as results say, else from one to the next."""
    hours = ds.attrs.get("hours")
    if isinstance(hours, int | float | np.number) and hours > 0:
        return np.timedelta64(round(float(hours) * 3.6e9), "us")
    return np.diff(begins).min() if len(begins) > 1 else np.timedelta64(1, "h")


def _span(ds: xr.Dataset) -> str:
    last = ds.sizes.get("period", 1) - 1
    return f"the results have {when(ds, 0)} to {when(ds, last)} ({zone_of_dates(ds)})"
