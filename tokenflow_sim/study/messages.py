"""How studies report what went wrong: one warning of runs that failed, and reprs that never raise."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from tokenflow_sim.errors import FailedRunsWarning

if TYPE_CHECKING:
    from tokenflow_sim.study.task import Failure, Task

NAMED = 8
"""Names that a message lists in full."""
_PACKAGE = str(Path(__file__).parents[1])


def warn_failed(
    failures: Sequence[Failure],
    tasks: Sequence[Task],
    candidates: Callable[[Task], Iterable[str]],
    consequence: str = "",
) -> None:
    """Warn of the runs of a study that failed: whose they were, the first cause, and what follows for its numbers.

    Parameters
    ----------
    failures : sequence of Failure
        The runs that failed; without any, nothing is said.
    tasks : sequence of Task
        All runs.
    candidates : callable
        Returns the names of the candidates (strategies, points) that took part in a run.
    consequence : str
        What follows for the numbers of the study.
    """
    if not failures:
        return
    all_of = Counter(name for task in tasks for name in candidates(task))
    failed = Counter(name for failure in failures for name in candidates(failure.task))
    # Whoever failed most often comes first: in a tournament its rivals are named too.
    names = sorted(failed, key=lambda name: -failed[name] / all_of[name])
    warn(
        f"{len(failures)} of {len(tasks)} runs failed:"
        f" {listed(f'{name} in {failed[name]} of {all_of[name]}' for name in names)}."
        f" The first: {failures[0].cause}" + (f"\n  {consequence}" if consequence else "")
    )


def warn(message: str, category: type[UserWarning] = FailedRunsWarning) -> None:
    """Warn at the line outside this package from which the study was started."""
    warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))


def listed(names: Iterable[str]) -> str:
    """Return names parted by commas, the first few of many."""
    every = list(names)
    more = f", ... ({len(every)} in all)" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def point_name(labels: Mapping[str, object]) -> str:
    """Name a point by its labels: ``demand.scale=9``, or ``(demand.scale=9, seed=1)`` where there are several."""
    text = ", ".join(f"{dim}={label}" for dim, label in labels.items())
    return text if len(labels) == 1 else f"({text})"


def safe_repr[S](function: Callable[[S], str]) -> Callable[[S], str]:
    """Let a ``__repr__`` say why it cannot summarise an object, in place of raising.

    A repr is what a traceback, a debugger and a notebook show of an object that may be empty or half made; an error of
    its own would hide what they are to show.
    """

    @wraps(function)
    def summarise(study: S) -> str:
        try:
            return function(study)
        except Exception as error:
            return f"<{type(study).__name__}: cannot be summarised ({type(error).__name__}: {error})>"

    return summarise
