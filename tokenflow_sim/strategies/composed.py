"""Strategies of regions made of others: one after the other, or one a class."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.by_class import by_class
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView
from tokenflow_sim.strategies.registry import make

Spec = str | dict[str, Any] | DemandStrategy
"""A strategy of a region: its name, its name with parameters, or an object."""


class Chain(DemandStrategy):
    """Play strategies one after the other: what one bids is what the next takes its users to want.

    Each but the last changes how much is wanted and what it is worth, e.g. `growth` and `churn`; the last one makes
    the bid, e.g. `price_elastic` or `deferrable`. An empty chain is `inelastic`.

    Parameters
    ----------
    strategies : list
        Strategies in order: names, mappings of name and parameters, or objects. Only the last may bid in steps.

    Raises
    ------
    ValueError
        If one but the last bids in steps.
    StrategyError
        If a strategy or a parameter is not known; ``module:Class`` is given as an object.

    Examples
    --------
    >>> Chain([{"name": "growth", "rate": 1.0}, "churn", {"name": "price_elastic", "steps": 6}]).steps
    6
    """

    def __init__(self, strategies: Sequence[Spec] = ()) -> None:
        self.strategies = list(strategies)
        self.members = [_made(spec, f"strategies[{number}]") for number, spec in enumerate(self.strategies)]
        for number, member in enumerate(self.members[:-1]):
            if member.steps > 1:
                raise ValueError(
                    f"strategies[{number}] bids in steps, so that it must be the last; found {member!r}"
                )
        self.steps = self.members[-1].steps if self.members else 1
        self.bids_slopes = bool(self.members) and self.members[-1].bids_slopes
        self.keeps_backlog = any(member.keeps_backlog for member in self.members)
        self.uses_reference_price = any(member.uses_reference_price for member in self.members)

    @property
    def backlog(self) -> Floats | None:
        """Work that waits in the backlog of any of them in Mtok, dims (node, workload)."""
        return _sum([member.backlog for member in self.members])

    @property
    def shed(self) -> Floats | None:
        """Work lost at its deadline in the last period in Mtok, dims (node, workload)."""
        return _sum([member.shed for member in self.members])

    def bid(self, view: DemandView) -> Bid:
        """Bid what the last one bids."""
        _stand_beside(self.members, self.beside)
        for member in self.members[:-1]:
            bid = member.bid(view)
            view = replace(view, demand=bid.quantity, value=bid.worth)
        return self.members[-1].bid(view) if self.members else Bid(view.demand, view.value)

    def learn(self, receipt: DemandReceipt) -> None:
        """Let each learn; all but the last receive the sums over steps."""
        for member in self.members[:-1]:
            member.learn(_with_steps(receipt, 1))
        if self.members:
            self.members[-1].learn(receipt)


class ByWorkload(DemandStrategy):
    """Play another strategy for each workload class.

    Each sees the demand of its own classes only. Classes that are not named are bid as `inelastic`.

    Parameters
    ----------
    classes : dict
        Strategy by class: names, mappings of name and parameters, or objects.

    Raises
    ------
    StrategyError
        If a strategy or a parameter is not known; ``module:Class`` is given as an object.

    Examples
    --------
    >>> ByWorkload({"batch": {"name": "deferrable", "tiers": 3}, "chat": "price_elastic"}).steps
    8
    """

    def __init__(self, classes: dict[str, Spec] | None = None) -> None:
        self.classes = classes
        self.members = {name: _made(spec, f"classes.{name}") for name, spec in (classes or {}).items()}
        self.steps = max((member.steps for member in self.members.values()), default=1)
        self.bids_slopes = any(member.bids_slopes for member in self.members.values())
        self.keeps_backlog = any(member.keeps_backlog for member in self.members.values())
        self.uses_reference_price = any(member.uses_reference_price for member in self.members.values())
        self._columns: dict[str, int] = {}

    @property
    def backlog(self) -> Floats | None:
        """Work that waits in the backlog of any of them in Mtok, dims (node, workload)."""
        return _sum([member.backlog for member in self.members.values()])

    @property
    def shed(self) -> Floats | None:
        """Work lost at its deadline in the last period in Mtok, dims (node, workload)."""
        return _sum([member.shed for member in self.members.values()])

    def bid(self, view: DemandView) -> Bid:
        """Bid each class by its own strategy."""
        by_class(
            "classes", dict.fromkeys(self.members, 0.0), view.workloads, 0.0
        )  # tells classes that there are not
        _stand_beside(self.members.values(), self.beside)
        shape = (*view.demand.shape, self.steps)
        quantity, value, worth = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        slope: Floats | None = None
        quantity[:, :, 0] = view.demand
        value[:] = worth[:] = view.value[:, :, None]
        self._columns = {name: view.workloads.index(name) for name in self.members}
        for name, member in self.members.items():
            column = self._columns[name]
            own = member.bid(replace(view, demand=_only(view.demand, column)))
            quantity[:, column], value[:, column], worth[:, column] = (
                _column(array, column, self.steps, spare)
                for array, spare in ((own.quantity, 0.0), (own.value, None), (own.worth, None))
            )
            if own.slope is not None:
                slope = np.zeros(shape) if slope is None else slope
                slope[:, column] = _column(own.slope, column, self.steps, 0.0)
        if self.steps == 1:
            falls = None if slope is None else slope[:, :, 0]
            return Bid(quantity[:, :, 0], value[:, :, 0], worth[:, :, 0], slope=falls)
        return Bid(quantity, value, worth, slope=slope)

    def learn(self, receipt: DemandReceipt) -> None:
        """Let each learn from its own class."""
        for name, member in self.members.items():
            expanded, column = _with_steps(receipt, member.steps), self._columns[name]
            own = replace(
                expanded,
                bid_quantity=_only(expanded.bid_quantity, column),
                served=_only(expanded.served, column),
                unserved=_only(expanded.unserved, column),
                payment=_only(expanded.payment, column),
            )
            member.learn(own)


def _made(spec: Spec, place: str) -> DemandStrategy:
    """Make one of the strategies."""
    if isinstance(spec, DemandStrategy):
        return copy.deepcopy(spec)
    strategy = make("region", spec, place=place)
    if not isinstance(strategy, DemandStrategy):
        raise StrategyError(f"{place}: must be a strategy of a region; found {strategy!r}")
    return strategy


def _stand_beside(members: Iterable[DemandStrategy], many: int) -> None:
    """Tell strategies in how many markets beside each other they bid, as the one that plays them was told."""
    for member in members:
        member.beside = many


def _sum(parts: Sequence[Floats | None]) -> Floats | None:
    present = [part for part in parts if part is not None]
    return sum(present[1:], start=present[0].copy()) if present else None


def _only(array: Floats, column: int) -> Floats:
    """Return an array with all classes but one at zero."""
    only = np.zeros_like(array)
    only[:, column] = array[:, column]
    return only


def _column(array: Floats, column: int, steps: int, spare: float | None) -> Floats:
    """Return one class of a bid with so many steps; further ones get `spare`, or else repeat the last."""
    own = array[:, column, None] if array.ndim == 2 else array[:, column]
    more = steps - own.shape[1]
    if more <= 0:
        return own
    last = own[:, -1:] if spare is None else np.full((len(own), 1), spare)
    return np.concatenate([own, np.repeat(last, more, axis=1)], axis=1)


def _with_steps(receipt: DemandReceipt, steps: int) -> DemandReceipt:
    """Return a receipt as a strategy of so many steps expects it."""
    if receipt.served.ndim == 2:
        return receipt
    slope = receipt.bid_slope
    if steps > 1:
        return replace(
            receipt,
            bid_slope=None if slope is None else slope[:, :, :steps],
            bid_quantity=receipt.bid_quantity[:, :, :steps],
            bid_value=receipt.bid_value[:, :, :steps],
            served=receipt.served[:, :, :steps],
            unserved=receipt.unserved[:, :, :steps],
        )
    return replace(
        receipt,
        bid_slope=None if slope is None else slope[:, :, 0],
        bid_quantity=receipt.bid_quantity.sum(axis=2),
        bid_value=receipt.bid_value[:, :, 0],
        served=receipt.served.sum(axis=2),
        unserved=receipt.unserved.sum(axis=2),
    )
