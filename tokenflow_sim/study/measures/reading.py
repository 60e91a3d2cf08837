"""What measures read: a run's results, and what its scenario says beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.numeric import Floats as Floats
from tokenflow_sim.numeric import Ints as Ints
from tokenflow_sim.scenario import Compiled, Scenario


@lru_cache(maxsize=8)
def _scenario_of(text: str) -> Scenario:
    return Scenario.from_yaml(text)


def need(ds: object, names: tuple[str, ...], measure: str) -> xr.Dataset:
    """Return the Dataset, or tell what a measure lacks in it.

    Parameters
    ----------
    ds : Dataset
        Results.
    names : tuple of str
        Variables and coordinates that the measure reads.
    measure : str
        Its name, for the message.

    Raises
    ------
    ResultError
        If it is no Dataset, lacks one of the names, or has no periods.
    """
    if not isinstance(ds, xr.Dataset):
        hint = "; call its results() first" if hasattr(ds, "results") else ""
        raise ResultError(
            f"{measure} needs the results of a run as an xarray.Dataset; found {type(ds).__name__}{hint}"
        )
    missing = [name for name in names if name not in ds.variables]
    if missing:
        raise ResultError(
            f"{measure} needs {', '.join(names)}; missing: {', '.join(missing)}; known in this Dataset:"
            f" {', '.join(map(str, ds.variables)) or 'nothing'}"
        )
    if "period" not in ds.dims:
        raise ResultError(
            f"{measure} needs the dim period; found ({', '.join(map(str, ds.dims))}); keep a single period with"
            " ds.isel(period=[0])"
        )
    if not ds.sizes["period"]:
        raise ResultError(f"{measure} needs at least one period; these results have none")
    return ds


def total(ds: xr.Dataset, name: str) -> xr.DataArray:
    """Return a variable summed over its blocks or steps, where the market had any."""
    array = ds[name]
    return array.sum([dim for dim in ("block", "step") if dim in array.dims], skipna=False)


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
    served: xr.DataArray = total(ds, "demand") - total(ds, "unserved")
    return served + missed(ds)


def by_provider(array: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Add up an array with the dim `asset` by provider, in the order of the results' providers."""
    providers = ds["provider"].values
    member = ds["asset_provider"].values[:, None] == providers[None, :]
    weights = xr.DataArray(member.astype(float), dims=("asset", "provider"), coords={"provider": providers})
    summed: xr.DataArray = xr.dot(array.fillna(0.0), weights, dim="asset")
    missing = array.isnull()
    # What is missing of one provider says nothing of another.
    return summed.where(xr.dot(missing.astype(float), weights, dim="asset") == 0) if missing.any() else summed


def sum_at(values: NDArray[Any], places: Ints, count: int) -> Floats:
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


@dataclass(frozen=True)
class Background:
    """What a scenario says of the periods of some results: everything exogenous but the noise on demand.

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
            If the results do not carry the scenario that made them.
        """
        if scenario is None:
            text = ds.attrs.get("scenario")
            if not isinstance(text, str):
                raise ResultError(
                    f"{measure} needs the scenario that made these results, which they keep in their attribute"
                    " 'scenario'; computations drop attributes: select first, or copy attrs along"
                )
            scenario = _scenario_of(text)
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
    def allowed(self) -> NDArray[np.bool_]:
        """Whether a class may use an arc, dims (arc, workload)."""
        return self.compiled.wiring.allowed

    @property
    def link_use(self) -> Floats:
        """Link use of a unit of service, dims (arc, workload)."""
        return self.compiled.wiring.link_use

    @cached_property
    def true_cost(self) -> xr.DataArray:
        """True cost of service in $/Mtok, dims (period, asset, workload)."""
        return self._stack("true_cost", ("asset", "workload"))

    @cached_property
    def capacity(self) -> xr.DataArray:
        """What exists in Mtok/s, outages taken off, dims (period, asset, workload); classes may share its power."""
        return self._stack("capacity", ("asset", "workload"))

    @cached_property
    def power_use(self) -> xr.DataArray | None:
        """Power drawn in MW per Mtok/s, dims (period, asset, workload); None where power is not shared."""
        return self._stack("power_use", ("asset", "workload")) if self.shares_power else None

    @cached_property
    def power_limit(self) -> xr.DataArray | None:
        """Power that an asset's classes share in MW, dims (period, asset); None where it is not shared."""
        return self._stack("power_limit", ("asset",)) if self.shares_power else None

    @cached_property
    def link_capacity(self) -> xr.DataArray:
        """What exists of each link in the layout's unit, outages taken off, dims (period, arc)."""
        return self._stack("link_capacity", ("arc",))

    @cached_property
    def transport_cost(self) -> xr.DataArray:
        """True cost of transport in $ in the period, dims (period,): the scenario's route cost, and curvature."""
        wiring, flow = self.compiled.wiring, self.ds["flow"].transpose("period", "arc", "workload").values
        load = (wiring.link_use * flow).sum(axis=2)
        cost = (wiring.route_cost * flow).sum(axis=(1, 2)) + 0.5 * (wiring.link_curvature * load**2).sum(
            axis=1
        )
        return xr.DataArray(cost * self.seconds, dims="period", coords={"period": self.ds["period"]})

    @property
    def shares_power(self) -> bool:
        """Whether the classes of an asset share its power."""
        return self.compiled.scenario.rules.shared_power

    def _stack(self, name: str, dims: tuple[str, ...]) -> xr.DataArray:
        """Stack one array of the scenario's states over the results' periods."""
        periods = self.ds["period"].values
        rows = [getattr(self.compiled.state(int(period)), name) for period in periods]
        coords = {dim: self.ds[dim].values for dim in ("period", *dims)}
        return xr.DataArray(np.array(rows), dims=("period", *dims), coords=coords)
