"""The shape of a study's Dataset, known before its first run: dims, labels and units of everything kept."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.results import Plan
from tokenflow_sim.scenario.times import PeriodTimes
from tokenflow_sim.study.design import Design
from tokenflow_sim.variables import MEASURES, RESULT_COORDINATES

Array = np.ndarray[Any, Any]
_OR = " or "
_UNION = "all labels that any run has; values of a run without a label are NaN"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a study keeps of one run, as a worker sends it.

    Parameters
    ----------
    labels : tuple
        The labels of every dim of the run's own results.
    measures, arrays : dict
        The measures of the run, and what it recorded, by name.
    """

    labels: tuple[Hashable, ...]
    measures: dict[str, Array]
    arrays: dict[str, Array]


def labels_of(plan: Plan, periods: int) -> tuple[Hashable, ...]:
    """Return the labels of every dim of a run, by which it finds its place."""
    dims = {dim: values for dim, (at, values) in plan.coords.items() if dim == at}
    return (("period", periods), *((dim, tuple(values.tolist())) for dim, values in sorted(dims.items())))


@dataclass
class DatasetShape:
    """The shape of a study's Dataset.

    Parameters
    ----------
    design : Design
        The runs.
    record : tuple of str
        The variables that are kept of each run, beside its measures.
    measured : tuple of str
        The measures that are kept.

    Notes
    -----
    Runs whose markets differ in their labels (more blocks, other arcs, nodes or providers, more periods) share one
    Dataset over all labels that any of them has, in the order in which they come; what a run has not is NaN. The
    labels follow from the scenarios of all points, before any run, so that a store has its final shape from the start.
    """

    design: Design
    record: tuple[str, ...]
    measured: tuple[str, ...] = tuple(MEASURES)
    lengths: set[int] = field(default_factory=set)
    labels: dict[str, Array] = field(default_factory=dict)
    coords: dict[str, tuple[str, Array]] = field(default_factory=dict)
    dims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    attrs: dict[str, dict[str, str]] = field(default_factory=dict)
    known: dict[tuple[Hashable, ...], Plan] = field(default_factory=dict)
    times: list[PeriodTimes | None] = field(default_factory=list)

    def add(self, plan: Plan, periods: int) -> None:
        """Make room for the runs of one structure."""
        key = labels_of(plan, periods)
        if key not in self.known:
            self.known[key] = plan
            self._make_room(plan, periods)
        # Runs of the same labels may still differ in what stands beside them: units, where an asset is.
        for name in self.record:
            if name in plan.variables:
                self._note_unit(name, plan.attributes(name))
        self.times.append(plan.times)
        for name, (dim, values) in plan.coords.items():
            if name != dim:
                self._add_extra(name, dim, plan.coords[dim][1], values)

    def _make_room(self, plan: Plan, periods: int) -> None:
        self.lengths.add(periods)
        for name, (dim, values) in plan.coords.items():
            if name == dim:
                self.labels[dim] = _union(self.labels.get(dim), values)
            self.attrs.setdefault(name, plan.attributes(name))
        for name in self.record:
            if name in plan.variables:
                self.dims[name] = max(self.dims.get(name, ()), plan.dims(name), key=len)
        for name in self.measured:
            self.dims[name] = MEASURES[name].dims
            self.attrs[name] = MEASURES[name].attrs()
        self.attrs["period"] = {"long_name": RESULT_COORDINATES["period"]}

    def _note_unit(self, name: str, attrs: dict[str, str]) -> None:
        held = self.attrs.setdefault(name, dict(attrs))
        if attrs["units"] not in held["units"].split(_OR):
            held["units"] += f"{_OR}{attrs['units']}"  # bandwidth is measured in two ways in one study

    def _add_extra(self, name: str, dim: str, labels: Array, values: Array) -> None:
        """Join a coordinate along a dim, such as each asset's node; where runs do not agree, it has all values."""
        held: dict[Any, str] = {}
        if name in self.coords:
            held = dict(zip(self.labels[dim].tolist(), self.coords[name][1].tolist(), strict=False))
        for label, value in zip(labels.tolist(), values.tolist(), strict=True):
            found = [one for one in held.get(label, "").split(_OR) if one]
            held[label] = _OR.join(found if value in found else [*found, value])
        joined = [held.get(label, "") for label in self.labels[dim].tolist()]
        self.coords[name] = (dim, np.array(joined, dtype=np.str_))

    @property
    def periods(self) -> int:
        """Periods of the longest run."""
        return max(self.lengths, default=0)

    @property
    def united(self) -> list[str]:
        """The dims along which runs have different labels, so that the Dataset has all that any of them has."""
        used = {dim for dims in self.dims.values() for dim in dims}
        dims = [dim for dim in self.labels if any(not self._same(dim, plan) for plan in self.known.values())]
        return [dim for dim in [*(["period"] if len(self.lengths) > 1 else []), *dims] if dim in used]

    @property
    def runs(self) -> dict[str, int]:
        """Length of the dims of the runs."""
        return self.design.shape

    def size(self, dim: str) -> int:
        """Return the length of a dim of the results."""
        return self.periods if dim == "period" else len(self.labels[dim])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a variable in one run."""
        return tuple(self.size(dim) for dim in self.dims[name])

    def fitted(self, name: str, kept: RunRecord) -> Array:
        """Return a run's values in the shape of the study, NaN where the run has no such label.

        Raises
        ------
        ResultError
            If the run has labels that the study did not expect.
        """
        values = kept.measures[name] if name in kept.measures else kept.arrays[name]
        plan = self.known.get(kept.labels)
        if plan is None:
            raise ResultError(
                "the run has other labels (nodes, providers, arcs, ...) than any that was foreseen"
            )
        own = MEASURES[name].dims if name in kept.measures else plan.dims(name)
        if own != self.dims[name]:  # a run of one block in a study of several
            values = values.reshape(*values.shape, *(1,) * (len(self.dims[name]) - len(own)))
        shape = self.shape(name)
        if values.shape == shape and all(self._same(dim, plan) for dim in self.dims[name]):
            return values
        whole = np.full(shape, np.nan)
        whole[
            np.ix_(
                *(self._places(dim, plan, n) for dim, n in zip(self.dims[name], values.shape, strict=True))
            )
        ] = values
        return whole

    def _same(self, dim: str, plan: Plan) -> bool:
        return dim == "period" or np.array_equal(plan.coords.get(dim, ("", ()))[1], self.labels[dim])

    def _places(self, dim: str, plan: Plan, count: int) -> Array:
        if dim == "period" or dim not in plan.coords:
            return np.arange(count)
        where = {label: place for place, label in enumerate(self.labels[dim].tolist())}
        return np.array([where[label] for label in plan.coords[dim][1].tolist()], dtype=np.intp)

    def coordinates(self) -> xr.Dataset:
        """Return a Dataset of the coordinates alone."""
        coords: dict[str, Any] = {name: (dim, values) for name, (dim, values) in self.design.coords.items()}
        used = {dim for dims in self.dims.values() for dim in dims}
        noted = {dim: {"note": _UNION} for dim in self.united}
        if "period" in used:
            coords["period"] = (
                "period",
                np.arange(self.periods),
                self.attrs["period"] | noted.get("period", {}),
            )
            # Runs that begin at different times share no dates; their periods are distinguished by number.
            if self.times and all(one == self.times[0] for one in self.times):
                plan = next(iter(self.known.values()))
                if (time := plan.time(coords["period"][1])) is not None:
                    coords["time"] = time
        for dim, values in self.labels.items():
            if dim in used:
                coords[dim] = (dim, values, self.attrs[dim] | noted.get(dim, {}))
        for name, (dim, values) in self.coords.items():
            if dim in used and name not in coords:
                coords[name] = (dim, values, self.attrs[name])
        return xr.Dataset(coords=coords)

    @property
    def variables(self) -> list[str]:
        """Names of what is kept of each run."""
        return [*(name for name in self.record if name in self.dims), *self.measured]


def _union(held: Array | None, values: Array) -> Array:
    if held is None:
        return values
    fresh = [value for value in values.tolist() if value not in set(held.tolist())]
    return np.array([*held.tolist(), *fresh], dtype=values.dtype if values.dtype.kind != "U" else np.str_)


def status_of(kind: str) -> str:
    """Return the status of a run that failed, by the name of its exception."""
    return "infeasible" if kind == "InfeasibleError" else "failed"


def statuses(frame: DatasetShape, found: Mapping[int, str]) -> Array:
    """Return the status of every run by position, in the shape of the runs; ``missing`` where there is none."""
    flat = np.full(len(frame.design), "missing", dtype="<U10")
    for position, status in found.items():
        flat[position] = status
    return flat.reshape(tuple(frame.runs.values()))


def messages(frame: DatasetShape, found: Mapping[int, str]) -> Array:
    """Return what every failed run said by position, in the shape of the runs; empty elsewhere."""
    width = max((len(text) for text in found.values()), default=1)
    flat = np.full(len(frame.design), "", dtype=f"<U{max(1, width)}")
    for position, text in found.items():
        flat[position] = text
    return flat.reshape(tuple(frame.runs.values()))
