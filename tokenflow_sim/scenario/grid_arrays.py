"""The grid of a scenario as arrays: structure once, and the numbers of any period."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_clearing import GridClearer
from tokenflow_sim.market.grid_outcome import GridOutcome, grid_outcome
from tokenflow_sim.market.grid_rows import BoundGrid, bind_grid
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Bools, Floats, Ints, frozen
from tokenflow_sim.scenario.carbon_state import emits_by_generators
from tokenflow_sim.scenario.exogenous import Cycle
from tokenflow_sim.scenario.geography import haversine
from tokenflow_sim.scenario.grid import Grid as GridFields
from tokenflow_sim.scenario.schema import ScenarioFields

KWH_PER_MWH = 1000.0
MW_PER_KWH_A_SECOND = SECONDS_PER_HOUR / KWH_PER_MWH
"""MW drawn by a Mtok/s whose energy is 1 kWh/Mtok."""


@dataclass(frozen=True, slots=True, eq=False)
class GridState:
    """The grid in one period.

    Parameters
    ----------
    arrays : GridArrays
        The scenario's grid.
    grid : Grid
        Its numbers in the period.
    electricity_price : ndarray
        Price of power in $/kWh at which tokens are cleared, dims (node,); NaN where it is cleared with them.
    charge : float
        Price of emissions in $/t, which generators pay to the state and the grid's prices contain.
    limits, activities : tuple
        What the grid adds to the market of tokens where both are cleared together; else nothing.
    """

    arrays: GridArrays
    grid: Grid
    electricity_price: Floats
    charge: float = 0.0
    limits: tuple[SharedCapacity, ...] = ()
    activities: tuple[Activity, ...] = ()

    @property
    def is_joint(self) -> bool:
        """Whether the grid is cleared with the tokens."""
        return self.arrays.is_joint

    def charged(self, more: float) -> GridState:
        """Return the grid where generators pay so much more, in $/t, for what they emit."""
        grid = self.grid.with_(price=self.grid.price + more * self.grid.co2[:, None])
        activities = self.arrays.rows(grid)[1] if self.is_joint else ()
        return replace(self, grid=grid, charge=self.charge + more, activities=activities)


class GridArrays:
    """The grid of a scenario.

    Parameters
    ----------
    scenario : ScenarioFields
        A scenario with a grid.
    layout : Layout
        Where assets stand.
    energy : ndarray
        What a unit of service draws at the meter in kWh/Mtok, dims (asset, workload).

    Attributes
    ----------
    fields : Grid
        The section of the scenario.
    template : Grid
        Labels and structure, with the numbers of period 0.
    power_use : ndarray
        What a unit of service draws at the meter in MW per Mtok/s, dims (asset, workload).
    asset_bus : ndarray of int
        Position of each asset's bus, dims (asset,).
    periods : int or None
        How many periods its series cover; None without any.
    curtailable : ndarray of bool
        Of which generators what is available and unused is curtailment, dims (generator,).
    has_co2 : bool
        Whether emissions of all generators are known.
    charge : float
        The scenario's price of emissions in $/t where generators pay it, else zero.
    pays_carbon : bool
        Whether generators pay for what they emit, by a price or for permits.
    asks_marginal : bool
        Whether emissions of one more MWh at each bus are recorded.
    """

    def __init__(self, scenario: ScenarioFields, layout: Layout, energy: Floats) -> None:
        fields = scenario.grid
        assert fields is not None
        self._scenario, self.fields = scenario, fields
        self._layout, self._energy = layout, energy
        self.power_use = frozen(energy * MW_PER_KWH_A_SECOND)
        self._numbers = _Numbers(scenario, fields)
        self.periods = self._numbers.periods
        self.template = make_grid(scenario, fields, self._numbers)
        self.asset_bus = frozen(self.template.node_bus[layout.asset_node])
        self._bound: BoundGrid = bind_grid(self.template, layout, self.power_use)
        made = list(fields.generators.values())
        by_period = set() if fields.availability is None else set(fields.availability.names)
        # As in PyPSA's statistics: a fixed availability is a derating, and a plant that rests does so for its cost.
        self.curtailable: Bools = np.array(
            [
                name in by_period if one.curtailable is None else one.curtailable
                for name, one in fields.generators.items()
            ],
            dtype=bool,
        )
        self.curtailable.setflags(write=False)
        self.has_co2 = all(one.co2 is not None for one in made)
        carbon, emit = scenario.carbon, emits_by_generators(scenario)
        self.charge = (carbon.price or 0.0) if emit else 0.0
        self.pays_carbon = emit and (
            carbon.price is not None or carbon.budget is not None or bool(carbon.cap)
        )
        self.asks_marginal = emit and carbon.marginal
        self.is_joint = fields.clearing == "joint"
        self._base = Cycle(self._base_at, None, len(fields.buses))
        self._unknown = frozen(np.full(len(layout.nodes), np.nan))
        # Made once, and used by all runs of the scenario in a process, which may be in several threads.
        self._clearer: GridClearer | None = None
        self._one_at_a_time = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the scenario, as `Compiled` does: a clearer and its lock stay in their process."""
        return attrgetter("compiled.grid"), (self._scenario,)

    def power_cost(self, price: Floats) -> Floats:
        """Return what power costs at prices in $/kWh, dims (node,), in $/Mtok; zero where nobody knows them yet."""
        if self.is_joint:
            return np.zeros(self._energy.shape)
        cost: Floats = price[self._layout.asset_node][:, None] * self._energy
        return cost

    def at(self, period: int) -> Grid:
        """Return the grid of a period; what generators ask contains what they pay for emissions."""
        numbers = self._numbers.at(period)
        if self.charge:
            numbers["price"] = numbers["price"] + self.charge * self.template.co2[:, None]
        return self.template.with_(**numbers)

    def rows(self, grid: Grid) -> tuple[tuple[SharedCapacity, ...], tuple[Activity, ...]]:
        """Return what the grid of a period adds to the market of tokens."""
        return self._bound.at(grid)

    def expected_emissions(self, period: int, demand: Floats) -> float:
        """Return what local load and demand would emit in t/s at the mean rate of what is available.

        Parameters
        ----------
        period : int
            The period.
        demand : ndarray
            In Mtok/s, dims (workload,).
        """
        grid = self.at(period)
        available = grid.available.sum(axis=1)
        drawn = (self.power_use.sum(axis=0) / np.maximum((self.power_use > 0).sum(axis=0), 1)) @ demand
        mean = (grid.co2 @ available) / max(float(available.sum()), np.finfo(float).tiny)
        return float((grid.load.sum() + drawn) * mean / SECONDS_PER_HOUR)

    def clear(self, grid: Grid, draw: Floats | None = None) -> GridOutcome:
        """Clear the grid alone.

        Parameters
        ----------
        grid : Grid
            The grid of a period.
        draw : ndarray, optional
            What the market's assets draw at each bus in MW, dims (bus,).

        Raises
        ------
        InfeasibleError
            If the load cannot be supplied.
        """
        with self._one_at_a_time:
            if self._clearer is None:
                self._clearer = GridClearer(grid)
            return self._clearer.clear(grid, draw).outcome

    def outcome(self, grid: Grid, values: Values) -> GridOutcome:
        """Return the grid's part of a clearing: of the one with the tokens, or of its own with what they draw."""
        if self.is_joint:
            return grid_outcome(self._bound, grid, values)
        each = (self.power_use[:, :, None] * values.dispatch).sum(axis=(1, 2))
        return self.clear(grid, np.bincount(self.asset_bus, each, len(grid.buses)))

    def _base_at(self, period: int) -> Floats:
        return self.clear(self.at(period)).bus_price

    def base_price(self, period: int) -> Floats:
        """Return bus prices without the market's load in $/MWh, dims (bus,)."""
        return self._base.at(period)

    def state(self, period: int, bus_price: Floats | None, given: Floats) -> GridState:
        """Return the grid of a period with what the market of tokens needs to know of it.

        Parameters
        ----------
        period : int
            The period.
        bus_price : ndarray or None
            Bus prices of the period before in $/MWh, dims (bus,); None where there is none.
        given : ndarray
            The nodes' own electricity prices in $/kWh, dims (node,).
        """
        grid, local = self.at(period), given
        limits: tuple[SharedCapacity, ...] = ()
        activities: tuple[Activity, ...] = ()
        if self.is_joint:
            local = self._unknown
            limits, activities = self.rows(grid)
        elif self.fields.expected_price != "given":
            is_last = self.fields.expected_price == "last" and bus_price is not None
            price = bus_price if is_last and bus_price is not None else self.base_price(period)
            at_bus = grid.node_bus != NO_BUS
            local = frozen(np.where(at_bus, price[grid.node_bus], 0.0) / KWH_PER_MWH)
        return GridState(
            arrays=self,
            grid=grid,
            electricity_price=local,
            charge=self.charge,
            limits=limits,
            activities=activities,
        )


