"""The file that a comparison or a tournament becomes, and its finished runs, kept beside it until it is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import xarray as xr

from tokenflow_sim.disk import hidden, remove, writing
from tokenflow_sim.errors import Fault, InputError, ResultError
from tokenflow_sim.results import save_results
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.strategies.code import written
from tokenflow_sim.study.arguments import check_ways
from tokenflow_sim.study.code import refuse_other_code, study_code
from tokenflow_sim.study.store import fingerprints, resolve_links
from tokenflow_sim.study.task import Failure, Task
from tokenflow_sim.study.zarr_files import is_blank

_DIGEST, _FAILURES = "digest", "failures"


def runs_of(path: Path) -> Path:
    """Return the hidden folder beside an output in which its finished runs are kept."""
    return hidden(path, ".runs")


class OutputFile:
    """The output of a study that fits into memory; entering it holds the file for this process.

    Parameters
    ----------
    path : str or Path, optional
        The NetCDF file; without one nothing is kept.
    tasks : sequence of Task
        The runs.
    attrs : mapping
        Attributes of the study's Dataset.
    resume : bool
        Whether to reuse the runs that are kept. Where the file is whole already, nothing is left to do.
    force : bool
        Whether to replace the file, and an unfinished study of it.

    Attributes
    ----------
    dataset : Dataset or None
        What the file holds, where it is to be resumed and is whole.
    failures : list of Failure
        The runs that failed then.

    Raises
    ------
    InputError
        If the options contradict each other.
    """

    def __init__(
        self,
        path: str | Path | None,
        tasks: Sequence[Task],
        attrs: Mapping[str, Any],
        *,
        resume: bool = False,
        force: bool = False,
    ) -> None:
        faults: list[Fault] = []
        check_ways(resume, force, faults)
        if resume and path is None:
            faults.append(Fault("name the file to resume (out)", "resume"))
        if faults:
            raise InputError(faults, "the study")
        self.path = None if path is None else resolve_links(path)
        self.tasks, self.attrs = tasks, dict(attrs)
        self.resume, self.force = resume, force
        self.dataset: xr.Dataset | None = None
        self.failures: list[Failure] = []
        self._lock: Lock | None = None

    def __enter__(self) -> Self:
        """Hold the file; read it where it is whole and to be resumed.

        Raises
        ------
        ResultError
            If the file or an unfinished study of it is there and is neither to be resumed nor replaced, another
            process writes it, or it belongs to another study.
        """
        code = written(study_code(self.tasks))
        if self.path is None:
            self.attrs |= code
            return self
        self._lock = Lock(self.path)
        try:
            with writing(self.path):
                self._begin(self.path, runs_of(self.path), code)
        except BaseException:
            self._lock.release()
            raise
        return self

    def _begin(self, path: Path, runs: Path, code: Mapping[str, str]) -> None:
        parts = [running_versions(), json.dumps(self.attrs), *fingerprints(self.tasks)]
        self.attrs[_DIGEST] = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self.attrs |= code
        if path.is_dir():
            raise ResultError(f"{path}: is a folder, and is not replaced; name a file")
        if path.exists() and not (self.resume or self.force):
            raise ResultError(f"{path}: exists already; choose another name, or replace it (--force)")
        if not runs.exists():
            if self.resume and path.exists():
                self._read(path)
        elif self.force:
            if not (runs / "study.json").exists() and not is_blank(runs):
                raise ResultError(
                    f"{runs}: holds no runs of tokenflow_sim, and is not replaced; move it away"
                )
            with writing(path):
                shutil.rmtree(runs)
        elif not self.resume:
            raise ResultError(
                f"{path}: an unfinished study of it is kept in {runs}; resume it (--resume), or start over"
                " (--force)"
            )

    def _read(self, path: Path) -> None:
        try:
            found = xr.load_dataset(path, engine="netcdf4")
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ResultError(f"{path}: cannot be read ({error}); replace it (--force)") from error
        if found.attrs.get(_DIGEST) != self.attrs[_DIGEST]:
            raise ResultError(
                f"{path}: exists already, of another study (other arguments or versions), and there is nothing to"
                " resume; choose another name, or replace it (--force)"
            )
        remedy = "choose another name, or replace it (--force)"
        refuse_other_code(found.attrs.get("code"), self.attrs.get("code"), str(path), remedy)
        self.dataset = found
        for position, kind, message in json.loads(found.attrs[_FAILURES]):
            self.failures.append(Failure(position, self.tasks[position], kind, message))

    @property
    def store(self) -> Path | None:
        """Where the runs are kept meanwhile, as `run_tasks` takes it."""
        return None if self.path is None else runs_of(self.path)

    def write(self, dataset: xr.Dataset, failures: Sequence[Failure]) -> xr.Dataset:
        """Return the Dataset with its attributes; write it to the file, and remove the runs.

        Raises
        ------
        ResultError
            If it cannot be written; the runs are kept.
        """
        failed = json.dumps([[failure.position, failure.kind, failure.message] for failure in failures])
        dataset = dataset.assign_attrs(self.attrs | {_FAILURES: failed})
        if self.path is None:
            return dataset
        save_results(dataset, self.path, force=self.force or self.resume)
        shutil.rmtree(runs_of(self.path), ignore_errors=True)
        return dataset

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Let go of the file."""
        if self.path is None or self._lock is None:
            return
        runs = runs_of(self.path)
        if isinstance(error, KeyboardInterrupt) and runs.exists():
            error.add_note("the runs that were finished are kept: resume with --resume")
        if not any(runs.glob("*.pickle")):  # nothing was finished: there is nothing to resume
            shutil.rmtree(runs, ignore_errors=True)
            remove(hidden(runs, ".lock"))  # which a process that was killed had held
        self._lock.release()
