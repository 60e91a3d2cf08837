"""Which merit order clears a market: one by one in plain numbers where it is small, in arrays where it is not."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_order import MeritOrder
from tokenflow_sim.market.merit_single import FEW, SmallMeritOrder
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.values import Values


class MeritClearer:
    """Clears markets without links, one after the other, by merit order.

    Parameters
    ----------
    market : Market
        Any market of the structure, for which `applies`.
    """

    def __init__(self, market: Market) -> None:
        program = Program(market)
        self.layout = market.layout
        few = program.offers_shape[0] * program.offers_shape[1] * program.offers_shape[2]
        few += program.y.stop - program.y.start
        self._small = SmallMeritOrder(program) if few <= FEW else None
        self._together = MeritOrder(program)

    @staticmethod
    def applies(market: Market) -> bool:
        """Whether a market has no links, and else the structure that a merit order can clear.

        With links, most markets would be tried in vain, at more than the engine takes where it remembers a basis.
        """
        return not market.layout.origin.size and MeritOrder.fits(market)

    def serves(self, market: Market) -> bool:
        """Whether a market has this structure."""
        return market.layout is self.layout or market.layout == self.layout

    def clear(self, arrays: Arrays) -> tuple[Values, Certificate] | None:
        """Clear a market; return None where it is not certain what it clears at, or it cannot be served.

        Parameters
        ----------
        arrays : Arrays
            The market's numbers.
        """
        if self._small is not None:
            return self._small.clear(arrays)
        outcome = self._together.clear(
            *(one[None] for one in (arrays.offer_price, arrays.capacity, arrays.demand, arrays.value))
        )
        if not outcome.certain[0]:
            return None
        values = Values(
            price=outcome.price[0],
            dispatch=outcome.dispatch[0],
            flow=np.zeros(arrays.route_cost.shape),
            unserved=outcome.unserved[0],
            scarcity_rent=outcome.scarcity_rent[0],
            rents={"congestion_rent": np.zeros(arrays.link_capacity.shape)},
            supplied={},
            cost=float(outcome.cost[0]),
        )
        return values, Certificate(*outcome.certificate[0].tolist())
