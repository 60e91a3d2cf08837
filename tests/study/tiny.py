"""A market of two nodes, small enough that a run costs milliseconds, and what studies do with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario

TEXT = """
format: 1
name: tiny
periods: 3
market: {bandwidth: token_equivalent, latency_rule: none, must_serve: true}
demand:
  scale: 2
  noise: {volatility: {chat: 0.2}, persistence: 0.5, common: 0.5}
workloads: {chat: {base_demand: 1000000, payload: 1, value: 50}}
nodes:
  - {node: east, latitude: 40, longitude: -75, power_mw: 40, electricity_price: 0.1, demand_weight: 1}
  - {node: west, latitude: 40, longitude: -77, power_mw: 40, electricity_price: 0.2, demand_weight: 1}
network:
  arcs:
    e-w: {origin: east, destination: west, capacity: 100}
    w-e: {origin: west, destination: east, capacity: 100}
hardware: {h: {throughput: {chat: 100000}, energy: {chat: 2}}}
providers:
  a: {strategy: {name: marginal_cost}, assets: [{node: east, hardware: h, power_mw: 40}]}
  b: {strategy: {name: fixed_markup, markup: 0.2}, assets: [{node: west, hardware: h, power_mw: 40}]}
"""


def tiny() -> Scenario:
    """Return the market; demand that must be served exceeds its capacity at a scale of about 4 and above."""
    return Scenario.from_yaml(TEXT)


def prices(model: TokenMarket) -> np.ndarray:
    """Return all prices of a run."""
    return np.array(model.results()["price"].values)


def die_once(model: TokenMarket) -> np.ndarray:
    """Kill the process that plays seed 2, the first time; the scenario's description names a file that tells."""
    mark = Path(model.settings.description)
    if model.seed == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return prices(model)


def die(model: TokenMarket) -> np.ndarray:
    """Kill every process that plays seed 1."""
    if model.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return prices(model)


def stumble(model: TokenMarket) -> np.ndarray:
    """Fail at all seeds but 0, as a bug would."""
    return {0: prices(model)}[model.seed]


def unsendable(model: TokenMarket) -> object:
    """Return what cannot go to another process."""
    return lambda: model.seed
