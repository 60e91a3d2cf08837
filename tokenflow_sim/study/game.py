"""One period's market as a game among its providers: actions in, profits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market import Clearer, Clearing, Market
from tokenflow_sim.market.settlement import settle_values

if TYPE_CHECKING:
    from tokenflow_sim.study.crew import Crew

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Play = Literal["price", "quantity"]
SECONDS_PER_HOUR = 3600.0
_UNDER = 1e-6  # share by which an offer is under another one, to be taken before it
_MOST_CRITICAL = 24


@dataclass(frozen=True, slots=True)
class Payoff:
    """What a profile of actions brings.

    Parameters
    ----------
    profit : ndarray
        In $/h, dims (provider,).
    payment : float
        What demand pays, in $/h.
    clearing : Clearing
        The market's clearing.
    """

    profit: Floats
    payment: float
    clearing: Clearing


@dataclass(frozen=True, slots=True)
class Profiles:
    """Some profiles of actions for one process of a crew to clear the market for."""

    position: int
    actions: tuple[Floats, ...]


class MarketGame:
    """A market whose providers choose a number for each class: a mark-up on cost, or a share of capacity.

    Parameters
    ----------
    market : Market
        The market with truthful offers: its offer prices are true costs, its quantities what exists.
    play : {'price', 'quantity'}
        Whether an action is a mark-up (all capacity is offered at (1 + action) times cost) or a share (that share of
        every asset's capacity is offered at cost).
    players : sequence of str, optional
        The providers that choose; the others stay truthful. All, in the order of their names, if left out.
    ceiling : float
        Highest mark-up where demand must be served, and no value limits it.

    Attributes
    ----------
    workloads : tuple of str
        The classes, columns of the actions.
    truthful : ndarray
        The actions of truthful providers, dims (player, workload).
    highest : ndarray
        Highest sensible actions, dims (player, workload): the mark-up at which the cheapest asset asks for the
        highest value of service, or the share 1.
    plays : ndarray of bool
        Whether a player has anything to choose, dims (player, workload).
    crew : Crew, optional
        Who shares the work where many profiles are to be tried.
    """

    def __init__(
        self,
        market: Market,
        play: Play = "price",
        players: Sequence[str] | None = None,
        ceiling: float = 10.0,
    ) -> None:
        self.market, self.play = market, play
        layout, arrays = market.layout, market.arrays
        self.players = tuple(sorted(set(layout.provider))) if players is None else tuple(players)
        self.workloads = tuple(map(str, layout.workloads))
        owner = np.array(layout.provider)
        self.rows: list[Ints] = [np.flatnonzero(owner == name) for name in self.players]
        self._clearer = Clearer(market)
        self._known: dict[bytes, tuple[Floats, float] | None] = {}
        self.crew: Crew | None = None
        shape = (len(self.players), len(self.workloads))
        self.truthful = np.zeros(shape) if play == "price" else np.ones(shape)
        self.highest = np.ones(shape)
        self.plays = np.zeros(shape, dtype=bool)
        value = np.where(np.isinf(arrays.value), np.nan, arrays.value)
        for player, rows in enumerate(self.rows):
            for k in range(shape[1]):
                cost, capacity = arrays.offer_price[rows, k], arrays.capacity[rows, k]
                there = capacity > 0
                self.plays[player, k] = bool(there.any())
                if play == "price" and there.any():
                    worth = value[:, k][arrays.demand[:, k] > 0]
                    self.plays[player, k] &= bool((cost[there] > 0).any())
                    self.highest[player, k] = _highest(cost[there], worth, ceiling)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to play the game: not the solver's model, nor what was cleared."""
        return {name: value for name, value in vars(self).items() if name not in ("_clearer", "crew")} | {
            "_known": {}
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the game again."""
        vars(self).update(state)
        self._clearer, self.crew = Clearer(self.market), None

    @property
    def start(self) -> Floats:
        """Where a search starts if nothing else is said: truthful prices, or no quantity at all.

        With all capacity offered at cost, whoever is too dear to sell is indifferent to its quantity, and the others
        would find it there for ever as a price taker. Where demand must be served, all capacity is the start
        nevertheless: with none the market cannot be cleared.
        """
        if self.play == "quantity" and self.payoff(np.zeros_like(self.truthful)) is not None:
            return np.zeros_like(self.truthful)
        return self.truthful.copy()

    def offers(self, actions: Floats) -> tuple[Floats, Floats]:
        """Return offer prices and quantities, dims (asset, workload, block), for actions (player, workload)."""
        arrays = self.market.arrays
        price, quantity = arrays.offer_price.copy(), arrays.capacity.copy()
        for rows, action in zip(self.rows, actions, strict=True):
            if self.play == "price":
                price[rows] *= 1.0 + action[None, :, None]
            else:
                quantity[rows] *= action[None, :, None]
        return price, quantity

    def payoff(self, actions: Floats) -> Payoff | None:
        """Clear the market for a profile of actions; None where demand that must be served then cannot be."""
        try:
            return self.must_clear(actions)
        except InfeasibleError:
            return None

    def must_clear(self, actions: Floats) -> Payoff:
        """Clear the market for a profile of actions.

        Raises
        ------
        InfeasibleError
            If demand that must be served then cannot be.
        """
        market = self.market
        price, quantity = self.offers(actions)
        played = Market.from_arrays(
            market.layout,
            market.arrays.with_(offer_price=price, capacity=quantity),
            market.hours,
            check=False,
        )
        clearing = self._clearer.clear(played)
        money = settle_values(market.layout, played.arrays, clearing.values)
        cost = (market.arrays.offer_price * clearing.values.dispatch).sum(axis=(1, 2))
        margin = money.revenue.sum(axis=1) - cost
        profit = np.array([margin[rows].sum() for rows in self.rows])
        return Payoff(profit * SECONDS_PER_HOUR, float(money.payment.sum()) * SECONDS_PER_HOUR, clearing)

    def money(self, actions: Floats) -> tuple[Floats, float] | None:
        """Return profits and payment as `payoff` does; what was cleared once is known.

        At rest, and in a loop, every candidate is tried again against the same offers.
        """
        key = actions.tobytes()
        if key not in self._known:
            found = self.payoff(actions)
            self._known[key] = None if found is None else (found.profit, found.payment)
        return self._known[key]

    def perform(self, job: Profiles) -> list[tuple[Floats, float] | None]:
        """Return profits and payment of several profiles of actions: what one process of a crew does of them."""
        return [self.money(actions) for actions in job.actions]

    def foresee(self, profiles: Sequence[Floats]) -> None:
        """Clear the market for several profiles of actions at once, where there is a crew to share them.

        What a clearing brings is a function of the profile alone, so that it does not matter who worked it out.
        """
        if self.crew is None or (size := self.crew.size) < 2:
            return
        unknown = list(
            {key: actions for actions in profiles if (key := actions.tobytes()) not in self._known}.values()
        )
        jobs = [Profiles(number, tuple(unknown[number::size])) for number in range(min(size, len(unknown)))]
        for answer in self.crew.play(self, jobs):
            if not answer.kind:  # what failed is tried again here, where it raises its own error
                actions = jobs[answer.position].actions
                self._known |= zip((one.tobytes() for one in actions), answer.value, strict=True)

    def profit(self, player: int, actions: Floats) -> float:
        """Return one player's profit in $/h; minus infinity where the market could not be cleared."""
        found = self.money(actions)
        return -np.inf if found is None else float(found[0][player])

    def grid(self, player: int, workload: int, points: int) -> Floats:
        """Return so many actions over the whole range: mark-ups in equal ratios of price, shares in equal steps."""
        most = float(self.highest[player, workload])
        if self.play == "quantity":
            return np.linspace(0.0, most, points)
        return np.geomspace(1.0, 1.0 + most, points) - 1.0

    def around(self, player: int, workload: int, action: float, width: float, points: int) -> Floats:
        """Return actions about one of them: shares within `width`, mark-ups within that ratio of price."""
        most = float(self.highest[player, workload])
        if self.play == "quantity":
            near = np.linspace(action - width, action + width, points)
        else:
            near = (1.0 + action) * np.geomspace(1.0 / (1.0 + width), 1.0 + width, points) - 1.0
        return np.unique(np.clip(near, 0.0, most))

    def width(self, player: int, workload: int, points: int) -> float:
        """Return the distance of neighbours on such a grid, as `around` takes it."""
        most = float(self.highest[player, workload])
        return float(
            most / (points - 1) if self.play == "quantity" else (1.0 + most) ** (1.0 / (points - 1)) - 1.0
        )

    def distance(self, one: Floats, other: Floats) -> Floats:
        """Return how far actions are apart, in the unit of `width`."""
        if self.play == "quantity":
            return np.abs(one - other)
        ratio: Floats = np.maximum(1.0 + one, 1.0 + other) / np.minimum(1.0 + one, 1.0 + other) - 1.0
        return ratio

    def critical(self, player: int, workload: int, actions: Floats) -> Floats:
        """Return the mark-ups just under rivals' offers and values of service, where a profit jumps.

        Transport between the two is not taken off: that is what the other candidates are for.
        """
        if self.play == "quantity":
            return np.zeros(0)
        arrays, rows = self.market.arrays, self.rows[player]
        price, quantity = self.offers(actions)
        rivals = np.ones(len(price), dtype=bool)
        rivals[rows] = False
        theirs = price[rivals, workload][quantity[rivals, workload] > 0]
        worth = arrays.value[:, workload][
            (arrays.demand[:, workload] > 0) & np.isfinite(arrays.value[:, workload])
        ]
        cost = arrays.offer_price[rows, workload]
        cost = np.unique(cost[(cost > 0) & (arrays.capacity[rows, workload] > 0)])
        levels = np.unique(np.concatenate([theirs, worth])) * (1.0 - _UNDER)
        marks: Floats = (levels[:, None] / cost[None, :] - 1.0).ravel()
        marks = np.unique(marks[(marks >= 0) & (marks <= self.highest[player, workload])])
        if len(marks) > _MOST_CRITICAL:  # a large market: an even selection
            marks = marks[np.linspace(0, len(marks) - 1, _MOST_CRITICAL).round().astype(int)]
        return marks


def _highest(cost: Floats, worth: Floats, ceiling: float) -> float:
    """Return the mark-up at which the cheapest positive cost meets the highest value."""
    positive = cost[cost > 0]
    if not len(positive) or not len(worth) or np.isnan(worth).any():
        return ceiling
    return max(float(worth.max() / positive.min()) - 1.0, 0.0)
