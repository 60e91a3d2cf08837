"""What a sweep brought: its Dataset, its table, its statistics and its figure."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.study.common import SEED, Common, common_of, comparable
from tokenflow_sim.study.messages import safe_repr
from tokenflow_sim.study.statistics import described
from tokenflow_sim.study.task import Failure
from tokenflow_sim.study.zarr_files import open_store
from tokenflow_sim.variables import MEASURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sweep:
    """What a sweep brought.

    Parameters
    ----------
    dataset : Dataset
        Measures of each run and what it recorded; dims named by the dotted paths that were varied (or ``point``),
        then `seed`, then those of the results. `status` says how each run ended: ``done``, ``infeasible``,
        ``failed``, or ``missing`` where the study is unfinished. Lazy where it was written to a store.
    failures : list of Failure
        The runs that failed, with what repeats them.
    seconds : dict
        How long each run that was played now took, by position.
    """

    dataset: xr.Dataset
    failures: list[Failure] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)

    @property
    def runs(self) -> list[str]:
        """The dims of the runs."""
        return [str(dim) for dim in json.loads(self.dataset.attrs["runs"])]

    @property
    def paths(self) -> list[str]:
        """The dotted paths that were varied."""
        return [str(path) for path in json.loads(self.dataset.attrs["paths"])]

    @property
    def table(self) -> pd.DataFrame:
        """One row a run: its values, its seed, how it ended, and its measures."""
        dataset, runs = self.dataset, self.runs
        columns: dict[str, Any] = {}
        blank = dataset["status"]
        for name in [*self.paths, *([] if "point" not in runs else ["point"]), "seed"]:
            columns[name] = dataset[name].broadcast_like(blank).transpose(*runs).values.ravel()
        columns["status"] = blank.values.ravel()
        for name in MEASURES:
            if name not in dataset:
                continue
            array = dataset[name].transpose(*runs, ...)
            flat = array.values.reshape(blank.size, -1)
            own = [str(dim) for dim in array.dims if dim not in runs]
            labels = dataset[own[0]].values if own else [""]
            for number, label in enumerate(labels):
                columns[f"{name}[{label}]" if own else name] = flat[:, number]
        return pd.DataFrame(columns)

    def summary(
        self,
        over: str | Sequence[str] = "seed",
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        *,
        common: bool = True,
    ) -> xr.Dataset:
        """Summarise over some dims: mean, standard deviation, quantiles and number of runs.

        Parameters
        ----------
        over : str or sequence of str
            The dims to summarise over.
        quantiles : sequence of float
            Which quantiles, each between 0 and 1.
        common : bool
            Whether statistics over seeds are of the seeds that all points finished, so that points differ by their
            values alone; else each point has those that it finished itself, be they of other random numbers.

        Returns
        -------
        Dataset
            Every variable with a dim ``statistic`` (mean, std, count, q5, q50, ...). Runs that failed are left out; a
            point that is left out altogether is NaN, its count 0. The attribute `means` says so. Lazy where the sweep
            is: only what is used of it is read, some runs at a time.
        """
        dims = [over] if isinstance(over, str) else list(over)
        faults = [
            Fault(unknown_name("dim", dim, list(self.dataset.dims)), "over")
            for dim in dims
            if dim not in self.dataset.dims
        ]
        faults += [
            Fault(f"lie between 0 and 1; found {q!r}", "quantiles") for q in quantiles if not 0 <= q <= 1
        ]
        if faults:
            raise InputError(faults, "summary")
        numbers = self.dataset.drop_vars(["status", "message"])
        found = common_of(self.dataset) if common and SEED in dims else None
        if found is not None and not found.is_whole:
            numbers = numbers.isel({SEED: np.flatnonzero(found.seeds)})
        summary = xr.Dataset(
            {
                name: described(array, [dim for dim in dims if dim in array.dims], quantiles)
                for name, array in numbers.data_vars.items()
            },
            attrs=self.dataset.attrs,
        )
        return summary if found is None or found.is_whole else _without(summary, found)

    def plot(self, **options: Any) -> Figure:
        """Draw a measure over what was varied.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.sweep` takes them.
        """
        # A study stands below the figures, and must load without them.
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.sweep(self.dataset, **options))

    @safe_repr
    def __repr__(self) -> str:
        """Summarise the sweep in one line."""
        attrs, status = self.dataset.attrs, self.dataset["status"].values
        found, counts = np.unique(status, return_counts=True)
        statuses = ", ".join(f"{count} {status}" for status, count in zip(found, counts, strict=True))
        means = comparable(self.dataset[["status"]])[1] if "missing" not in found else ""
        union = (
            f"; labels of {', '.join(json.loads(attrs['union']))} differ: the union"
            if "union" in attrs
            else ""
        )
        return (
            f"<Sweep: {attrs['scenario_name']} over {', '.join(self.paths)}; runs: {statuses}"
            f"{f'; {means}' if means else ''}{union}>"
        )


def _without(summary: xr.Dataset, found: Common) -> xr.Dataset:
    """Return statistics without those of the points that are left out: NaN, and a count of 0."""
    part = summary.assign_attrs(means=found.note)
    if found.kept.all():
        return part
    for name, array in summary.data_vars.items():
        if "statistic" in array.dims and set(found.kept.dims) <= set(array.dims):
            blank = array["statistic"].copy(data=np.where(array["statistic"] == "count", 0.0, np.nan))
            part[name] = array.where(found.kept, blank).transpose(*array.dims).assign_attrs(array.attrs)
    return part


def load_sweep(path: str | Path) -> Sweep:
    """Open what a sweep wrote, finished or not; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        The Zarr store.

    Raises
    ------
    ResultError
        If there is no such store, it is damaged, or it holds something else.
    """
    return Sweep(open_store(path))
