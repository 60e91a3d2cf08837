"""Results written to a file while the run goes on, and what is kept of a run that could not be finished."""

from __future__ import annotations

import contextlib
import hashlib
import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from math import prod
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from tokenflow_sim.disk import LONGEST, hidden_stem, remove, temporary_name, writing
from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.files import (
    COMPRESSION,
    load_results,
    publish,
    refuse_existing,
    remove_stale,
)
from tokenflow_sim.results.plan import Plan

PARTIAL = "partial"
"""Attribute of results that hold some periods of a run only; says which."""


def head_of(attrs: Mapping[str, Any], variables: list[str]) -> dict[str, Any]:
    """Return what distinguishes one run from another, by the words that a message uses."""
    return {
        "scenario": hashlib.sha256(str(attrs.get("scenario")).encode()).hexdigest(),
        "seed": str(attrs.get("seed")),
        "strategies": str(attrs.get("strategies")),
        "versions": f"{attrs.get('tokenflow_sim_version')} {attrs.get('versions')}",
        "variables": variables,
        "code": str(attrs.get("code", "{}")),
    }


def partial_path(path: Path, plan: Plan) -> Path:
    """Return where the finished periods of a run go: ``run.partial.nc`` beside ``run.nc``.

    What another run left under that name stays; then the name has a number.

    Parameters
    ----------
    path : Path
        The output of the run.
    plan : Plan
        What its results look like.
    """
    return next(place for place in _places(path) if not place.exists() or _is_of(place, plan))


def remove_partial(path: Path, plan: Plan) -> None:
    """Remove what an earlier try of a run left, now that its output is whole."""
    for place in _places(path):
        if not place.exists():
            return
        if _is_of(place, plan):
            remove(place)
            return


def _places(path: Path) -> Iterator[Path]:
    for number in count(1):
        ending = f".partial{f'-{number}' if number > 1 else ''}{path.suffix}"
        whole = f"{path.stem}{ending}"
        fits = len(os.fsencode(whole)) <= LONGEST
        yield path.with_name(whole if fits else f"{hidden_stem(path)}{ending}")


def _is_of(place: Path, plan: Plan) -> bool:
    """Say whether a file holds some periods of the very same run."""
    with suppress(ResultError), load_results(place) as found:
        names = [str(name) for name in found.data_vars]
        own = head_of(plan.attrs, list(plan.variables))
        return PARTIAL in found.attrs and head_of(found.attrs, names) == own
    return False


def kept_periods_text(first: int, last: int, periods: int, place: Path | None, resume: int = 0) -> str:
    """Say which periods are kept, where, and how to go on.

    Parameters
    ----------
    first, last : int
        The periods.
    periods : int
        How many the run has.
    place : Path or None
        The file; None where they are in memory.
    resume : int
        The period from which the run can go on; 0 where it cannot.
    """
    which = f"period {first}" if first == last else f"periods {first} to {last}"
    verb = "is" if first == last else "are"
    if place is None:
        return f"  {which} of {periods} {verb} kept in memory: the model's results() returns them"
    text = f"  {which} of {periods} {verb} kept in {place}, which opens like any result; "
    if resume:
        return (
            f"{text}where the cause lay outside of the run, go on from period {resume} with --resume; after a change"
            " of the scenario or of code start over with --force"
        )
    return f"{text}mend what went wrong and run again"


