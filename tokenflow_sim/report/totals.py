"""What a run sums up to, read from its results a stretch of periods at a time; parts may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.variables import RESULTS

"""Seconds in an hour."""
NOISE = 1e-9
"""Share of a demand, a capacity or a price up to which a difference is the rounding of a solver."""

_STRETCH = 256  # periods: bounds the memory that a long run takes
_COUNTED = ("short", "at_value", "pivotal", "full")


@dataclass(frozen=True)
class Peak:
    """The largest value of something, and where it was."""

    value: float
    period: int
    node: str = ""


@dataclass
class Totals:
    """Sums over a run, of whatever it recorded.

    Parameters
    ----------
    ds : Dataset
        Results of a run; may be lazy, and may lack variables.
    value : mapping
        Value of lost service in $/Mtok by workload class; empty where all demand must be served.

    Attributes
    ----------
    sums : dict of DataArray
        Sum over all periods of each variable recorded, without the dims of blocks and steps. Numbers that are
        missing are left out; where all of them are, so is the sum.
    known : dict of DataArray
        In how many periods there is a number, alike.
    undefined : dict
        How many numbers of a variable are missing, where any are.
    counts : dict of DataArray
        In how many periods something was so: ``short`` (node, workload), demand was not served in full;
        ``at_value`` (node, workload), the price reached the value of lost service; ``pivotal``
        (provider, workload), the others' offers together were less than demand; ``full`` (arc,), the link's
        capacity was used up.
    affected : dict
        In how many periods it was so anywhere.
    peaks : dict of Peak
        The highest price of each class.
    worst : Peak or None
        The largest optimality residual.
    """

    ds: xr.Dataset
    value: Mapping[str, float] = field(default_factory=dict)
    sums: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    known: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    counts: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    undefined: dict[str, int] = field(init=False, default_factory=dict)
    peaks: dict[str, Peak] = field(init=False, default_factory=dict)
    worst: Peak | None = field(init=False, default=None)
    affected: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Read the results."""
        self.recorded = [name for name in RESULTS if name in self.ds.data_vars]
        self.missing = [name for name in RESULTS if name not in self.ds.data_vars]
        for part in self._stretches():
            arrays = {name: _without_steps(part[name]) for name in self.recorded}
            for name, array in arrays.items():
                self._add(name, array)
            for what in _COUNTED:
                self._count(what, getattr(self, f"_{what}")(arrays))
            self._look(arrays)
        self.sums = {name: array.where(self.known[name] > 0) for name, array in self.sums.items()}

    @property
    def periods(self) -> int:
        """Periods of the run."""
        return int(self.ds.sizes["period"])

    @cached_property
    def hours(self) -> float:
        """Length of a period; one hour where the results do not tell."""
        return float(self.ds.attrs.get("hours", 1.0))

    @property
    def amount(self) -> float:
        """Mtok in a period, per Mtok/s."""
        return self.hours * SECONDS_PER_HOUR

    def has(self, *names: str) -> bool:
        """Return whether all these variables were recorded."""
        return all(name in self.sums for name in names)

    def by(self, name: str, dim: str, groups: str | None = None) -> pd.Series[float]:
        """Return the sum of a variable along one of its dims.

        Parameters
        ----------
        name : str
            The variable.
        dim : str
            The dim to keep.
        groups : str, optional
            A coordinate along `dim` to add up by, e.g. the provider of an asset.
        """
        array = self.sums[name]
        summed = array.sum([other for other in array.dims if other != dim], min_count=1)
        labels = self.ds[groups or dim].to_numpy().astype(str)
        series: pd.Series[float] = pd.Series(
            summed.to_numpy().astype(float), index=pd.Index(labels, name=groups or dim)
        )
        return series.groupby(level=0, sort=False).sum(min_count=1) if groups else series

    def mean(self, name: str, dim: str) -> pd.Series[float]:
        """Return the mean of a variable along one of its dims, over the numbers that are there."""
        array = self.known[name]
        count = array.sum([other for other in array.dims if other != dim]).to_numpy()
        return self.by(name, dim) / np.where(count > 0, count, np.nan)

    def total(self, name: str) -> float:
        """Return the sum of a variable over everything; NaN where nothing of it is known."""
        return float(self.sums[name].sum(min_count=1))

    def _stretches(self) -> Iterator[xr.Dataset]:
        for start in range(0, self.periods, _STRETCH):
            yield self.ds[self.recorded].isel(period=slice(start, start + _STRETCH)).load()

    def _add(self, name: str, array: xr.DataArray) -> None:
        lost = int(array.isnull().sum())
        if lost:
            self.undefined[name] = self.undefined.get(name, 0) + lost
        summed, known = array.sum("period", skipna=True), array.notnull().sum("period")
        self.sums[name] = self.sums[name] + summed if name in self.sums else summed
        self.known[name] = self.known[name] + known if name in self.known else known

    def _count(self, what: str, found: xr.DataArray | None) -> None:
        if found is None:
            return
        counted = found.sum("period")
        self.counts[what] = self.counts[what] + counted if what in self.counts else counted
        others = [dim for dim in found.dims if dim != "period"]
        self.affected[what] = self.affected.get(what, 0) + int(found.any(others).sum())

    def _look(self, arrays: Mapping[str, xr.DataArray]) -> None:
        """Find the largest residual and the highest prices."""
        if "certificate" in arrays and arrays["certificate"].notnull().any():
            residuals = arrays["certificate"]
            place = int(residuals.argmax("period"))
            peak = Peak(float(residuals[place]), int(residuals["period"][place]))
            self.worst = peak if self.worst is None or peak.value > self.worst.value else self.worst
        if "price" not in arrays:
            return
        price = arrays["price"].transpose("workload", "period", "node")
        for workload, values in zip(price["workload"].to_numpy().astype(str), price.to_numpy(), strict=True):
            if np.isnan(values).all():
                continue
            period, node = np.unravel_index(int(np.nanargmax(values)), values.shape)
            peak = Peak(
                float(values[period, node]),
                int(price["period"][int(period)]),
                str(price["node"][int(node)].item()),
            )
            if workload not in self.peaks or peak.value > self.peaks[workload].value:
                self.peaks[str(workload)] = peak

    def _short(self, arrays: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
        if not {"demand", "unserved"} <= arrays.keys():
            return None
        return arrays["unserved"] > NOISE * arrays["demand"].clip(min=1e-300)

    def _at_value(self, arrays: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
        if "price" not in arrays or not self.value:
            return None
        names = arrays["price"]["workload"].to_numpy().astype(str)
        worth = xr.DataArray([self.value.get(name, np.inf) for name in names], dims="workload")
        return arrays["price"] >= worth * (1 - NOISE)

    def _pivotal(self, arrays: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
        if not {"demand", "offer_quantity"} <= arrays.keys() or "asset_provider" not in self.ds.coords:
            return None
        offered = arrays["offer_quantity"]
        firms = self.ds["asset_provider"].to_numpy().astype(str)
        names = list(dict.fromkeys(firms))
        mine = [offered.isel(asset=np.flatnonzero(firms == name)).sum("asset") for name in names]
        own = xr.concat(mine, pd.Index(names, name="provider"), coords="minimal", compat="override")
        wanted = arrays["demand"].sum("node")
        # Who offers nothing of a class is not needed for it, however short it is.
        return (own > 0) & (own.sum("provider") - own < wanted * (1 - NOISE))

    def _full(self, arrays: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
        if "link_use_share" not in arrays:
            return None
        return arrays["link_use_share"] >= 1 - 1e-6


def _without_steps(array: xr.DataArray) -> xr.DataArray:
    """Add up quantities over blocks and steps; of the prices of blocks keep the first."""
    extra = [dim for dim in array.dims if dim in ("block", "step")]
    if not extra:
        return array
    if array.name in ("offer_price", "scarcity_rent"):
        return array.isel({dim: 0 for dim in extra})
    return array.sum(extra, min_count=1)


def scenario_values(scenario: Any) -> dict[str, float]:
    """Return the value of lost service by class, where demand has one; `scenario` may be None."""
    if scenario is None or scenario.rules.must_serve:
        return {}
    return {name: item.value for name, item in scenario.workloads.items() if item.value is not None}
