"""``compare``: one or all providers play one strategy after another under common random numbers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numerals import counted
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.study.arguments import (
    changes_of,
    check_burn_in,
    check_confidence,
    check_provider,
    check_rivals,
    label_of,
    labelled,
    refuse,
    replaced_strategies,
    seeds_of,
)
from tokenflow_sim.study.common import comparable
from tokenflow_sim.study.measures.summary import RECORD, summarise
from tokenflow_sim.study.messages import safe_repr, warn_failed
from tokenflow_sim.study.output import OutputFile
from tokenflow_sim.study.runner import Batch, run_tasks
from tokenflow_sim.study.statistics import METHODS, Method, paired
from tokenflow_sim.study.task import Failure, Task, source_of
from tokenflow_sim.variables import MEASURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERYONE = "every provider"


@dataclass(frozen=True)
class Comparison:
    """What each strategy brought, and how much it differs from the baseline.

    Parameters
    ----------
    dataset : Dataset
        The measures of every run (`variables.MEASURES`), dims (strategy, seed) and provider or workload; NaN where a
        run failed. Attributes: `provider`, `baseline`, `confidence`, `method`, `burn_in`, `scenario` (its text),
        `scenario_name`, `failures` (position, kind and message of each as JSON).
    failures : list of Failure
        The runs that could not be finished.

    Attributes
    ----------
    differences : dict
        By measure, a Dataset of `mean`, `lower`, `upper`, `p_value`, `p_value_holm` and `pairs`: differences from the
        baseline run by run, the interval being that of their mean.
    table : DataFrame
        One row a measure, whose it is, and strategy: mean over seeds, and the difference with its interval and
        p-value. `p_value_holm` is adjusted for all strategies that are compared with the baseline (Holm, 1979).

    Notes
    -----
    Means and differences are over the seeds that all strategies finished; a strategy that finished none is left out,
    and its row is NaN.
    """

    dataset: xr.Dataset
    failures: list[Failure] = field(default_factory=list)

    @property
    def baseline(self) -> str:
        """The strategy that the others are compared with."""
        return str(self.dataset.attrs["baseline"])

    @property
    def provider(self) -> str | None:
        """The provider that plays the strategies; None where all do."""
        name = str(self.dataset.attrs["provider"])
        return None if name == EVERYONE else name

    @cached_property
    def differences(self) -> dict[str, xr.Dataset]:
        """Paired differences from the baseline, by measure."""
        return differences(self.dataset)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means, and differences from the baseline with their intervals."""
        rows: list[dict[str, Any]] = []
        compared, _ = comparable(self.dataset, self.baseline)
        for name, difference in self.differences.items():
            mean = compared[name].mean("seed")
            extra = next((str(dim) for dim in mean.dims if dim != "strategy"), None)
            for label in [None] if extra is None else mean[extra].values:
                chosen: dict[str, Any] = {} if extra is None else {extra: label}
                for strategy in mean["strategy"].values:
                    here = difference.sel({"strategy": strategy, **chosen})
                    rows.append(
                        {
                            "measure": name,
                            "unit": MEASURES[name].unit,
                            "of": "market" if label is None else str(label),
                            "strategy": str(strategy),
                            "mean": float(mean.sel({"strategy": strategy, **chosen})),
                            "difference": float(here["mean"]),
                            "lower": float(here["lower"]),
                            "upper": float(here["upper"]),
                            "p_value": float(here["p_value"]),
                            "p_value_holm": float(here["p_value_holm"]),
                            "pairs": int(here["pairs"]),
                        }
                    )
        return pd.DataFrame(rows)

    def plot(self, **options: Any) -> Figure:
        """Draw the differences with their intervals.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.comparison` takes them.
        """
        # A study stands below the figures, and must load without them.
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.comparison(self.dataset, **options))

    @safe_repr
    def __repr__(self) -> str:
        """Summarise the comparison in one line."""
        names = ", ".join(map(str, self.dataset["strategy"].values))
        note = comparable(self.dataset, self.baseline)[1]
        failed = f"; {counted(len(self.failures), 'run')} failed" if self.failures else ""
        failed += f"; {note}" if note else ""
        who = self.dataset.attrs["provider"]
        return f"<Comparison: {who} plays {names}; {self.dataset.sizes['seed']} seeds{failed}>"


