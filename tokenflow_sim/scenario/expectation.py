"""What a scenario's own market would cost its users: prices of expected demand, cleared with everybody truthful."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tokenflow_sim.errors import Fault, InfeasibleError, ScenarioError
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.numeric import Floats, frozen

if TYPE_CHECKING:
    from tokenflow_sim.scenario.compiled import Compiled

WEEK = 168.0
"""Hours that a reference price is the mean of."""
SAMPLES = 24
"""Periods of them that are cleared, at most."""
_KEEP = 32
_kept: OrderedDict[bytes, Floats] = OrderedDict()
_one_at_a_time = threading.Lock()


def reference_periods(compiled: Compiled) -> tuple[int, ...]:
    """Return the periods that the reference price is taken from.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.

    Returns
    -------
    tuple of int
        The periods of the first week, or of what a table by period covers where that is less; of more than 24 of
        them, 24 at equal distances. Of hours that is every seventh: each hour of the day once, and each day three
        or four times. They do not depend on how many periods are played.
    """
    span = max(1, round(WEEK / compiled.hours))
    if compiled.covered is not None:
        span = min(span, compiled.covered)
    return tuple(sorted({number * span // SAMPLES for number in range(SAMPLES)}))


def reference_price(compiled: Compiled) -> Floats:
    """Return the price at which users want what the scenario says: what they would pay were everybody truthful.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.

    Returns
    -------
    ndarray
        Mean over `reference_periods` of the truthful prices of expected demand, weighted by that demand, in $/Mtok,
        dims (node, workload); read-only. Where nothing is ever asked for, the plain mean.

    Raises
    ------
    ScenarioError
        If expected demand must be served and cannot be.

    Notes
    -----
    With p the price and d expected demand of a period, ``sum p d / sum d``: the flat price that costs users as much
    as hourly prices do, through which demand curves are usually calibrated (S. Borenstein, "The long-run efficiency
    of real-time electricity pricing", The Energy Journal 26(3), 2005). No strategy, seed or noise enters: it is a
    function of the scenario's market alone, to the bit, and kept in the process from run to run.
    """
    periods = reference_periods(compiled)
    markets = [compiled.market(period) for period in periods]
    keys = [_digest(market) for market in markets]
    whole = b"".join(keys)
    # The libraries that build a solver's model are not made for several threads, which the page has.
    with _one_at_a_time:
        if whole not in _kept:
            _kept[whole] = _mean_price(compiled, periods, markets, keys)
            if len(_kept) > _KEEP:
                _kept.popitem(last=False)
        _kept.move_to_end(whole)
        return _kept[whole]


def _mean_price(
    compiled: Compiled, periods: tuple[int, ...], markets: list[Market], keys: list[bytes]
) -> Floats:
    prices: dict[bytes, Floats] = {}  # without profiles all periods are one market, cleared once
    clearer = Clearer(markets[0])
    for period, market, key in zip(periods, markets, keys, strict=True):
        if key not in prices:
            try:
                prices[key] = clearer.clear(market).values.price
            except InfeasibleError as error:
                raise ScenarioError([_no_reference(period, error)], _subject(compiled)) from error
    price = np.stack([prices[key] for key in keys])
    demand = np.stack([market.arrays.demand[:, :, 0] for market in markets])
    asked = demand.sum(axis=0)
    paid = (price * demand).sum(axis=0)
    return frozen(np.where(asked > 0, paid / np.where(asked > 0, asked, 1.0), price.mean(axis=0)))


def _digest(market: Market) -> bytes:
    """Return a fingerprint of a market's numbers."""
    layout, arrays = market.layout, market.arrays
    digest = blake2b(digest_size=16)
    for array in (
        layout.asset_node, layout.origin, layout.destination, arrays.offer_price, arrays.capacity, arrays.demand,
        arrays.value, arrays.route_cost, arrays.link_use, arrays.allowed, arrays.link_capacity,
        arrays.link_curvature, arrays.power_use, arrays.power_limit,
    ):  # fmt: skip
        digest.update(b"-" if array is None else f"{array.shape}".encode() + array.tobytes())
    for limit in arrays.limits:
        digest.update(f"{limit.name} {limit.labels} {[term.on for term in limit.terms]}".encode())
        supply = () if limit.supply is None else (limit.supply.price, limit.supply.quantity)
        for number in (limit.capacity, *(term.use for term in limit.terms), *supply):
            digest.update(f"{number.shape}".encode() + number.tobytes())
        for member in (term.member for term in limit.terms if term.member is not None):
            digest.update(member.tobytes())
    for activity in arrays.activities:
        digest.update(f"{activity.name} {activity.labels}".encode())
        for number in (activity.price, activity.most, activity.lowest):
            digest.update(f"{number.shape}".encode() + number.tobytes())
    return digest.digest()


def _subject(compiled: Compiled) -> str:
    return f"scenario {compiled.scenario.name!r}"


def _no_reference(period: int, error: InfeasibleError) -> Fault:
    return Fault(
        f"has no truthful market of expected demand in period {period}, from which users' reference price is taken:"
        f" {error}\n  Or give the regions' strategies a `reference_price` in $/Mtok.",
        "reference price",
    )
