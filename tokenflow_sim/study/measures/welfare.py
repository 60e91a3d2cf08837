"""Welfare: who has how much of it, and how much a perfectly competitive market would have had."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results.reading import Background, need_periods
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.base import Kind

_TRUTHFUL = {"providers": "marginal_cost", "owners": "fixed_tariff"}
_MONEY = {"units": "$/period"}


def welfare_split(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Split welfare among consumers, producers and networks.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand; read from their attributes otherwise.

    Returns
    -------
    Dataset
        In $/period, dims (period,): `consumer_surplus`, the value of service less payments; `producer_surplus`,
        revenues less true cost of service; `network_surplus`, incomes of links less true cost of transport; and
        `welfare`, which the three add up to because money in is money out. With further limits also `limit_surplus`,
        what their payees get less what more of a limit costs; with a power grid also `grid_surplus`, what generators
        and the grid operator earn beyond their costs less what local load pays; with a carbon price `state_surplus`,
        what the state is paid for emissions; under another pricing rule than `lmp` `operator_surplus`, what the
        operator keeps. `welfare` is the sum of all.

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    Demand that must be served has no finite value and counts as zero in consumer surplus and welfare alike, so
    that only differences between runs mean something there.
    """
    ds = need_periods(
        ds, ("service_value", "payment", "revenue", "cost", "link_income", "flow"), "welfare_split"
    )
    background = Background.of(ds, "welfare_split", scenario)
    transport = background.transport_cost
    split = {
        "consumer_surplus": (ds["service_value"] - ds["payment"]).sum(["node", "workload"], skipna=False),
        "producer_surplus": (ds["revenue"] - ds["cost"]).sum(["asset", "workload"], skipna=False),
        "network_surplus": ds["link_income"].sum(["arc", "workload"], skipna=False) - transport,
    }
    if "generator_income" in ds:
        split["grid_surplus"] = _grid_surplus(ds, background)
    if "carbon_payment" in ds:
        split["state_surplus"] = ds["carbon_payment"].sum(["asset", "workload"], skipna=False)
    elif "emission_price" in ds and "generator_emissions" in ds:
        # The same at all nodes, where generators pay it.
        charge = ds["emission_price"].isel(node=0, drop=True)
        split["state_surplus"] = charge * ds["generator_emissions"].sum("generator", skipna=False)
    if "operator_budget" in ds:
        split["operator_surplus"] = ds["operator_budget"]
    if "limit_income" in ds:
        # What payees of further limits get, less what more of them costs, which is in welfare alone.
        known = _added_up(split)
        split["limit_surplus"] = need_periods(ds, ("welfare",), "welfare_split")["welfare"] - known
    split["welfare"] = _added_up(split)
    names = {
        "consumer_surplus": "value of service less payments",
        "producer_surplus": "revenue less true cost of service",
        "network_surplus": "income of links less true cost of transport",
        "grid_surplus": "profits of generators and the grid operator less payments by local load",
        "state_surplus": "what the state is paid for emissions at a carbon price",
        "operator_surplus": "money in less money out of the operator",
        "limit_surplus": "income of payees of further limits less the cost of supply",
        "welfare": "value of service less true cost",
    }
    return xr.Dataset(
        {name: array.assign_attrs(_MONEY, long_name=names[name]) for name, array in split.items()},
        attrs=ds.attrs,
    )


def _added_up(split: dict[str, xr.DataArray]) -> xr.DataArray:
    first, *others = split.values()
    for other in others:
        first = first + other
    return first


def _grid_surplus(ds: xr.Dataset, background: Background) -> xr.DataArray:
    """Return what generators and the grid operator earn beyond their costs less what local load pays, in $/period."""
    needed = ("generator_income", "generation_cost", "line_income", "line_flow", "load_payment")
    need_periods(ds, needed, "welfare_split")
    grid = background.compiled.grid
    if grid is None:
        raise ResultError("welfare_split: these results have a power grid, and their scenario has none")
    carrying = (abs(ds["line_flow"]) * grid.template.line_cost).sum("line") * background.hours
    made = (ds["generator_income"] - ds["generation_cost"]).sum("generator", skipna=False)
    if "generator_carbon_payment" in ds:
        # The part that is a charge stands in their cost already; permits do not.
        charge = ds["emission_price"].isel(node=0, drop=True) if "emission_price" in ds else 0.0
        permits = ds["generator_carbon_payment"] - charge * ds["generator_emissions"]
        made = made - permits.sum("generator", skipna=False)
    surplus: xr.DataArray = made + ds["line_income"].sum("line") - carrying - ds["load_payment"].sum("bus")
    return surplus


