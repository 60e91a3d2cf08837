"""Arrays of a small market, whole or with changes, and what a market says of them."""

from __future__ import annotations

from typing import Any

import pytest

import tokenflow_sim as tf
from tests.market.small import array

NODES, ASSETS, CLASSES, ARCS = ["w", "e"], ["west", "east"], ["chat", "image"], ["w-e"]


def given(**changes: Any) -> dict[str, Any]:
    """Two nodes, two assets, two classes and a link, with changes; None leaves out."""
    arrays: dict[str, Any] = {
        "offer_price": array([[1.0, 2.0], [3.0, 4.0]], asset=ASSETS, workload=CLASSES).assign_coords(
            asset_node=("asset", NODES), provider=("asset", ["acme", "bolt"])
        ),
        "capacity": array([[5.0, 6.0], [7.0, 8.0]], asset=ASSETS, workload=CLASSES),
        "demand": array([[0.1, 0.2], [0.3, 0.4]], node=NODES, workload=CLASSES),
        "link_capacity": array([9.0], arc=ARCS).assign_coords(
            origin=("arc", ["w"]), destination=("arc", ["e"])
        ),
    }
    arrays |= changes
    needed = ("offer_price", "capacity", "demand")
    return {name: value for name, value in arrays.items() if value is not None or name in needed}


def faults_of(**changes: Any) -> list[str]:
    with pytest.raises(tf.MarketError) as caught:
        tf.Market(**given(**changes))
    return [str(fault) for fault in caught.value.faults]


def only_fault_of(**changes: Any) -> str:
    faults = faults_of(**changes)
    assert len(faults) == 1, faults
    return faults[0]
