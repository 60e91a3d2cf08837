"""Demand that does not react to prices."""

from __future__ import annotations

from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView


class Inelastic(DemandStrategy):
    """Ask for all demand, at what lost service is worth.

    The paper's demand: fixed, and served whatever it costs up to the value of lost service, which is infinite
    where demand must be served.
    """

    def bid(self, view: DemandView) -> Bid:
        """Bid demand at its value."""
        return Bid(quantity=view.demand, value=view.value)
