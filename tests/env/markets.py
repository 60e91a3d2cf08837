"""A small market with everything that environments meet: noise, an outage, owners, regions, places on the map."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.study.games import SMALL
from tokenflow_sim.scenario import Scenario

MORE: dict[str, Any] = {
    "periods": 4,
    "nodes.north.latitude": 41.9, "nodes.north.longitude": -87.6,
    "nodes.middle.latitude": 36.2, "nodes.middle.longitude": -86.8,
    "nodes.south.latitude": 29.8, "nodes.south.longitude": -95.4,
    "owners": {"wires": {"owns": "rest"}},
    "regions": {"upper": {"nodes": ["north", "middle"]}, "lower": {"nodes": ["south"]}},
    "outages": [{"provider": "cyd", "first": 2, "last": 2}],
}  # fmt: skip


@cache
def market() -> Scenario:
    """Return it: providers ada, bob and cyd, owner wires, regions upper and lower; cyd fails in period 2."""
    return Scenario.from_yaml(SMALL).override(MORE)
