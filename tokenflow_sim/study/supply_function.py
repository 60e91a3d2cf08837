"""Linear supply-function equilibrium: every player offers along a line that is its best reply at every demand.

References
----------
P. D. Klemperer and M. A. Meyer, "Supply function equilibria in oligopoly under uncertainty", Econometrica 57 (1989)
1243-1277. R. Baldick, R. Grant and E. Kahn, "Theory and application of linear supply function equilibrium in
electricity markets", Journal of Regulatory Economics 25 (2004) 143-167. R. Green, "Increasing competition in the
British electricity spot market", Journal of Industrial Economics 44 (1996) 205-216.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market import Clearing, Market, clear
from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.study.affine import AffineMarket, affine_market
from tokenflow_sim.study.oligopoly_dataset import Equilibrium, oligopoly_dataset
from tokenflow_sim.study.supply_regime import Regimes

# Relative: prices that differ by more are not one price, and what is no more from a bound stands at it.
_SAME = 1e-9
# Derivatives of a clearing are known to this share; and how many regimes are tried at most.
_BY_REGIME, _MOST_REGIMES = 1e-11, 500


def supply_function_equilibrium(
    market: Market,
    *,
    players: Sequence[str] | None = None,
    tolerance: float = 1e-13,
    most: int = 10_000,
) -> xr.Dataset:
    """Find the linear supply-function equilibrium of a market with affine demand, by iteration of best replies.

    Player i with marginal cost ``a_i + c_i q`` offers ``S_i(p) = beta_i (p - a_i)``. Against the slopes of the others
    and demand's gamma, the sum of 1 / value_slope, its best reply at every level of demand is
    ``beta_i = (gamma + sum_{j != i} beta_j) / (1 + c_i (gamma + sum_{j != i} beta_j))`` (Baldick, Grant and Kahn
    2004). The market is then cleared at these offers.

    Parameters
    ----------
    market : Market
        The market. Its offers are true costs: each player has one block for a class, with a positive `offer_slope`;
        its assets begin at one price, so that its marginal cost is a line. All of demand has a `value` and a positive
        `value_slope`.
    players : sequence of str, optional
        Providers that play; all by default. The others take prices, and offer at marginal cost.
    tolerance : float
        The iteration ends where no slope changes by a larger share.
    most : int
        Iterations at most.

    Returns
    -------
    Dataset
        As of `cournot`, and `supply_slope` (beta, Mtok/s per $/Mtok) and `supply_intercept` ($/Mtok), dims (provider,
        workload), of all providers. Attributes `converged`, `rounds`, `gain` (see below) and `change`, the last share
        by which a slope changed; where it did not converge, what is returned is what the last iteration offered.

    Raises
    ------
    MarketError
        If demand or costs are not as above, an argument is out of range, or the equilibrium is none of this market:
        an offer of a player is full or not taken at all, which a line does not know; or, where links are full, a
        player has assets where prices move apart, or classes that share a full limit, so that no line is its best
        reply.
    InfeasibleError, CertificateError
        As of `clear`.

    Notes
    -----
    Where the network binds, or somebody who takes prices is full, who competes with whom is read off the clearing: a
    player's reply is ``beta = around / (1 + c around)``, and around is what all others answer to its price in the
    regime (which links are full) that the lines lead to (`supply_regime`; Baldick, Grant and Kahn 2004, Hobbs, Metzler
    and Pang 2000). Lines are best replies at every level of demand that leaves the regime as it is. Whether a player
    would gain by quantities that change it is tried, and told as ``gain``, as a share of its profit: where that is
    positive, what is found is an equilibrium of small changes only. A link that is full at no rent, or carries nothing
    though it would at no loss, holds nobody apart.

    Where marginal costs do not rise there is no
    linear equilibrium but price competition, so that flat offers of players are refused. From slopes of demand alone
    upwards the iteration rises to the least fixed point, which is the only one with positive slopes.
    """
    faults = []
    if not 0 < tolerance < 1:
        faults.append(Fault(f"must lie between 0 and 1; found {tolerance!r}", "tolerance"))
    if most < 1:
        faults.append(Fault(f"must be at least 1; found {most!r}", "most"))
    if faults:
        raise MarketError(faults, "argument")
    affine = affine_market(market, players, None, what="a linear supply-function equilibrium")
    intercept, steep = _lines(affine)
    asked = np.where(affine.there, 1.0 / np.where(affine.there, affine.slope, 1.0), 0.0).sum(axis=0)
    beta, rounds, change = replies(steep, asked, affine.plays, tolerance, most)
    offered = _offered(affine, beta, steep)
    clearing = clear(offered)
    gain = 0.0
    regimes = Regimes(affine)
    if not _is_one_market(affine, offered, clearing):
        start = rounds
        beta, rounds, change = _replies_by_regime(regimes, beta, steep, max(tolerance, _BY_REGIME), most)
        offered, rounds = _offered(affine, beta, steep), rounds + start
        clearing = clear(offered)
        tolerance = max(tolerance, _BY_REGIME)
        _check(affine, offered, clearing)
    if len(market.layout.arcs):
        gain = regimes.gain(offered, clearing.values.dispatch, clearing.values.price)
    affine.check_quantity(affine.most - clearing.values.unserved.sum(axis=2))
    values = clearing.values
    sales = np.zeros((len(affine.providers), *affine.there.shape))
    np.add.at(sales, (affine.provider_of, market.layout.asset_node), values.dispatch.sum(axis=2))
    found = Equilibrium(
        price=values.price,
        consumption=np.where(affine.there, affine.most - values.unserved.sum(axis=2), 0.0),
        transmission=values.price - _hub(affine, values.price),
        sales=sales,
        dispatch=values.dispatch,
        flow=values.flow,
        congestion_rent=values.congestion_rent,
        certificate=clearing.certificate,
        converged=change <= tolerance,
        rounds=rounds,
    )
    dataset = oligopoly_dataset(affine, found, change=change, gain=gain)
    dims, units = ("provider", "workload"), {"slope": "Mtok/s per $/Mtok", "intercept": "$/Mtok"}
    dataset["supply_slope"] = (dims, beta, {"units": units["slope"], "long_name": "slope of supply"})
    dataset["supply_intercept"] = (
        dims,
        intercept,
        {"units": units["intercept"], "long_name": "price at which supply begins"},
    )
    return dataset


def replies(
    steep: Floats, asked: Floats, plays: Bools, tolerance: float, most: int
) -> tuple[Floats, int, float]:
    """Iterate best replies in slopes from those of demand alone.

    Parameters
    ----------
    steep : ndarray
        Slope of each provider's marginal cost in $/Mtok per Mtok/s, dims (provider, workload); infinite where it
        offers nothing.
    asked : ndarray
        Slope of demand in Mtok/s per $/Mtok, dims (workload,).
    plays : ndarray of bool
        Who plays, dims (provider,).
    tolerance, most
        As of `supply_function_equilibrium`.

    Returns
    -------
    beta : ndarray
        Slopes of supply in Mtok/s per $/Mtok, dims (provider, workload).
    rounds : int
        How many iterations it took.
    change : float
        The largest share by which a slope changed in the last.
    """
    there = np.isfinite(steep)
    cost = np.where(there, steep, 0.0)
    competitive = np.where(there, 1.0 / np.where(there, steep, 1.0), 0.0)
    beta = np.where(plays[:, None], 0.0, competitive)
    change, rounds = np.inf, 0
    while change > tolerance and rounds < most:
        rounds += 1
        around = asked + beta.sum(axis=0) - beta
        reply = np.where(plays[:, None], np.where(there, around / (1.0 + cost * around), 0.0), competitive)
        change = float((np.abs(reply - beta) / np.where(reply > 0, reply, 1.0)).max(initial=0.0))
        beta = reply
    return beta, rounds, change


def _lines(affine: AffineMarket) -> tuple[Floats, Floats]:
    """Return where each provider's marginal cost begins, and how steep it is; infinite where it offers nothing."""
    arrays, layout = affine.market.arrays, affine.market.layout
    firms, classes = len(affine.providers), len(layout.workloads)
    intercept, steep = np.full((firms, classes), np.nan), np.full((firms, classes), np.inf)
    slope = np.zeros_like(arrays.capacity) if arrays.offer_slope is None else arrays.offer_slope
    faults = []
    for firm, name in enumerate(affine.providers):
        own = affine.provider_of == firm
        for k, label in enumerate(layout.workloads):
            offered = arrays.capacity[own, k] > 0
            if not offered.any():
                continue
            place = f"provider {name!r}, workload {str(label)!r}"
            price, rises = arrays.offer_price[own, k][offered], slope[own, k][offered]
            if not (rises > 0).all():
                rule = "must be positive: where marginal cost does not rise there is no linear equilibrium"
                faults.append(Fault(f"{rule}; not so of {place}", "offer_slope"))
            elif np.ptp(price) > _SAME * np.abs(price).max() or (offered.sum(axis=1) > 1).any():
                rule = (
                    "must be one for all assets of a provider, in one block, so that marginal cost is a line"
                )
                faults.append(Fault(f"{rule}; not so of {place}", "offer_price"))
            else:
                intercept[firm, k], steep[firm, k] = price[0], 1.0 / (1.0 / rises).sum()
    if faults:
        raise MarketError(faults, "market")
    return intercept, steep


