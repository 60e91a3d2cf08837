"""Tariffs that do not react to prices."""

from __future__ import annotations

import math

from tokenflow_sim.strategies.network import NetworkStrategy, NetworkView, Tender


class FixedTariff(NetworkStrategy):
    """Offer all links at the scenario's route cost, with a mark-up if one is asked for.

    The paper's network: one tariff a GB on every link, whatever the congestion. The scenario's route cost
    counts as the true cost of transport.

    Parameters
    ----------
    markup : float
        Mark-up as a share of the route cost, at least -1.

    Raises
    ------
    ValueError
        If the mark-up is not a number of at least -1.
    """

    def __init__(self, markup: float = 0.0) -> None:
        if not (math.isfinite(markup) and markup >= -1):
            raise ValueError(f"markup must be a finite number of at least -1; found {markup!r}")
        self.markup = markup

    def tender(self, view: NetworkView) -> Tender:
        """Offer links at the marked-up route cost."""
        cost = view.route_cost if self.markup == 0 else view.route_cost * (1 + self.markup)
        return Tender(route_cost=cost, capacity=view.capacity)
