"""The agents that play a market from outside: who they are, how they see and decide, and what they earn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.positions import by_asset
from tokenflow_sim.strategies.action_encoding import ActionForm, Actions
from tokenflow_sim.strategies.assignment import resolve, specs
from tokenflow_sim.strategies.base import BaseStrategy, Kind
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.external import ExternalBid, ExternalOffer, ExternalTender

OUTSIDE: Mapping[Kind, type[BaseStrategy]] = {
    "provider": ExternalOffer,
    "owner": ExternalTender,
    "region": ExternalBid,
}
"""The strategy that plays what is put for an agent of each kind."""


@dataclass(frozen=True, eq=False)
class Player:
    """An agent of a market that learns outside of it.

    Parameters
    ----------
    label : str
        What the environment calls it: its name, or ``owners.network`` where agents of two kinds have that name.
    kind : {'provider', 'owner', 'region'}
        Its kind.
    name : str
        Its name.
    rows : ndarray of int
        Positions of its assets, arcs or nodes.
    encoding : Encoding
        How it sees and decides.
    """

    label: str
    kind: Kind
    name: str
    rows: Ints
    encoding: Encoding

    @property
    def key(self) -> str:
        """What `TokenMarket` calls it among `strategies`."""
        return f"{self.kind}s.{self.name}"

    def agent(self, model: TokenMarket) -> Any:
        """Return the agent of a model that it plays."""
        return getattr(model, f"{self.kind}s")[self.name]

    def view(self, model: TokenMarket) -> Any:
        """Return what the agent will see before it submits for the next period."""
        house = model.clearing_house
        return self.agent(model).look_ahead(
            model.period, model.upcoming, house.result, house.history, house.last_market
        )

    def money(self, model: TokenMarket, result: PeriodResult) -> float:
        """Return what the agent earned in a period in $.

        Profit of a provider; income of an owner less the true cost of transport; of a region, what service was worth
        to its users less what they paid for it. What forward contracts brought is added.
        """
        agent = self.agent(model)
        brought = agent.contract_income(result)
        if brought is not None and self.kind == "provider":
            brought = by_asset(
                brought, agent.asset_node
            )  # as receipts have it, so that sums have the same bits
        return self._of_market(result) + (0.0 if brought is None else float(brought.sum()))

    def _of_market(self, result: PeriodResult) -> float:
        rows = self.rows
        if self.kind == "provider":
            return float(result.profit[rows].sum())
        if self.kind == "owner":
            return float(result.link_income[rows].sum() - result.transport_cost[rows].sum())
        return float(result.service_value[rows].sum() - result.payment[rows].sum())

    def price(self, result: PeriodResult) -> Floats:
        """Return own prices of a period in $/Mtok, dims (row, workload); an owner's are rents, dims (row,)."""
        if self.kind == "provider":
            return result.asset_price[self.rows].copy()
        values = result.values
        return (values.congestion_rent if self.kind == "owner" else values.price)[self.rows].copy()


def players(
    scenario: Scenario,
    agents: str | Iterable[str] | None,
    *,
    actions: Actions | ActionForm | Mapping[str, Any] = "continuous",
    observe: Sequence[str] | None = None,
    lags: int = 1,
) -> tuple[Player, ...]:
    """Find the agents that play from outside.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    agents : str or iterable of str, optional
        Names of agents (``atlas``, or ``providers.atlas`` where an agent of another kind has the same name), or
        ``providers``, ``owners``, ``regions`` for all of a kind; all providers where left out.
    actions, observe, lags
        As `Encoding.of` takes them. A mapping with names of agents as keys says it for each.

    Returns
    -------
    tuple of Player
        Providers first, then owners and regions, in the order of the scenario.

    Raises
    ------
    InputError
        If an agent is unknown, there is none, one has nothing to decide, or its encoding has faults.
    """
    compiled = scenario.compiled
    known = specs(compiled)
    chosen: tuple[Any, ...] = ("providers",) if agents is None else (str(agents),)
    if isinstance(agents, Iterable) and not isinstance(agents, str):
        chosen = tuple(agents)
    found, faults = resolve(known, dict.fromkeys(chosen, True), "agents")
    if not found and not faults:
        faults = [Fault("there is no agent to play", "agents")]
    rows: dict[Kind, Mapping[str, Ints]] = {
        "provider": compiled.provider_assets,
        "owner": compiled.owner_arcs,
        "region": compiled.region_nodes,
    }
    idle = [name for kind, name in found if kind == "region" and scenario.rules.must_serve]
    if idle:
        named = ", ".join(map(repr, idle[:3])) + (f" and {len(idle) - 3} more" if len(idle) > 3 else "")
        who = f"region {named} has" if len(idle) == 1 else f"regions {named} have"
        text = f"{who} nothing to decide where all demand must be served (market.must_serve)"
        faults.append(Fault(text, "agents"))
    if faults:
        raise InputError(faults, "environment")
    every = [name for names in known.values() for name in names]
    made = []
    for kind, names in known.items():
        for name in names:
            if (kind, name) not in found:
                continue
            encoding = Encoding.of(compiled, kind, name, actions=actions, observe=observe, lags=lags)
            label = name if every.count(name) == 1 else f"{kind}s.{name}"
            made.append(Player(label, kind, name, np.asarray(rows[kind][name], dtype=np.int64), encoding))
    return tuple(made)
