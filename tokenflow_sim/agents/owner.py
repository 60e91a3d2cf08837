"""Network owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mesa

from tokenflow_sim.agents.participant import Horizon, Participant
from tokenflow_sim.strategies.base import Floats, History, Ints
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender

if TYPE_CHECKING:
    from tokenflow_sim.agents.outcome import Outcome
    from tokenflow_sim.scenario.compiled import State


class NetworkOwner(Participant[NetworkStrategy]):
    """A network owner: offers its links, and is paid route cost and congestion rent.

    Parameters
    ----------
    model, name, strategy, horizon
        As of any participant.
    rows : sequence of int
        Positions of its arcs.
    """

    kind = "owner"

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        strategy: NetworkStrategy,
        rows: Sequence[int] | Ints,
        horizon: Horizon,
    ) -> None:
        super().__init__(model, name, strategy, rows, horizon)
        layout = horizon.layout
        self.arcs = tuple(str(label) for label in layout.arcs[self.rows])
        self.origin = tuple(str(label) for label in layout.nodes[layout.origin[self.rows]])
        self.destination = tuple(str(label) for label in layout.nodes[layout.destination[self.rows]])
        self.transfer = self.own(horizon.transfer)
        self.last: tuple[Floats | None, ...] = (None, None, None)
        self.income = 0.0

    def submit(self, period: int, state: State, history: History) -> Tender:
        """Make the tender of one period.

        Parameters
        ----------
        period : int
            The period.
        state : State
            Everything exogenous; the strategy sees its own rows only.
        history : History
            What the market has published.

        Raises
        ------
        StrategyError
            If the strategy returns no tender.
        """
        last_flow, last_rent, last_income = self.last
        view = NetworkView(
            self.name,
            period,
            self.periods,
            self.hours,
            self.arcs,
            self.workloads,
            self.origin,
            self.destination,
            self.own(state.route_cost),
            self.transfer,
            self.own(state.link_use),
            self.own(state.link_capacity),
            last_flow,
            last_rent,
            last_income,
            history,
            self._stream,
        )
        try:
            tender = self.strategy.tender(view)
        except Exception as error:
            self.fail(period, error)
        if not isinstance(tender, Tender):
            self.wrong_type(period, tender, Tender)
        return tender

    def receive(self, outcome: Outcome, history: History) -> None:
        """Take the receipt of a cleared period, and learn from it."""
        own = self.own
        flow, rent = own(outcome.values.flow), own(outcome.values.congestion_rent)
        income = own(outcome.link_income)
        self.last = (flow, rent, income)
        self.income = float(income.sum())
        if not self.learns:
            return
        receipt = NetworkReceipt(
            outcome.period,
            own(outcome.arrays.route_cost),
            own(outcome.arrays.link_capacity),
            flow,
            rent,
            income,
            own(outcome.transport_cost),
            history,
            self._stream,
        )
        try:
            self.strategy.learn(receipt)
        except Exception as error:
            self.fail(outcome.period, error)
