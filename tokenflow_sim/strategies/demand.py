"""The contract of a demand region's strategy; `base` says what all strategies share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.positions import Positions
from tokenflow_sim.strategies.base import BaseStrategy, History, as_floats


@dataclass(slots=True, eq=False, kw_only=True)
class DemandView:
    """What a demand region sees when it bids. All arrays are read-only.

    Parameters
    ----------
    name : str
        The region.
    period, periods : int
        This period, from 0, and how many there are.
    hours : float
        Length of a period.
    nodes, workloads : tuple of str
        Names of the region's nodes and of the classes: rows and columns of the arrays below.
    node : ndarray of int
        Position of the region's nodes among all nodes, the middle dim of `history`; dims (node,).
    demand : ndarray
        What its users want this period in Mtok/s, dims (node, workload).
    value : ndarray
        What that service is worth to them in $/Mtok, infinite where it must be served; dims (node, workload).
    last_price : ndarray or None
        Price in the last period in $/Mtok, dims (node, workload); None in the first.
    last_served, last_unserved : ndarray or None
        What was served and what was not in the last period in Mtok/s, dims (node, workload); None in the
        first.
    last_payment : ndarray or None
        What was paid in the last period in $, dims (node, workload); None in the first.
    history : History
        What the market has published.
    rng : numpy.random.Generator
        This region's own stream of random numbers. Draw from no other source.
    last_market : Market or None
        The last period's market as it was submitted: everybody's offers, bids and tenders, as markets such as
        Australia's publish them after the clearing. One's own rows are those of `nodes` in `last_market.layout`.
        None in the first period, and where the scenario says ``market.publish_offers: false``.
    contracts : Positions or None
        One's own forward contracts this period: net quantity sold by node and class, and prices. None where one holds
        none.
    reference : callable or None
        Works out `reference_price`, when it is first asked for; None where there is no scenario behind the view.
    """

    name: str
    period: int
    periods: int
    hours: float
    nodes: tuple[str, ...]
    workloads: tuple[str, ...]
    node: Ints
    demand: Floats
    value: Floats
    last_price: Floats | None
    last_served: Floats | None
    last_unserved: Floats | None
    last_payment: Floats | None
    history: History
    rng: np.random.Generator
    last_market: Market | None = None
    contracts: Positions | None = None
    reference: Callable[[], Floats] | None = None

    @property
    def reference_price(self) -> Floats:
        """Price at which users want what the scenario says in $/Mtok, dims (node, workload), read-only.

        It is the scenario's, the same whatever anybody plays and whatever the seed: the mean truthful price of
        expected demand over the first week, weighted by that demand (`scenario.expectation.reference_price`). NaN
        where there is no scenario behind the view. A strategy that asks for it says so in `uses_reference_price`.

        Raises
        ------
        ScenarioError
            If expected demand must be served and cannot be.
        """
        return np.full(self.demand.shape, np.nan) if self.reference is None else self.reference()


class Bid:
    """What a region asks for: quantities, and what it would pay at most.

    Parameters
    ----------
    quantity : array_like
        Demand in Mtok/s, finite and not negative, dims (node, workload) or (node, workload, step).
    value : array_like
        Most it would pay in $/Mtok, not negative, same dims; infinite where it must be served.
    worth : array_like, optional
        What the service is truly worth in $/Mtok, same dims, where that is not what was bid; welfare counts
        it. The market never sees it.
    slope : array_like, optional
        By how much value, and worth, fall with each unit served in $/Mtok per Mtok/s, same dims, not negative: demand
        of which q is served is worth ``value - slope q`` at the next unit. Quantities end where that is nothing. A
        strategy whose bids may have one says so in `DemandStrategy.bids_slopes`.

    Raises
    ------
    StrategyError
        If any is not an array of numbers.
    """

    __slots__ = ("quantity", "slope", "value", "worth")

    def __init__(
        self,
        quantity: ArrayLike,
        value: ArrayLike,
        worth: ArrayLike | None = None,
        *,
        slope: ArrayLike | None = None,
    ) -> None:
        self.quantity = as_floats("quantity", quantity)
        self.value = as_floats("value", value)
        self.worth = self.value if worth is None else as_floats("worth", worth)
        self.slope = None if slope is None else as_floats("slope", slope)

    def __repr__(self) -> str:
        """Show what the market sees."""
        return f"Bid(quantity={self.quantity!r}, value={self.value!r})"


@dataclass(slots=True, eq=False, kw_only=True)
class DemandReceipt:
    """What a region learns after the clearing. All arrays are read-only; money is $ in the period.

    Parameters
    ----------
    period : int
        The period that was cleared.
    price : ndarray
        Price in $/Mtok, dims (node, workload).
    bid_quantity, bid_value : ndarray
        The bid that was made in Mtok/s and $/Mtok, dims as bid; where it falls along a line, the first unit's value.
    served, unserved : ndarray
        How much of it was served, and was not, in Mtok/s, dims as bid.
    payment : ndarray
        What the region pays, dims (node, workload).
    history : History
        What the market has published, this period included.
    rng : numpy.random.Generator
        The region's own stream of random numbers.
    contract_income : ndarray or None
        What one's own forward contracts brought, (contract price - market price) x quantity sold, dims (node,
        workload) over all nodes; None where one holds none. `payment` does not contain it.
    bid_slope : ndarray or None
        By how much the value falls with each unit served in $/Mtok per Mtok/s, dims as bid; None where no bid in the
        market does.
    """

    period: int
    price: Floats
    bid_quantity: Floats
    bid_value: Floats
    served: Floats
    unserved: Floats
    payment: Floats
    history: History
    rng: np.random.Generator
    contract_income: Floats | None = None
    bid_slope: Floats | None = None


class DemandStrategy(BaseStrategy):
    """A demand region's strategy.

    Attributes
    ----------
    steps : int
        How many steps its bids may have; set it on the class or in ``__init__``. With one step, bids have the
        dims (node, workload).
    bids_slopes : bool
        Whether its bids may fall along lines (`Bid.slope`); set it likewise. Results have `value_slope` where any
        region's strategy says so.
    keeps_backlog : bool
        Whether it lets work wait from one period to another, which `backlog` and `shed` then tell; results have
        both where any region's strategy does.
    uses_reference_price : bool
        Whether it asks for the view's `reference_price`, which results then have beside their variables.
    """

    kind = "region"
    steps: int = 1
    bids_slopes: bool = False
    keeps_backlog: bool = False
    uses_reference_price: bool = False

    @property
    def backlog(self) -> Floats | None:
        """Work that waits at the end of the period in Mtok, dims (node, workload); None if nothing ever did."""
        return None

    @property
    def shed(self) -> Floats | None:
        """Waiting work lost in the period in Mtok, dims (node, workload); None if nothing ever waited."""
        return None

    @abstractmethod
    def bid(self, view: DemandView) -> Bid:
        """Make the bid of one period."""

    def learn(self, receipt: DemandReceipt) -> None:
        """Learn from what the clearing brought; called once after every period. Does nothing by default."""