def bus_of_nodes(scenario: ScenarioFields, grid: GridFields) -> dict[str, str]:
    """Return the bus of each node that has one.

    Notes
    -----
    By `links`; else the bus of the node's own name; else, with `nearest`, the nearest bus (great circle; the first of
    equally near ones).
    """
    found = {node: grid.links.get(node, node) for node in scenario.nodes}
    found = {node: bus for node, bus in found.items() if bus in grid.buses}
    there = {name: bus for name, bus in grid.buses.items() if None not in (bus.latitude, bus.longitude)}
    if not (grid.nearest and there):
        return found
    names = list(there)
    north, east = (
        np.array([getattr(bus, side) for bus in there.values()], dtype=float)
        for side in ("latitude", "longitude")
    )
    for node, place in scenario.nodes.items():
        if node in found or node in grid.links or None in (place.latitude, place.longitude):
            continue
        ends = np.full_like(north, place.latitude), np.full_like(east, place.longitude)
        found[node] = names[int(np.argmin(haversine(*ends, north, east)))]
    return found


class _Numbers:
    """The numbers that series give by period, in arrays as `Grid.with_` takes them."""

    def __init__(self, scenario: ScenarioFields, fields: GridFields) -> None:
        buses, made = list(fields.buses.values()), list(fields.generators.values())
        tranches = max((len(one.steps) for one in made), default=0) or 1
        self.size = np.zeros((len(made), tranches))
        price = np.zeros((len(made), tranches))
        for row, one in enumerate(made):
            steps = [(step.mw, step.cost) for step in one.steps] or [(one.capacity, one.cost)]
            self.size[row, : len(steps)] = [mw for mw, _ in steps]
            price[row] = [cost for _, cost in steps] + [steps[-1][1]] * (tranches - len(steps))
        self._fixed = {
            "load": np.array([bus.load_mw for bus in buses]),
            "availability": np.array([one.availability for one in made]),
            "must_run": np.array([one.must_run for one in made]),
            "cost": price,
        }
        self._tables: dict[str, tuple[Ints, Floats]] = {}
        for name, names in (
            ("load", fields.buses), ("availability", fields.generators), ("must_run", fields.generators),
            ("cost", fields.generators),
        ):  # fmt: skip
            series = getattr(fields, name)
            if series is not None:
                position = {label: number for number, label in enumerate(names)}
                spots = np.array([position[label] for label in series.names], dtype=np.int64)
                self._tables[name] = spots, series.over(scenario.start, scenario.hours, scenario.periods)
        spans = [len(table) for _, table in self._tables.values()]
        self.periods: int | None = min(spans) if spans else None

    def at(self, period: int) -> dict[str, Floats]:
        """Return loads, prices, what is available and what runs at least in a period."""
        now = {}
        for name, fixed in self._fixed.items():
            if name in self._tables:
                spots, table = self._tables[name]
                fixed = fixed.copy()
                row = table[period]
                fixed[spots] = row if fixed.ndim == 1 else row[:, None]
            now[name] = fixed
        return {
            "load": now["load"],
            "price": now["cost"],
            "available": self.size * now["availability"][:, None],
            "minimum": self.size.sum(axis=1) * now["must_run"],
        }


