"""Small markets and views for the tests of strategies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.base import History
from tokenflow_sim.strategies.demand import DemandView


def demand_view(
    demand: Any,
    *,
    value: Any = math.inf,
    workloads: Sequence[str] = ("chat",),
    last_price: Any = None,
    past: Any = None,
    period: int = 0,
    hours: float = 1.0,
) -> DemandView:
    """Return what a region of some nodes sees; `past` are its published prices, dims (period, node, workload)."""
    demand = np.asarray(demand, dtype=float)
    prices = np.zeros((0, *demand.shape)) if past is None else np.asarray(past, dtype=float)
    return DemandView(
        name="here",
        period=period,
        periods=1000,
        hours=hours,
        nodes=tuple(f"n{row}" for row in range(len(demand))),
        workloads=tuple(workloads),
        node=np.arange(len(demand)),
        demand=demand,
        value=np.broadcast_to(np.asarray(value, dtype=float), demand.shape),
        last_price=last_price,
        last_served=None,
        last_unserved=None,
        last_payment=None,
        last_market=None,
        history=History(prices, np.zeros_like(prices), np.zeros_like(prices)),
        rng=np.random.default_rng(1),
    )


def scarce_node(
    demand: float = 1.0,
    cheap: tuple[float, float] = (1.0, 1.0),
    dear: tuple[float, float] = (3.0, 1.0),
    *,
    value: float = 10.0,
    hourly: Sequence[float] = (1.0,),
) -> Scenario:
    """Return a market of one node and class: two assets of given cost in $/Mtok and capacity in Mtok/s."""
    fleet = {"cheap": cheap, "dear": dear}
    # A megawatt serves 1 tok/s per 1e-6 Mtok/s; cost is energy times a price of 1 $/kWh.
    return Scenario.model_validate(
        {
            "format": 1,
            "name": "scarce_node",
            "market": {"must_serve": False, "bandwidth": "none"},
            "demand": {"hourly": {"chat": [hourly[hour % len(hourly)] for hour in range(24)]}},
            "workloads": {"chat": {"base_demand": 1e6 * demand, "payload": 1, "value": value}},
            "nodes": {"a": {"demand_weight": 1, "electricity_price": 1.0}},
            "hardware": {
                name: {"throughput": {"chat": 1e6}, "energy": {"chat": cost}, "running_cost": 0}
                for name, (cost, _) in fleet.items()
            },
            "providers": {
                name: {"assets": [{"node": "a", "hardware": name, "power_mw": size}]}
                for name, (_, size) in fleet.items()
            },
        }
    )
