"""The residual supply index and pivotal suppliers of a run, in the variants of `market.pivotal`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market.pivotal import By, Capacity, ResidualSupply, Variant, residual_supply
from tokenflow_sim.results.reading import Background, collapse, needed

NEEDS: Mapping[Capacity, tuple[str, ...]] = {
    "existing": ("dispatch", "demand", "unserved", "asset_provider", "provider"),
    "offered": ("dispatch", "demand", "unserved", "offer_quantity", "asset_provider", "provider"),
}
"""What a run must have recorded."""


@dataclass(frozen=True, eq=False)
class RunSupply:
    """Supply of a run's providers set against demand.

    Parameters
    ----------
    found : ResidualSupply
        The numbers, first dim the period.
    variant : Variant
        What they are.
    coords : dict
        Labels by dim, in the order of the dims.
    time : Variable or None
        When the periods begin, where the results say so.
    """

    found: ResidualSupply
    variant: Variant
    coords: dict[str, xr.Variable]
    time: xr.Variable | None = None

    @property
    def index(self) -> xr.DataArray:
        """The residual supply index, dims (period, provider), with workload where it is by class."""
        return self._labelled(self.found.index, "residual_supply_index", "residual supply index")

    @property
    def pivotal(self) -> xr.DataArray:
        """Whether demand cannot be met without the provider, dims as of `index`."""
        return self._labelled(self.found.pivotal, "pivotal", "whether the provider is pivotal")

    def _labelled(
        self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], name: str, text: str
    ) -> xr.DataArray:
        coords = dict(self.coords)
        if self.time is not None:
            coords["time"] = self.time
        attrs = {"units": "1", "long_name": f"{text}, {self.variant}", "variant": str(self.variant)}
        return xr.DataArray(values, coords, tuple(self.coords), name, attrs)


def usual_variant(background: Background | None) -> Variant:
    """Return the variant that figures and reports show unless another is asked for.

    By power where classes share it, else by class; of existing capacity, or of what was offered where the scenario
    that says what exists is not known.
    """
    if background is None:
        return Variant("class", "offered")
    return Variant("power" if background.shares_power else "class", "existing")


def run_supply(
    ds: xr.Dataset, variant: Variant, background: Background | None, reader: str = "pivotal"
) -> RunSupply:
    """Set the supply of a run's providers against demand, period by period.

    Parameters
    ----------
    ds : Dataset
        Results with `NEEDS`.
    variant : Variant
        Which index is meant. Of demand in steps, what was served counts, and the first step, which is worth most:
        later steps are unserved where they would not have paid the price.
    background : Background or None
        What the scenario says of the same periods; without it, shared power is not known, and existing capacity
        neither.
    reader : str
        Who asks, for messages.

    Raises
    ------
    ResultError
        If the index by power is asked for where power is not shared, or existing capacity is not known.
    """
    use = limit = None
    if background is not None and background.power_use is not None and background.power_limit is not None:
        use, limit = background.power_use.values, background.power_limit.values
    if variant.by == "power" and use is None:
        raise ResultError(
            f"{reader}: this scenario's classes do not share power (market.shared_power); leave out of='power'"
        )
    if variant.capacity == "existing":
        if background is None:
            raise ResultError(f"{reader}: existing capacity is not known without the scenario")
        capacity = background.capacity.values
    else:
        capacity = _plain(ds, "offer_quantity")
    providers = [str(name) for name in ds["provider"].values]
    place = {name: number for number, name in enumerate(providers)}
    firm = np.array([place[str(name)] for name in ds["asset_provider"].values], dtype=np.int64)
    asked = needed(ds).sum("node", skipna=False).transpose("period", "workload").values
    found = residual_supply(
        variant.by, asked, capacity, firm, len(providers), power_use=use, power_limit=limit,
        dispatch=_plain(ds, "dispatch"),
    )  # fmt: skip
    dims = ("period", "provider") if variant.by == "power" else ("period", "provider", "workload")
    time = ds["time"].variable if "time" in ds.coords else None
    return RunSupply(found, variant, {dim: ds[dim].variable for dim in dims}, time)


def _plain(ds: xr.Dataset, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        collapse(ds, name).transpose("period", "asset", "workload").values
    )
    return values


def variant_of(of: str, capacity: str, reader: str) -> Variant:
    """Return a variant by the words of a measure's arguments.

    Raises
    ------
    ResultError
        If a word is unknown.
    """
    by: dict[str, By] = {"workload": "class", "power": "power"}
    capacities: dict[str, Capacity] = {"existing": "existing", "offered": "offered"}
    if of not in by:
        raise ResultError(f"{reader}: of must be 'workload' or 'power'; found {of!r}")
    if capacity not in capacities:
        raise ResultError(f"{reader}: capacity must be 'existing' or 'offered'; found {capacity!r}")
    return Variant(by[of], capacities[capacity])
