"""Network owners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mesa

from tokenflow_sim.agents.archive import frozen
from tokenflow_sim.agents.participant import Horizon, Participant
from tokenflow_sim.strategies.base import Floats, History, Ints
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender

if TYPE_CHECKING:
    from tokenflow_sim.agents.outcome import Outcome
    from tokenflow_sim.market import Market
    from tokenflow_sim.scenario.compiled import State


class NetworkOwner(Participant[NetworkStrategy, NetworkView, Tender, NetworkReceipt]):
    """A network owner: offers its links, and is paid route cost and congestion rent.

    Parameters
    ----------
    model, name, strategy, horizon
        As of any participant.
    rows : sequence of int
        Positions of its arcs.
    """

    submission = Tender
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
        self.transfer = self.own(frozen(horizon.transfer))
        self._held: dict[str, tuple[Floats, Floats]] = {}

    @property
    def income(self) -> float:
        """Income of the last period in $, zero before the first."""
        outcome = self.model.clearing_house.outcome
        return 0.0 if outcome is None else float(self.own(outcome.link_income).sum())

    def view(
        self,
        period: int,
        state: State,
        last: Outcome | None,
        history: History,
        last_market: Market | None,
    ) -> NetworkView:
        """Return what the strategy sees."""
        own = self.own
        return NetworkView(
            self.name,
            period,
            self.periods,
            self.hours,
            self.arcs,
            self.workloads,
            self.origin,
            self.destination,
            self._hold("route_cost", state.route_cost),
            self.transfer,
            self._hold("link_use", state.link_use),
            self._hold("link_capacity", state.link_capacity),
            None if last is None else own(last.values.flow),
            None if last is None else own(last.values.congestion_rent),
            None if last is None else own(last.link_income),
            history,
            self._stream,
            last_market,
        )

    def decide(self, view: NetworkView) -> Tender:
        """Ask the strategy for the period's tender."""
        return self.strategy.tender(view)

    def _hold(self, name: str, array: Floats) -> Floats:
        """Return the owner's rows of an array that seldom changes: its arcs are scattered, and copies cost time."""
        held = self._held.get(name)
        if held is None or held[0] is not array:
            held = self._held[name] = (array, self.own(array))
        return held[1]

    def receipt(self, outcome: Outcome, history: History) -> NetworkReceipt:
        """Return what the strategy learns from a cleared period, which is its own results."""
        own = self.own
        return NetworkReceipt(
            outcome.period,
            own(outcome.arrays.route_cost),
            own(outcome.arrays.link_capacity),
            own(outcome.values.flow),
            own(outcome.values.congestion_rent),
            own(outcome.link_income),
            own(outcome.transport_cost),
            history,
            self._stream,
        )
