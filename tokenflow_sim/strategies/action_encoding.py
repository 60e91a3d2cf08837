"""What an agent decides, as a vector of numbers between -1 and 1 or as numbers of arms, and the submission it makes.

A provider decides on mark-ups over cost and shares of capacity, an owner on mark-ups over its route cost and shares of
its links' capacity, a region on how far it shades the value of its demand and on the share of it that it asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokenflow_sim.errors import Fault, InputError, StrategyError, unknown_name
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import MARKUPS, marked_up
from tokenflow_sim.strategies.base import Kind, Offer
from tokenflow_sim.strategies.demand import Bid
from tokenflow_sim.strategies.network import Tender

Submission = Offer | Tender | Bid
ActionForm = Literal["continuous", "discrete"]

BY: dict[Kind, tuple[str, ...]] = {
    "provider": ("provider", "asset", "class", "offer"),
    "owner": ("owner", "arc"),
    "region": ("region", "node", "class", "bid"),
}
"""The unit of a decision by kind of agent: all that it has, each row, each class, or each class at each row."""

LEVERS: dict[Kind, tuple[str, ...]] = {
    "provider": ("markup", "share"),
    "owner": ("markup", "share"),
    "region": ("shading", "share"),
}
"""What an agent of each kind decides on."""


@dataclass(frozen=True)
class Actions:
    """How an agent's decisions are encoded.

    Parameters
    ----------
    form : {'continuous', 'discrete'}
        A vector of numbers from -1 to 1, or the number of an arm for each group.
    by : str, optional
        The unit of a decision: ``provider``, ``asset``, ``class`` or ``offer`` for providers, ``owner`` or ``arc`` for
        owners, ``region``, ``node``, ``class`` or ``bid`` for regions. By default the first: one decision for all.
    levers : tuple of str, optional
        What is decided on in continuous form: ``markup`` and ``share`` of capacity; for regions ``shading`` and
        ``share`` of demand. By default both, and where demand must be served no share, since what is held back may
        then be missing.
    highest_markup : float
        Mark-up at the action 1, as a share of the size of cost; at -1 it is 0. Between them one plus the mark-up
        grows geometrically: ``(1 + highest) ** ((a + 1) / 2)``.
    highest_shading : float
        Share of the value that a region takes off its bids at the action 1, at most 1; at -1 it takes off nothing.
    lowest_share : float
        Share of capacity or demand at the action -1; at 1 it is all.
    markups, shadings, shares : sequence of float
        The grid in discrete form: each mark-up (for regions, shading) is joined with each share, shares fastest.
    price_cap : float, optional
        Highest offer price of providers in $/Mtok; where cost is above it, the offer is at cost.

    Raises
    ------
    InputError
        With all that is wrong: a grid that is empty or not finite, one line each.
    """

    form: ActionForm = "continuous"
    by: str | None = None
    levers: tuple[str, ...] | None = None
    highest_markup: float = 8.0
    highest_shading: float = 1.0
    lowest_share: float = 0.0
    markups: tuple[float, ...] = MARKUPS
    shadings: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    shares: tuple[float, ...] = (1.0,)
    price_cap: float | None = None

    def __post_init__(self) -> None:
        """Check all numbers, and keep lists as tuples."""
        faults = []
        if self.form not in ("continuous", "discrete"):
            faults.append(Fault(f"must be 'continuous' or 'discrete'; found {self.form!r}", "form"))
        for name, high in (("markups", math.inf), ("shadings", 1.0), ("shares", 1.0)):
            found, fault = _grid(name, getattr(self, name), high)
            object.__setattr__(self, name, found)
            faults += fault
        for name, high in (("highest_markup", math.inf), ("highest_shading", 1.0), ("lowest_share", 1.0)):
            faults += _number(name, getattr(self, name), high)
        faults += [] if self.price_cap is None else _number("price_cap", self.price_cap, math.inf)
        if self.levers is not None:
            levers = (self.levers,) if isinstance(self.levers, str) else tuple(self.levers)
            object.__setattr__(self, "levers", levers)
            if not levers or len(set(levers)) < len(levers):
                faults.append(Fault(f"needs at least one lever, and each once; found {levers!r}", "levers"))
        if faults:
            raise InputError(faults, "encoding of actions")

    @classmethod
    def of(cls, given: Actions | ActionForm | Mapping[str, Any]) -> Actions:
        """Return actions as they are given, made from a form or from a mapping of parameters.

        Raises
        ------
        InputError
            If they are something else, or a parameter is unknown or out of range.
        """
        if isinstance(given, Actions):
            return given
        if isinstance(given, str):
            return cls(form=given)
        if not isinstance(given, Mapping):
            fault = Fault(
                f"must be 'continuous', 'discrete', or a mapping of parameters; found {given!r:.80}"
            )
            raise InputError([fault], "encoding of actions")
        known = [field.name for field in fields(cls)]
        if strange := [name for name in given if name not in known]:
            unknown = [Fault(unknown_name("parameter", str(name), known), str(name)) for name in strange]
            raise InputError(unknown, "encoding of actions")
        return cls(**given)


def _grid(name: str, values: Sequence[float], high: float) -> tuple[tuple[float, ...], list[Fault]]:
    """Return the values of a grid, and what is wrong with it in one line."""
    most = "" if math.isinf(high) else f" and at most {high:g}"
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return (), [Fault(f"must be a list of numbers; found {values!r:.80}", name)]
    if not found:
        return found, [Fault("the grid is empty; it needs at least one number", name)]
    if bad := [value for value in found if not (math.isfinite(value) and 0.0 <= value <= high)]:
        return found, [Fault(f"the grid must be finite numbers of at least 0{most}; found {bad[0]!r}", name)]
    if len(set(found)) < len(found):
        return found, [Fault(f"the grid has a number twice; found {list(found)!r}", name)]
    return found, []


def _number(name: str, value: float, high: float) -> list[Fault]:
    most = "" if math.isinf(high) else f" and at most {high:g}"
    if isinstance(value, (int, float)) and math.isfinite(value) and 0.0 <= value <= high:
        return []
    return [Fault(f"must be a finite number of at least 0{most}; found {value!r}", name)]


@dataclass(frozen=True)
class ActionEncoding:
    """What an agent of a market decides, and the submission that its decisions make.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        The agent's kind.
    rows, workloads : int
        How many assets, arcs or nodes it has, and how many classes there are.
    actions : Actions
        How they are encoded; `by` and `levers` chosen.

    Raises
    ------
    InputError
        If `by` or a lever is none of the kind's.
    """

    kind: Kind
    rows: int
    workloads: int
    actions: Actions

    def __post_init__(self) -> None:
        """Choose what was left open."""
        given, faults = asdict(self.actions), []
        by, levers = given["by"] or BY[self.kind][0], given["levers"] or LEVERS[self.kind]
        if by not in BY[self.kind]:
            faults.append(Fault(unknown_name(f"unit of a {self.kind}'s decision", by, BY[self.kind]), "by"))
        faults += [
            Fault(unknown_name(f"lever of a {self.kind}", one, LEVERS[self.kind]), "levers")
            for one in levers
            if one not in LEVERS[self.kind]
        ]
        if faults:
            raise InputError(faults, "encoding of actions")
        object.__setattr__(self, "actions", Actions(**{**given, "by": by, "levers": levers}))

    @cached_property
    def group(self) -> Ints:
        """The group that each decision belongs to, dims (row, workload); groups count from 0."""
        rows, columns = np.indices((self.rows, self.workloads))
        by = self.actions.by
        if by == self.kind:
            return np.zeros((self.rows, self.workloads), dtype=np.int64)
        if by in ("asset", "arc", "node"):
            return rows
        return columns if by == "class" else rows * self.workloads + columns

    @cached_property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.group.max(initial=0)) + 1

    @cached_property
    def _cells(self) -> list[Ints]:
        """Positions of the decisions of each group in a flat table of rows by classes."""
        flat = self.group.ravel()
        return [np.flatnonzero(flat == number).astype(np.int64) for number in range(self.groups)]

    @cached_property
    def arms(self) -> Floats:
        """Mark-up (or shading) and share of each arm in discrete form, dims (arm, lever)."""
        first = self.actions.shadings if self.kind == "region" else self.actions.markups
        return np.array([(one, share) for one in first for share in self.actions.shares])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an action: (lever and group,) in continuous form, levers slowest; (group,) or () in discrete."""
        if self.actions.form == "continuous":
            return (len(cast("tuple[str, ...]", self.actions.levers)) * self.groups,)
        return () if self.groups == 1 else (self.groups,)

    def levels(self, action: ArrayLike) -> tuple[Floats | float, Floats | float]:
        """Return the mark-up (or shading) and the share that an action means, each of dims (..., group).

        Numbers outside of -1 to 1 count as the nearest of these.

        Raises
        ------
        StrategyError
            If the action has another shape, is not finite, or is no number of an arm.
        """
        if self.actions.form == "discrete":
            return self._of_arms(action)
        try:
            vector = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError):
            raise StrategyError(f"an action of this {self.kind} is numbers; found {action!r:.80}") from None
        if vector.shape[-1:] != self.shape:
            raise StrategyError(f"an action of this {self.kind} has shape {self.shape}; found {vector.shape}")
        if not math.isfinite(np.add.reduce(vector, axis=None)):
            raise StrategyError(f"an action of this {self.kind} must be finite; found {vector}")
        place = (np.minimum(np.maximum(vector, -1.0), 1.0) + 1.0) * 0.5
        first, share, given = 0.0, 1.0, self.actions
        parts: dict[str, Floats] = {}
        for number, lever in enumerate(cast("tuple[str, ...]", given.levers)):
            parts[lever] = place[..., number * self.groups : (number + 1) * self.groups]
        found: tuple[Floats | float, Floats | float] = (first, share)
        if "markup" in parts:
            found = ((1.0 + given.highest_markup) ** parts["markup"] - 1.0, share)
        elif "shading" in parts:
            found = (given.highest_shading * parts["shading"], share)
        if "share" in parts:
            found = (found[0], given.lowest_share + (1.0 - given.lowest_share) * parts["share"])
        return found

    def _of_arms(self, action: ArrayLike) -> tuple[Floats, Floats]:
        arm = np.asarray(action)
        if arm.dtype.kind not in "iu" or arm.shape[arm.ndim - len(self.shape) :] != self.shape:
            raise StrategyError(
                f"an action of this {self.kind} is whole numbers of arms of shape {self.shape}; found {action!r:.80}"
            )
        if arm.size and not (arm.min() >= 0 and arm.max() < len(self.arms)):
            raise StrategyError(
                f"this {self.kind} has arms from 0 to {len(self.arms) - 1}; found {action!r:.80}"
            )
        if not self.shape:
            arm = arm[..., None]
        return self.arms[arm, 0], self.arms[arm, 1]

    def _spread(self, level: Floats | float) -> Floats | float:
        """Return levels by group as levels by row and workload, dims (..., row, workload)."""
        if isinstance(level, float):
            return level
        return level[..., None] if self.groups == 1 else level[..., self.group]

    def submission(self, view: Any, action: ArrayLike) -> Submission:
        """Return the submission that an action makes of a view; leading dims of both, if any, are kept.

        Raises
        ------
        StrategyError
            As `levels` does.
        """
        first, share = self.levels(action)
        if self.kind == "owner":
            # One decision an arc or for all: what a link carries is shared by the classes.
            by_arc = share if isinstance(share, float) else share[..., self.group[:, 0]]
            rise = 1.0 + (first if isinstance(first, float) else first[..., self.group[:, 0]][..., None])
            capacity = np.where(np.asarray(by_arc) > 0, view.capacity, 0.0) * by_arc
            return Tender(view.route_cost * rise, capacity)
        level, part = self._spread(first), self._spread(share)
        if self.kind == "provider":
            return Offer(marked_up(view.cost, level, self.actions.price_cap), view.capacity * part)
        # Demand that must be served is asked for whatever the action.
        must = np.isinf(view.value)
        value = np.where(must, view.value, np.where(must, 1.0, view.value) * (1.0 - np.asarray(level)))
        quantity = np.where(must, view.demand, view.demand * part)
        return Bid(quantity, value, view.value)

    def mask(self, view: Any) -> NDArray[np.int8]:
        """Return which arms are worth trying, dims (..., group, arm), or (..., arm) with one group.

        Where a group has nothing to offer in the period (an outage, a class without demand), all arms come to the same
        and the first alone is left.
        """
        if self.kind == "provider":
            there = view.capacity
        elif self.kind == "region":
            there = np.where(np.isinf(view.value), 0.0, view.demand)
        else:
            there = np.broadcast_to(view.capacity[..., None], (*view.capacity.shape, self.workloads))
        lead = there.shape[:-2]
        cells = there.reshape(*lead, -1) > 0
        live = np.stack([cells[..., of].any(axis=-1) for of in self._cells], axis=-1)
        found = np.ones((*lead, self.groups, len(self.arms)), dtype=np.int8)
        found[..., 1:] = live[..., None]
        return found[..., 0, :] if self.groups == 1 else found

    @property
    def names(self) -> list[str]:
        """What each entry of an action decides, by lever and group, e.g. ``markup[0]``."""
        if self.actions.form == "discrete":
            return [f"arm[{number}]" for number in range(self.groups)]
        levers = cast("tuple[str, ...]", self.actions.levers)
        return [f"{lever}[{number}]" for lever in levers for number in range(self.groups)]

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self.actions).items()
        }
