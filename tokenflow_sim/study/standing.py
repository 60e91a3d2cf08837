"""What a scenario adds to the game of one period's market: forward contracts, mitigation, payments for emissions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tokenflow_sim.agents.mitigation import Mitigator
from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.compiled import Compiled
from tokenflow_sim.scenario.grid_arrays import GridState
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
    carbon_cost : ndarray, optional
        What of assets' true cost is paid to the state for emissions, in $/Mtok, dims (asset, workload).
    grid : GridState, optional
        A grid that is cleared with the market, whose generators pay for theirs.
    """

    positions: Mapping[str, Positions] = field(default_factory=dict)
    mitigation: Mitigation | None = None
    carbon_cost: Floats | None = None
    grid: GridState | None = None

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
        state = compiled.state(period)
        charged = state.grid if state.grid is not None and state.grid.is_joint and state.grid.charge else None
        return cls(positions, compiled.scenario.rules.mitigation, state.carbon_cost, charged)

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

    def paid_to_state(self, values: Values) -> float:
        """Return what is paid for emissions in $/h: a cost to who pays it, and none to all together."""
        paid = 0.0
        if self.carbon_cost is not None:
            paid += float((self.carbon_cost * values.dispatch.sum(axis=2)).sum()) * SECONDS_PER_HOUR
        if self.grid is not None:
            emitted = self.grid.arrays.outcome(self.grid.grid, values).emissions  # t/h
            paid += self.grid.charge * float(emitted.sum())
        return paid

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
