"""Many measures at once: those that studies keep of each run, and those of market power over time."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.results.pivotal import usual_variant
from tokenflow_sim.results.reading import NOISE, Background, by_provider, collapse, hours_of, need_periods
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.measures.concentration import hhi
from tokenflow_sim.study.measures.earnings import earnings
from tokenflow_sim.study.measures.markup import lerner, markup, offer_markup
from tokenflow_sim.study.measures.pivotal import residual_supply_index
from tokenflow_sim.study.measures.reliability import reliability
from tokenflow_sim.study.measures.welfare import welfare_split
from tokenflow_sim.variables import MARKET_POWER, MEASURES

RECORD = (
    "price", "demand", "unserved", "payment", "service_value", "dispatch", "offer_price", "offer_quantity", "revenue",
    "cost", "profit", "flow", "link_income", "welfare",
)  # fmt: skip
"""What a run must record for `summarise`."""


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
        sums; prices are weighted by what was served. NaN where a provider sold or offered nothing, where none of a
        class was served, and where something is missing.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need_periods(ds, RECORD, "summarise")
    hours = Background.of(ds, "summarise", scenario).hours * ds.sizes["period"]
    run = _as_one_period(ds)
    split = welfare_split(ds, scenario).sum("period", skipna=False)
    asked, unserved = (
        collapse(ds, name).sum(["period", "node"], skipna=False) for name in ("demand", "unserved")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = (unserved / asked).where(asked != 0, 0.0)
    lost = lost.where(~(lost <= NOISE), 0.0)
    adequacy = reliability(ds, scenario)
    found = {
        "profit_rate": earnings(ds).sum("period", skipna=False) / hours,
        "markup": markup(run).isel(period=0, drop=True),
        "offer_markup": _mean_offer_markup(ds, scenario),
        "lerner": lerner(run).isel(period=0, drop=True),
        "sold": by_provider(
            collapse(ds, "dispatch").mean("period", skipna=False).sum("workload", skipna=False), ds
        ),
        "mean_price": mean_price(ds),
        "unserved_share": lost,
        "eue_rate": adequacy["eue"] / hours,
        "lolp": adequacy["lolp"],
        "consumer_surplus_rate": split["consumer_surplus"] / hours,
        "producer_surplus_rate": split["producer_surplus"] / hours,
        "network_surplus_rate": split["network_surplus"] / hours,
        "welfare_rate": ds["welfare"].sum("period", skipna=False) / hours,
    }
    keep = ("provider", "workload")
    bare = {
        name: array.drop_vars([label for label in array.coords if label not in keep])
        .transpose(*MEASURES[name].dims)
        .assign_attrs(MEASURES[name].attrs())
        for name, array in found.items()
    }
    return xr.Dataset({name: bare[name] for name in MEASURES})


def mean_price(ds: xr.Dataset, dims: tuple[str, ...] = ("period", "node")) -> xr.DataArray:
    """Return the mean price weighted by what was served: what was paid for a Mtok.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    dims : tuple of str
        What to take the mean over, of `period`, `node` and `workload`.

    Returns
    -------
    DataArray
        Sum of price times service (of payments, where another pricing rule than `lmp` makes these) over sum of service
        in $/Mtok, dims as left; NaN where nothing was served (up to
        1e-9 of what was asked for, the rounding of a solver), or a price at which something was served is missing.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need_periods(ds, ("price", "demand", "unserved"), "mean_price")
    asked = collapse(ds, "demand")
    served = asked - collapse(ds, "unserved")
    # A price at which nobody was served counts nothing, missing or not.
    if "operator_budget" in ds:  # everybody paid by another rule than the price
        ds = need_periods(ds, ("payment",), "mean_price")
        due = ds["payment"] / ((hours_of(ds) or 1.0) * SECONDS_PER_HOUR)
    else:
        due = ds["price"] * served
    paid = due.where(served != 0, 0.0).sum(dims, skipna=False)
    sold = served.sum(dims, skipna=False)
    is_sold = sold > NOISE * asked.sum(dims, skipna=False)
    mean = paid / sold.where(is_sold)
    return mean.rename("mean_price").assign_attrs(MEASURES["mean_price"].attrs())


def _as_one_period(ds: xr.Dataset) -> xr.Dataset:
    """Return revenue and cost of the run as those of a single period."""
    sums = ds[["revenue", "cost"]].sum("period", skipna=False).expand_dims(period=[0])
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
        `residual_supply_index` (period, provider) of existing capacity, by power where it is shared, else that of the
        class in which it is least; its attribute `variant` says which. With the attributes of the results.

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need_periods(ds, ("demand",), "market_power")
    demand, index = collapse(ds, "demand"), hhi(ds, scenario=scenario)
    weight = demand.where(index.notnull(), 0.0).sum("node")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ((index * demand).sum("node") / weight).where(weight > 0)
    variant = usual_variant(Background.of(ds, "market_power", scenario))
    of = "power" if variant.by == "power" else "workload"
    supply = residual_supply_index(ds, of=of, capacity=variant.capacity, scenario=scenario)
    least = supply if of == "power" else supply.min("workload").assign_attrs(supply.attrs)
    found = {"hhi": mean, "lerner": lerner(ds), "residual_supply_index": least}
    return xr.Dataset(
        {
            name: array.transpose(*MARKET_POWER[name].dims).assign_attrs(
                {
                    **MARKET_POWER[name].attrs(),
                    **{key: array.attrs[key] for key in ("variant",) if key in array.attrs},
                }
            )
            for name, array in found.items()
        },
        attrs=ds.attrs,
    )
