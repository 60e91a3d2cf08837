"""The one runner under every study: plays tasks, keeps what each brought, and tells at the end what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tokenflow_sim.errors import InputError, TokenflowError
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.study.task import Task


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that could not be finished.

    Parameters
    ----------
    position : int
        Its position among the tasks.
    task : Task
        The run; its scenario, strategies and seed repeat the failure.
    kind : str
        Name of the exception.
    message : str
        What it said.
    """

    position: int
    task: Task
    kind: str
    message: str


@dataclass(slots=True)
class Batch[T]:
    """What a batch of runs brought.

    Parameters
    ----------
    results : mapping
        What each run that was finished brought, by its position among the tasks, in order.
    failures : list of Failure
        The others, in order.
    """

    results: Mapping[int, T]
    failures: list[Failure] = field(default_factory=list)


def run_tasks[T](
    tasks: Sequence[Task],
    reduce: Callable[[TokenMarket], T],
    *,
    record: Sequence[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Batch[T]:
    """Play every task and keep what `reduce` makes of it.

    Parameters
    ----------
    tasks : sequence of Task
        What to play.
    reduce : callable
        Makes of a model that was run what is to be kept. It must be a function of the model alone.
    record : sequence of str, optional
        The variables that the runs record, of those in `variables.RESULTS`; all if left out.
    progress : callable, optional
        Called after each run with the number of runs done and of all.

    Returns
    -------
    Batch
        What each run brought, and which failed.
    """
    results: dict[int, T] = {}
    failures: list[Failure] = []
    clearer: Clearer | None = None
    for position, task in enumerate(tasks):
        try:
            model = task.model(clearer, record=record)
            model.run()
            results[position] = reduce(model)
            clearer = model.clearing_house.clearer
        except (TokenflowError, InputError) as error:
            failures.append(Failure(position, task, type(error).__name__, str(error)))
        if progress is not None:
            progress(position + 1, len(tasks))
    return Batch(results, failures)
