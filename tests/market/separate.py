"""Random markets whose nodes and classes are separate: every kind of numbers that a merit order may meet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

KINDS = ("continuous", "integer", "fives", "tied", "zeros", "negative", "scarce", "grid")


def random_layout(rng: np.random.Generator, *, arcs: bool) -> Layout:
    """Return labels of a few nodes, classes and assets, with blocks, steps and arcs or without."""
    nodes, workloads, assets = (int(rng.integers(1, most)) for most in (5, 4, 14))
    links = int(rng.integers(1, 5)) if arcs and nodes > 1 else 0
    origin = rng.integers(0, nodes, links)
    blocks, steps = (int(rng.choice([1, 1, 2, 3])) for _ in range(2))
    return Layout(
        nodes=_index("node", nodes),
        workloads=_index("workload", workloads),
        assets=_index("asset", assets),
        arcs=_index("arc", links),
        asset_node=rng.integers(0, nodes, assets),
        provider=tuple(f"provider{i}" for i in range(assets)),
        origin=origin,
        destination=(origin + rng.integers(1, max(nodes, 2), links)) % nodes,
        owner=("owner",) * links,
        blocks=_index("block", blocks) if blocks > 1 else None,
        steps=_index("step", steps) if steps > 1 else None,
        link_unit="Mtok/s",
    )


def random_market(rng: np.random.Generator, layout: Layout, kind: str) -> Market:
    """Return a market of a kind on a layout; demand has a value, or must be served, and perhaps cannot be."""
    sizes = layout.sizes
    offers = (sizes["asset"], sizes["workload"], sizes["block"])
    asked = (sizes["node"], sizes["workload"], sizes["step"])
    links = (sizes["arc"], sizes["workload"])
    price, capacity = _numbers(rng, kind, offers, 9), _numbers(rng, kind, offers, 6)
    at_node = np.zeros((sizes["node"], sizes["workload"]))
    np.add.at(at_node, layout.asset_node, capacity.sum(axis=2))
    share = rng.choice([0.0, 0.3, 0.8, 1.0], at_node.shape) * rng.choice([1.0, 1.0, rng.random()])
    demand = (at_node * share)[:, :, None] * rng.dirichlet(np.ones(asked[2]), asked[:2])
    if kind != "continuous":
        demand = np.floor(demand)
    if kind == "scarce":
        demand += _numbers(rng, "integer", asked, 3)
    value = np.where(rng.random(asked) < rng.choice([0.0, 0.5, 1.0]), np.inf, 0.0)
    value = np.where(value == 0.0, _numbers(rng, kind, asked, 12) + rng.choice([0.0, 3.0]), value)
    value = np.abs(value)
    if kind == "negative":
        price -= 4.0
    if kind == "grid":  # learners' grids of prices: the same few numbers, not whole
        price = 1.0 + np.floor(price) / 7.0
    arrays = Arrays(
        offer_price=price,
        capacity=capacity,
        demand=demand,
        value=value,
        route_cost=_numbers(rng, "continuous", links, 3) + rng.choice([0.0, 10.0, 20.0]),
        link_use=np.ones(links),
        allowed=rng.random(links) < 0.8,
        link_capacity=np.where(rng.random(links[:1]) < 0.2, np.inf, _numbers(rng, kind, links[:1], 6)),
        link_curvature=np.zeros(links[:1]),
    )
    return Market.from_arrays(layout, arrays)


def _numbers(rng: np.random.Generator, kind: str, shape: tuple[int, ...], most: int) -> np.ndarray:
    if kind in ("continuous", "negative"):
        return np.where(rng.random(shape) < 0.1, 0.0, rng.uniform(0.05, most, shape))
    values = rng.integers(0 if kind == "zeros" else 1, most, shape, endpoint=True).astype(float)
    if kind == "zeros":
        values *= rng.random(shape) < 0.5
    if kind == "tied":
        values = np.where(rng.random(shape) < 0.7, 3.0, values)
    return values * 5.0 if kind == "fives" else values


def _index(name: str, count: int) -> pd.Index:
    return pd.Index([f"{name}{i}" for i in range(count)], name=name)
