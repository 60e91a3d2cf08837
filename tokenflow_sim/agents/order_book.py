"""The submissions of one period, stacked into the arrays of a market, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.agents.participant import Participant, Rows
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.market import Arrays, Layout
from tokenflow_sim.market.arrays import labels_of, slope_faults
from tokenflow_sim.numeric import Floats, quickly
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.base import Offer
from tokenflow_sim.strategies.demand import Bid
from tokenflow_sim.strategies.network import Tender

ROUNDING = 1e-9
"""Share by which a quantity may exceed what exists, since blocks that add up to it are rounded."""
_LISTED_CULPRITS = 5
_Shape = tuple[int, int, int]
_ALL = np.logical_and.reduce


class _Plan(NamedTuple):
    """Where the numbers of a book stand, as rows of a table of classes, and the shapes of its arrays.

    Prices come first, from row 0; after the table come link capacities. What must be finite, and what must not be
    negative, thus stand beside each other.
    """

    demand: int
    route_cost: int
    quantity: int
    value: int
    end: int
    classes: int
    size: int
    offers: _Shape
    bids: _Shape


class OrderBook:
    """The submissions of one period.

    Parameters
    ----------
    layout : Layout
        Labels of the market.
    state : State
        Everything exogenous, for the limits that submissions have to keep to.

    Attributes
    ----------
    link_capacity : ndarray
        Link capacity offered, dims (arc,).

    Notes
    -----
    A quantity that is not submitted does not exist: every quantity starts at zero. What is submitted is copied, since
    its owner may change it. The arrays are new each period, since the Market made of them, and every holder of it keep
    references to these.
    """

    def __init__(self, layout: Layout, state: State) -> None:
        sizes = layout.sizes
        self.layout, self.state = layout, state
        self._plan = plan = _plan_of(
            sizes["asset"], sizes["block"], sizes["node"], sizes["step"], sizes["arc"], sizes["workload"]
        )
        # All numbers stand in one buffer, so that few calls make it, check it and tell it from others.
        self._numbers = np.zeros(plan.size)
        self._table = self._numbers[: plan.end * plan.classes].reshape(plan.end, plan.classes)
        self.link_capacity = self._numbers[plan.end * plan.classes :]
        # With one block, an agent's rows of an array are rows of the table; likewise with one step.
        self._single_block, self._single_step = plan.offers[2] == 1, plan.bids[2] == 1
        self._worth: Floats | None = None
        self.value_slope: Floats | None = None
        self.offer_slope: Floats | None = None

    @cached_property
    def price(self) -> Floats:
        """Offer prices in $/Mtok, dims (asset, workload, block)."""
        return self._table[: self._plan.demand].reshape(self._plan.offers)

    @cached_property
    def demand(self) -> Floats:
        """Demand in Mtok/s, dims (node, workload, step)."""
        return self._table[self._plan.demand : self._plan.route_cost].reshape(self._plan.bids)

    @cached_property
    def route_cost(self) -> Floats:
        """Route costs in $/Mtok, dims (arc, workload)."""
        return self._table[self._plan.route_cost : self._plan.quantity]

    @cached_property
    def quantity(self) -> Floats:
        """Quantities offered in Mtok/s, dims (asset, workload, block)."""
        return self._table[self._plan.quantity : self._plan.value].reshape(self._plan.offers)

    @cached_property
    def value(self) -> Floats:
        """What demand bids for in $/Mtok, dims (node, workload, step)."""
        return self._table[self._plan.value :].reshape(self._plan.bids)

    @property
    def worth(self) -> Floats:
        """What service is truly worth in $/Mtok, dims (node, workload, step), which the market does not see."""
        return self.value if self._worth is None else self._worth

    @worth.setter
    def worth(self, worth: Floats) -> None:
        self._worth = worth

    def add_offer(self, agent: ComputeProvider, offer: Offer, period: int) -> None:
        """Take a provider's offer.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must, or its slope is negative or not finite.
        """
        price, quantity, rows = offer.price, offer.quantity, agent.rows
        if offer.slope is not None:
            if self.offer_slope is None:
                self.offer_slope = np.zeros_like(self.price)
            _add_slope(self.offer_slope, agent, "block", agent.strategy.blocks, offer.slope, quantity, period)
        if self._single_block and price.shape == agent.shape and quantity.shape == agent.shape:
            self._table[rows] = price
            self._table[_after(self._plan.quantity, rows)] = quantity
            return
        _check_shape(agent, period, "block", agent.strategy.blocks, price=price, quantity=quantity)
        _fill(self.price, rows, price)
        _fill(self.quantity, rows, quantity, spare=0.0)

    def add_bid(self, agent: DemandRegion, bid: Bid, period: int) -> None:
        """Take a region's bid.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must.
        """
        quantity, value, worth, rows = bid.quantity, bid.value, bid.worth, agent.rows
        is_truthful = worth is value and self._worth is None
        if bid.slope is not None:
            if self.value_slope is None:
                self.value_slope = np.zeros_like(self.value)
            _add_slope(self.value_slope, agent, "step", agent.strategy.steps, bid.slope, quantity, period)
        if self._single_step and is_truthful and quantity.shape == agent.shape and value.shape == agent.shape:
            self._table[_after(self._plan.demand, rows)] = quantity
            self._table[_after(self._plan.value, rows)] = value
            return
        _check_shape(agent, period, "step", agent.strategy.steps, quantity=quantity, value=value, worth=worth)
        if not is_truthful and self._worth is None:
            self._worth = self.value.copy()
        _fill(self.demand, rows, quantity, spare=0.0)
        _fill(self.value, rows, value)
        if self._worth is not None:
            _fill(self._worth, rows, worth)

    def add_tender(self, agent: NetworkOwner, tender: Tender, period: int) -> None:
        """Take an owner's tender.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must.
        """
        route_cost, capacity, shape = tender.route_cost, tender.capacity, agent.shape
        if route_cost.shape != shape or capacity.shape != shape[:1]:
            raise StrategyError(
                f"{agent.describe(period)}: route_cost needs shape {shape} and capacity {shape[:1]};"
                f" found {route_cost.shape} and {capacity.shape}"
            )
        self._table[_after(self._plan.route_cost, agent.rows)] = route_cost
        self.link_capacity[agent.rows] = capacity

    def key(self, most: int) -> bytes | None:
        """Return what tells its numbers from those of other books, of so many numbers at most; else None."""
        if self._plan.size > most or not (self._worth is self.value_slope is self.offer_slope is None):
            return None
        return self._numbers.tobytes()

    def arrays(self) -> Arrays:
        """Return the numbers of the market; from here on the order book is read-only."""
        state = self.state
        self.worth.flags.writeable = False  # the others become so with the market that is made of them
        return quickly(
            Arrays,
            offer_price=self.price,
            capacity=self.quantity,
            demand=self.demand,
            value=self.value,
            offer_slope=self.offer_slope,
            value_slope=self.value_slope,
            route_cost=self.route_cost,
            link_use=state.link_use,
            allowed=state.allowed,
            link_capacity=self.link_capacity,
            link_curvature=state.link_curvature,
            power_use=state.power_use,
            power_limit=state.power_limit,
            limits=state.limits,
            routing=state.routing,
            activities=state.activities,
            security=state.security,
            pricing=state.pricing,
        )

    def check(self, agents: Mapping[str, list[Any]], period: int) -> None:
        """Look for numbers that no market can take: a few passes over all submissions at once.

        Parameters
        ----------
        agents : mapping
            The agents by kind, to name the culprit.
        period : int
            The period.

        Raises
        ------
        StrategyError
            Naming agent, period, place, value and limit of the first fault of every kind.
        """
        state, limit = self.state, 1 + ROUNDING
        if self.value_slope is not None:
            labels = labels_of(self.layout)
            if falling := slope_faults(self.value_slope, self.demand, self.value, labels):
                raise StrategyError("\n".join(f"period {period}: {fault}" for fault in falling))
        offered = self.quantity[:, :, 0] if self._single_block else self.quantity.sum(axis=2)
        plan, numbers = self._plan, self._numbers
        first, priced = plan.value * plan.classes, plan.demand * plan.classes
        if (
            np.maximum.reduce(numbers[:first]) < np.inf
            and np.minimum.reduce(numbers[:first]) > -np.inf
            and np.minimum.reduce(numbers[priced:]) >= 0
            and _ALL(offered <= state.capacity * limit, axis=None)
            and (self._worth is None or _least(self._worth) >= 0)
            and _ALL(self.link_capacity <= state.link_capacity * limit)
        ):
            return
        rule = "must be finite and not negative"
        faults = [
            _fault_of(
                self, agents["provider"], period, "price", self.price, ~np.isfinite(self.price), "must be finite"
            ),
            _fault_of(self, agents["provider"], period, "quantity", self.quantity, ~_good(self.quantity), rule),
            _fault_of(
                self, agents["provider"], period, "quantity", offered, offered > state.capacity * limit,
                "must be no more than exists", state.capacity,
            ),
            _fault_of(self, agents["region"], period, "quantity", self.demand, ~_good(self.demand), rule),
            _fault_of(self, agents["region"], period, "value", self.value, ~(self.value >= 0), "must not be negative"),
            _fault_of(self, agents["region"], period, "worth", self.worth, ~(self.worth >= 0), "must not be negative"),
            _fault_of(self, agents["owner"], period, "route_cost", self.route_cost, ~_good(self.route_cost), rule),
            _fault_of(
                self, agents["owner"], period, "capacity", self.link_capacity,
                ~((self.link_capacity >= 0) & (self.link_capacity <= state.link_capacity * limit)),
                "must not be negative, and no more than exists", state.link_capacity,
            ),
        ]  # fmt: skip
        raise StrategyError("\n".join(text for text in faults if text))


@lru_cache(maxsize=64)
def _plan_of(assets: int, blocks: int, nodes: int, steps: int, arcs: int, workloads: int) -> _Plan:
    offers, bids = assets * blocks, nodes * steps
    demand, route_cost, quantity, value, end = accumulate((offers, bids, arcs, offers, bids))
    shapes = (assets, workloads, blocks), (nodes, workloads, steps)
    return _Plan(demand, route_cost, quantity, value, end, workloads, end * workloads + arcs, *shapes)


def _after(rows: int, own: Rows) -> Rows:
    """Return an agent's rows in a table where they come after so many others."""
    return slice(own.start + rows, own.stop + rows) if isinstance(own, slice) else own + rows


