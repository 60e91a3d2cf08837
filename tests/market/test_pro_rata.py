"""Equal offers at a node share what is left to them in proportion to what they offer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.market.small import cleared, small


def dispatched(**market: Any) -> Any:
    clearing = cleared(small(**{"nodes": ("here",)} | market))
    assert clearing.certificate.worst < 1e-9
    return clearing.dispatch.to_numpy().squeeze().tolist()


@pytest.mark.parametrize("demand", [0.0, 1.0, 3.0, 5.0, 6.0])
def test_two_equal_offers_share_in_proportion(demand: float) -> None:
    """Also where one of them could take it all, or would be filled exactly."""
    shares = dispatched(assets=[("here", 7.0, 1.0), ("here", 7.0, 5.0)], demand=[demand])
    assert shares == pytest.approx([demand / 6, demand * 5 / 6], abs=1e-12)


def test_the_cheaper_are_full_and_the_dearer_idle() -> None:
    offers = [("here", 7.0, 2.0), ("here", 1.0, 3.0), ("here", 7.0, 6.0), ("here", 9.0, 5.0)]
    assert dispatched(assets=offers, demand=[5.0]) == pytest.approx([0.5, 3.0, 1.5, 0.0])


def test_blocks_of_one_asset_and_of_others_share_alike() -> None:
    offers = [("here", [[7.0, 1.0, 7.0]], [[2.0, 1.0, 4.0]]), ("here", [[9.0, 7.0, 2.0]], [[5.0, 6.0, 1.0]])]
    shares = dispatched(assets=offers, demand=[8.0])
    assert np.ravel(shares) == pytest.approx([1.0, 1.0, 2.0, 0.0, 3.0, 1.0])


def test_each_class_shares_by_itself() -> None:
    offers = [("here", [7.0, 5.0], [1.0, 2.0]), ("here", [7.0, 5.0], [3.0, 2.0])]
    shares = dispatched(workloads=("chat", "image"), assets=offers, demand=[[2.0, 1.0]])
    assert np.ravel(shares) == pytest.approx([0.5, 0.5, 1.5, 0.5])


def test_offers_of_nothing_take_nothing() -> None:
    offers = [("here", 7.0, 0.0), ("here", 7.0, 4.0), ("here", 7.0, 4.0)]
    assert dispatched(assets=offers, demand=[2.0]) == pytest.approx([0.0, 1.0, 1.0])


def test_offers_at_two_nodes_do_not_share() -> None:
    """Which node serves is settled by the generic direction; what it serves is shared there."""
    offers = [("west", 7.0, 4.0), ("west", 7.0, 4.0), ("east", 7.0, 8.0)]
    clearing = cleared(
        small(assets=offers, demand=[2.0, 2.0], arcs=[("west", "east", 9.0), ("east", "west", 9.0)])
    )
    west0, west1, east = clearing.values.dispatch.ravel()
    assert west0 == west1
    assert west0 + west1 + east == pytest.approx(4.0)


def test_sharing_costs_nothing_and_moves_no_price() -> None:
    offers = [("here", 7.0, 1.0), ("here", 7.0, 5.0), ("here", 2.0, 1.0)]
    clearing = cleared(small(nodes=("here",), assets=offers, demand=[4.0]))
    assert clearing.values.cost == pytest.approx(2.0 + 3 * 7.0)
    assert clearing.price.item() == 7.0


def test_power_that_would_not_suffice_for_an_equal_share_stands_in_its_way() -> None:
    """The first has power for one unit; half of what is asked for would be two."""
    offers = [("here", 7.0, 4.0), ("here", 7.0, 4.0), ("here", 7.0, 4.0)]
    market = small(
        nodes=("here",),
        assets=offers,
        demand=[6.0],
        power_use=[1.0, 1.0, 1.0],
        power_limit=[1.0, np.inf, 9.0],
    )
    clearing = cleared(market)
    first, second, third = clearing.values.dispatch.ravel()
    assert clearing.certificate.worst < 1e-9
    assert first <= 1.0 + 1e-12
    assert second == third == pytest.approx((6.0 - first) / 2)


def test_ample_power_leaves_shares_equal() -> None:
    offers = [("here", 7.0, 1.0), ("here", 7.0, 5.0)]
    shares = dispatched(assets=offers, demand=[3.0], power_use=[2.0, 1.0], power_limit=[9.0, 9.0])
    assert shares == pytest.approx([0.5, 2.5])


def test_an_asset_whose_power_has_a_price_keeps_what_it_has() -> None:
    """Image work pays more for the first asset's power than chat does."""
    market = small(
        nodes=("here",), workloads=("chat", "image"),
        assets=[("here", [7.0, 10.0], [4.0, 4.0]), ("here", [7.0, 30.0], [4.0, 4.0])],
        demand=[[4.0, 2.0]], power_use=[[1.0, 2.0], [1.0, 2.0]], power_limit=[5.0, 9.0],
    )  # fmt: skip
    clearing = cleared(market)
    assert clearing.certificate.worst < 1e-9
    chat, image = clearing.values.dispatch[:, 0, 0], clearing.values.dispatch[:, 1, 0]
    assert image.tolist() == pytest.approx([2.0, 0.0])
    assert chat.sum() == pytest.approx(4.0)
    assert chat[0] <= 1.0 + 1e-12
