"""Results as figures read them: checked, in the dims of the table of variables, with names and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import ResultError, known
from tokenflow_sim.plot.time import Floats, TimeAxis
from tokenflow_sim.results.dates import by_period, moments, zone_of_dates
from tokenflow_sim.variables import BACKLOG, RESULT_COORDINATES, RESULTS

_VARIABLES = RESULTS | BACKLOG
_PARTED = {
    **dict.fromkeys(("dispatch", "offer_price", "offer_quantity", "scarcity_rent"), "block"),
    **dict.fromkeys(("demand", "unserved"), "step"),
}
"""The dim of offers in blocks and of demand in steps, by variable."""
NOISE = 1e-9
"""Share of a demand up to which unserved demand is the rounding of a solver."""

# `hours` stands at the margin of the scenario's text; parsing all of it would read every inlined table.
_HOURS = re.compile(r"^hours:[ \t]*([0-9.eE+-]+)[ \t]*(?:#.*)?$", re.MULTILINE)

_MAY_BE_INFINITE = frozenset({"offer_quantity"})
"""What an asset offers may be unlimited; everything else that a run records is a finite number."""


class Results:
    """A run's results, with access by the names of `variables.RESULTS`.

    Parameters
    ----------
    ds : Dataset
        What `TokenMarket.results` or `load_results` returned, or a selection from it: dims that were selected
        away by a single label are put back.
    needs : sequence of str
        Variables and coordinates without which the figure cannot be drawn.
    figure : str
        Name of the figure, for messages.

    Raises
    ------
    ResultError
        If `ds` is no Dataset, lacks something, has dims of its own (such as seeds), or has no periods.
    """

    def __init__(self, ds: object, needs: Sequence[str], figure: str) -> None:
        if not isinstance(ds, xr.Dataset):
            hint = (
                "call its results() first" if hasattr(ds, "results") else "see load_results(path) for files"
            )
            raise ResultError(
                f"{figure} needs the results of a run as an xarray.Dataset; found {type(ds).__name__}; {hint}"
            )
        self.ds = ds = by_period(ds)
        self.figure = figure
        lacking = missing(ds, needs)
        if lacking:
            told = ", ".join(
                f"{name} ({RESULT_COORDINATES[name]})" if name in RESULT_COORDINATES else name
                for name in lacking
            )
            raise ResultError(
                f"{figure} needs {', '.join(needs)}; missing: {told}; "
                f"known in this Dataset: {', '.join(map(str, ds.variables)) or 'nothing'}"
            )
        for name in needs:
            if name in _VARIABLES:
                self._check_dims(name)
                self._check_numbers(name)

    def _check_dims(self, name: str) -> None:
        array, wanted = self.ds[name], _VARIABLES[name].dims
        extra = [str(dim) for dim in array.dims if dim not in (*wanted, _PARTED.get(name))]
        if extra:
            choice = ", ".join(f"{dim}={_first(array, dim)!r}" for dim in extra)
            raise ResultError(
                f"{self.figure} draws one run, but {name!r} has also the dims {', '.join(extra)}; "
                f"choose one label of each, e.g. ds.sel({choice})"
            )
        empty = [
            dim
            for dim in wanted
            if dim in array.dims and array.sizes[dim] == 0 and dim not in ("arc", "owner")
        ]
        if empty:
            raise ResultError(f"{self.figure} finds nothing to draw: {name!r} has no {', no '.join(empty)}")
        lost = [
            dim for dim in wanted if dim not in array.dims and dim not in array.coords and dim != "period"
        ]
        if lost:
            found = ", ".join(map(str, array.dims))
            raise ResultError(
                f"{self.figure} needs {name!r} with dims ({', '.join(wanted)}); found ({found})"
            )

    def _check_numbers(self, name: str) -> None:
        # Of a copy: the caller's own array stays on disk.
        numbers = self.ds[name].variable.copy(deep=False).values
        bad = np.isnan(numbers) if name in _MAY_BE_INFINITE else ~np.isfinite(numbers)
        if bad.any():
            raise ResultError(
                f"{self.figure} cannot be drawn: {name!r} holds {int(bad.sum())} numbers that are not finite; the run"
                " was not finished, or its file is damaged"
            )

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return a variable with the dims of the table, in their order.

        Blocks of an offer and steps of demand are taken together: quantities are summed, an offer price is the mean
        weighted by the quantity offered at it, and of scarcity rents the largest counts.
        """
        array, part = self.raw(name), _PARTED.get(name)
        if part is None or part not in array.dims:
            return array
        if name == "offer_price":
            offered = self.raw("offer_quantity")
            total = offered.sum(part)
            mean = (array * offered).sum(part) / total.where(total > 0)
            return mean.where(total > 0, array.mean(part))
        return array.max(part) if name == "scarcity_rent" else array.sum(part)

    def raw(self, name: str) -> xr.DataArray:
        """Return a variable with the dims of the table, then `block` or `step` where it has one."""
        array, wanted = self.ds[name], _VARIABLES[name].dims
        array = array.expand_dims([dim for dim in wanted if dim not in array.dims])
        return array.transpose(*wanted, ...)

    def attrs(self, name: str) -> dict[str, Any]:
        """Return unit and meaning of a variable: its own attributes, else those of the table."""
        return _VARIABLES[name].attrs() | {
            key: value for key, value in self.ds[name].attrs.items() if key in ("units", "long_name")
        }

    def names(self, dim: str, variable: str) -> list[str]:
        """Return the labels along a dim of a variable, as text."""
        array = self[variable]
        labels = array[dim].values if dim in array.coords else np.arange(array.sizes[dim])
        return [str(label) for label in labels]

    def along(self, coordinate: str) -> list[str]:
        """Return a coordinate along assets or arcs (see `variables.RESULT_COORDINATES`), as text."""
        return [str(label) for label in np.atleast_1d(self.ds[coordinate].values)]

    @cached_property
    def providers(self) -> list[str]:
        """All compute providers, in the order that fixes their colours."""
        return self._parties("provider", "asset_provider")

    @cached_property
    def owners(self) -> list[str]:
        """All network owners, in the order that fixes their colours."""
        return self._parties("owner", "arc_owner")

    def _parties(self, dim: str, coordinate: str) -> list[str]:
        listed = [str(label) for label in np.atleast_1d(self.ds[dim].values)] if dim in self.ds.coords else []
        return list(
            dict.fromkeys([*listed, *(self.along(coordinate) if coordinate in self.ds.coords else [])])
        )

    @cached_property
    def hours(self) -> float | None:
        """Length of a period in hours: attribute `hours`, else the scenario's; None where neither tells."""
        found = self.ds.attrs.get("hours")
        if found is None:
            match = _HOURS.search(str(self.ds.attrs.get("scenario", "")))
            found = match.group(1) if match else None
        try:
            hours = float(found) if found is not None else None
        except (TypeError, ValueError):
            return None
        return hours if hours is not None and np.isfinite(hours) and hours > 0 else None

    @cached_property
    def time(self) -> TimeAxis:
        """The time axis: dates where results have them.

        Raises
        ------
        ResultError
            If periods are not increasing.
        """
        begins = moments(self.ds)
        if begins is not None:
            if not (np.diff(begins) > np.timedelta64(0, "us")).all():
                raise ResultError(f"{self.figure} needs periods in the order of time; see ds.sortby('time')")
            return TimeAxis.of_dates(begins, self.hours, zone_of_dates(self.ds))
        if "period" not in self.ds.coords:
            return TimeAxis(np.arange(self.ds.sizes.get("period", 1), dtype=float), self.hours)
        labels = np.atleast_1d(self.ds["period"].values)
        periods = (
            labels.astype(float)
            if np.issubdtype(labels.dtype, np.number)
            else np.arange(len(labels), dtype=float)
        )
        if not (np.diff(periods) > 0).all():
            raise ResultError(f"{self.figure} needs periods in increasing order; see ds.sortby('period')")
        return TimeAxis(periods, self.hours)

    def choose(self, dim: str, labels: object, variable: str) -> list[str]:
        """Return the labels to draw: those asked for, or all.

        Parameters
        ----------
        dim : str
            The dim.
        labels : label, sequence of labels or None
            What the user asked for; None means all.
        variable : str
            A variable that has the dim.

        Raises
        ------
        ResultError
            If a label is unknown; the message lists those that are known.
        """
        names = self.names(dim, variable)
        if labels is None:
            return names
        several = isinstance(labels, list | tuple | np.ndarray)
        wanted = [str(label) for label in labels] if several else [str(labels)]  # type: ignore[attr-defined]
        for label in wanted:
            if label not in names:
                raise ResultError(f"{self.figure}: {known(dim, label, names)}")
        if not wanted:
            raise ResultError(f"{self.figure}: no {dim} was chosen; known: {', '.join(names)}")
        return wanted


