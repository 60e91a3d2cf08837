"""Pivotal suppliers: whether the others could serve demand without one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.measures.reading import Background, by_provider, missed, need, needed, total

PIVOTAL = 1e-3
"""Share of demand that must go unserved in addition for a provider to count as pivotal."""


def residual_supply_index(
    ds: xr.Dataset, *, of: str = "workload", scenario: Scenario | None = None
) -> xr.DataArray:
    """Return the residual supply index: what the others could serve, over what is asked for.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    of : {'workload', 'power'}
        Class by class in tokens, or over all classes in megawatts (where power is shared only).
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Dims (period, provider, workload) or (period, provider). Below 1, demand cannot be met without the
        provider. Infinite where nothing is asked for, NaN where demand is missing.

    Raises
    ------
    ResultError
        If the results lack something, or power is asked for and not shared.

    Notes
    -----
    By class, an asset's supply is what it could serve of that class: all its capacity where each class has its own,
    and where classes share its power, what is left of that when the other classes are served as they were.
    By power, demand is the power in use, plus what unserved demand would draw at the mean use of its class.

    Of demand in steps, what was served counts, and the first step, which is worth most: later steps are unserved
    where they would not have paid the price.

    The network is not looked at: links may make a provider pivotal whose index is above 1. Of a single node, with
    what its links let in, `local_residual_supply_index` tells; `pivotal` clears the market without the provider and
    knows. Capacity is what exists, not what was offered.

    References
    ----------
    A. Y. Sheffrin, "Predicting Market Power Using the Residual Supply Index", FERC Market Monitoring Workshop,
    2002. California's rule of thumb: an index below 1.1 in more than 5 % of the hours is a bad sign.
    """
    if of not in ("workload", "power"):
        raise ResultError(f"residual_supply_index: of must be 'workload' or 'power'; found {of!r}")
    ds = need(ds, ("dispatch", "demand", "unserved", "asset_provider"), "residual_supply_index")
    background = Background.of(ds, "residual_supply_index", scenario)
    if of == "power":
        supply, asked = _power(ds, background)
    else:
        supply, asked = available_supply(ds, background), needed(ds).sum("node", skipna=False)
    whole = supply.sum("asset", skipna=False)
    others = whole - by_provider(supply, ds)
    # What the sums leave of nothing is not a supply.
    others = others.where(~(others <= 1e-12 * whole), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (others / asked).where(asked != 0, np.inf)
    order = [dim for dim in ("period", "provider", "workload") if dim in index.dims]
    found: xr.DataArray = index.transpose(*order).rename("residual_supply_index")
    return found.assign_attrs(units="1", long_name="residual supply index")


def available_supply(ds: xr.Dataset, background: Background) -> xr.DataArray:
    """Return what each asset could serve of each class, the others being served as they were.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    background : Background
        What its scenario says.

    Returns
    -------
    DataArray
        In Mtok/s, dims (period, asset, workload): capacity, and where classes share power, no more than what the
        power that the other classes leave can serve.
    """
    use, limit = background.power_use, background.power_limit
    if use is None or limit is None:
        return background.capacity
    drawn = use * total(ds, "dispatch")
    left = (limit - (drawn.sum("workload", skipna=False) - drawn)).clip(min=0.0)
    able = (left / use.where(use > 0, 1.0)).where(use > 0, 0.0)
    supply: xr.DataArray = able.where(able < background.capacity, background.capacity)
    return supply


def _power(ds: xr.Dataset, background: Background) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the power of each asset, and the power that demand asks for, in MW."""
    use, limit = background.power_use, background.power_limit
    if use is None or limit is None:
        raise ResultError(
            "residual_supply_index: this scenario's classes do not share power (market.shared_power); leave out"
            " of='power'"
        )
    dispatch = total(ds, "dispatch")
    drawn = (use * dispatch).sum("asset", skipna=False)
    sold = dispatch.sum("asset", skipna=False)
    mean_use = (drawn / sold.where(sold > 0, 1.0)).where(sold > 0, use.where(use > 0).mean("asset"))
    return limit, (drawn + mean_use * missed(ds).sum("node", skipna=False)).sum("workload", skipna=False)


