"""The one runner under every study: plays tasks, keeps what each brought, and reports at the end what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.study.executor import Executor, Progress
from tokenflow_sim.study.store import FolderStore, Store
from tokenflow_sim.study.task import Failure, Task, pack

if TYPE_CHECKING:
    from distributed import Client


SHOWN = 12
"""Failures that a message lists in full."""


@dataclass(slots=True)
class Batch[T]:
    """What a batch of runs brought.

    Parameters
    ----------
    results : mapping
        What each run that was finished brought, by its position among the tasks, in order.
    failures : list of Failure
        The others, in order.
    seconds : dict
        How long each run that was played now took where it was played, by position.
    """

    results: Mapping[int, T]
    failures: list[Failure] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)

    def failures_text(self) -> str:
        """Return what failed as text, with the command that repeats each run; empty if nothing did."""
        return failures_text(self.failures, len(self.failures) + len(self.results))


def failures_text(failures: Sequence[Failure], runs: int) -> str:
    """Return what failed of so many runs as text, with the command that repeats each; empty if nothing did."""
    if not failures:
        return ""
    lines = [f"{len(failures)} of {runs} runs failed; the others are kept:"]
    lines += [f"  - {failure}" for failure in failures[:SHOWN]]
    return "\n".join(lines + ([f"  ... and {len(failures) - SHOWN} more"] if len(failures) > SHOWN else []))


def run_tasks[T](
    tasks: Sequence[Task],
    reduce: Callable[[TokenMarket], T],
    *,
    record: Sequence[str] | None = None,
    progress: Progress | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    store: Store[T] | str | Path | None = None,
) -> Batch[T]:
    """Play every task and keep what `reduce` makes of it.

    The results are the same to the bit in this process, on local processes and on a cluster.

    Parameters
    ----------
    tasks : sequence of Task
        What to play.
    reduce : callable
        Makes of a model that was run what is to be kept. It must be a function of the model alone, and picklable
        (a function of a module) where the runs are played elsewhere.
    record : sequence of str, optional
        The variables that the runs record, of those in `variables.RESULTS`; all if left out.
    progress : callable, optional
        Called after each run with the number of runs done and of all.
    workers : int or None
        Processes on this machine: 1 plays in this one, None uses as many as there are cores.
    client : distributed.Client, optional
        A Dask cluster to play on, in place of local processes.
    store : Store, str or Path, optional
        Where each finished run is kept at once; runs that it holds already are not played again. A path makes a
        folder of pickled results, which may later be asked for more of the study's runs (more seeds), or for some.

    Returns
    -------
    Batch
        What each run brought, and which failed.

    Raises
    ------
    InputError
        If `workers` is no positive number.
    ResultError
        If the store belongs to other tasks, is in use or cannot be written, or the cluster is lost. What was
        finished stays in the store.
    """
    with Executor(workers, client) as executor:
        if store is None:
            return _run(tasks, reduce, record, progress, executor, None)
        held: Store[T] = (
            FolderStore[T](store, _kept(reduce, record)) if isinstance(store, (str, Path)) else store
        )
        with held:
            held.open(tasks)
            return _run(tasks, reduce, record, progress, executor, held)


def _kept(reduce: Callable[..., Any], record: Sequence[str] | None) -> str:
    """Describe what a run is reduced to: by which function, of which variables."""
    function = reduce.func if isinstance(reduce, partial) else reduce
    # Without its module, which is another one where a script is imported.
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} of {'all variables' if record is None else ', '.join(record)}"


def _run[T](
    tasks: Sequence[Task],
    reduce: Callable[[TokenMarket], T],
    record: Sequence[str] | None,
    progress: Progress | None,
    executor: Executor,
    store: Store[T] | None,
) -> Batch[T]:
    results: dict[int, T] = {}
    failures = {} if store is None else {failure.position: failure for failure in store.failures}
    finished = set() if store is None else {*store.results, *failures}
    seconds: dict[int, float] = {}
    todo = [position for position in range(len(tasks)) if position not in finished]
    done = len(tasks) - len(todo)
    if progress is not None and done:
        progress(done, len(tasks))
    shared, jobs = pack(tasks, todo, reduce, record)
    for result in executor.run(shared, jobs):
        position, task = result.position, tasks[result.position]
        seconds[position] = result.seconds
        if result.kind:
            failures[position] = Failure(position, task, result.kind, result.message, result.trace)
            if store is not None:
                store.fail(failures[position])
        elif store is not None:
            store.keep(position, task, result.value)
        else:
            results[position] = result.value
        done += 1
        if progress is not None:
            progress(done, len(tasks))
    lost = set(todo) - set(seconds)
    if lost:
        raise RuntimeError(
            f"{len(lost)} of {len(todo)} runs brought no result, among them {tasks[min(lost)]}"
        )
    everything = dict(sorted(results.items())) if store is None else store.results
    return Batch(everything, [failures[position] for position in sorted(failures)], seconds)