def _check_shape(
    agent: Participant[Any, Any, Any, Any], period: int, extra: str, most: int, **arrays: Floats
) -> None:
    """Refuse arrays that have neither the agent's shape nor that with blocks or steps behind it."""
    shape = agent.shape
    found = {array.shape for array in arrays.values()}
    fits = {shape} | {(*shape, count) for count in range(1, most + 1)}
    if len(found) == 1 and found <= fits:
        return
    shown = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    dims = f"shape {shape}" + (f", or {(*shape, most)} with its {extra}s" if most > 1 else "")
    deeper = any(len(one) > len(shape) for one in found)
    hint = f"; a strategy that needs more than {most} {extra} says so in `{extra}s`" if deeper else ""
    raise StrategyError(f"{agent.describe(period)}: needs arrays of {dims}, all alike; found {shown}{hint}")


def _add_slope(
    target: Floats,
    agent: Participant[Any, Any, Any, Any],
    extra: str,
    most: int,
    slope: Floats,
    quantity: Floats,
    period: int,
) -> None:
    """Take the slope of an offer or a bid, without which price or value is constant."""
    _check_shape(agent, period, extra, most, quantity=quantity, slope=slope)
    if not _good(slope).all():
        raise StrategyError(f"{agent.describe(period)}: slope must be finite and not negative")
    _fill(target, agent.rows, slope, spare=0.0)


