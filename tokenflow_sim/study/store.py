"""Where a study keeps what its runs brought: in a folder, run by run, so that nothing is lost, or in memory."""

from __future__ import annotations

import json
import pickle
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self
from zlib import crc32

import numpy as np
import xarray as xr

from tokenflow_sim.disk import is_begun, remove, write_whole, writing
from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.study.code import refuse_other_code, study_code
from tokenflow_sim.study.frame import DatasetShape, RunRecord, messages, status_of, statuses
from tokenflow_sim.study.task import Failure, Task

CERTAIN = frozenset({"InfeasibleError", "CertificateError", "StrategyError", "ScenarioError", "MarketError"})
"""Failures that come again however often a run is played; others (a lost worker, a full disk) are tried again."""


_NO_PICKLE = (EOFError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError, ImportError)
"""What reading a pickle of another program may raise."""


class Store[T](Protocol):
    """Keeps what runs brought; entering it holds it for this process."""

    @property
    def results(self) -> Mapping[int, T]:
        """What finished runs brought, by position, or None where the store has it elsewhere."""
        ...

    @property
    def failures(self) -> Sequence[Failure]:
        """The runs that failed and would fail again."""
        ...

    def __enter__(self) -> Self:
        """Hold it."""
        ...

    def __exit__(self, *error: object) -> None:
        """Let go."""
        ...

    def open(self, tasks: Sequence[Task]) -> None:
        """Begin, or resume what was kept of the same tasks."""
        ...

    def keep(self, position: int, task: Task, value: T) -> None:
        """Keep what a run brought, for good."""
        ...

    def fail(self, failure: Failure) -> None:
        """Keep that a run failed."""
        ...


def fingerprints(tasks: Sequence[Task]) -> list[str]:
    """Return a digest of every task, writing each scenario down once."""
    texts: dict[int, str] = {}
    for task in tasks:
        if id(task.scenario) not in texts:
            texts[id(task.scenario)] = task.scenario.packed["scenario"]
    return [task.fingerprint(texts[id(task.scenario)]) for task in tasks]


def told_apart(digests: Sequence[str]) -> list[str]:
    """Return digests of which equal ones are numbered."""
    seen: Counter[str] = Counter()
    names = []
    for digest in digests:
        names.append(f"{digest} {seen[digest]}" if seen[digest] else digest)
        seen[digest] += 1
    return names


def resolve_links(path: str | Path) -> Path:
    """Return a path as it is given, or, where it goes through a symbolic link, what it leads to.

    Two names of one output have one lock.
    """
    given = Path(path)
    real = given.resolve()
    return given if real == given.absolute() else real


def remove_parts(folder: Path) -> None:
    """Remove what a process that was killed had begun to write; only who holds the store may do so."""
    for pattern in (".*.part", "*/.*.part", "*.partial", "*/*.partial"):  # our own, and those of Zarr
        for part in folder.glob(pattern):
            remove(part)


def begin_folder(folder: Path, holds: str) -> None:
    """Make a folder that work is to be kept in; only who holds it may do so.

    Parameters
    ----------
    folder : Path
        The folder. One that is there may hold nothing but what a process had begun to write when it was killed.
    holds : str
        What it is to hold, for the message.

    Raises
    ------
    ResultError
        If something else is there, or it cannot be made.
    """
    if folder.exists() and not (folder.is_dir() and all(map(is_begun, folder.iterdir()))):
        raise ResultError(f"{folder}: exists already and holds no {holds}; choose another name")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)


def warn_damaged(path: Path, positions: Sequence[int]) -> None:
    """Warn that finished runs are damaged."""
    some = ", ".join(map(str, sorted(positions)[:8])) + (", ..." if len(positions) > 8 else "")
    what = "1 finished run is" if len(positions) == 1 else f"{len(positions)} finished runs are"
    warnings.warn(f"{path}: {what} damaged (number {some}) and played again", UserWarning, stacklevel=2)


