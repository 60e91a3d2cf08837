"""Pools cleared by merit order have the bits of the program, wherever it is certain what they clear at."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.beside import ClearerBeside, LayoutBeside
from tokenflow_sim.market.pool_order import PoolOrder
from tokenflow_sim.numeric import Floats

MANY = 12
EXAMPLES = max(1, int(3 * float(os.environ.get("TOKENFLOW_EXAMPLES", "1"))))


def _pools(rng: np.random.Generator) -> list[tf.Market]:
    """Return pools of one structure, of whole quantities mostly, whose numbers are drawn apart."""
    nodes, classes, assets = int(rng.integers(2, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 8))
    blocks, steps, whole = int(rng.integers(1, 3)), int(rng.integers(1, 4)), rng.random() < 0.9
    names = {
        "node": [f"n{number}" for number in range(nodes)], "workload": [f"w{number}" for number in range(classes)],
        "asset": [f"x{number}" for number in range(assets)], "arc": [f"a{number}" for number in range(nodes)],
        "block": list(range(blocks)), "step": list(range(steps)),
    }  # fmt: skip

    def labelled(values: Floats, *dims: str) -> xr.DataArray:
        return xr.DataArray(values, {dim: names[dim] for dim in dims}, dims)

    def lots(*shape: int) -> Floats:
        drawn: Floats = rng.integers(1, 5, shape) * 10.0 if whole else rng.random(shape) * 40.0
        return drawn

    places = [names["node"][place] for place in rng.integers(0, nodes, assets)]
    order = rng.permutation(nodes)
    ends: dict[str, Any] = {
        "origin": ("arc", [names["node"][place] for place in order]),
        "destination": ("arc", [names["node"][place] for place in np.roll(order, -1)]),
        "owner": ("arc", ["none"] * nodes),
    }
    sides: dict[str, Any] = {"asset_node": ("asset", places), "provider": ("asset", names["asset"])}

    def one() -> tf.Market:
        offer = rng.integers(1, 25, (assets, classes, blocks)) * 1.0
        capacity = lots(assets, classes, blocks) * (rng.random((assets, classes, blocks)) < 0.9)
        # Values stand between the prices of offers mostly, so that none equals one.
        value = rng.integers(1, 25, (nodes, classes, steps)) + (0.5 if rng.random() < 0.8 else 0.0)
        return tf.Market(
            offer_price=labelled(offer, "asset", "workload", "block").assign_coords(sides),
            capacity=labelled(capacity, "asset", "workload", "block"),
            demand=labelled(lots(nodes, classes, steps), "node", "workload", "step"),
            value=labelled(value, "node", "workload", "step"),
            route_cost=labelled(np.zeros((nodes, classes)), "arc", "workload").assign_coords(ends),
            link_use=labelled(np.ones((nodes, classes)), "arc", "workload"),
            link_capacity=labelled(np.full(nodes, np.inf), "arc"),
        )

    return [one() for _ in range(MANY)]


def _beside(pools: list[tf.Market]) -> tf.Market:
    layout = LayoutBeside.of(pools[0].layout, tuple(range(MANY)))
    names = [name for name, _ in pools[0].arrays.items()]
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(pool.arrays, name) for pool in pools]) for name in names
    }
    return tf.Market.from_arrays(layout, Arrays(**rows), pools[0].hours, check=False)


def test_pools_clear_as_by_the_program() -> None:
    sorted_ones = 0
    for seed in range(EXAMPLES):
        pools = _pools(np.random.default_rng(seed))
        whole = _beside(pools)
        assert isinstance(whole.layout, LayoutBeside)
        assert PoolOrder.fits(pools[0])
        found = ClearerBeside(whole.layout).clear(whole)
        sorted_ones += int(found.sorted.sum())
        for number, pool in enumerate(pools):
            if number in found.failed:
                continue
            own = tf.clear(pool)
            for name in ("price", "dispatch", "flow", "unserved", "scarcity_rent"):
                each = whole.layout.by_market(getattr(found.values, name))[number]
                np.testing.assert_array_equal(
                    each, getattr(own.values, name), err_msg=f"{seed} {number} {name}"
                )
            np.testing.assert_array_equal(found.values.cost[number], own.values.cost)  # type: ignore[index]
            np.testing.assert_array_equal(found.worst[number], own.certificate.worst)
            np.testing.assert_array_equal(whole.layout.by_market(found.values.congestion_rent)[number], 0.0)
    assert sorted_ones > 0.1 * MANY * EXAMPLES


@pytest.mark.parametrize("scenario", ["us5", "us20"])
def test_other_networks_are_no_pools(scenario: str) -> None:
    assert not PoolOrder.fits(tf.load_scenario(scenario).market())
