"""Quantity play is Cournot's: firms of one, two and many types of assets, at one place and at several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize_scalar

import tokenflow_sim as tf
from tests.study.games import firms_at, linear

STEPS = 125
ONE = {"starts": ["cournot"], "random": 0, "points": 11, "levels": 1}
Firm = Sequence[tuple[float, float]]
"""Cost and capacity of each of a firm's assets."""


def cournot(firms: Sequence[Firm], intercept: float, slope: float) -> tuple[float, np.ndarray]:
    """Return price and profits where each firm's quantity is its best response on the straight demand curve."""

    def cost(firm: Firm, quantity: float) -> float:
        total = 0.0
        for unit, size in sorted(firm):
            total += unit * min(size, quantity)
            quantity -= min(size, quantity)
        return total

    sold = np.zeros(len(firms))
    for _ in range(60):
        for place, firm in enumerate(firms):
            others = sold.sum() - sold[place]

            def loss(quantity: float, others: float = others, firm: Firm = firm) -> float:
                return cost(firm, quantity) - max(intercept - slope * (quantity + others), 0.0) * quantity

            most = sum(size for _, size in firm)
            sold[place] = minimize_scalar(loss, bounds=(0, most), method="bounded", options={"xatol": 1e-9}).x
    price = intercept - slope * sold.sum()
    return price, np.array([price * own - cost(firm, own) for firm, own in zip(firms, sold, strict=True)])


@pytest.mark.parametrize(
    ("firms", "known"),
    [
        pytest.param([[(1.0, 1.5), (4.0, 10.0)]] * 2, 6.0, id="two types"),
        pytest.param([[(1.0, 10.0)], [(4.0, 10.0)]], 5.0, id="one type, the dearer firm stays in"),
        pytest.param([[(1.0, 1.5), (4.0, 10.0)], [(2.0, 10.0)]], None, id="two types and one"),
        pytest.param([[(c, 0.8) for c in np.arange(0.5, 8, 2)]] * 3, None, id="many types"),
    ],
)
def test_firms_fill_their_cheapest_assets_first(firms: list[Firm], known: float | None) -> None:
    price, profit = cournot(firms, 10.0, 1.0)
    if known is not None:
        assert price == pytest.approx(known, abs=1e-4)
    assets = [(f"f{n}", "here", cost, size) for n, firm in enumerate(firms) for cost, size in firm]
    found = tf.equilibrium(firms_at(assets, *linear(10.0, 1.0, STEPS)), play="quantity", **ONE)
    assert found.converged, found
    assert float(found.dataset.price.squeeze()) == pytest.approx(price, abs=0.1)
    np.testing.assert_allclose(found.dataset.profit / 3600, profit, atol=0.3)
    offered = found.offers.offer_quantity.isel(workload=0).values
    start = 0
    for firm in firms:  # nothing dearer is on offer while there is something cheaper left
        used = offered[start : start + len(firm)] / np.array([size for _, size in firm])
        assert (np.diff(used) <= 1e-9).all()
        assert ((used > 1e-9) & (used < 1 - 1e-9)).sum() <= 1
        start += len(firm)


def test_the_faults_profit_is_eight_and_a_half() -> None:
    price, profit = cournot([[(1.0, 1.5), (4.0, 10.0)]] * 2, 10.0, 1.0)
    np.testing.assert_allclose([price, *profit], [6.0, 8.5, 8.5], atol=1e-4)


def test_rising_cost_in_blocks() -> None:
    # MC = q against P = 20 - 2 Q: 20 - 2 Q - 2 q = q, so that q = 20 / 7 and P = 60 / 7; competitive 20 - 4 q = q.
    blocks, width = 100, 0.06
    cost = width * (np.arange(blocks) + 0.5)
    offers = {
        "dims": ("asset", "workload", "block"),
        "coords": {"asset": ["a", "b"], "workload": ["chat"], "block": range(blocks)},
    }
    values, widths = linear(20.0, 2.0, STEPS)
    market = tf.Market(
        offer_price=xr.DataArray(np.broadcast_to(cost, (2, 1, blocks)), **offers),
        capacity=xr.DataArray(np.full((2, 1, blocks), width), **offers),
        demand=xr.DataArray(
            widths[None, None],
            dims=("node", "workload", "step"),
            coords={"node": ["here"], "workload": ["chat"], "step": range(STEPS)},
        ),
        value=xr.DataArray(
            values[None, None],
            dims=("node", "workload", "step"),
            coords={"node": ["here"], "workload": ["chat"], "step": range(STEPS)},
        ),
        asset_node="here",
        provider=["a", "b"],
    )
    assert float(tf.clear(market).price.squeeze()) == pytest.approx(4.0, abs=0.16)
    found = tf.equilibrium(market, play="quantity", **ONE)
    assert found.converged, found
    assert float(found.dataset.price.squeeze()) == pytest.approx(60 / 7, abs=0.2)  # a step is 0.16
    np.testing.assert_allclose(found.offers.offer_quantity.sum("block").squeeze(), 20 / 7, atol=0.1)