def truthful(ds: xr.Dataset, **changes: Any) -> xr.Dataset:
    """Play a run again with everyone truthful: the welfare optimum, and the competitive prices.

    Providers offer all they have at true cost (`marginal_cost`), owners their links at the scenario's route cost
    (`fixed_tariff`). Regions keep their strategies: under prices of their own they may ask for something else.

    Parameters
    ----------
    ds : Dataset
        Results of a run, with the attributes that say how they were made.
    **changes
        Other arguments of the model, e.g. ``allow_code`` where a region's strategy is a class of the user's own.

    Returns
    -------
    Dataset
        Results of the truthful run, for the periods of `ds`.

    Raises
    ------
    ResultError
        If the results do not say how they were made.
    """
    ds = need_periods(ds, (), "truthful")
    model = TokenMarket.from_results(ds, **({"strategies": _truthful_strategies(ds)} | changes))
    last = int(ds["period"].max())
    while model.running and model.period <= last:
        model.step()
    return model.results().sel(period=ds["period"].values)


def _truthful_strategies(ds: xr.Dataset) -> dict[str, Any]:
    """Return the strategies of a run with those of providers and owners exchanged."""
    try:
        given = json.loads(ds.attrs["strategies"])
    except KeyError:
        raise ResultError("truthful needs the attribute 'strategies', which results of a run have") from None
    if given is None:
        raise ResultError("these results were made by strategies that could not be written down")
    scenario = Scenario.from_results(ds)
    compiled = scenario.compiled
    others: dict[Kind, tuple[str, ...]] = {"provider": compiled.providers, "owner": compiled.owners}
    exchanged = {f"{kind}s" for kind in others}
    exchanged |= {f"{kind}s.{name}" for kind, names in others.items() for name in names}
    bare = {name for names in others.values() for name in names if name not in compiled.regions}
    return {key: spec for key, spec in given.items() if key not in exchanged | bare} | _TRUTHFUL


def deadweight_loss(ds: xr.Dataset, benchmark: xr.Dataset | None = None) -> xr.DataArray:
    """Return the welfare that a truthful market would have had beyond this one's.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    benchmark : Dataset, optional
        What `truthful` made of them; played again if left out.

    Returns
    -------
    DataArray
        In $/period, dims (period,).

    Raises
    ------
    ResultError
        If the results lack something, or the benchmark has other periods.

    Notes
    -----
    It is never negative, up to rounding, where demand does not depend on past prices: the truthful clearing is
    the optimum of each period (section 2 of the paper). Where regions carry a backlog or react over weeks, one
    period's demand depends on the periods before, and only the sum over the run is meaningful.
    """
    ds = need_periods(ds, ("welfare",), "deadweight_loss")
    best = _matching(ds, benchmark, "deadweight_loss")
    loss = best["welfare"] - ds["welfare"]
    return loss.rename("deadweight_loss").assign_attrs(_MONEY, long_name="deadweight loss")


def price_of_anarchy(ds: xr.Dataset, benchmark: xr.Dataset | None = None) -> float:
    """Return welfare of the truthful market over welfare of this one, summed over the run; 1 is no loss.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    benchmark : Dataset, optional
        What `truthful` made of them; played again if left out.

    Returns
    -------
    float
        At least 1 up to rounding. Where all demand must be served, welfare is minus the true cost, and the ratio
        is that of costs: this one's over the truthful market's. Infinite where this market has no welfare, and
        NaN where one of the two is negative and the other is not.

    Raises
    ------
    ResultError
        As `deadweight_loss` does.

    References
    ----------
    E. Koutsoupias and C. Papadimitriou, "Worst-case Equilibria", STACS 1999. They take the worst equilibrium; this
    is the ratio of one run, which bounds theirs from below if the run is an equilibrium.
    """
    ds = need_periods(ds, ("welfare",), "price_of_anarchy")
    best = float(_matching(ds, benchmark, "price_of_anarchy")["welfare"].sum(skipna=False))
    found = float(ds["welfare"].sum(skipna=False))
    if best < 0 and found < 0:
        return found / best
    if best >= 0 and found >= 0:
        return best / found if found > 0 else (1.0 if best == 0 else float("inf"))
    return float("nan")


def _matching(ds: xr.Dataset, benchmark: xr.Dataset | None, measure: str) -> xr.Dataset:
    if benchmark is None:
        return truthful(ds)
    benchmark = need_periods(benchmark, ("welfare",), measure)
    if not ds["period"].equals(benchmark["period"]):
        raise ResultError(f"{measure}: the benchmark has other periods than the results")
    return benchmark