def shortfall_without(
    ds: xr.Dataset, scenario: Scenario | None = None, clearer: Clearer | None = None
) -> xr.DataArray:
    """Clear every period once more without each provider, and return what then goes unserved in addition.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.
    clearer : Clearer, optional
        One to clear with.

    Returns
    -------
    DataArray
        Share of each class's demand, dims (period, provider, workload). All others offer what they have at true cost;
        demand is what was asked for, valued as the scenario says (of demand in steps, what was served, and the first
        step, which is worth most). Where it must be served, the least that would
        have to go without is meant.

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    It takes one clearing a period and provider, and knows links, latency limits and shared power. A negative number
    is possible: without the provider, another class may be served with what links and power are left.
    """
    ds = need(ds, ("demand", "unserved") if "step" in ds.dims else ("demand",), "shortfall_without")
    background = Background.of(ds, "shortfall_without", scenario)
    compiled = background.compiled
    if own := ds.attrs.get("limits") or ", ".join(spec.limit for spec in compiled.scenario.limits.values()):
        raise ResultError(
            f"shortfall_without clears the market again, and cannot with the limits of this run, {own}: they are code,"
            " which results do not hold"
        )
    demand = needed(ds).transpose("period", "node", "workload").values
    providers = list(compiled.providers)
    missing = np.zeros((len(demand), 1 + len(providers), demand.shape[2]))
    for row, period in enumerate(ds["period"].values):
        market = _with_demand(compiled.market(int(period)), demand[row])
        clearer = clearer or Clearer(market)
        for column, name in enumerate([None, *providers]):
            capacity = market.arrays.capacity
            if name is not None:
                capacity = capacity.copy()
                capacity[compiled.provider_assets[name]] = 0.0
            lone = Market.from_arrays(
                market.layout, market.arrays.with_(capacity=capacity), market.hours, check=False
            )
            missing[row, column] = clearer.clear(lone).values.unserved.sum(axis=(0, 2))
    asked = demand.sum(axis=1)[:, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(asked > 0, (missing[:, 1:] - missing[:, :1]) / asked, 0.0)
    coords = {"period": ds["period"].values, "provider": providers, "workload": ds["workload"].values}
    return xr.DataArray(
        share, dims=tuple(coords), coords=coords, name="shortfall_without",
        attrs={"units": "1", "long_name": "share of demand that others cannot serve"},
    )  # fmt: skip


def pivotal(
    ds: xr.Dataset,
    *,
    threshold: float = PIVOTAL,
    scenario: Scenario | None = None,
    clearer: Clearer | None = None,
) -> xr.DataArray:
    """Return when each provider is pivotal: without it more than a threshold of demand goes unserved in addition.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    threshold : float
        Share of a class's demand.
    scenario, clearer
        As of `shortfall_without`, which clears the market without each provider.

    Returns
    -------
    DataArray
        Of bool, dims (period, provider, workload); ``.any("workload").mean("period")`` is the share of pivotal
        hours.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    found = (shortfall_without(ds, scenario, clearer) > threshold).rename("pivotal")
    return found.assign_attrs(units="1", long_name="whether the provider is pivotal")


def _with_demand(market: Market, demand: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Market:
    """Put demand into a market; where it must be served, at a value that nothing costs more than."""
    arrays = market.arrays
    value = arrays.value
    if np.isinf(value).any():
        # A path visits each node at most once; beyond that sum no way of serving is too dear.
        dearest = arrays.offer_price.max(initial=0.0) + len(demand) * arrays.route_cost.max(initial=0.0)
        value = np.where(np.isinf(value), 10.0 * max(float(dearest), 1e-6), value)
    changed = arrays.with_(demand=demand[:, :, None], value=value)
    return Market.from_arrays(market.layout, changed, market.hours, check=False)
