"""``tournament``: every strategy against every other, and a ranking that says how sure it is."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numerals import counted
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.study.arguments import (
    changes_of,
    check_burn_in,
    check_confidence,
    check_provider,
    labelled,
    refuse,
    replaced_strategies,
    seeds_of,
)
from tokenflow_sim.study.common import common_of, comparable
from tokenflow_sim.study.measures.earnings import earnings
from tokenflow_sim.study.messages import safe_repr, warn_failed
from tokenflow_sim.study.output import OutputFile
from tokenflow_sim.study.runner import Batch, run_tasks
from tokenflow_sim.study.statistics import mean_payoff, ranking
from tokenflow_sim.study.task import Failure, Task, source_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Tournament:
    """What each strategy earned against each other.

    Parameters
    ----------
    dataset : Dataset
        `payoff` in $/h, dims (strategy, rival, seed, provider): profit of the provider, with what its forward
        contracts brought, when it plays the strategy and all others play the rival one; NaN where a run failed.
        Attributes: `confidence`, `burn_in`, `scenario` (its text), `scenario_name`, `failures` (position, kind and
        message of each as JSON).
    failures : list of Failure
        The runs that could not be finished.

    Attributes
    ----------
    table : DataFrame
        The ranking of those that can be ranked.
    unranked : list of str
        The strategies that cannot be: with them, no seed would have all its runs.
    """

    dataset: xr.Dataset
    failures: list[Failure] = field(default_factory=list)

    @property
    def payoff(self) -> xr.DataArray:
        """Mean payoff in $/h over seeds and providers, dims (strategy, rival); NaN of those that are not ranked."""
        return mean_payoff(self.dataset)

    @property
    def unranked(self) -> list[str]:
        """The strategies that cannot be ranked."""
        common = common_of(self.dataset)
        return [] if common is None else common.left_out

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a strategy, the best first; see `ranking`."""
        return ranking(self.dataset)

    def plot(self, **options: Any) -> Figure:
        """Draw the payoffs as a heat map, and the ranking beside it.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.tournament` takes them.
        """
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.tournament(self.dataset, **options))

    @safe_repr
    def __repr__(self) -> str:
        """Summarise the tournament in one line."""
        sizes = self.dataset.sizes
        note = comparable(self.dataset)[1]
        failed = f"; {counted(len(self.failures), 'run')} failed" if self.failures else ""
        failed += f"; {note}" if note else ""
        return (
            f"<Tournament: {sizes['strategy']} strategies, {sizes['provider']} providers in turn,"
            f" {sizes['seed']} seeds; first: {self.table.index[0]}{failed}>"
        )


