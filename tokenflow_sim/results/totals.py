"""What a run sums up to, read from its results a stretch of periods at a time; parts may be missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.market.pivotal import Variant
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.results.pivotal import NEEDS, run_supply, usual_variant
from tokenflow_sim.results.reading import (
    FULL,
    NOISE,
    Background,
    collapse,
    hours_of,
    missing,
    stretches,
)
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.variables import RESULTS, VARIABLES

_COUNTED = ("short", "at_value", "full")


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
    scenario : Scenario, optional
        The scenario that was played, where it is known.
    names : collection of str, optional
        The variables to read; all that were recorded if left out.

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
        (provider,) or (provider, workload), the provider was pivotal by the residual supply index `variant`; ``full``
        (arc,), the link's capacity was used up.
    affected : dict
        In how many periods it was so anywhere.
    peaks : dict of Peak
        The highest price of each class, the first of equal ones.
    worst : Peak or None
        The largest optimality residual.
    variant : Variant or None
        Which residual supply index ``pivotal`` counts; None where the run did not record what it needs.
    """

    ds: xr.Dataset
    scenario: Scenario | None = None
    names: Collection[str] | None = None
    sums: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    known: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    counts: dict[str, xr.DataArray] = field(init=False, default_factory=dict)
    undefined: dict[str, int] = field(init=False, default_factory=dict)
    peaks: dict[str, Peak] = field(init=False, default_factory=dict)
    worst: Peak | None = field(init=False, default=None)
    affected: dict[str, int] = field(init=False, default_factory=dict)
    variant: Variant | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Read the results."""
        self.missing = [name for name in RESULTS if name not in self.ds.data_vars]
        wanted = VARIABLES if self.names is None else self.names
        self.recorded = [name for name in wanted if name in self.ds.data_vars]
        self.value = scenario_values(self.scenario)
        self.variant = self._variant()
        self._traded: dict[str, xr.DataArray] = {}
        for part in stretches(self.ds, self.recorded):
            arrays = {name: collapse(part, name) for name in self.recorded}
            for name, array in arrays.items():
                self._add(name, array)
            for what in _COUNTED:
                self._count(what, getattr(self, f"_{what}")(arrays))
            if self.variant is not None:
                self._count("pivotal", run_supply(part, self.variant, self._background(part)).pivotal)
            self._look(arrays)
            self._trade(arrays)
        self.sums = {name: array.where(self.known[name] > 0) for name, array in self.sums.items()}

    @property
    def periods(self) -> int:
        """Periods of the run."""
        return int(self.ds.sizes["period"])

    @cached_property
    def hours(self) -> float:
        """Length of a period; one hour where the results do not say."""
        return hours_of(self.ds) or 1.0

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

    @property
    def mean_price(self) -> pd.Series[float]:
        """Mean price of each class over nodes and periods in $/Mtok, weighted by what was served: what it paid.

        NaN where nothing was served, where a price at which something was is missing, and without prices.
        """
        labels = self.ds["workload"].to_numpy().astype(str)
        if not self._traded:
            return pd.Series(np.nan, index=pd.Index(labels, name="workload"))
        paid, served, asked = (self._traded[name].to_numpy() for name in ("paid", "served", "asked"))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(served > NOISE * asked, paid / served, np.nan)
        return pd.Series(mean, index=pd.Index(labels, name="workload"))

    def _trade(self, arrays: Mapping[str, xr.DataArray]) -> None:
        """Add up what was paid for service, and what was served; both are missing where a part of them is."""
        if not {"price", "demand", "unserved"} <= arrays.keys():
            return
        price, asked = arrays["price"], arrays["demand"]
        served = asked - arrays["unserved"]
        if {"operator_budget", "payment"} <= arrays.keys():  # who paid by another rule than the price
            price = arrays["payment"] / (served * self.amount).where(served != 0)
        # A price at which nobody was served counts nothing, missing or not.
        new = {"paid": (price * served).where(served != 0, 0.0), "served": served, "asked": asked}
        for name, array in new.items():
            summed = array.sum(["period", "node"], skipna=False)
            self._traded[name] = self._traded[name] + summed if name in self._traded else summed

    def _variant(self) -> Variant | None:
        background = self._background(self.ds)
        variant = usual_variant(background)
        needs = [name for name in NEEDS[variant.capacity] if name in RESULTS]
        if not set(needs) <= set(self.recorded) or missing(self.ds, NEEDS[variant.capacity]):
            return None
        return variant

    def _background(self, part: xr.Dataset) -> Background | None:
        """Return what the scenario says of some periods; None where it is another one than that of the results."""
        if self.scenario is None or "asset" not in part.coords:
            return None
        assets = [str(label) for label in self.scenario.compiled.layout.assets]
        same = [str(label) for label in part["asset"].values] == assets
        return Background(part, self.scenario.compiled) if same else None

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

    def _full(self, arrays: Mapping[str, xr.DataArray]) -> xr.DataArray | None:
        if "link_use_share" not in arrays:
            return None
        full: xr.DataArray = arrays["link_use_share"] >= FULL
        return full


def scenario_values(scenario: Scenario | None) -> dict[str, float]:
    """Return the value of lost service by class, where demand has one; `scenario` may be None."""
    if scenario is None or scenario.rules.must_serve:
        return {}
    return {name: item.value for name, item in scenario.workloads.items() if item.value is not None}
