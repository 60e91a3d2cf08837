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
    from tokenflow_sim.market import Market
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

    @property
    def payment(self) -> float:
        """Payment of the last period in $, zero before the first."""
        outcome = self.model.clearing_house.outcome
        return 0.0 if outcome is None else float(self.own(outcome.payment).sum())

    def submit(
        self,
        period: int,
        state: State,
        last: Outcome | None,
        history: History,
        last_market: Market | None = None,
    ) -> Bid:
        """Make the bid of one period.

        Parameters
        ----------
        period : int
            The period.
        state : State
            Everything exogenous, demand with its noise; the strategy sees its own rows only.
        last : Outcome or None
            The last period's outcome; the strategy sees its own rows only. None in the first.
        history : History
            What the market has published.
        last_market : Market or None
            The last period's market, where the market publishes it.

        Raises
        ------
        StrategyError
            If the strategy returns no bid.
        """
        own = self.own
        view = DemandView(
            self.name,
            period,
            self.periods,
            self.hours,
            self.nodes,
            self.workloads,
            self.node,
            own(state.demand),
            own(state.value),
            None if last is None else own(last.values.price),
            None if last is None else own(last.served),
            None if last is None else own(last.unserved),
            None if last is None else own(last.payment),
            history,
            self._stream,
            last_market,
        )
        try:
            bid = self.strategy.bid(view)
        except Exception as error:
            self.fail(period, error)
        if not isinstance(bid, Bid):
            self.wrong_type(period, bid, Bid)
        return bid

    def learn(self, outcome: Outcome, history: History) -> None:
        """Give the strategy the receipt of a cleared period to learn from."""
        own = self.own
        steps = slice(self.strategy.steps) if self.strategy.steps > 1 else 0
        bid, unserved = own(outcome.arrays.demand)[:, :, steps], own(outcome.values.unserved)[:, :, steps]
        receipt = DemandReceipt(
            outcome.period,
            own(outcome.values.price),
            bid,
            own(outcome.arrays.value)[:, :, steps],
            frozen_difference(bid, unserved),
            unserved,
            own(outcome.payment),
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
