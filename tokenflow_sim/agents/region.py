"""Demand regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mesa
import numpy as np

from tokenflow_sim.agents.participant import Horizon, Participant
from tokenflow_sim.strategies.base import Floats, History, Ints
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView

if TYPE_CHECKING:
    from tokenflow_sim.agents.outcome import Outcome
    from tokenflow_sim.scenario.compiled import State


class DemandRegion(Participant[DemandStrategy]):
    """A demand region: asks for service at its nodes, and pays the price there for what is served.

    Parameters
    ----------
    model, name, strategy, horizon
        As of any participant.
    rows : sequence of int
        Positions of its nodes.
    """

    kind = "region"

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        strategy: DemandStrategy,
        rows: Sequence[int] | Ints,
        horizon: Horizon,
    ) -> None:
        super().__init__(model, name, strategy, rows, horizon)
        self.nodes = tuple(str(label) for label in horizon.layout.nodes[self.rows])
        self.node = np.array(rows, dtype=np.int64)
        self.node.flags.writeable = False
        self.last: tuple[Floats | None, ...] = (None, None, None, None)
        self.payment = 0.0

    def submit(self, period: int, state: State, history: History) -> Bid:
        """Make the bid of one period.

        Parameters
        ----------
        period : int
            The period.
        state : State
            Everything exogenous, demand with its noise; the strategy sees its own rows only.
        history : History
            What the market has published.

        Raises
        ------
        StrategyError
            If the strategy returns no bid.
        """
        last_price, last_served, last_unserved, last_payment = self.last
        view = DemandView(
            self.name,
            period,
            self.periods,
            self.hours,
            self.nodes,
            self.workloads,
            self.node,
            self.own(state.demand),
            self.own(state.value),
            last_price,
            last_served,
            last_unserved,
            last_payment,
            history,
            self._stream,
        )
        try:
            bid = self.strategy.bid(view)
        except Exception as error:
            self.fail(period, error)
        if not isinstance(bid, Bid):
            self.wrong_type(period, bid, Bid)
        return bid

    def receive(self, outcome: Outcome, history: History) -> None:
        """Take the receipt of a cleared period, and learn from it."""
        own = self.own
        price, payment = own(outcome.values.price), own(outcome.payment)
        self.last = (price, own(outcome.served), own(outcome.unserved), payment)
        self.payment = float(payment.sum())
        if not self.learns:
            return
        steps = slice(None) if self.strategy.steps > 1 else 0
        bid, unserved = own(outcome.arrays.demand)[:, :, steps], own(outcome.values.unserved)[:, :, steps]
        receipt = DemandReceipt(
            outcome.period,
            price,
            bid,
            own(outcome.arrays.value)[:, :, steps],
            frozen_difference(bid, unserved),
            unserved,
            payment,
            history,
            self._stream,
        )
        try:
            self.strategy.learn(receipt)
        except Exception as error:
            self.fail(outcome.period, error)


def frozen_difference(left: Floats, right: Floats) -> Floats:
    """Return left - right, read-only."""
    difference = left - right
    difference.flags.writeable = False
    return difference
