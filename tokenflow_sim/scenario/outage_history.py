"""The outages of one run at random times: which assets and arcs are down in a period.

A component's times depend on its own stream of random numbers alone, from the run's beginning on, and are drawn as
far as they are asked for. So the state of a period is the same however long the run is, wherever it was resumed, and
whatever other outages there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tokenflow_sim.numeric import Bools, Floats, Ints
from tokenflow_sim.scenario.formulations import NetworkArrays
from tokenflow_sim.scenario.outage_process import ASSET_FIELDS, OutageProcess
from tokenflow_sim.scenario.schema import ScenarioFields

_BLOCK = 64  # times drawn at once; always as many, so that a component's times are the same in every run


@dataclass(frozen=True, eq=False)
class Component:
    """What goes down and comes back as one.

    Parameters
    ----------
    name : str
        The process's name, and the label of the asset or arc where each has its own.
    process : OutageProcess
        Its rates.
    assets, arcs : ndarray of int
        Positions of what it hits.
    """

    name: str
    process: OutageProcess
    assets: Ints
    arcs: Ints


def components_of(
    scenario: ScenarioFields, assets: Sequence[dict[str, str]], network: NetworkArrays
) -> tuple[Component, ...]:
    """Return everything that fails on its own.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    assets : sequence of dict
        Label, node, provider and hardware of each asset, under the names of the fields that name them.
    network : NetworkArrays
        The arcs, with their owners and ends.
    """
    return tuple(_components(scenario, assets, network))


def _components(
    scenario: ScenarioFields, assets: Sequence[dict[str, str]], network: NetworkArrays
) -> Iterator[Component]:
    none = np.zeros(0, dtype=np.int64)
    for name, process in scenario.outage_processes.items():
        wanted = process.model_dump(include=set(ASSET_FIELDS), exclude_none=True)
        rows = [
            number
            for number, asset in enumerate(assets)
            if wanted and all(asset[field] == value for field, value in wanted.items())
        ]
        groups = _cables(process, network)
        if process.common_cause:
            links = [link for group in groups for link in group]
            yield Component(name, process, np.array(rows, dtype=np.int64), np.array(links, dtype=np.int64))
            continue
        for row in rows:
            yield Component(f"{name}\0{assets[row]['asset']}", process, np.array([row]), none)
        for group in groups:
            yield Component(f"{name}\0{network.labels[group[0]]}", process, none, np.array(group))


def _cables(process: OutageProcess, network: NetworkArrays) -> list[list[int]]:
    """Return the arcs that a process hits, those together that go down together."""
    named = zip(network.labels, network.owner, strict=True)
    hit = [n for n, (label, owner) in enumerate(named) if label == process.arc or owner == process.owner]
    if not process.both_ways:
        return [[n] for n in hit]
    ends = [
        frozenset(pair) for pair in zip(network.origin.tolist(), network.destination.tolist(), strict=True)
    ]
    return [
        [n for n, other in enumerate(ends) if other == pair] for pair in dict.fromkeys(ends[n] for n in hit)
    ]


class _History:
    """When one component changes its state, drawn as far as somebody asks."""

    def __init__(self, process: OutageProcess, generator: np.random.Generator) -> None:
        self._generator = generator
        up, down = process.mean_up, process.mean_down
        # Drawn whatever the start, so that another choice of it leaves all later times as they are.
        first = generator.random()
        self._starts_up = process.initial == "up" or first >= down / (up + down)
        means = (up, down) if self._starts_up else (down, up)
        self._means = np.tile(means, _BLOCK // 2)
        self._changes = np.zeros(0)

    def is_up(self, hour: float) -> bool:
        """Whether the component is up at a time, in hours since the run's period 0 began."""
        while not self._changes.size or self._changes[-1] <= hour:
            last = self._changes[-1] if self._changes.size else 0.0
            times = self._means * self._generator.standard_exponential(_BLOCK)
            self._changes = np.append(self._changes, last + np.cumsum(times))
        changes = int(self._changes.searchsorted(hour, side="right"))
        return self._starts_up == (changes % 2 == 0)


class OutageHistory:
    """The outages of one run: which components are down in a period.

    Parameters
    ----------
    components : sequence of Component
        What fails.
    hours : float
        Length of a period.
    assets, arcs : int
        How many there are.
    stream : callable
        Returns the stream of random numbers of a component by its name, which no other component draws from.

    Notes
    -----
    A component is down for a whole period if it is down when the period begins.
    """

    def __init__(
        self,
        components: Sequence[Component],
        hours: float,
        assets: int,
        arcs: int,
        stream: Callable[[str], np.random.Generator],
    ) -> None:
        self._components, self._hours = components, hours
        self._sizes = assets, arcs
        self._histories = [_History(one.process, stream(one.name)) for one in components]
        self._last: Bools = np.zeros(0, dtype=np.bool_)
        self._shares = self._of(np.ones(len(components), dtype=np.bool_))

    def shares(self, period: int) -> tuple[Floats, Floats]:
        """Return the shares of assets and of arcs that these outages leave; the same objects while nothing changes."""
        hour = period * self._hours
        up = np.array([history.is_up(hour) for history in self._histories], dtype=np.bool_)
        if not np.array_equal(up, self._last):
            self._last, self._shares = up, self._of(up)
        return self._shares

    def _of(self, up: Bools) -> tuple[Floats, Floats]:
        assets, arcs = (np.ones(size) for size in self._sizes)
        for component, is_up in zip(self._components, up, strict=True):
            if not is_up:
                assets[component.assets] *= component.process.available
                arcs[component.arcs] *= component.process.available
        assets.setflags(write=False)
        arcs.setflags(write=False)
        return assets, arcs
