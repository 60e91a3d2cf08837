"""Pricing rules against theory, hand cases and a second program: pay as bid, VCG and the k-double auction."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.market.small import cleared, cleared_lazily, small
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, markets
from tokenflow_sim.errors import InfeasibleError, MarketError
from tokenflow_sim.market.pricing import Pricing

OF_UNIT = 3600.0


def pool(costs: Any, providers: str, demand: Any, value: Any = np.inf, capacity: float = 1.0) -> tf.Market:
    """Return a market of one node and class; costs one an asset, whose providers are letters."""
    return small(
        nodes=("here",), assets=[("here", cost, capacity) for cost in costs], demand=[[demand]], value=value,
        provider=list(providers),
    )  # fmt: skip


def paid(market: tf.Market, pricing: Any) -> tf.Settlement:
    return tf.settle(market, cleared(market), pricing=pricing)


def by_asset(settlement: tf.Settlement) -> list[float]:
    found: list[float] = (settlement.revenue.to_numpy().ravel() / OF_UNIT).round(12).tolist()
    return found


def test_vcg_by_hand() -> None:
    """Costs 1, 2, 5 and demand 2: 5 and 5. One firm of {1, 2} against 5 and 6: 11, where the price pays 10."""
    apart = paid(pool([1, 2, 5], "abc", 2.0), "vcg")
    assert by_asset(apart) == [5.0, 5.0, 0.0]
    assert apart.budget == 0.0
    market = pool([1, 2, 5, 6], "aabc", 2.0)
    together = paid(market, "vcg")
    assert by_asset(together) == [5.0, 6.0, 0.0, 0.0]
    assert together.budget == pytest.approx(-OF_UNIT)
    assert abs(together.residual) < 1e-9 * 1e4
    assert "the operator keeps -3,600.00" in repr(together)
    at_price = paid(market, "lmp")
    assert by_asset(at_price) == [5.0, 5.0, 0.0, 0.0]
    assert (together.payment == at_price.payment).all()


def test_vcg_of_the_pivotal() -> None:
    market = pool([1, 2], "ab", 2.0)
    with pytest.raises(InfeasibleError) as error:
        paid(market, "vcg")
    assert error.value.shortfall == {("here", "chat"): pytest.approx(1.0)}
    assert "without provider 'a'" in error.value.__notes__[0]
    valued = paid(market, Pricing(rule="vcg", pivotal_value=40.0))
    assert by_asset(valued) == [40.0, 40.0]
    assert by_asset(paid(pool([1, 2], "ab", 2.0, 40.0), "vcg")) == [40.0, 40.0]
    # a value below the cost never takes from what was asked
    assert by_asset(paid(market, Pricing(rule="vcg", pivotal_value=0.5))) == [1.0, 2.0]


def test_vcg_pays_what_presence_saves_in_any_network() -> None:
    """Against the second program's least costs with each provider and without."""

    @effort(2)
    @given(markets(FORMULATIONS["blocks_and_steps"]))
    def run(market: tf.Market) -> None:
        tell(market)
        value = np.where(np.isinf(market.arrays.value), 1e3, market.arrays.value)
        changed = market.arrays.with_(value=value)
        market = tf.Market.from_arrays(market.layout, changed, check=False)
        clearing = cleared_lazily(market)
        found, values = tf.settle(market, clearing, pricing="vcg"), clearing.values
        revenue = found.revenue.to_numpy().sum(axis=1) / OF_UNIT
        whole, names = solve(market), np.array(market.layout.provider)
        assert whole is not None
        for name in dict.fromkeys(names):
            rows = names == name
            asked = float((changed.offer_price * values.dispatch)[rows].sum())
            capacity = np.where(rows[:, None, None], 0.0, changed.capacity)
            other = solve(tf.Market.from_arrays(market.layout, changed.with_(capacity=capacity), check=False))
            assert other is not None
            saved = other.cost - whole.cost
            assert revenue[rows].sum() == pytest.approx(
                asked + saved, rel=1e-6, abs=1e-6 * (1 + abs(whole.cost))
            )
            assert revenue[rows].sum() >= asked - 1e-9 * (1 + abs(asked))
        money = float(found.payment.sum())
        assert abs(found.residual) <= 1e-9 * max(OF_UNIT, abs(money))

    run()


def test_nobody_gains_by_another_offer_under_vcg() -> None:
    """Truth is a best reply to whatever rivals offer, and at the price it is not."""
    rng, gained = np.random.default_rng(1), 0
    own = np.array([True, True, False, False])
    for _ in range(3):
        cost, capacity = rng.integers(1, 20, 4).astype(float), rng.integers(1, 5, 4).astype(float)
        demand = float(rng.integers(4, 9))
        truthful = _profits(cost, capacity, cost, demand, own)
        for _ in range(5):
            price = np.where(own, np.maximum(0, cost + rng.normal(0, 8, 4)), cost)
            quantity = np.where(own, capacity * rng.uniform(0.2, 1, 4), capacity)
            other = _profits(price, quantity, cost, demand, own)
            assert other["vcg"] <= truthful["vcg"] + 1e-9
            gained += other["lmp"] > truthful["lmp"] + 1e-9
    assert gained > 0


