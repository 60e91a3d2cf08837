"""Markets of a batch that are stepped one by one, as ordinary models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.batch.labelled import labelled
from tokenflow_sim.batch.outside import submission, with_seeds
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.base import Kind


class SeparateMarkets:
    """Ordinary models, one for each seed.

    Parameters
    ----------
    first : TokenMarket
        That of the first seed.
    make : callable
        Makes the model of another seed.
    seeds : sequence of int
        The seeds.
    """

    def __init__(self, first: TokenMarket, make: Callable[[int], TokenMarket], seeds: Sequence[int]) -> None:
        self.seeds = tuple(seeds)
        self.models = [first, *(make(seed) for seed in self.seeds[1:])]

    def give(self, kind: Kind, name: str, arrays: Mapping[str, Floats]) -> None:
        """Take what an agent submits for the next period, arrays with a leading dim of seeds."""
        for number, model in enumerate(self.models):
            own = {label: array[number] for label, array in arrays.items()}
            _agent(model, kind, name).strategy.put(submission(kind, own))

    def view(self, kind: Kind, name: str) -> Any:
        """Return what an agent sees before it submits, arrays with a leading dim of seeds."""
        return with_seeds([model.view(name) for model in self.models])

    def receipt(self, kind: Kind, name: str) -> Any:
        """Return what an agent learns from the last period, likewise."""
        found = []
        for model in self.models:
            house = model.clearing_house
            assert house.result is not None
            found.append(_agent(model, kind, name).receipt(house.result, house.history))
        return with_seeds(found)

    def step(self) -> None:
        """Play a period of each market.

        Raises
        ------
        StrategyError, InfeasibleError, CertificateError
            As a model does, with a note that names the seed.
        """
        shared = self.models[0].clearing_house
        for seed, model in zip(self.seeds, self.models, strict=True):
            # One solver's model does for all of them: what it answers depends on the market alone.
            model.clearing_house.clearer = model.clearing_house.clearer or shared.clearer
            try:
                model.step()
            except Exception as error:
                error.add_note(f"in the market of seed {seed}")
                raise

    def results(self, periods: int) -> xr.Dataset:
        """Return the results of the periods that all markets have played, which are so many, from the first on."""
        plan = self.models[0].ledger.plan
        found = [model.results().isel(period=slice(periods)) for model in self.models]
        values = {name: np.stack([one[name].to_numpy() for one in found]) for name in plan.variables}
        return labelled(plan, self.seeds, values, int(found[0].period[0]))

    def get_state(self) -> list[dict[str, Any]]:
        """Return where each market stands."""
        return [model.get_state() for model in self.models]

    def set_state(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go back to what `get_state` returned."""
        for model, saved in zip(self.models, state, strict=True):
            model.set_state(saved)


def _agent(model: TokenMarket, kind: Kind, name: str) -> Any:
    return getattr(model, f"{kind}s")[name]
