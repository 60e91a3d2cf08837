"""The markets of the paper, cleared once each, and the quantities that the paper prints of a market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market import Clearer, Clearing, Market, Settlement, decompose, settle
from tokenflow_sim.scenario import load_bundled
from tokenflow_sim.variables import CLEARING, RESULTS, Variable

SCARCE = 0.01
"""Scarcity rent in $/Mtok from which on a node and class count as scarce.

The paper prints no threshold. At 35x, us5 has rents of 15.474, 5.5, 2.5 and 0.174 $/Mtok, then 0.006 and 0.004;
the paper counts four.
"""
FULL = 1 - 1e-9
"""Share of its capacity in use from which on a link counts as congested, or saturated."""

TIGHT_LATENCY: Mapping[str, Any] = {
    "workloads.chat.latency_limit": 15.0,
    "workloads.code.latency_limit": 20.0,
}
OVERHEAD: Mapping[str, float] = {"chat": 1.02, "image": 1.11, "code": 1.03, "batch": 1.20}
"""Protocol overhead by class: calibrated, and not the only one that gives the paper's results."""
TRANSFER_AWARE: Mapping[str, Any] = {
    "market.bandwidth": "physical",
    **{f"workloads.{name}.overhead": factor for name, factor in OVERHEAD.items()},
}
OPEX_ADDER = 4.38762
"""Uniform operating cost in $ per MW-hour of nominal power: calibrated."""
CURVATURE = 1e-5
"""Slope of the congestion charge in $/Mtok per Mtok/s: ours, since the paper gives none."""

_USE_SHARE = Variable(
    "link_use_share", ("arc",), RESULTS["link_use_share"].unit, RESULTS["link_use_share"].long_name
)
_MEAN_PRICE = Variable("mean_price", ("demand_scale", "workload"), "$/Mtok", "price, mean over nodes")
_SCARCE_PAIRS = Variable("scarce_pairs", ("demand_scale",), "1", "scarce node-class pairs")
_CONGESTED = Variable("congested_links", ("demand_scale",), "1", "congested links")


class Case:
    """One cleared market.

    Parameters
    ----------
    clearing : Clearing
        The clearing.
    """

    def __init__(self, clearing: Clearing) -> None:
        self.clearing = clearing
        self.market: Market = clearing.market

    @property
    def cost(self) -> float:
        """Total cost in $/h."""
        return self.clearing.total_cost

    @property
    def demand(self) -> float:
        """Aggregate demand in Mtok/s."""
        return float(self.market.arrays.demand.sum())

    @cached_property
    def settlement(self) -> Settlement:
        """Who pays whom, in $/h."""
        return settle(self.market, self.clearing)

    @cached_property
    def parts(self) -> xr.Dataset:
        """Energy, scarcity, routing and congestion of every price."""
        return decompose(self.market, self.clearing)

    def price(self, node: str, workload: str) -> float:
        """Return a price in $/Mtok."""
        return float(self.clearing.price.sel(node=node, workload=workload))

    def mean_price(self, workload: str) -> float:
        """Return the mean price over nodes, not weighted, in $/Mtok."""
        return float(self.clearing.price.sel(workload=workload).mean())

    def mean_price_range(self, workload: str) -> tuple[float, float]:
        """Return the means over nodes of the lowest and of the highest price that the optimum allows."""
        bounds = self.clearing.price_bounds().sel(workload=workload).mean("node")
        return float(bounds["lower"]), float(bounds["upper"])

    @property
    def scarce_pairs(self) -> int:
        """Number of node-class pairs with a scarcity rent of at least `SCARCE`."""
        layout = self.market.layout
        rent = np.zeros((len(layout.nodes), len(layout.workloads)))
        np.maximum.at(rent, layout.asset_node, self.clearing.values.scarcity_rent.max(axis=2))
        return int((rent >= SCARCE).sum())

    @cached_property
    def link_use_share(self) -> xr.DataArray:
        """Share of each link's capacity in use, dims (arc,)."""
        arrays = self.market.arrays
        load = (arrays.link_use * self.clearing.values.flow).sum(axis=1)
        return self.market.layout.label(_USE_SHARE, load / arrays.link_capacity)

    @property
    def congested_links(self) -> int:
        """Number of links that are full."""
        return int((self.link_use_share >= FULL).sum())


class Cases:
    """The markets of one of the paper's scenarios, each cleared when it is first asked for.

    Parameters
    ----------
    name : {'us5', 'us20'}
        The scenario; its operating point is the paper's, scale 35.
    """

    def __init__(self, name: str) -> None:
        self.scenario = load_bundled(name)
        self._clearer: Clearer | None = None
        self._cleared: dict[tuple[tuple[str, Any], ...], Case] = {}

    def case(self, overrides: Mapping[str, Any] | None = None) -> Case:
        """Return the market under some overrides, cleared.

        Parameters
        ----------
        overrides : mapping, optional
            Dotted paths and values, as for `Scenario.override`.

        Raises
        ------
        InfeasibleError
            If its demand cannot be met.
        """
        changes = dict(overrides or {})
        key = tuple(sorted(changes.items()))
        if key not in self._cleared:
            market = self.scenario.override(changes).market()
            self._clearer = self._clearer or Clearer(market)
            self._cleared[key] = Case(self._clearer.clear(market))
        return self._cleared[key]

    def at_scale(self, scale: float) -> Case:
        """Return the market at a demand scale.

        Raises
        ------
        InfeasibleError
            If its demand cannot be met.
        """
        return self.case({"demand.scale": float(scale)})

    def is_feasible(self, scale: float) -> bool:
        """Whether the demand of a scale can be met."""
        try:
            self.at_scale(scale)
        except InfeasibleError:
            return False
        return True

    def sweep(self, scales: Iterable[float]) -> xr.Dataset:
        """Clear one demand scale after the other: Figure 3.

        Parameters
        ----------
        scales : iterable of float
            The scales; demand must be possible to meet at each.

        Returns
        -------
        Dataset
            `mean_price` (demand_scale, workload), `price` (demand_scale, node, workload), and `total_cost` in $/h,
            `scarce_pairs` and `congested_links` (demand_scale,).
        """
        points = [float(scale) for scale in scales]
        cases = [self.at_scale(scale) for scale in points]
        along = xr.DataArray(points, dims="demand_scale", attrs={"units": "1", "long_name": "demand scale"})
        price = xr.concat([case.clearing.price for case in cases], along.rename("demand_scale"))
        data = {
            _SCARCE_PAIRS: [case.scarce_pairs for case in cases],
            _CONGESTED: [case.congested_links for case in cases],
        }
        cost = CLEARING["total_cost"]
        return xr.Dataset(
            {
                "price": price,
                "mean_price": price.mean("node").assign_attrs(_MEAN_PRICE.attrs()),
                "total_cost": (
                    "demand_scale",
                    [case.cost for case in cases],
                    cost.attrs(),
                ),
                **{item.name: (item.dims, values, item.attrs()) for item, values in data.items()},
            },
            coords={"demand_scale": along},
        )
