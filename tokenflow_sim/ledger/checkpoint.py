"""Results of a run that may be killed at any moment: in parts that last, with the state from which it goes on."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.errors import ResultError
from tokenflow_sim.ledger.durable import kept, write_whole
from tokenflow_sim.ledger.files import load_results, refuse_existing
from tokenflow_sim.ledger.plan import Plan
from tokenflow_sim.ledger.stream import Stream

_HEAD, _STATE = "run.json", "state.pickle"
_DAMAGED = (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)


def folder_of(path: Path) -> Path:
    """Return the hidden folder beside a result file that an unfinished run of it keeps."""
    return path.with_name(f".{path.name}.unfinished")


def left_unfinished(path: Path) -> bool:
    """Say whether an unfinished run of a result file is kept beside it, from which one can go on."""
    return (folder_of(path) / _STATE).is_file()


class Checkpoint:
    """Streams results to parts beside the output; the output is made of them at the end.

    Parameters
    ----------
    path : Path
        The output, which appears when the stream is closed, whole.
    plan : Plan
        What the results look like.
    force : bool
        Whether to replace an output that is there already, and an unfinished run of it.
    resume : bool
        Whether to go on with an unfinished run of it, if there is one.

    Attributes
    ----------
    finished : bool
        Whether the output is there already, of the very same run; only where `resume` is set.

    kept : int
        Periods that the last state counts.

    Raises
    ------
    ResultError
        If the output is there already, an unfinished run of it is and neither `force` nor `resume` is set, or
        what is to be resumed is another run or damaged.

    Notes
    -----
    A part is written whole, then the state that counts it; what was written after the last state is written
    again. So the folder is consistent whenever the process dies, and nothing in it needs repair.
    """

    def __init__(self, path: str | Path, plan: Plan, force: bool = False, resume: bool = False) -> None:
        self.path, self.plan = Path(path), plan
        self.folder = folder_of(self.path)
        self.finished = False
        self.kept = 0
        self._rows = 0
        self._state: Any = None
        head = {**_head(plan), "force": force}
        found = self._unfinished()
        if resume:
            self.finished = self.path.is_file() and self._is_output_of_this_run(found is None)
            if self.finished:
                self.discard()
                return
            if found is not None:
                self._compare(found, head)
                head["force"] = found["force"]
                self._restore()
        elif found is not None and not force:
            raise ResultError(
                f"{self.path}: an unfinished run of it is kept in {self.folder}; go on with it (--resume), or start"
                " anew (--force)"
            )
        self.force = bool(head["force"])
        refuse_existing(self.path, self.force)
        with kept(self.folder):
            if self._state is None and self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(exist_ok=True)
        write_whole(self.folder / _HEAD, json.dumps(head).encode())

    def _unfinished(self) -> dict[str, Any] | None:
        """Return what an unfinished run with a state says of itself."""
        if not left_unfinished(self.path):
            return None
        try:
            head: dict[str, Any] = json.loads((self.folder / _HEAD).read_text(encoding="utf-8"))
        except _DAMAGED as error:
            raise self._unreadable(_HEAD, error) from error
        return head

    def _is_output_of_this_run(self, must: bool) -> bool:
        with load_results(self.path) as results:
            found = _head_of(results.attrs, [str(name) for name in results.data_vars])
        same = found == _head(self.plan)
        if must and not same:
            raise ResultError(
                f"{self.path}: is there already, of another run, and there is nothing to resume; choose another name,"
                " or replace it (--force)"
            )
        return same

    def _compare(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        if other := [name for name in head if name != "force" and found.get(name) != head[name]]:
            raise ResultError(
                f"{self.path}: the unfinished run in {self.folder} differs in its {', '.join(other)}; give the same"
                " arguments and versions to go on with it, or start anew (--force)"
            )

    def _restore(self) -> None:
        try:
            saved = pickle.loads((self.folder / _STATE).read_bytes())
            self.kept, self._state = int(saved["rows"]), saved["state"]
            self._rows = self.kept
        except (*_DAMAGED, ImportError, AttributeError) as error:
            raise self._unreadable(_STATE, error) from error
        with kept(self.folder):
            for part in self._parts():
                if int(part.stem) >= self._rows:
                    part.unlink()

    def _unreadable(self, name: str, error: Exception) -> ResultError:
        return ResultError(
            f"{self.folder / name}: cannot be read ({type(error).__name__}: {error}); start anew (--force)"
        )

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"), key=lambda part: int(part.stem))

    @property
    def state(self) -> Any:
        """The state to go on from; None where the run starts."""
        return self._state

    def commit(self, state: Any) -> None:
        """Keep the state after all rows that were written; a run that is killed goes on from here.

        Raises
        ------
        ResultError
            If it cannot be written, or a strategy remembers what cannot be pickled.
        """
        try:
            packed = pickle.dumps({"rows": self._rows, "state": state})
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ResultError(
                f"{self.path}: the state of the run cannot be kept ({error}); let no strategy remember open files,"
                " functions made on the spot and the like, or keep no checkpoints (--checkpoint 0)"
            ) from error
        write_whole(self.folder / _STATE, packed)
        self.kept = self._rows

    def write(self, start: int, values: Mapping[str, np.ndarray[Any, Any]], first: int = 0) -> None:
        """Write rows from `start` on, dims (period, ...).

        Raises
        ------
        ResultError
            If they cannot be written, e.g. because the disk is full.
        """
        content = io.BytesIO()
        np.savez(content, **values)  # type: ignore[arg-type]
        write_whole(self.folder / f"{start:09}.npz", content.getvalue())
        self._rows = start + len(next(iter(values.values())))

    def _load(self, part: Path) -> dict[str, np.ndarray[Any, Any]]:
        try:
            with np.load(part, allow_pickle=False) as content:
                return {name: content[name] for name in self.plan.variables}
        except _DAMAGED as error:
            raise self._unreadable(part.name, error) from error

    def read(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all that was written so far, in memory."""
        parts = [self._load(part) for part in self._parts()]
        empty = {name: np.empty((0, *self.plan.shape(name))) for name in self.plan.variables}
        return {name: np.concatenate([part[name] for part in [empty, *parts]]) for name in empty}

    def close(self) -> None:
        """Make the output of the parts, give it its name, and remove them.

        Raises
        ------
        ResultError
            If it cannot be written; the parts are kept.
        """
        stream = Stream(self.path, self.plan, self.force)
        try:
            for part in self._parts():
                stream.write(int(part.stem), self._load(part))
        except BaseException:
            stream.abort()
            raise
        stream.close()
        self.discard()

    def discard(self) -> None:
        """Remove what was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def abort(self) -> None:
        """Leave what was kept as it is: a run that is interrupted can go on from it."""


def _head(plan: Plan) -> dict[str, Any]:
    return _head_of(plan.attrs, list(plan.variables))


def _head_of(attrs: Mapping[str, Any], variables: list[str]) -> dict[str, Any]:
    """Return what tells one run from another, by the words that a message uses."""
    return {
        "scenario": hashlib.sha256(str(attrs.get("scenario")).encode()).hexdigest(),
        "seed": str(attrs.get("seed")),
        "strategies": str(attrs.get("strategies")),
        "versions": f"{attrs.get('tokenflow_sim_version')} {attrs.get('versions')}",
        "variables": variables,
    }