class Stream:
    """Writes results to a NetCDF file while the run goes on, holding none of them in memory.

    Parameters
    ----------
    path : str or Path
        The file, which appears under this name when the stream is closed, whole.
    plan : Plan
        What the results look like.
    force : bool
        Whether to replace an existing file.

    Attributes
    ----------
    result : Path or None
        The file with what was written, once it has a name.

    Raises
    ------
    ResultError
        If there is such a file already and `force` is false, or its folder cannot be written to.
    """

    def __init__(self, path: str | Path, plan: Plan, force: bool = False) -> None:
        self.path, self.plan, self.force = Path(path), plan, force
        self.result: Path | None = None
        self._rows = 0
        self._damaged = False
        refuse_existing(self.path, force)
        temporary = temporary_name(self.path)
        with writing(self.path):
            remove_stale(self.path)
            # What an interrupted run leaves behind is removed when the process ends, unless it is killed.
            self._clean_up = weakref.finalize(self, remove, temporary)
            # Under a temporary name until it is whole: no reader meets half a file under the final name.
            self._file = netCDF4.Dataset(temporary, "w", format="NETCDF4")
            self._file.set_auto_mask(False)
            self._temporary = temporary
            self._define()

    def _define(self) -> None:
        plan, file = self.plan, self._file
        file.createDimension("period", None)
        for dim, size in plan.sizes.items():
            if dim in plan.coords:
                file.createDimension(dim, size)
        period = file.createVariable("period", "i8", ("period",), chunksizes=(plan.chunk,), fill_value=False)
        period.setncatts(plan.attributes("period"))
        if plan.times is not None:
            time = file.createVariable("time", "i8", ("period",), chunksizes=(plan.chunk,), fill_value=False)
            held = {key: text for key, text in plan.times.encoding().items() if key != "dtype"}
            time.setncatts(plan.attributes("time") | held)
        for name, (dim, values) in plan.coords.items():
            text = values.dtype.kind == "U"
            coordinate = file.createVariable(
                name, str if text else "i8", (dim,), fill_value=None if text else False
            )
            coordinate.setncatts(plan.attributes(name))
            coordinate[:] = values.astype(object) if text else values
        for name, (dims, numbers) in plan.constants.items():
            constant = file.createVariable(name, "f8", dims, fill_value=False)
            constant.setncatts(plan.attributes(name))
            constant[:] = numbers
        for name in plan.variables:
            shape = (plan.chunk, *(max(1, size) for size in plan.shape(name)))
            variable = file.createVariable(
                name, "f8", plan.dims(name), **COMPRESSION, fill_value=False, chunksizes=shape
            )
            # Chunks are written once and whole: a cache beyond one chunk would only take memory.
            variable.set_var_chunk_cache(size=8 * prod(shape))
            variable.setncatts(plan.attributes(name))
        self._name_coordinates()
        file.setncatts(plan.attrs)

    def _name_coordinates(self) -> None:
        """Say which variables are coordinates, as the CF conventions and xarray do."""
        plan = self.plan
        extras = {name: {dim} for name, (dim, _) in plan.coords.items() if name != dim}
        extras |= {name: set(dims) for name, (dims, _) in plan.constants.items()}
        if plan.times is not None:
            extras["time"] = {"period"}
        named = set()
        for name in plan.variables:
            if beside := [extra for extra, dims in extras.items() if dims <= set(plan.dims(name))]:
                self._file[name].setncattr("coordinates", " ".join(beside))
                named.update(beside)
        # Coordinates that no variable has belong to the Dataset, by the same convention.
        if orphans := [extra for extra in extras if extra not in named]:
            self._file.setncattr("coordinates", " ".join(orphans))

    def write(self, start: int, values: Mapping[str, np.ndarray[Any, Any]], first: int = 0) -> None:
        """Write rows from `start` on, dims (period, ...); row 0 is period `first`.

        Raises
        ------
        ResultError
            If they cannot be written, e.g. because the disk is full.
        """
        stop = start + len(next(iter(values.values())))
        self._damaged = True  # until all is written
        with writing(self.path):
            periods = first + np.arange(start, stop)
            self._file["period"][start:stop] = periods
            if self.plan.times is not None:
                self._file["time"][start:stop] = self.plan.times.encoded(periods)
            for name, array in values.items():
                self._file[name][start:stop] = array
            # What an interrupted run leaves behind can be opened up to the last write.
            self._file.sync()
        self._rows, self._damaged = stop, False

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be pickled or copied: two must not write to one file.

        Raises
        ------
        ResultError
            Always.
        """
        raise ResultError(
            f"{self.path}: a model that streams to a file cannot be pickled or copied; make it without `out`, or keep"
            " checkpoints (run_resumable)"
        )

    def read(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return all that was written so far, in memory."""
        return {name: np.asarray(self._file[name][: self._rows]) for name in self.plan.variables}

    def close(self) -> None:
        """End the file and give it its name.

        Raises
        ------
        ResultError
            If another file took that name meanwhile and `force` is false; what was written is kept under the
            name that the message states.
        """
        with writing(self.path):
            self._file.close()
        self._publish(self.path, self.force)
        remove_partial(self.path, self.plan)

    def keep(self, first: int, periods: int, can_wait: bool = False, resume: int = 0) -> str:
        """End the file early and give it a name that says that it is partial; remove it where nothing is in it.

        Parameters
        ----------
        first : int
            The first period in it.
        periods : int
            How many periods the run has.
        can_wait : bool
            Without meaning here: nothing but this file keeps the periods.
        resume : int
            From which period the run can go on, for the message.

        Returns
        -------
        str
            What is kept and how to go on; empty where no period was written, or one only in part.

        Raises
        ------
        ResultError
            If it cannot be written.
        """
        if self._damaged or not self._rows:
            self.abort()
            return ""
        with writing(self.path):
            self._file.setncattr(PARTIAL, f"{self._rows} of {periods} periods")
            self._file.close()
        place = partial_path(self.path, self.plan)
        self._publish(place, True)
        return kept_periods_text(first, first + self._rows - 1, periods, place, resume)

    def _publish(self, path: Path, force: bool) -> None:
        try:
            publish(self._temporary, path, force)
        except ResultError as error:
            self._clean_up.detach()
            raise ResultError(f"{error}; the new results are kept as {self._temporary}") from error
        self._clean_up.detach()
        self.result = path

    def abort(self) -> None:
        """Give up: close the file and remove it, unless it was published."""
        with contextlib.suppress(RuntimeError, OSError):
            self._file.close()
        self._clean_up()