def tournament(
    scenario: str | Path | Scenario,
    strategies: Sequence[Choice],
    seeds: int | Sequence[int] = 5,
    periods: int | None = None,
    *,
    burn_in: int = 0,
    provider: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    allow_code: bool = False,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    **runner: Any,
) -> Tournament:
    """Let every strategy play against every other, itself among them.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What is played.
    strategies : sequence
        At least two, as `compare` takes them.
    seeds : int or sequence of int
        How many seeds from 0 on, or which; the same for every pair.
    periods : int, optional
        Number of periods, in place of the scenario's.
    burn_in : int
        Periods at the start that the profits leave out, while strategies still learn.
    provider : str, optional
        Who plays the one strategy, while all others play the other; each provider in turn if left out.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    confidence : float
        Of the intervals of the ranking.
    allow_code : bool
        Whether ``module:Class`` may be imported.
    out : str or Path, optional
        A NetCDF file to write the Dataset to; finished runs are kept beside it until it is whole.
    resume, force : bool
        Whether to resume the same study in `out`, or to replace it.
    **runner
        Arguments of `run_tasks`: ``workers``, ``client``, ``store``, ``progress``.

    Returns
    -------
    Tournament
        With `.dataset`, `.table` (the ranking) and `.plot()`.

    Raises
    ------
    InputError
        With everything that is wrong: unknown providers, strategies, parameters.
    ResultError
        If all runs failed (the first reason is reported), or `out` cannot be written or holds something else.

    Notes
    -----
    With n strategies, m providers in turn and r seeds it takes r n (1 + m (n - 1)) runs: where both strategies are the
    same, one run serves all providers.

    References
    ----------
    R. Axelrod, "The Evolution of Cooperation", 1984 (round-robin tournaments, each strategy meeting its twin too).

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> found = tf.tournament(
    ...     "us5", ["marginal_cost", "fixed_markup"], seeds=1, periods=2, provider="dallas_dc"
    ... )
    >>> found.payoff.dims
    ('strategy', 'rival')
    """
    faults: list[Fault] = []
    changes = changes_of(overrides, periods, faults)
    loaded = load_scenario(scenario, changes)
    choices = labelled(strategies, allow_code, faults)
    check_provider(loaded, provider, faults)
    if len(loaded.compiled.providers) < 2:
        faults.append(
            Fault(f"a tournament needs rivals; scenario {loaded.name!r} has one provider", "scenario")
        )
    numbers = seeds_of(seeds, faults)
    check_confidence(confidence, faults)
    check_burn_in(burn_in, loaded.periods, faults)
    faults += replaced_strategies(changes, None)
    refuse(faults, "tournament")
    players = [provider] if provider is not None else list(loaded.compiled.providers)
    matches = list(_matches(list(choices), players))
    tasks = [
        Task(
            loaded,
            seed,
            label={"strategy": own, "rival": rival, "provider": player or "all", "seed": seed},
            strategies={"providers": choices[rival]}
            | ({} if player is None else {f"providers.{player}": choices[own]}),
            allow_code=allow_code,
            source=source_of(scenario),
            given=changes,
            burn_in=burn_in,
        )
        for own, rival, player in matches
        for seed in numbers
    ]
    attrs = {
        "title": f"{loaded.name}: tournament of {', '.join(choices)}",
        "study": "tournament",
        "confidence": float(confidence),
        "burn_in": int(burn_in),
        "scenario_name": loaded.name,
        **loaded.packed,
    }
    with OutputFile(out, tasks, attrs, resume=resume, force=force) as output:
        if output.dataset is not None:
            found = Tournament(output.dataset, output.failures)
        else:
            reduce = Profits(burn_in)
            batch = run_tasks(tasks, reduce, record=("profit",), **{"store": output.store, **runner})
            payoff = _payoffs(
                batch, matches, list(choices), numbers, players, list(loaded.compiled.providers)
            )
            written = output.write(payoff.to_dataset(name="payoff"), batch.failures)
            found = Tournament(written, batch.failures)
    note = comparable(found.dataset)[1]
    warn_failed(
        found.failures, tasks, lambda task: {str(task.label[dim]) for dim in ("strategy", "rival")}, note
    )
    return found


@dataclass(frozen=True, slots=True)
class Profits:
    """Makes of a run the profits of all providers in $/h: what each process of a tournament sends back.

    Parameters
    ----------
    burn_in : int
        Periods at the start that are left out.
    """

    burn_in: int = 0

    def __call__(self, model: TokenMarket) -> Floats:
        """Return the mean over the periods that count."""
        counting = earnings(model.results()).isel(period=slice(self.burn_in, None))
        profit: Floats = counting.mean("period").values / model.hours
        return profit


def _matches(names: Sequence[str], players: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield strategy, rivals' strategy and who plays the former; None where everybody plays the same."""
    for own in names:
        for rival in names:
            yield from ((own, rival, player) for player in ([None] if own == rival else players))


def _payoffs(
    batch: Batch[Floats],
    matches: Sequence[tuple[str, str, str | None]],
    names: Sequence[str],
    seeds: Sequence[int],
    players: Sequence[str],
    providers: Sequence[str],
) -> xr.DataArray:
    results = dict(batch.results.items())
    if not results:
        raise ResultError(f"every run failed; the first: {batch.failures[0]}")
    values = np.full((len(names), len(names), len(seeds), len(players)), np.nan)
    columns = [providers.index(player) for player in players]
    for place, profit in results.items():
        own, rival, player = matches[place // len(seeds)]
        cell = names.index(own), names.index(rival), place % len(seeds)
        if player is None:
            values[cell] = profit[columns]
        else:
            values[(*cell, players.index(player))] = profit[providers.index(player)]
    return xr.DataArray(
        values,
        dims=("strategy", "rival", "seed", "provider"),
        coords={
            "strategy": list(names),
            "rival": list(names),
            "seed": list(seeds),
            "provider": list(players),
        },
        attrs={"units": "$/h", "long_name": "profit of the provider"},
    )
