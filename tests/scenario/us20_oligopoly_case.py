"""The scenario us20_oligopoly as its tests see it: its files, their script, and what clearings add up to."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.pricing_rules import settle_values
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "scenarios" / "us20_oligopoly"
WEEK = runpy.run_path(str(CHECKOUT / "experiments" / "us20_oligopoly_week.py"))
ACCELERATORS = WEEK["ACCELERATORS"]  # per MW
TROUGH, PEAK = 35, 69  # Tuesday 11:00 UTC, before dawn; Wednesday 21:00 UTC, afternoon everywhere


def clearings(scenario: Scenario) -> Iterator[Clearing]:
    """Yield each period's clearing: truthful offers, and what the regions bid without noise."""
    model = TokenMarket(scenario.override({"demand.noise": None}), rng=0, record=())
    for _ in range(scenario.periods):
        model.step()
        clearing = model.clearing_house.clearing
        assert clearing is not None
        yield clearing


def served_of(clearing: Clearing) -> np.ndarray:
    """Return what was served in Mtok/s, dims (node, workload)."""
    return np.asarray((clearing.market.arrays.demand - clearing.values.unserved).sum(axis=2))


def profit_of(clearing: Clearing) -> np.ndarray:
    """Return revenue less true cost in $/h, dims (asset,)."""
    market, values = clearing.market, clearing.values
    revenue = settle_values(market.layout, market.arrays, values).revenue.sum(axis=1)
    return np.asarray((revenue - (market.arrays.offer_price * values.dispatch).sum(axis=(1, 2))) * 3600)


def totals(scenario: Scenario, seed: int, **overrides: float) -> np.ndarray:
    """Return what users pay and what providers earn over the scenario's periods in $."""
    model = TokenMarket(scenario, rng=seed, overrides=overrides, record=("payment", "profit"))
    model.run()
    ds = model.results()
    return np.array([float(ds.payment.sum()), float(ds.profit.sum())])


def spread(clearings: Iterable[Clearing]) -> np.ndarray:
    """Return the dearest over the cheapest hub's mean price less one, dims (workload,)."""
    mean = np.mean([clearing.values.price for clearing in clearings], axis=0)
    return np.asarray(mean.max(axis=0) / mean.min(axis=0) - 1)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def power_of(clearing: Clearing) -> np.ndarray:
    """Return the MW that each asset runs at."""
    use = clearing.market.arrays.power_use
    assert use is not None
    return (clearing.values.dispatch[:, :, 0] * use).sum(axis=1)


def limit_of(scenario: Scenario) -> np.ndarray:
    limit = scenario.compiled.state(0).power_limit
    assert limit is not None
    return limit


def without(market: Market, scenario: Scenario, provider: str) -> Market:
    capacity = market.arrays.capacity.copy()
    capacity[scenario.compiled.provider_assets[provider]] = 0.0
    return Market.from_arrays(market.layout, market.arrays.with_(capacity=capacity), market.hours)


# The data
