"""The markets of the paper, cleared once each, and the figures that the paper takes from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market import Clearer, Clearing, Market, Settlement, decompose, settle
from tokenflow_sim.market.arrays import Floats
from tokenflow_sim.scenario import Scenario, load_scenario

SCARCE = 0.01
"""A node and class count as scarce from this scarcity rent on, in $/Mtok.

The paper does not print its threshold. At 35x three of the rents of us5 are above 2 $/Mtok, one is 0.174, the next
are 0.006 and 0.004; the paper counts four.
"""
FULL = 1 - 1e-9
"""Share of its capacity from which on a link counts as congested."""

TIGHT_LATENCY = {"workloads.chat.latency_limit": 15.0, "workloads.code.latency_limit": 20.0}
OVERHEADS = {"chat": 1.02, "image": 1.11, "code": 1.03, "batch": 1.20}  # calibrated, not unique
OPEX_ADDER = 4.38762  # $ per MW-hour of nominal power, calibrated
CURVATURE = 1e-5  # $/Mtok per Mtok/s: ours; the paper gives none
TRANSFER_AWARE: dict[str, Any] = {
    "market.bandwidth": "physical",
    **{f"workloads.{name}.overhead": factor for name, factor in OVERHEADS.items()},
}


class Case:
    """One cleared market, with the figures that the paper prints of a market.

    Parameters
    ----------
    clearing : Clearing
        The clearing.
    """

    def __init__(self, clearing: Clearing) -> None:
        self.clearing = clearing
        self.market: Market = clearing.market

    @cached_property
    def settlement(self) -> Settlement:
        """Who pays whom, in $/h."""
        return settle(self.market, self.clearing)

    @property
    def cost(self) -> float:
        """Total cost in $/h."""
        return self.clearing.total_cost

    @property
    def demand(self) -> float:
        """Aggregate demand in Mtok/s."""
        return float(self.market.arrays.demand.sum())

    def price(self, node: str, workload: str) -> float:
        """Return a price in $/Mtok."""
        return float(self.clearing.price.sel(node=node, workload=workload))

    def mean_price(self, workload: str) -> float:
        """Return the mean price over nodes in $/Mtok, not weighted."""
        return float(self.clearing.price.sel(workload=workload).mean())

    def mean_price_range(self, workload: str) -> tuple[float, float]:
        """Return the mean over nodes of the lowest and of the highest prices that the optimum allows."""
        bounds = self.clearing.price_bounds().sel(workload=workload).mean("node")
        return float(bounds["lower"]), float(bounds["upper"])

    def parts(self, node: str, workload: str) -> dict[str, float]:
        """Return energy, scarcity, routing and congestion of a price in $/Mtok."""
        found = decompose(self.market, self.clearing).sel(node=node, workload=workload)
        return {str(name): float(part) for name, part in found.data_vars.items()}

    @property
    def scarce_pairs(self) -> int:
        """Node-class pairs with a scarcity rent of at least `SCARCE`."""
        rent = self.clearing.values.scarcity_rent.max(axis=2)
        layout = self.market.layout
        by_node = np.zeros((len(layout.nodes), len(layout.workloads)))
        np.maximum.at(by_node, layout.asset_node, rent)
        return int((by_node >= SCARCE).sum())

    @property
    def link_use_share(self) -> Floats:
        """Share of each link's capacity in use, dims (arc,)."""
        load = (self.market.arrays.link_use * self.clearing.values.flow).sum(axis=1)
        return np.asarray(load / self.market.arrays.link_capacity)

    @property
    def congested_links(self) -> int:
        """Number of links that are full."""
        return int((self.link_use_share >= FULL).sum())


class Cases:
    """The paper's markets, each loaded and cleared when it is first asked for."""

    def __init__(self) -> None:
        self._cleared: dict[tuple[str, tuple[tuple[str, Any], ...]], Case] = {}
        self._clearers: dict[str, Clearer] = {}

    @cached_property
    def us5(self) -> Scenario:
        """The five-node scenario at its operating point."""
        return load_scenario("us5")

    @cached_property
    def us20(self) -> Scenario:
        """The twenty-node scenario at its operating point."""
        return load_scenario("us20")

    def case(self, name: str, overrides: Mapping[str, Any] | None = None) -> Case:
        """Return a market of a scenario, cleared.

        Parameters
        ----------
        name : {'us5', 'us20'}
            The scenario.
        overrides : mapping, optional
            Dotted paths and values, as for `Scenario.override`.

        Raises
        ------
        InfeasibleError
            If its demand cannot be met.
        """
        key = name, tuple((overrides or {}).items())
        if key not in self._cleared:
            scenario: Scenario = getattr(self, name)
            market = scenario.override(dict(overrides)).market() if overrides else scenario.market()
            clearer = self._clearers.setdefault(name, Clearer(market))
            self._cleared[key] = Case(clearer.clear(market))
        return self._cleared[key]

    def at_scale(self, name: str, scale: float) -> Case | None:
        """Return the market at a demand scale; None where its demand cannot be met."""
        try:
            return self.case(name, {"demand.scale": float(scale)})
        except InfeasibleError:
            return None

    @cached_property
    def sweep(self) -> dict[int, Case]:
        """The five-node market at whole scales from 1 on, as long as demand can be met: Figure 3."""
        found: dict[int, Case] = {}
        while (case := self.at_scale("us5", len(found) + 1)) is not None:
            found[len(found) + 1] = case
        return found
