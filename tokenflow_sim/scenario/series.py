"""Exogenous series: tables by period, and profiles by local hour and weekday."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import ArrayLike
from pydantic_core import core_schema

from tokenflow_sim.numeric import Floats

WEEK = 168
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?")


def offset_hours(zone: str, at: datetime) -> float:
    """Return a time zone's offset from UTC in hours at an instant.

    Parameters
    ----------
    zone : str
        An IANA name (``America/Chicago``) or an offset (``UTC-06:00``).
    at : datetime
        The instant, with a time zone.

    Raises
    ------
    ValueError
        If there is no such zone.
    """
    match = _OFFSET.fullmatch(zone)
    if match:
        hours = int(match[2]) + int(match[3] or 0) / 60
        if hours <= 14 and int(match[3] or 0) < 60:
            return hours if match[1] == "+" else -hours
    else:
        try:
            offset = at.astimezone(ZoneInfo(zone)).utcoffset()
            return offset.total_seconds() / 3600 if offset is not None else 0.0
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # A name with odd characters or one that is a folder of the database raises the latter two.
            pass
    raise ValueError(
        f"unknown time zone {zone!r}; use an IANA name such as America/Chicago, or an offset such as"
        f" UTC-06:00"
    )


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


class _Series:
    """A frozen table of numbers by period; compares by value, and is not copied by pydantic."""

    __slots__ = ("names", "values")
    keys: ClassVar[tuple[str, ...]] = ("period",)
    values: Floats

    def _freeze(self, values: ArrayLike, shape: tuple[int | None, ...]) -> None:
        array = np.array(values, dtype=np.float64)
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or not len(array):
            raise ValueError(
                f"a series needs values of shape {shape} and at least one period; found {array.shape}"
            )
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError("a series holds finite numbers that are not negative")
        array.flags.writeable = False
        self.values = array

    @property
    def periods(self) -> int:
        """Number of periods covered, from period 0 on."""
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        """Compare names and values."""
        return (
            isinstance(other, type(self))
            and self._labels() == other._labels()
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        """Hash by names and values."""
        return hash((self._labels(), self.values.tobytes()))

    def __repr__(self) -> str:
        """Summarise."""
        return f"<{type(self).__name__}: periods 0 to {self.periods - 1}, shape {self.values.shape}>"

    @abstractmethod
    def _labels(self) -> tuple[Any, ...]:
        """Return what the columns stand for."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Take instances only: the loader makes them from tables."""
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe the ways in which a file may give the table."""
        row = {"type": "object"}
        text = {"type": "string", "description": "Path of a CSV file in the scenario's folder, or its text."}
        return {"anyOf": [text, {"type": "array", "items": row}]}


class PeriodSeries(_Series):
    """One number by period and name, e.g. electricity prices by node.

    Parameters
    ----------
    names : sequence of str
        The columns.
    values : array_like
        Dims (period, name).
    """

    __slots__ = ()

    def __init__(self, names: Iterable[str], values: ArrayLike) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self._freeze(values, (None, len(self.names)))

    def _labels(self) -> tuple[Any, ...]:
        return self.names

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by names and values."""
        return type(self), (self.names, self.values)

    def with_cell(self, key: Sequence[Any], value: float) -> PeriodSeries:
        """Return a copy with the number of a (period, name) changed."""
        values = self.values.copy()
        values[key[0], self.names.index(key[1])] = value
        return PeriodSeries(self.names, values)

    def header(self) -> list[str]:
        """Return the columns of its table."""
        return ["period", *self.names]

    def rows(self) -> Iterable[list[str | float | int]]:
        """Yield the rows of its table."""
        for period, row in enumerate(self.values.tolist()):
            yield [period, *row]


class NodeSeries(_Series):
    """One number by period, node and workload class, e.g. demand.

    Parameters
    ----------
    nodes, names : sequence of str
        The nodes, and the columns (workload classes).
    values : array_like
        Dims (period, node, name).
    """

    __slots__ = ("nodes",)
    keys: ClassVar[tuple[str, ...]] = ("period", "node")

    def __init__(self, nodes: Iterable[str], names: Iterable[str], values: ArrayLike) -> None:
        self.nodes: tuple[str, ...] = tuple(nodes)
        self.names: tuple[str, ...] = tuple(names)
        self._freeze(values, (None, len(self.nodes), len(self.names)))

    def _labels(self) -> tuple[Any, ...]:
        return (self.nodes, self.names)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by names and values."""
        return type(self), (self.nodes, self.names, self.values)

    def with_cell(self, key: Sequence[Any], value: float) -> NodeSeries:
        """Return a copy with the number of a (period, node, name) changed."""
        values = self.values.copy()
        values[key[0], self.nodes.index(key[1]), self.names.index(key[2])] = value
        return NodeSeries(self.nodes, self.names, values)

    def header(self) -> list[str]:
        """Return the columns of its table."""
        return ["period", "node", *self.names]

    def rows(self) -> Iterable[list[str | float | int]]:
        """Yield the rows of its table."""
        for period, block in enumerate(self.values.tolist()):
            for node, row in zip(self.nodes, block, strict=True):
                yield [period, node, *row]


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
