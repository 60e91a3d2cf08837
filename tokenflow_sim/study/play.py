"""What plays one task, the same in this process, in a local worker and on a cluster."""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.code import running_code
from tokenflow_sim.study.task import Task

KEPT_CLEARERS = 4
"""Clearers that a worker keeps, one a market structure; a solver's model of a large market takes memory."""


class Job(Protocol):
    """One thing to play, as it is sent."""

    @property
    def position(self) -> int:
        """Which of its batch it is."""
        ...


class Shared(Protocol):
    """What all jobs of a batch have in common, and what plays them; a worker is sent it once."""

    def perform(self, job: Any, /) -> Any:
        """Play a job, and return what is to be kept."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """A task as it is sent: the scenario by its number in `Runs`."""

    position: int
    scenario: int
    seed: int
    strategies: Mapping[str, Choice] | None
    overrides: Mapping[str, Any]
    allow_code: bool


@dataclass(frozen=True, slots=True)
class Runs:
    """What all runs of a batch have in common.

    Parameters
    ----------
    scenarios : tuple of Scenario
        Every scenario that is played.
    reduce : callable
        Makes of a model that was run what is to be kept.
    record : tuple of str or None
        The variables to record.
    """

    scenarios: tuple[Scenario, ...]
    reduce: Callable[[TokenMarket], Any]
    record: tuple[str, ...] | None

    def perform(self, job: Run) -> Any:
        """Play a run, with a solver's model that is there already where its market has the same structure."""
        scenario = self.scenarios[job.scenario]
        model = Task(scenario, job.seed, {}, job.strategies, job.overrides, job.allow_code).model(
            record=self.record
        )
        house, clearers = model.clearing_house, _kept.clearers
        house.clearer = clearers.get(house.layout)
        model.run()
        if house.clearer is not None:
            clearers[house.layout] = house.clearer
            clearers.move_to_end(house.layout)
            if len(clearers) > KEPT_CLEARERS:
                clearers.popitem(last=False)
        return self.reduce(model)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a job.

    Parameters
    ----------
    position : int
        The job's position.
    value : object
        What playing it brought; None where that failed.
    kind, message, trace : str
        Name, text and traceback of the exception; empty where there was none.
    seconds : float
        How long it took.
    versions : str
        The versions that played it, as in the attributes of results.
    code : str
        The digests of the code that was loaded where it was played, as in the attributes of results.
    """

    position: int
    value: Any = None
    kind: str = ""
    message: str = ""
    trace: str = ""
    seconds: float = 0.0
    versions: str = field(default_factory=running_versions)
    code: str = field(default_factory=running_code)


def pack(
    tasks: Sequence[Task],
    positions: Sequence[int],
    reduce: Callable[[TokenMarket], Any],
    record: Sequence[str] | None,
) -> tuple[Runs, list[Run]]:
    """Split tasks into what they share and what each has of its own."""
    numbers: dict[int, int] = {}
    scenarios: list[Scenario] = []
    jobs = []
    for position in positions:
        task = tasks[position]
        number = numbers.setdefault(id(task.scenario), len(scenarios))
        if number == len(scenarios):
            scenarios.append(task.scenario)
        jobs.append(Run(position, number, task.seed, task.strategies, task.overrides, task.allow_code))
    return Runs(tuple(scenarios), reduce, None if record is None else tuple(record)), jobs


class _Kept(threading.local):
    """The clearers of a thread: one must not be in use in two."""

    def __init__(self) -> None:
        self.clearers: OrderedDict[Hashable, Clearer] = OrderedDict()


_kept = _Kept()
# Results do not depend on it; but the libraries that build a solver's model are not made for several threads.
_one_at_a_time = threading.Lock()


def play(shared: Shared, job: Job) -> Answer:
    """Play one job; whatever goes wrong becomes part of the answer, so that the other runs go on."""
    began = time.perf_counter()
    with _one_at_a_time:
        try:
            value = shared.perform(job)
        except Exception as error:
            # The border of a run: also an error in a user's strategy must not end a thousand other runs. It is
            # told at the end, with the seed that repeats it.
            trace = "".join(traceback.format_exception(error))
            # Its notes say in whose strategy it was raised, and when.
            message = "\n".join([_text_of(error), *map(str, getattr(error, "__notes__", ()))])
            kind = type(error).__name__
            return Answer(job.position, None, kind, message, trace, time.perf_counter() - began)
    return Answer(job.position, value, seconds=time.perf_counter() - began)


def _text_of(error: Exception) -> str:
    """Return an error's text; a user's own exception may fail even at that."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be read: its __str__ raises)"


def dump_answer(answer: Answer) -> bytes:
    """Pickle an answer; where its value cannot be, that is the answer."""
    try:
        return pickle.dumps(answer)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        message = f"what `reduce` returned cannot be sent to another process: {error}"
        return pickle.dumps(Answer(answer.position, None, type(error).__name__, message, "", answer.seconds))
