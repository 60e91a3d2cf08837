"""Mark-ups: what prices and offers are above cost, and above the prices of a competitive market."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.reading import Background, by_provider, collapse, need_periods
from tokenflow_sim.scenario import Scenario


def lerner(ds: xr.Dataset, *, by: str = "provider") -> xr.DataArray:
    """Return the Lerner index (price less marginal cost, over price), weighted by sales.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    by : {'provider', 'asset', 'market'}
        Whose: every provider's, every asset's by class, or that of all together.

    Returns
    -------
    DataArray
        Dims (period, provider), (period, asset, workload) or (period,); NaN where nothing was sold, or for
        nothing or less: the index has no meaning at prices that are not positive.

    Raises
    ------
    ResultError
        If the results lack something, or `by` is none of the three.

    Notes
    -----
    An asset's unit cost is constant up to its capacity, so that sum (pi - c) x / sum pi x is profit over revenue.
    Scarcity rents raise it in perfect competition too: that one more unit cannot be made is not market power.
    Compare with the truthful run, or use `price_markup` or `offer_markup`, which separate the two.

    References
    ----------
    A. P. Lerner, "The Concept of Monopoly and the Measurement of Monopoly Power", Review of Economic Studies 1,
    1934.
    """
    ds = need_periods(ds, ("revenue", "cost", "asset_provider"), "lerner")
    revenue, profit = (
        _summed(array, ds, by, "lerner") for array in (ds["revenue"], ds["revenue"] - ds["cost"])
    )
    return _ratio(profit, revenue).rename("lerner").assign_attrs(units="1", long_name="Lerner index")


def markup(ds: xr.Dataset, *, by: str = "provider") -> xr.DataArray:
    """Return the mark-up of price over true cost, (price - cost) / |cost|, weighted by the cost of what was sold.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    by : {'provider', 'asset', 'market'}
        As of `lerner`.

    Returns
    -------
    DataArray
        Dims as of `lerner`; NaN where nothing was sold or it cost nothing.

    Raises
    ------
    ResultError
        As `lerner` does.
    """
    ds = need_periods(ds, ("revenue", "cost", "asset_provider"), "markup")
    size, profit = (
        _summed(array, ds, by, "markup") for array in (abs(ds["cost"]), ds["revenue"] - ds["cost"])
    )
    return (
        _ratio(profit, size)
        .rename("markup")
        .assign_attrs(units="1", long_name="mark-up of price over true cost")
    )


def offer_markup(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.DataArray:
    """Return the mark-up of offers over true cost, (offer - cost) / |cost|, weighted by the cost of what is offered.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Dims (period, provider); NaN where nothing was offered. It is zero for a provider that offers at true cost,
        however scarce capacity is: conduct, where `lerner` and `markup` measure outcome.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need_periods(ds, ("offer_price", "offer_quantity", "asset_provider"), "offer_markup")
    cost = Background.of(ds, "offer_markup", scenario).true_cost
    worth, size = (
        by_provider((collapse(ds, "offer_quantity") * one).sum("workload", skipna=False), ds)
        for one in (cost, np.abs(cost))
    )
    asked_for = ds["offer_price"] * ds["offer_quantity"]
    if "offer_slope" in ds:  # the area under the line
        asked_for = asked_for + 0.5 * ds["offer_slope"] * ds["offer_quantity"] ** 2
    asked = by_provider(
        asked_for.sum([dim for dim in ("workload", "block") if dim in asked_for.dims], skipna=False), ds
    )
    found = _ratio(asked - worth, size).rename("offer_markup")
    return found.assign_attrs(units="1", long_name="mark-up of offer over true cost")


def price_markup(ds: xr.Dataset, benchmark: xr.Dataset) -> xr.DataArray:
    """Return the mark-up of prices over those of a truthful market, weighted by demand.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    benchmark : Dataset
        What `measures.truthful` made of them.

    Returns
    -------
    DataArray
        (price - competitive price) / |competitive price|, dims (period, workload); NaN where that is zero or
        nothing was asked for. Scarcity is in both prices and cancels; what remains is market power.

    Raises
    ------
    ResultError
        If either lacks something, or they have other periods.

    References
    ----------
    S. Borenstein, J. B. Bushnell and F. A. Wolak, "Measuring Market Inefficiencies in California's Restructured
    Wholesale Electricity Market", American Economic Review 92, 2002.
    """
    ds = need_periods(ds, ("price", "demand"), "price_markup")
    other = need_periods(benchmark, ("price",), "price_markup")
    if not ds["period"].equals(other["period"]):
        raise ResultError("price_markup: the benchmark has other periods than the results")
    demand = collapse(ds, "demand")
    competitive = (other["price"] * demand).sum("node", skipna=False)
    above = (ds["price"] * demand).sum("node", skipna=False) - competitive
    found = _ratio(above, abs(competitive)).rename("price_markup")
    return found.assign_attrs(units="1", long_name="mark-up over the competitive price")


def _summed(array: xr.DataArray, ds: xr.Dataset, by: str, measure: str) -> xr.DataArray:
    if by == "provider":
        return by_provider(array.sum("workload", skipna=False), ds)
    if by == "asset":
        return array
    if by == "market":
        return array.sum(["asset", "workload"], skipna=False)
    raise ResultError(f"{measure}: by must be 'provider', 'asset' or 'market'; found {by!r}")


def _ratio(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: xr.DataArray = (part / whole).where(whole > 0)
    return ratio
