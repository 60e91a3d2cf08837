"""The outcome of one market, labelled, with its proof."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.html import MOST_ROWS, table
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_table import paths_in_use
from tokenflow_sim.market.ranges import price_bounds, revenue_ranges
from tokenflow_sim.market.security import without_security
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.variables import CLEARING, Variable


class Clearing:
    """The outcome of one market: prices, dispatch, flows, unserved demand and rents, with their proof.

    Parameters
    ----------
    market : Market
        What was cleared.
    values : Values
        The outcome as plain arrays.
    certificate : Certificate
        Its residuals.

    Attributes
    ----------
    price : DataArray
        Locational marginal price, dims (node, workload), $/Mtok.
    dispatch, scarcity_rent : DataArray
        Dims (asset, workload[, block]), Mtok/s and $/Mtok.
    flow : DataArray
        Dims (arc, workload), Mtok/s.
    unserved : DataArray
        Dims (node, workload[, step]), Mtok/s.
    power_rent : DataArray
        Dims (asset,), $/s per MW.
    congestion_rent : DataArray
        Dims (arc,), $/GB or $/Mtok: the link's whole marginal charge beyond route cost.
    total_cost : float
        Cost as offered, $/h.
    status : str
        ``"optimal"``; a clearing that is not never gets this far.
    """

    status = "optimal"

    def __init__(self, market: Market, values: Values, certificate: Certificate) -> None:
        self.market = market
        self.values = values
        self.certificate = certificate
        values.freeze()  # what was certified stays so

    @property
    def total_cost(self) -> float:
        """Total cost as offered, in $/h."""
        return self.values.cost * SECONDS_PER_HOUR

    def check_belongs_to(self, market: Market) -> None:
        """Check that a market is the one that was cleared.

        Raises
        ------
        MarketError
            If it is no Market, or one with other labels or numbers, with what differs.
        """
        require_market(market)
        cleared = self.market
        if cleared.same_as(market) or (
            cleared.arrays.security is not None
            and without_security(cleared).same_as(without_security(market))
        ):
            return
        if cleared.layout != market.layout:
            differs = "its labels or incidence"
        else:
            mine, theirs = dict(cleared.arrays.items()), dict(market.arrays.items())
            common = [name for name in mine if name in theirs and np.array_equal(mine[name], theirs[name])]
            names = [name for name in {**mine, **theirs} if name not in common]
            differs = ", ".join(names) or "its limits or activities"
        fault = Fault(f"differs from the market that this clearing is of in {differs}; use clearing.market")
        raise MarketError([fault], "market")

    def _labelled(self, name: str) -> xr.DataArray:
        return self.market.layout.label(CLEARING[name], getattr(self.values, name))

    @cached_property
    def price(self) -> xr.DataArray:
        """Locational marginal price in $/Mtok, dims (node, workload)."""
        return self._labelled("price")

    @cached_property
    def dispatch(self) -> xr.DataArray:
        """Dispatch in Mtok/s, dims (asset, workload[, block])."""
        return self._labelled("dispatch")

    @cached_property
    def flow(self) -> xr.DataArray:
        """Flow in Mtok/s, dims (arc, workload)."""
        return self._labelled("flow")

    @cached_property
    def unserved(self) -> xr.DataArray:
        """Unserved demand in Mtok/s, dims (node, workload[, step])."""
        return self._labelled("unserved")

    @cached_property
    def scarcity_rent(self) -> xr.DataArray:
        """Scarcity rent in $/Mtok, dims (asset, workload[, block])."""
        return self._labelled("scarcity_rent")

    @cached_property
    def power_rent(self) -> xr.DataArray:
        """Power rent in $/s per MW, dims (asset,)."""
        return self._labelled("power_rent")

    @cached_property
    def congestion_rent(self) -> xr.DataArray:
        """Congestion rent in $/GB (or $/Mtok in token equivalents), dims (arc,)."""
        return self._labelled("congestion_rent")

    @cached_property
    def service_price(self) -> xr.DataArray:
        """What assets at a node are paid in $/Mtok, dims (node, workload).

        It is the price, but where demand takes paths: there the price is that of demand whose origin the node is.
        """
        row = Variable(
            "service_price", ("node", "workload"), "$/Mtok", "price that assets at the node are paid"
        )
        return self.market.layout.label(row, self.values.service_price)

    @cached_property
    def paths(self) -> pd.DataFrame:
        """The paths in use: a row for each, empty where all demand keeps to the arcs.

        Columns are `origin`, `workload`, `server`, `arcs` (a tuple of labels, from the origin on), `volume` (Mtok/s),
        `latency` (ms, with what the server adds), `cost` (route costs, $/Mtok) and `charge` (what links and other
        limits charge beside, $/Mtok).
        """
        return paths_in_use(self.market, self.values)

    @cached_property
    def limit_rents(self) -> xr.Dataset:
        """Rents of the limits beyond those of links and of an asset's power, by name; empty where there are none."""
        layout, rents = self.market.layout, self.values.rents
        return xr.Dataset(
            {limit.rent: limit.label(rents[limit.rent], layout) for limit in self.market.arrays.limits}
        )

    @cached_property
    def activities(self) -> xr.Dataset:
        """What is done of every activity, by name, dims of its own (and `tranche` if it has several); may be empty."""
        return xr.Dataset(
            {one.name: one.label(self.values.done[one.name]) for one in self.market.arrays.activities}
        )

    def price_bounds(self) -> xr.Dataset:
        """Return the interval that each price can take, on its own, among all optimal duals.

        Returns
        -------
        Dataset
            `lower` and `upper`, dims (node, workload), $/Mtok: the left- and the right-hand derivative of the least
            cost in that demand. `upper` is infinite where no more can be served.

        Raises
        ------
        MarketError
            If demand takes paths, since a change of demand may take one that is not known.
        """
        self._refuse_on_paths("intervals of prices")
        return price_bounds(self.market, self.values)

    def ties(self) -> xr.Dataset:
        """Return what providers could earn otherwise at the same prices, where ties decide who earns.

        Returns
        -------
        Dataset
            `least`, `revenue` (as published) and `most`, dims (provider,), $/h, over all dispatches of the least cost
            that serve the same demand and share equal offers at a node by quantity; of those providers alone for whom
            they differ, and empty where there are none.

        Raises
        ------
        MarketError
            If demand takes paths, since what ties may take one that is not known.
        """
        self._refuse_on_paths("what ties leave open")
        return revenue_ranges(self.market, self.values)

    def _refuse_on_paths(self, what: str) -> None:
        if self.values.along is not None:
            rule = f"{what}: not known in a market with rules for whole paths; change demand a little and clear again"
            raise MarketError([Fault(rule, "routing")], "market")

    def to_dataset(self) -> xr.Dataset:
        """Return all arrays as one Dataset, with total cost, status and certificate in its attributes."""
        names = [name for name in CLEARING if name != "total_cost"]
        certificate = self.certificate
        return xr.Dataset(
            {
                **{name: getattr(self, name) for name in names},
                **self.limit_rents.data_vars,
                **self.activities.data_vars,
            },
            attrs={
                "total_cost": self.total_cost,
                "total_cost_units": CLEARING["total_cost"].unit,
                "status": self.status,
                "hours": self.market.hours,
                "link_unit": self.market.layout.link_unit,
                "certificate_primal": certificate.primal,
                "certificate_dual": certificate.dual,
                "certificate_complementarity": certificate.complementarity,
                "certificate_gap": certificate.gap,
            },
        )

    def __repr__(self) -> str:
        """Summarise the clearing in one line."""
        price = self.price.mean("node")
        prices = ", ".join(
            f"{name} {float(price.sel(workload=name)):.4g}" for name in price.indexes["workload"]
        )
        return (
            f"<Clearing: {self.status}, {self.total_cost:,.2f} $/h; mean price in $/Mtok: {prices}; "
            f"unserved {self.values.unserved.sum():.4g} Mtok/s; certificate {self.certificate.worst:.1e}>"
        )

    def _repr_html_(self) -> str:
        """Show the prices in a notebook."""
        layout, price = self.market.layout, self.values.price
        # The dearest nodes first: by the mean of their prices, each relative to the mean of its class.
        scale = np.abs(price.mean(axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        order = np.argsort(-(price / scale).mean(axis=1), kind="stable")[:MOST_ROWS]
        rows = [(layout.nodes[i], *(f"{value:.4g}" for value in price[i])) for i in order]
        note = f"unserved {self.values.unserved.sum():.4g} Mtok/s; certificate {self.certificate.worst:.1e}"
        full = int((self.values.congestion_rent > 0).sum())
        for one in self.market.arrays.activities:
            note += f"; {one.name} {self.values.done[one.name].sum():.4g} {one.unit}".rstrip()
        note += f"; {full} of {len(layout.arcs)} links with a congestion rent" if len(layout.arcs) else ""
        cost = f"{self.status}, {self.total_cost:,.2f} $/h"
        title = f"Clearing: {cost}; price in $/Mtok, the dearest nodes first"
        head = ("node", *map(str, layout.workloads))
        return table(title, head, rows, count=len(layout.nodes), note=note)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the plain parts."""
        return type(self), (self.market, self.values, self.certificate)


def require_market(thing: object) -> None:
    """Check that something is a Market.

    Raises
    ------
    MarketError
        If not, with what makes one.
    """
    if isinstance(thing, Market):
        return
    if isinstance(thing, Clearing):
        advice = "a clearing's own market is `clearing.market`"
    elif callable(getattr(thing, "market", None)):
        advice = "it holds many markets: give one, e.g. `scenario.market(period=0)`"
    else:
        advice = "make one by `tf.Market(offer_price=..., capacity=..., demand=...)` or `scenario.market(period=0)`"
    raise MarketError(
        [Fault(f"must be a tf.Market; found {type(thing).__name__}; {advice}", "market")], "argument"
    )