def _offered(affine: AffineMarket, beta: Floats, steep: Floats) -> Market:
    """Return the market at offers along the lines; a provider's assets share what it sells as at least cost."""
    market, arrays = affine.market, affine.market.arrays
    slope = arrays.offer_slope
    assert slope is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(beta > 0, 1.0 / (beta * steep), 1.0)
    changed = arrays.with_(offer_slope=slope * factor[affine.provider_of][:, :, None])
    return Market.from_arrays(market.layout, changed, market.hours, check=False)


def _replies_by_regime(
    regimes: Regimes, beta: Floats, steep: Floats, tolerance: float, most: int
) -> tuple[Floats, int, float]:
    """Iterate best replies, each in the regime of the clearing at the last lines; returned as of `replies`."""
    affine, cost, rounds, change = regimes.affine, np.where(np.isfinite(steep), steep, 0.0), 0, np.inf
    while change > tolerance and rounds < min(most, _MOST_REGIMES):
        rounds += 1
        around = regimes.around(_offered(affine, beta, steep))
        reply = np.where(affine.plays[:, None], around / (1.0 + cost * around), beta)
        change = float((np.abs(reply - beta) / np.where(reply > 0, reply, 1.0)).max(initial=0.0))
        beta = reply
    return beta, rounds, change


