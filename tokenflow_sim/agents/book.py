"""The submissions of one period, stacked into the arrays of a market, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.market import Arrays, Layout
from tokenflow_sim.strategies.base import Floats, Offer
from tokenflow_sim.strategies.demand import Bid
from tokenflow_sim.strategies.network import Tender

if TYPE_CHECKING:
    from tokenflow_sim.agents.owner import NetworkOwner
    from tokenflow_sim.agents.participant import Participant
    from tokenflow_sim.agents.provider import ComputeProvider
    from tokenflow_sim.agents.region import DemandRegion
    from tokenflow_sim.scenario.compiled import State

ROUNDING = 1e-9
"""Share by which a quantity may exceed what exists, since blocks that add up to it are rounded."""
_LISTED_CULPRITS = 5


class Book:
    """The submissions of one period.

    Parameters
    ----------
    layout : Layout
        Labels of the market.
    state : State
        Everything exogenous, for the limits that submissions have to keep to.

    Attributes
    ----------
    worth : ndarray
        What service is truly worth in $/Mtok, dims (node, workload, step): welfare counts it, the market does
        not see it.

    Notes
    -----
    What nobody submits does not exist: every quantity starts at zero. The arrays are new each period, since
    the Market made of them, and whoever keeps it, holds on to them.
    """

    def __init__(self, layout: Layout, state: State) -> None:
        sizes = layout.sizes
        classes = sizes["workload"]
        self.layout, self.state = layout, state
        self.price = np.zeros((sizes["asset"], classes, sizes["block"]))
        self.quantity = np.zeros_like(self.price)
        self.demand = np.zeros((sizes["node"], classes, sizes["step"]))
        self.value = np.zeros_like(self.demand)
        self.worth = self.value
        self.route_cost = np.zeros((sizes["arc"], classes))
        self.link_capacity = np.zeros(sizes["arc"])

    def add_offer(self, agent: ComputeProvider, offer: Offer, period: int) -> None:
        """Take a provider's offer.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must.
        """
        shape = (agent.count, len(agent.workloads))
        given = _shape(
            agent, period, shape, "block", agent.strategy.blocks, price=offer.price, quantity=offer.quantity
        )
        _fill(self.price, agent, offer.price, given, shape)
        _fill(self.quantity, agent, offer.quantity, given, shape, spare=0.0)

    def add_bid(self, agent: DemandRegion, bid: Bid, period: int) -> None:
        """Take a region's bid.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must.
        """
        shape = (agent.count, len(agent.workloads))
        given = _shape(
            agent, period, shape, "step", agent.strategy.steps,
            quantity=bid.quantity, value=bid.value, worth=bid.worth,
        )  # fmt: skip
        if bid.worth is not bid.value and self.worth is self.value:
            self.worth = self.value.copy()
        _fill(self.demand, agent, bid.quantity, given, shape, spare=0.0)
        _fill(self.value, agent, bid.value, given, shape)
        if self.worth is not self.value:
            _fill(self.worth, agent, bid.worth, given, shape)

    def add_tender(self, agent: NetworkOwner, tender: Tender, period: int) -> None:
        """Take an owner's tender.

        Raises
        ------
        StrategyError
            If its arrays have another shape than they must.
        """
        shape = (agent.count, len(agent.workloads))
        _shape(agent, period, shape, "", 1, route_cost=tender.route_cost)
        _shape(agent, period, shape[:1], "", 1, capacity=tender.capacity)
        self.route_cost[agent.rows] = tender.route_cost
        self.link_capacity[agent.rows] = tender.capacity

    def arrays(self) -> Arrays:
        """Return the numbers of the market."""
        state = self.state
        return Arrays(
            self.price,
            self.quantity,
            self.demand,
            self.value,
            self.route_cost,
            state.link_use,
            state.allowed,
            self.link_capacity,
            state.link_curvature,
            state.power_use,
            state.power_limit,
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
        offered = self.quantity[:, :, 0] if self.quantity.shape[2] == 1 else self.quantity.sum(axis=2)
        if (
            _are_finite(self.price)
            and _are_finite(self.quantity)
            and _are_finite(self.demand)
            and _are_finite(self.route_cost)
            and bool((offered <= state.capacity * limit).all())
            and bool((self.value >= 0).all())
            and bool((self.worth >= 0).all())
            and bool((self.link_capacity >= 0).all())
            and bool((self.link_capacity <= state.link_capacity * limit).all())
        ):
            return
        rule = "must be finite and not negative"
        told = [
            _tell(self, agents["provider"], period, "price", self.price, ~_good(self.price), rule),
            _tell(self, agents["provider"], period, "quantity", self.quantity, ~_good(self.quantity), rule),
            _tell(
                self, agents["provider"], period, "quantity", offered, ~(offered <= state.capacity * limit),
                "must be no more than exists", state.capacity,
            ),
            _tell(self, agents["region"], period, "quantity", self.demand, ~_good(self.demand), rule),
            _tell(self, agents["region"], period, "value", self.value, ~(self.value >= 0), "must not be negative"),
            _tell(self, agents["region"], period, "worth", self.worth, ~(self.worth >= 0), "must not be negative"),
            _tell(self, agents["owner"], period, "route_cost", self.route_cost, ~_good(self.route_cost), rule),
            _tell(
                self, agents["owner"], period, "capacity", self.link_capacity,
                ~((self.link_capacity >= 0) & (self.link_capacity <= state.link_capacity * limit)),
                "must not be negative, and no more than exists", state.link_capacity,
            ),
        ]  # fmt: skip
        raise StrategyError("\n".join(text for text in told if text))


def _shape(
    agent: Participant[Any],
    period: int,
    shape: tuple[int, ...],
    extra: str,
    most: int,
    **arrays: Floats,
) -> int:
    """Check shapes; return how many blocks or steps the arrays have, 0 where they have no such dim."""
    first, *others = arrays.values()
    found = first.shape
    if all(other.shape == found for other in others):
        if found == shape:
            return 0
        if extra and len(found) == len(shape) + 1 and found[:-1] == shape and 1 <= found[-1] <= most:
            return int(found[-1])
    shown = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    dims = f"shape {shape}" + (f", or {(*shape, most)} with its {extra}s" if most > 1 else "")
    hint = (
        f"; set `{extra}s` on the strategy to have more than {most}"
        if extra and len(found) > len(shape)
        else ""
    )
    agent.fail(period, StrategyError(f"needs arrays of {dims}; found {shown}{hint}"))


def _fill(
    target: Floats,
    agent: Participant[Any],
    values: Floats,
    given: int,
    shape: tuple[int, ...],
    spare: float | None = None,
) -> None:
    """Write an agent's rows; blocks or steps beyond its own get `spare`, or else repeat its last one."""
    rows, have = agent.rows, max(given, 1)
    if target.shape[2] == 1:
        target[rows, :, 0] = values if given == 0 else values[:, :, 0]
        return
    target[rows, :, :have] = values if given else values[:, :, None]
    if have < target.shape[2]:
        last = values[:, :, -1:] if given else values[:, :, None]
        target[rows, :, have:] = last if spare is None else spare


def _are_finite(values: Floats) -> bool:
    """Whether all are finite and not negative; a NaN makes both comparisons false."""
    return values.size == 0 or bool(values.min() >= 0 and values.max() < np.inf)


def _good(values: Floats) -> NDArray[np.bool_]:
    return np.isfinite(values) & (values >= 0)


def _tell(
    book: Book,
    agents: list[Participant[Any]],
    period: int,
    name: str,
    values: Floats,
    bad: NDArray[np.bool_],
    rule: str,
    limit: Floats | None = None,
) -> str:
    """Say who broke a rule, where and with what; an empty text if nobody did."""
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
    return (
        f"{culprit.kind} {culprit.name!r}, period {period}, strategy {culprit.strategy!r}: {name} {rule};"
        f" found {'; '.join(shown)}{more}"
    )
