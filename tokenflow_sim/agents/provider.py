"""Compute providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mesa
import numpy as np

from tokenflow_sim.agents.participant import Horizon, Participant
from tokenflow_sim.strategies.base import History, Ints, Offer, Receipt, Strategy, View

if TYPE_CHECKING:
    from tokenflow_sim.agents.outcome import Outcome
    from tokenflow_sim.market import Market
    from tokenflow_sim.scenario.compiled import State


class ComputeProvider(Participant[Strategy, View, Offer, Receipt]):
    """A compute provider: offers the service of its assets, and is paid the price at their nodes.

    Parameters
    ----------
    model, name, strategy, horizon
        As of any participant.
    rows : sequence of int
        Positions of its assets.
    """

    submission = Offer
    kind = "provider"

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        strategy: Strategy,
        rows: Sequence[int] | Ints,
        horizon: Horizon,
    ) -> None:
        super().__init__(model, name, strategy, rows, horizon)
        layout = horizon.layout
        self.assets = tuple(str(label) for label in layout.assets[self.rows])
        self.nodes = tuple(map(str, layout.nodes))
        self.asset_node = np.array(layout.asset_node[self.rows])
        self.asset_node.flags.writeable = False

    @property
    def profit(self) -> float:
        """Profit of the last period in $, zero before the first."""
        outcome = self.model.clearing_house.outcome
        return 0.0 if outcome is None else float(self.own(outcome.profit).sum())

    def view(
        self,
        period: int,
        state: State,
        last: Outcome | None,
        history: History,
        last_market: Market | None,
    ) -> View:
        """Return what the strategy sees."""
        own = self.own
        return View(
            self.name,
            period,
            self.periods,
            self.hours,
            self.assets,
            self.workloads,
            self.nodes,
            self.asset_node,
            own(state.true_cost),
            own(state.capacity),
            None if state.power_use is None else own(state.power_use),
            None if state.power_limit is None else own(state.power_limit),
            None if last is None else own(last.asset_price),
            None if last is None else own(last.dispatch),
            None if last is None else own(last.profit),
            history,
            self._stream,
            last_market,
        )

    def decide(self, view: View) -> Offer:
        """Ask the strategy for the period's offer."""
        return self.strategy.offer(view)

    def receipt(self, outcome: Outcome, history: History) -> Receipt:
        """Return what the strategy learns from a cleared period."""
        own = self.own
        blocks = slice(self.strategy.blocks) if self.strategy.blocks > 1 else 0
        return Receipt(
            outcome.period,
            own(outcome.asset_price),
            own(outcome.arrays.offer_price)[:, :, blocks],
            own(outcome.arrays.capacity)[:, :, blocks],
            own(outcome.values.dispatch)[:, :, blocks],
            own(outcome.dispatch),
            own(outcome.revenue),
            own(outcome.cost),
            own(outcome.profit),
            history,
            self._stream,
            self.published,
        )
