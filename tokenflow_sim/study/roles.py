"""Who plays the game of a market: sellers, network owners and buyers, what each may choose, what it earns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.market import Market
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.money import Money
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import markups_to, raised
from tokenflow_sim.strategies.filling import cheapest_first, fill

Play = Literal["price", "quantity"]
Changes = dict[str, NDArray[Any]]
"""Arrays of a market that submissions change, by name."""


class Role(Protocol):
    """A player: some numbers that it chooses, its *slots*, and what they make of the market.

    Attributes
    ----------
    name : str
        The player.
    workload : ndarray of int
        The class that each slot is about; -1 where it is about all.
    node : ndarray of int
        The node that each slot is about; -1 where it is about all.
    truthful, highest : ndarray
        Each slot's truthful and its highest sensible number, dims (slot,); the lowest is zero.
    withheld : ndarray
        The numbers that keep most from the market, dims (slot,).
    plays : ndarray of bool
        Whether there is anything to choose, dims (slot,).
    ratio : bool
        Whether numbers are mark-ups, whose distance is a ratio of prices.
    """

    name: str
    workload: Ints
    node: Ints
    truthful: Floats
    highest: Floats
    withheld: Floats
    plays: NDArray[np.bool_]
    ratio: bool

    def submit(self, numbers: Floats, changes: Changes) -> None:
        """Write what the numbers of its slots offer into the market's arrays."""

    def profit(self, money: Money, values: Values, played: Arrays) -> float:
        """Return what it earns in $/s at a clearing of the market that was played."""

    def shown(self, numbers: Floats) -> Floats:
        """Return its numbers by class, dims (workload,)."""


