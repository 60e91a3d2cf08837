"""A sweep: one scenario over many values of some of its paths, and many seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.strategies.assignment import Choice, written_down
from tokenflow_sim.strategies.code import written
from tokenflow_sim.study.arguments import changes_of, check_ways, fixed_too
from tokenflow_sim.study.code import study_code
from tokenflow_sim.study.common import comparable
from tokenflow_sim.study.design import Design, How, make_design
from tokenflow_sim.study.executor import Progress
from tokenflow_sim.study.frame import DatasetShape, RunRecord, labels_of
from tokenflow_sim.study.measures import summarise
from tokenflow_sim.study.measures.summary import RECORD
from tokenflow_sim.study.messages import point_name, warn_failed
from tokenflow_sim.study.points import prepare
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.sampling import Values
from tokenflow_sim.study.store import MemoryStore
from tokenflow_sim.study.swept import Sweep
from tokenflow_sim.study.task import Task, source_of
from tokenflow_sim.study.zarr_files import FORMAT, FORMAT_VERSION
from tokenflow_sim.study.zarr_store import ZarrStore
from tokenflow_sim.variables import BACKLOG, RESULTS

if TYPE_CHECKING:
    from distributed import Client

RECORDED = ("price", "unserved", "profit", "total_cost", "welfare", "certificate")
"""What a sweep keeps of each period, unless stated otherwise."""
_NO_PATHS = ("seed", "point")


class Options(TypedDict, total=False):
    """What every study with a store takes beside its question; `sweep` says what it means."""

    strategies: Mapping[str, Choice] | None
    workers: int | None
    client: Client | None
    out: str | Path | None
    resume: bool
    force: bool
    allow_code: bool
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class RecordRun:
    """Makes of a run what a sweep keeps of it.

    Parameters
    ----------
    record : tuple of str
        The variables that are kept period by period.
    """

    record: tuple[str, ...]

    def __call__(self, model: TokenMarket) -> RunRecord:
        """Return the run's measures and what it recorded."""
        results = model.results()
        measures = summarise(results, model.settings)
        return RunRecord(
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
        Whether to resume the same study in `out`, or to replace it.
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
    warns: bool = True,
    strategies: Mapping[str, Choice] | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Play the runs of a design; `attrs` are added to those of the Dataset, all else is as `sweep` takes it.

    It warns of runs that failed, unless the caller refuses them.
    """
    faults: list[Fault] = []
    check_ways(resume, force, faults)
    given = changes_of(overrides, periods, faults)
    faults += fixed_too([path for path in design.coords if path not in _NO_PATHS], given)
    if faults:
        raise InputError(faults, "the study")
    base = load_scenario(scenario, given)
    pattern = Task(
        base, 0, strategies=strategies, allow_code=allow_code, given=given,
        source=source_of(scenario),
    )  # fmt: skip
    kept, recorded = _recorded(record, pattern)
    frame = DatasetShape(design, kept)
    tasks = prepare(design, pattern, frame, recorded)
    about = _about(design, base, strategies, attrs)
    about |= written(study_code(tasks))
    if frame.united:
        about["union"] = json.dumps(frame.united)
    store: ZarrStore | MemoryStore
    store = MemoryStore(frame) if out is None else ZarrStore(out, frame, about, resume=resume, force=force)
    batch = run_tasks(
        tasks, RecordRun(kept), record=recorded, progress=progress, workers=workers,
        client=client, store=store,
    )  # fmt: skip
    found = Sweep(store.dataset().assign_attrs(about), batch.failures, batch.seconds)
    if warns and found.failures:
        warn_failed(found.failures, tasks, _point_of, comparable(found.dataset[["status"]])[1])
    return found


def _point_of(task: Task) -> list[str]:
    """Name the point of a run."""
    return [point_name({path: value for path, value in task.label.items() if path not in _NO_PATHS})]


def _recorded(record: Iterable[str], pattern: Task) -> tuple[tuple[str, ...], list[str]]:
    """Return the variables to keep, and those to record: measures need some.

    Raises
    ------
    InputError
        With all names that are no variable of the scenario's results.
    """
    given = set([record] if isinstance(record, str) else record)
    table = {**RESULTS, **BACKLOG}
    if given - set(table):  # what not every run records, such as duals of limits, is known to the model alone
        table = pattern.model().ledger.plan.table
    faults = [
        Fault(unknown_name("variable", name, list(table)), "record") for name in given if name not in table
    ]
    if faults:
        raise InputError(faults, "the study")
    kept = tuple(name for name in table if name in given)
    return kept, [name for name in table if name in {*kept, *RECORD}]


def _about(
    design: Design, base: Scenario, strategies: Mapping[str, Choice] | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes that let a study be made again."""
    paths = [name for name in design.coords if name not in _NO_PATHS]
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
        **base.packed,
        "versions": running_versions(),
        **more,
    }
