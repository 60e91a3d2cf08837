"""Reading a run's results, and what its scenario says of them; blocks and steps taken together, periods in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError, ScenarioError
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Bools, Floats, Ints
from tokenflow_sim.scenario import Compiled, Scenario
from tokenflow_sim.variables import RESULT_COORDINATES, VARIABLES

NOISE = 1e-9
"""Share of a demand, a capacity or a price up to which a difference is the rounding of a solver."""
FULL = 1 - 1e-6
"""Share of a link's capacity from which it is full."""
AT_ONCE = 256
"""Periods that are read together, which bounds the memory that a long run takes."""

# `hours` stands at the margin of the scenario's text; parsing all of it would read every inlined table.
_HOURS = re.compile(r"^hours:[ \t]*([0-9.eE+-]+)[ \t]*(?:#.*)?$", re.MULTILINE)


def missing(ds: xr.Dataset, needs: Sequence[str]) -> list[str]:
    """Return those of `needs` that a Dataset has not."""
    return [name for name in needs if name not in ds.variables]


def need(ds: object, names: Sequence[str], reader: str) -> xr.Dataset:
    """Return a Dataset that has all that a reader of it needs.

    Parameters
    ----------
    ds : Dataset
        Results.
    names : sequence of str
        Variables and coordinates that are read.
    reader : str
        Name of the measure or figure that reads them, for the message.

    Raises
    ------
    ResultError
        If it is no Dataset, or lacks one of the names.
    """
    if not isinstance(ds, xr.Dataset):
        hint = "call its results() first" if hasattr(ds, "results") else "see load_results(path) for files"
        raise ResultError(
            f"{reader} needs the results of a run as an xarray.Dataset; found {type(ds).__name__}; {hint}"
        )
    if lacking := missing(ds, names):
        described = (
            f"{name} ({RESULT_COORDINATES[name]})" if name in RESULT_COORDINATES else name for name in lacking
        )
        raise ResultError(
            f"{reader} needs {', '.join(names)}; missing: {', '.join(described)}; known in this Dataset:"
            f" {', '.join(map(str, ds.variables)) or 'nothing'}"
        )
    return ds


def need_periods(ds: object, names: Sequence[str], reader: str) -> xr.Dataset:
    """Return a Dataset that has all that is needed, with a dim `period` that is not empty.

    Raises
    ------
    ResultError
        As `need` does, or if there are no periods.
    """
    found = need(ds, names, reader)
    if "period" not in found.dims:
        raise ResultError(
            f"{reader} needs the dim period; found ({', '.join(map(str, found.dims))}); keep a single period with"
            " ds.isel(period=[0])"
        )
    if not found.sizes["period"]:
        raise ResultError(f"{reader} needs at least one period; these results have none")
    return found


