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


class DemandRegion(Participant[DemandStrategy, DemandView, Bid, DemandReceipt]):
    """A demand region: asks for service at its nodes, and pays the price there for what is served.

    Parameters
    ----------
    model, name, strategy, horizon
        As of any participant.
    rows : sequence of int
        Positions of its nodes.
    """

    submission = Bid
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
        self._everywhere = horizon.reference_price
        self._reference: Floats | None = None

    def reference_price(self) -> Floats:
        """Return the scenario's reference price at the region's nodes in $/Mtok, dims (node, workload)."""
        if self._reference is None:
            self._reference = self.own(self._everywhere())
        return self._reference

    @property
    def payment(self) -> float:
        """Payment of the last period in $, zero before the first."""
        outcome = self.model.clearing_house.outcome
        return 0.0 if outcome is None else float(self.own(outcome.payment).sum())

    def view(
        self,
        period: int,
        state: State,
        last: Outcome | None,
        history: History,
        last_market: Market | None,
    ) -> DemandView:
        """Return what the strategy sees."""
        own = self.own
        return DemandView(
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
            self.reference_price,
        )

    def decide(self, view: DemandView) -> Bid:
        """Ask the strategy for the period's bid."""
        return self.strategy.bid(view)

    def receipt(self, outcome: Outcome, history: History) -> DemandReceipt:
        """Return what the strategy learns from a cleared period, which is its own results."""
        own = self.own
        steps = slice(self.strategy.steps) if self.strategy.steps > 1 else 0
        bid, unserved = own(outcome.arrays.demand)[:, :, steps], own(outcome.values.unserved)[:, :, steps]
        return DemandReceipt(
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


def frozen_difference(left: Floats, right: Floats) -> Floats:
    """Return left - right, read-only."""
    difference = left - right
    difference.flags.writeable = False
    return difference
