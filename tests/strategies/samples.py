"""Strategies of a user's own, some of them broken on purpose."""

from __future__ import annotations

import random
from typing import ClassVar

import numpy as np

from tokenflow_sim.strategies import (
    Bid,
    DemandReceipt,
    DemandStrategy,
    DemandView,
    NetworkReceipt,
    NetworkStrategy,
    NetworkView,
    Offer,
    Receipt,
    Strategy,
    Tender,
    View,
)


class Undercut(Strategy):
    """Offer full capacity just under the last local price.

    Parameters
    ----------
    step : float
        How far under, as a share.
    """

    def __init__(self, step: float = 0.02) -> None:
        self.step = step

    def offer(self, view: View) -> Offer:
        price = (
            view.cost if view.last_price is None else np.maximum(view.cost, view.last_price * (1 - self.step))
        )
        return Offer(price=price, quantity=view.capacity)


class Learner(Strategy):
    """Draw a mark-up at random, and drift towards those that paid, in two blocks.

    Parameters
    ----------
    rate : float
        Speed of learning.
    """

    blocks = 2

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        self.markup = 0.1
        self.best = -np.inf

    def offer(self, view: View) -> Offer:
        self.tried = self.markup * float(view.rng.uniform(0.5, 1.5))
        price = np.stack([view.cost, view.cost * (1 + self.tried)], axis=2)
        quantity = np.stack([0.3 * view.capacity, view.capacity - 0.3 * view.capacity], axis=2)
        return Offer(price, quantity)

    def learn(self, receipt: Receipt) -> None:
        if receipt.profit.sum() > self.best:
            self.best = float(receipt.profit.sum())
            self.markup += self.rate * (self.tried - self.markup)


class Elastic(DemandStrategy):
    """Ask for half of demand at half of its value, and less of it the dearer it was."""

    steps = 2

    def __init__(self) -> None:
        self.shrink = 1.0

    def bid(self, view: DemandView) -> Bid:
        quantity = np.stack([0.5 * view.demand, 0.5 * self.shrink * view.demand], axis=2)
        value = np.stack([view.value, 0.5 * view.value], axis=2)
        return Bid(quantity, value, worth=np.stack([view.value, view.value], axis=2))

    def learn(self, receipt: DemandReceipt) -> None:
        self.shrink = 0.5 if receipt.unserved.sum() > 0 else 1.0


class CongestionTariff(NetworkStrategy):
    """Ask for more where there was congestion."""

    def __init__(self) -> None:
        self.rent = 0.0

    def tender(self, view: NetworkView) -> Tender:
        rent = 0.0 if view.last_congestion_rent is None else view.last_congestion_rent[:, None]
        return Tender(view.route_cost + 0.5 * rent * view.transfer, 0.9 * view.capacity)

    def learn(self, receipt: NetworkReceipt) -> None:
        self.rent = float(receipt.congestion_rent.sum())


class NotANumber(Strategy):
    """Offer at NaN once prices are known."""

    def offer(self, view: View) -> Offer:
        price = view.cost if view.period < 2 else np.where(view.cost > 0, np.nan, view.cost)
        return Offer(price, view.capacity)


class TooMuch(Strategy):
    """Offer more than exists during outages."""

    def __init__(self) -> None:
        self.most = None

    def offer(self, view: View) -> Offer:
        if self.most is None:
            self.most = view.capacity.copy()
        return Offer(view.cost, self.most)


class GlobalRandom(Strategy):
    """Draw from everybody's random numbers."""

    def offer(self, view: View) -> Offer:
        return Offer(view.cost * (1 + random.random()), view.capacity)


class ClassMemory(Strategy):
    """Remember on the class."""

    calls: ClassVar[list[int]] = []

    def offer(self, view: View) -> Offer:
        self.calls.append(view.period)
        return Offer(view.cost + len(self.calls), view.capacity)


class Forgetful(Strategy):
    """Leave out of the state what it remembers."""

    def __init__(self) -> None:
        self.count = 0

    def offer(self, view: View) -> Offer:
        self.count += 1
        return Offer(view.cost * self.count, view.capacity)

    def get_state(self) -> dict[str, int]:
        return {}

    def set_state(self, state: object) -> None:
        self.count = 0


class Unpicklable(Strategy):
    """Hold what no process can be sent."""

    def __init__(self) -> None:
        self.function = lambda price: price

    def offer(self, view: View) -> Offer:
        return Offer(self.function(view.cost), view.capacity)


class Meddler(Strategy):
    """Write into its view."""

    def offer(self, view: View) -> Offer:
        view.cost[:] = 0.0
        return Offer(view.cost, view.capacity)


class WrongShape(Strategy):
    """Offer one price for all."""

    def offer(self, view: View) -> Offer:
        return Offer(1.0, view.capacity)


class NoOffer(Strategy):
    """Return something else."""

    def offer(self, view: View) -> Offer:
        return (view.cost, view.capacity)  # type: ignore[return-value]


class Crash(Strategy):
    """Divide by zero."""

    def offer(self, view: View) -> Offer:
        return Offer(view.cost * (1 // (view.period // 100)), view.capacity)


class Sloppy(Strategy):
    def __init__(self, step, limit: float = 1.0):  # type: ignore[no-untyped-def]
        self._step, self._limit = step, limit

    def offer(self, view: View) -> Offer:
        return Offer(view.cost, view.capacity)


class ByPeriod(Strategy):
    """Say that it follows the state, look at the period and the last price, and draw."""

    follows_state = True

    def offer(self, view: View) -> Offer:
        dearer = 0.0 if view.last_price is None else view.last_price.max()
        return Offer(view.cost + dearer + view.period * view.rng.uniform(), view.capacity)


class ByNeighbour(Strategy):
    """Say that it follows the state, and ask for every asset what the dearest of all costs."""

    follows_state = True

    def __init__(self) -> None:
        self.asked = 0

    def offer(self, view: View) -> Offer:
        self.asked += 1
        return Offer(np.full_like(view.cost, view.cost.max()) + self.asked, view.capacity)


class ByName(NetworkStrategy):
    """Say that it follows the state, and ask more on some arcs, by what a token moves there."""

    follows_state = True

    def tender(self, view: NetworkView) -> Tender:
        east = np.array([float(name.startswith("east")) for name in view.origin])
        return Tender(view.route_cost + east[:, None] + view.transfer, view.capacity)


class Follows(DemandStrategy):
    """Say that it follows the state, and do so, by the class."""

    follows_state = True
    bids_slopes = True

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def bid(self, view: DemandView) -> Bid:
        return Bid(self.share * view.demand, view.value, slope=np.zeros(view.demand.shape))