def _hub(affine: AffineMarket, price: Floats) -> Floats:
    """Return the price at the first node of each node's part of the network, dims (node, workload)."""
    islands, found = affine.islands, np.zeros_like(price)
    for k in range(price.shape[1]):
        _, first = np.unique(islands[:, k], return_index=True)
        found[:, k] = price[first[islands[:, k]], k]
    return found


def _is_one_market(affine: AffineMarket, market: Market, clearing: Clearing) -> bool:
    """Whether each class has one price, everywhere joined, and no offer is full or not taken."""
    values, arrays = clearing.values, market.arrays
    offered = arrays.capacity > 0
    inside = (values.dispatch < arrays.capacity * (1 - _SAME)) & (values.dispatch > _SAME * arrays.capacity)
    one = np.ptp(values.price, axis=0) <= _SAME * np.abs(values.price).max(axis=0)
    joined = affine.islands.max(axis=0, initial=0) == 0
    return bool((one & joined).all() and inside[offered].all())


def _check(affine: AffineMarket, market: Market, clearing: Clearing) -> None:
    """Refuse a clearing at which a player's line is none: its offers are full, or not taken."""
    values, layout, arrays = clearing.values, market.layout, market.arrays
    faults = []
    offered = (arrays.capacity > 0) & affine.plays[affine.provider_of][:, None, None]
    for bad, rule in (
        (
            values.dispatch >= arrays.capacity * (1 - _SAME),
            "is full in equilibrium, which a line does not know",
        ),
        (
            values.dispatch <= _SAME * arrays.capacity,
            "is not taken in equilibrium, which a line does not know",
        ),
    ):
        spots = np.argwhere(offered & bad)
        if spots.size:
            asset, k, _ = spots[0]
            place = f"asset {str(layout.assets[asset])!r}, workload {str(layout.workloads[k])!r}"
            faults.append(Fault(f"{rule}: {place}", "capacity"))
    if faults:
        raise MarketError(faults, "market")
