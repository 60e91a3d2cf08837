"""What the clearing house takes from whom, and what it refuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.strategies import (
    Bid,
    DemandStrategy,
    DemandView,
    NetworkStrategy,
    NetworkView,
    Offer,
    Strategy,
    Tender,
    View,
)


class Says(Strategy):
    def __init__(self, function: Callable[[View], Any], blocks: int = 1) -> None:
        self.function, self.blocks = function, blocks

    def offer(self, view: View) -> Offer:
        return self.function(view)


class Asks(DemandStrategy):
    def __init__(self, function: Callable[[DemandView], Any], steps: int = 1) -> None:
        self.function, self.steps = function, steps

    def bid(self, view: DemandView) -> Bid:
        return self.function(view)


class Tenders(NetworkStrategy):
    def __init__(self, function: Callable[[NetworkView], Any]) -> None:
        self.function = function

    def tender(self, view: NetworkView) -> Tender:
        return self.function(view)


def collect(**strategies: Any) -> tuple[TokenMarket, Any]:
    model = TokenMarket("us5", rng=1, strategies=strategies)
    return model, model.clearing_house.collect(0, model.settings.compiled.state(0))


def put(array: np.ndarray[Any, Any], spot: Any, value: float) -> np.ndarray[Any, Any]:
    changed = np.array(array, dtype=float)
    changed[spot] = value
    return changed


def test_truthful_submissions_make_the_scenarios_own_market() -> None:
    model, book = collect()
    market, arrays = model.settings.market(), book.arrays()
    for name, values in market.arrays.items():
        assert np.array_equal(values, getattr(arrays, name)), name


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda v: Offer(put(v.cost, (0, 1), -np.inf), v.capacity),
            "price must be finite; found -inf at asset 'dallas', workload 'image'",
        ),
        (
            lambda v: Offer(put(v.cost, (0, 1), np.inf), v.capacity),
            "found inf at asset 'dallas', workload 'image'",
        ),
        (
            lambda v: Offer(put(v.cost, (0, 0), np.nan), v.capacity),
            "found nan at asset 'dallas', workload 'chat'",
        ),
        (
            lambda v: Offer(v.cost, put(v.capacity, (0, 2), -0.1)),
            "quantity must be finite and not negative; found -0.1",
        ),
        (lambda v: Offer(v.cost, put(v.capacity, (0, 2), np.nan)), "quantity must be finite"),
        (
            lambda v: Offer(v.cost, v.capacity * 1.01),
            "quantity must be no more than exists; found 6.06 of 6 at asset 'dallas', workload 'chat'",
        ),
        (
            lambda v: Offer(v.cost[0], v.capacity),
            "needs arrays of shape (1, 4), all alike; found price (4,), quantity (1, 4)",
        ),
        (lambda v: Offer(v.cost[:, :, None], v.capacity[:, :, None] / [1, 2]), "all alike"),
        (
            lambda v: Offer(np.repeat(v.cost[:, :, None], 2, 2), np.repeat(v.capacity[:, :, None], 2, 2) / 2),
            "says so in `blocks`",
        ),
        (lambda v: Offer("dear", v.capacity), "price must be an array of numbers; found 'dear'"),
        (lambda v: Offer(v.cost, None), "quantity"),
        (lambda v: None, "must return an Offer; found None"),
    ],
)
def test_an_offer_that_the_market_cannot_take_is_told(function: Any, told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        collect(dallas_dc=Says(function))
    text = str(caught.value)
    assert told in text
    assert "provider 'dallas_dc', period 0, strategy Says(" in text


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda v: Bid(put(v.demand, (0, 0), -1), v.value),
            "quantity must be finite and not negative; found -1 at node 'dallas', workload 'chat'",
        ),
        (lambda v: Bid(put(v.demand, (0, 0), np.inf), v.value), "quantity must be finite"),
        (lambda v: Bid(v.demand, put(v.value, (0, 0), np.nan)), "value must not be negative; found nan"),
        (
            lambda v: Bid(v.demand, v.value, worth=-1 * np.ones((1, 4))),
            "worth must not be negative; found -1",
        ),
        (lambda v: Bid(v.demand[0], v.value[0]), "needs arrays of shape (1, 4)"),
        (lambda v: 3, "must return a Bid"),
    ],
)
def test_a_bid_that_the_market_cannot_take_is_told(function: Any, told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        collect(dallas=Asks(function))
    assert told in str(caught.value)
    assert "region 'dallas', period 0" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda v: Tender(put(v.route_cost, (3, 1), -1), v.capacity),
            "route_cost must be finite and not negative; found -1 at arc",
        ),
        (
            lambda v: Tender(v.route_cost, v.capacity * 2),
            "capacity must not be negative, and no more than exists; found 50 of 25 at arc",
        ),
        (
            lambda v: Tender(v.route_cost, put(v.capacity, 0, np.nan)),
            "capacity must not be negative, and no more than exists; found nan of 25",
        ),
        (
            lambda v: Tender(v.route_cost[0], v.capacity),
            "route_cost needs shape (14, 4) and capacity (14,); found (4,) and (14,)",
        ),
        (lambda v: [], "must return a Tender"),
    ],
)
def test_a_tender_that_the_market_cannot_take_is_told(function: Any, told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        collect(network=Tenders(function))
    assert told in str(caught.value)
    assert "owner 'network', period 0" in str(caught.value)


def test_rounding_of_blocks_that_add_up_is_forgiven() -> None:
    def split(view: View) -> Offer:
        shares = np.array([0.1, 0.2, 0.7 + 2e-13])
        return Offer(view.cost[:, :, None] * [1, 1.1, 1.2], view.capacity[:, :, None] * shares)

    _, book = collect(dallas_dc=Says(split, blocks=3))
    assert book.quantity.shape == (5, 4, 3)


def test_agents_with_fewer_blocks_leave_the_others_empty() -> None:
    def two(view: View) -> Offer:
        return Offer(np.stack([view.cost, 2 * view.cost], 2), np.stack([view.capacity, view.capacity], 2) / 2)

    model, book = collect(dallas_dc=Says(two, blocks=2))
    assert list(model.clearing_house.layout.blocks) == [0, 1]
    at = list(model.clearing_house.layout.assets).index("dallas")
    others = np.arange(5) != at
    assert (book.quantity[others, :, 1] == 0).all()
    assert np.array_equal(book.price[others, :, 1], book.price[others, :, 0])
    assert np.array_equal(book.price[at, :, 1], 2 * book.price[at, :, 0])


def test_the_worth_of_service_is_kept_from_the_market() -> None:
    def shade(view: DemandView) -> Bid:
        return Bid(view.demand, np.full((1, 4), 3.0), worth=np.full((1, 4), 8.0))

    model, book = collect(dallas=Asks(shade))
    at = list(model.clearing_house.layout.nodes).index("dallas")
    assert (book.arrays().value[at] == 3.0).all()
    assert (book.worth[at] == 8.0).all()
    assert np.isinf(np.delete(book.worth, at, axis=0)).all()


def test_a_kept_array_may_change_later_without_changing_the_market() -> None:
    mine = np.ones((1, 4))

    def same(view: View) -> Offer:
        return Offer(mine, view.capacity)

    model, book = collect(dallas_dc=Says(same))
    mine[:] = 99.0
    assert book.price.max() < 99.0
    assert model.providers["dallas_dc"].strategy.function is same


def test_other_errors_of_a_strategy_keep_their_kind_and_say_whose_they_are() -> None:
    with pytest.raises(IndexError) as caught:
        collect(dallas_dc=Says(lambda view: view.cost[7]))
    assert "provider 'dallas_dc', period 0" in caught.value.__notes__[0]


def test_a_strategy_that_asks_python_to_exit_ends_its_run_and_no_more() -> None:
    with pytest.raises(StrategyError, match="asked Python to exit") as caught:
        collect(dallas_dc=Says(lambda view: sys.exit(3)))
    assert "provider 'dallas_dc', period 0" in str(caught.value)
