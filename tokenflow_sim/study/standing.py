"""What a scenario adds to the game of one period's market: forward contracts of the players, and mitigation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenflow_sim.agents.mitigation import Mitigator
from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.compiled import Compiled
from tokenflow_sim.scenario.mitigation import Mitigation
from tokenflow_sim.scenario.positions import Positions


@dataclass(frozen=True, eq=False)
class Standing:
    """Forward contracts and rules against market power, as they stand in one period.

    Parameters
    ----------
    positions : mapping
        What agents hold, by ``provider``, ``owners.NAME`` or ``regions.NAME``, as players are called.
    mitigation : Mitigation, optional
        The rules that every market of the game is cleared under.
    """

    positions: Mapping[str, Positions] = field(default_factory=dict)
    mitigation: Mitigation | None = None

    @classmethod
    def of(cls, compiled: Compiled, period: int) -> Standing:
        """Return what a scenario has in a period."""
        names = {("provider", name): name for name in compiled.providers}
        names |= {("owner", name): f"owners.{name}" for name in compiled.owner_arcs}
        names |= {("region", name): f"regions.{name}" for name in compiled.region_nodes}
        contracts, positions = compiled.contracts, {}
        for party, player in names.items() if contracts is not None else ():
            assert contracts is not None
            if (held := contracts.held_by(party)) is not None:
                positions[player] = held.at(period)
        return cls(positions, compiled.scenario.rules.mitigation)

    def income(self, players: Sequence[str], price: Floats) -> Floats:
        """Return what contracts bring each player in $/h, dims (player,).

        Parameters
        ----------
        players : sequence of str
            Who plays.
        price : ndarray
            Locational marginal prices in $/Mtok, dims (node, workload).
        """
        found = np.zeros(len(players))
        for place, name in enumerate(players):
            held = self.positions.get(name, self.positions.get(name.removeprefix("providers.")))
            if held is not None:
                found[place] = held.income(price).sum() / held.hours
        return found

    def clear(self, truthful: Market, played: Market, clear: Callable[[Market], Clearing]) -> Clearing:
        """Clear a market under the rules; as it is, where there are none.

        Parameters
        ----------
        truthful, played : Market
            The market with offers at true cost, and the one to clear, of one layout.
        clear : callable
            Clears a market.

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be.
        """
        if self.mitigation is None:
            return clear(played)
        arrays = truthful.arrays
        rules = Mitigator(self.mitigation, truthful.layout)
        return rules.clear(played, arrays.offer_price[:, :, 0], arrays.link_capacity, clear)[0]