def test_a_firm_at_two_joined_places_is_a_firm_at_one() -> None:
    # Each has its cheap assets at one place and its dear ones at the other: one market, price 6.
    assets = [
        ("a", "east", 1.0, 1.5),
        ("a", "west", 4.0, 10.0),
        ("b", "west", 1.0, 1.5),
        ("b", "east", 4.0, 10.0),
    ]
    values, widths = linear(10.0, 2.0, 100)
    found = tf.equilibrium(firms_at(assets, values, widths, link=1000.0), play="quantity", **ONE)
    assert found.converged, found
    np.testing.assert_allclose(found.dataset.price, 6.0, atol=0.11)
    np.testing.assert_allclose(found.dataset.profit / 3600, 8.5, atol=0.3)


def test_a_firm_at_two_places_apart_plays_two_markets() -> None:
    # Duopolies with costs 1 and 4 in markets P = 10 - Q: price (10 + 2 c) / 3. By one number for both it could not.
    assets = [(name, node, cost, 10.0) for name in "ab" for node, cost in (("east", 1.0), ("west", 4.0))]
    found = tf.equilibrium(firms_at(assets, *linear(10.0, 1.0, 50)), play="quantity", **ONE)
    assert found.converged, found
    np.testing.assert_allclose(found.dataset.price.sel(workload="chat"), [4.0, 6.0], atol=0.21)


def test_classes_share_the_power_of_assets() -> None:
    # A monopoly sells half of what competition would of each class, 4.5 of each; with power for 6 in all, 3 of each.
    market = firms_at([("a", "here", 1.0, 10.0)], *linear(10.0, 1.0, 50), power=[6.0])
    found = tf.equilibrium(market, play="quantity", **ONE)
    assert float(found.offers.offer_quantity.sum()) <= 6.0 + 1e-9
    np.testing.assert_allclose(found.dataset.price, 7.0, atol=0.21)


def test_where_demand_must_be_served_quantities_are_offered_at_cost() -> None:
    assets = [("a", "here", 1.0, 0.7), ("b", "here", 2.0, 0.7)]
    market = firms_at(assets, np.array([np.inf]), np.array([1.0]))
    found = tf.equilibrium(market, play="quantity", points=5, levels=0)
    assert float(found.dataset.price.squeeze()) == pytest.approx(2.0)


def test_an_owner_may_withhold_a_link_without_a_limit() -> None:
    def array(values: object, **coords: object) -> xr.DataArray:
        return xr.DataArray(values, coords, list(coords))  # type: ignore[arg-type]

    assets, nodes = {"asset": ["a", "b"], "workload": ["chat"]}, {"node": ["w", "e"], "workload": ["chat"]}
    market = tf.Market(
        offer_price=array([[1.0], [3.0]], **assets), capacity=array([[5.0], [5.0]], **assets),
        demand=array([[1.0], [1.0]], **nodes), value=array([[9.0], [9.0]], **nodes), asset_node=["w", "e"],
        link_capacity=array([np.inf], arc=["w-e"]), origin=["w"], destination=["e"], owner=["wires"],
    )  # fmt: skip
    found = tf.equilibrium(market, ["owners.wires"], play="quantity", starts=["withheld"], points=5, levels=0)
    assert found.dataset.attrs["failed"] == 0
    # Without the link the far node pays 3; with it, whatever its share, a link without a limit earns nothing.
    np.testing.assert_allclose(found.dataset.price.squeeze().sel(node="e"), 3.0)
