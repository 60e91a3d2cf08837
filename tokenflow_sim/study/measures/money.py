"""How much prices move, and whether what is paid in covers what is paid out."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.results.reading import Background, need_periods
from tokenflow_sim.scenario import Scenario


def volatility(ds: xr.Dataset) -> xr.Dataset:
    """Return how much each price moves from period to period.

    Parameters
    ----------
    ds : Dataset
        Results of a run; its periods follow each other.

    Returns
    -------
    Dataset
        Dims (node, workload): `standard_deviation` of the price in $/Mtok; `coefficient_of_variation`, that over
        the size of the mean; `log_return`, the standard deviation of the logarithm of one price over the one before
        (the historical volatility of a period), NaN where prices are not positive. NaN where there are too few
        periods.

    Raises
    ------
    ResultError
        If the results lack prices.

    Notes
    -----
    Sample standard deviations, with n - 1. Volatility of log returns grows with the square root of the length of a
    period only if returns are independent, which hourly prices are not: compare like with like.
    """
    ds = need_periods(ds, ("price",), "volatility")
    price = ds["price"].transpose("period", "node", "workload")
    values = price.values
    nan = np.full(values.shape[1:], np.nan)
    deviation = values.std(axis=0, ddof=1) if len(values) > 1 else nan
    mean = values.mean(axis=0) if len(values) else nan
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(mean != 0, deviation / np.abs(mean), np.nan)
        steps = np.diff(np.log(np.where(values > 0, values, np.nan)), axis=0)
    moved = steps.std(axis=0, ddof=1) if len(steps) > 1 else nan
    blank = price.isel(period=0, drop=True) if len(values) else price.sum("period")
    units = {"standard_deviation": "$/Mtok", "coefficient_of_variation": "1", "log_return": "1"}
    found = {"standard_deviation": deviation, "coefficient_of_variation": relative, "log_return": moved}
    return xr.Dataset(
        {
            name: blank.copy(data=array).assign_attrs(
                units=units[name], long_name=name.replace("_", " ") + " of price"
            )
            for name, array in found.items()
        }
    )


def revenue_adequacy(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Return what is paid in, what is paid out, and what congestion brings in beside the cost of transport.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    Dataset
        In $/period, dims (period,): `payment`, `revenue` (with the income of payees of further limits),
        `link_income`; `residual`, payment less the other two and what the operator keeps;
        `merchandising_surplus`, payment less revenue; `congestion_income`, the congestion rents times the loads;
        `routing_income`, the rest of what links earn: tariffs and route costs; `transport_cost`, the true cost of
        transport; and `coverage`, the merchandising surplus over what is owed to links (1 is adequate; NaN where
        nothing is owed).

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    Each link is owed the price difference that it makes on what it carries. Without losses the merchandising
    surplus of locational prices pays for exactly that (Hogan 1992), whatever the offers.

    References
    ----------
    W. W. Hogan, "Contract Networks for Electric Power Transmission", Journal of Regulatory Economics 4, 1992.
    """
    names = ("payment", "revenue", "link_income", "congestion_rent", "flow")
    ds = need_periods(ds, names, "revenue_adequacy")
    background = Background.of(ds, "revenue_adequacy", scenario)
    payment = ds["payment"].sum(["node", "workload"], skipna=False)
    revenue = ds["revenue"].sum(["asset", "workload"], skipna=False)
    link_income = ds["link_income"].sum(["arc", "workload"], skipna=False)
    use = xr.DataArray(background.link_use, dims=("arc", "workload"))
    load = (ds["flow"] * use).sum("workload", skipna=False)
    congestion = (ds["congestion_rent"] * load).sum("arc", skipna=False) * background.seconds
    if "limit_income" in ds:  # what payees of further limits get is none of the links'
        revenue = revenue + ds["limit_income"].sum("limit", skipna=False)
    surplus = payment - revenue
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = (surplus / link_income).where(link_income > 0)
    parts = {
        "payment": (payment, "payments by demand"),
        "revenue": (revenue, "revenues of providers"),
        "link_income": (link_income, "incomes of links"),
        "residual": (
            payment - revenue - link_income - ds.get("operator_budget", 0.0),
            "money in less money out",
        ),
        "merchandising_surplus": (surplus, "payments less revenues of providers"),
        "congestion_income": (congestion, "congestion rents times loads"),
        "routing_income": (link_income - congestion, "incomes of links beside congestion"),
        "transport_cost": (background.transport_cost, "true cost of transport"),
    }
    found = {
        name: array.assign_attrs(units="$/period", long_name=text) for name, (array, text) in parts.items()
    }
    found["coverage"] = coverage.assign_attrs(
        units="1", long_name="merchandising surplus over incomes of links"
    )
    return xr.Dataset(found)
