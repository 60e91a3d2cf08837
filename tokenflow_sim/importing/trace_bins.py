"""Counting requests and tokens by period and class, in memory that grows with periods, not with requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from tokenflow_sim.importing.faults import refuse
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints

MOST_CELLS = 4_000_000
"""Most periods times classes of a demand table."""
REQUESTS, INPUT, OUTPUT = 0, 1, 2


class Bins:
    """Sums by period and class that grow as batches come.

    Sums of whole numbers of tokens are exact up to 2**53, whatever the order of the rows.
    """

    def __init__(self) -> None:
        self.classes: list[str] = []
        self.low = 0
        self._size = 0  # periods in use, from `low` on
        self._sums: Floats = np.zeros((3, 0, 0))

    @property
    def sums(self) -> Floats:
        """Requests, input tokens and output tokens, dims (3, period, class), from period `low` on."""
        return self._sums[:, : self._size, : len(self.classes)]

    def code_of(self, name: str) -> int:
        """Return the number of a class, a new one where the name is new."""
        if name not in self.classes:
            self.classes.append(name)
        return self.classes.index(name)

    def add(self, period: Ints, code: Ints | int, tokens_in: Floats, tokens_out: Floats) -> None:
        """Add requests.

        Parameters
        ----------
        period : ndarray of int
            Period of each request, of any sign.
        code : int or ndarray of int
            Its class.
        tokens_in, tokens_out : ndarray
            Its tokens.

        Raises
        ------
        DataError
            If periods times classes are more than `MOST_CELLS`.
        """
        if not len(period):
            return
        first, last = int(period.min()), int(period.max())
        self._reach(first, last)
        width = len(self.classes)
        cell = (period - first) * width + code
        cells = (last - first + 1) * width
        rows = slice(first - self.low, last - self.low + 1)
        for which, weights in ((REQUESTS, None), (INPUT, tokens_in), (OUTPUT, tokens_out)):
            found = np.bincount(cell, weights=weights, minlength=cells)
            self._sums[which, rows, :width] += found.reshape(-1, width)

    def _reach(self, first: int, last: int) -> None:
        """Make room from period `first` to `last`, some more than is needed so that growing is rare."""
        low = min(first, self.low) if self._size else first
        high = max(last + 1, self.low + self._size) if self._size else last + 1
        width = len(self.classes)
        if (high - low) * width > MOST_CELLS:
            raise refuse(
                "the trace",
                f"covers {high - low} periods, too many for a table of {width} classes: check"
                " time_unit (--time-unit) and that no row has a stray time, or take longer periods by hours (--hours)",
            )
        _, rows, columns = self._sums.shape
        if low < self.low or high - self.low > rows or width > columns or not self._size:
            grown = np.zeros((3, (high - low) + max(64, (high - low) // 2), max(width, columns)))
            at = self.low - low if self._size else 0
            grown[:, at : at + self._size, :columns] = self._sums[:, : self._size]
            self._sums = grown
        self.low, self._size = low, high - low


@dataclass
class Counts:
    """What a trace holds by period and class.

    Parameters
    ----------
    title : str
        The trace's format in words.
    classes : list of str
        Names as the trace has them.
    sums : ndarray
        Requests, input tokens and output tokens, dims (3, period, class).
    hours : float
        Length of a period.
    start : datetime or None
        When the first period begins; None where the trace counts time from an unknown moment.
    since : float
        Hours from the trace's time zero to the first period, where `start` is None.
    covered : tuple of float
        Shares of the first and of the last period that the trace covers.
    rows : int
        Rows read.
    span : tuple of str
        First and last arrival, in words.
    dropped : dict
        Rows by reason.
    notes : list of str
        What was assumed.
    """

    title: str
    classes: list[str]
    sums: Floats
    hours: float
    start: datetime | None
    since: float
    covered: tuple[float, float]
    rows: int
    span: tuple[str, str]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def periods(self) -> int:
        """The number of periods."""
        return int(self.sums.shape[1])

    def cut(self, first: int, last: int) -> None:
        """Keep the periods from `first` up to `last`, itself left out."""
        self.sums = self.sums[:, first:last]
        if self.start is not None:
            self.start += timedelta(hours=first * self.hours)
        self.since += first * self.hours

    def rates(self, weights: Sequence[float], scale: float) -> Floats:
        """Return weighed tokens in Mtok/s, dims (period, class).

        Parameters
        ----------
        weights : sequence of float
            Of an input and of an output token.
        scale : float
            Factor on all.
        """
        weighed = weights[0] * self.sums[INPUT] + weights[1] * self.sums[OUTPUT]
        return np.asarray(weighed * scale / (self.hours * SECONDS_PER_HOUR) / 1e6)
