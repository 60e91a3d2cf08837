"""Carbon in numbers: what service emits and pays in a period, and which caps hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenflow_sim.market.carbon import STATE, carbon_limit, generation_terms, limit_of
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Bools, Floats, frozen
from tokenflow_sim.scenario.carbon import BUDGET
from tokenflow_sim.scenario.exogenous import ByNode
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.zones import groups_of


def emits_by_generators(scenario: ScenarioFields) -> bool:
    """Whether emissions are those of a grid's generators: all have a `co2`, and nodes no intensities of their own.

    Intensities that are given hold, so that nothing is counted twice.
    """
    grid, carbon = scenario.grid, scenario.carbon
    given = carbon.series is not None or any(
        node.carbon_intensity is not None for node in scenario.nodes.values()
    )
    return grid is not None and not given and all(one.co2 is not None for one in grid.generators.values())


class CarbonState:
    """What a scenario says of carbon, as arrays of a period.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    layout : Layout
        Where assets stand.
    energy : ndarray
        What the facility takes for service in kWh/Mtok, dims (asset, workload).

    Attributes
    ----------
    has_emissions, has_price, has_cap : bool
        Whether intensities, a price, and caps (or a budget that makes them) are known.
    is_priced_by_period : bool
        Whether what emissions cost changes with time.
    is_of_generators : bool
        Whether emissions are those of the generators of a grid.
    periods : int or None
        How many periods a table by period covers; None without one.
    zones : tuple of str
        Names of the caps, then that of the budget, where its rule makes caps.
    counts : ndarray of bool
        Which assets count in which zone, dims (zone, asset).
    """

    def __init__(self, scenario: ScenarioFields, layout: Layout, energy: Floats) -> None:
        carbon, nodes = scenario.carbon, scenario.nodes
        self._layout, self._energy, self.hours = layout, energy, scenario.hours
        self.asset_node = layout.asset_node
        self._intensity = ByNode(scenario, [node.carbon_intensity for node in nodes.values()], carbon.series)
        self._price = ByNode(scenario, [carbon.price or 0.0] * len(nodes), carbon.prices)
        self.has_emissions = carbon.series is not None or any(
            node.carbon_intensity is not None for node in nodes.values()
        )
        self._groups = groups_of(scenario)
        self.budget = carbon.budget
        self.has_marginal = carbon.marginal
        self.is_of_generators = emits_by_generators(scenario)
        made_by = [] if scenario.grid is None else list(scenario.grid.generators.values())
        # In t/MWh, dims (generator,).
        self.co2: Floats = np.array([one.co2 or 0.0 for one in made_by], dtype=float)
        adapts = carbon.budget is not None and carbon.budget.rule == "adaptive_price"
        self.has_price = adapts or carbon.price is not None or carbon.prices is not None
        self.is_priced_by_period = self.has_price and (carbon.series or carbon.prices) is not None
        spans = [one.periods for one in (self._intensity, self._price) if one.periods is not None]
        self.periods = min(spans) if spans else None
        self.payee = STATE if carbon.payee is None else carbon.payee
        made = [(name, cap.nodes, cap.offset_price) for name, cap in carbon.cap.items()]
        self.makes_caps = self.budget is not None and self.budget.rule != "adaptive_price"
        if self.budget is not None and self.makes_caps:
            made.append((BUDGET, self.budget.nodes, self.budget.offset_price))
        self.zones = tuple(name for name, *_ in made)
        self.has_cap = bool(made)
        self.counts = np.array([self.assets_at(named) for _, named, _ in made], dtype=bool)
        self.counts = self.counts.reshape(len(made), len(layout.assets))
        offsets = [np.inf if price is None else price for *_, price in made]
        self._offsets = frozen(np.array(offsets)) if np.isfinite(offsets).any() else None
        # In t/s; the budget's share of a period stands at the end.
        rates = [
            (cap.tonnes or 0.0) / self.hours if cap.rate is None else cap.rate for cap in carbon.cap.values()
        ]
        self._caps = np.array(rates, dtype=float) / SECONDS_PER_HOUR
        self._kept: tuple[SharedCapacity, ...] | None = None

    @property
    def recorded(self) -> tuple[str, ...]:
        """Which of `variables.EMISSIONS` a run knows."""
        names = ["emissions"] if self.has_emissions or self.is_of_generators else []
        charged = ["emission_price", *([] if self.is_of_generators else ["carbon_payment", "price_carbon"])]
        names += charged if self.has_price else []
        return (*names, *(["marginal_emissions"] if self.has_marginal else []))

    def assets_at(self, nodes: Sequence[str]) -> Bools:
        """Return which assets stand at some nodes or in some zones, anywhere where none is named, dims (asset,)."""
        names = self._layout.nodes[self.asset_node]
        if not nodes:
            return np.ones(len(names), dtype=np.bool_)
        meant = {node for name in nodes for node in self._groups.get(name, ())}
        return np.asarray(names.isin(meant))

    def rate(self, period: int) -> Floats:
        """Return what a Mtok of service emits at each asset in t, dims (asset, workload)."""
        return frozen(self._intensity.at(period)[self.asset_node][:, None] * self._energy / 1e6)

    def price(self, period: int) -> Floats:
        """Return the scenario's price of emissions in $/t, dims (node,); zero where there is none."""
        return self._price.at(period)

    def cost(self, period: int) -> Floats:
        """Return what a Mtok of service pays for its emissions in $, dims (asset, workload)."""
        return frozen(self.price(period)[self.asset_node][:, None] * self.rate(period))

    def limits(self, period: int, share: float | None) -> tuple[SharedCapacity, ...]:
        """Return the caps of a period; the same object in every period where nothing in them changes.

        Parameters
        ----------
        period : int
            The period.
        share : float or None
            What a budget leaves for the period, in tonnes; None without one that makes caps.
        """
        if not self.has_cap:
            return ()
        if self._kept is not None and share is None and self._intensity.table is None:
            return self._kept
        capacity = self._caps
        if share is not None:
            capacity = np.append(capacity, max(share, 0.0) / (self.hours * SECONDS_PER_HOUR))
        capacity = frozen(capacity.copy())
        if self.is_of_generators:
            terms = generation_terms(self.co2, len(self.zones))
            made = limit_of(terms, self.zones, capacity, offset_price=self._offsets, payee=self.payee)
        else:
            made = carbon_limit(
                self.rate(period),
                self.zones,
                self.counts,
                capacity,
                offset_price=self._offsets,
                payee=self.payee,
            )
        if self._kept is not None and self._intensity.table is None:
            made.terms = self._kept[0].terms  # the same object, so that nothing compares it number by number
        self._kept = (made,)
        return self._kept

    def used(self, emissions: Floats) -> float:
        """Return what counts for the budget in tonnes of what assets emitted, dims (asset, workload)."""
        nodes = () if self.budget is None else self.budget.nodes
        return float(emissions[self.assets_at(nodes)].sum())