def party(figure: str, dim: str, label: object, names: Sequence[str]) -> str:
    """Return a provider or owner by name.

    Raises
    ------
    ResultError
        If it is unknown; the message lists those that are known.
    """
    if str(label) not in names:
        raise ResultError(f"{figure}: {known(dim, label, list(dict.fromkeys(names)))}")
    return str(label)


def missing(ds: xr.Dataset, needs: Sequence[str]) -> list[str]:
    """Return those of `needs` that a Dataset has not."""
    return [name for name in needs if name not in ds.variables]


def weighted_mean(values: Floats, weights: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Return the mean by weights, and the plain mean where all weights are zero.

    Parameters
    ----------
    values, weights : ndarray
        Of equal shape.
    axis : int or tuple of int
        The axes to average over.
    """
    total = weights.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (values * weights).sum(axis=axis) / total
    return np.where(total > 0, mean, values.mean(axis=axis))


def grouped(values: Floats, members: Sequence[str], groups: Sequence[str], axis: int) -> Floats:
    """Add up along an axis by group.

    Parameters
    ----------
    values : ndarray
        The numbers.
    members : sequence of str
        The group of each place along the axis.
    groups : sequence of str
        The groups in the order wanted; all members are among them.
    axis : int
        The axis, which is that of the groups afterwards.
    """
    place = {group: index for index, group in enumerate(groups)}
    member: NDArray[np.float64] = np.zeros((len(members), len(groups)))
    member[np.arange(len(members)), [place[group] for group in members]] = 1.0
    return np.moveaxis(np.moveaxis(values, axis, -1) @ member, -1, axis)


def _first(array: xr.DataArray, dim: str) -> Any:
    return array[dim].values.item(0) if dim in array.coords and array.sizes[dim] else 0