def _fill(target: Floats, rows: Rows, values: Floats, spare: float | None = None) -> None:
    """Write an agent's rows; blocks or steps beyond its own get `spare`, or else repeat its last one."""
    values = values[:, :, None] if values.ndim == 2 else values
    have = values.shape[2]
    target[rows, :, :have] = values
    if have < target.shape[2]:
        target[rows, :, have:] = values[:, :, -1:] if spare is None else spare


def _least(values: Floats) -> float:
    """Return the least number, or zero; NaN if there is one, which no comparison holds for."""
    least: float = np.minimum.reduce(values, axis=None, initial=0.0)
    return least


def _good(values: Floats) -> NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0)


def _fault_of(
    book: OrderBook,
    agents: list[Participant[Any, Any, Any, Any]],
    period: int,
    name: str,
    values: Floats,
    bad: NDArray[np.bool_],
    rule: str,
    limit: Floats | None = None,
) -> str:
    """Say who broke a rule, where and with what; an empty text if no rule was broken."""
    if not bad.any():
        return ""
    layout = book.layout
    dims = {
        "provider": ("asset", "workload", "block"),
        "region": ("node", "workload", "step"),
        "owner": ("arc", "workload"),
    }[agents[0].kind]
    sides = {"block": layout.blocks, "step": layout.steps}
    owner_of = np.zeros(len(values), dtype=np.int64)
    for position, agent in enumerate(agents):
        owner_of[agent.rows] = position
    culprit = agents[int(owner_of[np.argwhere(bad)[0][0]])]
    spots = [spot for spot in np.argwhere(bad) if agents[int(owner_of[spot[0]])] is culprit]
    shown = []
    for spot in spots[:_LISTED_CULPRITS]:
        labels = [
            f"{dim} {str(layout.index(dim)[place])!r}"
            for dim, place in zip(dims, spot, strict=False)
            if sides.get(dim, layout) is not None
        ]
        most = "" if limit is None else f" of {limit[tuple(spot)]:.6g}"
        shown.append(f"{values[tuple(spot)]:.6g}{most} at {', '.join(labels)}")
    more = f" and {len(spots) - _LISTED_CULPRITS} more" if len(spots) > _LISTED_CULPRITS else ""
    return f"{culprit.describe(period)}: {name} {rule}; found {'; '.join(shown)}{more}"