def differences(dataset: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return paired differences from the baseline, by measure, of a comparison's Dataset (also one from a file).

    Raises
    ------
    ResultError
        If it is not the Dataset of a comparison.
    """
    missing = [name for name in ("baseline", "confidence", "method") if name not in dataset.attrs]
    if missing or not {"strategy", "seed"} <= set(dataset.dims):
        raise ResultError("this is not the dataset of a comparison: tf.compare(...).dataset, or a file of it")
    compared, _ = comparable(dataset, dataset.attrs["baseline"])
    return {
        name: paired(
            compared[name],
            "strategy",
            dataset.attrs["baseline"],
            confidence=float(dataset.attrs["confidence"]),
            method=dataset.attrs["method"],
        )
        for name in MEASURES
        if name in dataset
    }


def compare(
    scenario: str | Path | Scenario,
    strategies: Sequence[Choice],
    provider: str | None = None,
    seeds: int | Sequence[int] = 20,
    periods: int | None = None,
    *,
    burn_in: int = 0,
    baseline: Choice | None = None,
    rivals: Mapping[str, Choice] | None = None,
    overrides: Mapping[str, Any] | None = None,
    confidence: float = 0.95,
    method: Method = "student",
    allow_code: bool = False,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    **runner: Any,
) -> Comparison:
    """Let a provider, or all of them, play one strategy after another against the same random numbers.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What is played.
    strategies : sequence
        At least two: names, ``{"name": ..., parameter: value}``, ``"module:Class"``, classes or objects.
    provider : str, optional
        Who plays them, the others keeping theirs; everyone if left out.
    seeds : int or sequence of int
        How many seeds from 0 on, or which.
    periods : int, optional
        Number of periods, in place of the scenario's.
    burn_in : int
        Periods at the start that the measures leave out, while strategies still learn.
    baseline : optional
        The strategy to compare with: one of `strategies` as it is given there, or its label; the first if left out.
    rivals : mapping, optional
        Strategies of the other agents than the scenario's, as `TokenMarket` takes them.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    confidence, method
        As `statistics.interval` takes them.
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
    Comparison
        With `.dataset`, `.table` and `.plot()`.

    Raises
    ------
    InputError
        With everything that is wrong: unknown providers, strategies, parameters.
    ResultError
        If all runs failed (the first reason is reported), or `out` cannot be written or holds something else.

    Notes
    -----
    Under one seed every strategy meets the same demand: each agent draws from a stream of its own, keyed by seed and
    name, so that a strategy that draws more shifts nobody's numbers. Differences are taken seed by seed, and the
    interval is that of their mean, which is narrower than that of two independent means by all that seeds have in
    common.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> found = tf.compare("us5", ["marginal_cost", "fixed_markup"], seeds=2, periods=3)
    >>> found.dataset.welfare_rate.dims
    ('strategy', 'seed')
    """
    faults: list[Fault] = []
    changes = changes_of(overrides, periods, faults)
    loaded = load_scenario(scenario, changes)
    choices = labelled(strategies, allow_code, faults)
    check_provider(loaded, provider, faults)
    numbers = seeds_of(seeds, faults)
    check_confidence(confidence, faults)
    check_burn_in(burn_in, loaded.periods, faults)
    if method not in METHODS:
        faults.append(Fault(unknown_name("method", method, METHODS), "method"))
    base = None if baseline is None else label_of(baseline)
    if base is not None and choices and base not in choices:
        faults.append(Fault(unknown_name("strategy", base, list(choices)), "baseline"))
    played = "providers" if provider is None else f"providers.{provider}"
    check_rivals(rivals, played, faults)
    faults += replaced_strategies(changes, provider)
    refuse(faults, "comparison")
    tasks = [
        Task(
            loaded,
            seed,
            label={"strategy": label, "seed": seed},
            strategies={**(rivals or {}), played: choice},
            allow_code=allow_code,
            source=source_of(scenario),
            given=changes,
            burn_in=burn_in,
        )
        for label, choice in choices.items()
        for seed in numbers
    ]
    tasks[0].model(record=["price"])  # reports what is wrong with `rivals` before any run
    attrs = {
        "title": f"{loaded.name}: {', '.join(choices)}",
        "study": "comparison",
        "provider": EVERYONE if provider is None else provider,
        "baseline": base or next(iter(choices)),
        "confidence": float(confidence),
        "method": method,
        "burn_in": int(burn_in),
        "scenario_name": loaded.name,
        **loaded.packed,
    }
    shape: dict[str, Sequence[Any]] = {"strategy": list(choices), "seed": numbers}
    with OutputFile(out, tasks, attrs, resume=resume, force=force) as output:
        if output.dataset is not None:
            found = Comparison(output.dataset, output.failures)
        else:
            reduce = Measure(burn_in)
            batch = run_tasks(tasks, reduce, record=RECORD, **{"store": output.store, **runner})
            found = Comparison(output.write(gather(batch, shape), batch.failures), batch.failures)
    note = comparable(found.dataset, found.baseline)[1]
    warn_failed(found.failures, tasks, lambda task: [str(task.label["strategy"])], note)
    return found


@dataclass(frozen=True, slots=True)
class Measure:
    """Makes of a run its measures: what each process of a study sends back.

    Parameters
    ----------
    burn_in : int
        Periods at the start that are left out.
    """

    burn_in: int = 0

    def __call__(self, model: TokenMarket) -> xr.Dataset:
        """Return the measures of the periods that count."""
        return summarise(model.results().isel(period=slice(self.burn_in, None)), model.settings)


def gather(batch: Batch[xr.Dataset], shape: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    """Put the measures of all runs into one Dataset; NaN where a run failed.

    Parameters
    ----------
    batch : Batch
        What the runs brought, in the order of the product of `shape`.
    shape : mapping
        Labels by dim.

    Raises
    ------
    ResultError
        If no run was finished.
    """
    results = dict(batch.results.items())
    if not results:
        raise ResultError(f"every run failed; the first: {batch.failures[0]}")
    first = next(iter(results.values()))
    sizes = [len(labels) for labels in shape.values()]
    blank = first.map(lambda array: array * np.nan, keep_attrs=True)
    stacked = {}
    for name in first.data_vars:
        rows = [results.get(place, blank)[name].values for place in range(int(np.prod(sizes)))]
        values = np.array(rows).reshape(*sizes, *first[name].shape)
        stacked[name] = ((*shape, *first[name].dims), values, first[name].attrs)
    coords: dict[str, Any] = {dim: np.array(labels) for dim, labels in shape.items()}
    return xr.Dataset(stacked, coords | {str(dim): first[dim].values for dim in first.dims})
