"""The paper's two markets typed in by hand, without any scenario file.

Numbers are the paper's (Tables 1 and 2, section 3). Its registry of twenty hubs and its demand weights are not
published: those here are a reconstruction, calibrated to the results that the paper prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from math import asin, cos, radians, sin, sqrt
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

# Latitude, longitude, MW, $/kWh, demand weight, tier-1 backbone. The first five are the five-node testbed.
HUBS: dict[str, tuple[float, float, float, float, float, bool]] = {
    "ashburn": (39.0438, -77.4874, 2000, 0.078, 1.0, True),
    "dallas": (32.7767, -96.797, 1200, 0.072, 1.2, True),
    "silicon_valley": (37.3875, -122.0575, 800, 0.18, 1.5, True),
    "chicago": (41.8781, -87.6298, 1000, 0.085, 0.8, True),
    "seattle": (47.2343, -119.8526, 600, 0.052, 0.4, False),
    "atlanta": (33.749, -84.388, 800, 0.071, 0.7, True),
    "new_york": (40.7357, -74.1724, 800, 0.112, 0.7, True),
    "phoenix": (33.4484, -112.074, 1000, 0.077, 0.5, False),
    "portland": (45.5229, -122.9898, 500, 0.066, 0.3, False),
    "los_angeles": (34.0522, -118.2437, 500, 0.18, 1.5, False),
    "denver": (39.7392, -104.9903, 350, 0.078, 0.4, False),
    "houston": (29.7604, -95.3698, 250, 0.072, 1.2, False),
    "columbus": (39.9612, -82.9988, 900, 0.074, 0.7, False),
    "des_moines": (41.5868, -93.625, 450, 0.064, 0.2, False),
    "salt_lake": (40.7608, -111.891, 450, 0.072, 0.2, False),
    "las_vegas": (36.1699, -115.1398, 400, 0.076, 0.2, False),
    "kansas_city": (39.0997, -94.5786, 200, 0.073, 0.4, False),
    "minneapolis": (44.9778, -93.265, 200, 0.087, 0.3, False),
    "miami": (25.7617, -80.1918, 250, 0.08, 0.6, False),
    "boston": (42.3601, -71.0589, 150, 0.168, 0.4, False),
}
CLASSES = ("chat", "image", "code", "batch")
PAYLOAD = np.array([0.5, 100.0, 1.0, 10.0])  # GB/Mtok
ENERGY = np.array([1.0, 500.0, 2.0, 10.0])  # kWh/Mtok
THROUGHPUT = np.array([5000.0, 200.0, 4000.0, 1000.0])  # tok/s/MW
BASE_DEMAND = np.array([50_000.0, 5_000.0, 30_000.0, 10_000.0])  # tok/s at weight 1
LATENCY_LIMIT: Mapping[str, float] = {"chat": 100.0, "code": 200.0}  # ms
TARIFF = 0.01  # $/GB
OVERHEAD = np.array([1.02, 1.11, 1.03, 1.20])  # calibrated, not unique; transfer-aware only
OPEX_ADDER = 4.38762  # $ per MW-hour of nominal power, calibrated


def distance(a: str, b: str) -> float:
    """Great-circle distance in km (haversine, R = 6371 km)."""
    lat_a, lon_a, lat_b, lon_b = map(radians, (*HUBS[a][:2], *HUBS[b][:2]))
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371.0 * asin(sqrt(h))


def paper_market(
    nodes: int,
    scale: float = 35.0,
    *,
    overhead: Any = None,
    opex_adder: float = 0.0,
    latency_limit: Mapping[str, float] = LATENCY_LIMIT,
) -> Market:
    """Make the market of the first `nodes` hubs; transfer-aware where an `overhead` of each class is given."""
    hubs = list(HUBS)[:nodes]
    pairs = [
        (a, b) for a, b in permutations(hubs, 2) if distance(a, b) <= 2500 or (HUBS[a][5] and HUBS[b][5])
    ]
    bandwidth = np.array([12.5 if HUBS[a][5] and HUBS[b][5] else 1.25 for a, b in pairs])
    latency = np.array([distance(a, b) / 200 + 5 for a, b in pairs])
    limit = np.array([latency_limit.get(name, np.inf) for name in CLASSES])
    power, electricity, weight = (np.array([HUBS[h][column] for h in hubs]) for column in (2, 3, 4))
    adder = opex_adder / (THROUGHPUT * 3600 / 1e6)
    carried = PAYLOAD if overhead is None else PAYLOAD * overhead
    arcs = [f"{a}>{b}" for a, b in pairs]
    layout = Layout(
        nodes=pd.Index(hubs, name="node"),
        workloads=pd.Index(CLASSES, name="workload"),
        assets=pd.Index(hubs, name="asset"),
        arcs=pd.Index(arcs, name="arc"),
        asset_node=np.arange(nodes),
        provider=tuple(hubs),
        origin=np.array([hubs.index(a) for a, _ in pairs]),
        destination=np.array([hubs.index(b) for _, b in pairs]),
        owner=("network",) * len(arcs),
        link_unit="Mtok/s" if overhead is None else "GB/s",
    )
    shape = (len(arcs), len(CLASSES))
    arrays = Arrays(
        offer_price=(electricity[:, None] * ENERGY + adder)[:, :, None],
        capacity=(power[:, None] * THROUGHPUT / 1e6)[:, :, None],
        demand=(scale * weight[:, None] * BASE_DEMAND / 1e6)[:, :, None],
        value=np.full((nodes, len(CLASSES), 1), np.inf),
        route_cost=np.broadcast_to(TARIFF * carried, shape).copy(),
        link_use=np.ones(shape) if overhead is None else np.broadcast_to(carried, shape).copy(),
        allowed=latency[:, None] <= limit,
        link_capacity=bandwidth / PAYLOAD.min() if overhead is None else bandwidth,
        link_curvature=np.zeros(len(arcs)),
    )
    return Market.from_arrays(layout, arrays)
