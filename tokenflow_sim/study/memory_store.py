"""A study's results in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import xarray as xr

from tokenflow_sim.study.frame import Frame, Kept, messages, status_of, statuses
from tokenflow_sim.study.runner import Failure
from tokenflow_sim.study.task import Task


class MemoryStore:
    """Keeps a study's results in arrays of their final shape.

    Parameters
    ----------
    frame : Frame
        Their shape.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.failures: list[Failure] = []
        self.done: dict[int, str] = {}
        self._told: dict[int, str] = {}
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

    def keep(self, position: int, task: Task, value: Kept) -> None:
        """Put what a run brought in its place."""
        place = self.frame.design.index(position)
        for name, array in self._values.items():
            if name in value.measures or name in value.arrays:
                array[place] = self.frame.fitted(name, value)
        self.done[position] = "done"

    def fail(self, failure: Failure) -> None:
        """Note that a run failed; its values stay NaN."""
        self.done[failure.position] = status_of(failure.kind)
        self._told[failure.position] = f"{failure.kind}: {failure.message}"

    def dataset(self) -> xr.Dataset:
        """Return everything that was kept."""
        frame = self.frame
        runs = tuple(frame.runs)
        dataset = frame.coordinates()
        for name, array in self._values.items():
            dataset[name] = ((*runs, *frame.dims[name]), array, frame.attrs[name])
        return with_statuses(dataset, frame, self.done, self._told)


def with_statuses(
    dataset: xr.Dataset, frame: Frame, done: Mapping[int, str], told: Mapping[int, str]
) -> xr.Dataset:
    """Add how each run ended, and what it said where it failed."""
    runs = tuple(frame.runs)
    dataset["status"] = (runs, statuses(frame, done), {"long_name": "how the run ended"})
    dataset["message"] = (runs, messages(frame, told), {"long_name": "what the run said where it failed"})
    return dataset
