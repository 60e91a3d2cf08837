"""Money in is money out, to the last cent, and each party gets its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

import tokenflow_sim as tf
from tests.market.small import cleared, cleared_lazily, small
from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, markets
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.errors import MarketError
from tokenflow_sim.market.pricing_rules import settle_values


@pytest.fixture(scope="module")
def market() -> tf.Market:
    """The link is full: a rent of two dollars, three assets of two providers, and a second, idle link."""
    return small(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 2.0), ("east", 2.0, 1.0)], demand=[2.0, 4.0],
        arcs=[("east", "west", 1.5), ("west", "east", 5.0)], provider=["acme", "acme", "bolt"],
        owner=["tier1", "region"],
    )  # fmt: skip


def test_every_party_by_hand(market: tf.Market) -> None:
    settlement = tf.settle(market, cleared(market))
    assert (settlement.payment / 3600).to_numpy().ravel() == pytest.approx([2 * 1.0, 4 * 3.0])
    assert (settlement.revenue / 3600).to_numpy().ravel() == pytest.approx([3.5 * 1.0, 1.5 * 3.0, 1.0 * 3.0])
    assert (settlement.link_income / 3600).to_numpy().ravel() == pytest.approx([1.5 * 2.0, 0.0])
    assert abs(settlement.residual) < 1e-9 * 14 * 3600


def test_totals_by_party(market: tf.Market) -> None:
    totals = tf.settle(market, cleared(market)).by_party()
    assert float(totals.revenue.sel(provider="acme")) == pytest.approx(3600 * 8.0)
    assert float(totals.revenue.sel(provider="bolt")) == pytest.approx(3600 * 3.0)
    assert float(totals.link_income.sel(owner="tier1")) == pytest.approx(3600 * 3.0)
    assert float(totals.link_income.sel(owner="region")) == 0.0
    assert float(totals.payment.sel(node="east")) == pytest.approx(3600 * 12.0)
    assert {array.attrs["units"] for array in totals.values()} == {"$/h"}


def test_without_a_network_no_owner_earns() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0)], demand=[2.0])
    settlement = tf.settle(market, cleared(market))
    totals = settlement.by_party()
    assert totals.link_income.sizes == {"owner": 0}
    assert settlement.link_income.shape == (0, 1)
    assert settlement.residual == 0.0
    assert float(totals.revenue.sum()) == float(totals.payment.sum()) == 7200.0


def test_what_is_not_served_is_not_paid() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[[[1.5, 1.0]]], value=[[[50.0, 9.0]]])
    assert float(tf.settle(market, cleared(market)).payment.sum()) == 3600 * 2.0 * 9.0


def test_route_costs_go_to_the_link() -> None:
    market = small(
        assets=[("west", 1.0, 9.0)], demand=[0.0, 4.0], arcs=[("east", "west", 9.0)], route_cost=[[0.25]]
    )
    settlement = tf.settle(market, cleared(market))
    assert settlement.link_income.item() == pytest.approx(3600 * 4 * 0.25)
    assert settlement.payment.sum().item() == pytest.approx(3600 * 4 * 1.25)


def test_a_rate_does_not_depend_on_the_length_of_the_period(market: tf.Market) -> None:
    short = market.replace(hours=0.25)
    one, other = tf.settle(market, cleared(market)), tf.settle(short, cleared(short))
    assert (one.payment == other.payment).all()
    assert (one.revenue == other.revenue).all()


def test_money_in_is_money_out_in_random_markets() -> None:
    @effort(3)
    @given(markets(FORMULATIONS["shared_power_shedding"]))
    def run(market: tf.Market) -> None:
        tell(market)
        clearing = cleared_lazily(market)
        settlement, money = (
            tf.settle(market, clearing),
            settle_values(market.layout, market.arrays, clearing.values),
        )
        paid = float(settlement.payment.sum())
        assert abs(settlement.residual) <= 1e-9 * max(3600.0, paid)
        for labelled, plain in (
            (settlement.payment, money.payment),
            (settlement.revenue, money.revenue),
            (settlement.link_income, money.link_income),
        ):
            np.testing.assert_array_equal(labelled.to_numpy(), 3600 * plain)
        totals = settlement.by_party()
        assert float(totals.payment.sum()) == pytest.approx(paid)
        assert float(totals.revenue.sum() + totals.link_income.sum()) == pytest.approx(
            paid, rel=1e-9, abs=1e-4
        )

    run()


def test_the_papers_operating_point() -> None:
    """Users pay 139,446 $/h, providers get 137,613; the rest belongs to the networks."""
    market = paper_market(5)
    settlement = tf.settle(market, cleared(market))
    assert round(float(settlement.payment.sum())) == 139_446
    assert round(float(settlement.revenue.sum())) == 137_613
    assert float(settlement.link_income.sum()) == pytest.approx(1_784 + 49.71, abs=0.5)
    assert repr(settlement).startswith(
        "<Settlement: demand pays 139,446.09 $/h, providers earn 137,612.52 $/h,"
    )


@pytest.mark.parametrize("of", [tf.settle, tf.decompose])
def test_a_clearing_of_another_market_is_refused(of: Callable[..., object], market: tf.Market) -> None:
    clearing = tf.clear(market)
    of(market.replace(), clearing)  # an equal one will do
    dearer = market.replace(offer_price=market.offer_price * 2, demand=market.demand * 0.5)
    with pytest.raises(MarketError, match=r"differs .* in offer_price, demand; use clearing\.market"):
        of(dearer, clearing)
    renamed = market.replace(provider="somebody")
    with pytest.raises(MarketError, match="in its labels or incidence"):
        of(renamed, clearing)
    with pytest.raises(MarketError, match=r"must be a tf\.Market; found Clearing; a clearing's own market"):
        of(clearing, clearing)
