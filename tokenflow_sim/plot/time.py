"""The time axis of a run: periods as steps of their length, thinned out where there are too many to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import Locator, MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.text import TickNumbers
from tokenflow_sim.scenario.times import Times, written
from tokenflow_sim.scenario.zone import zone_of

MOST_STEPS = 400
"""More steps than this a printed column cannot show."""
_ROUND_HOURS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168, 336, 672)
_HOURS_UP_TO = 72.0
_TICK_POINTS, _MOST_TICKS = 36.0, 7  # width of a date as a label, with a gap
_NUMBERS_AT_ONCE = 4_000_000  # so that a year of a large network is never in memory whole


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """Where each period stands in time.

    Parameters
    ----------
    periods : ndarray
        Labels of the periods, increasing numbers.
    hours : float or None
        Length of a period; None where it is unknown, and time is then counted in periods.
    most_steps : int
        How many steps to draw at most; periods are taken together beyond.
    begin : datetime64 or None
        When the period 0 of `periods` begins, in UTC; None where results have no dates.
    zone : str
        The zone in which dates are shown.
    """

    periods: Floats
    hours: float | None
    most_steps: int = MOST_STEPS
    begin: np.datetime64 | None = None
    zone: str = "UTC"

    @classmethod
    def of_dates(cls, begins: Times, hours: float | None, zone: str) -> TimeAxis:
        """Return the axis of periods that begin at given moments of UTC, in rising order."""
        since = (begins - begins[0]) / np.timedelta64(1, "us") / 3.6e9
        if hours is None:
            hours = float(np.diff(since).min()) if len(since) > 1 else 1.0
        return cls(np.round(since / hours, 6), hours, begin=begins[0], zone=zone)

    @cached_property
    def size(self) -> int:
        """How many periods make one step of the figure."""
        least = -(-len(self.periods) // self.most_steps)
        if least <= 1:
            return 1
        hours = 1.0 if self.hours is None else self.hours * self._stride
        fitting = [whole / hours for whole in _ROUND_HOURS if whole / hours >= least]
        whole = [size for size in fitting if abs(size - round(size)) < 1e-9]
        return round(whole[0]) if whole else least

    @cached_property
    def _stride(self) -> float:
        """Labels from one period to the next; above one where a run kept every n-th period only."""
        return float(np.diff(self.periods).min()) if len(self.periods) > 1 else 1.0

    @cached_property
    def unit(self) -> str:
        """``h``, ``days`` or ``periods``; ``dates`` where they are known."""
        if self.begin is not None:
            return "dates"
        if self.hours is None:
            return "periods"
        return (
            "h"
            if (self.periods[-1] - self.periods[0] + self._stride) * self.hours <= _HOURS_UP_TO
            else "days"
        )

    @cached_property
    def _scale(self) -> float:
        hours = self.hours or 1.0
        # Dates are counted in days, as matplotlib does.
        return {"periods": 1.0, "h": hours, "days": hours / 24.0, "dates": hours / 24.0}[self.unit]

    @cached_property
    def _origin(self) -> float:
        """Where on the abscissa period 0 begins."""
        return 0.0 if self.begin is None else float(date2num(self.begin))  # type: ignore[no-untyped-call]

    @property
    def label(self) -> str:
        """Label of the axis, with what a step stands for where periods are taken together."""
        text = "Period" if self.unit == "periods" else f"Time [{self.unit}]"
        if self.unit == "dates":
            years = dict.fromkeys(self.name(position)[:4] for position in (0, -1))
            text = f"Time [{self.zone.replace('_', ' ')}], {'/'.join(years)}"
        if self.size == 1:
            return text
        if self.hours is None:
            return f"{text}, in steps of {self.size}"
        length = self.size * self._stride * self.hours
        return f"{text}, in steps of {length:g} h" if length != 24 else f"{text}, day by day"

    @cached_property
    def starts(self) -> Floats:
        """Start of each step, in `unit`."""
        return self._at(self.periods[:: self.size])

    def _at(self, periods: Floats) -> Floats:
        return self._origin + periods * self._scale

    @cached_property
    def ends(self) -> Floats:
        """End of each step, in `unit`."""
        last = np.append(np.arange(self.size, len(self.periods), self.size), len(self.periods)) - 1
        return self._at(self.periods[last] + self._stride)

    @cached_property
    def line(self) -> Floats:
        """Abscissae of a stepped line: both ends of every step, and a NaN wherever periods are missing."""
        return self._spread(np.column_stack([self.starts, self.ends]))

    def steps(self, values: Floats) -> Floats:
        """Return the ordinates that go with `line`, for one value a step."""
        return self._spread(np.column_stack([values, values]))

    def _spread(self, pairs: Floats) -> Floats:
        flat = np.asarray(pairs, dtype=float).ravel()
        spread: Floats = np.insert(flat, 2 * self._gaps, np.nan)
        return spread

    def mesh(self, values: Floats) -> tuple[Floats, Floats]:
        """Return edges and values, dims (row, column), of a map over time; gaps become columns of NaN."""
        edges = np.insert(np.append(self.starts, self.ends[-1]), self._gaps, self.ends[self._gaps - 1])
        return edges, np.insert(np.asarray(values, dtype=float), self._gaps, np.nan, axis=1)

    @cached_property
    def _gaps(self) -> NDArray[np.intp]:
        """Steps that do not start where the one before ended."""
        return 1 + np.flatnonzero(self.starts[1:] - self.ends[:-1] > 1e-6 * self._scale)

    def middle(self, position: int) -> float:
        """Return the middle of a period (of the run, not of a step), in `unit`."""
        return float(self._origin + (self.periods[position] + 0.5 * self._stride) * self._scale)

    def name(self, position: int) -> str:
        """Return when a period starts, in words: ``18 h``, ``day 2.75``, ``period 4``, ``2026-01-06 14:00``."""
        if self.begin is not None:
            micro = round(float(self.periods[position]) * (self.hours or 1.0) * 3.6e9)
            return written(self.begin + np.timedelta64(micro, "us"), self.zone)
        start = self.periods[position] * self._scale
        return {"h": f"{start:g} h", "days": f"day {start:.3g}", "periods": f"period {start:g}"}[self.unit]

    def apply(
        self, function: Callable[..., tuple[NDArray[Any], ...]], *arrays: xr.DataArray
    ) -> tuple[Floats, ...]:
        """Compute statistics of each step, reading no more at once than fits comfortably in memory.

        Parameters
        ----------
        function : callable
            Takes one ndarray of dims (step, period of the step, ...) for each of `arrays`, and returns a tuple
            of arrays whose first dim is the step.
        *arrays : DataArray
            Their first dim is `period`; may be lazy.

        Returns
        -------
        tuple of ndarray
            What `function` returned, for all steps.
        """
        parts = [
            function(*(_read(array, block, size) for array in arrays)) for block, size in self._blocks(arrays)
        ]
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def mean(self, array: xr.DataArray) -> Floats:
        """Return the mean of each step, dims (step, ...)."""
        (result,) = self.apply(lambda values: (values.mean(axis=1),), array)
        return result

    def sum(self, array: xr.DataArray) -> Floats:
        """Return the sum of each step, dims (step, ...)."""
        (result,) = self.apply(lambda values: (values.sum(axis=1),), array)
        return result

    def _blocks(self, arrays: tuple[xr.DataArray, ...]) -> Iterator[tuple[slice, int]]:
        """Yield slices of periods with the length of the steps they hold; the last step may be shorter."""
        count = len(self.periods)
        a_period = max(1, max(array[:1].size for array in arrays))
        stride = max(1, _NUMBERS_AT_ONCE // (a_period * self.size)) * self.size
        whole = count - count % self.size
        for start in range(0, whole, stride):
            yield slice(start, min(start + stride, whole)), self.size
        if whole < count:
            yield slice(whole, count), count - whole

    def dress(self, ax: Axes, *, label: bool = True) -> None:
        """Set limits, ticks and the label of an abscissa."""
        first, last = float(self.starts[0]), float(self.ends[-1])
        ax.set_xlim(first, last)
        if label:
            ax.set_xlabel(self.label)
        if self.begin is not None:
            self._dress_dates(ax)
            return
        ax.xaxis.set_major_formatter(TickNumbers())
        if self.unit == "h" and last - first >= 1:
            fitting = [tick for tick in (0.25, 0.5, 1, 2, 3, 6, 12) if (last - first) / tick <= 8]
            ax.xaxis.set_major_locator(MultipleLocator(fitting[0] if fitting else 12))
        else:
            ax.xaxis.set_major_locator(MaxNLocator(7, integer=self.unit != "h", steps=[1, 2, 5, 10]))

    def _dress_dates(self, ax: Axes) -> None:
        """Put ticks at round hours and days of the zone, also where clocks change."""
        locator = _DateTicks(zone_of(self.zone))
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(date_words(locator, zone_of(self.zone)))


def date_words(locator: AutoDateLocator, zone: tzinfo) -> ConciseDateFormatter:
    """Return the words at ticks of dates: a day or month where one begins, else the hour."""
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    # The year stands in the label of the axis; matplotlib's own place for what ticks leave out is beneath it.
    formatter.show_offset = False
    formatter.formats = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%S.%f"]
    formatter.zero_formats = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
    return formatter


class _DateTicks(AutoDateLocator):
    """Ticks at round hours and days, as many as there is room for their labels."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(tz=zone, minticks=2)  # type: ignore[no-untyped-call]

    def get_locator(self, dmin: datetime, dmax: datetime) -> Locator:
        """Return ticks for a span of time."""
        axes = self.axis.axes  # type: ignore[union-attr]
        figure = axes.get_figure(root=True)
        points = axes.bbox.width / (72.0 if figure is None else figure.dpi) * 72.0
        most = int(np.clip(points / _TICK_POINTS, 2, _MOST_TICKS))
        self.maxticks = dict.fromkeys(self.maxticks, most)
        locator: Locator = super().get_locator(dmin, dmax)  # type: ignore[no-untyped-call]
        return locator


def _read(array: xr.DataArray, block: slice, size: int) -> NDArray[Any]:
    values = np.asarray(array[block].values)
    return values.reshape(len(values) // size, size, *values.shape[1:])
