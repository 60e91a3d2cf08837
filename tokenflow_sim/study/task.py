"""One run of a study: what is played, where its results belong, how it is played, and how it failed if it did."""

from __future__ import annotations

import hashlib
import json
import pickle
import shlex
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.names import names_of
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.sheet import is_table, table_label
from tokenflow_sim.strategies.assignment import Choice, written_down
from tokenflow_sim.strategies.code import running_code


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a study.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    seed : int
        The run's seed.
    label : mapping
        Where its results belong: a label along each of the study's dims, e.g. ``{"strategy": "undercut", "seed": 3}``.
    strategies : mapping, optional
        Other strategies than the scenario's, as `TokenMarket` takes them.
    overrides : mapping
        Other values for the scenario, by dotted path.
    allow_code : bool
        Whether strategies given as ``module:Class`` may be imported.
    source : str
        What the scenario was loaded from, for the command that repeats the run; its name if left out.
    given : mapping
        Values that were changed in it since, by dotted path, for that command.
    burn_in : int
        Periods at the start that what is kept of the run leaves out.
    """

    scenario: Scenario
    seed: int
    label: Mapping[str, Hashable] = field(default_factory=dict)
    strategies: Mapping[str, Choice] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    allow_code: bool = False
    source: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    burn_in: int = 0

    def model(self, clearer: Clearer | None = None, **options: Any) -> TokenMarket:
        """Make the model that plays it.

        Parameters
        ----------
        clearer : Clearer, optional
            One to clear with, which saves building it; results do not depend on it.
        **options
            Other arguments of the model, e.g. ``record`` or ``out``.

        Raises
        ------
        ScenarioError
            If the scenario, an override or a strategy has faults.
        """
        return TokenMarket(
            self.scenario,
            rng=self.seed,
            overrides=self.overrides,
            strategies=self.strategies,
            allow_code=self.allow_code,
            clearer=clearer,
            **options,
        )

    def repeat(self) -> str:
        """Return the command that repeats the run, or the Python where strategies were exchanged."""
        source, changes = self.source or self.scenario.name, {**self.given, **self.overrides}
        if self.strategies:
            given = [repr(source), f"rng={self.seed}"]
            given += [f"overrides={changes!r}"] if changes else []
            written = json.loads(written_down(self.strategies))
            given.append(f"strategies={dict(self.strategies) if written is None else written!r}")
            given += ["allow_code=True"] if self.allow_code else []
            return f"tokenflow_sim.TokenMarket({', '.join(given)}).run()"
        words = ["tokenflow", "run", source, "--seed", str(self.seed)]
        for path, value in changes.items():
            words += [
                "--set",
                f"{path}={_written(value)}",
            ]
        return shlex.join([*words, *(["--allow-code"] if self.allow_code else [])])

    def fingerprint(self, scenario_text: str) -> str:
        """Return a digest of all that the run's results depend on, but the versions of the program.

        Parameters
        ----------
        scenario_text : str
            The scenario's YAML, written once for all tasks that share it.
        """
        written = written_down(self.strategies)
        if written == "null":  # objects that do not state their parameters: their class and state must do
            written = repr({name: _strategy_text(choice) for name, choice in (self.strategies or {}).items()})
        parts = [scenario_text, str(self.seed), repr(sorted(self.overrides.items(), key=str)), written]
        parts += [f"burn_in {self.burn_in}"] if self.burn_in else []
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def __str__(self) -> str:
        """Name the run by its labels and seed."""
        labels = [f"{dim}={value}" for dim, value in self.label.items() if dim != "seed"]
        return ", ".join([*labels, f"seed={self.seed}"])


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
        Name of the exception; ``LostWorker`` where the process that played it died every time.
    message : str
        What it said.
    trace : str
        Its traceback, where it was raised.
    """

    position: int
    task: Task
    kind: str
    message: str
    trace: str = field(default="", repr=False)

    @property
    def cause(self) -> str:
        """Which run failed, and why, on one line."""
        reason = " ".join(line.strip() for line in self.message.splitlines()[:2]) or "no message"
        return f"{self.task}: {self.kind}: {reason:.300}"

    def __str__(self) -> str:
        """Say which run failed, why, and what repeats it."""
        return f"{self.cause}\n    again: {self.task.repeat()}"


def _written(value: Any) -> str:
    """Return a value as the command line takes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Series):
        return value.label
    return table_label(value) if is_table(value) else json.dumps(value, default=str)


def source_of(scenario: str | Path | Scenario) -> str:
    """Return how the command that repeats a run names its scenario."""
    return scenario.name if isinstance(scenario, Scenario) else str(scenario)


def _strategy_text(choice: object) -> str:
    kind = choice if isinstance(choice, type) else type(choice)
    state = getattr(choice, "__dict__", {})
    # In full: numpy would leave out the middle of a large array, and the last digits of any.
    with np.printoptions(threshold=sys.maxsize, floatmode="unique", linewidth=10**6):
        return f"{kind.__module__}:{kind.__qualname__}({sorted(state.items(), key=str)!r})"


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
        """Play a run, with a solver's model that exists already where its market has the same structure."""
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
class JobResult:
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
    return Runs(tuple(scenarios), reduce, names_of(record)), jobs


class _Kept(threading.local):
    """The clearers of a thread: one must not be in use in two."""

    def __init__(self) -> None:
        self.clearers: OrderedDict[Hashable, Clearer] = OrderedDict()


_kept = _Kept()
# Results do not depend on it; but the libraries that build a solver's model are not made for several threads.
_one_at_a_time = threading.Lock()


def run_job(shared: Shared, job: Job) -> JobResult:
    """Play one job; whatever goes wrong becomes part of the result, so that the other runs go on."""
    began = time.perf_counter()
    with _one_at_a_time:
        try:
            value = shared.perform(job)
        except Exception as error:
            # The border of a run: also an error in a user's strategy must not end a thousand other runs. It is
            # reported at the end, with the seed that repeats it.
            trace = "".join(traceback.format_exception(error))
            # Its notes say in whose strategy it was raised, and when.
            message = "\n".join([_text_of(error), *map(str, getattr(error, "__notes__", ()))])
            kind = type(error).__name__
            return JobResult(job.position, None, kind, message, trace, time.perf_counter() - began)
    return JobResult(job.position, value, seconds=time.perf_counter() - began)


def _text_of(error: Exception) -> str:
    """Return an error's text; a user's own exception may fail even at that."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be read: its __str__ raises)"


def dump_result(result: JobResult) -> bytes:
    """Pickle a result; where its value cannot be, that is the result."""
    try:
        return pickle.dumps(result)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        message = f"what `reduce` returned cannot be sent to another process: {error}"
        return pickle.dumps(
            JobResult(result.position, None, type(error).__name__, message, "", result.seconds)
        )