class FolderStore[T]:
    """A folder with one pickle a run.

    Parameters
    ----------
    path : str or Path
        The folder; made if it is not there. One that holds the same tasks, or some of them and no others (fewer
        seeds), is gone on with; so is one that holds these and more.
    kept : str
        What is kept of each run, e.g. the function that reduces it: what another made of it is not taken for it.

    Notes
    -----
    Tasks are known by what they play, so that their order does not matter, and each has a file by its place in
    ``study.json``. Every file appears whole or not at all, and ends in a checksum, by which damage is found when the
    folder is opened again. Open only folders that you trust: a pickle may run code.
    """

    def __init__(self, path: str | Path, kept: str = "") -> None:
        self.path = resolve_links(path)
        self.results: Mapping[int, T] = {}
        self.failures: list[Failure] = []
        self._kept = kept
        self._places: list[int] = []
        self._lock: Lock | None = None

    def __enter__(self) -> Self:
        """Hold the folder for this process."""
        self._lock = Lock(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.release()

    def open(self, tasks: Sequence[Task]) -> None:
        """Begin, or resume what was kept of the same tasks.

        Raises
        ------
        ResultError
            If the folder holds something else, or cannot be read or written.
        """
        head = {
            "format": "tokenflow_sim runs 1",
            "versions": running_versions(),
            "code": study_code(tasks),
            "kept": self._kept,
            "tasks": told_apart(fingerprints(tasks)),
        }
        file = self.path / "study.json"
        if file.exists():
            head["tasks"] = self._compare(file, head)
        else:
            begin_folder(self.path, "runs")
            write_whole(file, json.dumps(head).encode())
        remove_parts(self.path)
        known = {name: place for place, name in enumerate(head["tasks"])}
        self._places = [known[name] for name in told_apart(fingerprints(tasks))]
        position_at = {place: position for position, place in enumerate(self._places)}
        there = {int(name.stem) for name in self.path.glob("[0-9]*.pickle")}
        runs = _Runs[T](self.path, self._places, {position_at[one] for one in there if one in position_at})
        if damaged := [position for position in runs if runs.packed(position) is None]:
            runs.positions.difference_update(damaged)
            warn_damaged(self.path, damaged)
        self.results = runs
        self.failures = []
        for name in sorted(self.path.glob("[0-9]*.failed")):
            position = position_at.get(int(name.stem))
            if position is None or position in runs.positions:
                continue
            with suppress(OSError, ValueError):  # what is damaged does not count, and is played again
                kind, message, trace = json.loads(name.read_text(encoding="utf-8"))
                if kind in CERTAIN:
                    self.failures.append(Failure(position, tasks[position], kind, message, trace))

    def _compare(self, file: Path, head: dict[str, Any]) -> list[str]:
        """Return the tasks that the folder has a place for, those of now among them."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultError(
                f"{file}: cannot be read ({error}); remove {self.path}, or choose another name"
            ) from None
        if not isinstance(found, dict):
            raise ResultError(f"{file}: describes no study; remove {self.path}, or choose another name")
        if found.get("versions") != head["versions"]:
            raise ResultError(
                f"{self.path}: was begun with other versions, so that its runs would not fit together; install those,"
                f" or choose another name.\n  then: {found.get('versions')}\n  now:  {head['versions']}"
            )
        remedy = "choose another name, or remove it"
        there, asked = found.get("tasks"), head["tasks"]
        if not isinstance(there, list) or not (set(there) <= set(asked) or set(asked) <= set(there)):
            raise ResultError(
                f"{self.path}: holds the runs of another study (other scenario, values, strategies or seeds); {remedy}"
            )
        then, now = found.get("code"), head["code"]
        # Some runs may be played by more modules than others.
        if isinstance(then, dict) and set(there) != set(asked):
            then, now = then | {k: v for k, v in now.items() if k not in then}, then | now
        refuse_other_code(then, now, str(self.path), "remove it, or choose another name")
        if {**found, "code": head["code"], "tasks": asked} != head:
            raise ResultError(
                f"{self.path}: holds something else of the same runs ({found.get('kept') or 'unknown'}, where"
                f" {self._kept or 'unknown'} is asked for); {remedy}"
            )
        more = [name for name in asked if name not in set(there)]
        if more:
            write_whole(file, json.dumps({**head, "code": now, "tasks": [*there, *more]}).encode())
        return [*there, *more]

    def keep(self, position: int, task: Task, value: T) -> None:
        """Keep what a run brought.

        Raises
        ------
        ResultError
            If it cannot be written.
        """
        packed = pickle.dumps(value)
        write_whole(self.path / _file(self._places[position]), packed + _checksum(packed))
        assert isinstance(self.results, _Runs)
        self.results.positions.add(position)

    def fail(self, failure: Failure) -> None:
        """Keep that a run failed."""
        text = json.dumps([failure.kind, failure.message, failure.trace])
        write_whole(self.path / _file(self._places[failure.position], "failed"), text.encode())


def _file(place: int, ending: str = "pickle") -> str:
    return f"{place:06}.{ending}"


class _Runs[T](Mapping[int, T]):
    """What runs brought, read when it is used."""

    def __init__(self, folder: Path, places: Sequence[int], positions: set[int]) -> None:
        self.folder, self.places, self.positions = folder, places, positions

    def __getitem__(self, position: int) -> T:
        if position not in self.positions:
            raise KeyError(position)
        packed = self.packed(position)
        try:
            if packed is None:
                raise ValueError("it is not what was written")
            value: T = pickle.loads(packed)
        except (OSError, *_NO_PICKLE) as error:
            raise ResultError(
                f"{self.folder}: run {position} cannot be read ({error}); resume the study: it is played again"
            ) from error
        return value

    def packed(self, position: int) -> bytes | None:
        """Return what was written of a run, or None where it is damaged."""
        try:
            content = (self.folder / _file(self.places[position])).read_bytes()
        except OSError:
            return None
        packed, found = content[:-_CHECKSUM], content[-_CHECKSUM:]
        return packed if found == _checksum(packed) else None

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.positions))

    def __len__(self) -> int:
        return len(self.positions)


_CHECKSUM = 4  # bytes


def _checksum(packed: bytes) -> bytes:
    return crc32(packed).to_bytes(_CHECKSUM, "big")


class MemoryStore:
    """Keeps a study's results in arrays of their final shape.

    Parameters
    ----------
    frame : DatasetShape
        Their shape.
    """

    def __init__(self, frame: DatasetShape) -> None:
        self.frame = frame
        self.failures: list[Failure] = []
        self.done: dict[int, str] = {}
        self._messages: dict[int, str] = {}
        shape = tuple(frame.runs.values())
        self._values = {name: np.full((*shape, *frame.shape(name)), np.nan) for name in frame.variables}

    @property
    def results(self) -> Mapping[int, Any]:
        """The runs that are finished."""
        return {position: None for position, status in sorted(self.done.items()) if status == "done"}

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *error: object) -> None:
        """Keep everything: the results are asked for afterwards."""

    def open(self, tasks: Sequence[Task]) -> None:
        """Begin."""

    def keep(self, position: int, task: Task, value: RunRecord) -> None:
        """Put what a run brought in its place."""
        place = self.frame.design.index(position)
        for name, array in self._values.items():
            if name in value.measures or name in value.arrays:
                array[place] = self.frame.fitted(name, value)
        self.done[position] = "done"

    def fail(self, failure: Failure) -> None:
        """Note that a run failed; its values stay NaN."""
        self.done[failure.position] = status_of(failure.kind)
        self._messages[failure.position] = f"{failure.kind}: {failure.message}"

    def dataset(self) -> xr.Dataset:
        """Return everything that was kept."""
        frame = self.frame
        runs = tuple(frame.runs)
        dataset = frame.coordinates()
        for name, array in self._values.items():
            dataset[name] = ((*runs, *frame.dims[name]), array, frame.attrs[name])
        return with_statuses(dataset, frame, self.done, self._messages)


def with_statuses(
    dataset: xr.Dataset, frame: DatasetShape, done: Mapping[int, str], failed: Mapping[int, str]
) -> xr.Dataset:
    """Add how each run ended, and what it said where it failed."""
    runs = tuple(frame.runs)
    dataset["status"] = (runs, statuses(frame, done), {"long_name": "how the run ended"})
    dataset["message"] = (runs, messages(frame, failed), {"long_name": "what the run said where it failed"})
    return dataset
