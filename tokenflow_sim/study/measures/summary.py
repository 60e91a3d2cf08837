"""Many measures at once: those that studies keep of each run, and those of market power over time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.measures.concentration import hhi
from tokenflow_sim.study.measures.markup import lerner, markup, offer_markup
from tokenflow_sim.study.measures.pivotal import residual_supply_index
from tokenflow_sim.study.measures.reading import Background, by_provider, need, total
from tokenflow_sim.study.measures.welfare import welfare_split
from tokenflow_sim.variables import MARKET_POWER, MEASURES

RECORD = (
    "price", "demand", "unserved", "payment", "service_value", "dispatch", "offer_price", "offer_quantity", "revenue",
    "cost", "profit", "flow", "link_income", "welfare",
)  # fmt: skip
"""What a run must record for `summarise`."""
_NOISE = 1e-9  # share of demand up to which what is unserved is the rounding of a solver


def summarise(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Return the measures of a whole run, those of `variables.MEASURES`.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    Dataset
        Dims (), (provider,) or (workload,). Money is $ an hour; mark-ups and the Lerner index are of the whole run's
        sums; NaN where a provider sold or offered nothing.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need(ds, RECORD, "summarise")
    hours = Background.of(ds, "summarise", scenario).hours * ds.sizes["period"]
    run = _as_one_period(ds)
    split = welfare_split(ds, scenario).sum("period")
    demand, unserved = total(ds, "demand"), total(ds, "unserved")
    asked = demand.sum(["period", "node"])
    plain = ds["price"].mean(["period", "node"])
    with np.errstate(invalid="ignore", divide="ignore"):
        weighted = (ds["price"] * demand).sum(["period", "node"]) / asked
        lost = (unserved.sum(["period", "node"]) / asked).where(asked > 0, 0.0)
    lost = lost.where(lost > _NOISE, 0.0)
    found = {
        "profit_rate": ds["profit"].sum("period") / hours,
        "markup": markup(run).isel(period=0, drop=True),
        "offer_markup": _mean_offer_markup(ds, scenario),
        "lerner": lerner(run).isel(period=0, drop=True),
        "sold": by_provider(total(ds, "dispatch").mean("period").sum("workload"), ds),
        "mean_price": weighted.where(asked > 0, plain),
        "unserved_share": lost,
        "consumer_surplus_rate": split["consumer_surplus"] / hours,
        "producer_surplus_rate": split["producer_surplus"] / hours,
        "network_surplus_rate": split["network_surplus"] / hours,
        "welfare_rate": ds["welfare"].sum("period") / hours,
    }
    keep = ("provider", "workload")
    bare = {
        name: array.drop_vars([label for label in array.coords if label not in keep])
        .transpose(*MEASURES[name].dims)
        .assign_attrs(MEASURES[name].attrs())
        for name, array in found.items()
    }
    return xr.Dataset({name: bare[name] for name in MEASURES})


def _as_one_period(ds: xr.Dataset) -> xr.Dataset:
    """Return revenue and cost of the run as those of a single period."""
    sums = ds[["revenue", "cost"]].sum("period").expand_dims(period=[0])
    return sums.assign_coords(provider=ds["provider"], asset_provider=ds["asset_provider"])


def _mean_offer_markup(ds: xr.Dataset, scenario: Scenario | None) -> xr.DataArray:
    by_period = offer_markup(ds, scenario)
    return by_period.mean("period")


def market_power(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Return how concentrated and how tight the market is, hour by hour: what `tf.plot.market_power` draws.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    Dataset
        `hhi` (period, workload), the mean over nodes weighted by demand; `lerner` (period, provider); and
        `residual_supply_index` (period, provider), by power where it is shared, else that of the class in which it is
        least. With the attributes of the results.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need(ds, ("demand",), "market_power")
    demand, index = total(ds, "demand"), hhi(ds, scenario=scenario)
    weight = demand.where(index.notnull(), 0.0).sum("node")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ((index * demand).sum("node") / weight).where(weight > 0)
    if Background.of(ds, "market_power", scenario).shares_power:
        supply = residual_supply_index(ds, of="power", scenario=scenario)
    else:
        supply = residual_supply_index(ds, scenario=scenario).min("workload")
    found = {"hhi": mean, "lerner": lerner(ds), "residual_supply_index": supply}
    return xr.Dataset(
        {
            name: array.transpose(*MARKET_POWER[name].dims).assign_attrs(MARKET_POWER[name].attrs())
            for name, array in found.items()
        },
        attrs=ds.attrs,
    )
