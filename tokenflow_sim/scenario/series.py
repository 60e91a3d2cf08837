"""Exogenous series: numbers by period or by time, held as one array."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic_core import core_schema

from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.gaps import beyond_ends
from tokenflow_sim.scenario.time_axis import (
    HOUR,
    Instants,
    length,
    make_steps,
    over_periods,
    period_edges,
    shown,
)

_SHOWN = 5


def listed(items: Iterable[object]) -> str:
    """List the first few items."""
    found = [str(item) for item in items]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


class Series:
    """A frozen table of numbers by period, or by intervals of time; compares by value.

    What is by time keeps the intervals of its file, and is averaged or held over the periods of a run when that is
    known: another `start` needs no reading anew.

    Attributes
    ----------
    names : tuple of str
        The columns.
    values : ndarray
        One row a period or an interval; read-only. NaN where a file has no value.
    edges : ndarray or None
        Begin of each interval and the end of the last, in ns since 1970 in UTC; None for a table by period.
    source : str
        The file that it was read from; empty for data that came from no file.
    notes : tuple of str
        What was read and what was assumed.
    """

    __slots__ = ("_digest", "edges", "names", "notes", "source", "values")
    mappings: ClassVar[list[dict[str, Any]]] = [{"type": "object", "required": ["file"]}]
    """What the JSON Schema says of a mapping that names a file."""
    names: tuple[str, ...]
    values: Floats
    edges: Instants | None
    source: str
    notes: tuple[str, ...]
    _digest: str

    def _freeze(
        self,
        values: ArrayLike,
        shape: tuple[int | None, ...],
        edges: ArrayLike | None,
        source: str,
        notes: Iterable[str],
    ) -> None:
        array = np.array(values, dtype=np.float64)
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or not len(array):
            raise ValueError(
                f"a series needs values of shape {shape} and at least one period; found {array.shape}"
            )
        self.edges = None
        if edges is not None:
            self.edges = np.array(edges, dtype=np.int64)
            if self.edges.shape != (len(array) + 1,) or (np.diff(self.edges) <= 0).any():
                raise ValueError("a series by time needs ascending edges, one more than it has values")
            self.edges.flags.writeable = False
        sound = np.isfinite(array) if edges is None else ~np.isinf(array)
        if not sound.all():
            raise ValueError("a series holds finite numbers")
        array.flags.writeable = False
        self.values = array
        self.source, self.notes = source, tuple(notes)
        self._digest = ""

    @property
    def periods(self) -> int | None:
        """Number of periods covered, from period 0 on; None for a series by time."""
        return len(self.values) if self.edges is None else None

    def over(self, start: datetime | None, hours: float, periods: int) -> Floats:
        """Return the numbers of each period of a run, of which `faults` finds none.

        Parameters
        ----------
        start : datetime or None
            When period 0 begins.
        hours : float
            Length of a period.
        periods : int
            How many periods; a table by period is returned whole.
        """
        if self.edges is None or start is None:
            return self.values
        return over_periods(self.values, self.edges, period_edges(start, hours, periods))

    def faults(self, start: datetime | None, hours: float, periods: int) -> Iterator[str]:
        """Yield why a run cannot be played on this series.

        Parameters
        ----------
        start, hours, periods
            The run, as `over` takes them.
        """
        if self.edges is None:
            if len(self.values) < periods:
                yield (
                    f"covers periods 0 to {len(self.values) - 1}, where the scenario has {periods} periods"
                )
            return
        span = f"{shown(self.edges[0])} to {shown(self.edges[-1])} UTC"
        if start is None:
            yield f"has times ({span}), and the scenario no `start`: write start: {shown(self.edges[0])}"
            return
        run = period_edges(start, hours, periods)
        if run[0] < self.edges[0] or run[-1] > self.edges[-1]:
            most = int((self.edges[-1] - max(run[0], self.edges[0])) // (hours * HOUR))
            fits = (
                f"; {most} periods of {hours:g} h from there fit"
                if run[0] >= self.edges[0] and most > 0
                else ""
            )
            yield (
                f"covers {span}, where the run takes {shown(run[0])} to {shown(run[-1])}{fits}"
                " (`fill` adds no steps beyond these)"
            )
            return
        first = int(np.searchsorted(self.edges, run[0], "right")) - 1
        last = int(np.searchsorted(self.edges, run[-1], "left"))
        part = np.isnan(self.values[first:last]).reshape(last - first, -1)
        if part.any():
            labels = self.columns()
            holes = np.argwhere(part)
            missing = [
                f"{shown(self.edges[first + row])} ({labels[column]})" if len(labels) > 1 else
                shown(self.edges[first + row])
                for row, column in holes[: 2 * _SHOWN]
            ]  # fmt: skip
            missing += [""] * (len(holes) - len(missing))
            beyond = beyond_ends(self.values, first + holes[:, 0], holes[:, 1])
            yield f"has no value at {listed(missing)} UTC; give `fill`: hold, interpolate or a number{beyond}"

    def alignment(self, hours: float) -> str:
        """Say how the file's steps become periods of a run; empty where they are the same."""
        if self.edges is None:
            return ""
        steps = np.unique(np.diff(self.edges))
        if len(steps) == 1 and steps[0] == round(hours * HOUR):
            return ""
        shortest, longest = length(steps[0]), length(steps[-1])
        many = shortest if len(steps) == 1 else f"{shortest} to {longest}"
        how = "averaged over" if steps[0] < hours * HOUR else "held over"
        return f"steps of {many} {how} periods of {hours:g} h"

    def digest(self) -> str:
        """Return what tells this series from every other of different numbers or names."""
        if not self._digest:
            found = hashlib.sha256(repr(self._labels()).encode())
            found.update(self.values.tobytes())
            found.update(b"" if self.edges is None else self.edges.tobytes())
            self._digest = found.hexdigest()[:16]
        return self._digest

    def __eq__(self, other: object) -> bool:
        """Compare names, times and values."""
        return (
            isinstance(other, type(self))
            and self._labels() == other._labels()
            and np.array_equal(self.values, other.values, equal_nan=True)
            and (self.edges is None) == (other.edges is None)
            and (self.edges is None or other.edges is None or np.array_equal(self.edges, other.edges))
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy by reference: nothing in a series can change."""
        return self

    def __hash__(self) -> int:
        """Hash by names, times and values."""
        return hash(self.digest())

    def __repr__(self) -> str:
        """Summarise; different series differ here, too."""
        if self.edges is None:
            span = f"periods 0 to {len(self.values) - 1}"
        else:
            span = f"{shown(self.edges[0])} to {shown(self.edges[-1])} UTC"
        return f"<{type(self).__name__} {self.digest()}: {span}, shape {self.values.shape}>"

    @property
    def label(self) -> str:
        """What a study calls it: its file, or its digest."""
        return self.source or f"series {self.digest()}"

    @abstractmethod
    def _labels(self) -> tuple[Any, ...]:
        """Return what the columns stand for."""

    @abstractmethod
    def columns(self) -> list[str]:
        """Return a name for each number of a row."""

    @abstractmethod
    def with_values(self, values: ArrayLike, edges: ArrayLike | None = None) -> Self:
        """Return a series of the same columns with other numbers."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Take instances only: the loader makes them from tables."""
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe the ways in which a file may give the table."""
        row = {"type": "object"}
        text = {
            "type": "string",
            "description": "Path of a CSV, Parquet or NetCDF file in the scenario's folder, or CSV text.",
        }
        return {"anyOf": [text, {"type": "array", "items": row}, *cls.mappings]}

    def stamps(self) -> Iterator[Sequence[str | int]]:
        """Yield what begins the rows of each period or interval in a table."""
        if self.edges is None:
            yield from ([period] for period in range(len(self.values)))
            return
        begins = pd.DatetimeIndex(self.edges.view("datetime64[ns]"))
        texts = [stamp.isoformat() + "Z" for stamp in begins]
        if self._has_regular_steps():
            yield from ([text] for text in texts[:-1])
        else:
            yield from pairwise(texts)

    def _has_regular_steps(self) -> bool:
        """Whether the begins of the intervals tell how long each lasts."""
        assert self.edges is not None
        try:
            steps = make_steps(self.edges[:-1], False)
        except ValueError:
            return False
        return np.array_equal(steps.edges, self.edges)

    def key_columns(self) -> list[str]:
        """Return the columns that say when."""
        return (
            ["period"] if self.edges is None else ["time"] if self._has_regular_steps() else ["time", "end"]
        )


class PeriodSeries(Series):
    """One number by period and name, e.g. electricity prices by node.

    Parameters
    ----------
    names : sequence of str
        The columns.
    values : array_like
        Dims (period, name), or (interval, name) with `edges`.
    edges : array_like, optional
        Begin of each interval and the end of the last, in ns since 1970 in UTC.
    source, notes
        As the attributes.
    """

    __slots__ = ()

    def __init__(
        self,
        names: Iterable[str],
        values: ArrayLike,
        edges: ArrayLike | None = None,
        source: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        self.names = tuple(names)
        self._freeze(values, (None, len(self.names)), edges, source, notes)

    def _labels(self) -> tuple[Any, ...]:
        return self.names

    def columns(self) -> list[str]:
        """Return the names."""
        return list(self.names)

    def with_values(self, values: ArrayLike, edges: ArrayLike | None = None) -> PeriodSeries:
        """Return a series of the same columns with other numbers."""
        return PeriodSeries(self.names, values, edges, self.source, self.notes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the parts."""
        return type(self), (self.names, self.values, self.edges, self.source, self.notes)

    def with_cell(self, key: Sequence[Any], value: float) -> PeriodSeries:
        """Return a copy with the number of a (period, name) changed."""
        values = self.values.copy()
        values[key[0], self.names.index(key[1])] = value
        return self.with_values(values, self.edges)

    def header(self) -> list[str]:
        """Return the columns of its table."""
        return [*self.key_columns(), *self.names]

    def rows(self) -> Iterable[list[str | float | int]]:
        """Yield the rows of its table."""
        for stamp, row in zip(self.stamps(), self.values.tolist(), strict=True):
            yield [*stamp, *_blank(row)]


class NodeSeries(Series):
    """One number by period, node and workload class, e.g. demand.

    Parameters
    ----------
    nodes, names : sequence of str
        The nodes, and the columns (workload classes).
    values : array_like
        Dims (period, node, name), or (interval, node, name) with `edges`.
    edges, source, notes
        As `PeriodSeries` takes them.
    """

    __slots__ = ("nodes",)

    def __init__(
        self,
        nodes: Iterable[str],
        names: Iterable[str],
        values: ArrayLike,
        edges: ArrayLike | None = None,
        source: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        self.nodes: tuple[str, ...] = tuple(nodes)
        self.names = tuple(names)
        self._freeze(values, (None, len(self.nodes), len(self.names)), edges, source, notes)

    def _labels(self) -> tuple[Any, ...]:
        return (self.nodes, self.names)

    def columns(self) -> list[str]:
        """Return node and class of each number of a row."""
        return [f"{node}, {name}" for node in self.nodes for name in self.names]

    def with_values(self, values: ArrayLike, edges: ArrayLike | None = None) -> NodeSeries:
        """Return a series of the same columns with other numbers."""
        return NodeSeries(self.nodes, self.names, values, edges, self.source, self.notes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the parts."""
        return type(self), (self.nodes, self.names, self.values, self.edges, self.source, self.notes)

    def with_cell(self, key: Sequence[Any], value: float) -> NodeSeries:
        """Return a copy with the number of a (period, node, name) changed."""
        values = self.values.copy()
        values[key[0], self.nodes.index(key[1]), self.names.index(key[2])] = value
        return self.with_values(values, self.edges)

    def header(self) -> list[str]:
        """Return the columns of its table."""
        return [*self.key_columns(), "node", *self.names]

    def rows(self) -> Iterable[list[str | float | int]]:
        """Yield the rows of its table."""
        for stamp, block in zip(self.stamps(), self.values.tolist(), strict=True):
            for node, row in zip(self.nodes, block, strict=True):
                yield [*stamp, node, *_blank(row)]


def _blank(row: list[float]) -> list[str | float]:
    """Leave cells without a value empty."""
    return ["" if value != value else value for value in row]
