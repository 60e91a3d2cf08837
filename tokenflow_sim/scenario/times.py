"""Periods as dates: when each begins, and which one a date lies in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.scenario.zone import zone_of

Times = NDArray[np.datetime64]

EXAMPLE = "2026-01-06T14:00"
"""A date as messages show it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = 1_000_000
_WHOLE = 1e-9  # relative difference up to which a length written in decimals means whole seconds
_LAST_NANOSECOND = np.datetime64("2262-01-01", "us")


@dataclass(frozen=True)
class PeriodTimes:
    """When periods begin.

    Parameters
    ----------
    start : datetime
        When period 0 begins, with a zone.
    hours : float
        Length of a period.
    zone : str
        The zone in which dates are shown and read.
    """

    start: datetime
    hours: float
    zone: str = "UTC"

    def at(self, periods: Any) -> Times:
        """Return when periods begin, in UTC, in nanoseconds as pandas keeps them (microseconds after the year 2261).

        Parameters
        ----------
        periods : array_like of int
            The periods.
        """
        begin = np.datetime64(round((self.start - _EPOCH) / timedelta(microseconds=1)), "us")
        seconds = self.hours * SECONDS_PER_HOUR
        whole = round(seconds)
        numbers = np.asarray(periods, dtype=np.int64)
        # An hour's twelfth written as 0.0833333333 means five minutes: counted in whole seconds it does not drift.
        if whole and abs(seconds - whole) <= _WHOLE * seconds:
            steps = numbers * (whole * _MICRO)
        else:
            steps = np.rint(numbers * (seconds * _MICRO)).astype(np.int64)
        times = begin + steps.astype("timedelta64[us]")
        last = times.max() if times.size else begin
        return times.astype("datetime64[ns]") if last < _LAST_NANOSECOND else times

    def attrs(self) -> dict[str, str]:
        """Return the attributes of the coordinate `time`, beside its meaning."""
        return {"standard_name": "time", "axis": "T", "time_zone": self.zone}

    def encoding(self) -> dict[str, Any]:
        """Return how files hold the coordinate: whole numbers since 1970, by the CF conventions."""
        seconds = self.hours * SECONDS_PER_HOUR
        is_whole = round(seconds) > 0 and abs(seconds - round(seconds)) <= _WHOLE * seconds
        unit = "seconds" if is_whole and not self.start.microsecond else "microseconds"
        return {"units": f"{unit} since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}

    def encoded(self, periods: Any) -> NDArray[np.int64]:
        """Return the whole numbers that files hold for periods."""
        unit = "s" if self.encoding()["units"].startswith("seconds") else "us"
        return self.at(periods).astype(f"datetime64[{unit}]").astype(np.int64)

    def period_of(self, text: str) -> int:
        """Return the period, also a negative one, in which a moment lies.

        Raises
        ------
        ValueError
            If the text is no date.
        """
        found, _ = moment_of(text, self.zone)
        moment = np.datetime64(found.replace(tzinfo=None), "us")
        guess = round((found - self.start) / timedelta(hours=self.hours))
        near = np.arange(guess - 2, guess + 3)
        return int(near[np.searchsorted(self.at(near), moment, side="right") - 1])


def moment_of(text: str, zone: str) -> tuple[datetime, datetime]:
    """Return the first moment that a date means, and the first one after it, in UTC.

    Parameters
    ----------
    text : str
        By ISO 8601: a day (``2026-01-06``), which lasts until the next one, or a moment (``2026-01-06T14:00``), also
        with an offset.
    zone : str
        The zone of a date without an offset. Where clocks are turned back, the first of both moments is meant.

    Raises
    ------
    ValueError
        If the text is no date.
    """
    text = text.strip()
    here = zone_of(zone)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        ends = (datetime.combine(one, time(), here) for one in (day, day + timedelta(days=1)))
        first, after = (one.astimezone(UTC) for one in ends)
        return first, after
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is no date such as 2026-01-06 or {EXAMPLE}; found {text!r}") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=here)
    return found.astimezone(UTC), found.astimezone(UTC) + timedelta(microseconds=1)


def local(moment: Any, zone: str) -> datetime:
    """Return a moment of UTC (datetime64) on the clocks of a zone."""
    micro = int(np.datetime64(moment, "us").astype(np.int64))
    return (_EPOCH + timedelta(microseconds=micro)).astimezone(zone_of(zone))


def written(moment: Any, zone: str) -> str:
    """Return a moment of UTC (datetime64) as the clocks of a zone show it: ``2026-01-06 14:00``.

    Seconds are written only where there are any.
    """
    here = local(moment, zone)
    return here.strftime("%Y-%m-%d %H:%M:%S" if here.second else "%Y-%m-%d %H:%M")
