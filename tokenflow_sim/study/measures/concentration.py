"""Concentration: of sales within the market that congestion leaves, and of profits."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market.relevant import full_links, joined_nodes
from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.results.reading import Background, collapse, need_periods
from tokenflow_sim.scenario import Scenario

SSNIP = 0.05
"""The small but significant increase in price by which competition authorities delimit a market."""
POINTS = 10_000.0


def relevant_markets(
    ds: xr.Dataset, *, within: float = SSNIP, scenario: Scenario | None = None
) -> xr.DataArray:
    """Find the markets that congestion leaves: nodes joined by links that have room and do not part their prices.

    For a class in a period, two nodes are joined if links that the class may use lead from one to the other and have
    room, in every direction in which there are such links, and the prices at the two differ by no more than `within`.
    A direction has room unless all its links are full: loaded to their capacity, or without any. So a full link parts
    its ends whatever its opposite carries; a link without an opposite is judged alone. Nodes that are joined, directly
    or through others, are one market.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    within : float
        Share of the lower price by which prices at the ends of a link may differ: more than transport is then
        between them. Infinite leaves congestion alone to part markets.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Position of the first node of each node's market among the nodes, dims (period, node, workload). A node whose
        price is missing is a market of its own.

    Raises
    ------
    ResultError
        If the results lack something, or `within` is negative.

    Notes
    -----
    Where a link is full towards a node, sellers at its other end cannot bring in one unit more, however dear those at
    the node make themselves: they are no check on them, although they would take what flows back. Power exchanges with
    market splitting draw the borders of their price areas so: the areas of an hour are what bottlenecks leave. A
    charge that rises with load (curvature) is a cost of transport, which parts markets by price alone.

    References
    ----------
    U.S. Department of Justice and Federal Trade Commission, "Merger Guidelines", 2023, section 4.3 (the
    hypothetical monopolist test, by a small but significant and non-transitory increase in price). S. Borenstein,
    J. Bushnell, E. Kahn and S. Stoft, "Market Power in California Electricity Markets", Utilities Policy 5 (1995)
    219-236: full lines part markets by the hour; European Commission, decision M.3268 Sydkraft/Graninge (2003): price
    areas of Nord Pool in hours with a bottleneck.
    """
    names = ("price", "congestion_rent", "link_use_share", "origin", "destination")
    ds = need_periods(ds, names, "relevant_markets")
    if not within >= 0:
        raise ResultError(f"relevant_markets: within must be a share of a price from 0 on; found {within!r}")
    background = Background.of(ds, "relevant_markets", scenario)
    layout = background.compiled.layout
    price = ds["price"].transpose("period", "node", "workload").values
    full = _full_links(ds, background, price)
    markets = joined_nodes(price, full, background.allowed, layout.origin, layout.destination, within)
    return xr.DataArray(
        markets,
        dims=("period", "node", "workload"),
        coords={dim: ds[dim].values for dim in ("period", "node", "workload")},
        name="relevant_market",
        attrs={"units": "1", "long_name": "position of the first node of the market"},
    )


def _full_links(ds: xr.Dataset, background: Background, price: Floats) -> Bools:
    """Return whether a link has no room for a class, dims (period, arc, workload)."""
    network = background.compiled.network
    rent, share = (
        ds[name].transpose("period", "arc").values for name in ("congestion_rent", "link_use_share")
    )
    exists, ends = background.link_capacity.values, (network.origin, network.destination)
    return full_links(price, rent, share, exists, background.link_use, network.link_curvature, ends)


def hhi(
    ds: xr.Dataset, *, of: str = "dispatch", within: float = SSNIP, scenario: Scenario | None = None
) -> xr.DataArray:
    """Return the Herfindahl-Hirschman index of each node's market, class by class and period by period.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    of : {'dispatch', 'offer_quantity'}
        What providers have shares of: sales, or what they offer.
    within : float
        As of `relevant_markets`.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        Points from 0 to 10,000 (a single provider), dims (period, node, workload); NaN where nothing is sold (or
        offered) in the market, and where the price is missing. What flows in over congested links counts where it is
        made.

    Raises
    ------
    ResultError
        As `relevant_markets` does, or if `of` is neither.

    Notes
    -----
    The agencies call a market above 1,800 points highly concentrated (2,500 from 2010 to 2023). Of those who could
    bring in what they do not sell there, `delivered_price_hhi` measures.

    References
    ----------
    O. C. Herfindahl, dissertation, Columbia University, 1950; A. O. Hirschman, "The Paternity of an Index",
    American Economic Review 54, 1964; Merger Guidelines, 2023, guideline 1.
    """
    if of not in ("dispatch", "offer_quantity"):
        raise ResultError(f"hhi: of must be 'dispatch' or 'offer_quantity'; found {of!r}")
    ds = need_periods(ds, (of, "asset_node", "asset_provider", "provider"), "hhi")
    market = relevant_markets(ds, within=within, scenario=scenario).values
    supply = collapse(ds, of).transpose("period", "asset", "workload").values
    node = {name: place for place, name in enumerate(ds["node"].values)}
    firm = {name: place for place, name in enumerate(ds["provider"].values)}
    asset_node = np.array([node[name] for name in ds["asset_node"].values], dtype=np.int64)
    asset_firm = np.array([firm[name] for name in ds["asset_provider"].values], dtype=np.int64)
    periods, nodes, workloads = market.shape
    # Sum supply by (period, class, market, provider) in one go.
    cell = np.arange(periods)[:, None, None] * workloads + np.arange(workloads)
    place = (cell * nodes + market[:, asset_node]) * len(firm) + asset_firm[:, None]
    size = periods * workloads * nodes * len(firm)
    sold = np.bincount(place.ravel(), supply.ravel(), size).reshape(periods, workloads, nodes, len(firm))
    all_ = sold.sum(axis=3)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where(all_ > 0, POINTS * (sold**2).sum(axis=3) / all_**2, np.nan)
    of_node = np.take_along_axis(index.transpose(0, 2, 1), market, axis=1)
    of_node[ds["price"].isnull().transpose("period", "node", "workload").values] = np.nan
    return xr.DataArray(
        of_node,
        dims=("period", "node", "workload"),
        coords={dim: ds[dim].values for dim in ("period", "node", "workload")},
        name="hhi",
        attrs={"units": "points", "long_name": "Herfindahl-Hirschman index"},
    )


def profit_concentration(ds: xr.Dataset) -> xr.Dataset:
    """Return how unequally profits of the whole run are spread among providers.

    Parameters
    ----------
    ds : Dataset
        Results of a run.

    Returns
    -------
    Dataset
        `share` of each provider in all profits, dims (provider,); `hhi` of the shares in points; `gini`. A
        provider with a loss counts as one without profit; all are NaN where nobody has any, or one is missing.

    Raises
    ------
    ResultError
        If the results lack profits.
    """
    ds = need_periods(ds, ("profit",), "profit_concentration")
    profit = ds["profit"].sum("period", skipna=False).clip(min=0.0)
    all_ = float(profit.sum(skipna=False))
    share = profit / all_ if all_ > 0 else profit * np.nan
    return xr.Dataset(
        {
            "share": share.assign_attrs(units="1", long_name="share of all profits"),
            "hhi": (
                (),
                POINTS * float((share**2).sum(skipna=False)),
                {"units": "points", "long_name": "HHI of profits"},
            ),
            "gini": (
                (),
                gini(profit.values) if np.isfinite(all_) else np.nan,
                {"units": "1", "long_name": "Gini coefficient of profits"},
            ),
        }
    )


def gini(values: ArrayLike) -> float:
    """Return the Gini coefficient: 0 where all have the same, 1 - 1/n where one of n has all.

    Parameters
    ----------
    values : array_like
        What each has, not negative.

    Returns
    -------
    float
        NaN where nobody has anything.

    Raises
    ------
    ResultError
        If a value is negative or no number.

    References
    ----------
    C. Gini, "Variabilità e mutabilità", 1912; half the relative mean absolute difference.
    """
    sorted_ = np.sort(np.asarray(values, dtype=float).ravel())
    if not (np.isfinite(sorted_).all() and (sorted_ >= 0).all()):
        raise ResultError("gini: values must be finite and not negative")
    count, all_ = len(sorted_), float(sorted_.sum())
    if all_ == 0:
        return float("nan")
    weight = 2.0 * np.arange(1, count + 1) - count - 1
    return float((weight * sorted_).sum() / (count * all_))
