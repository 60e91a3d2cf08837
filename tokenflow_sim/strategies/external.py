"""Strategies whose submissions come from outside: from an environment, another process, or a user's own loop.

Whoever plays from outside puts a submission before each period; the market asks for it as for any other. Where none
was put, the agent is truthful.
"""

from __future__ import annotations

from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.network import NetworkStrategy, NetworkView, Tender


class ExternalOffer(Strategy):
    """Make the offer that was put for the period from outside; without one, offer all at true cost.

    An offer is put with ``put`` and holds for one period. Environments for reinforcement learning play their agents by
    it; a loop of one's own does so with ``model.providers["atlas"].strategy.put(...)`` before each ``model.step()``.

    Parameters
    ----------
    blocks : int
        How many blocks its offers may have.

    Raises
    ------
    ValueError
        If it is below 1.
    """

    def __init__(self, blocks: int = 1) -> None:
        self.blocks = _at_least_one("blocks", blocks)
        self.waiting: Offer | None = None

    def put(self, offer: Offer) -> None:
        """Put the offer of the next period."""
        self.waiting = offer

    def offer(self, view: View) -> Offer:
        """Make the offer that was put."""
        made, self.waiting = self.waiting, None
        return Offer(view.cost, view.capacity) if made is None else made


class ExternalTender(NetworkStrategy):
    """Make the tender that was put for the period from outside; without one, offer all links at their route cost.

    A tender is put with ``put`` and holds for one period.
    """

    def __init__(self) -> None:
        self.waiting: Tender | None = None

    def put(self, tender: Tender) -> None:
        """Put the tender of the next period."""
        self.waiting = tender

    def tender(self, view: NetworkView) -> Tender:
        """Make the tender that was put."""
        made, self.waiting = self.waiting, None
        return Tender(view.route_cost, view.capacity) if made is None else made


class ExternalBid(DemandStrategy):
    """Make the bid that was put for the period from outside; without one, ask for all demand at its value.

    A bid is put with ``put`` and holds for one period.

    Parameters
    ----------
    steps : int
        How many steps its bids may have.

    Raises
    ------
    ValueError
        If it is below 1.
    """

    def __init__(self, steps: int = 1) -> None:
        self.steps = _at_least_one("steps", steps)
        self.waiting: Bid | None = None

    def put(self, bid: Bid) -> None:
        """Put the bid of the next period."""
        self.waiting = bid

    def bid(self, view: DemandView) -> Bid:
        """Make the bid that was put."""
        made, self.waiting = self.waiting, None
        return Bid(view.demand, view.value) if made is None else made


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} must be at least 1; found {value!r}")
    return value
