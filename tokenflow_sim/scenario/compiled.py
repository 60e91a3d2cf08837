"""A scenario as arrays: labels once, and the numbers of any period in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter, index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tokenflow_sim.errors import Fault, ScenarioError, unknown_name
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout, LinkUnit
from tokenflow_sim.market.limits import site_limit
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints, frozen
from tokenflow_sim.scenario.carbon_budget import BudgetPlan
from tokenflow_sim.scenario.carbon_state import CarbonState
from tokenflow_sim.scenario.checks import asset_label, assets_of
from tokenflow_sim.scenario.clock import Clock
from tokenflow_sim.scenario.contract_rules import contracts_of
from tokenflow_sim.scenario.exogenous import (
    Availability,
    ByNode,
    Cycle,
    DemandSeries,
    PriceSeries,
    positions_of,
)
from tokenflow_sim.scenario.formulations import NetworkArrays, network_arrays
from tokenflow_sim.scenario.grid_arrays import GridArrays
from tokenflow_sim.scenario.links import make_links
from tokenflow_sim.scenario.mergers import firms_of, strategy_after
from tokenflow_sim.scenario.noise import DemandNoise
from tokenflow_sim.scenario.outage_history import components_of
from tokenflow_sim.scenario.path_rules import PathRules
from tokenflow_sim.scenario.regions import homes_of
from tokenflow_sim.scenario.reserve_rules import reserve_rows
from tokenflow_sim.scenario.security_rules import losses_of
from tokenflow_sim.scenario.state import State
from tokenflow_sim.scenario.supply import nominal_power

if TYPE_CHECKING:
    from tokenflow_sim.scenario.fields import StrategySpec
    from tokenflow_sim.scenario.schema import ScenarioFields


class Compiled:
    """A scenario as arrays.

    Parameters
    ----------
    scenario : ScenarioFields
        What to compile.

    Attributes
    ----------
    layout : Layout
        Labels and incidence, without blocks and steps.
    hours, periods, link_unit
        As in the scenario.
    providers, owners, regions : tuple of str
        Names of the agents. Providers that merged are one; without regions in the scenario, each node with demand is.
    provider_assets, owner_arcs, region_nodes : mapping
        Positions of what each agent has.
    tariff : ndarray
        Transfer tariff in $/GB, dims (arc,).
    transfer : ndarray
        Data moved in GB/Mtok as tariffs count it, dims (arc, workload): zero without a network.
    base_route_cost : ndarray
        Route cost beside the tariff in $/Mtok, dims (arc, workload).
    latency, distance : ndarray
        In ms and km, dims (arc,); NaN where unknown.
    asset_hardware : tuple of str
        Hardware type of each asset.
    components : tuple of Component
        What fails at random times.
    security : Security or None
        Losses that every schedule has to survive.
    reserve : ReserveRows or None
        The rows of reserve, their capacity aside.
    power_use : ndarray
        Nominal power drawn per unit of service in MW per Mtok/s, dims (asset, workload).
    grid : GridArrays or None
        The power grid; None without one.
    contracts : Contracts or None
        Forward contracts; None without any.
    path_rules : PathRules
        What holds along whole paths, and delay that grows with load.
    """

    def __init__(self, scenario: ScenarioFields) -> None:
        self.scenario = scenario
        self.hours, self.periods = scenario.hours, scenario.periods
        self.network: NetworkArrays = network_arrays(scenario, make_links(scenario))
        self._set_labels(scenario)
        self._set_assets(scenario)
        self._set_agents(scenario)
        self.pricing = scenario.rules.pricing_rule
        self.path_rules = PathRules(scenario, self.layout, self.network, self.power_use)
        clock = Clock(scenario)
        self._demand = DemandSeries(scenario, clock)
        self._prices = PriceSeries(scenario, clock)
        self.carbon = CarbonState(scenario, self.layout, self._energy)
        self.carbon_plan = (
            None
            if scenario.carbon.budget is None
            else BudgetPlan(scenario.carbon.budget, scenario.periods, self._expected_emissions)
        )
        series = (self._demand, self._prices, self._site_power, self.carbon)
        self.grid = None if scenario.grid is None else GridArrays(scenario, self.layout, self._energy)
        spans = [item.periods for item in series if item.periods is not None]
        spans += [] if self.grid is None or self.grid.periods is None else [self.grid.periods]
        self.covered: int | None = min(spans) if spans else None
        serve = scenario.rules.must_serve
        values = [np.inf if serve else item.value for item in scenario.workloads.values()]
        self._value = frozen(np.tile(np.array(values, dtype=float), (len(scenario.nodes), 1)))
        self._segment = -1
        self._segment_arrays: tuple[Floats, Floats | None, Floats] = self._whole
        repeats = None if self.carbon.is_priced_by_period else self._prices.cycle
        self._costs = Cycle(self._cost_at, repeats, self._energy.size, self._prices.clock)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the scenario: the arrays are made again of it, to the same bits."""
        return attrgetter("compiled"), (self.scenario,)

    def _set_labels(self, scenario: ScenarioFields) -> None:
        network, placed = self.network, [(provider, asset) for _, provider, asset in assets_of(scenario)]
        names, firms = list(scenario.nodes), firms_of(scenario.mergers, scenario.providers)
        position = {name: number for number, name in enumerate(names)}
        self.link_unit: LinkUnit = network.link_unit
        self.tariff, self.transfer = network.tariff, network.transfer
        self.base_route_cost = network.base_route_cost
        self.latency, self.distance = network.latency, network.distance
        self.asset_hardware = tuple(asset.hardware for _, asset in placed)
        self.layout = Layout(
            nodes=pd.Index(names, name="node"),
            workloads=pd.Index(list(scenario.workloads), name="workload"),
            assets=pd.Index([asset_label(*item) for item in placed], name="asset"),
            arcs=pd.Index(network.labels, name="arc", dtype=object if not network.labels else None),
            asset_node=np.array([position[asset.node] for _, asset in placed], dtype=np.int64),
            provider=tuple(firms[provider] for provider, _ in placed),
            origin=network.origin,
            destination=network.destination,
            owner=network.owner,
            link_unit=network.link_unit,
        )

    def _set_assets(self, scenario: ScenarioFields) -> None:
        placed = [asset for _, _, asset in assets_of(scenario)]
        workloads = list(scenario.workloads)
        types = [scenario.hardware[asset.hardware] for asset in placed]
        nodes = list(scenario.nodes.values())
        self._site_power = ByNode(scenario, [node.power_mw for node in nodes], scenario.power.series)
        power = np.array(
            [
                nominal_power(asset, item, scenario.nodes[asset.node].power_mw or 0.0)
                for asset, item in zip(placed, types, strict=True)
            ],
            dtype=float,
        )
        self._share = np.array([asset.share or 0.0 for asset in placed])
        rates, energies = [item.rates for item in types], [item.energies for item in types]
        rate = np.array([[item.get(name, 0.0) for name in workloads] for item in rates])
        energy = np.array([[item.get(name, 0.0) for name in workloads] for item in energies])
        running = np.array([item.running_cost for item in types]) + scenario.rules.opex_adder
        runs = rate > 0
        # Nominal power serves `rate` tok/s per MW, so an hour of a MW is spread over rate * 3600 / 1e6 Mtok.
        per_mtok = np.divide(1e6, rate, out=np.zeros_like(rate), where=runs)
        pue = np.array([1.0 if node.pue is None else node.pue for node in nodes])[self.layout.asset_node]
        # What the facility takes; multiplied by one where no PUE is given, which keeps every bit.
        self._energy: Floats = np.where(runs, energy, 0.0) * pue[:, None]
        self._running = frozen(running[:, None] * per_mtok / SECONDS_PER_HOUR)
        self._rate = rate
        capacity, limit = frozen(power[:, None] * rate / 1e6), frozen(power)
        shared = scenario.rules.shared_power
        self.power_use = frozen(per_mtok)
        self._power_use = self.power_use if shared else None
        grid = [node.grid_mw for node in scenario.nodes.values()]
        power_at = frozen(np.array([np.inf if limit is None else limit for limit in grid], dtype=float))
        limited = np.isfinite(power_at).any()
        drawn = frozen(self.power_use * pue[:, None])
        self._limits = (site_limit(self.layout, drawn, power_at),) if limited else ()
        self.reserve = reserve_rows(scenario, self.layout, self.power_use)
        self._whole = (capacity, limit if shared else None, self.network.link_capacity)
        described = [
            {"asset": label, "provider": provider, "node": asset.node, "hardware": asset.hardware}
            for label, (_, provider, asset) in zip(self.layout.assets, assets_of(scenario), strict=True)
        ]
        self._availability = Availability(scenario, described, self.network.labels)
        self.components = components_of(scenario, described, self.network)
        self.security = losses_of(scenario, self.layout, power, self.network)
        self.has_outages = bool(scenario.outages or self.components)

    def _set_agents(self, scenario: ScenarioFields) -> None:
        self.providers = tuple(dict.fromkeys(firms_of(scenario.mergers, scenario.providers).values()))
        self.owners = tuple(scenario.owners)
        self.provider_assets = positions_of(self.providers, list(self.layout.provider))
        self.owner_arcs = positions_of(self.owners, list(self.layout.owner))
        homes = homes_of(scenario)
        self.regions = tuple(homes)
        position = {name: number for number, name in enumerate(scenario.nodes)}
        nodes = {name: np.array([position[node] for node in members]) for name, members in homes.items()}
        for array in nodes.values():
            array.setflags(write=False)
        self.region_nodes: Mapping[str, Ints] = MappingProxyType(nodes)
        self.contracts = contracts_of(scenario, self.regions)

    def strategy_of(self, kind: str, name: str) -> dict[str, Any]:
        """Return the strategy of an agent as the scenario gives it, e.g. ``{"name": "marginal_cost"}``.

        Parameters
        ----------
        kind : {'provider', 'owner', 'region'}
            Kind of agent.
        name : str
            Its name.

        Raises
        ------
        KeyError
            If there is no such agent.
        """
        sections: dict[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
            "provider": (self.providers, self.scenario.providers),
            "owner": (self.owners, self.scenario.owners),
            "region": (self.regions, self.scenario.regions),
        }
        if kind not in sections:
            raise KeyError(unknown_name("kind of agent", kind, list(sections)))
        names, section = sections[kind]
        if name not in names:
            raise KeyError(unknown_name(kind, name, names))
        if kind == "provider" and name in self.scenario.mergers:
            return strategy_after(self.scenario.mergers[name], section).as_dict()
        if name not in section:  # a region that stands for its node
            return {"name": "inelastic"}
        spec: StrategySpec = section[name].strategy
        return spec.as_dict()

    def demand_noise(self) -> DemandNoise:
        """Return the scenario's noise on demand, at its start."""
        layout = self.layout
        return DemandNoise(self.scenario.demand.noise, list(layout.nodes), list(layout.workloads), self.hours)

    def state(self, period: int, bus_price: Floats | None = None) -> State:
        """Return the numbers of a period, without outages at random times: these belong to a run and its seed.

        Parameters
        ----------
        period : int
            From 0 on. Without a table by period it may lie beyond the scenario's periods: profiles repeat.
        bus_price : ndarray, optional
            Bus prices of the period before in $/MWh, dims (bus,), where tokens are cleared at these. By default those
            of the grid without the market's load.

        Raises
        ------
        ScenarioError
            If the period is negative, or beyond what a table by period covers.
        """
        try:
            number = index(period)
        except TypeError:
            number = -1
        if number < 0 or (self.covered is not None and number >= self.covered):
            last = "on" if self.covered is None else f"to {self.covered - 1}"
            message = (
                f"there is no period {period!r}; this scenario has whole numbers of periods from 0 {last}"
            )
            raise ScenarioError([Fault(message, "period")], f"scenario {self.scenario.name!r}")
        period = number
        segment = self._availability.segment(period)
        if segment != self._segment:
            self._segment, self._segment_arrays = segment, self._in_segment(segment)
        capacity, limit, link_capacity = self._segment_arrays
        if self._site_power.table is not None:
            capacity, limit = self._by_site_power(period, segment, capacity, limit)
        network = self.network
        true_cost, local = self._costs.at(period), self._prices.at(period)
        limits, grid = (*self._limits, *self.carbon.limits(period, self._planned(period))), None
        if self.reserve is not None:
            limits = (*limits, self.reserve.at(capacity, limit))
        activities: tuple[Activity, ...] = ()
        if self.grid is not None:
            grid = self.grid.state(period, bus_price, local)
            local = grid.electricity_price
            true_cost = self.grid.power_cost(local) + self._running
            true_cost = frozen(true_cost + self.carbon.cost(period) if self.pays_carbon else true_cost)
            limits, activities = (*limits, *grid.limits), grid.activities
        limits = (*limits, *self.path_rules.delays(capacity, limit, link_capacity))
        state = State.__new__(State)  # field by field, in a fifth of the time that its own __init__ takes
        state.period = period
        state.true_cost = true_cost
        state.running_cost = self._running
        state.capacity = capacity
        state.power_use = self._power_use
        state.power_limit = limit
        state.demand = self._demand.at(period)
        state.value = self._value
        state.route_cost = network.route_cost
        state.link_use = network.link_use
        state.allowed = self.path_rules.allowed
        state.link_capacity = link_capacity
        state.link_curvature = network.link_curvature
        state.electricity_price = local
        state.limits = limits
        state.emission_rate = self.carbon.rate(period) if self.carbon.has_emissions else None
        state.carbon_price = self.carbon.price(period) if self.carbon.has_price else None
        state.carbon_cost = self.carbon.cost(period) if self.pays_carbon else None
        state.security = self.security
        state.asks_marginal = self.carbon.has_marginal
        state.availability = self._availability.shares(segment) if self.has_outages else None
        state.activities = activities
        state.grid = grid
        state.routing = self.path_rules.routing
        state.delivery = self.path_rules.delivery
        state.pricing = self.pricing
        return state

    def _by_site_power(
        self, period: int, segment: int, capacity: Floats, limit: Floats | None
    ) -> tuple[Floats, Floats | None]:
        """Return capacities, and limits of shared power, of a period in which sites have their own power."""
        node = self.layout.asset_node
        there = np.isin(node, self._site_power.spots)
        power = np.where(there, self._share * self._site_power.at(period)[node], 0.0)
        available = self._availability.of(segment)[0]
        if available is not None:
            power *= available
        capacity = np.where(there[:, None], power[:, None] * self._rate / 1e6, capacity)
        return frozen(capacity), None if limit is None else frozen(np.where(there, power, limit))

    def _planned(self, period: int) -> float | None:
        """Return what a budget plans for a period in tonnes; None where none makes caps."""
        return self.carbon_plan.share(period) if self.carbon_plan and self.carbon.makes_caps else None

    @property
    def pays_carbon(self) -> bool:
        """Whether assets are charged for what they emit: where generators emit, these are, and power costs more."""
        return self.carbon.has_price and not self.carbon.is_of_generators

    def _expected_emissions(self, period: int) -> float:
        """Return what expected demand would emit at the mean emission rate of what is installed, in t/s."""
        if self.grid is not None and self.carbon.is_of_generators:
            return self.grid.expected_emissions(period, self._demand.at(period).sum(axis=0))
        rate, capacity = self.carbon.rate(period), self._whole[0]
        mean = (rate * capacity).sum(axis=0) / np.maximum(capacity.sum(axis=0), np.finfo(float).tiny)
        return float(self._demand.at(period).sum(axis=0) @ mean)

    def _cost_at(self, period: int) -> Floats:
        """Return true costs: electricity at the asset's node, what its power costs beside, and its emissions."""
        local = self._prices.at(period)[self.layout.asset_node]
        cost: Floats = local[:, None] * self._energy + self._running
        return cost + self.carbon.cost(period) if self.carbon.has_price else cost

    def _in_segment(self, segment: int) -> tuple[Floats, Floats | None, Floats]:
        """Return capacities while a certain set of outages lasts."""
        assets, arcs = self._availability.of(segment)
        capacity, limit, links = self._whole
        if assets is not None:
            capacity = frozen(capacity * assets[:, None])
            limit = None if limit is None else frozen(limit * assets)
        if arcs is not None:
            links = frozen(links * arcs)
        return capacity, limit, links

    def market(self, period: int = 0) -> Market:
        """Return the market of a period: truthful offers, expected demand, and of outages those of the table alone.

        Raises
        ------
        ScenarioError
            As `state` does.
        """
        state = self.state(period)
        arrays = Arrays(
            offer_price=state.true_cost[:, :, None],
            capacity=state.capacity[:, :, None],
            demand=state.demand[:, :, None],
            value=state.value[:, :, None],
            route_cost=state.route_cost,
            link_use=state.link_use,
            allowed=state.allowed,
            link_capacity=state.link_capacity,
            link_curvature=state.link_curvature,
            power_use=state.power_use,
            power_limit=state.power_limit,
            limits=state.limits,
            routing=state.routing,
            activities=state.activities,
            security=state.security,
            pricing=state.pricing,
        )
        return Market.from_arrays(self.layout, arrays, self.hours)
