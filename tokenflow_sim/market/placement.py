"""Where limits and activities stand in the program: their rows and columns, and how these are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.numeric import Floats


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """Where a group of limits stands in the program.

    Parameters
    ----------
    limit : SharedCapacity
        The group, with the numbers of the market that the program was made of; only its terms are the same in all.
    rows : slice
        Its rows.
    supply : slice
        Columns of what more can be had of it, empty where nothing can.
    unit : float
        What one unit of the row stands for in the limit's own unit: a power of two near what a unit of service
        uses, so that the solver's absolute tolerances mean about the same for all rows; 1 for links and power.
        Negative for an equality, whose row has its sign turned.
    closes : bool
        Whether a label without capacity keeps everybody off: nobody gives any of it, and nothing more can be had.
    """

    limit: SharedCapacity
    rows: slice
    supply: slice
    unit: float
    closes: bool

    def capacity(self, numbers: SharedCapacity) -> Floats:
        """Return a market's right-hand sides in the program's units."""
        return numbers.capacity if self.unit == 1.0 else numbers.capacity / self.unit


@dataclass(frozen=True, eq=False, slots=True)
class PlacedActivity:
    """Where an activity stands in the program.

    Parameters
    ----------
    activity : Activity
        The activity, with the numbers of the market that the program was made of.
    columns : slice
        Its columns, by label and tranche.
    unit : float
        What one unit of a column stands for in the activity's own unit: a power of two, such that its coefficients are
        about one.
    """

    activity: Activity
    columns: slice
    unit: float


def place_limits(
    limits: Sequence[SharedCapacity], units: Sequence[float], row: int, column: int
) -> Iterator[Placed]:
    """Give every group of limits its rows, equalities before all others, and the columns of its supply."""
    other = row + sum(limit.size for limit in limits if limit.equality)
    for limit, unit in zip(limits, units, strict=True):
        supplied = 0 if limit.supply is None else limit.supply.price.size
        start = row if limit.equality else other
        rows, supply = slice(start, start + limit.size), slice(column, column + supplied)
        gives = any((term.use < 0).any() for term in limit.measure.terms)
        served = all(term.on in ("dispatch", "flow") for term in limit.terms)
        closes = limit.supply is None and not gives and not limit.equality and served
        yield Placed(limit, rows, supply, -unit if limit.equality else unit, closes)
        column = supply.stop
        if limit.equality:
            row = rows.stop
        else:
            other = rows.stop


def place_activities(
    activities: Sequence[Activity], units: Mapping[str, float], column: int
) -> Iterator[PlacedActivity]:
    """Give every activity its columns."""
    for activity in activities:
        columns = slice(column, column + activity.price.size)
        yield PlacedActivity(activity, columns, units[activity.name])
        column = columns.stop


_MadeOf = tuple[Sequence[SharedCapacity], Sequence[Activity]]


def alike(ours: _MadeOf, theirs: _MadeOf) -> bool:
    """Whether two pairs of limits and activities have the same rows, columns and coefficients."""
    return _limits_alike(ours[0], theirs[0]) and _activities_alike(ours[1], theirs[1])


def _limits_alike(ours: Sequence[SharedCapacity], theirs: Sequence[SharedCapacity]) -> bool:
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        if one is other:
            continue
        if one.name != other.name or one.size != other.size or len(one.terms) != len(other.terms):
            return False
        if (one.supply is None) != (other.supply is None) or one.equality != other.equality:
            return False
        if one.law != other.law or one.labels != other.labels:
            return False
        if one.supply and other.supply and one.supply.price.shape != other.supply.price.shape:
            return False
        for mine, yours in zip(one.terms, other.terms, strict=True):
            if mine.on != yours.on or not (_same(mine.use, yours.use) and _same(mine.member, yours.member)):
                return False
    return True


def _activities_alike(ours: Sequence[Activity], theirs: Sequence[Activity]) -> bool:
    return ours is theirs or [(one.name, one.labels, one.price.shape) for one in ours] == [
        (one.name, one.labels, one.price.shape) for one in theirs
    ]


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
