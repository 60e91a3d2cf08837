"""Oligopolies of one class whose equilibria theory gives: inverse demand P = intercept - slope x Q, in steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.elastic import PriceElastic

INTERCEPT, SLOPE, STEPS = 10.0, 1.0, 101
MOST = INTERCEPT / SLOPE
"""Quantity in Mtok/s that is wanted for nothing."""
WIDTH = MOST / (STEPS - 1)
"""Quantity of one step: what is between two steps is beyond the resolution of a demand in steps."""
HEIGHT = INTERCEPT / (STEPS - 1)
"""Price between two steps."""


def linear_demand() -> PriceElastic:
    """Return demand along P = INTERCEPT - SLOPE x Q at each node."""
    # At half of the intercept half of the most is wanted, and the elasticity of a straight line is -1 there.
    return PriceElastic(-1.0, INTERCEPT / 2, "linear", most=2.0, ceiling=2.0, steps=STEPS)


def oligopoly(
    firms: Mapping[str, tuple[float, float, str] | Sequence[tuple[float, float, str]]],
    *,
    nodes: Sequence[str] = ("here",),
    link: float | None = None,
    value: float = 100.0,
    demand: float = MOST / 2,
    periods: int = 20,
) -> Scenario:
    """Return a market of one class.

    Parameters
    ----------
    firms : mapping
        By name, marginal cost in $/Mtok, capacity in Mtok/s and node, or several of these.
    nodes : sequence of str
        Names of the nodes, each with the same demand.
    link : float, optional
        Capacity of links between all nodes in GB/s, free of charge; none if left out.
    value : float
        Value of lost service in $/Mtok.
    demand : float
        Demand at each node in Mtok/s.
    periods : int
        Periods.
    """
    arcs = {
        f"{one}->{other}": {"origin": one, "destination": other, "capacity": link, "tariff": 0.0}
        for one in nodes
        for other in nodes
        if one != other and link is not None
    }
    fleets = {
        name: {name: assets}
        if isinstance(assets, tuple)
        else {f"{name}{number}": one for number, one in enumerate(assets)}
        for name, assets in firms.items()
    }
    data: dict[str, Any] = {
        "format": 1,
        "name": "oligopoly",
        "periods": periods,
        "market": {"must_serve": False, "bandwidth": "physical"},
        "workloads": {"chat": {"base_demand": 1e6 * demand, "payload": 1, "value": value}},
        # A kilowatt-hour costs 1 $, and a megawatt serves 1 Mtok/s: cost is energy, capacity is power.
        "nodes": {name: {"demand_weight": 1, "electricity_price": 1.0} for name in nodes},
        "hardware": {
            hardware: {"throughput": {"chat": 1e6}, "energy": {"chat": cost}, "running_cost": 0}
            for assets in fleets.values()
            for hardware, (cost, _, _) in assets.items()
        },
        "providers": {
            name: {
                "assets": [
                    {"node": node, "hardware": hardware, "power_mw": size}
                    for hardware, (_, size, node) in assets.items()
                ]
            }
            for name, assets in fleets.items()
        },
        "network": {"arcs": arcs},
    }
    if arcs:
        data["owners"] = {"network": {"owns": "rest"}}
    return Scenario.model_validate(data)


def play(scenario: Scenario, strategies: Mapping[str, Choice], **given: Any) -> xr.Dataset:
    """Return the results of a run."""
    model = TokenMarket(scenario, rng=1, strategies=strategies, **given)
    model.run()
    return model.results()
