"""Results checked: variables in the dims of their table, finite, with blocks and steps taken together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError, unknown_name
from tokenflow_sim.results.dates import by_period
from tokenflow_sim.results.reading import collapse, hours_of, need
from tokenflow_sim.variables import VARIABLES


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
        self.ds = by_period(need(ds, needs, figure))
        self.figure = figure
        for name in needs:
            if name in VARIABLES:
                self._check_dims(name)
                self._check_numbers(name)

    def _check_dims(self, name: str) -> None:
        array, wanted = self.ds[name], VARIABLES[name].dims
        extra = [str(dim) for dim in array.dims if dim not in VARIABLES[name].full_dims]
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
        bad = np.isnan(numbers) if VARIABLES[name].may_be_infinite else ~np.isfinite(numbers)
        if bad.any():
            raise ResultError(
                f"{self.figure} cannot be drawn: {name!r} holds {int(bad.sum())} numbers that are not finite; the run"
                " was not finished, or its file is damaged"
            )

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return a variable with the dims of the table, in their order, blocks and steps taken together."""
        return self._ordered(collapse(self.ds, name), name)

    def raw(self, name: str) -> xr.DataArray:
        """Return a variable with the dims of the table, then `block` or `step` where it has one."""
        return self._ordered(self.ds[name], name)

    def _ordered(self, array: xr.DataArray, name: str) -> xr.DataArray:
        wanted = VARIABLES[name].dims
        array = array.expand_dims([dim for dim in wanted if dim not in array.dims])
        return array.transpose(*wanted, ...)

    def attrs(self, name: str) -> dict[str, Any]:
        """Return unit and meaning of a variable: its own attributes, else those of the table."""
        return VARIABLES[name].attrs() | {
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
        """Length of a period in hours: attribute `hours`, else the scenario's; None where neither states it."""
        return hours_of(self.ds)

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
                raise ResultError(f"{self.figure}: {unknown_name(dim, label, names)}")
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
        raise ResultError(f"{figure}: {unknown_name(dim, label, list(dict.fromkeys(names)))}")
    return str(label)


def _first(array: xr.DataArray, dim: str) -> Any:
    return array[dim].values.item(0) if dim in array.coords and array.sizes[dim] else 0
