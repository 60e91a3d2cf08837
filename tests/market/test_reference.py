"""Prices beside a reference, by hand: its level, route cost, congestion and what no route explains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.small import small
from tokenflow_sim.variables import REFERENCE_SPLIT


def split(market: tf.Market, reference: str) -> tuple[xr.DataArray, xr.Dataset]:
    clearing = tf.clear(market)
    parts = tf.decompose(market, clearing, reference=reference)
    assert list(parts) == list(REFERENCE_SPLIT)
    xr.testing.assert_allclose(sum(parts.data_vars.values()), clearing.price, rtol=1e-12)
    return clearing.price, parts


def at(parts: xr.Dataset, node: str) -> list[float]:
    """Return energy, routing, congestion, local."""
    return [round(float(part.sel(node=node, workload="chat")), 12) for part in parts.data_vars.values()]


# West asks for 4 and has a dear asset; the link to the cheap one in east takes 2 at 0.5: prices 9 and 1, rent 7.5.
FULL: dict[str, Any] = {
    "assets": [("east", 1.0, 9.0), ("west", 9.0, 9.0)],
    "arcs": [("west", "east", 2.0)],
    "demand": [4.0, 1.0],
    "route_cost": [[0.5]],
}


def test_two_nodes_and_a_full_link() -> None:
    _, parts = split(small(**FULL), "east")
    assert at(parts, "east") == [1.0, 0.0, 0.0, 0.0]
    assert at(parts, "west") == [1.0, 0.5, 7.5, 0.0]
    _, parts = split(small(**FULL), "west")
    assert at(parts, "west") == [9.0, 0.0, 0.0, 0.0]
    assert at(parts, "east") == [9.0, -0.5, -7.5, 0.0]


def test_the_reference_distributed_over_demand() -> None:
    _, parts = split(small(**FULL), "demand")  # 4/5 of it in west: (4 * 9 + 1) / 5 = 7.4
    assert at(parts, "west") == [7.4, 0.1, 1.5, 0.0]
    assert at(parts, "east") == [7.4, -0.4, -6.0, 0.0]
    # Weighted by demand, differences cancel.
    for name in ("routing", "congestion", "local"):
        assert 4 * parts[name].sel(node="west").item() + parts[name].sel(node="east").item() == pytest.approx(
            0
        )


def test_what_no_route_joins_is_local() -> None:
    three = FULL | {
        "nodes": ("west", "east", "far"),
        "assets": [*FULL["assets"], ("far", 5.0, 9.0)],
        "demand": [4.0, 1.0, 5.0],
    }
    _, parts = split(small(**three), "east")
    assert at(parts, "far") == [1.0, 0.0, 0.0, 4.0]
    assert at(parts, "west") == [1.0, 0.5, 7.5, 0.0]
    # (4 * 9 + 1 + 5 * 5) / 10 = 6.2; far is half of the reference.
    _, parts = split(small(**three), "demand")
    assert at(parts, "far") == [6.2, 0.0, 0.0, -1.2]
    assert at(parts, "east") == [6.2, -0.2, -3.0, -2.0]


def test_random_networks_sum_and_the_reference_has_no_difference() -> None:
    market = tf.load_scenario("us5").market(0)
    for reference in ("dallas", "demand"):
        price, parts = split(market, reference)
        assert float(abs(parts["energy"].std("node")).max()) < 1e-9
        if reference == "dallas":
            assert float(abs(parts.drop_vars("energy").sel(node="dallas")).to_array().max()) == 0.0
        else:
            mean = (price * market.demand).sum("node") / market.demand.sum("node")
            np.testing.assert_allclose(parts["energy"].isel(node=0), mean, rtol=1e-12)


def test_what_is_no_reference_is_refused() -> None:
    market = small(**FULL)
    clearing = tf.clear(market)
    with pytest.raises(tf.MarketError, match=r"reference.*eats"):
        tf.decompose(market, clearing, reference="eats")
    with pytest.raises(tf.MarketError, match="takes no true_cost"):
        tf.decompose(market, clearing, reference="east", true_cost=1.0)
