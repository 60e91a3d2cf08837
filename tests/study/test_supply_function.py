"""Linear supply-function equilibria against closed forms and against the conditions of a best reply."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import array
from tests.study.test_cournot import one_node, two_nodes


@pytest.mark.parametrize("firms", [2, 3, 5])
def test_equal_firms_have_the_slope_of_the_quadratic(firms: int) -> None:
    """c (n - 1) beta^2 + (2 - n + c gamma) beta - gamma = 0 (Klemperer and Meyer 1989; Green 1996)."""
    cost, b, begin = 0.7, 1.5, 10.0
    found = tf.supply_function_equilibrium(one_node([begin] * firms, slopes=[cost] * firms, b=b))
    beta = max(np.roots([cost * (firms - 1), 2 - firms + cost / b, -1 / b]))
    np.testing.assert_allclose(found["supply_slope"], beta, rtol=1e-11)
    # What is supplied at the price is what is demanded: n beta (p - c) = (a - p) / b.
    price = (100 / b + firms * beta * begin) / (1 / b + firms * beta)
    np.testing.assert_allclose(found["price"].item(), price, rtol=1e-10)
    assert found.attrs["converged"]


def test_unequal_firms_reply_to_each_other_and_lie_between_competition_and_cournot() -> None:
    """q_i = (p - C_i'(q_i)) (gamma + sum of the others' slopes), of firms with other intercepts (Baldick et al.)."""
    market = one_node([10, 12, 8], slopes=[0.5, 1.0, 2.0])
    found = tf.supply_function_equilibrium(market)
    price, sold = found["price"].item(), found["sales"].to_numpy().ravel()
    beta = found["supply_slope"].to_numpy().ravel()
    others = 1.0 + beta.sum() - beta
    marginal = np.array([10, 12, 8]) + np.array([0.5, 1.0, 2.0]) * sold
    np.testing.assert_allclose(sold, (price - marginal) * others, rtol=1e-10)
    assert tf.clear(market).price.item() < price < tf.cournot(market)["price"].item()
    # Who takes prices offers at marginal cost.
    fringe = tf.supply_function_equilibrium(market, players=["firm0"])
    np.testing.assert_allclose(fringe["supply_slope"].to_numpy().ravel()[1:], [1.0, 0.5], rtol=1e-12)


def joined(line: float, a: tuple[float, float], slopes: tuple[float, float] = (1.0, 1.0)) -> tf.Market:
    market = two_nodes(line, a)
    rises = array(np.reshape(slopes, (2, 1)), asset=market.layout.assets, workload=["chat"])
    return market.replace(offer_slope=rises)


@pytest.mark.parametrize("slopes", [(1.0, 1.0), (0.5, 2.0)])
def test_a_full_line_leaves_each_firm_its_own_customers(slopes: tuple[float, float]) -> None:
    """Then gamma is 1: beta = 1 / (1 + c), and (a - k) - p = beta p on one side, (a + k) - p on the other."""
    cost, k = np.array(slopes), 0.25
    found = tf.supply_function_equilibrium(joined(k, (20.0, 10.0), slopes))
    beta = 1.0 / (1.0 + cost)
    np.testing.assert_allclose(found["supply_slope"].to_numpy().ravel(), beta, rtol=1e-10)
    np.testing.assert_allclose(
        found["price"].to_numpy().ravel(), np.array([20.0 - k, 10.0 + k]) / (1.0 + beta), rtol=1e-9
    )
    assert (found.attrs["converged"], found.attrs["gain"]) == (1, 0.0)


def test_a_wide_line_makes_one_market_and_a_thin_one_tempts() -> None:
    """One market: beta = (2 + beta) / (3 + beta). Over a thin line a firm gains by holding back until it fills."""
    wide = tf.supply_function_equilibrium(joined(50.0, (20.0, 10.0)))
    np.testing.assert_allclose(wide["supply_slope"], np.sqrt(3) - 1, rtol=1e-9)
    assert wide.attrs["gain"] == 0.0
    thin = tf.supply_function_equilibrium(joined(0.2, (10.0, 10.0)))
    np.testing.assert_allclose(thin["supply_slope"], np.sqrt(3) - 1, rtol=1e-9)
    assert thin.attrs["gain"] > 1e-3
    # Without a line equal prices are no one market.
    apart = tf.supply_function_equilibrium(joined(0.0, (10.0, 10.0)))
    np.testing.assert_allclose(apart["supply_slope"], 0.5, rtol=1e-10)


def test_a_full_fringe_answers_no_price() -> None:
    """A fringe firm that is full leaves two players; with slope 1 and gamma 1, beta = (1 + beta) / (2 + beta)."""
    market = one_node([10, 10, 1], slopes=[1, 1, 1])
    most = array([[1e3], [1e3], [2.0]], asset=market.layout.assets, workload=["chat"])
    found = tf.supply_function_equilibrium(market.replace(capacity=most), players=["firm0", "firm1"])
    np.testing.assert_allclose(found["supply_slope"].to_numpy().ravel()[:2], (np.sqrt(5) - 1) / 2, rtol=1e-9)


def test_an_iteration_that_ends_early_says_so() -> None:
    found = tf.supply_function_equilibrium(one_node([1, 2], slopes=[0.01, 0.01]), most=2)
    assert not found.attrs["converged"]
    assert found.attrs["rounds"] == 2
    assert found.attrs["change"] > 1e-3


def test_what_has_no_such_equilibrium_is_refused_in_one_line() -> None:
    with pytest.raises(
        tf.MarketError, match="where marginal cost does not rise there is no linear equilibrium"
    ):
        tf.supply_function_equilibrium(one_node([10, 10]))
    with pytest.raises(tf.MarketError, match="is full in equilibrium"):
        tf.supply_function_equilibrium(one_node([10, 10], slopes=[1, 1], most=3.0))
    whole = joined(0.1, (20.0, 10.0))
    layout = dataclasses.replace(whole.layout, provider=("north", "north"))
    both = tf.Market.from_arrays(layout, whole.arrays)
    with pytest.raises(tf.MarketError, match=r"has assets where prices move apart.*use tf\.cournot"):
        tf.supply_function_equilibrium(both)
    with pytest.raises(tf.MarketError, match="needs affine demand everywhere"):
        tf.supply_function_equilibrium(one_node([10, 10], slopes=[1, 1]).replace(value_slope=None))
    with pytest.raises(tf.MarketError, match=r"(?s)tolerance: must lie.*most: must be at least 1"):
        tf.supply_function_equilibrium(one_node([10, 10], slopes=[1, 1]), tolerance=2.0, most=0)
