"""Linear supply-function equilibria against closed forms and against the conditions of a best reply."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
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
    with pytest.raises(tf.MarketError, match=r"a linear equilibrium has one; use tf\.cournot"):
        tf.supply_function_equilibrium(two_nodes(0.1, (20.0, 10.0)).replace(offer_slope=1.0))
    with pytest.raises(tf.MarketError, match="needs affine demand everywhere"):
        tf.supply_function_equilibrium(one_node([10, 10], slopes=[1, 1]).replace(value_slope=None))
    with pytest.raises(tf.MarketError, match=r"(?s)tolerance: must lie.*most: must be at least 1"):
        tf.supply_function_equilibrium(one_node([10, 10], slopes=[1, 1]), tolerance=2.0, most=0)