def collapse(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return a variable with its blocks or steps taken together as the table of variables says.

    Parameters
    ----------
    ds : Dataset
        Results; may be lazy.
    name : str
        The variable.

    Returns
    -------
    DataArray
        The array as it is where it has no blocks or steps. What is missing of one block is missing of the whole.
    """
    array, row = ds[name], VARIABLES.get(name)
    if row is None or row.extra is None or row.extra not in array.dims:
        return array
    if row.collapse != "mean":
        return (array.max if row.collapse == "max" else array.sum)(row.extra, skipna=False)
    plain = array.mean(row.extra, skipna=False)
    if row.weight not in ds:
        return plain
    weight = ds[row.weight]
    # Beside an unlimited block, no limited one counts.
    endless: xr.DataArray = xr.apply_ufunc(np.isinf, weight)
    weight = weight.where(~endless.any(row.extra), endless.astype(float))
    total = weight.sum(row.extra, skipna=False)
    mean = (array * weight).sum(row.extra, skipna=False) / total.where(total > 0)
    found: xr.DataArray = mean.where(total > 0, plain)
    return found.transpose(*(dim for dim in array.dims if dim != row.extra))


def missed(ds: xr.Dataset) -> xr.DataArray:
    """Return unserved demand that somebody misses: of demand in steps the first, which is worth most.

    Later steps are unserved where they would not have paid the price, or wait for another period.
    """
    unserved = ds["unserved"]
    return unserved.isel(step=0, drop=True) if "step" in unserved.dims else unserved


def needed(ds: xr.Dataset) -> xr.DataArray:
    """Return demand that must be met: all of it, or, of demand in steps, what was served and what is missed."""
    if "step" not in ds["demand"].dims:
        return ds["demand"]
    served: xr.DataArray = collapse(ds, "demand") - collapse(ds, "unserved")
    return served + missed(ds)


def by_provider(array: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Add up an array with the dim `asset` by provider, in the order of the results' providers."""
    providers = ds["provider"].values
    member = ds["asset_provider"].values[:, None] == providers[None, :]
    weights = xr.DataArray(member.astype(float), dims=("asset", "provider"), coords={"provider": providers})
    summed: xr.DataArray = xr.dot(array.fillna(0.0), weights, dim="asset")
    lost = array.isnull()
    # What is missing of one provider says nothing of another.
    return summed.where(xr.dot(lost.astype(float), weights, dim="asset") == 0) if lost.any() else summed


def sum_at(values: np.ndarray[Any, Any], places: Ints, count: int) -> Floats:
    """Add up values along their second dim by place, e.g. those of assets by node.

    Parameters
    ----------
    values : ndarray
        Dims (period, item, ...).
    places : ndarray of int
        Where each item belongs, dims (item,).
    count : int
        How many places there are.

    Returns
    -------
    ndarray
        Dims (period, place, ...).
    """
    summed = np.zeros((count, len(values), *values.shape[2:]))
    np.add.at(summed, places, values.swapaxes(0, 1))
    return summed.swapaxes(0, 1)


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
    member: Floats = np.zeros((len(members), len(groups)))
    member[np.arange(len(members)), [place[group] for group in members]] = 1.0
    return np.moveaxis(np.moveaxis(values, axis, -1) @ member, -1, axis)


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


def stretches(ds: xr.Dataset, names: Sequence[str]) -> Iterator[xr.Dataset]:
    """Yield some variables of results for so many periods at a time as fit in memory, read."""
    # Dropping keeps all coordinates; picking would lose those of dims that none of the names has.
    chosen = ds.drop_vars([name for name in ds.data_vars if name not in names])
    for start in range(0, ds.sizes["period"], AT_ONCE):
        yield chosen.isel(period=slice(start, start + AT_ONCE)).load()


def hours_of(ds: xr.Dataset) -> float | None:
    """Return the length of a period in hours: attribute `hours`, else the scenario's; None where neither says."""
    found = ds.attrs.get("hours")
    if found is None:
        match = _HOURS.search(str(ds.attrs.get("scenario", "")))
        found = match.group(1) if match else None
    try:
        hours = float(found) if found is not None else None
    except (TypeError, ValueError):
        return None
    return hours if hours is not None and np.isfinite(hours) and hours > 0 else None


def scenario_of(ds: xr.Dataset) -> Scenario | None:
    """Return the scenario that results carry as text; None where they carry none that can be read."""
    return read_scenario(ds)[0]


def read_scenario(ds: xr.Dataset) -> tuple[Scenario | None, str]:
    """Return the scenario that results carry as text, and else why there is none."""
    text = ds.attrs.get("scenario")
    if not isinstance(text, str) or not text:
        return None, "these results carry none"
    return _parsed(text, ds.attrs.get("scenario_series"))


@lru_cache(maxsize=8)
def _parsed(text: str, series: str | None) -> tuple[Scenario | None, str]:
    try:
        return Scenario.from_results(xr.Dataset(attrs={"scenario": text, "scenario_series": series})), ""
    except ScenarioError as error:  # of another version, or written by hand
        return None, str(error.faults[0] if error.faults else error)


@dataclass(frozen=True)
class Background:
    """What a scenario says of the periods of some results.

    Parameters
    ----------
    ds : Dataset
        The results.
    compiled : Compiled
        The scenario that made them.
    """

    ds: xr.Dataset
    compiled: Compiled

    @classmethod
    def of(cls, ds: xr.Dataset, measure: str, scenario: Scenario | None = None) -> Background:
        """Read the scenario of some results, from their attributes unless it is given.

        Raises
        ------
        ResultError
            If the results do not carry the scenario that made them, or it cannot be read.
        """
        if scenario is None:
            if not isinstance(ds.attrs.get("scenario"), str):
                raise ResultError(
                    f"{measure} needs the scenario that made these results, which they keep in their attribute"
                    " 'scenario'; computations drop attributes: select first, or copy attrs along"
                )
            scenario, fault = read_scenario(ds)
            if scenario is None:
                raise ResultError(f"{measure}: the scenario in these results cannot be read: {fault}")
        compiled = scenario.compiled
        assets = [str(label) for label in compiled.layout.assets]
        if [str(label) for label in ds["asset"].values] != assets:
            raise ResultError(
                f"{measure}: the assets of these results are not all of their scenario's, in its order"
            )
        return cls(ds, compiled)

    @property
    def hours(self) -> float:
        """Length of a period in hours."""
        return float(self.compiled.hours)

    @property
    def seconds(self) -> float:
        """Length of a period in seconds."""
        return self.hours * SECONDS_PER_HOUR

    @property
    def allowed(self) -> Bools:
        """Whether a class may use an arc, dims (arc, workload)."""
        return self.compiled.network.allowed

    @property
    def link_use(self) -> Floats:
        """Link use of a unit of service, dims (arc, workload)."""
        return self.compiled.network.link_use

    @cached_property
    def true_cost(self) -> xr.DataArray:
        """True cost of service in $/Mtok, dims (period, asset, workload)."""
        cost = self._stack("true_cost", ("asset", "workload"))
        if self.compiled.pays_carbon and "emission_price" in self.ds:
            # A price that adapts to a run is none of the scenario's.
            beyond = self.ds["emission_price"].values - self._stack("carbon_price", ("node",)).values
            at_asset = beyond[:, self.compiled.layout.asset_node, None]
            cost = cost + at_asset * self._stack("emission_rate", ("asset", "workload")).values
        return cost

    @cached_property
    def capacity(self) -> xr.DataArray:
        """What exists in Mtok/s, outages taken off, dims (period, asset, workload); classes may share its power."""
        return self._stack("capacity", ("asset", "workload")) * self._left("asset")

    @cached_property
    def power_use(self) -> xr.DataArray | None:
        """Power drawn in MW per Mtok/s, dims (period, asset, workload); None where power is not shared."""
        return self._stack("power_use", ("asset", "workload")) if self.shares_power else None

    @cached_property
    def power_limit(self) -> xr.DataArray | None:
        """Power that an asset's classes share in MW, dims (period, asset); None where it is not shared."""
        return self._stack("power_limit", ("asset",)) * self._left("asset") if self.shares_power else None

    @cached_property
    def link_capacity(self) -> xr.DataArray:
        """What exists of each link in the layout's unit, outages taken off, dims (period, arc)."""
        return self._stack("link_capacity", ("arc",)) * self._left("arc")

    @cached_property
    def transport_cost(self) -> xr.DataArray:
        """True cost of transport in $ in the period, dims (period,): the scenario's route cost, and curvature."""
        network, flow = self.compiled.network, self.ds["flow"].transpose("period", "arc", "workload").values
        load = (network.link_use * flow).sum(axis=2)
        cost = (network.route_cost * flow).sum(axis=(1, 2)) + 0.5 * (network.link_curvature * load**2).sum(
            axis=1
        )
        return xr.DataArray(cost * self.seconds, dims="period", coords={"period": self.ds["period"]})

    @property
    def shares_power(self) -> bool:
        """Whether the classes of an asset share its power."""
        return self.compiled.scenario.rules.shared_power

    def _left(self, dim: str) -> xr.DataArray | float:
        """Return the share of capacity that outages at random times leave, dims (period, asset or arc).

        The scenario knows those of its table alone; what the run drew, it has recorded.
        """
        if not self.compiled.scenario.outage_processes:
            return 1.0
        name = "asset_availability" if dim == "asset" else "link_availability"
        if name not in self.ds:
            raise ResultError(
                f"what exists is known only where {name} is recorded, since the scenario has outage_processes"
            )
        places = [self.compiled.state(int(period)).availability for period in self.ds["period"].values]
        table = np.array([one[0 if dim == "asset" else 1] for one in places if one is not None])
        recorded = self.ds[name].transpose("period", dim)
        return recorded.copy(
            data=np.divide(recorded.values, table, out=np.zeros_like(table), where=table > 0)
        )

    def _prices_before(self) -> dict[int, Floats]:
        """Return the bus prices that tokens of a period were cleared at, those of the period before, by period."""
        if self.compiled.grid is None or "bus_price" not in self.ds:
            return {}
        periods, prices = self.ds["period"].values, self.ds["bus_price"].values
        return {int(period) + 1: price for period, price in zip(periods, prices, strict=True)}

    def _stack(self, name: str, dims: tuple[str, ...]) -> xr.DataArray:
        """Stack one array of the scenario's states over the results' periods."""
        before = self._prices_before()
        periods = map(int, self.ds["period"].values)
        rows = [getattr(self.compiled.state(period, before.get(period)), name) for period in periods]
        coords = {dim: self.ds[dim].values for dim in ("period", *dims)}
        return xr.DataArray(np.array(rows), dims=("period", *dims), coords=coords)
