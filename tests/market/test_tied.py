"""Ties that decide who earns, by hand: the least and the most of each provider at the same prices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small

# Both offers cost 2 where they are asked for: one there, the other elsewhere at 1.5, and 0.5 to get there.
EQUAL: dict[str, Any] = {
    "nodes": ("west", "east"),
    "assets": [("west", 2.0, 5.0), ("east", 1.5, 5.0)],
    "arcs": [("west", "east", 3.0)],
    "demand": [4.0, 0.0],
    "route_cost": [[0.5]],
    "provider": ["here", "there"],
}


def ends(market: tf.Market) -> dict[str, tuple[float, float]]:
    clearing = tf.clear(market)
    found = clearing.ties()
    revenue = tf.settle(market, clearing).by_party().revenue
    for name in found.provider.values:
        now = found.sel(provider=name)
        assert float(now.revenue) == pytest.approx(float(revenue.sel(provider=name)))
        assert now.least <= now.revenue <= now.most
    return {
        str(name): (round(float(low) / 3600, 6), round(float(high) / 3600, 6))
        for name, low, high in zip(found.provider.values, found.least.values, found.most.values, strict=True)
    }


def test_offers_that_cost_the_same_delivered() -> None:
    # East serves 0 to 3 of the 4 at its price of 1.5, west the rest at 2.
    assert ends(small(**EQUAL)) == {"here": (2.0, 8.0), "there": (0.0, 4.5)}


def test_where_one_is_cheaper_nothing_is_left_open() -> None:
    dear = EQUAL | {"assets": [("west", 2.5, 5.0), ("east", 1.5, 5.0)]}
    found = tf.clear(small(**dear)).ties()
    assert found.sizes["provider"] == 0
    assert found.most.attrs["units"] == "$/h"


def test_equal_offers_at_one_node_share_and_are_no_tie() -> None:
    assert ends(small(nodes=("west",), assets=[("west", 2.0, 5.0), ("west", 2.0, 1.0)], demand=[3.0])) == {}
    # Two of equal price in west have 5 and 1: they share what east does not serve, 1 to 4.
    three = EQUAL | {"assets": [*EQUAL["assets"], ("west", 2.0, 1.0)], "provider": ["here", "there", "third"]}
    assert ends(small(**three)) == {
        "here": (round(2 * 5 / 6, 6), round(8 * 5 / 6, 6)),
        "there": (0.0, 4.5),
        "third": (round(2 / 6, 6), round(8 / 6, 6)),
    }


def test_one_owner_of_all_that_ties() -> None:
    # What it earns hangs on which of its assets serves, since prices differ by the route.
    assert ends(small(**EQUAL | {"provider": "one"})) == {"one": (6.5, 8.0)}


def test_a_curved_links_load_is_unique() -> None:
    curved = EQUAL | {"link_curvature": np.array([0.1]), "assets": [("west", 2.1, 5.0), ("east", 1.5, 5.0)]}
    assert ends(small(**curved)) == {}
