"""The contract of a network owner's strategy; `base` says what all strategies share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.positions import Positions
from tokenflow_sim.strategies.base import BaseStrategy, History, as_floats


@dataclass(slots=True, eq=False, kw_only=True)
class NetworkView:
    """What a network owner sees when it makes its tender. All arrays are read-only.

    Parameters
    ----------
    name : str
        The owner.
    period, periods : int
        This period, from 0, and how many there are.
    hours : float
        Length of a period.
    arcs, workloads : tuple of str
        Names of the rows and columns of the arrays below.
    origin, destination : tuple of str
        Nodes where each arc starts and ends.
    route_cost : ndarray
        True cost of transport in $/Mtok, dims (arc, workload).
    transfer : ndarray
        Data moved by one unit of service in GB/Mtok, as tariffs count it; dims (arc, workload). A tariff of t
        $/GB is a route cost of ``t * transfer``.
    link_use : ndarray
        Link use of one unit of service in GB/Mtok, or 1 in token equivalents; dims (arc, workload).
    capacity : ndarray
        Link capacity in GB/s, or Mtok/s in token equivalents; dims (arc,).
    last_flow : ndarray or None
        Flow in the last period in Mtok/s, dims (arc, workload); None in the first.
    last_congestion_rent : ndarray or None
        Congestion rent of the last period in $/GB, or $/Mtok in token equivalents; dims (arc,); None in the
        first.
    last_income : ndarray or None
        Income of the last period in $, dims (arc, workload); None in the first.
    history : History
        What the market has published.
    rng : numpy.random.Generator
        This owner's own stream of random numbers. Draw from no other source.
    last_market : Market or None
        The last period's market as it was submitted: everybody's offers, bids and tenders, as markets such as
        Australia's publish them after the clearing. One's own rows are those of `arcs` in `last_market.layout`.
        None in the first period, and where the scenario says ``market.publish_offers: false``.
    contracts : Positions or None
        One's own forward contracts this period: net quantity sold by node and class, and prices. None where one holds
        none.
    """

    name: str
    period: int
    periods: int
    hours: float
    arcs: tuple[str, ...]
    workloads: tuple[str, ...]
    origin: tuple[str, ...]
    destination: tuple[str, ...]
    route_cost: Floats
    transfer: Floats
    link_use: Floats
    capacity: Floats
    last_flow: Floats | None
    last_congestion_rent: Floats | None
    last_income: Floats | None
    history: History
    rng: np.random.Generator
    last_market: Market | None = None
    contracts: Positions | None = None


class Tender:
    """What an owner offers: its links up to a capacity, at a route cost.

    Parameters
    ----------
    route_cost : array_like
        Charge for transport in $/Mtok, finite and not negative, dims (arc, workload). A tariff in $/GB is
        ``tariff * view.transfer``.
    capacity : array_like
        Link capacity offered in the unit of the view's, dims (arc,), not negative and no more than the view's.

    Raises
    ------
    StrategyError
        If either is not an array of numbers.
    """

    __slots__ = ("capacity", "route_cost")

    def __init__(self, route_cost: ArrayLike, capacity: ArrayLike) -> None:
        self.route_cost = as_floats("route_cost", route_cost)
        self.capacity = as_floats("capacity", capacity)

    def __repr__(self) -> str:
        """Show both arrays."""
        return f"Tender(route_cost={self.route_cost!r}, capacity={self.capacity!r})"


@dataclass(slots=True, eq=False, kw_only=True)
class NetworkReceipt:
    """What an owner learns after the clearing. All arrays are read-only; money is $ in the period.

    Parameters
    ----------
    period : int
        The period that was cleared.
    route_cost : ndarray
        Route cost that was asked in $/Mtok, dims (arc, workload).
    capacity : ndarray
        Link capacity that was offered, dims (arc,).
    flow : ndarray
        Flow in Mtok/s, dims (arc, workload).
    congestion_rent : ndarray
        Congestion rent in $/GB, or $/Mtok in token equivalents; dims (arc,).
    income, cost : ndarray
        Income and true cost of transport, dims (arc, workload).
    history : History
        What the market has published, this period included.
    rng : numpy.random.Generator
        The owner's own stream of random numbers.
    contract_income : ndarray or None
        What one's own forward contracts brought, (contract price - market price) x quantity sold, dims (node,
        workload) over all nodes; None where one holds none. `income` does not contain it.
    """

    period: int
    route_cost: Floats
    capacity: Floats
    flow: Floats
    congestion_rent: Floats
    income: Floats
    cost: Floats
    history: History
    rng: np.random.Generator
    contract_income: Floats | None = None


class NetworkStrategy(BaseStrategy):
    """A network owner's strategy."""

    kind = "owner"

    @abstractmethod
    def tender(self, view: NetworkView) -> Tender:
        """Make the tender of one period."""

    def learn(self, receipt: NetworkReceipt) -> None:
        """Learn from what the clearing brought; called once after every period. Does nothing by default."""
