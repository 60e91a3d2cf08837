"""The ledger: what happened, period by period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market import Arrays
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.results.checkpoint import Checkpoint
from tokenflow_sim.results.files import load_results
from tokenflow_sim.results.parts import Split, TrueCost, price_parts
from tokenflow_sim.results.plan import Plan
from tokenflow_sim.results.stream import Stream, kept_periods_text
from tokenflow_sim.variables import ALL_PRICE_PARTS

PARTS = {f"price_{part}": part for part in ALL_PRICE_PARTS}


class _Recorded:
    """What a period was recorded as.

    Until the chunk that it stands in is flushed, the parts of its prices are missing, and `market` is its place among
    those that are to be split there; afterwards it is a copy of the row, and `market` is -1.
    """

    __slots__ = ("market", "row")

    def __init__(self, buffer: Floats, place: int) -> None:
        self.row, self.market = buffer[place], -1

    def complete(self) -> None:
        """Let go of the chunk, once the parts of prices stand in the row."""
        self.row, self.market = self.row.copy(), -1


class Ledger:
    """Keeps what happened, in memory or in a file.

    Parameters
    ----------
    plan : Plan
        What the results look like.
    path : str or Path, optional
        A NetCDF file to stream to; memory then holds one chunk of periods only. The file appears when the
        ledger is closed, whole.
    force : bool
        Whether to replace an existing file.
    stream : Checkpoint, optional
        What to stream to, in place of a path.

    Raises
    ------
    ResultError
        If the file exists already and `force` is false, or its folder does not exist.

    Notes
    -----
    Periods go into chunks of plain arrays, allocated a chunk at a time. The parts of prices are worked out for a
    chunk at once, and labels are put on at the end.
    """

    def __init__(
        self,
        plan: Plan,
        path: str | Path | None = None,
        force: bool = False,
        stream: Checkpoint | None = None,
    ) -> None:
        self.plan = plan
        self._stream: Stream | Checkpoint | None = stream
        if path is not None:
            self._stream = Stream(path, plan, force)
        self._full: list[dict[str, np.ndarray[Any, Any]]] = []
        self._written = 0
        self._first = 0
        self._closed = False
        self._asked = tuple(name for name in plan.variables if name not in PARTS and name not in plan.backlog)
        self._start_chunk()

    def _start_chunk(self) -> None:
        # The numbers of a period beside each other, so that one that comes again is a row to copy.
        width = sum(prod(self.plan.full_shape(name)) for name in self.plan.variables)
        self._buffer = np.empty((self.plan.chunk, width))
        self._look_at_chunk()
        # Markets whose prices are to be split, and which of them each row is of; -1 where the parts stand in it.
        self._markets: list[Split] = []
        self._market_of: list[int] = []
        self._to_complete: list[_Recorded] = []
        self._rows = 0

    def _look_at_chunk(self) -> None:
        plan, start = self.plan, 0
        self._chunk: dict[str, np.ndarray[Any, Any]] = {}
        for name in plan.variables:
            shape = plan.full_shape(name)
            end = start + prod(shape)
            self._chunk[name] = self._buffer[:, start:end].reshape(plan.chunk, *shape)
            start = end
        self._kept = [(name, array) for name, array in self._chunk.items() if name not in PARTS]
        self._splits = len(self._kept) < len(self._chunk)

    def __getstate__(self) -> dict[str, Any]:
        """Leave what looks at the chunk out of pickles and copies, in which it would be a copy of it."""
        return {**vars(self), "_chunk": {}, "_kept": [], "_to_complete": []}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Look at the chunk again."""
        vars(self).update(state)
        self._look_at_chunk()

    def __len__(self) -> int:
        """Return the number of periods recorded."""
        return self._written + self._rows

    @property
    def asked(self) -> tuple[str, ...]:
        """The variables that a record needs, those of work that waits aside."""
        return self._asked

    def begin(self, period: int) -> None:
        """Say that the first period to be recorded is not 0, since a run goes on from a saved state.

        Raises
        ------
        ResultError
            If a period was recorded already.
        """
        if len(self):
            raise ResultError("a run can go on from a saved state only before its first period")
        self._first = period

    def go_on(self, periods: int) -> None:
        """Say that the periods from 0 up to this one are in the stream already."""
        self._first, self._written = 0, periods

    def flush(self) -> None:
        """Give what was recorded so far to the file that is streamed to."""
        if self._rows and self._stream is not None:
            self._flush()

    def append(
        self,
        record: Mapping[str, Any],
        arrays: Arrays,
        values: Values,
        true_cost: TrueCost,
        kept: dict[Hashable, Any] | None = None,
    ) -> None:
        """Record the next period.

        Parameters
        ----------
        record : mapping
            An array (dims as in `variables.RESULTS`, without `period`, and with block or step also where the
            market has none) or number for every variable of the plan but the parts of prices; others are ignored.
        arrays, values
            The market and its clearing, from which the parts of its prices are worked out; kept until then.
        true_cost : tuple of ndarray
            True cost of every asset's service, and what of it is running cost and what is paid for emissions (None
            without a carbon price), in $/Mtok, dims (asset, workload).
        kept : dict, optional
            Where to note what was recorded, for `append_again`.

        Raises
        ------
        ResultError
            If the ledger is closed, or streams to a file that cannot be written.
        """
        if self._closed:
            raise ResultError("the ledger is closed")
        row = self._rows
        for name, target in self._kept:
            target[row] = record[name]
        if self._splits:
            self._market_of.append(len(self._markets))
            self._markets.append((arrays, values, true_cost))
        if kept is not None:
            noted = kept[self] = _Recorded(self._buffer, row)
            if self._splits:
                noted.market = len(self._markets) - 1
                self._to_complete.append(noted)
            else:
                noted.complete()
        self._end_row()

    def append_again(self, kept: Mapping[Hashable, Any]) -> bool:
        """Record the same as in an earlier period, and return whether that was possible.

        Parameters
        ----------
        kept : dict
            What `append` was given for that period.

        Raises
        ------
        ResultError
            As `append` does.
        """
        noted: _Recorded | None = kept.get(self)
        if noted is None or self._closed:
            return False
        self._buffer[self._rows] = noted.row
        if self._splits:
            self._market_of.append(noted.market)
        self._end_row()
        return True

    def _end_row(self) -> None:
        self._rows += 1
        if self._rows == self.plan.chunk:
            self._flush()

    def _flush(self) -> None:
        chunk = self._rest()
        for noted in self._to_complete:
            noted.complete()
        if self._stream is None:
            self._full.append(chunk)
        else:
            self._stream.write(self._written, chunk, self._first)
        self._written += self._rows
        self._start_chunk()

    def _rest(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what is not yet flushed, with the parts of its prices."""
        if self._markets:
            parts = price_parts(self.plan.layout, self._markets)
            market_of: Ints = np.array(self._market_of, dtype=np.int64)
            without = (market_of >= 0).nonzero()[0]
            for name, part in PARTS.items():
                if name in self._chunk:
                    self._chunk[name][without] = parts[part][market_of[without]]
        rows = self._rows
        return {name: kept[:rows].reshape(rows, *self.plan.shape(name)) for name, kept in self._chunk.items()}

    def dataset(self) -> xr.Dataset:
        """Return what was recorded so far.

        Returns
        -------
        Dataset
            In memory, a copy; where the ledger streamed to a file and is closed, opened lazily from there.

        Raises
        ------
        ResultError
            If no period was recorded yet.
        """
        if self._closed and self._stream is not None and self._stream.result is not None:
            return load_results(self._stream.result)
        if not len(self) or (self._closed and isinstance(self._stream, Stream)):
            raise ResultError("no period was recorded yet; run the model first")
        parts = list(self._full) if self._stream is None else [self._stream.read()]
        parts.append(self._rest())
        values = {name: np.concatenate([part[name] for part in parts]) for name in self.plan.variables}
        return self.plan.dataset(values, self._first)

    def close(self) -> None:
        """End recording; a file that was streamed to appears.

        Raises
        ------
        ResultError
            If that file cannot be written, or was written by somebody else meanwhile.
        """
        if self._closed:
            return
        if self._stream is not None:
            if self._rows:
                self._stream.write(self._written, self._rest(), self._first)
                self._written, self._rows = self._written + self._rows, 0
            self._stream.close()
        self._closed = True

    def abort(self, periods: int, can_wait: bool = False) -> str:
        """End the recording of a run that cannot go on; what was recorded is kept.

        Parameters
        ----------
        periods : int
            How many periods the run has.
        can_wait : bool
            Whether, where the run can be resumed, no file need be made of what there is.

        Returns
        -------
        str
            Which periods are kept, where, and how to go on; empty where there are none.
        """
        if self._closed:
            return ""
        first, last = self._first, self._first + len(self) - 1
        if self._stream is None:
            return kept_periods_text(first, last, periods, None) if len(self) else ""
        self._closed = True
        try:
            if self._rows:
                self._stream.write(self._written, self._rest(), self._first)
                self._written, self._rows = self._written + self._rows, 0
            return self._stream.keep(first, periods, can_wait)
        except ResultError:  # that of the run is reported, e.g. that the disk is full
            self._stream.abort()
            return ""