def _profits(price: Any, quantity: Any, cost: Any, demand: float, own: Any) -> dict[str, float]:
    market = small(
        nodes=("here",), assets=[("here", p, q) for p, q in zip(price, quantity, strict=True)],
        demand=[[demand]], value=30.0, provider=["a" if mine else "b" for mine in own],
    )  # fmt: skip
    clearing = cleared(market)
    spent = cost[own] @ clearing.values.dispatch[own].ravel()
    return {
        rule: tf.settle(market, clearing, pricing=rule).revenue.to_numpy()[own].sum() / OF_UNIT - spent
        for rule in ("vcg", "lmp")
    }


def test_pay_as_bid_by_hand() -> None:
    """Blocks are paid what each asks; demand pays the mean of the offers taken, whatever its steps bid."""
    market = small(
        nodes=("here", "there"), assets=[("here", [[1.0, 4.0]], [[2.0, 2.0]]), ("there", [[9.0, 9.0]], [[9.0, 0.0]])],
        demand=[[[2.0, 1.0]], [[2.0, 0.0]]], value=[[[50.0, 20.0]], [[50.0, 20.0]]],
        arcs=[("there", "here", 1.0)], route_cost=[0.5],
    )  # fmt: skip
    found = paid(market, "pay_as_bid")
    assert by_asset(found) == [10.0, 9.0]
    assert (found.link_income / OF_UNIT).item() == pytest.approx(0.5)
    # Of 43.5 paid at prices 8.5 and 9, 24 is rent (of the offers that are full): 4.8 for each of five served.
    assert (found.payment / OF_UNIT).to_numpy().ravel() == pytest.approx([3 * 3.7, 2 * 4.2])
    assert abs(found.residual) < 1e-9 * 1e5
    assert found.budget == 0.0


def test_pay_as_bid_pays_offers_and_takes_no_more_than_prices() -> None:
    @effort(3)
    @given(markets(FORMULATIONS["everything"]))
    def run(market: tf.Market) -> None:
        tell(market)
        clearing = cleared_lazily(market)
        values, arrays = clearing.values, market.arrays
        found, at_price = (tf.settle(market, clearing, pricing=rule) for rule in ("pay_as_bid", "lmp"))
        asked = (arrays.offer_price * values.dispatch).sum(axis=2) * OF_UNIT
        np.testing.assert_array_equal(found.revenue.to_numpy(), asked)
        near = 1e-9 * (OF_UNIT + abs(float(at_price.payment.sum())))
        assert abs(found.residual) <= near
        assert (found.payment <= at_price.payment + near).all()
        # What links are paid is what transport costs as offered, curvature included.
        lost = np.where(np.isinf(arrays.value), 0.0, arrays.value) * values.unserved
        rest = values.cost - asked.sum() / OF_UNIT - lost.sum()
        assert float(found.link_income.sum()) / OF_UNIT == pytest.approx(rest, rel=1e-9, abs=near)

    run()


def test_matched_pairs_by_hand() -> None:
    """The dearest bid takes the cheapest offer, and so on; equal bids share what they are matched with."""
    market = small(
        nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 2.0), ("here", 8.0, 9.0)],
        demand=[[[1.0, 2.0, 3.0]]], value=[[[9.0, 7.0, 2.0]]],
    )  # fmt: skip
    # 9 with 1 (one unit); 7 with 1 (one) and with 3 (one); 3 has one more to sell, at which nobody buys.
    found = paid(market, "k_double_auction")
    assert by_asset(found) == [5.0 + 4.0, 5.0, 0.0]
    assert float(found.payment.sum()) / OF_UNIT == pytest.approx(14.0)
    assert (found.budget, found.residual) == (0.0, pytest.approx(0.0, abs=1e-9))
    assert by_asset(paid(market, Pricing(rule="k_double_auction", k=0.0))) == [2.0, 3.0, 0.0]
    assert by_asset(paid(market, Pricing(rule="k_double_auction", k=1.0))) == [16.0, 7.0, 0.0]
    # One price: 3 is left in part, so that it is both the dearest taken and the cheapest left.
    one = Pricing(rule="k_double_auction", trade="uniform")
    assert by_asset(paid(market, one)) == [6.0, 3.0, 0.0]
    even = small(
        nodes=("a", "b"), assets=[("a", 1.0, 1.0), ("b", 3.0, 1.0)], demand=[1.0, 1.0], value=[9.0, 9.0],
        arcs=[("a", "b", np.inf), ("b", "a", np.inf)],
    )  # fmt: skip
    shared = paid(even, "k_double_auction")
    assert (shared.payment / OF_UNIT).to_numpy().ravel() == pytest.approx([5.5, 5.5])
    assert by_asset(shared) == [5.0, 6.0]


