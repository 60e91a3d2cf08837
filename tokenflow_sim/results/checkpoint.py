"""Results of a run that may be killed at any moment: in parts that last, with the state from which it goes on."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tokenflow_sim.disk import hidden, resumable_errors, write_whole
from tokenflow_sim.errors import ResultError
from tokenflow_sim.pickling import culprit
from tokenflow_sim.results.files import load_results, refuse_existing
from tokenflow_sim.results.plan import Plan
from tokenflow_sim.results.stream import Stream, head_of
from tokenflow_sim.strategies.code import compare

_HEAD, _STATE = "run.json", "state.pickle"
_DAMAGED = (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile)
_OTHER_CODE = (ImportError, AttributeError, TypeError)
"""What unpickling raises where a class that the state remembers is no longer what it was."""
_CRC = 4
"""Bytes of the checksum at the end of the state, which unpickling ignores."""
_SHOWN = 5
"""Parts that one message names at most."""


class _Part(NamedTuple):
    """What the state says of a part: from a checksum one learns that it is another file than was written."""

    rows: int
    crc: int


def folder_of(path: Path) -> Path:
    """Return the hidden folder beside a result file that an unfinished run of it keeps."""
    return hidden(path, ".unfinished")


def left_unfinished(path: Path) -> bool:
    """Say whether an unfinished run of a result file is kept beside it, from which one can go on."""
    return (folder_of(path) / _STATE).is_file()


class _Fault(Exception):
    """One part that is not as it was written."""


class Checkpoint:
    """Streams results to parts beside the output; the output is made of them at the end.

    Parameters
    ----------
    path : Path
        The output, which appears when the stream is closed, whole.
    plan : Plan
        What the results look like.
    force : bool
        Whether to replace an existing output, and an unfinished run of it.
    resume : bool
        Whether to resume an unfinished run of it, if there is one.

    Attributes
    ----------
    finished : bool
        Whether the output exists already, of the very same run; only where `resume` is set.

    kept : int
        Periods that the last state counts.
    result : Path or None
        The file with what was written, once there is one.

    Raises
    ------
    ResultError
        If the output exists already, an unfinished run of it is and neither `force` nor `resume` is set, or
        what is to be resumed is another run or damaged.

    Notes
    -----
    A part is written whole, then the state that counts it; what was written after the last state is written
    again. So the folder is consistent whenever the process dies, and nothing in it needs repair. The state names
    the parts that it counts with their checksums, and ends in one of its own (CRC-32), so that a folder which
    was damaged or lost a file is refused rather than made results of.
    """

    def __init__(self, path: str | Path, plan: Plan, force: bool = False, resume: bool = False) -> None:
        self.path, self.plan = Path(path), plan
        self.folder = folder_of(self.path)
        self.finished = False
        self.kept = 0
        self.result: Path | None = None
        self._rows = 0
        self._parts: dict[int, _Part] = {}
        self._state: Any = None
        head = {**_head(plan), "force": force}
        unfinished = left_unfinished(self.path)
        # An output of this run beside an unfinished one is from an earlier call that was killed while it cleaned up.
        if resume:
            self.finished = self.path.is_file() and self._is_output_of_this_run(not unfinished)
            if self.finished:
                self.discard()
                return
            if unfinished:
                found = self._found()
                self._compare(found, head)
                head["force"] = found["force"]
                self._restore()
        elif unfinished and not force:
            raise ResultError(
                f"{self.path}: an unfinished run of it is kept in {self.folder}; resume it (--resume), or start"
                " over (--force)"
            )
        self.force = bool(head["force"])
        refuse_existing(self.path, self.force)
        with resumable_errors(self.folder):
            if self._state is None and self.folder.exists():
                if resume and any(self.folder.glob("[0-9]*.npz")):
                    warnings.warn(
                        f"{self.path}: the unfinished run in {self.folder} has no {_STATE} to go on from; it is played"
                        " again from its first period",
                        UserWarning,
                        stacklevel=2,
                    )
                (self.folder / _STATE).unlink(missing_ok=True)
                shutil.rmtree(self.folder)
            self.folder.mkdir(exist_ok=True)
        write_whole(self.folder / _HEAD, json.dumps(head).encode())

    def _found(self) -> dict[str, Any]:
        """Return what the unfinished run says of itself."""
        try:
            head = json.loads((self.folder / _HEAD).read_text(encoding="utf-8"))
            if not isinstance(head, dict) or not isinstance(head.get("force"), bool):
                raise ValueError("it does not describe a run")
        except _DAMAGED as error:
            raise self._unreadable(_HEAD, error) from error
        return head

    def _is_output_of_this_run(self, must: bool) -> bool:
        with load_results(self.path) as results:
            found = head_of(results.attrs, [str(name) for name in results.data_vars])
            code = results.attrs.get("code")
        head = _head(self.plan)
        other = compare(code, head["code"], str(self.path))
        same = not other and {**found, "code": head["code"]} == head
        if must and other:
            raise ResultError(
                f"{self.path}: exists already, and was played by other code, from which this differs: {other}; name"
                " another file, or replace it (--force)"
            )
        if must and not same:
            raise ResultError(
                f"{self.path}: exists already, of another run, and there is nothing to resume; choose another name,"
                " or replace it (--force)"
            )
        return same

    def _compare(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        if other := [
            name for name in head if name not in {"force", "code"} and found.get(name) != head[name]
        ]:
            raise ResultError(
                f"{self.path}: the unfinished run in {self.folder} differs in its {', '.join(other)}; give the same"
                " arguments and versions to resume it, or start over (--force)"
            )
        if difference := compare(found.get("code"), head["code"], f"{self.path}: the unfinished run"):
            raise ResultError(
                f"{self.path}: the unfinished run in {self.folder} was played by other code, from which this differs:"
                f" {difference}; restore that code to resume it, start over (--force), or name another file"
            )

    def _restore(self) -> None:
        try:
            content = (self.folder / _STATE).read_bytes()
            packed, crc = content[:-_CRC], content[-_CRC:]
            if crc != _checksum(packed):
                raise ValueError("its checksum does not match: it is damaged")
            saved = pickle.loads(packed)
            self.kept, self._parts, self._state = saved["rows"], saved["parts"], saved["state"]
        except (*_DAMAGED, *_OTHER_CODE) as error:
            raise self._unreadable(_STATE, error) from error
        self._rows = self.kept
        self._check()
        # Parts after the last state were written by a process that died before it counted them; they come again.
        with resumable_errors(self.folder):
            for part in self.folder.glob("[0-9]*.npz"):
                if int(part.stem) >= self._rows:
                    part.unlink()

    def _unreadable(self, name: str, error: Exception) -> ResultError:
        return ResultError(
            f"{self.folder / name}: cannot be read ({type(error).__name__}: {error}); start over (--force)"
        )

    def _check(self) -> None:
        """See that the parts are there, unharmed, and hold every row once.

        Raises
        ------
        ResultError
            With all that is wrong.
        """
        faults, reached = [], 0
        for start, part in sorted(self._parts.items()):
            if start != reached:
                faults.append(f"no part holds periods {reached} to {start - 1}")
            reached = start + part.rows
            try:
                self._content(start)
            except _Fault as fault:
                faults.append(str(fault))
        if reached != self._rows:
            faults.append(f"the parts end before period {reached}, the run stands before {self._rows}")
        if faults:
            raise self._incomplete(faults)

    def _incomplete(self, faults: list[str]) -> ResultError:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        return ResultError(
            f"{self.folder}: the unfinished run is not complete: {'; '.join(faults[:_SHOWN])}{more}; restore the files"
            ", e.g. from a backup, and resume it (--resume), or start over (--force)"
        )

    def _file(self, start: int) -> Path:
        return self.folder / f"{start:09}.npz"

    def _content(self, start: int) -> bytes:
        """Return the bytes of a part as they were written."""
        file, part = self._file(start), self._parts[start]
        what = f"{file.name} (periods {start} to {start + part.rows - 1})"
        try:
            content = file.read_bytes()
        except FileNotFoundError as error:
            raise _Fault(f"{what} is missing") from error
        except OSError as error:
            raise _Fault(f"{what} cannot be read ({error.strerror or error})") from error
        if zlib.crc32(content) != part.crc:
            raise _Fault(f"{what} is damaged (its checksum does not match)")
        return content

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
            packed = pickle.dumps({"rows": self._rows, "parts": self._parts, "state": state})
        except Exception as error:  # what a user's own object raises
            raise ResultError(
                f"{self.path}: the state of the run cannot be kept, since {culprit(state, pickle.dumps)}; let no"
                " strategy remember open files, functions made on the spot and the like, or keep no checkpoints"
                " (--checkpoint 0)"
            ) from error
        write_whole(self.folder / _STATE, packed + _checksum(packed))
        self.kept = self._rows

    def write(self, start: int, values: Mapping[str, np.ndarray[Any, Any]], first: int = 0) -> None:
        """Write rows from `start` on, dims (period, ...).

        Raises
        ------
        ResultError
            If they cannot be written, e.g. because the disk is full.
        """
        # In memory first: the checksum is of the bytes as meant, not as a failing disk read them back.
        buffer = io.BytesIO()
        np.savez(buffer, **values)  # type: ignore[arg-type]
        content, rows = buffer.getvalue(), len(next(iter(values.values())))
        write_whole(self._file(start), content)
        self._parts[start] = _Part(rows, zlib.crc32(content))
        self._rows = start + rows

    def _load(self, start: int) -> dict[str, np.ndarray[Any, Any]]:
        try:
            content = self._content(start)
        except _Fault as fault:
            raise self._incomplete([str(fault)]) from fault
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in self.plan.variables}

    def read(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all that was written so far, in memory."""
        parts = [self._load(start) for start in sorted(self._parts)]
        empty = {name: np.empty((0, *self.plan.shape(name))) for name in self.plan.variables}
        return {name: np.concatenate([part[name] for part in [empty, *parts]]) for name in empty}

    def close(self) -> None:
        """Make the output of the parts, give it its name, and remove them.

        Raises
        ------
        ResultError
            If it cannot be written, or a part is missing or damaged; the parts are kept.
        """
        self._check()  # all parts before the first is copied: a fault is found while nothing was written
        stream = Stream(self.path, self.plan, self.force)
        try:
            for start in sorted(self._parts):
                stream.write(start, self._load(start))
        except BaseException:
            stream.abort()
            raise
        stream.close()
        self.result = self.path
        self.discard()

    def discard(self) -> None:
        """Remove what was kept, the state first: without it no half of the rest is taken for an unfinished run."""
        with contextlib.suppress(OSError):
            (self.folder / _STATE).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, first: int, periods: int, can_wait: bool = False) -> str:
        """Keep what a run that cannot go on has finished: the last state, and all periods as a file that opens.

        Parameters
        ----------
        first : int
            The first period.
        periods : int
            How many periods the run has.
        can_wait : bool
            Whether to make no file where the run can be resumed: an interrupted user does not want to wait.

        Returns
        -------
        str
            What is kept and how to go on; empty where it is nothing.

        Raises
        ------
        ResultError
            If the file cannot be written; then the state and the parts that it counts are kept.
        """
        if can_wait and self.kept:
            return f"what was played up to period {self.kept} is kept: resume with --resume"
        text = ""
        if self._rows:
            stream = Stream(self.path, self.plan, True)
            try:
                for start in sorted(self._parts):
                    stream.write(start, self._load(start))
                text = stream.keep(first, periods, resume=self.kept)
            except BaseException:
                stream.abort()
                raise
            self.result = stream.result
        # Without a state nothing can be resumed: the file just written is then the only copy.
        if not self.kept:
            self.discard()
        return text

    def abort(self) -> None:
        """Leave what was kept as it is, for the run to go on from; remove it where that is nothing."""
        if not self.kept:
            self.discard()


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CRC, "little")


def _head(plan: Plan) -> dict[str, Any]:
    return head_of(plan.attrs, list(plan.variables))
