"""Pivotal suppliers: whether the others could serve demand without one, by index and by clearing again."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.results.pivotal import NEEDS, RunSupply, run_supply, variant_of
from tokenflow_sim.results.reading import Background, need_periods, needed
from tokenflow_sim.scenario import Scenario

PIVOTAL = 1e-3
"""Share of demand that must go unserved in addition for a provider to count as pivotal."""


def residual_supply_index(
    ds: xr.Dataset, *, of: str = "workload", capacity: str = "existing", scenario: Scenario | None = None
) -> xr.DataArray:
    """Return the residual supply index: what the others could serve, over what is asked for.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    of : {'workload', 'power'}
        Class by class in tokens, or over all classes in megawatts (where power is shared only).
    capacity : {'existing', 'offered'}
        Whether supply is what exists, outages taken off, or what was offered.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Dims (period, provider, workload) or (period, provider), with the variant among its attributes. Below 1, demand
        cannot be met without the provider. Infinite where nothing is asked for, NaN where demand is missing.

    Raises
    ------
    ResultError
        If the results lack something, or power is asked for and not shared.

    Notes
    -----
    RSI_i = (S - S_i) / D of all nodes together, see `tokenflow_sim.market.pivotal`, which `pivotal_markup`, figures
    and reports use too. By class, an asset's supply is what it could serve of that class: all its capacity where each
    class has its own, and where classes share its power, what is left of that when the other classes are served as
    they were. By power, demand is the power in use, plus what unserved demand would draw at the mean use of its class.

    Of demand in steps, what was served counts, and the first step, which is worth most: later steps are unserved
    where they would not have paid the price.

    The network is not looked at: links may make a provider pivotal whose index is above 1. Of a single node, with
    what its links let in, `local_residual_supply_index` measures; `pivotal` clears the market without the provider and
    knows.

    References
    ----------
    A. Y. Sheffrin, "Predicting Market Power Using the Residual Supply Index", FERC Market Monitoring Workshop,
    2002. California's rule of thumb: an index below 1.1 in more than 5 % of the hours is a bad sign.
    """
    return _supply(ds, of, capacity, scenario, "residual_supply_index").index


def _supply(ds: xr.Dataset, of: str, capacity: str, scenario: Scenario | None, reader: str) -> RunSupply:
    variant = variant_of(of, capacity, reader)
    ds = need_periods(ds, NEEDS[variant.capacity], reader)
    return run_supply(ds, variant, Background.of(ds, reader, scenario), reader)


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
    ds = need_periods(ds, ("demand", "unserved") if "step" in ds.dims else ("demand",), "shortfall_without")
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
    of: str = "clearing",
    capacity: str = "existing",
    threshold: float = PIVOTAL,
    scenario: Scenario | None = None,
    clearer: Clearer | None = None,
) -> xr.DataArray:
    """Return when each provider is pivotal: demand cannot be met without it.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    of : {'clearing', 'workload', 'power'}
        How that is found out. ``clearing``: the market is cleared without the provider, with its network, and more
        than a threshold of a class's demand goes unserved in addition. ``workload`` and ``power``: the residual
        supply index of that name is below 1, which leaves the network out; see `residual_supply_index`.
    capacity : {'existing', 'offered'}
        Of the index, whether supply is what exists or what was offered.
    threshold : float
        Of ``clearing``, share of a class's demand.
    scenario, clearer
        As of `shortfall_without`, which clears the market without each provider.

    Returns
    -------
    DataArray
        Of bool, dims (period, provider, workload), or (period, provider) by power;
        ``.any("workload").mean("period")`` is the share of pivotal hours. The attribute `variant` says how it was
        found.

    Raises
    ------
    ResultError
        If the results lack something, or `of` or `capacity` is unknown.
    """
    if of == "clearing":
        found = (shortfall_without(ds, scenario, clearer) > threshold).rename("pivotal")
        variant = "by clearing without it, existing capacity and network"
        return found.assign_attrs(
            units="1", long_name=f"whether the provider is pivotal, {variant}", variant=variant
        )
    if of not in ("workload", "power"):
        raise ResultError(f"pivotal: of must be 'clearing', 'workload' or 'power'; found {of!r}")
    return _supply(ds, of, capacity, scenario, "pivotal").pivotal


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