@pytest.mark.parametrize(
    ("bids", "offers", "k", "price"),
    [
        # Satterthwaite and Williams: the m-th and the m+1-st of all numbers, m sellers; k between them
        ([9.0, 7.0, 2.0], [1.0, 3.0, 8.0], 0.5, 5.0),
        ([9.0, 7.0, 4.0], [1.0, 3.0, 6.0], 0.5, 5.0),
        ([9.0, 7.0, 4.0], [1.0, 3.0, 6.0], 1.0, 6.0),
        ([9.0, 7.0, 4.0], [1.0, 3.0, 6.0], 0.0, 4.0),
        ([9.0], [1.0], 0.25, 3.0),
    ],
)
def test_one_price_is_that_of_the_order_statistics(
    bids: list[float], offers: list[float], k: float, price: float
) -> None:
    market = small(
        nodes=("here",), assets=[("here", offer, 1.0) for offer in offers], demand=[[np.ones(len(bids))]],
        value=[[bids]],
    )  # fmt: skip
    found = paid(market, Pricing(rule="k_double_auction", trade="uniform", k=k))
    ranked = sorted([*bids, *offers])
    low, high = ranked[len(offers) - 1], ranked[len(offers)]
    assert price == pytest.approx((1 - k) * low + k * high)
    trades = float(found.revenue.sum()) / OF_UNIT / price
    assert trades == pytest.approx(
        sum(b > a for b, a in zip(sorted(bids)[::-1], sorted(offers), strict=True))
    )


@given(st.integers(0, 10**6))
@effort(6)
def test_matches_lie_between_bid_and_offer(seed: int) -> None:
    """Nobody pays more than the bid or gets less than the offer, and k moves money from sellers to buyers."""
    rng = np.random.default_rng(seed)
    market = small(
        nodes=("here",), assets=[("here", p, q) for p, q in rng.integers(0, 9, (4, 2))],
        demand=[[rng.integers(0, 5, 3).astype(float)]], value=[[rng.integers(0, 12, 3).astype(float)]],
    )  # fmt: skip
    clearing, before = cleared(market), -1.0
    served = market.arrays.demand - clearing.values.unserved
    worth = float((market.arrays.value * served).sum())
    asked = float((market.arrays.offer_price * clearing.values.dispatch).sum())
    for k in (0.0, 0.5, 1.0):
        for trade in ("uniform", "discriminatory"):
            found = tf.settle(market, clearing, pricing=Pricing(rule="k_double_auction", k=k, trade=trade))
            amount = float(found.payment.sum()) / OF_UNIT
            assert amount == pytest.approx(float(found.revenue.sum()) / OF_UNIT)
            assert asked - 1e-9 <= amount <= worth + 1e-9
        assert amount >= before - 1e-9
        before = amount
    assert amount == pytest.approx(worth)


def test_what_a_rule_cannot_settle_is_one_line() -> None:
    network = small(assets=[("west", 1.0, 9.0)], demand=[1.0, 1.0], arcs=[("west", "east", 5.0)], value=9.0)
    with pytest.raises(MarketError, match="one node or a pool; found 2 nodes with a network"):
        paid(network, "k_double_auction")
    with pytest.raises(MarketError, match=r"a finite value of every bid; found .* 'chat' at 'here'"):
        paid(pool([1.0], "a", 0.5), "k_double_auction")
    with pytest.raises(MarketError, match=r"unknown pricing rule 'lpm'.*did you mean 'lmp'"):
        paid(network, "lpm")
    for wrong in ({"k": 1.5}, {"k": np.nan}, {"trade": "both"}, {"pivotal_value": -1.0}):
        with pytest.raises(ValueError, match="must be"):
            Pricing(rule="vcg", **wrong)
    assert pickle.loads(pickle.dumps(Pricing(rule="vcg"))) == Pricing(rule="vcg")


def test_a_market_keeps_its_rule() -> None:
    market = pool([1, 2, 5], "abc", 2.0)
    ruled = tf.Market.from_arrays(market.layout, market.arrays.with_(pricing=Pricing(rule="pay_as_bid")))
    assert float(tf.settle(ruled, cleared(ruled)).payment.sum()) == pytest.approx(3 * OF_UNIT)
    changed = ruled.replace(demand=ruled.demand * 0.5)
    assert float(tf.settle(changed, cleared(changed)).payment.sum()) == pytest.approx(1 * OF_UNIT)
    assert float(tf.settle(ruled, cleared(market), pricing="lmp").payment.sum()) == pytest.approx(
        10 * OF_UNIT
    )
    with pytest.raises(MarketError, match="pricing"):
        tf.Market.from_dataset(ruled.to_dataset())