class Seller:
    """A compute provider: a mark-up on cost for each class, or a quantity for each class and place.

    Quantities are made by the cheapest assets of the place first, and are sold whatever the price: rivals know them
    to stay, which is Cournot's game. Where some of a class must be served whatever it costs, no inverse demand sets a
    price, and the quantity is offered at cost.

    Parameters
    ----------
    market : Market
        The market with truthful offers.
    name : str
        The provider.
    play : {'price', 'quantity'}
        What it chooses.
    ceiling : float
        Highest mark-up where no value limits it.
    """

    def __init__(self, market: Market, name: str, play: Play, ceiling: float) -> None:
        layout, arrays = market.layout, market.arrays
        self.name, self.market, self.ratio = name, market, play == "price"
        self.rows: Ints = np.flatnonzero(np.array(layout.provider) == name)
        self.nodes = layout.asset_node[self.rows]
        classes = len(layout.workloads)
        places: list[tuple[int, int]] = [(k, -1) for k in range(classes)]
        if play == "quantity":
            places = [(k, int(n)) for k in range(classes) for n in np.unique(self.nodes)]
        self.workload: Ints = np.array([k for k, _ in places], dtype=np.int64)
        self.node: Ints = np.array([n for _, n in places], dtype=np.int64)
        self.groups = [(self.rows[(self.nodes == n) | (n < 0)], k) for k, n in places]
        self.capacity = np.array([arrays.capacity[rows, k].sum() for rows, k in self.groups])
        self.plays = self.capacity > 0
        if play == "price":
            self.truthful = np.zeros(classes)
            self.highest = self._highest_markups(ceiling)
            costs = [arrays.offer_price, *([] if arrays.offer_slope is None else [arrays.offer_slope])]
            self.plays &= np.array(
                [any((cost[self.rows, k] != 0).any() for cost in costs) for k in range(classes)]
            )
            self.withheld = self.highest.copy()
        else:
            wanted = arrays.demand.sum(axis=(0, 2))[self.workload]
            # More than all demand is never sold; without the bound a grid over a vast capacity would be too coarse.
            self.highest = np.ones(len(places))
            np.divide(wanted, self.capacity, out=self.highest, where=self.capacity > 0)
            self.highest = np.minimum(self.highest, 1.0)
            self.truthful, self.withheld = self.highest.copy(), np.zeros(len(places))
            must = np.isinf(arrays.value) & (arrays.demand > 0)
            self.at_cost = must.any(axis=(0, 2))

    def _highest_markups(self, ceiling: float) -> Floats:
        """Return the mark-ups at which the cheapest asset asks for the highest value of service."""
        arrays, found = self.market.arrays, []
        for k in range(len(self.truthful)):
            cost = arrays.offer_price[self.rows, k][arrays.capacity[self.rows, k] > 0]
            worth = arrays.value[:, k][arrays.demand[:, k] > 0]
            cost = cost[cost != 0]
            bounded = len(cost) and len(worth) and np.isfinite(worth).all()
            found.append(max(float(markups_to(float(worth.max()), cost).max()), 0.0) if bounded else ceiling)
        return np.array(found)

    def submit(self, numbers: Floats, changes: Changes) -> None:
        """Offer all capacity at a mark-up, or quantities."""
        rows, arrays = self.rows, self.market.arrays
        if self.ratio:
            changes["offer_price"][rows] = raised(changes["offer_price"][rows], numbers[None, :, None])
            if "offer_slope" in changes:  # every unit at the same mark-up on what it costs
                changes["offer_slope"][rows] *= 1.0 + numbers[None, :, None]
            return
        made = fill(
            arrays.offer_price,
            arrays.capacity,
            self.groups,
            np.minimum(numbers, 1.0) * self.capacity,
            arrays.power_use,
            arrays.power_limit,
        )
        changes["capacity"][rows] = made[rows]
        # Sold whatever the price: at nothing, or, where some offer is below that, below all of them.
        lowest = 2.0 * min(0.0, float(arrays.offer_price.min(initial=0.0)))
        offered = changes["offer_price"][rows]
        changes["offer_price"][rows] = np.where(self.at_cost[None, :, None], offered, lowest)
        if "offer_slope" in changes:
            changes["offer_slope"][rows] *= self.at_cost[None, :, None]

    def profit(self, money: Money, values: Values, played: Arrays) -> float:
        """Return revenue less true cost."""
        dispatch, slope = values.dispatch[self.rows], self.market.arrays.offer_slope
        cost = self.market.arrays.offer_price[self.rows] * dispatch
        if slope is not None:
            cost += 0.5 * slope[self.rows] * dispatch * dispatch
        return float(money.revenue[self.rows].sum() - cost.sum())

    def shown(self, numbers: Floats) -> Floats:
        """Return the mark-up of each class, or the share of its capacity."""
        if self.ratio:
            return numbers.copy()
        classes = len(self.market.layout.workloads)
        offered, there = np.zeros(classes), np.zeros(classes)
        np.add.at(offered, self.workload, numbers * self.capacity)
        np.add.at(there, self.workload, self.capacity)
        share: Floats = np.divide(offered, there, out=np.ones(classes), where=there > 0)
        return share

    def spread(self, slots: Ints, share: float) -> Floats:
        """Return the shares of some slots of one class that make a share of their capacity where it costs least."""
        arrays = self.market.arrays
        k = int(self.workload[slots[0]])
        rows: Ints = np.concatenate([self.groups[slot][0] for slot in slots])
        quantity = share * float(self.capacity[slots].sum())
        used = cheapest_first(arrays.offer_price[rows, k], arrays.capacity[rows, k], quantity).sum(axis=1)
        home = np.repeat(np.arange(len(slots)), [len(self.groups[slot][0]) for slot in slots])
        found = np.zeros(len(slots))
        np.add.at(found, home, used)
        share_of: Floats = np.minimum(found / self.capacity[slots], self.highest[slots])
        return share_of


