"""The certificate sees every corruption of what is published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tokenflow_sim.market.certificate import CERTIFIED, Certificate, certify
from tokenflow_sim.market.values import Values

# The first asset's power is worth 5 $/s per MW, the second is full of chat at a rent of 1, the third sets the west's
# price of 6. The link to the west is full at a rent of 1.5, and the east sheds what is worth less than its 8.
MARKET = small(
    workloads=("chat", "image"),
    assets=[
        ("west", [1.0, 10.0], [9.0, 9.0]), ("west", [5.0, 30.0], [4.0, 9.0]), ("west", [6.0, 40.0], [9.0, 9.0]),
        ("east", [8.0, 50.0], [9.0, 0.5]),
    ],
    demand=[[[5.0, 0.0], [2.0, 0.0]], [[3.0, 1.0], [1.0, 0.0]]],
    value=[[[np.inf, 9.0], [np.inf, 90.0]], [[np.inf, 7.0], [np.inf, 90.0]]],
    arcs=[("east", "west", 3.0), ("west", "east", 5.0)],
    link_use=[[1.0, 2.0], [1.0, 2.0]],
    route_cost=[[0.5, 1.0], [0.5, 1.0]],
    allowed=[[True, True], [False, True]],
    power_use=[[1.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]],
    power_limit=[7.0, np.inf, 99.0, 99.0],
)  # fmt: skip


@pytest.fixture(scope="module")
def values() -> Values:
    return cleared(MARKET).values


def certificate(values: Values) -> Certificate:
    return certify(MARKET.layout, MARKET.arrays, values)


def test_the_market_of_these_tests_has_every_rent(values: Values) -> None:
    assert certificate(values).worst < 1e-12
    assert values.price.tolist() == [[6.0, 20.0], [8.0, 24.0]]
    assert values.power_rent.tolist() == [5.0, 0.0, 0.0, 0.0]
    assert values.congestion_rent.tolist() == [1.5, 0.0]
    assert values.scarcity_rent[:, :, 0].tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert values.unserved[1, 0].tolist() == [0.0, 1.0]
    assert certificate(values).worst <= CERTIFIED


def changed(values: Values, name: str, spot: tuple[int, ...], change: float) -> Values:
    array = getattr(values, name).copy()
    array[spot] += change
    return replace(values, **{name: array})


@pytest.mark.parametrize(
    ("name", "spot", "change", "residuals"),
    [
        ("price", (0, 0), 0.5, {"dual", "complementarity"}),
        ("price", (0, 0), -0.5, {"complementarity", "gap"}),
        ("price", (1, 1), 0.5, {"dual", "gap"}),
        ("dispatch", (0, 0, 0), 0.1, {"primal"}),
        ("dispatch", (0, 0, 0), -0.1, {"primal"}),
        ("dispatch", (1, 0, 0), 0.1, {"primal", "complementarity"}),
        ("dispatch", (3, 1, 0), -0.1, {"primal", "complementarity"}),
        ("flow", (0, 0), 0.1, {"primal"}),
        ("flow", (1, 0), 0.1, {"primal"}),
        ("flow", (1, 1), -0.1, {"primal"}),
        ("unserved", (1, 0, 1), -0.1, {"primal"}),
        ("unserved", (0, 0, 0), 0.1, {"primal"}),
        ("scarcity_rent", (1, 0, 0), 0.3, {"complementarity", "gap"}),
        ("scarcity_rent", (1, 0, 0), -0.3, {"dual", "complementarity", "gap"}),
        ("scarcity_rent", (2, 0, 0), -0.3, {"dual", "complementarity"}),
        ("power_rent", (0,), 0.3, {"complementarity", "gap"}),
        ("power_rent", (0,), -0.3, {"dual", "gap"}),
        ("power_rent", (2,), 0.3, {"complementarity"}),
        ("power_rent", (2,), -0.3, {"dual"}),
        ("congestion_rent", (0,), 0.3, {"complementarity", "gap"}),
        ("congestion_rent", (0,), -0.3, {"dual", "gap"}),
        ("congestion_rent", (1,), -0.3, {"dual"}),
    ],
)
def test_a_corrupted_number_shows(
    values: Values, name: str, spot: tuple[int, ...], change: float, residuals: set[str]
) -> None:
    found = certificate(changed(values, name, spot, change))
    for residual in residuals:
        assert getattr(found, residual) > 1e-4, residual
    assert found.worst > CERTIFIED


def test_a_wrong_cost_shows_as_a_gap(values: Values) -> None:
    gaps = [certificate(replace(values, cost=values.cost * (1 + error))).gap for error in (0.001, 0.002)]
    assert 1e-4 < gaps[0] <= 1e-3
    assert gaps[1] == pytest.approx(2 * gaps[0])


@pytest.mark.parametrize(
    "name", ["price", "dispatch", "flow", "unserved", "scarcity_rent", "power_rent", "congestion_rent"]
)
@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_what_is_not_a_number_is_never_certified(values: Values, name: str, strange: float) -> None:
    array = getattr(values, name).copy()
    array.flat[0] = strange
    assert certificate(replace(values, **{name: array})).worst == np.inf


def test_a_cost_that_is_not_a_number_is_never_certified(values: Values) -> None:
    assert certificate(replace(values, cost=np.nan)).worst == np.inf


def test_a_feasible_dispatch_that_is_not_the_cheapest_has_a_gap() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0), ("here", 3.0, 9.0)], demand=[4.0])
    values = cleared(market).values
    swapped = replace(values, dispatch=values.dispatch[::-1].copy(), cost=12.0)
    found = certify(market.layout, market.arrays, swapped)
    assert found.primal == 0.0
    assert found.gap == pytest.approx(8 / 12)  # relative to the cost, or to the quantity at the highest offer
    assert found.complementarity == pytest.approx(8 / 12)


def test_residuals_are_relative_to_the_market() -> None:
    """The same relative error in any units."""
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0), ("here", 3.0, 9.0)], demand=[12.0])

    def residuals(quantity: float, price: float) -> Any:
        a = market.arrays
        scaled = tf.Market.from_arrays(
            market.layout,
            a.with_(
                demand=a.demand * quantity, capacity=a.capacity * quantity, offer_price=a.offer_price * price
            ),
        )
        values = cleared(scaled).values
        off = replace(values, price=values.price * 1.01, dispatch=values.dispatch * 0.99)
        found = certify(scaled.layout, scaled.arrays, off)
        return [found.primal, found.dual, found.complementarity, found.gap]

    plain = residuals(1.0, 1.0)
    assert min(plain) > 1e-3
    for quantity, price in ((1e3, 1.0), (1.0, 1e3), (1e6, 1e6), (1e-6, 1e-6)):
        assert residuals(quantity, price) == pytest.approx(plain, rel=1e-9)


def test_it_lists_its_residuals() -> None:
    text = str(Certificate(1e-9, 2e-9, 3e-9, 4e-9))
    assert text == "primal 1.00e-09, dual 2.00e-09, complementarity 3.00e-09, gap 4.00e-09"
    assert Certificate(1e-9, 2e-9, 5e-9, 4e-9).worst == 5e-9
