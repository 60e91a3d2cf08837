"""Markets of a batch that are stepped together, as arrays over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import mesa
import numpy as np
import xarray as xr

from tokenflow_sim.agents import ComputeProvider, DemandRegion, NetworkOwner, RunInfo
from tokenflow_sim.agents.participant import Participant
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.batch.environment import EnvironmentBeside
from tokenflow_sim.batch.house import HouseBeside
from tokenflow_sim.batch.ledger import LedgerBeside
from tokenflow_sim.batch.outside import by_market, submission
from tokenflow_sim.batch.streams import StreamsBeside
from tokenflow_sim.market.beside import LayoutBeside
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario import Compiled
from tokenflow_sim.scenario.expectation import reference_price
from tokenflow_sim.strategies.base import Kind


@dataclass(frozen=True, slots=True)
class _RunBeside(RunInfo):
    """What every participant knows of the runs of several seeds."""

    seeds: tuple[int, ...] = ()

    def stream(self, kind: Kind, name: str) -> np.random.Generator:
        """Return the streams of the participants of a name, which are drawn from as one."""
        beside = StreamsBeside([stream(seed, kind, name) for seed in self.seeds])
        return cast(np.random.Generator, beside)


def _reference(compiled: Compiled, many: int) -> Floats:
    """Return the scenario's reference price for every market."""
    return np.tile(reference_price(compiled), (many, 1))


class StackedMarkets:
    """Markets whose rows follow each other: those of the first seed, then those of the second.

    Parameters
    ----------
    first : TokenMarket
        The model of the first seed, whose agents, labels and plan stand for all of them; it is not run.
    seeds : sequence of int
        The seeds.
    history : int
        How many past periods' prices are published: more than one where somebody looks at them.
    """

    def __init__(self, first: TokenMarket, seeds: Sequence[int], history: int) -> None:
        self.seeds, self._many = tuple(seeds), len(seeds)
        compiled, house = first.settings.compiled, first.clearing_house
        self._alone: dict[Kind, dict[str, Any]] = {
            "provider": first.providers, "owner": first.owners, "region": first.regions,
        }  # fmt: skip
        layout = LayoutBeside.of(house.layout, self.seeds)
        run = _RunBeside(
            layout, first.periods, first.hours, self.seeds[0], np.tile(compiled.transfer, (self._many, 1)),
            partial(_reference, compiled, self._many),
            None if compiled.contracts is None else compiled.contracts.beside(self._many),
            compiled.scenario.rules.mitigation, seeds=self.seeds,
        )  # fmt: skip
        self._model = mesa.Model(rng=0)
        sizes = {"provider": len(compiled.layout.assets), "owner": len(compiled.layout.arcs)}
        sizes["region"] = len(compiled.layout.nodes)

        def agents[P: Participant[Any, Any, Any, Any]](make: type[P], kind: Kind) -> dict[str, P]:
            return {
                name: self._agent(make, name, agent, sizes[kind], run)
                for name, agent in self._alone[kind].items()
            }

        providers, owners = agents(ComputeProvider, "provider"), agents(NetworkOwner, "owner")
        regions = agents(DemandRegion, "region")
        self._agents: dict[Kind, Mapping[str, Any]] = {
            "provider": providers, "owner": owners, "region": regions,
        }  # fmt: skip
        self._house = HouseBeside(
            self._model, run, list(providers.values()), list(owners.values()), list(regions.values()), history,
            compiled.scenario.rules.publish_offers, self.seeds,
            {kind: list(own.values()) for kind, own in self._alone.items()},
        )  # fmt: skip
        self._environment = EnvironmentBeside(compiled, self.seeds)
        self._ledger = LedgerBeside(first.ledger.plan, layout, self.seeds)
        self._period = 0

    def _agent[P: Participant[Any, Any, Any, Any]](
        self, make: type[P], name: str, alone: Any, size: int, run: RunInfo
    ) -> P:
        """Make the agent that stands for those of one name in all markets."""
        own = np.arange(size)[alone.rows]
        rows: Ints = (np.arange(self._many)[:, None] * size + own).ravel()
        agent = make(self._model, name, alone.strategy, rows, run)
        agent.strategy.beside = self._many
        return agent

    @property
    def sorted(self) -> int:
        """How many market-periods were cleared by merit order."""
        return self._house.sorted

    def give(self, kind: Kind, name: str, arrays: Mapping[str, Floats]) -> None:
        """Take what an agent submits for the next period, arrays with a leading dim of seeds."""
        rows = {label: array.reshape(-1, *array.shape[2:]) for label, array in arrays.items()}
        self._agents[kind][name].strategy.put(submission(kind, rows))

    def view(self, kind: Kind, name: str) -> Any:
        """Return what an agent sees before it submits, arrays with a leading dim of seeds."""
        state = self._environment.foresee(self._period)
        return self._by_market(kind, name, self._house.view(name, self._period, state))

    def receipt(self, kind: Kind, name: str) -> Any:
        """Return what an agent learns from the last period, likewise."""
        result = self._house.result
        assert result is not None
        return self._by_market(kind, name, self._agents[kind][name].receipt(result, self._house.history))

    def _by_market(self, kind: Kind, name: str, seen: Any) -> Any:
        return by_market(seen, self._alone[kind][name], self._many)

    def step(self) -> None:
        """Play a period of each market.

        Raises
        ------
        StrategyError, InfeasibleError, CertificateError
            As a model does, with a note that names the seed.
        """
        house, period = self._house, self._period
        state = self._environment.state(period)
        result = house.clear(period, state, house.collect(period, state))
        house.send_receipts(result)
        self._ledger.append(result, house.waiting(self._ledger.plan.backlog))
        self._period = period + 1

    def results(self, periods: int) -> xr.Dataset:
        """Return the results of the periods that were played, which are so many."""
        return self._ledger.dataset()

    def get_state(self) -> dict[str, Any]:
        """Return where all markets stand."""
        return {
            "period": self._period,
            "environment": self._environment.get_state(),
            "house": self._house.get_state(),
            "agents": {
                kind: {name: agent.get_state() for name, agent in own.items()}
                for kind, own in self._agents.items()
            },
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self._period = self._ledger.first = state["period"]
        self._environment.set_state(state["environment"])
        self._house.set_state(state["house"])
        for kind, own in self._agents.items():
            for name, agent in own.items():
                agent.set_state(state["agents"][kind][name])
