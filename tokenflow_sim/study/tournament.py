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
from numpy.typing import NDArray
from scipy import stats

from tokenflow_sim.errors import Fault, ResultError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.study.choices import check_confidence, check_provider, labelled, refuse, seeds_of
from tokenflow_sim.study.output import Output
from tokenflow_sim.study.runner import Batch, Failure, run_tasks
from tokenflow_sim.study.statistics import interval
from tokenflow_sim.study.task import Task, source_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_RESAMPLES = 2000
_ROUNDING = 1e-12  # share of a payoff, also of a loss, up to which two are the same


@dataclass(frozen=True)
class Tournament:
    """What each strategy earned against each other.

    Parameters
    ----------
    dataset : Dataset
        `payoff` in $/h, dims (strategy, rival, seed, provider): profit of the provider when it plays the strategy and
        all others play the rival one; NaN where a run failed. Attributes: `confidence`, `scenario` (its text),
        `scenario_name`.
    failures : list of Failure
        The runs that could not be finished.

    Attributes
    ----------
    table : DataFrame
        The ranking.
    """

    dataset: xr.Dataset
    failures: list[Failure] = field(default_factory=list)

    @property
    def payoff(self) -> xr.DataArray:
        """Mean payoff in $/h over seeds and providers, dims (strategy, rival)."""
        return self.dataset["payoff"].mean(["seed", "provider"]).assign_attrs(self.dataset["payoff"].attrs)

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

    def __repr__(self) -> str:
        """Summarise the tournament in one line."""
        sizes = self.dataset.sizes
        failed = f"; {len(self.failures)} runs failed" if self.failures else ""
        return (
            f"<Tournament: {sizes['strategy']} strategies, {sizes['provider']} providers in turn,"
            f" {sizes['seed']} seeds; first: {self.table.index[0]}{failed}>"
        )


def ranking(dataset: xr.Dataset) -> pd.DataFrame:
    """Rank the strategies of a tournament's Dataset (also one from a file).

    Parameters
    ----------
    dataset : Dataset
        A tournament's.

    Returns
    -------
    DataFrame
        Index `strategy`, the best first. `score`: mean payoff in $/h over rivals, providers and seeds; `advantage`,
        `lower`, `upper`: score less the mean score of all strategies, with its interval over seeds, paired; `rank`,
        and `rank_lower`, `rank_upper`: the ranks within which it lies at that confidence when seeds are resampled;
        `stable`: whether no strategy earns more against it than itself does, on the mean: a symmetric equilibrium
        among these strategies.

    Raises
    ------
    ResultError
        If it is not the Dataset of a tournament.
    """
    if "payoff" not in dataset or "rival" not in dataset.dims:
        raise ResultError(
            "this is not the dataset of a tournament: tf.tournament(...).dataset, or a file of it"
        )
    confidence = float(dataset.attrs["confidence"])
    payoff = dataset["payoff"].transpose("seed", "strategy", "rival", "provider")
    # A seed counts whole or not at all: strategies are compared on the same random numbers.
    whole = payoff.notnull().all(["strategy", "rival", "provider"])
    scores = payoff.mean(["rival", "provider"]).where(whole).dropna("seed").values
    names = [str(name) for name in dataset["strategy"].values]
    if not len(scores):
        raise ResultError("no seed has all runs of the tournament, so that strategies cannot be ranked")
    found = interval(scores - scores.mean(axis=1, keepdims=True), confidence)
    lowest, highest = _rank_interval(scores, confidence)
    mean = payoff.where(whole).mean(["seed", "provider"]).values
    best = mean.max(axis=0)
    table = pd.DataFrame(
        {
            "score": scores.mean(axis=0),
            "advantage": found.mean,
            "lower": found.lower,
            "upper": found.upper,
            "rank": _ranks(scores.mean(axis=0)).astype(int),
            "rank_lower": lowest,
            "rank_upper": highest,
            "stable": np.diag(mean) >= best - _ROUNDING * np.abs(best),
        },
        index=pd.Index(names, name="strategy"),
    )
    return table.sort_values(["rank"], kind="stable")


def _ranks(scores: Floats) -> Floats:
    """Return ranks along the last axis, 1 for the highest; equals share the better rank."""
    ranks: Floats = stats.rankdata(-scores, method="min", axis=-1)
    return ranks


def _rank_interval(scores: Floats, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return between which ranks each strategy lies when seeds are drawn again with replacement."""
    draws = np.random.default_rng(0).integers(len(scores), size=(_RESAMPLES, len(scores)))
    ranks = _ranks(scores[draws].mean(axis=1))
    tail = (1 - confidence) / 2
    low = np.quantile(ranks, tail, axis=0, method="lower")
    high = np.quantile(ranks, 1 - tail, axis=0, method="higher")
    return low.astype(np.int64), high.astype(np.int64)


def tournament(
    scenario: str | Path | Scenario,
    strategies: Sequence[Choice],
    seeds: int | Sequence[int] = 5,
    periods: int | None = None,
    *,
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
        Whether to go on with what is there of the same study, or to replace it.
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
        If all runs failed (the first reason is told), or `out` cannot be written or holds something else.

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
    changes = dict(overrides or {}) | ({} if periods is None else {"periods": periods})
    loaded = load_scenario(scenario, changes)
    faults: list[Fault] = []
    choices = labelled(strategies, allow_code, faults)
    check_provider(loaded, provider, faults)
    if len(loaded.providers) < 2:
        faults.append(
            Fault(f"a tournament needs rivals; scenario {loaded.name!r} has one provider", "scenario")
        )
    numbers = seeds_of(seeds, faults)
    check_confidence(confidence, faults)
    refuse(faults, "tournament")
    players = [provider] if provider is not None else list(loaded.providers)
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
        )
        for own, rival, player in matches
        for seed in numbers
    ]
    attrs = {
        "title": f"{loaded.name}: tournament of {', '.join(choices)}",
        "study": "tournament",
        "confidence": float(confidence),
        "scenario_name": loaded.name,
        "scenario": loaded.to_yaml(),
    }
    with Output(out, tasks, attrs, resume=resume, force=force) as output:
        if output.dataset is not None:
            return Tournament(output.dataset, output.failures)
        batch = run_tasks(tasks, profits, record=("profit",), **{"store": output.store, **runner})
        payoff = _payoffs(batch, matches, list(choices), numbers, players, list(loaded.providers))
        return Tournament(output.write(payoff.to_dataset(name="payoff"), batch.failures), batch.failures)


def profits(model: TokenMarket) -> Floats:
    """Make of a run the profits of all providers in $/h: what each process of a tournament sends back."""
    profit: Floats = model.results()["profit"].mean("period").values / model.hours
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
