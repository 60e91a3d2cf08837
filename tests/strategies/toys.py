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


def two_nodes(
    demand: float = 5.0,
    link: float = 100.0,
    *,
    near: float = 3.0,
    far: float = 1.0,
    tariff: float = 0.1,
    hourly: Sequence[float] = (1.0,),
    must_serve: bool = False,
) -> Scenario:
    """Return a market of two nodes: demand at `b`, served there at `near` $/Mtok or at `a` at `far` over one link.

    One Mtok moves one GB, so that $/GB and $/Mtok, GB/s and Mtok/s are the same numbers. Each fleet has 10 Mtok/s;
    lost service is worth 10 $/Mtok.
    """
    return Scenario.model_validate(
        {
            "format": 1,
            "name": "two_nodes",
            "market": {"must_serve": must_serve},
            "demand": {"hourly": {"chat": [hourly[hour % len(hourly)] for hour in range(24)]}},
            "workloads": {"chat": {"base_demand": 1e6 * demand, "payload": 1, "value": 10}},
            "nodes": {
                "a": {"electricity_price": 1.0, "latitude": 0, "longitude": 0},
                "b": {"electricity_price": 1.0, "latitude": 0, "longitude": 1, "demand_weight": 1},
            },
            "network": {
                "arcs": {"b->a": {"origin": "b", "destination": "a", "capacity": link, "tariff": tariff}},
            },
            "hardware": {
                name: {"throughput": {"chat": 1e6}, "energy": {"chat": cost}, "running_cost": 0}
                for name, cost in {"far": far, "near": near}.items()
            },
            "providers": {
                name: {"assets": [{"node": node, "hardware": name, "power_mw": 10}]}
                for name, node in {"far": "a", "near": "b"}.items()
            },
            "owners": {"net": {"owns": "rest"}},
        }
    )
