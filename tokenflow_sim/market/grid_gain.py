"""What clearing tokens and power together gains, and what a provider gains that counts its effect on power prices.

Sequentially, the token market clears at forecast prices of power, the grid clears with the load that follows, and the
difference between the prices is paid. The joint clearing is the least cost of both, so that its gain is never
negative.

A provider that takes prices offers all it has. One that counts its own effect holds some back where that lets the
price of power fall, or that of tokens rise, by more than it loses: the leader of the two-level problem of Brenner,
Deka, Roald and Amin (2026), with offers in place of loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_clearing import GridClearer
from tokenflow_sim.market.grid_outcome import GridOutcome, grid_outcome
from tokenflow_sim.market.grid_rows import PER_MWH, BoundGrid, bind_grid
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats

_ROUNDS = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class JointGain:
    """A market and its grid, cleared together and one after the other.

    Parameters
    ----------
    joint, sequential : Clearing
        The token market's clearings; offers of the second contain electricity at the forecast.
    joint_grid, sequential_grid : GridOutcome
        The grid's.
    joint_cost, sequential_cost : float
        Cost of processing beside electricity, of routes, lost service, generation and carrying, in $/h.
    difference_paid : ndarray
        What assets pay for power beyond what they offered at, in $/h, dims (bus,): drawn power times the difference
        between bus price and forecast; negative where power is cheaper.
    """

    joint: Clearing
    sequential: Clearing
    joint_grid: GridOutcome
    sequential_grid: GridOutcome
    joint_cost: float
    sequential_cost: float
    difference_paid: Floats

    @property
    def gain(self) -> float:
        """What joint clearing saves, in $/h; never negative beyond rounding."""
        return self.sequential_cost - self.joint_cost


def joint_gain(market: Market, grid: Grid, power_use: Floats, forecast: ArrayLike | None = None) -> JointGain:
    """Clear a market and its grid together and one after the other.

    Parameters
    ----------
    market : Market
        Offers contain what service costs beside electricity.
    grid : Grid
        The grid.
    power_use : ndarray
        In MW per Mtok/s at the meter, dims (asset, workload).
    forecast : array, optional
        Prices of power that sequential offers are made at, in $/MWh, dims (bus,); by default those of the grid without
        any service.

    Raises
    ------
    MarketError
        If the grid or the forecast has faults.
    InfeasibleError
        If demand that must be served, or load, cannot be; in the sequential clearing also where the grid cannot supply
        what the token market asks for. Load that may be shed, as a generator at its value, keeps it feasible.
    """
    bound = bind_grid(grid, market.layout, power_use)
    alone = GridClearer(grid)
    expected = alone.clear(grid).outcome.bus_price if forecast is None else np.asarray(forecast, dtype=float)
    if expected.shape != (len(grid.buses),) or not np.isfinite(expected).all():
        fault = Fault(f"must be {len(grid.buses)} finite numbers ($/MWh), one for each bus", "forecast")
        raise MarketError([fault], "argument")
    both = _joined(market, bound, grid)
    joint = Clearer(both).clear(both)
    at = np.where(bound.asset_bus == NO_BUS, 0.0, expected[bound.asset_bus])
    electricity = at[:, None] * power_use / PER_MWH
    arrays = market.arrays
    offers = arrays.offer_price + electricity[:, :, None]
    tokens = Market.from_arrays(market.layout, arrays.with_(offer_price=offers), market.hours)
    sequential = Clearer(tokens).clear(tokens)
    drawn = _drawn(bound, sequential.values.dispatch)
    after = alone.clear(grid, drawn).outcome
    beside = sequential.values.cost - float((electricity[:, :, None] * sequential.values.dispatch).sum())
    return JointGain(
        joint=joint,
        sequential=sequential,
        joint_grid=grid_outcome(bound, grid, joint.values),
        sequential_grid=after,
        joint_cost=joint.total_cost,
        sequential_cost=beside * SECONDS_PER_HOUR + after.cost,
        difference_paid=drawn * (after.bus_price - expected),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnEffect:
    """A provider that takes prices, beside itself counting its own effect on them.

    Parameters
    ----------
    share : ndarray
        Share of its capacity that it offers at best, dims (asset,); 1 for assets of others.
    profit_taking, profit : float
        Its profit where it offers all, and at best, in $/h: what tokens earn less the offers' cost and power.
    power_saved : float
        What it pays less for the power it still draws, since power is cheaper, in $/h.
    other_cost : float
        What cost rises for all together, in $/h: of processing, routes, lost service and generation.
    clearings : int
        How many clearings that took.
    """

    share: Floats
    profit_taking: float
    profit: float
    power_saved: float
    other_cost: float
    clearings: int

    @property
    def gain(self) -> float:
        """What it gains by counting its own effect, in $/h."""
        return self.profit - self.profit_taking


def own_effect(
    market: Market,
    grid: Grid,
    power_use: Floats,
    provider: str,
    shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0),
) -> OwnEffect:
    """Find what a provider gains by holding capacity back, counting its effect on prices of power and of tokens.

    Parameters
    ----------
    market : Market
        Offers are true costs beside electricity.
    grid, power_use
        As in `joint_gain`.
    provider : str
        The provider; all others offer all they have.
    shares : sequence of float
        Shares of its capacity that each of its assets may offer; 1 is always tried.

    Returns
    -------
    OwnEffect
        The best that changing one asset's share at a time finds, from full offers on, until none is better: a best
        answer along each asset, and so a lower bound of the gain.

    Raises
    ------
    MarketError
        If the grid has faults, or no asset is the provider's.
    """
    layout = market.layout
    own = np.flatnonzero([name == provider for name in layout.provider])
    if not len(own):
        known = list(dict.fromkeys(layout.provider))
        raise MarketError([Fault(unknown_name("provider", provider, known), "provider")], "argument")
    bound = bind_grid(grid, layout, power_use)
    clearer = Clearer(_joined(market, bound, grid))
    count = 0

    def played(share: Floats) -> tuple[float, Floats, Floats, float]:
        nonlocal count
        count += 1
        capacity = market.arrays.capacity * share[:, None, None]
        offered = Market.from_arrays(layout, market.arrays.with_(capacity=capacity), market.hours)
        values = clearer.clear(_joined(offered, bound, grid)).values
        power = grid_outcome(bound, grid, values).bus_price
        at = np.where(bound.asset_bus == NO_BUS, 0.0, power[bound.asset_bus])
        earned = values.price[layout.asset_node][:, :, None] - market.arrays.offer_price
        drawn = (power_use[:, :, None] * values.dispatch).sum(axis=(1, 2))
        profit = (earned * values.dispatch).sum(axis=(1, 2)) * SECONDS_PER_HOUR - drawn * at
        return float(profit[own].sum()), drawn, at, values.cost * SECONDS_PER_HOUR

    share = np.ones(len(layout.assets))
    first = best = played(share)
    levels = sorted({*map(float, shares), 1.0})
    for _ in range(_ROUNDS):
        before = best[0]
        for asset in own:
            for level in levels:
                if level == share[asset]:
                    continue
                tried = share.copy()
                tried[asset] = level
                found = played(tried)
                # What is no more than rounding is no gain.
                if found[0] > best[0] + 1e-9 * max(1.0, abs(best[0])):
                    best, share = found, tried
        if best[0] <= before:
            break
    return OwnEffect(
        share=share,
        profit_taking=first[0],
        profit=best[0],
        power_saved=float((best[1] * (first[2] - best[2]))[own].sum()),
        other_cost=best[3] - first[3],
        clearings=count,
    )


def _joined(market: Market, bound: BoundGrid, grid: Grid) -> Market:
    """Return the market with its grid's rows and columns beside its own."""
    limits, activities = bound.at(grid, market.arrays.capacity)
    arrays = market.arrays
    both = arrays.with_(limits=(*arrays.limits, *limits), activities=(*arrays.activities, *activities))
    return Market.from_arrays(market.layout, both, market.hours)


def _drawn(bound: BoundGrid, dispatch: Floats) -> Floats:
    each = (bound.power_use[:, :, None] * dispatch).sum(axis=(1, 2))
    there = bound.asset_bus != NO_BUS
    return np.bincount(bound.asset_bus[there], each[there], len(bound.grid.buses))
