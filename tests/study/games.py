"""Markets whose equilibria textbooks give, and a small market to measure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.scenario import Scenario

SMALL = """
format: 1
name: small
periods: 4
market: {bandwidth: physical, must_serve: false}
demand:
  scale: 1.0
  noise: {volatility: {chat: 0.1, batch: 0.1}}
workloads:
  chat: {base_demand: 2000000, payload: 0.5, latency_limit: 20, value: 8}
  batch: {base_demand: 1000000, payload: 1, value: 4}
nodes:
  north: {demand_weight: 1.0, electricity_price: 0.05, power_mw: 10}
  middle: {demand_weight: 0.5, electricity_price: 0.08, power_mw: 10}
  south: {demand_weight: 1.0, electricity_price: 0.10, power_mw: 10}
network:
  tariff: 0.01
  arcs:
    - {origin: north, destination: middle, capacity: 2, latency: 10}
    - {origin: middle, destination: north, capacity: 2, latency: 10}
    - {origin: middle, destination: south, capacity: 0.4, latency: 30}
    - {origin: south, destination: middle, capacity: 0.4, latency: 30}
hardware:
  chip:
    throughput: {chat: 250000, batch: 400000}
    energy: {chat: 1, batch: 0.5}
    running_cost: 200
providers:
  ada: {assets: [{node: north, hardware: chip, share: 0.6}, {node: south, hardware: chip, share: 0.5}]}
  bob: {assets: [{node: north, hardware: chip, share: 0.4}, {node: middle, hardware: chip, share: 1.0}]}
  cyd: {assets: [{node: south, hardware: chip, share: 0.5}]}
"""


def small(**overrides: object) -> Scenario:
    """Return three nodes, two classes and three providers; chat cannot leave the south, and batch hardly."""
    return Scenario.from_yaml(SMALL).override(overrides) if overrides else Scenario.from_yaml(SMALL)


def linear(intercept: float, slope: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values and widths of the steps of a linear inverse demand P = intercept - slope Q."""
    width = intercept / slope / steps
    return intercept - slope * width * (np.arange(steps) + 0.5), np.full(steps, width)


def one_node(
    costs: Sequence[float], capacities: Sequence[float], values: Sequence[float], widths: Sequence[float]
) -> tf.Market:
    """Return a market of one node and class: a provider a cost, demand in steps."""
    names = [f"p{place}" for place in range(len(costs))]
    offers = {"dims": ("asset", "workload"), "coords": {"asset": names, "workload": ["chat"]}}
    steps = {
        "dims": ("node", "workload", "step"),
        "coords": {"node": ["here"], "workload": ["chat"], "step": range(len(values))},
    }
    return tf.Market(
        offer_price=xr.DataArray(np.array(costs)[:, None], **offers),
        capacity=xr.DataArray(np.array(capacities)[:, None], **offers),
        demand=xr.DataArray(np.array(widths)[None, None, :], **steps),
        value=xr.DataArray(np.array(values)[None, None, :], **steps),
        asset_node="here",
        provider=names,
    )


def two_nodes(link: float, cost: float = 0.5, intercept: float = 10.0, steps: int = 50) -> tf.Market:
    """Return two alike places with a provider each and a link of some capacity both ways."""
    values, widths = linear(intercept, 1.0, steps)
    nodes = ["north", "south"]
    offers = {"dims": ("asset", "workload"), "coords": {"asset": ["pn", "ps"], "workload": ["chat"]}}
    demand = {
        "dims": ("node", "workload", "step"),
        "coords": {"node": nodes, "workload": ["chat"], "step": range(steps)},
    }
    arcs = {"arc": ["ns", "sn"]}
    return tf.Market(
        offer_price=xr.DataArray(np.full((2, 1), cost), **offers),
        capacity=xr.DataArray(np.full((2, 1), intercept), **offers),
        demand=xr.DataArray(np.array([[widths]] * 2), **demand),
        value=xr.DataArray(np.array([[values]] * 2), **demand),
        asset_node=nodes,
        provider=["pn", "ps"],
        route_cost=xr.DataArray(
            np.zeros((2, 1)), dims=("arc", "workload"), coords=arcs | {"workload": ["chat"]}
        ),
        link_capacity=xr.DataArray([link, link], dims="arc", coords=arcs),
        origin=nodes,
        destination=nodes[::-1],
    )


def firms_at(
    assets: Sequence[tuple[str, str, float, float]],
    values: np.ndarray,
    widths: np.ndarray,
    link: float | None = None,
    power: Sequence[float] | None = None,
) -> tf.Market:
    """Return a market of assets (provider, node, cost, capacity), with the same demand at each of their nodes.

    With a link, all nodes are joined to the next both ways, free of charge. Power limits are shared by two classes,
    `chat` and `batch`, whose service takes a megawatt for each Mtok/s.
    """
    nodes = sorted({node for _, node, _, _ in assets})
    names = [f"{provider}/{place}" for place, (provider, _, _, _) in enumerate(assets)]
    classes = ["chat"] if power is None else ["chat", "batch"]
    offers = {"dims": ("asset", "workload"), "coords": {"asset": names, "workload": classes}}
    steps = {
        "dims": ("node", "workload", "step"),
        "coords": {"node": nodes, "workload": classes, "step": range(len(values))},
    }
    cost = np.array([one[2] for one in assets])[:, None].repeat(len(classes), axis=1)
    size = np.array([one[3] for one in assets])[:, None].repeat(len(classes), axis=1)
    shape = (len(nodes), len(classes), len(values))
    given: dict[str, object] = {}
    if link is not None:
        pairs = [pair for one, other in pairwise(nodes) for pair in ((one, other), (other, one))]
        arcs = {"arc": [f"{one}>{other}" for one, other in pairs]}
        given |= {
            "route_cost": xr.DataArray(
                np.zeros((len(pairs), len(classes))),
                dims=("arc", "workload"),
                coords=arcs | {"workload": classes},
            ),
            "link_capacity": xr.DataArray(np.full(len(pairs), link), dims="arc", coords=arcs),
            "origin": [one for one, _ in pairs],
            "destination": [other for _, other in pairs],
        }
    if power is not None:
        given |= {
            "power_use": xr.DataArray(np.ones_like(cost), **offers),
            "power_limit": xr.DataArray(list(power), dims="asset", coords={"asset": names}),
        }
    return tf.Market(
        offer_price=xr.DataArray(cost, **offers),
        capacity=xr.DataArray(size, **offers),
        demand=xr.DataArray(np.broadcast_to(widths, shape), **steps),
        value=xr.DataArray(np.broadcast_to(values, shape), **steps),
        asset_node=[node for _, node, _, _ in assets],
        provider=[provider for provider, _, _, _ in assets],
        **given,
    )
