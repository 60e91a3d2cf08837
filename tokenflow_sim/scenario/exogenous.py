"""What happens to a market from outside, period by period: demand, electricity prices, outages."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tokenflow_sim.numeric import Floats, Ints, frozen
from tokenflow_sim.scenario.clock import Clock
from tokenflow_sim.scenario.profile import Profile, cycle_length
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import PeriodSeries
from tokenflow_sim.scenario.series_kinds import token_columns

FLAT_DAY, FLAT_WEEK = (1.0,) * 24, (1.0,) * 7
_CACHE_BYTES = 64 * 2**20


class Cycle:
    """Arrays that repeat after a number of periods, computed when first asked for and then kept.

    Parameters
    ----------
    make : callable
        Computes the array of a period.
    length : int or None
        Periods after which it repeats; None if it does not, or only after very long.
    size : int
        Numbers in the array, to bound what is kept.
    clock : Clock, optional
        The clock that the array follows: what repeats does so only as long as clocks do not change.
    """

    def __init__(
        self, make: Callable[[int], Floats], length: int | None, size: int, clock: Clock | None = None
    ) -> None:
        self._make = make
        self._length = length
        self._clock = clock
        # What never repeats is kept only for those who ask twice in a row.
        self._keep = 2 if length is None else max(1, _CACHE_BYTES // (8 * max(size, 1)))
        self._kept: dict[tuple[int, int], Floats] = {}

    def at(self, period: int) -> Floats:
        """Return the array of a period; the same object every time while it is kept."""
        wall = 0 if self._clock is None else self._clock.wall(period).number
        key = (period if self._length is None else period % self._length, wall)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= self._keep:
                self._kept.pop(next(iter(self._kept)))
            found = self._kept[key] = frozen(self._make(period))
        return found


def following(clock: Clock, profiles: list[Profile]) -> Clock | None:
    """Return the clock where profiles follow it; None where all of them are flat."""
    return None if all(profile.is_flat for profile in profiles) else clock


class DemandSeries:
    """Expected demand in Mtok/s by period, dims (node, workload).

    Scale x weight of the node x base rate of the class x the class's profile at the node's local time; or the
    scenario's own table by period, times scale.
    """

    def __init__(self, scenario: ScenarioFields, clock: Clock) -> None:
        demand, workloads = scenario.demand, scenario.workloads
        nodes = scenario.nodes
        shape = (len(nodes), len(workloads))
        self.periods: int | None = None
        self._table: Floats | None = None
        if demand.series is not None:
            series = demand.series
            rows = [list(nodes).index(name) for name in series.nodes]
            weighed = token_columns(scenario)
            plain = [j for j, name in enumerate(series.names) if name not in weighed]
            columns = [list(workloads).index(series.names[j]) for j in plain]
            values = series.over(scenario.start, scenario.hours, scenario.periods)
            self._table = np.zeros((len(values), *shape))
            spots = np.array(rows)[:, None], np.array(columns, dtype=np.int64)
            self._table[:, *spots] = values[:, :, plain] * demand.scale
            for j, name in enumerate(series.names):
                if name in weighed:
                    workload, counts = weighed[name]
                    useful = counts * values[:, :, j] * demand.scale
                    self._table[:, rows, list(workloads).index(workload)] += useful
            frozen(self._table)
            self.periods = len(values)
            return
        rate = np.array([item.base_rate for item in workloads.values()])
        weight = np.array([node.demand_weight for node in nodes.values()])
        # Divided last, as capacities are: demand that equals a capacity on paper does so to the bit.
        base = np.outer(demand.scale * weight, rate) / 1e6
        profiles = [
            Profile(demand.hourly.get(name, FLAT_DAY), demand.weekly.get(name, FLAT_WEEK))
            for name in workloads
        ]

        length = cycle_length(clock.hours, profiles)

        def make(period: int) -> Floats:
            return base * clock.mean(profiles, period, length)[:, clock.zone].T

        self._cycle = Cycle(make, length, base.size, following(clock, profiles))

    def at(self, period: int) -> Floats:
        """Return expected demand in a period."""
        if self._table is None:
            return self._cycle.at(period)
        values: Floats = self._table[period]
        return values


class PriceSeries:
    """Electricity prices in $/kWh by period, dims (node,); zero where a node has none."""

    def __init__(self, scenario: ScenarioFields, clock: Clock) -> None:
        electricity, nodes = scenario.electricity, scenario.nodes
        base = np.array([node.electricity_price or 0.0 for node in nodes.values()]) * electricity.scale
        hourly = [electricity.hourly.get(name) for name in nodes]
        days = sorted({day for day in hourly if day is not None})
        profiles = [Profile(day, FLAT_WEEK) for day in [FLAT_DAY, *days]]
        kind = np.array([0 if day is None else 1 + days.index(day) for day in hourly])
        series = electricity.series
        spots = np.array([list(nodes).index(name) for name in series.names] if series else [], dtype=np.int64)
        table = None if series is None else series.over(scenario.start, scenario.hours, scenario.periods)
        self.periods = None if table is None else len(table)
        length = cycle_length(clock.hours, profiles)

        def make(period: int) -> Floats:
            price: Floats = base * clock.mean(profiles, period, length)[kind, clock.zone]
            if table is not None:
                price[spots] = table[period] * electricity.scale
            return price

        self.cycle = None if series is not None else length
        self.clock = following(clock, profiles)
        self._cycle = Cycle(make, self.cycle, base.size, self.clock)

    def at(self, period: int) -> Floats:
        """Return the prices in a period."""
        return self._cycle.at(period)


class ByNode:
    """A number of each node, constant or by period; NaN where it has neither.

    Parameters
    ----------
    scenario : ScenarioFields
        Its `start`, `hours` and `periods`, and its nodes.
    fixed : sequence of float or None
        The constant numbers, dims (node,).
    series : PeriodSeries or None
        The numbers by period, of the nodes that it names.
    """

    def __init__(
        self, scenario: ScenarioFields, fixed: Sequence[float | None], series: PeriodSeries | None
    ) -> None:
        self._fixed = frozen(np.array([np.nan if one is None else one for one in fixed], dtype=float))
        self.table = None if series is None else series.over(scenario.start, scenario.hours, scenario.periods)
        self.periods = None if self.table is None else len(self.table)
        names = () if series is None else series.names
        self.spots: Ints = np.array([list(scenario.nodes).index(name) for name in names], dtype=np.int64)

    def at(self, period: int) -> Floats:
        """Return the numbers in a period; one and the same array where none is by period."""
        if self.table is None:
            return self._fixed
        values = self._fixed.copy()
        values[self.spots] = self.table[period]
        return frozen(values)


class Availability:
    """Share of each asset and arc that outages leave, constant between their starts and ends."""

    def __init__(self, scenario: ScenarioFields, assets: list[dict[str, str]], arcs: tuple[str, ...]) -> None:
        self._assets, self._arcs = len(assets), len(arcs)
        self._hits: list[tuple[int, int, float, Ints, Ints]] = []
        edges = {0}
        for outage in scenario.outages:
            wanted = outage.model_dump(include={"node", "provider", "hardware", "asset"}, exclude_none=True)
            rows = [
                number
                for number, asset in enumerate(assets)
                if wanted and all(asset[field] == name for field, name in wanted.items())
            ]
            links = [number for number, label in enumerate(arcs) if label == outage.arc]
            hit = (np.array(rows, dtype=np.int64), np.array(links, dtype=np.int64))
            self._hits.append((outage.first, outage.last, outage.available, *hit))
            edges |= {outage.first, outage.last + 1}
        self._edges = sorted(edges)

    def segment(self, period: int) -> int:
        """Return the number of the span of periods, without any change in it, that a period lies in."""
        return bisect_right(self._edges, period) - 1

    def of(self, segment: int) -> tuple[Floats | None, Floats | None]:
        """Return the shares of assets and of arcs in a span; None where all of them are whole."""
        assets, arcs = self.shares(segment)
        return (assets if (assets < 1).any() else None), (arcs if (arcs < 1).any() else None)

    def shares(self, segment: int) -> tuple[Floats, Floats]:
        """Return the shares of assets and of arcs in a span."""
        period = self._edges[segment]
        assets, arcs = np.ones(self._assets), np.ones(self._arcs)
        for first, last, share, rows, links in self._hits:
            if first <= period <= last:
                assets[rows] *= share
                arcs[links] *= share
        return frozen(assets), frozen(arcs)


def positions_of(names: tuple[str, ...], members: list[str]) -> Mapping[str, Ints]:
    """Return the positions of each name among the members."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for number, member in enumerate(members):
        found[member].append(number)
    arrays = {name: np.array(numbers, dtype=np.int64) for name, numbers in found.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return MappingProxyType(arrays)
