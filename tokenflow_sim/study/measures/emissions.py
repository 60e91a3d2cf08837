"""Emissions: how much, per Mtok, by whom, and what avoiding them costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.emissions import attribution
from tokenflow_sim.results.reading import collapse, hours_of, need_periods
from tokenflow_sim.scenario import Scenario

_TONNES = {"units": "t/period"}


def emissions(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Return emissions by where service was made and by where it was asked for.

    Parameters
    ----------
    ds : Dataset
        Results of a run with carbon intensities.
    scenario : Scenario, optional
        The scenario that made them: with it, `by_region` is there too.

    Returns
    -------
    Dataset
        `by_site` and `by_origin` (period, node, workload) in t/period, of the node that served and of the node that
        asked; `intensity` (period, node, workload) in t/Mtok, what a Mtok asked for there emits; `by_provider`
        (period, provider) and `by_region` (period, region) in t/period; `per_mtok` (period, workload) in t/Mtok, the
        mean of what was served.

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    By origin, emissions follow the flows: what passes through a node is served alike, whoever asked (proportional
    sharing, Bialek 1996). All of them add up to the emissions of the assets. Where demand takes paths of its own,
    their flows are in these sums, and are mixed at nodes as all others are.
    """
    ds = need_periods(ds, ("emissions", "asset_provider", "provider"), "emissions")
    found = attribution(ds)
    served = collapse(ds, "demand") - collapse(ds, "unserved")
    seconds = (hours_of(ds) or 1.0) * 3600.0
    asked = served.sum("node") * seconds
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (found["by_origin"].sum("node") / asked).where(asked > 0)
    found["per_mtok"] = mean.assign_attrs(units="t/Mtok", long_name="emissions of a Mtok served")
    found["by_provider"] = _grouped(
        ds["emissions"].sum("workload"), "asset", ds["asset_provider"].values.astype(str), "provider",
        ds["provider"].values.astype(str),
    ).assign_attrs(_TONNES, long_name="emissions of the provider's assets")  # fmt: skip
    if scenario is not None:
        compiled = scenario.compiled
        home = {int(place): name for name in compiled.regions for place in compiled.region_nodes[name]}
        named = np.array([home.get(place, "") for place in range(ds.sizes["node"])])
        found["by_region"] = _grouped(
            found["by_origin"].sum("workload"), "node", named, "region", np.array(compiled.regions)
        ).assign_attrs(_TONNES, long_name="emissions of the region's demand")
    return found


def abatement_cost(ds: xr.Dataset, baseline: xr.Dataset) -> xr.DataArray:
    """Return what it cost to emit a tonne less than in another run.

    Parameters
    ----------
    ds : Dataset
        Results of a run with a price, a cap or a budget, or of `tf.carbon_cap`.
    baseline : Dataset
        Results of the same scenario without it.

    Returns
    -------
    DataArray
        In $/t, a single number: the welfare that was lost (the cost as offered that was added, where there is no
        welfare) over the tonnes that were avoided, summed over the run. NaN where none were.

    Raises
    ------
    ResultError
        If the results lack something, or are of other periods.

    Notes
    -----
    The mean cost of abatement. Charges and rents that are paid to the state are no cost of everybody together, and are
    in none of it; the marginal cost is the price, or the rent of the cap.
    """
    runs = [need_periods(one, ("emissions",), "abatement_cost") for one in (ds, baseline)]
    if not runs[0]["period"].equals(runs[1]["period"]):
        raise ResultError("abatement_cost: the baseline has other periods than the results")
    name = "welfare" if all("welfare" in one for one in runs) else "total_cost"
    spent = [float(need_periods(one, (name,), "abatement_cost")[name].sum(skipna=False)) for one in runs]
    emitted = [float(one["emissions"].sum(skipna=False)) for one in runs]
    lost = spent[1] - spent[0] if name == "welfare" else spent[0] - spent[1]
    avoided = emitted[1] - emitted[0]
    cost = lost / avoided if avoided > 1e-12 * abs(emitted[1]) else np.nan
    return xr.DataArray(
        cost, name="abatement_cost", attrs={"units": "$/t", "long_name": "mean cost of abatement"}
    )


def _grouped(array: xr.DataArray, dim: str, members: Any, new: str, groups: Any) -> xr.DataArray:
    """Add up along a dim by group."""
    member = (np.asarray(members)[:, None] == np.asarray(groups)[None, :]).astype(float)
    weights = xr.DataArray(member, dims=(dim, new), coords={new: np.asarray(groups)})
    bare = array.drop_vars([name for name in array.coords if name not in array.dims])
    summed: xr.DataArray = xr.dot(bare, weights, dim=dim)
    return summed