class Owner:
    """A network owner: a tariff on top of cost for each class, or the share of its links' capacity that it offers.

    A tariff is given as a share of the highest value of service (or of the dearest offer, where demand must be
    served).

    Parameters
    ----------
    market : Market
        The market with truthful tenders.
    name : str
        The owner.
    play : {'price', 'quantity'}
        What it chooses.
    """

    def __init__(self, market: Market, name: str, play: Play) -> None:
        layout, arrays = market.layout, market.arrays
        self.name, self.market, self.ratio = f"owners.{name}", market, False
        self.by_price = play == "price"
        self.rows: Ints = np.flatnonzero(np.array(layout.owner) == name)
        classes = len(layout.workloads)
        able = arrays.allowed[self.rows].any(axis=0)
        self.top = np.zeros(classes)
        for k in range(classes):
            worth = arrays.value[:, k][(arrays.demand[:, k] > 0) & np.isfinite(arrays.value[:, k])]
            asked = arrays.offer_price[:, k][arrays.capacity[:, k] > 0]
            self.top[k] = worth.max() if len(worth) else asked.max(initial=0.0)
        if self.by_price:
            self.workload: Ints = np.arange(classes)
            self.plays = able & (self.top > 0)
            self.truthful, self.withheld = np.zeros(classes), np.ones(classes)
        else:
            self.workload = np.array([-1])
            self.plays = np.array([bool(able.any())])
            self.truthful, self.withheld = np.ones(1), np.zeros(1)
        self.node: Ints = np.full(len(self.workload), -1)
        self.highest = np.ones(len(self.workload))

    def submit(self, numbers: Floats, changes: Changes) -> None:
        """Raise the tariffs, or offer a share of capacity."""
        if self.by_price:
            changes["route_cost"][self.rows] += numbers * self.top
        elif numbers[0]:
            changes["link_capacity"][self.rows] *= numbers[0]
        else:  # a link without a limit times zero is no number
            changes["link_capacity"][self.rows] = 0.0

    def profit(self, money: Money, values: Values, played: Arrays) -> float:
        """Return income, tariffs and congestion rents, less the true cost of transport."""
        true = self.market.arrays.route_cost[self.rows] * values.flow[self.rows]
        return float(money.link_income[self.rows].sum() - true.sum())

    def shown(self, numbers: Floats) -> Floats:
        """Return the tariff of each class as a share of the highest value, or the share of capacity."""
        return numbers.copy() if self.by_price else np.repeat(numbers, len(self.market.layout.workloads))


class Buyer:
    """A demand region: by how much it bids under what service is worth to it, or the share of demand it asks for.

    Bids are shaded by one share for all steps of a class; less is asked for from the step of least value up. Demand
    that must be served has nothing to choose. What it earns is the consumer surplus of the rest.

    Parameters
    ----------
    market : Market
        The market with truthful bids.
    name : str
        The region.
    nodes : sequence of int
        Its nodes.
    play : {'price', 'quantity'}
        What it chooses.
    """

    def __init__(self, market: Market, name: str, nodes: Sequence[int] | Ints, play: Play) -> None:
        arrays = market.arrays
        self.name, self.market, self.ratio = f"regions.{name}", market, False
        self.by_price = play == "price"
        self.rows: Ints = np.array(nodes, dtype=np.int64)
        demand, value = arrays.demand[self.rows], arrays.value[self.rows]
        classes = demand.shape[1]
        self.workload: Ints = np.arange(classes)
        self.node: Ints = np.full(classes, -1)
        self.plays = np.isfinite(value).all(axis=(0, 2)) & (demand * np.minimum(value, 1) > 0).any(
            axis=(0, 2)
        )
        self.highest = np.ones(classes)
        self.truthful = np.zeros(classes) if self.by_price else np.ones(classes)
        self.withheld = 1.0 - self.truthful

    def submit(self, numbers: Floats, changes: Changes) -> None:
        """Shade the bids, or ask for less."""
        if self.by_price:
            with np.errstate(invalid="ignore"):
                shaded = changes["value"][self.rows] * (1.0 - numbers)[None, :, None]
            changes["value"][self.rows] = np.where(
                self.plays[None, :, None], shaded, changes["value"][self.rows]
            )
            if "value_slope" in changes:
                changes["value_slope"][self.rows] *= np.where(self.plays, 1.0 - numbers, 1.0)[None, :, None]
            return
        for k in np.flatnonzero(self.plays & (numbers < 1)):
            demand, value = self.market.arrays.demand[self.rows, k], self.market.arrays.value[self.rows, k]
            changes["demand"][self.rows, k] = cheapest_first(-value, demand, numbers[k] * float(demand.sum()))

    def profit(self, money: Money, values: Values, played: Arrays) -> float:
        """Return what is served at its true value less what is paid; demand without a value counts as paid."""
        arrays, rows = self.market.arrays, self.rows
        worth = np.where(np.isfinite(arrays.value[rows]), arrays.value[rows], 0.0)
        served = played.demand[rows] - values.unserved[rows]
        if arrays.value_slope is not None:  # the area under the line
            worth = worth - 0.5 * arrays.value_slope[rows] * served
        return float((worth * served).sum() - money.payment[rows].sum())

    def shown(self, numbers: Floats) -> Floats:
        """Return the share by which bids are shaded, or the share asked for, of each class."""
        return numbers.copy()
