"""Local time at the nodes: which hour and weekday a period has there, through the changes of clocks."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.profile import Profile
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.zone import offset_hours

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
"""When period 0 begins in a scenario without a `start`: a Monday's midnight."""

_STEP = timedelta(days=1)  # no zone has two changes within a day
_SECOND = timedelta(seconds=1)
_AHEAD = 31 * 24.0  # hours that are searched for changes at a time
_LAST = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Wall:
    """What the clocks on the wall say about a period.

    Parameters
    ----------
    number : int
        Tells apart what differs: periods of one number have the same offsets, and no change within.
    spans : tuple
        Stretches of the period without a change of any clock: hours from its begin to the stretch's, length in hours,
        and the offset of each zone from UTC in hours.
    """

    number: int
    spans: tuple[tuple[float, float, Floats], ...]


class Clock:
    """Local time of each node.

    Parameters
    ----------
    scenario : ScenarioFields
        Its `start`, `hours` and the nodes' time zones. Without a `start` no clock ever changes.
    """

    def __init__(self, scenario: ScenarioFields) -> None:
        self.start = scenario.start or MONDAY
        self.hours = scenario.hours
        names = [node.time_zone for node in scenario.nodes.values()]
        self._names = list(dict.fromkeys(names))
        self.zone = np.array([self._names.index(name) for name in names], dtype=np.int64)
        start = self.start
        self._since_monday = (
            start.weekday() * 24 + start.hour + start.minute / 60 + start.second / SECONDS_PER_HOUR
        )
        self._edges = [0.0]  # hours from the start at which some clock changes
        self._offsets = [np.array([offset_hours(name, start) for name in self._names])]
        self._searched = np.inf if scenario.start is None else 0.0
        self._numbers: dict[tuple[float, ...], int] = {}

    def mean(self, profiles: list[Profile], period: int, cycle: int | None) -> Floats:
        """Return the mean of each profile over a period, dims (profile, zone); `zone` holds each node's.

        Parameters
        ----------
        profiles : list of Profile
            Factors by local hour and weekday.
        period : int
            The period.
        cycle : int or None
            Periods after which a week comes round, where it does.
        """
        since = (period if cycle is None else period % cycle) * self.hours
        spans = self.wall(period).spans
        if len(spans) == 1:
            begin = self._since_monday + spans[0][2] + since
            return np.stack([profile.mean(begin, self.hours) for profile in profiles])
        total = np.zeros((len(profiles), len(self._names)))
        for after, length, offsets in spans:
            begin = self._since_monday + offsets + since + after
            total += np.stack([profile.mean(begin, length) * length for profile in profiles])
        return np.asarray(total / self.hours)

    def wall(self, period: int) -> Wall:
        """Return the offsets that hold in a period, and where in it clocks change."""
        begin = period * self.hours
        end = begin + self.hours
        while self._searched < end:
            self._search()
        first = bisect_right(self._edges, begin) - 1
        inside = self._edges[first + 1 : max(first + 1, bisect_right(self._edges, end - 1e-9))]
        if not inside:
            offsets = self._offsets[first]
            number = self._numbers.setdefault(tuple(offsets.tolist()), len(self._numbers))
            return Wall(number, ((0.0, self.hours, offsets),))
        cuts = [begin, *inside, end]
        return Wall(
            -1 - period,
            tuple(
                (cuts[n] - begin, cuts[n + 1] - cuts[n], self._offsets[first + n])
                for n in range(len(inside) + 1)
            ),
        )

    def _search(self) -> None:
        """Find the changes of clocks in the hours ahead; the database of zones holds offsets, not changes."""
        at = self.start + timedelta(hours=self._searched)
        until = at + timedelta(hours=_AHEAD)
        if until > _LAST:
            self._searched = np.inf
            return
        found: dict[datetime, list[tuple[int, float]]] = {}
        for zone, name in enumerate(self._names):
            here, now = at, offset_hours(name, at)
            while here < until:
                ahead = min(here + _STEP, until)
                then = offset_hours(name, ahead)
                if then != now:
                    found.setdefault(_change(name, here, ahead), []).append((zone, then))
                here, now = ahead, then
        for instant in sorted(found):
            offsets = self._offsets[-1].copy()
            for zone, offset in found[instant]:
                offsets[zone] = offset
            self._edges.append((instant - self.start).total_seconds() / SECONDS_PER_HOUR)
            self._offsets.append(offsets)
        self._searched += _AHEAD


def _change(name: str, before: datetime, after: datetime) -> datetime:
    """Return the first second, between two instants of different offsets, that has the later one."""
    old = offset_hours(name, before)
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle <= before:
            middle = before + _SECOND
        if offset_hours(name, middle) == old:
            before = middle
        else:
            after = middle
    return after
