"""Profiles by local hour and weekday."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.numeric import Floats

WEEK = 168
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Profile:
    """Factors by local hour and weekday, averaged over a period of any length.

    Parameters
    ----------
    hourly : array_like
        24 factors by hour of the day, from midnight.
    weekly : array_like
        7 factors by weekday, from Monday.

    Notes
    -----
    A period that covers several hours gets the mean of its hours, and one that starts within an hour the mean
    weighted by time, so that the energy of a day does not depend on how it is cut into periods.
    """

    def __init__(self, hourly: ArrayLike, weekly: ArrayLike) -> None:
        week = np.outer(np.asarray(weekly, dtype=float), np.asarray(hourly, dtype=float)).ravel()
        self.week: Floats = week
        self._integral: Floats = np.concatenate([[0.0], np.cumsum(week)])
        self.is_flat = bool((week == week[0]).all())

    def mean(self, start: Floats, hours: float) -> Floats:
        """Return the mean factor over [start, start + hours).

        Parameters
        ----------
        start : ndarray
            Local hours since a Monday's midnight, of any sign.
        hours : float
            Length of the period.

        Returns
        -------
        ndarray
            Of the shape of `start`.
        """
        if self.is_flat:
            return np.full(np.shape(start), self.week[0])
        begin = np.mod(start, WEEK)
        first = np.floor(begin)
        if hours == 1.0 and (first == begin).all():  # the common case, free of rounding
            return np.asarray(self.week[first.astype(np.int64)])
        return (self._at(begin + hours) - self._at(begin)) / hours

    def _at(self, time: Floats) -> Floats:
        """Integrate the factors from the week's start up to a time."""
        weeks = np.floor(time / WEEK)
        rest = time - weeks * WEEK
        inside = np.interp(rest, np.arange(WEEK + 1), self._integral)
        return np.asarray(weeks * self._integral[-1] + inside)


def day_index(value: str) -> int | None:
    """Return 0 to 6 for a weekday's name, full or of three letters; None for anything else."""
    low = value.strip().lower()
    hits = [number for number, day in enumerate(DAYS) if low in (day, day[:3])]
    return hits[0] if hits else None


def cycle_length(hours: float, profiles: Sequence[Profile], limit: int = 17_520) -> int | None:
    """Return after how many periods a week's profiles repeat; None where that takes more than `limit`.

    Parameters
    ----------
    hours : float
        Length of a period.
    profiles : sequence of Profile
        The profiles in use; where all are flat, one period repeats for ever.
    limit : int
        Longest cycle that is worth remembering.
    """
    if all(profile.is_flat for profile in profiles):
        return 1
    for weeks in range(1, 25):
        periods = weeks * WEEK / hours
        if periods > limit:
            return None
        if periods >= 1 and periods == int(periods):
            return int(periods)
    return None