def make_grid(scenario: ScenarioFields, fields: GridFields, numbers: _Numbers | None = None) -> Grid:
    """Return the grid of a scenario with the numbers of period 0."""
    buses = {name: number for number, name in enumerate(fields.buses)}
    lines, made = list(fields.lines.values()), list(fields.generators.values())
    at = bus_of_nodes(scenario, fields)
    limit = [np.inf if one.limit_mw is None else one.limit_mw for one in lines]
    back = [
        most if one.back_limit_mw is None else one.back_limit_mw
        for one, most in zip(lines, limit, strict=True)
    ]
    return Grid(
        buses=list(buses),
        lines=list(fields.lines),
        from_bus=[buses[one.from_bus] for one in lines],
        to_bus=[buses[one.to_bus] for one in lines],
        limit=limit,
        least=-np.array(back, dtype=float),
        kind=[one.kind or fields.flow for one in lines],
        susceptance=[one.susceptance or 1 / (one.reactance or 1.0) for one in lines],
        efficiency=[one.efficiency for one in lines],
        line_cost=[one.cost for one in lines],
        generators=list(fields.generators),
        generator_bus=[buses[one.bus] for one in made],
        co2=[one.co2 or 0.0 for one in made],
        node_bus=[buses[at[node]] if node in at else NO_BUS for node in scenario.nodes],
        **(numbers or _Numbers(scenario, fields)).at(0),
    )
