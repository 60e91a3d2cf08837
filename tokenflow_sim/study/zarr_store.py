"""A study's results as Zarr: written run by run, gone on with after a crash, opened lazily."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
import xarray as xr

from tokenflow_sim.disk import resumable_errors, write_whole, writing
from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.study.code import refuse_other_code, study_code
from tokenflow_sim.study.frame import DatasetShape, RunRecord, status_of
from tokenflow_sim.study.journal import Journal
from tokenflow_sim.study.store import (
    CERTAIN,
    fingerprints,
    remove_parts,
    resolve_links,
    warn_damaged,
    with_statuses,
)
from tokenflow_sim.study.task import Failure, Task
from tokenflow_sim.study.zarr_files import (
    BEGUN,
    NOTES,
    ZARR_FORMAT,
    chunks_of,
    compressor,
    consolidate,
    is_blank,
    is_ours,
    open_arrays,
    open_store,
    write_layout,
    zarr_module,
)
from tokenflow_sim.variables import MEASURES

_ENDINGS = ("status", "message")  # arrays of how runs ended


class ZarrStore:
    """Keeps a study's results in a Zarr store, each run for good once it is finished.

    Parameters
    ----------
    path : str or Path
        The store, a folder whose name ends in ``.zarr``.
    frame : DatasetShape
        The shape of the results.
    attrs : mapping
        Attributes of the Dataset.
    resume : bool
        Whether to resume the same study.
    force : bool
        Whether to replace it.

    Notes
    -----
    The values of a run are chunks of their own, a week of periods or so each; none is shared with another run, so
    that nothing finished is ever written again. A run counts once the journal in the hidden folder says so, with a
    checksum of its chunks, by which damage is found when the study is resumed, and with its measures. These are small:
    they become arrays of one chunk each when the store is closed, so that a figure of a measure over all runs reads
    one file.
    """

    def __init__(
        self,
        path: str | Path,
        frame: DatasetShape,
        attrs: Mapping[str, Any],
        *,
        resume: bool = False,
        force: bool = False,
    ) -> None:
        self.zarr = zarr_module()
        self.path, self.frame, self.attrs = resolve_links(path), frame, dict(attrs)
        self.resume, self.force = resume, force
        self.failures: list[Failure] = []
        self._lines: dict[int, dict[str, Any]] = {}
        self._lock: Lock | None = None
        self._journal = Journal(self.path / NOTES / "journal.jsonl")
        self._arrays: dict[str, Any] = {}

    @property
    def results(self) -> Mapping[int, Any]:
        """The runs that are finished."""
        return {position: None for position, line in sorted(self._lines.items()) if line["status"] == "done"}

    def __enter__(self) -> Self:
        """Hold the store for this process."""
        self._lock = Lock(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        """Write the measures as arrays, and let go of the store."""
        try:
            if isinstance(error[1], KeyboardInterrupt):
                error[1].add_note(
                    f"the runs that were finished are kept in {self.path}: resume with --resume"
                )
            if self._arrays and not isinstance(error[1], ResultError):
                self._finish()
        finally:
            if self._lock is not None:
                self._lock.release()

    def open(self, tasks: Sequence[Task]) -> None:
        """Begin, or resume what was kept of the same study.

        Raises
        ------
        ResultError
            If there is something else under the name, or it cannot be read or written.
        """
        head = {
            "versions": running_versions(),
            "record": self.frame.variables,
            "code": study_code(tasks),
            "tasks": fingerprints(tasks),
        }
        file = self.path / NOTES / "study.json"
        with writing(self.path):
            there = self.path.exists()
        if there:
            if not (self.resume or self.force):
                raise ResultError(
                    f"{self.path}: exists already; resume it (--resume), replace it (--force) or choose another"
                    " name"
                )
            if not is_ours(self.path):
                raise ResultError(
                    f"{self.path}: is no study of tokenflow_sim, and is not replaced; choose another name"
                )
            if self.resume and not file.with_name(BEGUN).exists() and not is_blank(self.path):
                self._compare(file, head)
                self._go_on(tasks)
                return
        self._create(file, head)

    def _compare(self, file: Path, head: Mapping[str, Any]) -> None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultError(f"{file}: cannot be read ({error}); start over (--force)") from None
        if not isinstance(found, dict):
            raise ResultError(f"{file}: describes no study; start over (--force)")
        if found.get("versions") != head["versions"]:
            raise ResultError(
                f"{self.path}: was begun with other versions, so that its runs would not fit together; install those,"
                f" or start over (--force).\n  then: {found.get('versions')}\n  now:  {head['versions']}"
            )
        if found.get("tasks") == head["tasks"]:
            remedy = "start over (--force), or name another store"
            refuse_other_code(found.get("code"), head["code"], str(self.path), remedy)
        if {**found, "code": head["code"]} != head:
            what = (
                "variables"
                if found.get("tasks") == head["tasks"]
                else "runs (scenario, values, strategies or seeds)"
            )
            raise ResultError(
                f"{self.path}: holds a study of other {what}; give the same arguments to resume it, or start over"
                " (--force)"
            )

    def _create(self, file: Path, head: Mapping[str, Any]) -> None:
        """Begin; a process that is killed here leaves what says that it had begun."""
        begun = file.with_name(BEGUN)
        with resumable_errors(self.path):
            begun.parent.mkdir(parents=True, exist_ok=True)
            begun.touch()
            _clear(self.path, begun.parent)
            _clear(begun.parent, begun)
        write_whole(file, json.dumps(head).encode())
        with resumable_errors(self.path):
            begun.unlink()
        self._lay_out()

    def _lay_out(self) -> None:
        """Write coordinates and the description of every array, where they are not what they should be."""
        fresh = self.path / NOTES / "layout"
        with resumable_errors(self.path):
            shutil.rmtree(fresh, ignore_errors=True)
            write_layout(self.zarr, fresh, self.frame, self.attrs)
            for file in [file for file in fresh.rglob("*") if file.is_file()]:
                place = self.path / file.relative_to(fresh)
                if not place.is_file() or place.read_bytes() != file.read_bytes():
                    place.parent.mkdir(exist_ok=True)
                    os.replace(file, place)
            shutil.rmtree(fresh)
            # How runs ended is rewritten in the end; until then the journal has it.
            consolidate(self.path, without=_ENDINGS)
            for name in _ENDINGS:
                shutil.rmtree(self.path / name, ignore_errors=True)
        self._arrays = open_arrays(self.zarr, self.path, self.frame)

    def _go_on(self, tasks: Sequence[Task]) -> None:
        remove_parts(self.path)
        self._lay_out()
        for line in self._journal.mend():
            if 0 <= line["position"] < len(tasks) and (line["status"] == "done" or line["kind"] in CERTAIN):
                self._lines[line["position"]] = line
        self._forget_damaged()
        for position, line in sorted(self._lines.items()):
            if line["status"] != "done":
                self.failures.append(
                    Failure(position, tasks[position], line["kind"], line["message"], line["trace"])
                )

    def _forget_damaged(self) -> None:
        """Forget runs whose chunks are not what was written, so that they are played again, and say so."""
        damaged = [
            position
            for position, line in self._lines.items()
            if "crc32" in line and line["crc32"] != self._checksum(position)
        ]
        for position in damaged:
            del self._lines[position]
            with resumable_errors(self.path):
                for file in self._files(position):
                    file.unlink(missing_ok=True)
        if damaged:
            warn_damaged(self.path, damaged)

    def _files(self, position: int) -> Iterator[Path]:
        """Yield where the chunks of a run are, or would be if any of their values were not NaN."""
        place = self.frame.design.index(position)
        for name in self.frame.variables:
            if name not in MEASURES:
                shape = self.frame.shape(name)
                counts = (-(-size // part) for size, part in zip(shape, chunks_of(shape), strict=True))
                for chunk in product(*map(range, counts)):
                    yield self.path / name / ".".join(map(str, (*place, *chunk)))

    def _checksum(self, position: int) -> int:
        """Return a checksum of the chunks of a run."""
        found = 0
        for file in self._files(position):
            with suppress(FileNotFoundError):
                found = crc32(file.read_bytes(), crc32(file.name.encode(), found))
        return found

    def keep(self, position: int, task: Task, value: RunRecord) -> None:
        """Write what a run brought, then say so in the journal.

        Raises
        ------
        ResultError
            If it cannot be written; the runs before are kept.
        """
        place = self.frame.design.index(position)
        with resumable_errors(self.path):
            for name, array in self._arrays.items():
                if name in value.arrays:
                    array[place] = self.frame.fitted(name, value)
            checksum = self._checksum(position)
        measures = {
            name: self.frame.fitted(name, value).tolist()
            for name in self.frame.measured
            if name in value.measures
        }
        line = {"position": position, "status": "done", "crc32": checksum, "measures": measures}
        self._journal.add(line)
        self._lines[position] = line

    def fail(self, failure: Failure) -> None:
        """Say in the journal that a run failed; its values stay NaN."""
        line = {
            "position": failure.position,
            "status": status_of(failure.kind),
            "kind": failure.kind,
            "message": failure.message,
            "trace": failure.trace,
        }
        self._journal.add(line)
        self._lines[failure.position] = line

    def _finish(self) -> None:
        """Write measures and how each run ended as arrays; the journal keeps them as well."""
        small = journaled(xr.Dataset(coords=self.frame.design.coords), self.frame, self._lines.values())
        complete = len(self._lines) == len(self.frame.design)
        runs = list(self.frame.runs)
        with resumable_errors(self.path):
            for name in self.frame.measured:
                self._arrays[name][...] = small[name].values
            group = self.zarr.open_group(self.path, mode="r+", zarr_format=ZARR_FORMAT)
            for name in _ENDINGS:
                values = small[name].values
                attributes = {"_ARRAY_DIMENSIONS": runs, **small[name].attrs}
                array = group.create_array(
                    name, shape=values.shape, chunks=values.shape, dtype=values.dtype, fill_value=None,
                    compressors=compressor(),
                    attributes=attributes, overwrite=True,
                )  # fmt: skip
                array[...] = values
            group.attrs["complete"] = int(complete)
            consolidate(self.path)

    def dataset(self) -> xr.Dataset:
        """Open what was kept, lazily."""
        return open_store(self.path)


def journaled(dataset: xr.Dataset, frame: DatasetShape, lines: Any) -> xr.Dataset:
    """Add the measures of all runs, and how each ended, to a Dataset."""
    runs, shape = tuple(frame.runs), tuple(frame.runs.values())
    values = {name: np.full((*shape, *frame.shape(name)), np.nan) for name in frame.measured}
    done: dict[int, str] = {}
    failed: dict[int, str] = {}
    for line in lines:
        position = line["position"]
        done[position] = line["status"]
        if line["status"] == "done":
            for name, found in line["measures"].items():
                values[name][frame.design.index(position)] = np.array(found, dtype=float)
        else:
            failed[position] = f"{line['kind']}: {line['message']}"
    for name, array in values.items():
        dataset[name] = ((*runs, *frame.dims[name]), array, frame.attrs[name])
    return with_statuses(dataset, frame, done, failed)


def _clear(folder: Path, besides: Path) -> None:
    """Remove everything in a folder but one thing."""
    for found in folder.iterdir():
        if found.is_dir() and not found.is_symlink():
            if found != besides:
                shutil.rmtree(found)
        elif found != besides:
            found.unlink()
