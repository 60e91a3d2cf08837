"""The figures there are. A module in `gallery` with a function under `@figure(...)` is all that adds one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Concatenate, ParamSpec, cast

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market import Clearing
from tokenflow_sim.plot.shorten import family_of
from tokenflow_sim.plot.style import house_style
from tokenflow_sim.plot.time import TimeAxis
from tokenflow_sim.results import checked
from tokenflow_sim.results.dates import moments, zone_of_dates
from tokenflow_sim.results.reading import missing
from tokenflow_sim.results.single import results_of

P = ParamSpec("P")
Draw = Callable[Concatenate[xr.Dataset, P], Figure]

_ENTRIES: dict[str, Entry] = {}


class Results(checked.Results):
    """A run's results as a figure reads them: checked, with a time axis."""

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


@dataclass(frozen=True)
class Entry:
    """One figure of the registry.

    Parameters
    ----------
    name : str
        Name of the function, and of the file that the command line draws.
    draw : callable
        The public function: takes results, returns a Figure.
    needs : tuple of str
        Variables and coordinates that it cannot do without.
    also : callable, optional
        Whether results that have them allow the figure; they always do if None.
    """

    name: str
    draw: Callable[..., Figure]
    needs: tuple[str, ...]
    also: Callable[[xr.Dataset], bool] | None = None

    @property
    def summary(self) -> str:
        """First line of the function's description."""
        return (inspect.getdoc(self.draw) or "").partition("\n")[0]

    @property
    def is_own(self) -> bool:
        """Whether the figure belongs to this package, and not to a user's script."""
        return self.draw.__module__.startswith("tokenflow_sim.plot.")

    def fits(self, ds: xr.Dataset) -> bool:
        """Return whether these results have all that the figure needs."""
        return not missing(ds, self.needs) and (self.also is None or self.also(ds))


def figure(
    *needs: str, fits: Callable[[xr.Dataset], bool] | None = None
) -> Callable[[Callable[Concatenate[Results, P], Figure]], Draw[P]]:
    """Make a function that draws `Results` into a public figure, and register it.

    The public function takes a Dataset, or a Clearing as results of one period, checks it, and draws in the house
    style without touching the user's own settings.

    Parameters
    ----------
    *needs : str
        Variables and coordinates without which the figure cannot be drawn.
    fits : callable, optional
        Whether results that have these allow the figure without further arguments; `figures` asks it.
    """

    def register(function: Callable[Concatenate[Results, P], Figure]) -> Draw[P]:
        name = function.__name__

        @wraps(function)
        def draw(ds: xr.Dataset, *args: P.args, **kwargs: P.kwargs) -> Figure:
            given = _as_results(ds)
            with house_style(), family_of(given):
                return function(Results(given, needs, name), *args, **kwargs)

        parameters = list(inspect.signature(function).parameters.values())
        parameters[0] = parameters[0].replace(name="ds", annotation="xr.Dataset")
        draw.__signature__ = inspect.signature(function).replace(parameters=parameters)  # type: ignore[attr-defined]
        _ENTRIES[name] = Entry(name, draw, needs, fits)
        return cast(Draw[P], draw)

    return register


def _as_results(ds: object) -> object:
    return results_of(ds) if isinstance(ds, Clearing) else ds


@cache
def _load_gallery() -> None:
    gallery = import_module("tokenflow_sim.plot.gallery")
    for module in sorted(info.name for info in iter_modules(gallery.__path__)):
        import_module(f"{gallery.__name__}.{module}")


def entries() -> dict[str, Entry]:
    """Return every figure, by name."""
    _load_gallery()
    return dict(sorted(_ENTRIES.items()))


def figures(ds: xr.Dataset) -> dict[str, Callable[..., Figure]]:
    """Return the figures that can be drawn from these results.

    Parameters
    ----------
    ds : Dataset or Clearing
        Results of a run, or a single clearing.

    Returns
    -------
    dict
        Function by name; ``figures(ds)["prices"](ds)`` draws.

    Raises
    ------
    ResultError
        If `ds` is no Dataset.
    """
    checked = Results(_as_results(ds), (), "figures").ds
    return {name: entry.draw for name, entry in entries().items() if entry.fits(checked)}


def find(name: str) -> Callable[..., Figure]:
    """Return the function that draws a figure.

    Raises
    ------
    AttributeError
        If there is none of that name.
    """
    found = entries().get(name)
    if found is None:
        raise AttributeError(f"tokenflow_sim.plot has no {name!r}; figures: {', '.join(entries())}")
    return found.draw
