"""A sweep: one scenario over many values of some of its paths, and many seeds."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, InputError, ScenarioError, known
from tokenflow_sim.ledger.plan import running_versions
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.assignment import Choice, written_down
from tokenflow_sim.study.choices import check_ways
from tokenflow_sim.study.crew import Progress
from tokenflow_sim.study.describe import described
from tokenflow_sim.study.design import Design, How, make_design
from tokenflow_sim.study.frame import Frame, Kept, labels_of
from tokenflow_sim.study.measures import summarise
from tokenflow_sim.study.measures.summary import RECORD
from tokenflow_sim.study.memory_store import MemoryStore
from tokenflow_sim.study.opening import FORMAT, FORMAT_VERSION, open_store
from tokenflow_sim.study.runner import Failure, run_tasks
from tokenflow_sim.study.sampling import Values
from tokenflow_sim.study.task import Task, source_of
from tokenflow_sim.study.zarr_store import ZarrStore
from tokenflow_sim.variables import BACKLOG, MEASURES, RESULTS

if TYPE_CHECKING:
    from distributed import Client
    from matplotlib.figure import Figure

RECORDED = ("price", "unserved", "profit", "total_cost", "welfare", "certificate")
"""What a sweep keeps of each period, unless told otherwise."""


class Options(TypedDict, total=False):
    """What every study with a store may be told beside its question; `sweep` says what it means."""

    strategies: Mapping[str, Choice] | None
    workers: int | None
    client: Client | None
    out: str | Path | None
    resume: bool
    force: bool
    allow_code: bool
    progress: Progress | None


@dataclass(frozen=True)
class Sweep:
    """What a sweep brought.

    Parameters
    ----------
    dataset : Dataset
        Measures of each run and what it recorded; dims named by the dotted paths that were varied (or ``point``),
        then `seed`, then those of the results. `status` says how each run ended: ``done``, ``infeasible``,
        ``failed``, or ``missing`` where the study is unfinished. Lazy where it was written to a store.
    failures : list of Failure
        The runs that failed, with what repeats them.
    seconds : dict
        How long each run that was played now took, by position.
    """

    dataset: xr.Dataset
    failures: list[Failure] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def runs(self) -> list[str]:
        """The dims of the runs."""
        return [str(dim) for dim in json.loads(self.dataset.attrs["runs"])]

    @property
    def paths(self) -> list[str]:
        """The dotted paths that were varied."""
        return [str(path) for path in json.loads(self.dataset.attrs["paths"])]

    @property
    def table(self) -> pd.DataFrame:
        """One row a run: its values, its seed, how it ended, and its measures."""
        dataset, runs = self.dataset, self.runs
        columns: dict[str, Any] = {}
        blank = dataset["status"]
        for name in [*self.paths, *([] if "point" not in runs else ["point"]), "seed"]:
            columns[name] = dataset[name].broadcast_like(blank).transpose(*runs).values.ravel()
        columns["status"] = blank.values.ravel()
        for name in MEASURES:
            if name not in dataset:
                continue
            array = dataset[name].transpose(*runs, ...)
            flat = array.values.reshape(blank.size, -1)
            own = [str(dim) for dim in array.dims if dim not in runs]
            labels = dataset[own[0]].values if own else [""]
            for number, label in enumerate(labels):
                columns[f"{name}[{label}]" if own else name] = flat[:, number]
        return pd.DataFrame(columns)

    def summary(
        self, over: str | Sequence[str] = "seed", quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    ) -> xr.Dataset:
        """Summarise over some dims: mean, standard deviation, quantiles and number of runs.

        Parameters
        ----------
        over : str or sequence of str
            The dims to summarise over.
        quantiles : sequence of float
            Which quantiles, each between 0 and 1.

        Returns
        -------
        Dataset
            Every variable with a dim ``statistic`` (mean, std, count, q5, q50, ...). Runs that failed are left out.
            Lazy where the sweep is: only what is used of it is read, some runs at a time.
        """
        dims = [over] if isinstance(over, str) else list(over)
        faults = [
            Fault(known("dim", dim, list(self.dataset.dims)), "over")
            for dim in dims
            if dim not in self.dataset.dims
        ]
        faults += [
            Fault(f"lie between 0 and 1; found {q!r}", "quantiles") for q in quantiles if not 0 <= q <= 1
        ]
        if faults:
            raise InputError(faults, "summary")
        numbers = self.dataset.drop_vars(["status", "message"])
        return xr.Dataset(
            {
                name: described(array, [dim for dim in dims if dim in array.dims], quantiles)
                for name, array in numbers.data_vars.items()
            },
            attrs=self.dataset.attrs,
        )

    def plot(self, **options: Any) -> Figure:
        """Draw a measure over what was varied.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.sweep` takes them.
        """
        # A study stands below the figures, and must load without them.
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.sweep(self.dataset, **options))

    def __repr__(self) -> str:
        """Summarise the sweep in one line."""
        found, counts = np.unique(self.dataset["status"].values, return_counts=True)
        told = ", ".join(f"{count} {status}" for status, count in zip(found, counts, strict=True))
        return f"<Sweep: {self.dataset.attrs['scenario_name']} over {', '.join(self.paths)}; runs: {told}>"


def load_sweep(path: str | Path) -> Sweep:
    """Open what a sweep wrote, finished or not; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        The Zarr store.

    Raises
    ------
    ResultError
        If there is no such store, it is damaged, or it holds something else.
    """
    return Sweep(open_store(path))


@dataclass(frozen=True, slots=True)
class KeepRun:
    """Makes of a run what a sweep keeps of it.

    Parameters
    ----------
    record : tuple of str
        The variables that are kept period by period.
    """

    record: tuple[str, ...]

    def __call__(self, model: TokenMarket) -> Kept:
        """Return the run's measures and what it recorded."""
        results = model.results()
        measures = summarise(results, model.settings)
        return Kept(
            labels_of(model.ledger.plan, model.periods),
            {str(name): array.values for name, array in measures.data_vars.items()},
            {name: results[name].values for name in self.record if name in results},
        )


def sweep(
    scenario: str | Path | Scenario,
    vary: Mapping[str, Values],
    *,
    seeds: int | Sequence[int] = 1,
    how: How | None = None,
    samples: int | None = None,
    sample_seed: int = 0,
    periods: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Choice] | None = None,
    record: Iterable[str] = RECORDED,
    workers: int | None = 1,
    client: Client | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Play a scenario at many values of some of its paths, each with the same seeds.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What is played.
    vary : mapping
        What each dotted path is varied over: a list, a distribution (`uniform`, `loguniform`, `integers`), or either
        as text, e.g. ``"1:45:1"``, ``"1,2,3"``, ``"uniform(1, 3)"``.
    seeds : int or sequence of int
        How many seeds from 0 on, or which. Points share them, so that they meet the same random numbers.
    how : {'grid', 'list', 'random', 'latin', 'sobol'}, optional
        The product of the lists, lists side by side, or how distributions are drawn from.
    samples : int, optional
        How many points to draw from the distributions.
    sample_seed : int
        Seed of that draw.
    periods : int, optional
        Number of periods, in place of the scenario's.
    overrides, strategies : mapping, optional
        Other values and strategies at all points, as `TokenMarket` takes them.
    record : iterable of str
        The variables to keep of each period, of those in `variables.RESULTS`; none keeps the measures alone.
    workers : int or None
        Processes on this machine; None for all cores.
    client : distributed.Client, optional
        A Dask cluster to play on.
    out : str or Path, optional
        A Zarr store to write to while runs finish.
    resume, force : bool
        Whether to go on with the same study in `out`, or to replace what is there.
    allow_code : bool
        Whether strategies given as ``module:Class`` may be imported.
    progress : callable, optional
        Called after each run with the number of runs done and of all.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        With all faults of the arguments.
    ScenarioError
        With all faults of all points, before any run.
    ResultError
        If `out` cannot be written, or holds something else.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> found = tf.sweep("us5", {"demand.scale": [30, 40]}, periods=1)
    >>> found.dataset["mean_price"].dims
    ('demand.scale', 'seed', 'workload')
    """
    design = make_design(vary, seeds, how=how, samples=samples, sample_seed=sample_seed)
    return play_design(
        design, scenario, periods, overrides, record, {"sample_seed": sample_seed}, strategies=strategies,
        workers=workers, client=client, out=out, resume=resume, force=force, allow_code=allow_code, progress=progress,
    )  # fmt: skip


def play_design(
    design: Design,
    scenario: str | Path | Scenario,
    periods: int | None,
    overrides: Mapping[str, Any] | None,
    record: Iterable[str],
    attrs: Mapping[str, Any],
    *,
    strategies: Mapping[str, Choice] | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Play the runs of a design; `attrs` are added to those of the Dataset, all else is as `sweep` takes it."""
    kept = _recorded(record, resume, force)
    recorded = [name for name in (*RESULTS, *BACKLOG) if name in {*kept, *RECORD}]
    given = {**(overrides or {}), **({} if periods is None else {"periods": periods})}
    base = load_scenario(scenario, given)
    pattern = Task(
        base, 0, strategies=strategies, allow_code=allow_code, given=given,
        source=source_of(scenario),
    )  # fmt: skip
    frame = Frame(design, kept)
    tasks = _prepare(design, pattern, frame, recorded)
    about = _about(design, base, strategies, attrs)
    store: ZarrStore | MemoryStore
    store = MemoryStore(frame) if out is None else ZarrStore(out, frame, about, resume=resume, force=force)
    batch = run_tasks(
        tasks, KeepRun(kept), record=recorded, progress=progress, workers=workers,
        client=client, store=store,
    )  # fmt: skip
    return Sweep(store.dataset().assign_attrs(about), batch.failures, batch.seconds)


def _recorded(record: Iterable[str], resume: bool, force: bool) -> tuple[str, ...]:
    given = [record] if isinstance(record, str) else list(record)
    table = {**RESULTS, **BACKLOG}
    faults = [Fault(known("variable", name, list(table)), "record") for name in given if name not in table]
    check_ways(resume, force, faults)
    if faults:
        raise InputError(faults, "the study")
    return tuple(name for name in table if name in set(given))


def _prepare(design: Design, pattern: Task, frame: Frame, recorded: Sequence[str]) -> list[Task]:
    """Make the tasks, check all points, and tell the frame the shape of what they will bring.

    Raises
    ------
    ScenarioError
        With the faults of all points, the first time each is found.
    """
    tasks: list[Task] = []
    faults: dict[str, Fault] = {}
    structures: set[str] = set()
    names = list(design.shape)
    for point in design:
        labels = dict(zip(names, point.index, strict=False)) | point.values
        of_point = [
            replace(pattern, seed=seed, label={**labels, "seed": seed}, overrides=point.values)
            for seed in design.seeds
        ]
        tasks += of_point
        try:
            structure = repr([(p, v) for p, v in point.values.items() if p == "periods" or not _is_number(v)])
            if structure in structures:
                pattern.scenario.override(point.values)
            else:
                model = of_point[0].model(record=recorded)
                frame.add(model.ledger.plan, model.periods)
                structures.add(structure)
        except InputError as error:
            for fault in error.faults:
                faults.setdefault(str(fault), fault)
    if faults:
        raise ScenarioError(list(faults.values()), f"scenario {pattern.scenario.name!r} as it is varied")
    return tasks


def _is_number(value: Any) -> bool:
    """Say whether a value is one that moves numbers of a market, but not its labels."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _about(
    design: Design, base: Scenario, strategies: Mapping[str, Choice] | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes that let a study be made again."""
    paths = [name for name in design.coords if name not in ("seed", "point")]
    return {
        "title": f"{base.name} over {', '.join(paths)}",
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "runs": json.dumps(list(design.shape)),
        "paths": json.dumps(paths),
        "design": design.describe(),
        "strategies": written_down(strategies),
        "hours": float(base.hours),
        "scenario_name": base.name,
        "scenario": base.to_yaml(),
        "versions": running_versions(),
        **more,
    }
